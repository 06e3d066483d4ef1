"""Oro's database DSN (ORO_DB_DSN) read as Doctrine reads it, without Doctrine.

    postgres://oro:secret@db.example.com:5432/oro?sslmode=verify-full&charset=utf8&serverVersion=17.2

Doctrine splits with PHP's parse_url, decodes percent signs, and lets keys of the query override the parts before them
(DBAL, DsnParser). A password may therefore hold a raw "@" or ":", but "/", "?" and "#" only percent-encoded. Keys that
only Doctrine understands are dropped. An error never repeats the text.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from urllib.parse import parse_qsl, unquote

import attrs

POSTGRESQL = "postgresql"
MYSQL = "mysql"

SCHEMES = {
    "postgres": POSTGRESQL,
    "postgresql": POSTGRESQL,
    "pgsql": POSTGRESQL,
    "pdo_pgsql": POSTGRESQL,
    "mysql": MYSQL,
    "mysql2": MYSQL,
    "mysqli": MYSQL,
    "pdo_mysql": MYSQL,
    "mariadb": MYSQL,
}

OVERRIDING = frozenset({"host", "port", "user", "password", "dbname", "unix_socket"})
"""Keys of the query that override a part of the DSN."""

KEPT: Mapping[str, frozenset[str]] = {
    POSTGRESQL: frozenset(
        [
            "sslmode",
            "sslrootcert",
            "sslcert",
            "sslkey",
            "sslpassword",
            "sslcrl",
            "sslnegotiation",
            "ssl_min_protocol_version",
            "gssencmode",
            "channel_binding",
            "target_session_attrs",
            "application_name",
        ]
    ),
    MYSQL: frozenset({"sslmode", "sslrootcert", "sslcert", "sslkey"}),
}
"""Keys that are passed to the driver, with libpq's names on both engines."""

DOCTRINE = frozenset(
    [
        "auto_commit",
        "charset",
        "dbname_suffix",
        "default_dbname",
        "default_table_options",
        "defaultTableOptions",
        "disable_type_comments",
        "driver",
        "driverClass",
        "driverOptions",
        "keepReplica",
        "keep_replica",
        "logging",
        "mapping_types",
        "options",
        "path",
        "persistent",
        "platform",
        "platform_service",
        "primary",
        "profiling",
        "profiling_collect_backtrace",
        "replica",
        "schema_filter",
        "serverVersion",
        "server_version",
        "sessionVariables",
        "use_savepoints",
        "wrapperClass",
        "wrapper_class",
    ]
)
"""Keys that only Doctrine understands; dropped, also as ``key[...]``."""

PDO_MYSQL_TLS = {
    "driverOptions[1007]": "sslkey",
    "driverOptions[1008]": "sslcert",
    "driverOptions[1009]": "sslrootcert",
}
"""PDO's numbers for MYSQL_ATTR_SSL_KEY, _CERT and _CA: dropping them would turn off TLS."""

SHAPE = "write it like postgres://user:password@host:5432/database"


@attrs.frozen
class Dsn:
    """The address of a database. ``socket`` is a path ("" for TCP): a directory for PostgreSQL, a file for MySQL."""

    engine: str
    user: str
    password: str = attrs.field(repr=False)
    host: str
    port: int | None
    socket: str
    database: str
    options: Mapping[str, str] = attrs.field(repr=False)


def parse(text: str) -> Dsn:
    """Read a DSN. ValueError says what is wrong and what to do, and repeats nothing but names of keys."""
    found = re.fullmatch(r"([A-Za-z][A-Za-z0-9+._-]*)://([^/?#]*)([^?#]*)(?:\?([^#]*))?", text)
    if found is None:
        hint = "write a # as %23" if "#" in text else SHAPE
        raise ValueError(f"is not a DSN, {hint}")
    engine = SCHEMES.get(found[1].lower().replace("-", "_"))
    if engine is None:
        raise ValueError("names no database that orosync can ask, it begins with postgres:// or mysql://")
    userinfo, _, place = found[2].rpartition("@")
    user, _, password = userinfo.partition(":")
    host, port = _host_and_port(place)
    path = found[3][1:]
    if "@" in path:
        raise ValueError("has an @ behind its first /: in a password write / as %2F and ? as %3F")
    given = {"host": host, "port": port, "user": user, "password": password, "dbname": path}
    parts = {key: _decoded(value, key) for key, value in given.items()}
    options: dict[str, str] = {}
    for key, value in parse_qsl(found[4] or "", keep_blank_values=True, errors="surrogateescape"):
        base = key.partition("[")[0]
        if key in OVERRIDING:
            parts[key] = value
        elif key in KEPT[engine]:
            options[key] = value
        elif engine == MYSQL and key in PDO_MYSQL_TLS:
            options[PDO_MYSQL_TLS[key]] = value
        elif base not in DOCTRINE:
            if "@" in found[4]:
                raise ValueError("has an @ behind its first ?: in a password write ? as %3F")
            shown = f"a key {key}" if re.fullmatch(r"\w{1,40}", key, re.ASCII) else "a key"
            raise ValueError(f"has {shown} that neither {engine} nor Doctrine knows, remove it")
    return _placed(engine, parts, options)


def _placed(engine: str, parts: Mapping[str, str], options: Mapping[str, str]) -> Dsn:
    for key, value in {**parts, **options}.items():
        if any(character < " " or "\ud800" <= character <= "\udfff" for character in value):
            raise ValueError(f"has a {key} that is not text in UTF-8 or holds control characters, correct it")
    host, socket = parts["host"], parts.get("unix_socket", "")
    if not socket and host.startswith("/"):
        host, socket = "", host
    if not host and not socket:
        raise ValueError(f"names no host, {SHAPE}")
    if not parts["dbname"]:
        raise ValueError(f"names no database, {SHAPE}")
    if not parts["user"]:
        raise ValueError(f"names no user, {SHAPE}")
    port = parts["port"]
    if port and not (port.isascii() and port.isdigit() and 0 < int(port) < 65536):
        raise ValueError("has a port that is no number from 1 to 65535; in a password write / as %2F, ? as %3F")
    return Dsn(
        engine=engine,
        user=parts["user"],
        password=parts["password"],
        host=host,
        port=int(port) if port else None,
        socket=socket,
        database=parts["dbname"],
        options=options,
    )


def _host_and_port(place: str) -> tuple[str, str]:
    found = re.fullmatch(r"\[([0-9A-Fa-f:.]+)\](?::(.*))?", place)
    if found is not None:
        return found[1], found[2] or ""
    host, _, port = place.rpartition(":") if ":" in place else (place, "", "")
    if ":" in host:
        raise ValueError("names more than one port; an IPv6 address stands in [brackets], an @ before the host")
    return host, port


def _decoded(value: str, key: str) -> str:
    try:
        return unquote(value, errors="strict")
    except UnicodeDecodeError:
        raise ValueError(f"has a {key} that is not text in UTF-8, correct it") from None
