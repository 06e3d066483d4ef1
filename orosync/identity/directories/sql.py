"""Oro's users in a database: the queries, and what PostgreSQL, MySQL and MariaDB each need.

The queries read (Oro's UserBundle, OroUserBundleInstaller) ``oro_user``, its enabled organizations and its roles.
Where a user's authentication status stands differs: in ``auth_status_id`` up to Oro 6.0, in ``serialized_data`` from
6.1 on, in ``auth_status`` of a custom view. A probe of the columns that may be read tells which.

An ``Engine`` is one kind of database, reached by one driver: psycopg 3 or PyMySQL, imported only when it is used.
"""

from __future__ import annotations

import json
import math
import re
import ssl
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Protocol

import attrs

from orosync.config.database_dsn import MYSQL, POSTGRESQL, Dsn
from orosync.model import MOST_SHARED, SharedPassword, User

LONGEST_LOGIN = 255
"""Characters: ``oro_user.username`` and ``.email`` are varchar(255)."""

NEEDED = ("id", "username", "email", "email_lowercase", "password", "enabled")
NOT_ASKED_FOR = 3
"""The distance of a row that only fills up; 0 is a match of the username, 1 of the e-mail, 2 of the e-mail in another
case."""

SHUT_OUT = {"reset": "password_reset", "expired": "password_reset", "locked": "locked"}
"""Statuses of users who must choose a new password ("expired" until Oro 2.x), or are locked out (Enterprise), each with
its ``User.disabled_because``."""

MYSQL_BAD_TEXT = frozenset({1267, 1300, 1366, 3854, 3988})
"""Illegal mix of collations, invalid character string, incorrect string value, cannot convert string (twice)."""

MYSQL_LATE = frozenset({1969, 3024})
"""Query execution was interrupted: max_statement_time (MariaDB), max_execution_time (MySQL)."""

MYSQL_REFUSALS = frozenset({1044, 1045, 1049, 1130, 1227, 1698, 3118, 4151})
"""Access denied (to a database, by password, by privilege, by plugin), unknown database, host not allowed, account
locked (MySQL, MariaDB)."""

MYSQL_DISCONNECTS = frozenset({0, 1053, 1927, 2006, 2013, 2055, 3169, 4031})
"""Closed already (PyMySQL), server shutdown in progress, connection was killed (MariaDB), server has gone away, lost
connection during a query (closed, or no answer in time), lost connection, session was killed, disconnected for
inactivity (MySQL)."""

TLS_MODES = ("disable", "prefer", "require", "verify-ca", "verify-full")

POSTGRESQL_BAD_TEXT = frozenset({"22021", "22P05"})
"""character_not_in_repertoire, untranslatable_character (PostgreSQL, appendix A)."""

POSTGRESQL_LATE = "57014"
"""query_canceled: statement_timeout."""

POSTGRESQL_DISCONNECTS = re.compile(r"08...|57P0[1-5]|25P0[34]")
"""Connection exceptions, the server's shutdown, crash or start, a database that was dropped, time-outs of idle sessions
and of transactions."""


class UnknownSchema(Exception):
    """The users' table does not exist, or required columns cannot be read; the text says which."""


@attrs.frozen
class QueryLimits:
    """Seconds: to get a connection, and for one query; ``connections`` is how many there are at most."""

    connect: float
    query: float
    connections: int

    @property
    def look_up(self) -> float:
        """The longest that a look-up may take: connecting, and a query that the database did not end."""
        return self.connect + self.query + 1


@attrs.frozen
class Dialect:
    """The expressions of one kind of database. ``same`` compares a column and a parameter byte by byte; ``exact`` is a
    column by which rows are grouped byte by byte, ``ids`` the first ten users of a group."""

    here: str
    same: str
    exact: str
    ids: str
    json_types: frozenset[str]
    json_status: str
    json_list: str


POSTGRESQL_DIALECT = Dialect(
    here="ANY (current_schemas(false))",
    same="{column} = {value}",
    exact="{column}",
    ids="array_to_string((array_agg(id ORDER BY id))[1:10], ',')",
    json_types=frozenset({"json", "jsonb"}),
    json_status="u.serialized_data ->> 'auth_status'",
    json_list="json_agg({item})::text",
)
# The first half of ``same`` is for the index; collations of MySQL ignore case, accents and blanks at the end.
# MariaDB keeps JSON as text.
MYSQL_DIALECT = Dialect(
    here="DATABASE()",
    same="({column} = {value} AND CAST(CONVERT({column} USING utf8mb4) AS BINARY) = CAST({value} AS BINARY))",
    exact="CAST(CONVERT({column} USING utf8mb4) AS BINARY)",
    ids="SUBSTRING_INDEX(GROUP_CONCAT(id ORDER BY id), ',', 10)",
    json_types=frozenset({"json", "longtext"}),
    json_status=(
        "CASE WHEN JSON_VALID(u.serialized_data) "
        "THEN JSON_UNQUOTE(JSON_EXTRACT(u.serialized_data, '$.auth_status')) END"
    ),
    json_list="JSON_ARRAYAGG({item})",
)


