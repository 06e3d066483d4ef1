"""PostgreSQL, through psycopg 3.

It must not know Oro's tables or the threads that it runs in. psycopg is imported when it is put to
use, never before.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from orosync.identity.directories.dsn import POSTGRESQL, Dsn
from orosync.identity.directories.engine import Limits
from orosync.identity.directories.sql import POSTGRESQL as DIALECT

NOT_ITS_TEXT = frozenset({"22021", "22P05"})
"""character_not_in_repertoire, untranslatable_character (PostgreSQL, appendix A)."""


class PostgreSQL:
    """Implements Engine. ValueError for a DSN of another kind of database."""

    module = "psycopg"
    extra = "postgres"
    dialect = DIALECT

    def __init__(self, dsn: Dsn, limits: Limits) -> None:
        if dsn.engine != POSTGRESQL:
            raise ValueError(f"is the DSN of {dsn.engine}, not of PostgreSQL")
        self._dsn = dsn
        self._limits = limits

    def arguments(self) -> Mapping[str, Any]:
        """See Engine. Time-out and read-only are asked for while connecting, never by SET: behind a pooler that
        would stay on a connection which the application gets next. No prepared statements, for the same reason."""
        dsn, milliseconds = self._dsn, math.ceil(self._limits.query * 1000)
        found: dict[str, Any] = {
            "application_name": "orosync",
            **dsn.options,
            "host": dsn.socket or dsn.host,
            "user": dsn.user,
            "dbname": dsn.database,
            "client_encoding": "UTF8",
            "connect_timeout": max(2, math.ceil(self._limits.connect)),  # libpq takes whole seconds from 2
            "tcp_user_timeout": milliseconds + 1000,
            "options": f"-c statement_timeout={milliseconds} -c default_transaction_read_only=on",
            "autocommit": True,
            "prepare_threshold": None,
        }
        if dsn.port is not None:
            found["port"] = dsn.port
        if dsn.password:
            found["password"] = dsn.password
        return found

    def opened(self, connection: Any) -> None:
        """See Engine: ``arguments`` has said it all."""

    def descriptor(self, connection: Any) -> int:
        """See Engine."""
        number: int = connection.fileno()
        return number

    def is_lost(self, connection: Any) -> bool:
        """See Engine."""
        return bool(connection.closed)

    def cannot_hold(self, error: Exception) -> bool:
        """See Engine."""
        return getattr(error, "sqlstate", None) in NOT_ITS_TEXT
