"""Session stores made from the sections that describe them.

It must not know how a section is written, or what a store does.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from twisted.application.service import IService
from twisted.internet.ssl import Certificate, trustRootFromCertificates

from orosync.clocks import Now
from orosync.config.sessions import (
    AnySessions,
    PdoSessionsSection,
    RedisSessionsSection,
    SessionFilesSection,
    StoredSessions,
)
from orosync.errors import ConfigError
from orosync.identity.directories import dsn as database_dsn
from orosync.identity.directories.engine import Engine, Limits, missing_driver
from orosync.identity.directories.mysql import MySQL
from orosync.identity.directories.postgresql import PostgreSQL
from orosync.identity.php.oro_token import TOKEN_CLASSES, USER_CLASSES, BackOfficeTokens
from orosync.identity.sessions import exchange, files, redis, redis_dsn, redis_protocol
from orosync.identity.sessions.exchange import TicketExchange, Verify
from orosync.identity.sessions.files import SessionFiles
from orosync.identity.sessions.pdo import PdoSessions
from orosync.identity.sessions.reading import SessionReader
from orosync.identity.sessions.redis import RedisSessions
from orosync.identity.sessions.store import SessionLookups
from orosync.interfaces import IJournal, ISessionStore

FOREIGN_AT_ONCE = 32
"""Look-ups at a time in a store from elsewhere."""

_END = b"-----END CERTIFICATE-----"
_ENGINES: Mapping[str, type[PostgreSQL] | type[MySQL]] = {
    database_dsn.POSTGRESQL: PostgreSQL,
    database_dsn.MYSQL: MySQL,
}


def session_store(
    section: AnySessions, journal: IJournal, reactor: Any, now: Now, verify: Verify
) -> tuple[SessionLookups, IService]:
    """The store of ``section``, and what has to be started and stopped for it. ``verify`` judges exchanged tickets.

    Raises ConfigError."""
    made, at_once = _made(section, reactor, now, verify)
    prolongs = isinstance(made, TicketExchange)
    return SessionLookups(section.name, made, journal, reactor, at_once=at_once, prolongs=prolongs), made


def foreign_store(name: str, store: ISessionStore, journal: IJournal, reactor: Any) -> SessionLookups:
    """A store from elsewhere, with the same in front."""
    prolongs = bool(getattr(store, "prolongs", False))
    return SessionLookups(name, store, journal, reactor, at_once=FOREIGN_AT_ONCE, prolongs=prolongs)


def _made(section: AnySessions, reactor: Any, now: Now, verify: Verify) -> tuple[Any, int]:
    name = section.name
    if isinstance(section, SessionFilesSection):
        return SessionFiles(name, section.path, _reader(section), reactor, now, section.lifetime), files.THREADS
    if isinstance(section, RedisSessionsSection):
        missing = missing_driver(redis_protocol.MODULE, redis_protocol.EXTRA)
        if missing:
            raise ConfigError([f"[sessions:{name}] use: redis {missing}"])
        try:
            place = redis_dsn.parse(section.dsn.value)
        except ValueError as error:
            raise ConfigError([f"[sessions:{name}] dsn: {section.dsn} {error}"]) from None
        root = _trust_root(name, section.ca)
        store = RedisSessions(name, place, _reader(section), reactor, section.prefix, section.timeout, root)
        return store, redis.AT_ONCE
    if isinstance(section, PdoSessionsSection):
        limits = Limits(section.connect_timeout, section.query_timeout, section.connections)
        engine = _engine(section, limits)
        return PdoSessions(name, engine, limits, _reader(section), reactor, now, section.table), section.connections
    root = _trust_root(name, section.ca)
    asking = TicketExchange(
        name, section.url, verify, reactor, cookie=section.cookie, timeout=section.timeout, trust_root=root
    )
    return asking, exchange.AT_ONCE


def _reader(section: StoredSessions) -> SessionReader:
    tokens = BackOfficeTokens(
        section.context,
        token_classes=TOKEN_CLASSES | section.tokens,
        user_classes=USER_CLASSES | section.users,
        handler=section.serializer,
    )
    return SessionReader(f"sessions:{section.name}", tokens)


def _engine(section: PdoSessionsSection, limits: Limits) -> Engine:
    """Which database it is, the DSN says."""
    title = f"sessions:{section.name}"
    try:
        place = database_dsn.parse(section.dsn.value)
        kind = _ENGINES[place.engine]
        missing = missing_driver(kind.module, kind.extra)
        if missing:
            raise ConfigError([f"[{title}] use: pdo on {place.engine} {missing}"])
        return kind(place, limits)
    except ValueError as error:
        raise ConfigError([f"[{title}] dsn: {section.dsn} {error}"]) from None


def _trust_root(name: str, path: Path | None) -> Any:
    """The authorities in a file, None for the system's."""
    if path is None:
        return None
    try:
        whole = path.read_bytes().split(_END)[:-1]
        found = [Certificate.loadPEM(one.lstrip() + _END + b"\n") for one in whole]
    except Exception:
        found = []
    if not found:
        raise ConfigError([f"[sessions:{name}] ca: {path} holds no certificate that can be read (PEM), name another"])
    return trustRootFromCertificates(found)