class Engine(Protocol):
    """One kind of database, reached by one driver. Its methods run in threads."""

    dialect: Dialect
    module: str
    """The DB-API 2.0 module that connects."""

    extra: str
    """The extra of orosync that installs it."""

    def arguments(self) -> Mapping[str, Any]:
        """The arguments of the module's ``connect``."""

    def opened(self, connection: Any) -> None:
        """Set up a new connection: read-only, with time-outs."""

    def descriptor(self, connection: Any) -> int:
        """The connection's socket, so that a look-up can be cut off."""

    def is_lost(self, connection: Any) -> bool:
        """Whether the connection was lost (a restart of the server, an idle time-out)."""

    def cannot_hold(self, error: Exception) -> bool:
        """Whether the database rejected the login as invalid text: then no user has that name."""

    def is_late(self, error: Exception) -> bool:
        """Whether the database ended a query that took too long."""

    def is_disconnect(self, error: Exception) -> bool:
        """Whether the connection ended below a query: the server ended it, died, or stopped answering."""

    def has_refused(self, error: Exception) -> bool:
        """Of an error of connecting: whether the server answered and refused this login for good (password, database,
        rights), unlike one that cannot be reached, that starts or that has too many connections."""


class PostgreSQL:
    """Implements Engine. ValueError for a DSN of another kind of database."""

    module = "psycopg"
    extra = "postgres"
    dialect = POSTGRESQL_DIALECT

    def __init__(self, dsn: Dsn, limits: QueryLimits) -> None:
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
        """See Engine. ``arguments`` has set everything."""

    def descriptor(self, connection: Any) -> int:
        """See Engine."""
        number: int = connection.fileno()
        return number

    def is_lost(self, connection: Any) -> bool:
        """See Engine."""
        return bool(connection.closed)

    def cannot_hold(self, error: Exception) -> bool:
        """See Engine."""
        return getattr(error, "sqlstate", None) in POSTGRESQL_BAD_TEXT

    def is_late(self, error: Exception) -> bool:
        """See Engine."""
        return getattr(error, "sqlstate", None) == POSTGRESQL_LATE

    def is_disconnect(self, error: Exception) -> bool:
        """See Engine. libpq has no code for a connection that it lost; what a server reports has one always."""
        state = getattr(error, "sqlstate", None)
        if state is None:
            return type(error).__name__ in ("OperationalError", "DatabaseError")
        return POSTGRESQL_DISCONNECTS.fullmatch(state) is not None

    def has_refused(self, error: Exception) -> bool:
        """See Engine. libpq gives no code of an error while connecting, its text alone."""
        words = str(error)
        return "FATAL:" in words and not re.search(r"starting up|shutting down|recovery mode|too many|slots", words)


class MySQL:
    """Implements Engine. ValueError for a DSN of another kind of database, or TLS files that cannot be used."""

    module = "pymysql"
    extra = "mysql"
    dialect = MYSQL_DIALECT

    def __init__(self, dsn: Dsn, limits: QueryLimits) -> None:
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
        if dsn.socket:  # a local socket needs no TLS unless it is configured
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
        return bool(error.args) and error.args[0] in MYSQL_BAD_TEXT

    def is_late(self, error: Exception) -> bool:
        """See Engine."""
        return bool(error.args) and error.args[0] in MYSQL_LATE

    def is_disconnect(self, error: Exception) -> bool:
        """See Engine."""
        return bool(error.args) and error.args[0] in MYSQL_DISCONNECTS

    def has_refused(self, error: Exception) -> bool:
        """See Engine."""
        return bool(error.args) and error.args[0] in MYSQL_REFUSALS


ENGINES: Mapping[str, type[PostgreSQL] | type[MySQL]] = {POSTGRESQL: PostgreSQL, MYSQL: MySQL}
"""By the engine of a DSN, and ``use`` of a directory."""


def _tls(options: Mapping[str, str]) -> Mapping[str, Any]:
    """sslmode as in libpq; without it a root certificate means that the server is verified, as with PDO."""
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
        context.verify_flags &= ~ssl.VERIFY_X509_STRICT  # the certificates that MySQL generates fail it
        if "sslcert" in options:
            context.load_cert_chain(options["sslcert"], options.get("sslkey"))
    except OSError as error:
        raise ValueError(f"names a certificate or key that cannot be used ({error.strerror or error})") from None
    context.check_hostname = mode == "verify-full"
    if mode in ("prefer", "require") and not root:
        context.verify_mode = ssl.CERT_NONE
    return {"ssl": context}


def is_storable(login: str) -> bool:
    """Whether ``login`` can be a username or an e-mail at all; any other never reaches a database."""
    if not 0 < len(login) <= LONGEST_LOGIN or "\0" in login:
        return False
    return not any("\ud800" <= character <= "\udfff" for character in login)


def probe(dialect: Dialect, users: str) -> tuple[str, Mapping[str, str]]:
    """The query that finds the columns of ``users`` (``[schema.]table``) that may be read, and its parameters.

    Both databases list only the columns on which the database user has a privilege."""
    schema, _, table = users.rpartition(".")
    where = "= %(schema)s" if schema else f"= {dialect.here}"
    text = (
        "SELECT column_name, data_type FROM information_schema.columns "
        f"WHERE table_name = %(table)s AND table_schema {where}"
    )
    return text, {"table": table, "schema": schema}


