"""Tests of orosync.app.listeners."""

from __future__ import annotations

import os
import time
from pathlib import Path

import attrs
from twisted.trial.unittest import SynchronousTestCase

from orosync.app.listeners import check, credentials, own_certificate
from orosync.clocks import time_of_day
from orosync.config.listen import ListenSection
from orosync.errors import ConfigError


class CertificateTests(SynchronousTestCase):
    """The demonstration's own certificate."""

    def setUp(self):
        self.state = Path(self.mktemp())

    def test_made_once(self):
        """It is made at the first start and kept, so that browsers ask only once; and anew before it runs out."""
        certificate, key = own_certificate(self.state, time_of_day)
        first = certificate.read_bytes()
        self.assertEqual(key.stat().st_mode & 0o777, 0o600)
        self.assertEqual(own_certificate(self.state, time_of_day)[0].read_bytes(), first)
        long_ago = time.time() - 301 * 86400
        os.utime(certificate, (long_ago, long_ago))
        self.assertNotEqual(own_certificate(self.state, time_of_day)[0].read_bytes(), first)

    def test_nowhere_to_write(self):
        """A state directory that cannot be made is a fault of the configuration, in one line."""
        self.state.write_text("a file is in the way")
        error = self.assertRaises(ConfigError, own_certificate, self.state, time_of_day)
        self.assertEqual(len(error.faults), 1)
        self.assertIn("[router] state:", error.faults[0])


class CheckTests(SynchronousTestCase):
    """Files of the configuration, looked at before a start."""

    def setUp(self):
        self.state = Path(self.mktemp())
        self.certificate, self.key = own_certificate(self.state, time_of_day)

    def section(self, name, certificate, key):
        return ListenSection(name=name, endpoint="tcp:0", tls=True, certificate=certificate, key=key)

    def test_every_listener(self):
        """Each listener whose files cannot be used has a line, with its name and what to do; others have none."""
        broken = self.state / "broken.pem"
        broken.write_text("SECRET")
        sections = [
            self.section("good", self.certificate, self.key),
            self.section("one", broken, self.key),
            self.section("two", self.certificate, broken),
        ]
        error = self.assertRaises(ConfigError, check, sections, self.state, time_of_day)
        words = f"{broken}: not a PEM file that can be used (no password), correct the file or name another"
        self.assertEqual(error.faults, (f"[listen:one] certificate: {words}", f"[listen:two] key: {words}"))
        self.assertIsNone(check(sections[:1], self.state, time_of_day))

    def test_resumption(self):
        """Sessions are resumed unless the configuration says no, or asks clients for certificates."""
        section = self.section("one", self.certificate, self.key)
        for changes, resumes in (
            ({}, True),
            ({"tls_resumption": True}, True),
            ({"tls_resumption": False}, False),
            ({"client_ca": self.certificate}, False),
        ):
            made = credentials(attrs.evolve(section, **changes), self.state, time_of_day)
            self.assertEqual(made.resumes, resumes, changes)

    def test_nothing_is_made(self):
        """Looking at the demonstration's configuration leaves nothing behind."""
        elsewhere = self.state / "elsewhere"
        check([self.section("demo", None, None)], elsewhere, time_of_day)
        self.assertFalse(elsewhere.exists())
