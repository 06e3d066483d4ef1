"""WAMP-Cryptosign: who has the private key comes in, on this TLS connection if that is what was signed."""

from __future__ import annotations

from typing import Any
from unittest import mock

import txaio
from autobahn.wamp.cryptosign import CryptosignKey
from autobahn.wamp.types import Challenge as AutobahnChallenge
from nacl.signing import SigningKey, VerifyKey
from twisted.internet.task import Clock
from twisted.trial.unittest import TestCase

from orosync.errors import ConfigError
from orosync.identity.accounts import Account
from orosync.identity.cryptosign import CryptosignAuthenticator
from orosync.identity.rate_limit import FailureBuckets
from orosync.interfaces import AuthenticationStep, IAuthenticator
from orosync.testing import AuthenticatorContract, RecordingJournal, connection_facts
from tests.identity.cryptosign_vectors import CHANNEL, VECTORS
from tests.identity.method_fixtures import MethodCase

ANNA, BEN, STRANGER, ROUTER = (SigningKey(bytes([number]) * 32) for number in range(1, 5))


def public(key: SigningKey) -> str:
    return bytes(key.verify_key).hex()


ACCOUNTS = [
    Account("anna", "user", identifiers=(public(ANNA), "ab" * 32)),
    Account("ben", "admin", identifiers=(public(BEN),)),
]


def xored(one: str, other: str) -> bytes:
    return bytes(a ^ b for a, b in zip(bytes.fromhex(one), bytes.fromhex(other), strict=True))


def answer(key: SigningKey, message: bytes) -> str:
    return key.sign(message).signature.hex() + message.hex()


class CryptosignCase(MethodCase):
    method = "cryptosign"

    def setUp(self) -> None:
        super().setUp()
        self.build()

    def build(self, accounts: Any = ACCOUNTS, **options: Any) -> None:
        self.authenticator = CryptosignAuthenticator(
            "keys", accounts, self.journal, self.clock, self.clock.seconds, **options
        )

    def challenged(self, key: SigningKey = ANNA, authid: str | None = None, **extra: Any) -> AuthenticationStep:
        return self.asked(authid, {"pubkey": public(key), **extra}, facts=self.facts())

    def facts(self) -> Any:
        return connection_facts(tls=True, channel_id={"tls-unique": bytes.fromhex(CHANNEL)})


class Vectors(CryptosignCase):
    def test_vectors(self) -> None:
        """The specification's answers are right for its challenges, with and without channel binding, and no other."""
        for private, challenge, plain, bound in VECTORS:
            key = SigningKey(bytes.fromhex(private))
            self.build([Account("vector", "user", identifiers=(public(key),))])
            raw = bytes.fromhex(challenge)
            for right, wrong, extra in ((plain, bound, {}), (bound, plain, {"channel_binding": "tls-unique"})):
                with mock.patch("secrets.token_bytes", return_value=raw):
                    asked = self.challenged(key, **extra)
                self.assertEqual(asked.extra["challenge"], challenge)
                self.assertEqual(self.accepted(asked.answer(right, {})).authid, "vector")
                self.refused(asked.answer(wrong, {}), "bad_signature")


