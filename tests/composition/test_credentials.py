"""Tests of orosync.composition.credentials."""

from __future__ import annotations

import os
import time
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from orosync.composition.credentials import own_certificate
from orosync.errors import ConfigError


class CertificateTests(SynchronousTestCase):
    """The demonstration's own certificate."""

    def setUp(self):
        self.state = Path(self.mktemp())

    def test_made_once(self):
        """It is made at the first start and kept, so that browsers ask only once; and anew before it runs out."""
        certificate, key = own_certificate(self.state)
        first = certificate.read_bytes()
        self.assertEqual(key.stat().st_mode & 0o777, 0o600)
        self.assertEqual(own_certificate(self.state)[0].read_bytes(), first)
        long_ago = time.time() - 301 * 86400
        os.utime(certificate, (long_ago, long_ago))
        self.assertNotEqual(own_certificate(self.state)[0].read_bytes(), first)

    def test_nowhere_to_write(self):
        """A state directory that cannot be made is a fault of the configuration, in one line."""
        self.state.write_text("a file is in the way")
        error = self.assertRaises(ConfigError, own_certificate, self.state)
        self.assertEqual(len(error.faults), 1)
        self.assertIn("[router] state:", error.faults[0])
