"""TLS client certificates: by fingerprint or by name, at the handshake or in HELLO."""

from __future__ import annotations

import datetime
import hashlib
from functools import cache
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID
from twisted.internet.task import Clock
from twisted.trial.unittest import TestCase

from orosync.errors import ConfigError
from orosync.identity.accounts import Account
from orosync.identity.certificate import CertificateAuthenticator
from orosync.interfaces import HelloDetails, IAuthenticator
from orosync.testing import AuthenticatorContract, RecordingJournal, connection_facts
from tests.identity.method_fixtures import MethodCase


@cache
def certificate(*names: str) -> bytes:
    """A certificate whose subject has these common names, in DER."""
    key = Ed25519PrivateKey.generate()
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name) for name in names])
    now = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)
    builder = x509.CertificateBuilder(subject, subject, key.public_key(), 1, now, now + datetime.timedelta(days=1))
    algorithm: hashes.SHA256 | None = None
    return builder.sign(key, algorithm).public_bytes(Encoding.DER)


def fingerprint(der: bytes) -> str:
    return "sha256:" + hashlib.sha256(der).hexdigest()


ACCOUNTS = [
    Account("anna", "user", identifiers=(fingerprint(certificate("anna's laptop")), "cn:anna")),
    Account("desk", "admin", identifiers=("cn:desk.example.com",)),
]


class Certificates(MethodCase):
    method = "tls"

    def setUp(self) -> None:
        super().setUp()
        self.build()

    def build(self, accounts: Any = ACCOUNTS) -> None:
        self.authenticator = CertificateAuthenticator("certs", accounts, self.journal, self.clock, self.clock.seconds)

    def presented(self, der: bytes | None) -> Any:
        return self.authenticator.at_handshake(connection_facts(tls=True, client_certificate=der))

    def test_who_it_is(self) -> None:
        """By its fingerprint, or by its subject's common name."""
        for names, authid, role in (
            (["anna's laptop"], "anna", "user"),
            (["anna"], "anna", "user"),
            (["desk.example.com"], "desk", "admin"),
        ):
            principal = self.accepted(self.presented(certificate(*names)))
            self.assertEqual(
                (principal.authid, principal.authrole, principal.authmethod, principal.authprovider),
                (authid, role, "tls", "certs"),
            )

    def test_fingerprint_goes_first(self) -> None:
        """A certificate that is written down by its fingerprint is not taken for another user by its name."""
        der = certificate("anna")
        self.build([Account("ben", "user", identifiers=(fingerprint(der),)), ACCOUNTS[0]])
        self.assertEqual(self.accepted(self.presented(der)).authid, "ben")

    def test_nobody(self) -> None:
        """A certificate without an account is refused: another name or case, several names, none, no certificate."""
        for der in (
            certificate("ANNA"),
            certificate("anna "),
            certificate("anna", "desk.example.com"),
            certificate(),
            b"no certificate",
            b"",
        ):
            self.refused(self.presented(der), "unknown_certificate")

    def test_none_presented(self) -> None:
        """Who has no certificate may come in another way."""
        self.assertIsNone(self.successResultOf(self.presented(None)))
        self.refused(self.hello(None), "no_certificate")

    def test_hello(self) -> None:
        """A second session on the connection is the same user's; HELLO must not name another."""
        facts = connection_facts(tls=True, client_certificate=certificate("anna"))
        for authid in (None, "anna"):
            self.assertEqual(self.accepted(self.hello(authid, facts=facts)).authid, "anna")
        self.refused(self.hello("desk", facts=facts), "authid_mismatch")
        self.refused(self.hello("anna", method="ticket", facts=facts), "unknown_method")

    def test_faults(self) -> None:
        """No user at all is a fault."""
        self.assertRaises(ConfigError, self.build, [])


class Contract(AuthenticatorContract, TestCase):
    def make_authenticator(self) -> IAuthenticator:
        return CertificateAuthenticator("certs", ACCOUNTS, RecordingJournal(), Clock(), float)

    def wrong_attempt(self, authenticator: IAuthenticator) -> Any:
        facts = connection_facts(tls=True, client_certificate=certificate("somebody else"))
        return authenticator.at_hello(facts, HelloDetails("realm", None, ("tls",), {}), "tls", 1)
