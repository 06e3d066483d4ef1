"""WAMP-SCRAM in both dialects: who knows the password comes in, and learns that we know it too."""

from __future__ import annotations

import base64
import hashlib
from types import SimpleNamespace
from typing import Any
from unittest import mock

from autobahn.wamp.auth import AuthScram
from autobahn.wamp.types import Challenge as AutobahnChallenge
from twisted.internet.task import Clock
from twisted.trial.unittest import TestCase

from orosync.errors import ConfigError
from orosync.identity.accounts import Account
from orosync.identity.scram import ScramAuthenticator
from orosync.identity.scram_keys import ARGON2, ARGON2_AUTOBAHN, PBKDF2, ScramKeys, derived
from orosync.interfaces import AuthenticationStep, IAuthenticator
from orosync.testing import AuthenticatorContract, RecordingJournal
from tests.identity.method_fixtures import OTHER, SECRET, MethodCase, b64, flipped, sha256_hmac

NONCE = "egVDf3DMJh0="
SALT = b"sixteen bytes, 1"
CHEAP = {"iterations": 1, "memory": 8}
WAMP = derived(OTHER, ARGON2, SALT, 1, 8)
ACCOUNTS = [Account("anna", "user", SECRET), Account("b=e,n", "admin", str(WAMP))]


class SpecificationClient:
    """WAMP-SCRAM written down once more, from the specification's text alone."""

    def __init__(self, authid: str, password: str) -> None:
        self.authid, self.password = authid, password
        self.extra: dict[str, Any] = {}

    def answer(self, extra: Any, nonce: str = NONCE) -> str:
        """The ClientProof; ``extra`` is the challenge's."""
        assert extra["nonce"].startswith(nonce) and len(extra["nonce"]) >= len(nonce) + 16
        salt = base64.b64decode(extra["salt"])
        if extra["kdf"] == "pbkdf2":
            assert extra["memory"] is None
            salted = hashlib.pbkdf2_hmac("sha256", self.password.encode(), salt, extra["iterations"])
        else:
            from argon2.low_level import Type, hash_secret_raw

            assert extra["kdf"] == "argon2id13"
            salted = hash_secret_raw(self.password.encode(), salt, extra["iterations"], extra["memory"], 1, 32, Type.ID)
        name = self.authid.replace("=", "=3D").replace(",", "=2C")
        self.message = (
            f"n={name},r={nonce},r={extra['nonce']},s={extra['salt']},i={extra['iterations']},c=biws,r={extra['nonce']}"
        ).encode()
        client_key = sha256_hmac(salted, b"Client Key")
        signature = sha256_hmac(hashlib.sha256(client_key).digest(), self.message)
        self.server_key = sha256_hmac(salted, b"Server Key")
        self.extra = {"nonce": extra["nonce"], "channel_binding": None, "cbind_data": None}
        return b64(bytes(a ^ b for a, b in zip(client_key, signature, strict=True)))

    def trusts(self, verifier: str) -> bool:
        return base64.b64decode(verifier) == sha256_hmac(self.server_key, self.message)


class ScramCase(MethodCase):
    method = "wamp-scram"

    def setUp(self) -> None:
        super().setUp()
        self.build()

    def build(self, accounts: Any = ACCOUNTS, **options: Any) -> None:
        self.authenticator = ScramAuthenticator(
            "scram",
            accounts,
            self.journal,
            self.clock,
            self.clock.seconds,
            **{**CHEAP, "decoy_secret": "decoys", **options},
        )

    def challenged(self, authid: str, method: str = "wamp-scram") -> AuthenticationStep:
        return self.asked(authid, {"nonce": NONCE}, method)


