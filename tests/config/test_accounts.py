"""Tests of orosync.config.accounts."""

from __future__ import annotations

from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from orosync.config.accounts import AccountLine, with_certificates, with_keys, with_secret
from orosync.config.credentials import Secret
from orosync.config.readers import Source

SECRET = "a secret of some length"
PLACE = Source(Path("/"), {"ANNA": SECRET})
KEY = "545efb0a2192db8d43f118e9bf9aee081466e1ef36c708b96ee6f62dddad9122"


class Lines(SynchronousTestCase):
    """One line of a section."""

    def test_with_secret(self) -> None:
        """A role and where the secret is."""
        line = with_secret("anna", "user env:ANNA", PLACE)
        self.assertEqual(line, AccountLine("anna", "user", Secret(SECRET, "env:ANNA")))
        self.assertNotIn(SECRET, repr(line))

    def test_with_keys(self) -> None:
        """A role and public keys, in any case of letters."""
        line = with_keys("robot", f"backend {KEY.upper()} {'0' * 64}", PLACE)
        self.assertEqual(line, AccountLine("robot", "backend", identifiers=(KEY, "0" * 64)))

    def test_with_certificates(self) -> None:
        """Fingerprints as openssl prints them or bare, and common names, whose case counts."""
        colons = ":".join(KEY[at : at + 2].upper() for at in range(0, 64, 2))
        line = with_certificates("desk", f"user sha256:{colons} sha256:{'0' * 64} cn:Desk.example.com", PLACE)
        self.assertEqual(line.identifiers, (f"sha256:{KEY}", "sha256:" + "0" * 64, "cn:Desk.example.com"))

    def test_bad(self) -> None:
        """What is wrong is told; a secret that stands in the line is not repeated."""
        secret = "it is a role and where the secret is, write it like: user file:/etc/orosync/anna.secret"
        table = [
            (with_secret, "user", secret),
            (with_secret, "user env:ANNA more", secret),
            (with_secret, "user env:BEN", "the environment has no BEN, set it"),
            (
                with_secret,
                f"user {SECRET.replace(' ', '-')}",
                "a secret never stands in this file, write file:/path or env:NAME to say where it is",
            ),
            (with_secret, "us/er env:ANNA", "'us/er' is not a name, use letters, digits and . _ - only"),
            (with_keys, "user", "the public key is missing, write it behind the role as 64 hex digits"),
            (with_keys, f"user {KEY[:-1]}", f"{KEY[:-1]} is no public key, write it as 64 hex digits"),
            (with_keys, f"user {KEY} {KEY.upper()}", f"{KEY} stands twice, remove one of the two"),
            (
                with_certificates,
                "user",
                "the certificate is missing, write sha256:FINGERPRINT or cn:NAME behind the role",
            ),
        ]
        for word in ("anna", "cn:", "sha1:" + KEY, "sha256:" + KEY[2:], "sha256:", KEY):
            expected = f"{word} is no certificate, write sha256: and its 64 hex digits, or cn:NAME"
            table.append((with_certificates, f"user {word}", expected))
        for read, text, expected in table:
            self.assertEqual(str(self.assertRaises(ValueError, read, "anna", text, PLACE)), expected)

    def test_no_name(self) -> None:
        """user. alone names no user."""
        for read in (with_secret, with_keys, with_certificates):
            error = self.assertRaises(ValueError, read, "", "user env:ANNA", PLACE)
            self.assertEqual(str(error), "the name is missing, name it user.NAME")