class Clients(CryptosignCase):
    def test_key_tells_who(self) -> None:
        """Without an authid the key leads to its owner; with one it must be the owner's."""
        for authid in (None, "anna"):
            challenge = self.challenged(authid=authid)
            self.assertEqual((challenge.method, challenge.extra["channel_binding"]), ("cryptosign", None))
            self.assertEqual(len(challenge.extra["challenge"]), 64)
            principal = self.accepted(challenge.answer(answer(ANNA, bytes.fromhex(challenge.extra["challenge"])), {}))
            self.assertEqual(
                (principal.authid, principal.authrole, principal.authmethod, principal.authprovider),
                ("anna", "user", "cryptosign", "keys"),
            )
        for authid in ("ben", "", "nobody"):
            challenge = self.challenged(authid=authid)
            message = bytes.fromhex(challenge.extra["challenge"])
            self.refused(challenge.answer(answer(ANNA, message), {}), "authid_mismatch")

    def test_autobahn(self) -> None:
        """autobahn's own signatures, with and without channel binding."""
        txaio.use_twisted()
        key = CryptosignKey.from_bytes(bytes(ANNA))
        for binding, channel in ((None, None), ("tls-unique", bytes.fromhex(CHANNEL))):
            asked = self.challenged(channel_binding=binding)
            said = AutobahnChallenge(asked.method, dict(asked.extra))
            signature = self.successResultOf(key.sign_challenge(said, channel_id=channel, channel_id_type=binding))
            self.accepted(asked.answer(signature, {}))

    def test_replay(self) -> None:
        """An answer is good for its own challenge only."""
        first = self.challenged()
        signature = answer(ANNA, bytes.fromhex(first.extra["challenge"]))
        for _ in range(20):
            self.refused(self.challenged().answer(signature, {}), "bad_signature")
        self.accepted(first.answer(signature, {}))

    def test_tampering(self) -> None:
        """Each digit counts; a signature of another challenge, or with another key, is refused."""
        self.build(failures=FailureBuckets(burst=1000))
        asked = self.challenged()
        message = bytes.fromhex(asked.extra["challenge"])
        good = answer(ANNA, message)
        for at in range(192):
            changed = good[:at] + ("0" if good[at] != "0" else "1") + good[at + 1 :]
            self.refused(asked.answer(changed, {}), "bad_signature")
        other = bytes(32)
        for signature in (
            answer(ANNA, other),
            answer(ANNA, other)[:128] + message.hex(),
            answer(ANNA, message)[:128] + other.hex(),
            answer(BEN, message),
            answer(STRANGER, message),
        ):
            self.refused(asked.answer(signature, {}), "bad_signature")
        for signature in ("", good[:-2], good + "00", good[:-1] + "g", good[:-2] + " 0", "ä" * 192, "\ud800" * 192):
            self.refused(asked.answer(signature, {}), "malformed")
        self.accepted(asked.answer(good.upper(), {}))

    def test_unknown(self) -> None:
        """A stranger's key is asked like any other, and refused when it has signed well; the realm's next authenticator
        may know it."""
        asked = self.challenged(STRANGER)
        self.assertEqual((asked.decoy, self.challenged().decoy), (True, False))
        self.assertEqual(set(asked.extra), set(self.challenged().extra))
        message = bytes.fromhex(asked.extra["challenge"])
        self.refused(asked.answer(answer(STRANGER, message), {}), "unknown_key")
        self.refused(self.challenged(STRANGER).answer("0" * 192, {}), "unknown_key")

    def test_known_and_unknown_cost_the_same(self) -> None:
        """A stranger's signature is verified too."""
        found = []
        for key in (ANNA, STRANGER):
            with mock.patch("orosync.identity.cryptosign._verified", return_value=False) as verified:
                self.failureResultOf(self.challenged(key).answer("0" * 192, {}))
            found.append(verified.call_count)
        self.assertEqual(found, [1, 1])

    def test_hello(self) -> None:
        """The public key has to be 64 hexadecimal digits."""
        for key in (None, "", 7, "0" * 63, "0" * 65, "g" * 64, " " * 64, "0x" + "0" * 62, ["0" * 64]):
            self.refused(self.hello(None, {"pubkey": key}), "malformed")
        self.asked(None, {"pubkey": public(ANNA).upper()})
        self.refused(self.hello(None, {"pubkey": public(ANNA)}, "wampcra"), "unknown_method")

    def test_attributes_that_are_null(self) -> None:
        """autobahn-js writes null for what it does not want."""
        self.challenged(trustroot=None, challenge=None, channel_binding=None)


