"""The value classes that all packages share: who a client is, what is known of a connection, what a client may do.

Frozen values only: nothing here looks anything up, stores, sends or decides.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from enum import Enum
from types import MappingProxyType
from typing import Any

import attrs

EMPTY: Mapping[str, Any] = MappingProxyType({})


class Match(Enum):
    """How a subscription's or registration's URI is compared (WAMP, pattern-based subscriptions)."""

    __hash__ = object.__hash__  # members are compared by identity; Enum's own hash is Python code on every look-up

    EXACT = "exact"
    PREFIX = "prefix"
    WILDCARD = "wildcard"


class Action(Enum):
    """What a session wants to do with a URI (WAMP "Authorization")."""

    __hash__ = object.__hash__  # members are compared by identity; Enum's own hash is Python code on every look-up

    SUBSCRIBE = "subscribe"
    PUBLISH = "publish"
    CALL = "call"
    REGISTER = "register"


class Verdict(Enum):
    """The answer of one authorizer. The first that does not abstain decides; if all do, the request is denied."""

    __hash__ = object.__hash__  # members are compared by identity; Enum's own hash is Python code on every look-up

    ALLOW = "allow"
    DENY = "deny"
    ABSTAIN = "abstain"


@attrs.frozen
class Decision:
    """An authorizer's answer.

    ``rule`` names the rule that decided ("[topics:oro] oro/data/update: subscribe = user"), for the log and for
    ``orosync explain``. ``declared`` is False when no authorizer knows the topic: a v1 client then gets no answer.
    ``disclose`` asks for the caller's or publisher's identity to be passed on. ``failed`` marks a denial because an
    authorizer failed or gave no answer in time.
    """

    verdict: Verdict
    rule: str = ""
    declared: bool = True
    disclose: bool = False
    failed: bool = False

    @property
    def refusal(self) -> str:
        """The reason code of a denial."""
        return "failed" if self.failed else "denied" if self.declared else "undeclared"


@attrs.frozen
class User:
    """A row of a directory. ``password_hash`` is the column verbatim: half of every ticket's key. ``disabled_because``
    is why a user is not ``enabled``, if the directory tells: "password_reset" or "locked"."""

    id: int
    username: str
    password_hash: str = attrs.field(repr=False)
    enabled: bool = True
    email: str = ""
    organizations: frozenset[int] = frozenset()
    roles: frozenset[str] = frozenset()
    disabled_because: str = ""


@attrs.frozen
class SharedPassword:
    """A password hash that ``count`` users of a directory have, ``enabled`` of them not disabled; ``users`` are the ids
    of some of them, at least two."""

    password_hash: str = attrs.field(repr=False)
    count: int
    enabled: int
    users: tuple[int, ...]


MOST_SHARED, MOST_SHARERS = 10_000, 10
"""How many shared hashes a directory reports, and how many users of each."""


def shared_by(users: Iterable[User]) -> list[SharedPassword]:
    """The hashes that more than one of ``users`` has, as ISharedPasswords reports them."""
    by_hash: dict[str, list[User]] = {}
    for user in users:
        if user.password_hash.strip():
            by_hash.setdefault(user.password_hash, []).append(user)
    return [
        SharedPassword(
            password_hash,
            len(sharers),
            sum(user.enabled for user in sharers),
            tuple(sorted(user.id for user in sharers)[:MOST_SHARERS]),
        )
        for password_hash, sharers in by_hash.items()
        if len(sharers) > 1
    ][:MOST_SHARED]


@attrs.frozen
class AdminSession:
    """What a session of Oro's back office says of its user, found behind the cookie's value.

    ``password_hash`` is the hash at the time of login, None where the store does not have it (it then has verified the
    user itself). ``user_id`` is None where only the name is known.
    """

    username: str
    user_id: int | None = None
    password_hash: str | None = attrs.field(default=None, repr=False)
    organization_id: int | None = None
    roles: frozenset[str] = frozenset()


@attrs.frozen
class Principal:
    """Who a session speaks for, once identity has been established.

    ``authid``, ``authrole``, ``authmethod`` and ``authprovider`` are WAMP's; the rest is what topic
    rules bind their variables to. ``user_id`` is None for a back end, an anonymous or a foreign client.
    ``is_backend`` marks Oro's PHP publisher: never pinged, never timed out, never cut for a large frame.
    ``password_fingerprint`` changes with the user's password (``identity.user_credentials``); it never leaves the
    process.
    ``realm`` is where the authenticator sends the client, "" for the realm that it asked for. ``session`` is there only
    for authorizers that say they need it (``IAuthorizer``).
    """

    authid: str
    authrole: str
    authmethod: str
    authprovider: str
    user_id: int | None = None
    organizations: frozenset[int] = frozenset()
    roles: frozenset[str] = frozenset()
    is_backend: bool = False
    authenticated_at: float = 0.0
    extra: Mapping[str, Any] = EMPTY
    password_fingerprint: bytes = attrs.field(default=b"", repr=False, eq=False)
    realm: str = ""
    session: SessionFacts | None = attrs.field(default=None, repr=False, eq=False)

    @property
    def oro_rights(self) -> dict[str, Any]:
        """What Oro knows of the user, as it stands in WAMP's ``authextra``: ``user_id`` (None for others than its
        users), ``organizations`` (ids) and ``roles`` (names), both sorted. None of it is secret."""
        return {
            "user_id": self.user_id,
            "organizations": sorted(self.organizations),
            "roles": sorted(self.roles),
        }

    @property
    def authextra(self) -> dict[str, Any]:
        """WAMP's ``authextra``, for WELCOME and for authorizers: ``extra``, and for a user of Oro ``oro_rights``."""
        if self.user_id is None and not self.organizations and not self.roles:
            return dict(self.extra)
        return {**self.extra, **self.oro_rights}


