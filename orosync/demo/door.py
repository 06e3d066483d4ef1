"""The demonstration's door for WebSockets: the loopback rule, before the real host is asked.

It must not know identity or sessions.
"""

from __future__ import annotations

from twisted.internet.defer import Deferred, fail
from zope.interface import implementer

from orosync.demo.loopback import is_loopback_request
from orosync.errors import Refused
from orosync.interfaces import Admission, ISessionHost
from orosync.model import ConnectionFacts


@implementer(ISessionHost)
class LoopbackOnly:
    """Whoever comes through a proxy or by another name than loopback is refused."""

    def __init__(self, host: ISessionHost) -> None:
        self._host = host

    def admit(self, facts: ConnectionFacts) -> Deferred[Admission]:
        """See ISessionHost."""
        # No Host, no HTTP: a RawSocket comes through no proxy and from no page, and the listener is on loopback.
        if facts.forwarded or (facts.host and not is_loopback_request(facts.headers)):
            return fail(Refused("demo", "the demonstration serves this machine only, and no proxy"))
        return self._host.admit(facts)
