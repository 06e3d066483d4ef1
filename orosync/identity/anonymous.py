"""Lets in whoever presents nothing, under a role of its own.

Only where a realm's configuration names it. It must not know what that role may do.
"""

from __future__ import annotations

import secrets

from twisted.internet import defer
from twisted.internet.defer import Deferred
from zope.interface import implementer

from orosync.errors import Refused
from orosync.interfaces import Challenge, Hello, IAuthenticator
from orosync.model import ConnectionFacts, Principal

METHOD = "anonymous"
V1_SUBPROTOCOL = "wamp"
V2_SUBPROTOCOLS = "wamp.2."


@implementer(IAuthenticator)
class AnonymousAuthenticator:
    """Every client becomes somebody new with ``role``: a v1 client at the handshake, since it has no other
    moment; a v2 client when its HELLO asks for "anonymous"."""

    def __init__(self, name: str, role: str) -> None:
        self.name = name
        self.methods: tuple[str, ...] = (METHOD,)
        self._role = role

    def at_handshake(self, facts: ConnectionFacts) -> Deferred[Principal | None]:
        """See IAuthenticator. Never fails."""
        return defer.succeed(self._somebody() if _speaks_v1(facts.subprotocols) else None)

    def at_hello(
        self, facts: ConnectionFacts, hello: Hello, method: str, session_id: int
    ) -> Deferred[Principal | Challenge]:
        """See IAuthenticator. An authid in HELLO is a wish that nothing proves: it is not granted."""
        if method != METHOD:
            return defer.fail(Refused("unknown_method", f"{self.name} cannot do authmethod {method!r}"))
        return defer.succeed(self._somebody())

    def _somebody(self) -> Principal:
        return Principal(authid=secrets.token_hex(12), authrole=self._role, authmethod=METHOD, authprovider=self.name)


def _speaks_v1(offered: tuple[str, ...]) -> bool:
    """Whether the client will speak v1: it offered nothing (as stock accepts), or "wamp" before any of v2."""
    if not offered:
        return True
    known = (name for name in offered if name == V1_SUBPROTOCOL or name.startswith(V2_SUBPROTOCOLS))
    return next(known, "") == V1_SUBPROTOCOL
