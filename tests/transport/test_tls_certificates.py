"""The self-signed certificate of a trial installation."""

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from twisted.trial.unittest import SynchronousTestCase

from orosync.transport.tls import ReloadingCredentials, self_signed


class SelfSignedTests(SynchronousTestCase):
    def setUp(self) -> None:
        directory = Path(self.mktemp())
        directory.mkdir()
        self.certificate, self.key = directory / "certificate.pem", directory / "key.pem"

    def test_it_can_be_served(self) -> None:
        """Certificate and key belong together."""
        self_signed(self.certificate, self.key)
        ReloadingCredentials(self.certificate, self.key)

    def test_names_and_time(self) -> None:
        """It is good for the names that were asked for, host names and addresses, and for about as long."""
        self_signed(self.certificate, self.key, ["shop.example", "192.0.2.1", "::1"], days=7)
        certificate = x509.load_pem_x509_certificate(self.certificate.read_bytes())
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        self.assertEqual([str(one.value) for one in names], ["shop.example", "192.0.2.1", "::1"])
        left = certificate.not_valid_after_utc - datetime.now(UTC)
        self.assertTrue(timedelta(days=6, hours=23) < left <= timedelta(days=7))
        self.assertLess(certificate.not_valid_before_utc, datetime.now(UTC))

    def test_the_key_is_nobody_elses(self) -> None:
        """Readable by its owner only, whatever the umask and whatever was there before."""
        self.key.write_text("old")
        self.key.chmod(0o644)
        before = os.umask(0)
        self.addCleanup(os.umask, before)
        self_signed(self.certificate, self.key)
        self.assertEqual(self.key.stat().st_mode & 0o777, 0o600)
        self.assertTrue(self.key.read_bytes().startswith(b"-----BEGIN PRIVATE KEY-----"))
        self.assertEqual(sorted(os.listdir(self.key.parent)), ["certificate.pem", "key.pem"])
