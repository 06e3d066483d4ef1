"""The notification router of Oro applications, and a WAMP router for everything else.

The house has floors; a room imports only from floors below its own (docs/architecture.md; ``tests/test_imports.py``
enforces it).
"""

__version__ = "0.2.0"
