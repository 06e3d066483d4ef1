"""Clients that say nothing of themselves."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase, TestCase
from zope.interface.verify import verifyObject

from orosync.errors import Refused
from orosync.identity.factory import AnonymousAuthenticator
from orosync.interfaces import HelloDetails, IAuthenticator
from orosync.model import Principal
from orosync.testing import AuthenticatorContract, connection_facts

HELLO = HelloDetails("oro", "admin", ("anonymous",), {"authrole": "admin"})


class Anonymous(SynchronousTestCase):
    """Every client gets a new authid and the configured role."""

    def setUp(self) -> None:
        self.authenticator = AnonymousAuthenticator("guests", "guest")

    def test_port(self) -> None:
        """It is an authenticator for "anonymous" and nothing else."""
        verifyObject(IAuthenticator, self.authenticator)
        self.assertEqual(self.authenticator.methods, ("anonymous",))

    def test_handshake(self) -> None:
        """A v1 client has no other moment to be let in; a v2 client will ask in its HELLO."""
        for offered, is_in in [
            ((), True),
            (("wamp",), True),
            (("wamp", "wamp.2.json"), True),
            (("chat", "wamp"), True),
            (("wamp.2.json",), False),
            (("wamp.2.json", "wamp"), False),
            (("wamp.2.msgpack", "wamp.2.cbor"), False),
            (("chat",), False),
        ]:
            fired = self.authenticator.at_handshake(connection_facts(subprotocols=offered))
            principal = self.successResultOf(fired)
            self.assertEqual(principal is not None, is_in, offered)
            if principal is not None:
                self.assert_guest(principal)

    def assert_guest(self, principal: Principal) -> None:
        self.assertEqual(
            (principal.authrole, principal.authmethod, principal.authprovider), ("guest", "anonymous", "guests")
        )
        self.assertEqual((principal.user_id, principal.is_backend), (None, False))

    def test_hello(self) -> None:
        """A client that asks for it in HELLO is a guest, whatever name and role it asked for."""
        fired = self.authenticator.at_hello(connection_facts(), HELLO, "anonymous", 1)
        principal = self.successResultOf(fired)
        assert isinstance(principal, Principal)
        self.assert_guest(principal)
        self.assertNotEqual(principal.authid, "admin")

    def test_each_is_somebody_else(self) -> None:
        """Two guests do not share an authid, so that neither can be taken for the other."""
        names = set()
        for _ in range(100):
            principal = self.successResultOf(self.authenticator.at_hello(connection_facts(), HELLO, "anonymous", 1))
            assert isinstance(principal, Principal)
            names.add(principal.authid)
        self.assertEqual(len(names), 100)

    def test_other_method(self) -> None:
        """A method that it cannot do is refused."""
        failure = self.failureResultOf(self.authenticator.at_hello(connection_facts(), HELLO, "ticket", 1), Refused)
        self.assertEqual(failure.value.code, "unknown_method")


class Contract(AuthenticatorContract, TestCase):
    def make_authenticator(self) -> IAuthenticator:
        return AnonymousAuthenticator("guests", "guest")
