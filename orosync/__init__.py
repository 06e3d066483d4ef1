"""The notification router of Oro applications, and a WAMP router for everything else.

The house has floors; a room imports only from floors below it (``tests/test_imports.py`` says so):

6. faces: ``taps`` (the twistd command)
5. composition: ``service``, ``testing``
4. a client's life: ``session``
3. rooms: ``router``, ``transport``, ``identity``, ``authz``, ``notifications``
2. language: ``wamp``, ``interfaces``, ``config``, ``registry``
1. ground: ``model``, ``errors``
"""

__version__ = "0.1.0"
