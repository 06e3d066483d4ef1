"""The sections of session stores, key by key: reader, default, meaning."""

# ruff: noqa: RUF009 (setting() returns attrs fields)

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from attrs import frozen

from orosync.config import credentials, readers
from orosync.config.fields import setting, use
from orosync.config.readers import Source


def url(text: str, source: Source) -> str:
    """An address of HTTP, whole, without credentials."""
    if not re.fullmatch(r"https?://(?:[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(?::[0-9]{1,5})?/[!-~]*", text) or "#" in text:
        raise ValueError(f"{text!r} is not an address, write it like https://oro.example.com/admin/sync/ticket")
    return text


def cookie(text: str, source: Source) -> str:
    """The name of a cookie."""
    if not re.fullmatch(r"[A-Za-z0-9_.-]+", text):
        raise ValueError(f"{text!r} is not the name of a cookie, write it like BAPID")
    return text


def prefix(text: str, source: Source) -> str:
    """What stands before the id in a key."""
    if not re.fullmatch(r"[!-~]+", text):
        raise ValueError(f"{text!r} is not the beginning of a key, write it without blanks")
    return text


def classes(text: str, source: Source) -> frozenset[str]:
    """Full names of PHP classes."""
    found = readers.words(text)
    for one in found:
        if not re.fullmatch(r"\\?[A-Za-z_]\w*(\\[A-Za-z_]\w*)*", one, re.ASCII):
            raise ValueError(rf"{one!r} is not the full name of a PHP class, write it like Acme\Security\Token")
    return frozenset(found)


# Keys of several sections; attrs makes a field of its own from each use.

CONNECTIONS: Any = setting(readers.count, "How many connections there may be; each has a thread.", default="4")
CONNECT_TIMEOUT: Any = setting(readers.duration, "How long it may take to get a connection.", default="3s")
QUERY_TIMEOUT: Any = setting(readers.duration, "How long a query may take.", default="2s")

_CONTEXT: Any = setting(readers.name, "The context of the back office's firewall in the application.", default="main")
_SERIALIZER: Any = setting(
    readers.choice("php", "php_binary", "php_serialize"), "PHP's `session.serialize_handler`.", default="php"
)
_TOKENS: Any = setting(
    classes,
    "Classes of security tokens that are accepted besides Oro's own.",
    unset=frozenset(),
    example=r"Acme\Security\SamlToken",
)
_USERS: Any = setting(
    classes, "Classes of back-office users besides Oro's own.", unset=frozenset(), example=r"Acme\Entity\Admin"
)
CA: Any = setting(
    credentials.certificates,
    "The certificate authorities that are trusted (PEM).",
    otherwise="the system's",
    example="/etc/orosync/ca.pem",
)


@frozen(kw_only=True)
class SessionFilesSection:
    """[sessions:NAME] with `use = files`: PHP's own session files."""

    name: str
    use: str = use("files")
    path: Path = setting(
        readers.expanded,
        "The directory with the files `sess_...`; PHP must let orosync read them ([sessions.md](sessions.md)).",
        required=True,
        example="/var/www/oro/var/sessions/prod",
    )
    lifetime: float = setting(
        readers.duration,
        "How long a session lives after its last use: PHP's `session.gc_maxlifetime`.",
        default="7200s",
    )
    context: str = _CONTEXT
    serializer: str = _SERIALIZER
    tokens: frozenset[str] = _TOKENS
    users: frozenset[str] = _USERS


@frozen(kw_only=True)
class RedisSessionsSection:
    """[sessions:NAME] with `use = redis`: sessions in Redis."""

    name: str
    use: str = use("redis")
    dsn: credentials.Secret = setting(
        credentials.redis,
        "Where Redis is, by reference, as Oro's `ORO_SESSION_DSN` stands; `rediss://` for TLS, `redis_sentinel=NAME` "
        "for Sentinel. Use a user who may only read sessions ([sessions.md](sessions.md)).",
        required=True,
        example="file:/etc/orosync/session_dsn",
    )
    prefix: str = setting(prefix, "What stands before the id in a key.", default="session")
    ca: Path | None = CA
    timeout: float = setting(readers.duration, "How long a connection or an answer may take.", default="2s")
    context: str = _CONTEXT
    serializer: str = _SERIALIZER
    tokens: frozenset[str] = _TOKENS
    users: frozenset[str] = _USERS


@frozen(kw_only=True)
class PdoSessionsSection:
    """[sessions:NAME] with `use = pdo`: sessions in a table of Oro's database."""

    name: str
    use: str = use("pdo")
    dsn: credentials.Secret = setting(
        credentials.database,
        "Where the database is, by reference: `postgres://USER:PASSWORD@HOST:5432/DATABASE` or `mysql://...`. Use "
        "a user who may read no more than is needed ([sessions.md](sessions.md)).",
        required=True,
        example="file:/etc/orosync/db_dsn",
    )
    table: str = setting(readers.table, "The table of sessions.", default="oro_session")
    connections: int = CONNECTIONS
    connect_timeout: float = CONNECT_TIMEOUT
    query_timeout: float = QUERY_TIMEOUT
    context: str = _CONTEXT
    serializer: str = _SERIALIZER
    tokens: frozenset[str] = _TOKENS
    users: frozenset[str] = _USERS


@frozen(kw_only=True)
class TicketExchangeSection:
    """[sessions:NAME] with `use = http`: the application itself tells the session's user."""

    name: str
    use: str = use("http")
    url: str = setting(
        url,
        "The application's address for sync tickets.",
        required=True,
        example="https://oro.example.com/admin/sync/ticket",
    )
    authenticator: str = setting(
        readers.name,
        "The [authenticator:NAME] with `use = ticket` that verifies the tickets.",
        required=True,
        example="ticket",
    )
    cookie: str = setting(cookie, "The name of the application's session cookie.", default="BAPID")
    ca: Path | None = CA
    timeout: float = setting(readers.duration, "How long an answer may take.", default="5s")


SESSIONS: Mapping[str, type[Any]] = {
    "files": SessionFilesSection,
    "redis": RedisSessionsSection,
    "pdo": PdoSessionsSection,
    "http": TicketExchangeSection,
}
AnySessions = SessionFilesSection | RedisSessionsSection | PdoSessionsSection | TicketExchangeSection
StoredSessions = SessionFilesSection | RedisSessionsSection | PdoSessionsSection
"""Those whose sessions orosync reads itself."""
