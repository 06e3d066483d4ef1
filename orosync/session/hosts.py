"""Admits clients: authenticates a handshake and makes its session (ISessionHost).

``SessionHost`` is for a listener, ``EmbeddedSessionHost`` for components of the application in this process, which are
known by name. How users are authenticated stands in ``identity``, what WebSocket is in ``transport``.
"""

from __future__ import annotations

from functools import lru_cache

from twisted.internet.defer import Deferred
from zope.interface import implementer

from orosync.errors import ProtocolViolation, Refused, Unavailable
from orosync.identity.credentials import identify
from orosync.interfaces import Admission, IAuthenticator, ISessionHost
from orosync.model import ConnectionFacts, ConnectionPolicy, Principal
from orosync.session.batched import BatchedSession
from orosync.session.context import ListenerContext
from orosync.session.realm_context import RealmContext
from orosync.session.replies import at_once
from orosync.session.v1 import V1Session
from orosync.session.v2 import V2Session
from orosync.wamp.batching import SUFFIX
from orosync.wamp.codec import CODECS, Codec

V1_SUBPROTOCOL = "wamp"


@implementer(ISessionHost)
class SessionHost:
    """The host of one listener. ``v1_realm`` is the realm of its v1 clients, which cannot name one (None: no v1 here).

    ``client`` and ``publisher`` say how the transport treats connections of clients and of the back end.
    """

    def __init__(
        self,
        context: ListenerContext,
        v1_realm: RealmContext | None,
        client: ConnectionPolicy,
        publisher: ConnectionPolicy,
    ) -> None:
        self._context = context
        self._v1_realm = v1_realm
        self._client = client
        self._publisher = publisher
        self.closing = False

    def admit(self, facts: ConnectionFacts) -> Admission | Deferred[Admission]:
        """See ISessionHost."""
        return at_once(self._admit(facts))

    async def _admit(self, facts: ConnectionFacts) -> Admission:
        subprotocol, codec = _choose_subprotocol(facts.subprotocols)
        if self.closing:
            raise Unavailable("draining", "the router is shutting down")
        if codec is not None:
            principal, credentials = await identify(facts, self._all_authenticators())
            policy = self._policy(principal)
            kind = V2Session if subprotocol == codec.subprotocol else BatchedSession
            return Admission(subprotocol, kind(self._context, facts, codec, principal, policy, credentials))
        realm_context = self._v1_realm
        if realm_context is None:
            raise ProtocolViolation("WAMP v1 is not served on this listener: it has no realm for it")
        principal, credentials = await identify(facts, self._context.admitted(realm_context))
        if principal is None:
            raise Refused("no_credentials", "no ticket in the URL, nor anything else that its realm accepts")
        if not self._context.has_room(realm_context, principal):
            limit = self._context.user_limit
            reason = f"user {principal.authid!r} has as many connections as connections_per_user allows ({limit})"
            raise Unavailable("too_many_sessions", reason)
        self._context.admitted_from(facts, principal)
        policy = self._policy(principal)
        return Admission(subprotocol, V1Session(self._context, realm_context, facts, principal, policy, credentials))

    def _all_authenticators(self) -> list[IAuthenticator]:
        """Those of all realms: a v2 client names its realm in HELLO, which checks that it uses the authenticator."""
        found: dict[str, IAuthenticator] = {}
        for realm_context in self._context.realms.values():
            for authenticator in self._context.admitted(realm_context):
                found.setdefault(authenticator.name, authenticator)
        return list(found.values())

    def _policy(self, principal: Principal | None) -> ConnectionPolicy:
        return self._publisher if principal is not None and principal.is_backend else self._client


@lru_cache(maxsize=64)
def _choose_subprotocol(offered: tuple[str, ...]) -> tuple[str | None, Codec | None]:
    """The first subprotocol offered that is spoken here; none offered means v1, as stock has it."""
    if not offered:
        return None, None
    for subprotocol in offered:
        if subprotocol == V1_SUBPROTOCOL:
            return subprotocol, None
        codec = CODECS.get(subprotocol.removesuffix(SUFFIX))
        if codec is not None:
            return subprotocol, codec
    raise ProtocolViolation("none of the offered subprotocols is spoken here")


@implementer(ISessionHost)
class EmbeddedSessionHost:
    """Admits ``principal`` without authentication; ``context`` has the one realm that it belongs to."""

    def __init__(self, context: ListenerContext, principal: Principal, policy: ConnectionPolicy) -> None:
        self._context = context
        self._principal = principal
        self._policy = policy
        self.closing = False

    def admit(self, facts: ConnectionFacts) -> Admission:
        """See ISessionHost. Raises Unavailable once the router is going down."""
        if self.closing:
            raise Unavailable("draining", "the router is shutting down")
        (subprotocol,) = facts.subprotocols
        session = V2Session(self._context, facts, CODECS[subprotocol], self._principal, self._policy)
        return Admission(subprotocol, session)
