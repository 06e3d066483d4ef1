"""What the authenticators of WAMP's own methods share."""

from __future__ import annotations

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase
from zope.interface.verify import verifyObject

from orosync.errors import Refused, Unavailable
from orosync.identity.account_authenticator import AccountAuthenticator
from orosync.identity.rate_limit import FailureBuckets
from orosync.interfaces import AuthenticationStep, HelloDetails, IAuthenticator
from orosync.model import ConnectionFacts, Principal
from orosync.testing import RecordingJournal, connection_facts


class Password(AccountAuthenticator):
    """Asks for a password, which is the name."""

    def _begin(self, facts: ConnectionFacts, hello: HelloDetails, method: str, session_id: int) -> AuthenticationStep:
        def verify(signature: str, extra: object) -> Principal:
            if signature != hello.authid:
                raise Refused("bad_password", "it is another one")
            return self._principal(signature, "user", method)

        return self._step(facts, method, {"session": session_id}, verify, decoy=False)


class AccountAuthenticatorTests(SynchronousTestCase):
    def setUp(self) -> None:
        clock = Clock()
        clock.advance(5)
        self.journal = RecordingJournal()
        self.authenticator = Password(
            "names", ("password",), "password", self.journal, clock, lambda: 1000.0, FailureBuckets(rate=1, burst=2)
        )

    def login(self, password: str, method: str = "password") -> Principal:
        hello = HelloDetails("oro", "anna", (method,), {})
        step = self.successResultOf(self.authenticator.at_hello(connection_facts(), hello, method, 7))
        assert isinstance(step, AuthenticationStep)
        self.assertEqual((step.method, step.extra), ("password", {"session": 7}))
        found: Principal = self.successResultOf(step.answer(password, {}))
        return found

    def test_principal(self) -> None:
        """The principal has the authenticator's name as its provider, and the time of day."""
        verifyObject(IAuthenticator, self.authenticator)
        self.assertIsNone(self.successResultOf(self.authenticator.at_handshake(connection_facts())))
        found = self.login("anna")
        self.assertEqual((found.authid, found.authrole, found.authmethod), ("anna", "user", "password"))
        self.assertEqual((found.authprovider, found.authenticated_at), ("names", 1000.0))
        self.assertEqual(self.journal.counts[("password", "accepted")], 1)

    def test_refusals(self) -> None:
        """Another method and a wrong proof are counted against the address, until it is told to wait."""
        hello = HelloDetails("oro", "anna", ("scram",), {})
        refused = self.authenticator.at_hello(connection_facts(), hello, "scram", 7)
        self.assertEqual(self.failureResultOf(refused, Refused).value.code, "unknown_method")
        step = self.successResultOf(self.authenticator.at_hello(connection_facts(), hello, "password", 7))
        assert isinstance(step, AuthenticationStep)
        for code in ("bad_password", "too_many_failures"):
            self.assertEqual(self.failureResultOf(step.answer("wrong", {}), Refused).value.code, code)
        late = self.authenticator.at_hello(connection_facts(), hello, "password", 7)
        self.failureResultOf(late, Unavailable)
