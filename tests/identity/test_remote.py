"""A procedure says who a client is: each method, from HELLO to a principal."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import TestCase

from orosync.errors import CallFailed, Unavailable
from orosync.identity.rate_limit import FailureBuckets
from orosync.identity.remote import RemoteAuthenticator, RemoteLimits
from orosync.identity.wampcra import derived
from orosync.interfaces import AuthenticationStep, HelloDetails, IAuthenticator
from orosync.testing import AuthenticatorContract, RecordingJournal, ScriptedCaller, connection_facts
from orosync.transport_details import transport_details
from tests.identity.method_fixtures import SECRET, MethodCase
from tests.identity.test_wampcra import signed

LIMITS = RemoteLimits(("user", "clerk"), "", ("oro", "shop"))
DOWN = ("wamp.error.no_such_procedure", "wamp.error.canceled", "wamp.error.unavailable", "wamp.error.runtime_error")


class RemoteCase(MethodCase):
    method = "ticket"

    def setUp(self) -> None:
        super().setUp()
        self.caller = ScriptedCaller((["user"], {}))
        self.realms: list[str] = []
        self.build()

    def build(self, **options: Any) -> None:
        def caller(realm: str) -> ScriptedCaller:
            self.realms.append(realm)
            return self.caller

        options = {"limits": LIMITS, "registered_by": ["authenticator"], "timeout": 5.0, **options}
        self.authenticator = RemoteAuthenticator(
            "desk", self.method, caller, "com.authenticate", self.journal, self.clock, self.clock.seconds, **options
        )

    def answers(self, answer: Any) -> None:
        self.caller.answer = ([answer], {})

    def details(self) -> Mapping[str, Any]:
        """The details that the procedure was given last."""
        details: Mapping[str, Any] = self.caller.asked[-1][1][2]
        return details


class TicketTests(RemoteCase):
    def test_let_in(self) -> None:
        """CHALLENGE comes first, always; then Crossbar.io's three arguments, with the ticket and no other secret."""
        facts = connection_facts(query="ticket=x", cookies={"BAPID": "x"})
        challenge = self.asked("anna", {"device": 7}, facts=facts)
        self.assertEqual((challenge.method, challenge.extra, self.caller.asked), ("ticket", {}, []))
        self.answers({"role": "clerk", "authid": "Anna", "extra": {"a": 1}, "realm": "shop"})
        who = self.accepted(challenge.answer("t-123", {}))
        self.assertEqual(
            (who.authid, who.authrole, who.authmethod, who.authprovider), ("Anna", "clerk", "ticket", "desk")
        )
        self.assertEqual((who.extra, who.realm, who.user_id), ({"a": 1}, "shop", None))
        ((procedure, args, roles),) = self.caller.asked
        self.assertEqual(
            (procedure, roles, args[:2], self.realms), ("com.authenticate", {"authenticator"}, ("oro", "anna"), ["oro"])
        )
        transport = {**transport_details(facts), "client_cert": None}
        self.assertEqual(
            args[2],
            {
                "transport": transport,
                "session": 7,
                "authmethod": "ticket",
                "authextra": {"device": 7},
                "ticket": "t-123",
            },
        )

    def test_another_realm_answers(self) -> None:
        """The section may say where the procedure is; it is still told which realm the client wants."""
        self.build(realm="inner")
        self.accepted(self.asked().answer("t", {}))
        self.assertEqual((self.realms, self.caller.asked[0][1][0]), (["inner"], "oro"))

    def test_refused(self) -> None:
        """An ERROR of the procedure's own is a no; the log has its words, but never the ticket."""
        self.caller.answer = CallFailed("com.error.expired", ["t-123 is too old"])
        refusal = self.refused(self.asked().answer("t-123", {}), "denied")
        self.assertEqual(refusal.reason, "com.authenticate: com.error.expired: ... is too old")
        self.assertEqual(self.journal.counts["remote", "denied"], 1)

    def test_down(self) -> None:
        """Nobody there, gone in the middle, broken: the client may try again, and it counts against nobody."""
        self.build(failures=FailureBuckets(0.1, 1))
        for uri in DOWN:
            self.caller.answer = CallFailed(uri)
            self.assertIsInstance(self.refused(self.asked().answer("t", {}), "failed"), Unavailable)
        self.answers(None)
        self.assertIsInstance(self.refused(self.asked().answer("t", {}), "nonsense"), Unavailable)

    def test_late(self) -> None:
        """Nobody waits longer than the section says, and the call is ended."""
        ended: list[Any] = []
        self.caller.answer = Deferred(ended.append)
        answer = self.asked().answer("t", {})
        self.clock.advance(4.9)
        self.assertNoResult(answer)
        self.clock.advance(0.1)
        self.assertIsInstance(self.refused(answer, "late"), Unavailable)
        self.assertEqual(len(ended), 1)

    def test_failures_are_bounded(self) -> None:
        """An address that was refused too often is not asked about."""
        self.build(failures=FailureBuckets(0.1, 2))
        self.caller.answer = CallFailed("com.error.wrong")
        for _ in range(2):
            self.refused(self.asked().answer("t", {}), "denied")
        self.caller.asked.clear()
        self.assertIsInstance(self.refused(self.asked().answer("t", {}), "too_many_failures"), Unavailable)
        self.assertEqual(self.caller.asked, [])

    def test_roles(self) -> None:
        """A role that is not listed is refused."""
        self.answers("admin")
        self.refused(self.asked().answer("t", {}), "role_not_listed")


