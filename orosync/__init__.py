"""The notification router of Oro applications, and a WAMP router for other programs.

A package imports only from layers below its own (docs/architecture.md; ``tests/test_imports.py`` checks it).
"""

__version__ = "0.2.0"
