"""What a kind of database has to say for itself, and the settings that are the same for all.

It must not know Oro's tables (``sql``) or threads (``pool``).
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from typing import Any, Protocol

import attrs

from orosync.identity.directories.sql import Dialect
from orosync.registry import how_to_install


@attrs.frozen
class Limits:
    """Seconds: to get a connection, and for one query; ``connections`` is how many there are at most."""

    connect: float = 3.0
    query: float = 2.0
    connections: int = 4

    @property
    def look_up(self) -> float:
        """How long one look-up may take at the worst: a connection, and a query that the database did not end."""
        return self.connect + self.query + 1


class Engine(Protocol):
    """One database, reached by one driver. Its methods run in threads."""

    dialect: Dialect
    module: str
    """The DB-API 2.0 module that connects."""

    extra: str
    """The extra of ours that installs it."""

    def arguments(self) -> Mapping[str, Any]:
        """What the module's ``connect`` is called with."""

    def opened(self, connection: Any) -> None:
        """Set a new connection up: read-only, and time-outs."""

    def descriptor(self, connection: Any) -> int:
        """The connection's socket, so that a look-up can be cut off."""

    def is_lost(self, connection: Any) -> bool:
        """Whether the connection turned out to be gone (the server was started again, an idle time-out)."""

    def cannot_hold(self, error: Exception) -> bool:
        """Whether the database refused the login itself as no text of its own: nobody can be called so."""


def missing_driver(module: str, extra: str) -> str:
    """ "" when ``module`` can be imported; else what is missing and how to get it."""
    try:
        import_module(module)
    except ImportError as error:
        return f"needs the module {module} ({error}), {how_to_install(extra)}"
    return ""
