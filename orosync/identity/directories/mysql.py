"""MariaDB and MySQL, through PyMySQL.

It must not know Oro's tables or the threads that it runs in. PyMySQL is imported when it is put to
use, never before.
"""

from __future__ import annotations

import math
import ssl
from collections.abc import Mapping
from typing import Any

from orosync.identity.directories.dsn import MYSQL, Dsn
from orosync.identity.directories.engine import Limits
from orosync.identity.directories.sql import MYSQL as DIALECT

NOT_ITS_TEXT = frozenset({1267, 1300, 1366, 3854, 3988})
"""Illegal mix of collations, invalid character string, incorrect string value, cannot convert string (twice)."""

TLS_MODES = ("disable", "prefer", "require", "verify-ca", "verify-full")


class MySQL:
    """Implements Engine. ValueError for a DSN of another kind of database, or TLS files that cannot be used."""

    module = "pymysql"
    extra = "mysql"
    dialect = DIALECT

    def __init__(self, dsn: Dsn, limits: Limits) -> None:
        if dsn.engine != MYSQL:
            raise ValueError(f"is the DSN of {dsn.engine}, not of MySQL")
        self._dsn = dsn
        self._limits = limits
        self._tls = _tls(dsn.options)

    def arguments(self) -> Mapping[str, Any]:
        """See Engine. The password goes as the bytes that PHP sends (PyMySQL would make Latin-1 of a text)."""
        dsn, limits = self._dsn, self._limits
        found: dict[str, Any] = {
            "user": dsn.user,
            "password": dsn.password.encode(),
            "database": dsn.database,
            "charset": "utf8mb4",
            "autocommit": True,
            "connect_timeout": limits.connect,
            "read_timeout": limits.query + 1,
            "write_timeout": limits.query + 1,
            "program_name": "orosync",
            **self._tls,
        }
        if dsn.socket:  # nobody listens in between: no TLS unless it is asked for
            return {"ssl_disabled": not self._tls, **found, "unix_socket": dsn.socket}
        return {**found, "host": dsn.host, "port": dsn.port or 3306}

    def opened(self, connection: Any) -> None:
        """See Engine. The two servers name and count the time-out differently."""
        seconds = self._limits.query
        if "mariadb" in connection.get_server_info().lower():
            limit = f"max_statement_time = {seconds:.3f}"
        else:
            limit = f"max_execution_time = {math.ceil(seconds * 1000)}"
        with connection.cursor() as cursor:
            cursor.execute("SET SESSION TRANSACTION READ ONLY")
            cursor.execute(f"SET SESSION {limit}")

    def descriptor(self, connection: Any) -> int:
        """See Engine."""
        number: int = connection._sock.fileno()
        return number

    def is_lost(self, connection: Any) -> bool:
        """See Engine."""
        return not connection.open

    def cannot_hold(self, error: Exception) -> bool:
        """See Engine."""
        return bool(error.args) and error.args[0] in NOT_ITS_TEXT


def _tls(options: Mapping[str, str]) -> Mapping[str, Any]:
    """libpq's meanings of sslmode; without one a root certificate means that the server is checked, as with PDO."""
    root = options.get("sslrootcert")
    mode = options.get("sslmode", "verify-full" if root else "prefer")
    if mode not in TLS_MODES:
        raise ValueError(f"has an sslmode that is none of {', '.join(TLS_MODES)}")
    if mode == "disable":
        return {"ssl_disabled": True}
    if mode == "prefer" and "sslcert" not in options:
        return {}
    try:
        context = ssl.create_default_context(cafile=root)
        context.verify_flags &= ~ssl.VERIFY_X509_STRICT  # the certificates that MySQL makes for itself do not pass it
        if "sslcert" in options:
            context.load_cert_chain(options["sslcert"], options.get("sslkey"))
    except OSError as error:
        raise ValueError(f"names a certificate or key that cannot be used ({error.strerror or error})") from None
    context.check_hostname = mode == "verify-full"
    if mode in ("prefer", "require") and not root:
        context.verify_mode = ssl.CERT_NONE
    return {"ssl": context}