def look_up(dialect: Dialect, users: str, columns: Iterable[Sequence[Any]]) -> str:
    """The query of a look-up for the columns that a probe found. UnknownSchema when they are not enough.

    Its parameters are those of ``parameters``. It gives two rows, the nearest first, filled up with other users:
    finding no user has to take as long as finding one, or response times would tell which names exist.
    """
    types = {str(name).lower(): str(kind).lower() for name, kind in columns}
    missing = [name for name in NEEDED if name not in types]
    if missing:
        raise UnknownSchema(f"{users}: {', '.join(missing)} cannot be read: not there, or not granted")
    schema, dot, _ = users.rpartition(".")
    prefix = schema + dot
    username = dialect.same.format(column="username", value="%(login)s")
    email = dialect.same.format(column="email", value="%(email)s")
    any_case = dialect.same.format(column="email_lowercase", value="%(lower)s")
    organizations = dialect.json_list.format(item="o.id")
    roles = dialect.json_list.format(item="r.role")
    return f"""\
SELECT near.distance, u.id, u.username, u.email, u.password, u.enabled, {_status(dialect, users, types)},
       (SELECT {organizations} FROM {prefix}oro_user_organization uo
         JOIN {prefix}oro_organization o ON o.id = uo.organization_id WHERE uo.user_id = u.id AND o.enabled),
       (SELECT {roles} FROM {prefix}oro_user_access_role ur
         JOIN {prefix}oro_access_role r ON r.id = ur.role_id WHERE ur.user_id = u.id)
  FROM ((SELECT id, CASE WHEN {username} THEN 0 WHEN {email} THEN 1 ELSE 2 END AS distance
           FROM {users} WHERE {username} OR {any_case})
        UNION ALL (SELECT id, {NOT_ASKED_FOR} FROM {users} ORDER BY id LIMIT 2)
        ORDER BY distance LIMIT 2) near
  JOIN {users} u ON u.id = near.id ORDER BY near.distance"""


def _status(dialect: Dialect, users: str, types: Mapping[str, str]) -> str:
    if "auth_status" in types:
        return "u.auth_status"
    found = []
    if types.get("serialized_data") in dialect.json_types:
        found.append(dialect.json_status)
    if "auth_status_id" in types:
        # After the newer form: the column may be left over from an upgrade, while up to 6.0 the other has no such key.
        found.append("u.auth_status_id")
    if not found:
        raise UnknownSchema(f"{users}: neither auth_status_id nor serialized_data (as JSON) can be read")
    return f"COALESCE({', '.join(found)})" if len(found) > 1 else found[0]


def shared(dialect: Dialect, users: str) -> str:
    """The query that finds the password hashes which more than one user has; its rows are for ``groups``. It reads no
    more columns than a look-up does."""
    password = dialect.exact.format(column="password")
    return f"""\
SELECT {password}, COUNT(*), SUM(CASE WHEN enabled THEN 1 ELSE 0 END), {dialect.ids}
  FROM {users} WHERE TRIM(password) <> ''
 GROUP BY {password} HAVING COUNT(*) > 1 ORDER BY MIN(id) LIMIT {MOST_SHARED}"""


def groups(rows: Iterable[Sequence[Any]]) -> list[SharedPassword]:
    """The result of ``shared``. Hashes of white space only do not count."""
    found = [
        SharedPassword(as_text(password), int(count), int(enabled), tuple(int(one) for one in as_text(ids).split(",")))
        for password, count, enabled, ids in rows
    ]
    return [one for one in found if one.password_hash.strip()]


def parameters(login: str) -> dict[str, str | None]:
    """The parameters of a look-up. A login without "@" is compared with no e-mail."""
    email = login if "@" in login else None
    return {"login": login, "email": email, "lower": None if email is None else email.lower()}


def choose(rows: Sequence[Sequence[Any]]) -> User | None:
    """The user of a look-up's rows; None if two users' e-mails differ in case only and neither is exact."""
    users = [_user(row) for row in rows]  # the rows that fill up too, for the time it takes: see ``look_up``
    distances = [row[0] for row in rows] + [NOT_ASKED_FOR] * 2
    return users[0] if distances[0] < distances[1] else None


def _user(row: Sequence[Any]) -> User:
    _, number, username, email, password, enabled, status, organizations, roles = row
    shut_out = SHUT_OUT.get(as_text(status).removeprefix("auth_status."), "")
    return User(
        id=int(number),
        username=as_text(username),
        password_hash=as_text(password),
        enabled=bool(enabled) and not shut_out,
        disabled_because=shut_out if enabled else "",
        email=as_text(email),
        organizations=frozenset(int(one) for one in json.loads(organizations or "[]")),
        roles=frozenset(str(one) for one in json.loads(roles or "[]")),
    )


def as_text(value: str | bytes | None) -> str:
    """As text; some columns and functions of MySQL give bytes."""
    return value.decode() if isinstance(value, bytes) else value or ""