@attrs.frozen
class ConnectionFacts:
    """What is known of a connection when its HTTP upgrade has been parsed.

    ``address`` is the client's address: the peer's own, or what trusted proxies say. ``peer`` is always
    the TCP peer. ``forwarded`` says whether any forwarding header (``headers``) was present, trusted
    or not. ``proxied_for`` is the address that the PROXY protocol's header names, "" without one. Header names in
    ``headers`` are lower case. ``query`` is raw.
    ``client_certificate`` is the one that TLS has verified (DER), None without. ``channel_id`` has, by kind of channel
    binding ("tls-unique", "tls-exporter"), 32 bytes that no other TLS connection has.
    """

    listener: str
    peer: str
    address: str
    host: str
    path: str
    query: str = attrs.field(repr=False)
    origin: str | None
    subprotocols: tuple[str, ...]
    cookies: Mapping[str, str] = attrs.field(repr=False)
    headers: Mapping[str, str] = attrs.field(repr=False)
    tls: bool
    forwarded: bool
    client_certificate: bytes | None = attrs.field(default=None, repr=False)
    channel_id: Mapping[str, bytes] = attrs.field(default=EMPTY, repr=False)
    proxied_for: str = ""

    @property
    def source(self) -> str:
        """Where the connection itself comes from: the TCP peer, or the address that the PROXY protocol names."""
        return self.proxied_for or self.peer


@attrs.frozen(eq=False)
class SessionFacts:
    """The session that asks: its WAMP id and its connection."""

    id: int
    connection: ConnectionFacts


@attrs.frozen
class Rights:
    """What a user's directory says of rights now, where they are other than at the login."""

    organizations: frozenset[int]
    roles: frozenset[str]


@attrs.frozen
class ConnectionPolicy:
    """How a transport treats one admitted connection.

    ``message_limit`` in bytes; with ``skip_oversized`` a larger message is skipped and logged instead of
    ending the connection. ``pinged`` False exempts it from keep-alive pings and every silence time-out.
    """

    message_limit: int = 65536
    skip_oversized: bool = False
    pinged: bool = True


class FindingState(Enum):
    """How a part is that was probed. WARNING: it works, and is likely to be a mistake. FAULT: somebody has to correct
    it. UNREACHABLE: nothing answered, so that it may be right."""

    OK = "ok"
    WARNING = "warning"
    FAULT = "fault"
    UNREACHABLE = "unreachable"


@attrs.frozen
class Finding:
    """What a probe found out about one part of an installation (``interfaces.IProbe``).

    ``check`` names the part as its section does (``directory:people``); one part may have several findings.

    ``result`` and ``remedy`` are one line each and hold no secret. ``effect`` is what users see of it, where they do.
    """

    check: str
    state: FindingState
    result: str
    remedy: str = ""
    effect: str = ""
