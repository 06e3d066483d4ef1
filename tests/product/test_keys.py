"""Proof by possession, in the whole product: Ed25519 keys of other people's clients, and TLS client certificates."""

from __future__ import annotations

import hashlib
import ssl
from typing import Any

from nacl.signing import SigningKey

from tests.product.methods_case import DENIED, LIBRARIES, ROBOT, STRANGER, MethodsCase
from tests.product.raw import Closed, RawClient

PUBLIC = bytes(SigningKey(ROBOT).verify_key).hex()
BOUND = {"pubkey": PUBLIC, "channel_binding": "tls-unique"}


def channel(client: RawClient) -> bytes:
    """The id of a TLS connection, as its client computes it."""
    finished: Any = client.socket.get_channel_binding("tls-unique")  # type: ignore[attr-defined]
    return hashlib.sha256(finished).digest()


def bound(challenge: str, client: RawClient) -> str:
    """The answer to a challenge, good on this connection alone."""
    message = bytes(a ^ b for a, b in zip(bytes.fromhex(challenge), channel(client), strict=True))
    return SigningKey(ROBOT).sign(message).signature.hex() + message.hex()


class KeyTests(MethodsCase):
    def test_cryptosign(self):
        """Every client proves its key; a stranger's key and another user's name do not get in."""
        for library in LIBRARIES:
            options = {"method": "cryptosign", "authid": "robot"}
            with self.client(library, key=ROBOT.hex(), **options) as client:
                client.ask("subscribe", "com.example.news")
            self.refused(DENIED, library, key=STRANGER.hex(), **options)
            self.refused(DENIED, library, method="cryptosign", authid="anna", key=ROBOT.hex())
        with self.client("autobahn-python", method="cryptosign", key=ROBOT.hex()) as client:
            self.assertEqual((client.details["authid"], client.details["method"]), ("robot", "cryptosign"))

    def test_channel_binding(self):
        """autobahn binds its signature to the TLS connection; where that is required nobody comes in without."""
        bound = {"method": "cryptosign", "key": ROBOT.hex(), "channel_binding": "tls-unique"}
        for realm in ("methods", "bound"):
            with self.client("autobahn-python", tls=True, realm=realm, **bound) as client:
                client.ask("subscribe", "com.example.news")
        with self.client("autobahn-python", tls=True, method="cryptosign", key=ROBOT.hex()) as client:
            self.assertEqual(client.details["authid"], "robot")
        self.refused(DENIED, "autobahn-python", tls=True, realm="bound", method="cryptosign", key=ROBOT.hex())
        self.refused(DENIED, "autobahn", tls=True, realm="bound", method="cryptosign", key=ROBOT.hex())

    def test_channel_binding_to_another_connection(self):
        """A signature passed on by somebody in the middle is worth nothing, though the challenge is the same."""
        context = ssl.create_default_context()
        for honest in (False, True):
            client, other = self.raw(context), self.raw(context)
            challenge = self.greet(client, "cryptosign", authextra=BOUND)[2]["challenge"]
            client.send([5, bound(challenge, client if honest else other), {}])
            answer = client.read()
            self.assertEqual(answer[0] if honest else answer[::2], 2 if honest else [3, DENIED])

    def test_who_we_are(self):
        """The router signs the client's challenge with its own key."""
        client = self.raw(ssl.create_default_context())
        asked = {**BOUND, "challenge": "ab" * 32}
        answer = self.greet(client, "cryptosign", realm="bound", authextra=asked)[2]
        router = SigningKey(bytes([5]) * 32).verify_key
        self.assertEqual(answer["pubkey"], bytes(router).hex())
        signature = bytes.fromhex(answer["signature"])
        self.assertEqual(router.verify(signature[64:], signature[:64]), bytes(0xAB ^ byte for byte in channel(client)))


class CertificateTests(MethodsCase):
    def test_v2(self):
        """A client certificate is enough: by name and by fingerprint, whatever methods HELLO offers."""
        for name, role in (("desk", "user"), ("laptop", "admin")):
            with self.client("autobahn-python", tls=True, certificate=str(self.directory / name)) as client:
                self.assertEqual((client.details["authid"], client.details["role"]), (name, role))
                self.assertEqual(client.details["method"], "tls")

    def test_v1(self):
        """A WAMP v1 client, which has no HELLO, comes in by its certificate, and not without one."""
        client = self.raw(self.contexts["desk"], subprotocol="wamp")
        self.assertEqual((client.status, client.read()[0]), (101, 0))
        self.assertEqual(self.raw(ssl.create_default_context(), subprotocol="wamp").status, 403)

    def test_strangers(self):
        """A certificate that is nobody's is refused before the 101; one of another authority ends TLS."""
        self.assertEqual(self.raw(self.contexts["nobody"]).status, 403)
        with self.assertRaises(Closed):
            self.raw(self.contexts["foreign"])

    def test_again(self):
        """After a GOODBYE the certificate is still the connection's; its owner may not take another name."""
        client = self.raw(self.contexts["desk"])
        self.assertEqual(self.greet(client, "anonymous")[2]["authid"], "desk")
        client.send([6, {}, "wamp.close.normal"])
        self.assertEqual(client.read()[0], 6)
        self.assertEqual(self.greet(client, "tls")[2]["authid"], "desk")
        client.send([6, {}, "wamp.close.normal"])
        self.assertEqual(client.read()[0], 6)
        self.assertEqual(self.greet(client, "tls", authid="laptop")[::2], [3, DENIED])