class Specification(ScramCase):
    """The dialect of WAMP's own text."""

    def test_both_know(self) -> None:
        """A plain password and a derived form, both KDFs: let in, and the verifier is the server's signature."""
        for kdf in (ARGON2, PBKDF2):
            self.build(kdf=kdf)
            for authid, password, role in (("anna", SECRET, "user"), ("b=e,n", OTHER, "admin")):
                client = SpecificationClient(authid, password)
                challenge = self.challenged(authid)
                self.assertEqual(challenge.method, "wamp-scram")
                self.assertEqual(set(challenge.extra), {"nonce", "salt", "kdf", "iterations", "memory"})
                signature = client.answer(challenge.extra)
                principal = self.accepted(challenge.answer(signature, client.extra))
                self.assertEqual(
                    (principal.authid, principal.authrole, principal.authmethod, principal.authprovider),
                    (authid, role, "wamp-scram", "scram"),
                )
                self.assertTrue(client.trusts(principal.extra["verifier"]))

    def test_replay(self) -> None:
        """An answer is good for its own challenge only."""
        client, challenge = SpecificationClient("anna", SECRET), self.challenged("anna")
        signature = client.answer(challenge.extra)
        for _ in range(20):
            other = self.challenged("anna")
            self.assertEqual(other.extra["salt"], challenge.extra["salt"])
            self.refused(other.answer(signature, client.extra), "malformed")
            self.refused(other.answer(signature, {**client.extra, "nonce": other.extra["nonce"]}), "bad_signature")
        self.accepted(challenge.answer(signature, client.extra))

    def test_tampering(self) -> None:
        """A field that is changed on its way to the client makes the answer wrong."""
        changes: dict[str, Any] = {"salt": b64(b"another salt, 16"), "iterations": 2, "memory": 9}
        for name, value in changes.items():
            client, challenge = SpecificationClient("anna", SECRET), self.challenged("anna")
            signature = client.answer({**challenge.extra, name: value})
            self.refused(challenge.answer(signature, client.extra), "bad_signature")
        client, challenge = SpecificationClient("anna", SECRET), self.challenged("anna")
        nonce = challenge.extra["nonce"] + "AAAA"
        signature = client.answer({**challenge.extra, "nonce": nonce})
        self.refused(challenge.answer(signature, client.extra), "malformed")
        self.refused(challenge.answer(signature, {**client.extra, "nonce": challenge.extra["nonce"]}), "bad_signature")
        other = SpecificationClient("b=e,n", SECRET)
        self.refused(challenge.answer(other.answer(challenge.extra), other.extra), "bad_signature")

    def test_wrong_answers(self) -> None:
        """Each character of the proof counts; what is no base64 is none."""
        client, challenge = SpecificationClient("anna", SECRET), self.challenged("anna")
        good = client.answer(challenge.extra)
        for at in range(len(good) - 2):
            self.refused(challenge.answer(flipped(good, at), client.extra), "bad_signature")
        self.refused(challenge.answer("", client.extra), "bad_signature")
        for signature in (good[:-1], f" {good}", f"{good}\n", "ä", "\ud800"):
            self.refused(challenge.answer(signature, client.extra), "malformed")
        wrong = SpecificationClient("anna", OTHER)
        self.refused(challenge.answer(wrong.answer(challenge.extra), wrong.extra), "bad_signature")

    def test_answers_without_nonce(self) -> None:
        """The nonce has to come back."""
        client, challenge = SpecificationClient("anna", SECRET), self.challenged("anna")
        self.refused(challenge.answer(client.answer(challenge.extra), {}), "malformed")

    def test_channel_binding(self) -> None:
        """Who asks for it is told no, in HELLO as in AUTHENTICATE: it must not believe to have it."""
        self.refused(self.hello("anna", {"nonce": NONCE, "channel_binding": "tls-unique"}), "channel_binding")
        self.asked("anna", {"nonce": NONCE, "channel_binding": None})
        client, challenge = SpecificationClient("anna", SECRET), self.challenged("anna")
        signature = client.answer(challenge.extra)
        for binding in ({"channel_binding": "tls-unique"}, {"cbind_data": "AAAA"}):
            self.refused(challenge.answer(signature, {**client.extra, **binding}), "channel_binding")

    def test_hello(self) -> None:
        """A name and a nonce in canonical base64 are needed."""
        for authid in (None, ""):
            self.refused(self.hello(authid, {"nonce": NONCE}), "no_authid")
        for nonce in (None, "", 7, "A", "AA", "AAA", "A===", "AA=A", "AAAA,r=x", "AAAA ", "AAAA\n", "AAAA" * 65):
            self.refused(self.hello("anna", {"nonce": nonce}), "malformed")
        for nonce in ("AAAA", "AAA=", "AA==", "AAAA" * 64):
            self.asked("anna", {"nonce": nonce})
        self.refused(self.hello("an\u0007na", {"nonce": NONCE}), "malformed")
        self.refused(self.hello("anna", {"nonce": NONCE}, "wampcra"), "unknown_method")

    def test_names_are_normalized(self) -> None:
        """A soft hyphen in a name does not make it another."""
        client, challenge = SpecificationClient("anna", SECRET), self.challenged("an\u00adna")
        self.assertEqual(self.accepted(challenge.answer(client.answer(challenge.extra), client.extra)).authid, "anna")