class Binding(CryptosignCase):
    """Signatures that are good on one TLS connection only."""

    def bound(self, challenge: AuthenticationStep, channel: str = CHANNEL) -> str:
        return answer(ANNA, xored(challenge.extra["challenge"], channel))

    def test_bound(self) -> None:
        """The challenge is mixed with the channel's id; an answer from another channel, or unbound, is wrong."""
        asked = self.challenged(channel_binding="tls-unique")
        self.assertEqual(asked.extra["channel_binding"], "tls-unique")
        self.refused(asked.answer(self.bound(asked, "00" * 32), {}), "bad_signature")
        self.refused(asked.answer(self.bound(asked, "11" * 32), {}), "bad_signature")
        self.accepted(asked.answer(self.bound(asked), {}))
        plain = self.challenged()
        self.refused(plain.answer(self.bound(plain), {}), "bad_signature")

    def test_what_cannot_be_had(self) -> None:
        """A kind of binding that is unknown, or that the connection does not have, is refused: it is not left out."""
        for kind in ("tls-exporter", "tls-server-end-point", "", 7, True, ["tls-unique"], {"tls-unique": 1}):
            self.refused(self.hello(None, {"pubkey": public(ANNA), "channel_binding": kind}, facts=self.facts()),
                         "channel_binding")  # fmt: skip
        plain = {"pubkey": public(ANNA), "channel_binding": "tls-unique"}
        self.refused(self.hello(None, plain, facts=connection_facts()), "channel_binding")

    def test_required(self) -> None:
        """Where it is required, clients without it are refused."""
        self.build(binding_required=True)
        self.refused(self.hello(None, {"pubkey": public(ANNA)}, facts=self.facts()), "channel_binding")
        asked = self.challenged(channel_binding="tls-unique")
        self.accepted(asked.answer(self.bound(asked), {}))


class Router(CryptosignCase):
    """A client may ask who we are."""

    def test_signed(self) -> None:
        """Its challenge comes back signed with our key, mixed with the channel's id if it bound to that."""
        self.build(private_key=bytes(ROUTER).hex())
        asked = "12" * 32
        for binding, message in ((None, bytes.fromhex(asked)), ("tls-unique", xored(asked, CHANNEL))):
            extra = self.challenged(challenge=asked, channel_binding=binding).extra
            self.assertEqual(extra["pubkey"], public(ROUTER))
            signature = bytes.fromhex(extra["signature"])
            self.assertEqual(signature[64:], message)
            self.assertEqual(VerifyKey(bytes.fromhex(extra["pubkey"])).verify(message, signature[:64]), message)
        self.assertEqual(set(self.challenged().extra), {"challenge", "channel_binding"})

    def test_without_a_key(self) -> None:
        """Without a key there is no answer to that, so there is no session either."""
        asked = {"pubkey": public(ANNA), "challenge": "12" * 32}
        self.refused(self.hello(None, asked), "no_router_key")
        self.build(private_key=bytes(ROUTER).hex())
        for challenge in ("", "12" * 31, "zz" * 32, 7, [], True):
            self.refused(self.hello(None, {**asked, "challenge": challenge}), "malformed")

    def test_faults(self) -> None:
        """A key that is none, a key of two users, and no user at all."""
        error = self.assertRaises(ConfigError, self.build, private_key="secret" * 3)
        self.assertIn("[authenticator:keys] key: is no Ed25519 key", error.faults[0])
        self.assertNotIn("secret" * 3, str(error))
        self.assertRaises(ConfigError, self.build, [])
        twice = [Account(name, "user", identifiers=(public(ANNA),)) for name in ("anna", "ben")]
        self.assertIn("is that of user.anna", str(self.assertRaises(ConfigError, self.build, twice)))


class Contract(AuthenticatorContract, TestCase):
    def make_authenticator(self) -> IAuthenticator:
        return CryptosignAuthenticator("keys", ACCOUNTS, RecordingJournal(), Clock(), float)

    async def wrong_attempt(self, authenticator: IAuthenticator) -> Any:
        case = MethodCase()
        case.authenticator = authenticator
        challenge = case.asked(None, {"pubkey": public(ANNA)}, "cryptosign")
        return await challenge.answer(answer(BEN, bytes.fromhex(challenge.extra["challenge"])), {})
