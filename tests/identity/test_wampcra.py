"""WAMP-CRA: who knows the secret comes in, once for each challenge."""

from __future__ import annotations

import json
from typing import Any
from unittest import mock

from autobahn.wamp.auth import compute_wcs, derive_key
from twisted.internet.task import Clock
from twisted.trial.unittest import TestCase

from orosync.errors import ConfigError, Unavailable
from orosync.identity import wampcra
from orosync.identity.accounts import Account
from orosync.identity.rate_limit import FailureBuckets
from orosync.identity.wampcra import WampCraAuthenticator, derived
from orosync.interfaces import AuthenticationStep, IAuthenticator
from orosync.testing import AuthenticatorContract, RecordingJournal, connection_facts
from tests.identity.method_fixtures import OTHER, SECRET, MethodCase, b64, flipped, sha256_hmac

ACCOUNTS = [Account("anna", "user", SECRET), Account("ben", "admin", derived(OTHER, "salt123", 1000))]


def signed(challenge: AuthenticationStep, secret: str) -> str:
    """The answer of a client that knows ``secret``, made as autobahn makes it."""
    key: Any = secret.encode()
    extra = challenge.extra
    if "salt" in extra:
        key = derive_key(key, extra["salt"], extra["iterations"], extra["keylen"])
    return compute_wcs(key, extra["challenge"].encode()).decode()


