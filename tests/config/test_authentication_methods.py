"""Tests of orosync.config.authentication, and of what is checked around its sections."""

from __future__ import annotations

from orosync.config import authentication
from tests.config.files import ENVIRON, SOUND, FilesCase, pem

KEY = "545efb0a2192db8d43f118e9bf9aee081466e1ef36c708b96ee6f62dddad9122"
SECTIONS = f"""
[authenticator:robots]
use = password
user.lift = service env:ADMIN_HASH
[authenticator:cra]
use = wampcra
user.anna = user env:ADMIN_HASH
decoy_secret = env:ORO_SECRET
[authenticator:scram]
use = scram
user.anna = user env:ADMIN_HASH
kdf = pbkdf2
iterations = 4096
memory = 64KiB
[authenticator:keys]
use = cryptosign
user.robot = backend {KEY}
channel_binding = required
key = env:ORO_SECRET
[authenticator:certificates]
use = certificate
user.desk = user cn:desk
"""
ALL = "robots ticket cra scram keys certificates"


class Methods(FilesCase):
    """Sections of WAMP's own methods."""

    def test_read(self) -> None:
        """Each key comes to its value; keys that are left out to their defaults."""
        text = SOUND.replace("authenticators = ticket", f"authenticators = {ALL}") + SECTIONS
        made = self.load(text).authenticators
        robots, _, cra, scram, keys, certificates = (made[name] for name in ALL.split())
        assert isinstance(robots, authentication.PasswordSection)
        self.assertEqual(
            [(one.authid, one.role, str(one.secret)) for one in robots.user], [("lift", "service", "env:ADMIN_HASH")]
        )
        assert isinstance(cra, authentication.WampCraSection) and isinstance(scram, authentication.ScramSection)
        assert isinstance(keys, authentication.CryptosignSection) and isinstance(
            certificates, authentication.CertificateSection
        )
        self.assertEqual([line.authid for line in cra.user], ["anna"])
        self.assertEqual(str(cra.decoy_secret), "env:ORO_SECRET")
        self.assertEqual((scram.kdf, scram.iterations, scram.memory, scram.decoy_secret), ("pbkdf2", 4096, 65536, None))
        self.assertEqual(
            (keys.channel_binding, str(keys.key), keys.user[0].identifiers), ("required", "env:ORO_SECRET", (KEY,))
        )
        self.assertEqual(certificates.user[0].identifiers, ("cn:desk",))
        usual = authentication.ScramSection(name="x", use="scram")
        self.assertEqual((usual.kdf, usual.iterations, usual.memory), ("argon2id13", None, None))
        self.assertEqual(authentication.CryptosignSection(name="x", use="cryptosign").channel_binding, "optional")

    def test_faults_of_passwords(self) -> None:
        """Each says the section, the key, the line and what to write; a password is none of the text."""
        for line, words in (
            ("user.lift = service", "user.lift: it is a role and where the secret is, write it like: user file:"),
            ("user.lift = service secret-in-the-file", "user.lift:"),
            ("user.lift = service env:NOWHERE", "user.lift:"),
            ("user. = service env:ADMIN_HASH", "the name is missing, name it user.NAME"),
            ("decoy_secret = env:ADMIN_HASH", "decoy_secret: is no key of [authenticator:robots]"),
        ):
            text = SOUND.replace("authenticators = ticket", "authenticators = robots ticket")
            (fault,) = self.faults(text + f"[authenticator:robots]\nuse = password\n{line}\n")
            self.assertIn("[authenticator:robots]", fault)
            self.assertIn(words, fault)
            self.assertRegex(fault, r"\(line \d+\)")
            self.assertNotIn("secret-in-the-file", fault)

    def test_secrets_are_not_shown(self) -> None:
        """No section shows what a reference led to."""
        text = SOUND.replace("authenticators = ticket", f"authenticators = {ALL}") + SECTIONS
        for section in self.load(text).authenticators.values():
            for secret in (ENVIRON["ORO_SECRET"], ENVIRON["ADMIN_HASH"]):
                self.assertNotIn(secret, repr(section))

    def test_roles_are_given(self) -> None:
        """A role that only these sections give is no stranger to topics."""
        text = SOUND.replace("authenticators = ticket", f"authenticators = {ALL}") + SECTIONS
        text = text.replace("robot = backend", "robot = robots").replace("use = oro\n", "use = oro\npublish = robots\n")
        self.assertEqual([line for line in self.load(text).warnings if "gives" in line], [])
        again = self.load(text.replace("robot = robots", "robot = others")).warnings
        self.assertIn("publish: no authenticator gives robots", " ".join(again))

    def test_certificates_have_to_be_asked_for(self) -> None:
        """Certificates that no listener asks for are likely a mistake; asking needs TLS."""
        text = SOUND.replace("authenticators = ticket", "authenticators = ticket certificates") + SECTIONS
        warning = "[authenticator:certificates] no listener asks for certificates, give one a client_ca (line 38)"
        self.assertIn(warning, self.load(text).warnings)
        authorities = self.write(pem(), "ca.pem")
        text = text.replace("interface=127.0.0.1\n", f"interface=127.0.0.1\nclient_ca = {authorities}\n", 1)
        self.assertEqual(
            [fault.partition(" (line")[0] for fault in self.faults(text)],
            ["[listen:public] client_ca: goes with TLS alone, add certificate and key"],
        )
        secure = text.replace("client_ca", f"certificate = {authorities}\nkey = {authorities}\nclient_ca", 1)
        self.assertEqual([one for one in self.load(secure).warnings if "client_ca" in one], [])
