"""The one thing that setup.cfg cannot say: extensions in C, built where a compiler and the headers are.

Without them the same is done in Python: the digests of tickets two to three times as slowly
(orosync/identity/digests.py), events a little more slowly (orosync/transport/native.py).
"""

from setuptools import Extension, setup

setup(
    ext_modules=[
        Extension(
            "orosync.identity._rounds",
            ["native/rounds.c"],
            libraries=["crypto"],
            py_limited_api=True,
            optional=True,
        ),
        Extension(
            "orosync.transport._native",
            ["native/transport.c"],
            py_limited_api=True,
            optional=True,
        ),
    ]
)
