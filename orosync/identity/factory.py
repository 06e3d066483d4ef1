"""Makes directories, authenticators and session stores from the sections that describe them.

The anonymous authenticator stands here as well: the role in its section is all there is to it. Every function raises
ConfigError for a section that cannot work: a driver that is not installed, a DSN that is not one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import lru_cache
from os import urandom
from typing import Any

from twisted.application.service import IService
from twisted.internet import defer
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.internet.threads import deferToThreadPool
from zope.interface import implementer

from orosync import redis_connection
from orosync.clocks import Now
from orosync.config import database_dsn as dsn
from orosync.config import redis_dsn
from orosync.config.authentication import (
    CertificateSection,
    CryptosignSection,
    Method,
    PasswordSection,
    RemoteAuthenticatorSection,
    WampCraSection,
)
from orosync.config.credentials import Secret
from orosync.config.realms import RealmSection
from orosync.config.sections import SqlDirectorySection, TicketSection
from orosync.config.sessions import (
    AnySessions,
    PdoSessionsSection,
    RedisSessionsSection,
    SessionFilesSection,
    StoredSessions,
)
from orosync.errors import ConfigError
from orosync.identity.accounts import Account
from orosync.identity.certificate import CertificateAuthenticator
from orosync.identity.cryptosign import CryptosignAuthenticator
from orosync.identity.directories.pool import SqlDirectory
from orosync.identity.directories.sql import ENGINES, Engine, QueryLimits
from orosync.identity.hasher import DigestSource
from orosync.identity.password import PasswordAuthenticator
from orosync.identity.php.session import TOKEN_CLASSES, USER_CLASSES, BackOfficeTokens, SessionReader
from orosync.identity.rate_limit import FailureBuckets, wrong_method
from orosync.identity.remote import RemoteAuthenticator, RemoteLimits
from orosync.identity.scram import ScramAuthenticator
from orosync.identity.sessions import exchange, files, redis
from orosync.identity.sessions.exchange import TicketExchange, Verify
from orosync.identity.sessions.files import SessionFiles
from orosync.identity.sessions.pdo import PdoSessions
from orosync.identity.sessions.redis import RedisSessions
from orosync.identity.shared_passwords import SharedPasswords
from orosync.identity.single_flight import Lookups, SessionLookups
from orosync.identity.ticket import ReplayCache
from orosync.identity.ticket_authenticator import TicketAuthenticator
from orosync.identity.ticket_verifier import PublisherRight, TicketSettings
from orosync.identity.wampcra import WampCraAuthenticator
from orosync.interfaces import (
    AuthenticationStep,
    HelloDetails,
    IAuthenticator,
    ICaller,
    IDirectory,
    IJournal,
    ISessionStore,
)
from orosync.model import ConnectionFacts, Principal
from orosync.registry import missing_module
from orosync.trust_roots import trust_root_of

METHOD = "anonymous"
V1_SUBPROTOCOL = "wamp"
V2_SUBPROTOCOLS = "wamp.2."

PLUGIN_LOOKUPS_AT_ONCE = 32
"""Concurrent look-ups in a session store of a plugin."""


def sql_directory(section: SqlDirectorySection, journal: IJournal, reactor: Any) -> tuple[Lookups, SqlDirectory]:
    """The directory of ``section`` with its look-ups in front, and the service to start and stop for it."""
    title = f"directory:{section.name}"
    limits = QueryLimits(section.connect_timeout, section.query_timeout, section.connections)
    kind = ENGINES[section.use]
    missing = missing_module(kind.module, kind.extra)
    if missing:
        raise ConfigError([f"[{title}] use: {section.use} {missing}"])
    try:
        engine = kind(dsn.parse(section.dsn.value), limits)
    except ValueError as error:
        raise ConfigError([f"[{title}] dsn: {section.dsn} {error}"]) from None
    directory = SqlDirectory(section.name, engine, limits, reactor, section.users)
    lookups = Lookups(section.name, directory, journal, reactor, at_once=section.connections, kept=section.cache)
    return lookups, directory


def ticket_authenticator(
    section: TicketSection,
    directory: IDirectory,
    hasher: DigestSource,
    journal: IJournal,
    clock: IReactorTime,
    now: Now,
    *,
    publisher_right: PublisherRight,
    used: ReplayCache,
    shared: SharedPasswords,
    failures: FailureBuckets,
) -> TicketAuthenticator:
    """The authenticator of ``section``, for users of ``directory``."""
    known = [section.secret] + ([section.previous_secret] if section.previous_secret is not None else [])
    settings = TicketSettings(
        name=section.name,
        directory=directory,
        journal=journal,
        clock=clock,
        now=now,
        publisher_right=publisher_right,
        role=section.role,
        publisher_role=section.publisher_role,
        ttl=section.ttl,
        future=section.future,
        accept_disabled=section.accept_disabled,
        accept_without_password=section.accept_without_password,
        shared=shared,
        used=used if section.single_use else None,
        failures=failures,
    )
    return TicketAuthenticator(
        settings, [secret.value for secret in known], hasher, accept_published=section.accept_published_secret
    )


def method_authenticator(
    section: Method, journal: IJournal, clock: Any, now: Now, failures: FailureBuckets
) -> IAuthenticator:
    """The authenticator of ``section``, with the users that are written in it. ``clock`` is the reactor, in whose
    threads passwords are verified."""
    name = section.name
    users = [Account(one.authid, one.role, _value(one.secret), one.identifiers) for one in section.user]
    if isinstance(section, CertificateSection):
        return CertificateAuthenticator(name, users, journal, clock, now, failures=failures)
    if isinstance(section, CryptosignSection):
        required = section.channel_binding == "required"
        return CryptosignAuthenticator(
            name,
            users,
            journal,
            clock,
            now,
            private_key=_value(section.key),
            binding_required=required,
            failures=failures,
        )
    if isinstance(section, PasswordSection):

        def in_thread(work: Callable[..., bool], *args: Any) -> Deferred[bool]:
            return deferToThreadPool(clock, clock.getThreadPool(), work, *args)

        return PasswordAuthenticator(name, users, journal, clock, now, in_thread=in_thread, failures=failures)
    decoy_secret = _value(section.decoy_secret)
    if isinstance(section, WampCraSection):
        return WampCraAuthenticator(name, users, journal, clock, now, decoy_secret=decoy_secret, failures=failures)
    return ScramAuthenticator(
        name,
        users,
        journal,
        clock,
        now,
        kdf=section.kdf,
        iterations=section.iterations,
        memory=None if section.memory is None else section.memory // 1024,
        decoy_secret=decoy_secret,
        failures=failures,
    )


def remote_authenticator(
    section: RemoteAuthenticatorSection,
    caller: Callable[[str], ICaller],
    realms: Mapping[str, RealmSection],
    journal: IJournal,
    clock: IReactorTime,
    now: Now,
    failures: FailureBuckets,
) -> RemoteAuthenticator:
    """The authenticator of ``section``; it may send clients to those of ``realms`` that name it."""
    allowed = frozenset(one.name for one in realms.values() if section.name in one.authenticators)
    return RemoteAuthenticator(
        section.name,
        section.method,
        caller,
        section.procedure,
        journal,
        clock,
        now,
        limits=RemoteLimits(section.roles, section.default_role, allowed),
        registered_by=section.registered_by,
        realm=section.realm,
        timeout=section.timeout,
        failures=failures,
    )


def _value(secret: Secret | None) -> str:
    return "" if secret is None else secret.value


def session_store(
    section: AnySessions, journal: IJournal, reactor: Any, now: Now, verify: Verify
) -> tuple[SessionLookups, IService]:
    """The store of ``section`` with its look-ups in front, and the service to start and stop for it. ``verify``
    verifies the tickets of the HTTP exchange."""
    store, at_once = _store(section, reactor, now, verify)
    prolongs = isinstance(store, TicketExchange)
    return SessionLookups(section.name, store, journal, reactor, at_once=at_once, prolongs=prolongs), store


def plugin_store(name: str, store: ISessionStore, journal: IJournal, reactor: Any) -> SessionLookups:
    """The store of a plugin, with the same look-ups in front."""
    prolongs = bool(getattr(store, "prolongs", False))
    return SessionLookups(name, store, journal, reactor, at_once=PLUGIN_LOOKUPS_AT_ONCE, prolongs=prolongs)


def _store(section: AnySessions, reactor: Any, now: Now, verify: Verify) -> tuple[Any, int]:
    """The store, and how many look-ups it takes at a time."""
    name = section.name
    if isinstance(section, SessionFilesSection):
        return SessionFiles(name, section.path, _reader(section), reactor, now, section.lifetime), files.THREADS
    if isinstance(section, RedisSessionsSection):
        missing = missing_module(redis_connection.MODULE, redis_connection.EXTRA)
        if missing:
            raise ConfigError([f"[sessions:{name}] use: redis {missing}"])
        try:
            server = redis_dsn.parse(section.dsn.value)
        except ValueError as error:
            raise ConfigError([f"[sessions:{name}] dsn: {section.dsn} {error}"]) from None
        root = trust_root_of(f"sessions:{name}", section.ca)
        store = RedisSessions(name, server, _reader(section), reactor, section.prefix, section.timeout, root)
        return store, redis.AT_ONCE
    if isinstance(section, PdoSessionsSection):
        limits = QueryLimits(section.connect_timeout, section.query_timeout, section.connections)
        engine = _engine(section, limits)
        return PdoSessions(name, engine, limits, _reader(section), reactor, now, section.table), section.connections
    root = trust_root_of(f"sessions:{name}", section.ca)
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


def _engine(section: PdoSessionsSection, limits: QueryLimits) -> Engine:
    """The engine of the database that the DSN names."""
    title = f"sessions:{section.name}"
    try:
        parsed = dsn.parse(section.dsn.value)
        kind = ENGINES[parsed.engine]
        missing = missing_module(kind.module, kind.extra)
        if missing:
            raise ConfigError([f"[{title}] use: pdo on {parsed.engine} {missing}"])
        return kind(parsed, limits)
    except ValueError as error:
        raise ConfigError([f"[{title}] dsn: {section.dsn} {error}"]) from None


@implementer(IAuthenticator)
class AnonymousAuthenticator:
    """Gives every client ``role`` and a new authid: a WAMP v1 client at the handshake, since v1 has no HELLO; a v2
    client when its HELLO asks for "anonymous"."""

    def __init__(self, name: str, role: str) -> None:
        self.name = name
        self.methods: tuple[str, ...] = (METHOD,)
        self._role = role

    def at_handshake(self, facts: ConnectionFacts) -> Deferred[Principal | None]:
        """See IAuthenticator. Never fails."""
        return defer.succeed(self._principal() if _speaks_v1(facts.subprotocols) else None)

    def at_hello(
        self, facts: ConnectionFacts, hello: HelloDetails, method: str, session_id: int
    ) -> Deferred[Principal | AuthenticationStep | None]:
        """See IAuthenticator. An authid in HELLO is not granted, since nothing proves it."""
        if method != METHOD:
            return defer.fail(wrong_method(self.name, method))
        return defer.succeed(self._principal())

    def _principal(self) -> Principal:
        return Principal(authid=urandom(12).hex(), authrole=self._role, authmethod=METHOD, authprovider=self.name)


@lru_cache(maxsize=64)
def _speaks_v1(offered: tuple[str, ...]) -> bool:
    """Whether the client will speak v1: it offered nothing (Oro's own server takes that for v1), or "wamp" before any
    of v2."""
    if not offered:
        return True
    known = (name for name in offered if name == V1_SUBPROTOCOL or name.startswith(V2_SUBPROTOCOLS))
    return next(known, "") == V1_SUBPROTOCOL
