"""Authenticators made from their sections."""

from __future__ import annotations

from functools import partial
from typing import Any

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase
from zope.interface.verify import verifyObject

from orosync.config import authentication as sections
from orosync.config.accounts import AccountLine
from orosync.config.authentication import RemoteAuthenticatorSection
from orosync.config.credentials import Secret
from orosync.config.realms import RealmSection
from orosync.errors import Refused
from orosync.identity.factory import method_authenticator, remote_authenticator
from orosync.identity.rate_limit import FailureBuckets
from orosync.interfaces import AuthenticationStep, HelloDetails, IAuthenticator
from orosync.testing import RecordingJournal, ScriptedCaller, connection_facts
from tests.identity.method_fixtures import SECRET

KEY = "0f" * 32
ANNA = (AccountLine("anna", "user", Secret(SECRET, "env:ANNA")),)
ROBOT = (AccountLine("robot", "backend", identifiers=(KEY,)),)


def _the(caller: ScriptedCaller, realm: str) -> ScriptedCaller:
    """The caller of every realm."""
    return caller


class Making(SynchronousTestCase):
    def made(self, section: sections.Method) -> IAuthenticator:
        authenticator = method_authenticator(section, RecordingJournal(), Clock(), float, FailureBuckets())
        verifyObject(IAuthenticator, authenticator)
        self.assertEqual(authenticator.name, "door")
        return authenticator

    def asked(self, authenticator: IAuthenticator, **extra: Any) -> dict[str, Any]:
        """The challenge's extra for anna, by the first method."""
        method = authenticator.methods[0]
        hello = HelloDetails("oro", "anna", (method,), {"nonce": "AAAA", "pubkey": KEY, **extra})
        challenge = self.successResultOf(authenticator.at_hello(connection_facts(), hello, method, 1))
        assert isinstance(challenge, AuthenticationStep)
        return dict(challenge.extra)

    def test_with_a_procedure(self) -> None:
        """A remote section becomes an authenticator that asks its procedure, and sends clients only to realms that name
        it."""
        section = RemoteAuthenticatorSection(
            name="door", use="remote", method="ticket", procedure="com.a", roles=("user",), realm="oro"
        )
        realms = {
            name: RealmSection(name=name, authenticators=names, authorizers=("roles",))
            for name, names in {"oro": ("door",), "shop": ("door",), "admin": ("other",)}.items()
        }
        for realm, led in (("shop", True), ("admin", False)):
            caller = ScriptedCaller(([{"role": "user", "realm": realm}], {}))
            made = remote_authenticator(
                section, partial(_the, caller), realms, RecordingJournal(), Clock(), float, FailureBuckets()
            )
            verifyObject(IAuthenticator, made)
            hello = HelloDetails("oro", "anna", ("ticket",), {})
            challenge = self.successResultOf(made.at_hello(connection_facts(), hello, "ticket", 1))
            answer = challenge.answer("t", {})
            if led:
                self.assertEqual(self.successResultOf(answer).realm, "shop")
            else:
                self.assertEqual(self.failureResultOf(answer, Refused).value.code, "realm_not_listed")
            self.assertEqual(caller.asked[0][0], "com.a")

    def test_each_kind(self) -> None:
        """Each kind of section becomes what does its methods."""
        fingerprint = (AccountLine("desk", "user", identifiers=("cn:desk",)),)
        table: list[tuple[sections.Method, tuple[str, ...]]] = [
            (sections.PasswordSection(name="door", use="password", user=ANNA), ("ticket",)),
            (sections.WampCraSection(name="door", use="wampcra", user=ANNA), ("wampcra",)),
            (sections.ScramSection(name="door", use="scram", user=ANNA), ("wamp-scram", "scram")),
            (sections.CryptosignSection(name="door", use="cryptosign", user=ROBOT), ("cryptosign",)),
            (sections.CertificateSection(name="door", use="certificate", user=fingerprint), ("tls",)),
        ]
        for section, methods in table:
            self.assertEqual(self.made(section).methods, methods)
        self.assertEqual({type(section) for section, _ in table}, set(sections.METHODS.values()))

    def test_costs(self) -> None:
        """A section's costs reach the client: memory is written in bytes and told in KiB."""
        section = sections.ScramSection(name="door", use="scram", user=ANNA, iterations=3, memory=65536)
        extra = self.asked(self.made(section))
        self.assertEqual((extra["kdf"], extra["iterations"], extra["memory"]), ("argon2id13", 3, 64))
        section = sections.ScramSection(name="door", use="scram", user=ANNA, kdf="pbkdf2", iterations=4096)
        extra = self.asked(self.made(section))
        self.assertEqual((extra["kdf"], extra["iterations"], extra["memory"]), ("pbkdf2", 4096, None))

    def test_usual_costs(self) -> None:
        """Where a section says nothing: 2 passes over 19 MiB."""
        extra = self.asked(self.made(sections.ScramSection(name="door", use="scram", user=ANNA)))
        self.assertEqual((extra["iterations"], extra["memory"]), (2, 19456))

    def test_decoys(self) -> None:
        """The secret of decoys makes salts that outlive a start."""
        for kind in (sections.ScramSection, sections.WampCraSection):
            salted = (AccountLine("ben", "user", Secret("pbkdf2$1:salt$" + "A" * 43 + "=", "env:B")),)
            if kind is sections.ScramSection:
                salted = ANNA
            section: Any = kind(name="door", use="x", user=salted, decoy_secret=Secret("d" * 16, "env:D"))
            self.assertEqual(len({self.asked(self.made(section))["salt"] for _ in range(2)}), 1)

    def test_router_key_and_binding(self) -> None:
        """The router's key signs, and binding can be required."""
        section = sections.CryptosignSection(name="door", use="x", user=ROBOT, key=Secret("01" * 32, "env:K"))
        self.assertIn("signature", self.asked(self.made(section), challenge="00" * 32))
        strict = self.made(sections.CryptosignSection(name="door", use="x", user=ROBOT, channel_binding="required"))
        hello = HelloDetails("oro", None, ("cryptosign",), {"pubkey": KEY})
        refusal = self.failureResultOf(strict.at_hello(connection_facts(), hello, "cryptosign", 1)).value
        self.assertEqual(refusal.code, "channel_binding")

    def test_certificates(self) -> None:
        """A client without a certificate is not refused."""
        section = sections.CertificateSection(name="door", use="x", user=ROBOT)
        self.assertIsNone(self.successResultOf(self.made(section).at_handshake(connection_facts())))
