"""The one thing that setup.cfg cannot say: an extension in C, built where a compiler and OpenSSL's headers are.

Without it the same is done in Python, two to three times as slowly (orosync/identity/digests.py).
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
        )
    ]
)
