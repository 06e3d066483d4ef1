"""Fixed passwords: who is accepted by which answer, and that a guess costs the same whatever is wrong."""

from __future__ import annotations

from typing import Any
from unittest import mock

from twisted.internet import defer
from twisted.internet.defer import Deferred
from twisted.trial.unittest import TestCase

from orosync.errors import ConfigError, Refused, Unavailable
from orosync.identity import password
from orosync.identity.accounts import Account
from orosync.identity.password import AT_ONCE, ROOM, PasswordAuthenticator, is_password
from orosync.identity.rate_limit import FailureBuckets
from orosync.identity.wampcra import cra_key, derived
from orosync.interfaces import AuthenticationStep, HelloDetails
from orosync.testing import AuthenticatorContract, RecordingJournal, connection_facts
from tests.identity.method_fixtures import NOW, OTHER, SECRET, MethodCase

PLAIN, DERIVED = Account("anna", "user", SECRET), Account("ben", "admin", derived(OTHER, "salt", 10))


def at_once(work: Any, *args: Any) -> Deferred[bool]:
    return defer.succeed(work(*args))


class PasswordCase(MethodCase):
    method = "ticket"

    def setUp(self) -> None:
        super().setUp()
        self.build()

    def build(self, *accounts: Account, **options: Any) -> None:
        options.setdefault("in_thread", at_once)
        self.authenticator = PasswordAuthenticator(
            "robots", accounts or (PLAIN, DERIVED), self.journal, self.clock, self.clock.seconds, **options
        )

    def answered(self, authid: str, text: str) -> Deferred[Any]:
        return self.asked(authid).answer(text, {})


class Answers(PasswordCase):
    def test_right(self) -> None:
        """The password itself, whether it or its derived form is kept."""
        for account, text in ((PLAIN, SECRET), (DERIVED, OTHER)):
            asked = self.asked(account.authid)
            self.assertEqual((asked.method, asked.extra, asked.decoy), ("ticket", {}, False))
            who = self.accepted(asked.answer(text, {}))
            self.assertEqual((who.authid, who.authrole, who.authmethod), (account.authid, account.role, "ticket"))
            self.assertEqual((who.authprovider, who.authenticated_at, who.user_id), ("robots", NOW, None))
        self.assertEqual(self.journal.counts[("password", "accepted")], 2)

    def test_wrong(self) -> None:
        """Anything else: another user's, a part of it, the derived form itself."""
        for authid, texts in (("anna", (OTHER, SECRET[:-1], SECRET + " ", "")), ("ben", (SECRET, DERIVED.secret, ""))):
            for text in (*texts, "\ud800", "ä" * 3000):
                refusal = self.refused(self.answered(authid, text), "bad_password")
                self.assertNotIn(text or "nothing", refusal.reason)

    def test_unknown(self) -> None:
        """An unknown name is challenged as a known one, and left to the realm's next authenticator; nothing fits."""
        for number in range(10):
            asked = self.asked(f"stranger {number}")
            self.assertEqual((asked.extra, asked.decoy), ({}, True))
            for text in (SECRET, OTHER):
                self.refused(asked.answer(text, {}), "unknown_user")
        self.assertIsNone(self.successResultOf(self.hello(None)))
        self.assertIsNone(self.successResultOf(self.hello("")))

    def test_same_work(self) -> None:
        """Known or not, one comparison is made, of the same kind."""
        for account in (PLAIN, DERIVED):
            self.build(account)
            work = []

            def counted(kept: Any, given: bytes, work: list[bool] = work) -> bool:
                work.append(bool(kept.salting))
                return is_password(kept, given)

            with mock.patch.object(password, "is_password", counted):
                for authid in (account.authid, "stranger"):
                    self.failureResultOf(self.answered(authid, "wrong"), Refused)
            self.assertEqual(work, [account is DERIVED] * 2)

    def test_at_the_handshake(self) -> None:
        """Nothing is decided there: the ticket of a URL is Oro's."""
        facts = connection_facts(query=f"ticket={SECRET}")
        self.assertIsNone(self.successResultOf(self.authenticator.at_handshake(facts)))

    def test_limited(self) -> None:
        """After too many wrong ones the address has to wait, with the right one too."""
        self.build(failures=FailureBuckets(1.0, 2))
        challenged = self.asked("anna")
        for _ in range(2):
            self.refused(self.answered("anna", "wrong"), "bad_password")
        self.refused(challenged.answer(SECRET, {}), "too_many_failures")
        self.refused(self.hello("anna"), "too_many_failures")
        self.clock.advance(1)
        self.accepted(self.answered("anna", SECRET))


class Threads(PasswordCase):
    def test_bounded(self) -> None:
        """A few are derived at once, some wait, and beyond that clients are told to come later; plain ones go on."""
        running: list[Deferred[bool]] = []

        def in_thread(*args: Any) -> Deferred[bool]:
            running.append(Deferred())
            return running[-1]

        self.build(in_thread=in_thread)
        answers = [self.answered("ben", OTHER) for _ in range(AT_ONCE + ROOM)]
        self.assertEqual(len(running), AT_ONCE)
        late = self.failureResultOf(self.answered("ben", OTHER), Unavailable).value
        self.assertEqual(late.code, "hash_queue_full")
        self.accepted(self.answered("anna", SECRET))
        for derived_ in running:  # it grows: each makes room for the next
            derived_.callback(True)
        self.assertEqual([self.accepted(answer).authid for answer in answers], ["ben"] * len(answers))


class Kept(PasswordCase):
    def test_derived_forms(self) -> None:
        """Any length of key and number of iterations that the form has."""
        for iterations, keylen in ((1, 16), (1000, 32), (2, 64)):
            kept = cra_key(derived(SECRET, "s", iterations, keylen))
            self.assertTrue(is_password(kept, SECRET.encode()))
            self.assertFalse(is_password(kept, OTHER.encode()))

    def test_faults(self) -> None:
        """Accounts that cannot be used are named."""
        for accounts, words in (
            ((Account("anna", "user", "pbkdf2$x"),), "user.anna: the secret begins like a derived key and is none"),
            ((PLAIN, PLAIN), "[authenticator:robots] user: a name stands twice"),
        ):
            error = self.assertRaises(ConfigError, self.build, *accounts)
            self.assertIn(words, str(error))
            self.assertNotIn(SECRET, str(error))


class Contract(AuthenticatorContract, TestCase):
    credentials = (SECRET, OTHER, DERIVED.secret)

    def make_authenticator(self) -> PasswordAuthenticator:
        from twisted.internet import reactor

        clock: Any = reactor
        return PasswordAuthenticator(
            "robots", (PLAIN, DERIVED), RecordingJournal(), clock, clock.seconds, in_thread=at_once
        )

    async def wrong_attempt(self, authenticator: Any) -> Any:
        hello = HelloDetails("oro", "anna", ("ticket",), {})
        asked = await authenticator.at_hello(connection_facts(), hello, "ticket", 1)
        assert isinstance(asked, AuthenticationStep)
        return await asked.answer(OTHER, {})