class Strangers(ScramCase):
    """Unknown names."""

    def test_unknown(self) -> None:
        """An unknown name gets a challenge like a known one, always the same salt, and no proof fits; the realm's next
        authenticator may know it."""
        self.build([ACCOUNTS[0]])
        self.assertFalse(self.challenged("anna").decoy)
        self.assertTrue(self.challenged("stranger").decoy)
        known = self.challenged("anna").extra
        for number in range(10):
            client, challenge = SpecificationClient(f"stranger{number}", SECRET), self.challenged(f"stranger{number}")
            for name in ("kdf", "iterations", "memory"):
                self.assertEqual(challenge.extra[name], known[name])
            self.assertEqual(len(challenge.extra["salt"]), len(known["salt"]))
            self.assertEqual(self.challenged(client.authid).extra["salt"], challenge.extra["salt"])
            self.refused(challenge.answer(client.answer(challenge.extra), client.extra), "unknown_user")

    def test_salts_outlive_a_start(self) -> None:
        """With a secret for decoys neither a user's salt nor a decoy's changes with a start; without, both do."""
        for secret, same in (("decoys", True), ("", False)):
            found = []
            for _ in range(2):
                self.build([ACCOUNTS[0]], decoy_secret=secret)
                found.append([self.challenged(name).extra["salt"] for name in ("anna", "stranger")])
            self.assertEqual([one == other for one, other in zip(*found, strict=True)], [same, same])

    def test_known_and_unknown_cost_the_same(self) -> None:
        """Between HELLO and refusal the same work is done for known and unknown names, counted."""
        work: list[str] = []
        real_fits, real_decoy = ScramKeys.fits, ScramKeys.decoy

        def fits(keys: ScramKeys, message: bytes, proof: bytes) -> bool:
            work.append("fits")
            return real_fits(keys, message, proof)

        def decoy(keys: ScramKeys, seed: bytes) -> ScramKeys:
            work.append("decoy")
            return real_decoy(keys, seed)

        found = []
        with mock.patch.object(ScramKeys, "fits", fits), mock.patch.object(ScramKeys, "decoy", decoy):
            for name in ("anna", "nobody"):
                challenge = self.challenged(name)
                self.failureResultOf(challenge.answer("AAAA", {"nonce": challenge.extra["nonce"]}))
                found.append(work.copy())
                work.clear()
        self.assertEqual(found, [["decoy", "decoy", "fits"]] * 2)


