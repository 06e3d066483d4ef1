"""An authenticator without passwords, for the examples: each client chooses its own name.

It shows the interface of an authenticator. Since names are not verified, it accepts direct connections from the local
machine only.
"""

from __future__ import annotations

from collections.abc import Mapping
from ipaddress import ip_address

from twisted.internet.defer import Deferred, fail, succeed
from zope.interface import implementer

from orosync.errors import Refused
from orosync.interfaces import AuthenticationStep, HelloDetails, IAuthenticator
from orosync.model import ConnectionFacts, Principal


@implementer(IAuthenticator)
class NoPasswords:
    """[authenticator:NAME] with ``people``, the accepted names, and ``role``, the role of all clients."""

    def __init__(self, name: str, options: Mapping[str, str]) -> None:
        self.name = name
        self.methods = ("demo",)
        self._people = frozenset(options["people"].split())
        self._role = options["role"]

    def at_handshake(self, facts: ConnectionFacts) -> Deferred[Principal | None]:
        """A handshake contains no credentials for this authenticator."""
        return succeed(None)

    def at_hello(
        self, facts: ConnectionFacts, hello: HelloDetails, method: str, session_id: int
    ) -> Deferred[Principal | AuthenticationStep | None]:
        """Accept the name in HELLO if it is one of ``people``."""
        if facts.forwarded or not _is_loopback(facts.peer):
            return fail(Refused("demo", "the examples serve this machine only, and no proxy"))
        if method not in self.methods or hello.authid not in self._people:
            return fail(Refused("unknown_user", f"there is no {hello.authid!r} in the example"))
        return succeed(Principal(hello.authid, self._role, method, self.name))


def _is_loopback(peer: str) -> bool:
    try:
        return ip_address(peer).is_loopback
    except ValueError:
        return False