class AnonymousTests(RemoteCase):
    method = "anonymous"

    def test_let_in(self) -> None:
        """Asked at HELLO, about a made-up name that nobody had before; what HELLO names is not granted."""
        names = [self.accepted(self.hello("admin")).authid for _ in range(2)]
        self.assertEqual([args[1] for _, args, _ in self.caller.asked], names)
        self.assertEqual(len({"admin", *names}), 3)
        self.answers({"role": "user", "authid": "guest-7"})
        self.assertEqual(self.accepted(self.hello()).authid, "guest-7")


class TlsTests(RemoteCase):
    method = "tls"

    def test_let_in(self) -> None:
        """The procedure gets the certificate's fingerprints."""
        self.answers({"role": "user", "authid": "desk-1"})
        who = self.accepted(self.hello(None, facts=connection_facts(client_certificate=b"certificate", tls=True)))
        self.assertEqual((who.authid, who.authmethod), ("desk-1", "tls"))
        transport = self.details()["transport"]
        self.assertEqual(transport["client_cert"], transport["peer_cert"])
        self.assertIn("sha1", transport["client_cert"])

    def test_no_certificate(self) -> None:
        """Without a certificate the procedure is not called."""
        self.refused(self.hello(), "no_certificate")
        self.assertEqual(self.caller.asked, [])


class WampCraTests(RemoteCase):
    method = "wampcra"

    def test_let_in(self) -> None:
        """Plain and salted secrets; the challenge is the one that accounts of the configuration get."""
        key = derived(SECRET, "salt", 1000, 32).rpartition("$")[2]
        for proof in ({"secret": SECRET}, {"secret": key, "salt": "salt", "iterations": 1000, "keylen": 32}):
            self.answers({"role": "clerk", "authid": "Anna", "extra": {"a": 1}, **proof})
            challenge = self.asked("anna")
            told = json.loads(challenge.extra["challenge"])
            self.assertEqual((told["authid"], told["authrole"], told["session"]), ("Anna", "clerk", 7))
            who = self.accepted(challenge.answer(signed(challenge, SECRET), {}))
            self.assertEqual(
                (who.authid, who.authrole, who.authprovider, who.extra), ("Anna", "clerk", "desk", {"a": 1})
            )
            self.refused(self.asked("anna").answer(signed(challenge, SECRET), {}), "bad_signature")
        self.assertEqual((self.details()["authid"], self.details()["authrole"]), ("anna", None))

    def test_no_secret(self) -> None:
        """An answer without one is nonsense."""
        self.answers({"role": "user"})
        self.assertIsInstance(self.refused(self.hello(), "nonsense"), Unavailable)
        self.answers({"role": "user", "secret": "A" * 8, "salt": "has blanks", "iterations": 5, "keylen": 6})
        self.assertIsInstance(self.refused(self.hello(), "nonsense"), Unavailable)


