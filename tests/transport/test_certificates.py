"""What is said of a listener's certificate: dates, chain, hosts; with certificates of an authority of the tests."""

from __future__ import annotations

import shutil
import tempfile
import time
from collections.abc import Collection, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from unittest import mock

import trustme
from cryptography.x509 import load_pem_x509_certificate
from twisted.trial.unittest import SynchronousTestCase

from orosync.model import FindingState
from orosync.transport import certificates
from orosync.transport.tls import self_signed


class Certificates(SynchronousTestCase):
    """A file, and what is found."""

    def setUp(self) -> None:
        self.directory = Path(tempfile.mkdtemp())
        self.addCleanup(shutil.rmtree, self.directory)
        self.path = self.directory / "certificate.pem"
        self.root = trustme.CA()
        trusted = {load_pem_x509_certificate(self.root.cert_pem.bytes()).subject}
        replaced = mock.patch.object(certificates, "_authorities", lambda: trusted)
        replaced.start()
        self.addCleanup(replaced.stop)

    def write(self, *blobs: trustme.Blob) -> None:
        """The file, from several certificates."""
        self.path.write_bytes(b"".join(one.bytes() for one in blobs))

    def found(self, hosts: Collection[str] = (), days: float = 0) -> Sequence[tuple[FindingState, str]]:
        """What is found in so many ``days``."""
        now = time.time() + days * 86400
        return [(one.state, one.result) for one in certificates.examine("certificate:x", self.path, hosts, lambda: now)]

    def issue(self, *names: str, days: int = 60, authority: trustme.CA | None = None) -> trustme.LeafCert:
        """A certificate that ends in so many days."""
        return (authority or self.root).issue_cert(*names, not_after=datetime.now(UTC) + timedelta(days=days))

    def test_as_it_should_be(self) -> None:
        """Valid, complete, for the host; one that an intermediate authority issued too, if that is in the file."""
        between = self.root.create_child_ca()
        for leaf in (self.issue("oro.example.com"), self.issue("*.example.com", authority=between)):
            self.write(*leaf.cert_chain_pems)
            ((state, result),) = self.found({"oro.example.com"})
            self.assertIs(state, FindingState.OK, result)
            self.assertRegex(result, "valid for (59|60) more days")

    def test_dates(self) -> None:
        """Warned about three weeks before, a fault from the end on, and before it begins."""
        self.write(*self.issue("a.b").cert_chain_pems)
        for days, state, said in (
            (30, FindingState.OK, "30 more days"),
            (45, FindingState.WARNING, "expires in 15 days"),
            (65, FindingState.FAULT, "expired 5 days ago"),
            (-36500, FindingState.FAULT, "is valid from "),
        ):
            ((seen, result),) = self.found(days=days)
            self.assertEqual((seen, said in result), (state, True), result)

    def test_chain(self) -> None:
        """The intermediate is missing, or stands in the wrong place; the listener's own is signed by itself."""
        between = self.root.create_child_ca()
        own, intermediate = self.issue("a.b", authority=between).cert_chain_pems[:2]
        self.write(own)
        ((state, result),) = self.found()
        self.assertEqual(
            (state, "which is no authority of this machine" in result), (FindingState.WARNING, True), result
        )
        self.write(own, self.root.cert_pem, intermediate)
        ((state, result),) = self.found()
        self.assertIn("its certificate 1 is not issued by the one behind it", result)
        self_signed(self.path, self.directory / "key.pem")
        ((state, result),) = self.found()
        self.assertEqual((state, "signed by itself" in result), (FindingState.WARNING, True), result)

    def test_hosts(self) -> None:
        """For none of the hosts of pages; a wildcard is for one label, an address for itself; no host, no question."""
        self.write(*self.issue("*.example.com", "192.0.2.7").cert_chain_pems)
        for hosts, good in (
            ({"oro.example.com"}, True),
            ({"elsewhere.org", "oro.example.com"}, True),
            ({"192.0.2.7"}, True),
            (set(), True),
            ({"example.com"}, False),
            ({"a.oro.example.com"}, False),
            ({"elsewhere.org"}, False),
        ):
            ((state, result),) = self.found(hosts)
            self.assertIs(state, FindingState.OK if good else FindingState.WARNING, (hosts, result))
        self.assertIn("is for *.example.com, 192.0.2.7, and not for elsewhere.org", result)

    def test_no_certificate(self) -> None:
        """A file that is not there, or no PEM."""
        for text in (None, "garbage"):
            if text is not None:
                self.path.write_text(text)
            ((state, result),) = self.found()
            self.assertEqual((state, "cannot be read" in result), (FindingState.FAULT, True), result)


class Authorities(SynchronousTestCase):
    """Those of this machine."""

    def test_read(self) -> None:
        """They are read as OpenSSL finds them, however many there are."""
        self.assertIsInstance(certificates._authorities(), set)