class Exchange(MethodCase):
    method = "wampcra"

    def setUp(self) -> None:
        super().setUp()
        self.build()

    def build(self, accounts: Any = ACCOUNTS, **options: Any) -> None:
        self.authenticator = WampCraAuthenticator(
            "cra", accounts, self.journal, self.clock, self.clock.seconds, **options
        )

    def test_plain_secret(self) -> None:
        """HMAC-SHA256 of the challenge with the secret lets its owner in, with the role that is written down."""
        challenge = self.asked("anna")
        self.assertEqual((challenge.method, set(challenge.extra)), ("wampcra", {"challenge"}))
        signature = b64(sha256_hmac(SECRET.encode(), challenge.extra["challenge"].encode()))
        principal = self.accepted(challenge.answer(signature, {}))
        self.assertEqual(
            (principal.authid, principal.authrole, principal.authmethod, principal.authprovider),
            ("anna", "user", "wampcra", "cra"),
        )
        self.assertEqual((principal.user_id, principal.is_backend, principal.extra), (None, False, {}))
        self.assertEqual(principal.authenticated_at, self.clock.seconds())
        self.assertEqual(self.journal.counts["wampcra", "accepted"], 1)

    def test_salted_secret(self) -> None:
        """The challenge tells salt, iterations and length; a client that knows the password alone comes in."""
        challenge = self.asked("ben")
        self.assertEqual(
            {key: challenge.extra[key] for key in ("salt", "iterations", "keylen")},
            {"salt": "salt123", "iterations": 1000, "keylen": 32},
        )
        self.assertEqual(self.accepted(challenge.answer(signed(challenge, OTHER), {})).authrole, "admin")

    def test_challenge(self) -> None:
        """It holds all that WAMP asks for: who one will be, when, and the session's id."""
        challenge = json.loads(self.asked("anna", session=2**53).extra["challenge"])
        nonce = challenge.pop("nonce")
        self.assertEqual(
            challenge,
            {
                "authid": "anna",
                "authrole": "user",
                "authmethod": "wampcra",
                "authprovider": "cra",
                "timestamp": "2026-01-15T10:20:30.250Z",
                "session": 2**53,
            },
        )
        self.assertGreaterEqual(len(nonce), 32)

    def test_replay(self) -> None:
        """An answer is good for its own challenge only, even for the same user and session."""
        first = self.asked("anna")
        signature = signed(first, SECRET)
        for _ in range(20):
            self.refused(self.asked("anna").answer(signature, {}), "bad_signature")
        self.accepted(first.answer(signature, {}))

    def test_tampering(self) -> None:
        """An answer to a challenge with any other field than the one asked is wrong."""
        challenge = self.asked("anna")
        fields = json.loads(challenge.extra["challenge"])
        for name, value in fields.items():
            changed = {**fields, name: value + 1 if isinstance(value, int) else value + "x"}
            signature = b64(sha256_hmac(SECRET.encode(), json.dumps(changed).encode()))
            self.refused(challenge.answer(signature, {}), "bad_signature")
        same = b64(sha256_hmac(SECRET.encode(), json.dumps(fields).encode()))
        self.accepted(challenge.answer(same, {}))

    def test_wrong_answers(self) -> None:
        """Any other signature is wrong: each character counts, and so do its ends."""
        challenge = self.asked("anna")
        good = signed(challenge, SECRET)
        for at in range(len(good) - 1):
            self.refused(challenge.answer(flipped(good, at), {}), "bad_signature")
        for signature in ("", good[:-1], good + "=", " " + good, good + "\n", good.lower(), "\ud800", "ä"):
            self.refused(challenge.answer(signature, {}), "bad_signature")
        self.refused(challenge.answer(signed(challenge, OTHER), {}), "bad_signature")

    def test_unknown(self) -> None:
        """An unknown name is challenged as a known one, and refused whatever the answer; the realm's next authenticator
        may know it."""
        self.assertFalse(self.asked("anna").decoy)
        for number in range(20):
            name = f"stranger {number}"
            challenge = self.asked(name)
            said = json.loads(challenge.extra["challenge"])
            self.assertEqual((said["authid"], challenge.decoy), (name, True))
            shape = (said["authrole"], set(challenge.extra))
            salted = {"challenge", "salt", "iterations", "keylen"}
            self.assertIn(shape, [("user", {"challenge"}), ("admin", salted)])
            self.assertEqual(self.asked(name).extra.get("salt"), challenge.extra.get("salt"))
            self.refused(challenge.answer(signed(challenge, SECRET), {}), "unknown_user")

    def test_known_and_unknown_cost_the_same(self) -> None:
        """Between HELLO and refusal the same work is done for all names: counted, and in the same order."""
        work: list[str] = []

        def counting(name: str, real: Any) -> Any:
            def counted(*args: Any, **options: Any) -> Any:
                work.append(name)
                return real(*args, **options)

            return counted

        self.build([ACCOUNTS[1]])
        found = []
        for name in ("ben", "nobody"):
            with (
                mock.patch.object(wampcra, "compute_wcs", counting("sign", compute_wcs)),
                mock.patch("hmac.compare_digest", counting("compare", lambda a, b: a == b)),
                mock.patch("hmac.digest", counting("seed", lambda *_: b"\1" * 64)),
                mock.patch("orosync.identity.wampcra.text_like", counting("salt", lambda *_: "s")),
            ):
                self.failureResultOf(self.asked(name).answer("wrong", {}))
            found.append(work.copy())
            work.clear()
        self.assertEqual(found, [["seed", "salt", "sign", "compare"]] * 2)

    def test_who_names_nobody(self) -> None:
        """Without an authid there is no secret to ask for."""
        for authid in (None, ""):
            self.refused(self.hello(authid), "no_authid")

    def test_other_method(self) -> None:
        """It does this method alone."""
        self.refused(self.hello(method="scram"), "unknown_method")

    def test_too_many_failures(self) -> None:
        """Guessing ends after some tries, for that address."""
        self.build(failures=FailureBuckets(rate=1, burst=3))
        for _ in range(3):
            self.refused(self.asked("anna").answer("", {}), "bad_signature")
        self.assertIsInstance(self.failureResultOf(self.hello("anna")).value, Unavailable)
        self.asked("anna", facts=connection_facts(address="192.0.2.9"))

    def test_faults(self) -> None:
        """All accounts that cannot be used are named at once, and their secrets are not."""
        bad = [Account("anna", "user", "pbkdf2$oops"), Account("ben", "user", "pbkdf2$1:x$oops")]
        error = self.assertRaises(ConfigError, self.build, bad)
        self.assertEqual(len(error.faults), 2)
        self.assertIn("[authenticator:cra] user.anna: the secret begins like a derived key", error.faults[0])
        self.assertNotIn("oops", str(error))
        self.assertRaises(ConfigError, self.build, [])


class Contract(AuthenticatorContract, TestCase):
    credentials = (SECRET, OTHER)

    def make_authenticator(self) -> IAuthenticator:
        return WampCraAuthenticator("cra", ACCOUNTS, RecordingJournal(), Clock(), float)

    async def wrong_attempt(self, authenticator: IAuthenticator) -> Any:
        case = MethodCase()
        case.authenticator = authenticator
        challenge = case.asked("anna", method="wampcra")
        return await challenge.answer(signed(challenge, OTHER), {})
