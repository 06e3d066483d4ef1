"""The door for the router's own process: components of the application, known by name, become sessions like any client.

It must not know what a component is or how its messages travel.
"""

from __future__ import annotations

from twisted.internet.defer import Deferred, fail, succeed
from zope.interface import implementer

from orosync.errors import Unavailable
from orosync.interfaces import Admission, ISessionHost
from orosync.model import ConnectionFacts, Principal, Traits
from orosync.session.lobby import Lobby
from orosync.session.v2 import V2Session
from orosync.wamp.codec import CODECS


@implementer(ISessionHost)
class InsideHost:
    """Lets in ``principal`` without a question; ``lobby`` has the one realm that it belongs to."""

    def __init__(self, lobby: Lobby, principal: Principal, traits: Traits) -> None:
        self._lobby = lobby
        self._principal = principal
        self._traits = traits
        self.closing = False

    def admit(self, facts: ConnectionFacts) -> Deferred[Admission]:
        """See ISessionHost. Fails with Unavailable once the router is going down."""
        if self.closing:
            return fail(Unavailable("draining", "the router is shutting down"))
        (subprotocol,) = facts.subprotocols
        session = V2Session(self._lobby, facts, CODECS[subprotocol], self._principal, self._traits)
        return succeed(Admission(subprotocol, session))