class Autobahn(ScramCase):
    """The dialect of Autobahn and Crossbar.io, spoken by autobahn's own code."""

    def attempt(self, password: str, authid: str = "anna") -> tuple[Any, Any, Any]:
        client = AuthScram(authid=authid, password=password)
        challenge = self.asked(authid, client.authextra, "scram")
        session = SimpleNamespace(log=mock.Mock())
        proof = client.on_challenge(session, AutobahnChallenge(challenge.method, dict(challenge.extra)))
        return client, session, challenge.answer(proof.decode(), {})

    def test_both_know(self) -> None:
        """autobahn comes in and finds our signature good; with a wrong password it does not."""
        self.build([ACCOUNTS[0]])
        client, session, answer = self.attempt(SECRET)
        principal = self.accepted(answer)
        self.assertEqual(principal.authmethod, "scram")
        self.assertIsNone(client.on_welcome(session, principal.extra))
        self.refused(self.attempt(OTHER)[2], "bad_signature")
        self.refused(self.attempt(SECRET, "nobody")[2], "unknown_user")

    def test_derived_form(self) -> None:
        """A form derived in Autobahn's way serves autobahn; one derived in WAMP's way says so by its name."""
        self.build([Account("anna", "user", str(derived(SECRET, ARGON2_AUTOBAHN, SALT, 1, 8)))])
        self.accepted(self.attempt(SECRET)[2])
        self.build([Account("anna", "user", str(derived(SECRET, ARGON2, SALT, 1, 8)))])
        self.assertEqual(self.challenged("anna", "scram").extra["kdf"], "argon2id13")

    def test_challenge(self) -> None:
        """No attribute that autobahn refuses, and no null that it takes for a number."""
        self.build(kdf=PBKDF2)
        extra = self.challenged("anna", "scram").extra
        self.assertEqual(set(extra), {"nonce", "salt", "kdf", "iterations"})

    def test_specification_under_autobahns_name(self) -> None:
        """A client that follows the specification and only calls the method as Autobahn does is understood."""
        self.build(kdf=PBKDF2)
        client, challenge = SpecificationClient("anna", SECRET), self.challenged("anna", "scram")
        signature = client.answer({**challenge.extra, "memory": None})
        self.accepted(challenge.answer(signature, client.extra))
        self.refused(challenge.answer(signature, {}), "bad_signature")


class Making(ScramCase):
    def test_faults(self) -> None:
        """All accounts that cannot be used are named at once, without what they hold."""
        bad = [
            Account("anna", "user", "argon2id13$oops"),
            Account("ben", "user", "oops \u0007 oops"),
            Account("carl\u0007", "user", SECRET),
        ]
        error = self.assertRaises(ConfigError, self.build, bad)
        expected = ["the secret begins", "the password holds", "the name holds"]
        for fault, words in zip(error.faults, expected, strict=True):
            self.assertIn(f": {words}", fault)
        self.assertNotIn("oops", str(error))
        error = self.assertRaises(ConfigError, self.build, [ACCOUNTS[0]], memory=1)
        self.assertIn("user.anna: the password cannot be derived with less than 8 KiB", error.faults[0])

    def test_without_the_extra(self) -> None:
        """Where the libraries are not installed the fault says how to get them."""
        for module in ("argon2", "passlib"):
            with mock.patch.dict("sys.modules", {module: None}):
                error = self.assertRaises(ConfigError, self.build)
            self.assertEqual(len(error.faults), 1)
            self.assertIn("[authenticator:scram] use: scram needs the module " + module, error.faults[0])
            self.assertIn("pip install '.[crypto]'", error.faults[0])


class Contract(AuthenticatorContract, TestCase):
    credentials = (SECRET, OTHER, str(WAMP))

    def make_authenticator(self) -> IAuthenticator:
        accounts = [Account("anna", "user", str(WAMP))]
        return ScramAuthenticator("scram", accounts, RecordingJournal(), Clock(), float)

    async def wrong_attempt(self, authenticator: IAuthenticator) -> Any:
        case = MethodCase()
        case.authenticator = authenticator
        client, challenge = SpecificationClient("anna", SECRET), case.asked("anna", {"nonce": NONCE}, "wamp-scram")
        return await challenge.answer(client.answer(challenge.extra), client.extra)
