"""Tests for orosync.client.login."""

from __future__ import annotations

import base64
import hmac
import json

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from twisted.trial.unittest import SynchronousTestCase

from orosync.client.login import Login
from orosync.config.credentials import Secret
from orosync.config.uplinks import UplinkSection
from orosync.wamp.messages import Challenge

SEED = "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60"
PUBLIC = "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a"
"""A pair of keys of RFC 8032, section 7.1."""


class Logins(SynchronousTestCase):
    def test_of_a_section(self) -> None:
        """The secret that is there says how; without one we are anonymous."""
        for key, method in (("ticket", "ticket"), ("secret", "wampcra"), ("key", "cryptosign")):
            section = UplinkSection(name="x", url="ws://x", authid="me", **{key: Secret("s", "env:S")})  # type: ignore[arg-type]
            self.assertEqual(Login.of(section), Login(method, "me", "s"))
        self.assertEqual(Login.of(UplinkSection(name="x", url="ws://x")), Login())
        self.assertNotIn("s3cret", repr(Login("ticket", "me", "s3cret")))

    def test_hello(self) -> None:
        """HELLO names the method and who we are; a key by its public half."""
        self.assertEqual(Login().hello(), {"authmethods": ["anonymous"]})
        self.assertEqual(Login("ticket", "me", "t").hello(), {"authmethods": ["ticket"], "authid": "me"})
        extra = Login("cryptosign", "", SEED).hello()["authextra"]
        self.assertEqual(extra["pubkey"], PUBLIC)

    def test_ticket(self) -> None:
        """The ticket is the answer."""
        self.assertEqual(Login("ticket", "me", "t").answer(Challenge("ticket", {})), "t")

    def test_wampcra(self) -> None:
        """The challenge is signed with the secret; with a salt by the key derived from it (WAMP-CRA's own example)."""
        question = json.dumps({"nonce": "x"})
        login = Login("wampcra", "me", "L3L1YUE8Txlw")
        expected = hmac.new(b"L3L1YUE8Txlw", question.encode(), "sha256").digest()
        self.assertEqual(base64.b64decode(login.answer(Challenge("wampcra", {"challenge": question}))), expected)
        salted = {"challenge": question, "salt": "salt123", "iterations": 100, "keylen": 16}
        self.assertNotEqual(base64.b64decode(login.answer(Challenge("wampcra", salted))), expected)

    def test_cryptosign(self) -> None:
        """Signature and challenge, both in hex; the signature is good."""
        login, message = Login("cryptosign", "", SEED), bytes(range(32))
        answer = bytes.fromhex(login.answer(Challenge("cryptosign", {"challenge": message.hex()})))
        self.assertEqual(answer[64:], message)
        public = Ed25519PublicKey.from_public_bytes(bytes.fromhex(login.hello()["authextra"]["pubkey"]))
        public.verify(answer[:64], message)

    def test_not_taken_up(self) -> None:
        """What we did not offer to answer, or what may be good for something else; no secret is in the words."""
        cra, sign = Login("wampcra", "me", "s3cret"), Login("cryptosign", "", SEED)
        for login, challenge in (
            (Login(), Challenge("ticket", {})),
            (cra, Challenge("ticket", {})),
            (cra, Challenge("wampcra", {})),
            (cra, Challenge("wampcra", {"challenge": 7})),
            (cra, Challenge("wampcra", {"challenge": "x", "salt": 7})),
            (cra, Challenge("wampcra", {"challenge": "x", "salt": "s", "iterations": 10**9})),
            (cra, Challenge("wampcra", {"challenge": "x", "salt": "s", "iterations": -1})),
            (cra, Challenge("wampcra", {"challenge": "x", "salt": "s", "keylen": 10**9})),
            (sign, Challenge("cryptosign", {"challenge": "zz"})),
            (sign, Challenge("cryptosign", {"challenge": "ab" * 31})),
        ):
            error = self.assertRaises(ValueError, login.answer, challenge)
            self.assertNotIn("s3cret", str(error))