class CryptosignTests(RemoteCase):
    method = "cryptosign"

    def test_let_in(self) -> None:
        """The key that the procedure names has to have signed; the name is the procedure's."""
        key, other = Ed25519PrivateKey.generate(), Ed25519PrivateKey.generate()
        public = key.public_key().public_bytes_raw().hex()
        self.answers({"role": "user", "authid": "robot", "pubkey": public})
        for signer in (key, other):
            challenge = self.asked(None, {"pubkey": public})
            message = bytes.fromhex(challenge.extra["challenge"])
            answer = challenge.answer(signer.sign(message).hex() + message.hex(), {})
            if signer is key:
                self.assertEqual(self.accepted(answer).authid, "robot")
            else:
                self.refused(answer, "bad_signature")
        self.assertEqual(self.details()["authextra"], {"pubkey": public})

    def test_another_key(self) -> None:
        """A client that shows a key, of which the procedure says another, is nobody."""
        mine, theirs = (Ed25519PrivateKey.generate() for _ in range(2))
        self.answers({"role": "user", "authid": "robot", "pubkey": theirs.public_key().public_bytes_raw().hex()})
        challenge = self.asked(None, {"pubkey": mine.public_key().public_bytes_raw().hex()})
        message = bytes.fromhex(challenge.extra["challenge"])
        self.refused(challenge.answer(mine.sign(message).hex() + message.hex(), {}), "unknown_key")


class Contract(AuthenticatorContract, TestCase):
    """With an authenticator behind it that refuses everybody at AUTHENTICATE, and knows a secret for everybody."""

    credentials = (SECRET, "t-123")

    def make_authenticator(self, method: str = "ticket") -> IAuthenticator:
        clock = Clock()
        answers: dict[str, Any] = {
            "ticket": CallFailed("com.error.no"),
            "wampcra": ([{"role": "user", "secret": SECRET}], {}),
        }
        caller = ScriptedCaller(answers.get(method, (["user"], {})))
        return RemoteAuthenticator(
            "desk",
            method,
            lambda realm: caller,
            "com.a",
            RecordingJournal(),
            clock,
            clock.seconds,
            limits=LIMITS,
            registered_by=["a"],
            timeout=5.0,
        )

    async def wrong_attempt(self, authenticator: IAuthenticator) -> Any:
        hello = HelloDetails("oro", "anna", ("ticket",), {})
        challenge = await authenticator.at_hello(connection_facts(), hello, "ticket", 1)
        assert isinstance(challenge, AuthenticationStep)
        return await challenge.answer("t-123", {})


class WampCraContract(Contract):
    def make_authenticator(self, method: str = "wampcra") -> IAuthenticator:
        return super().make_authenticator(method)

    async def wrong_attempt(self, authenticator: IAuthenticator) -> Any:
        hello = HelloDetails("oro", "anna", ("wampcra",), {})
        challenge = await authenticator.at_hello(connection_facts(), hello, "wampcra", 1)
        assert isinstance(challenge, AuthenticationStep)
        return await challenge.answer("wrong", {})


class AnonymousContract(AuthenticatorContract, TestCase):
    def make_authenticator(self) -> IAuthenticator:
        return Contract.make_authenticator(self, "anonymous")  # type: ignore[arg-type]
