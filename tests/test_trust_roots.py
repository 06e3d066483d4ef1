"""Tests for orosync.trust_roots."""

from __future__ import annotations

from pathlib import Path

import trustme
from twisted.internet.ssl import optionsForClientTLS
from twisted.trial.unittest import SynchronousTestCase

from orosync.errors import ConfigError
from orosync.trust_roots import trust_root_of

BAD = b"-----BEGIN CERTIFICATE-----\nx\n-----END CERTIFICATE-----\n"


class TrustRoot(SynchronousTestCase):
    def setUp(self) -> None:
        self.directory = Path(self.mktemp())
        self.directory.mkdir(parents=True)

    def test_authorities(self) -> None:
        """Every certificate of the file is taken, whatever text stands between them; None stands for the system's."""
        path = self.directory / "ca.pem"
        path.write_bytes(b"first\n" + b"\nnext\n".join(trustme.CA().cert_pem.bytes() for _ in range(2)))
        optionsForClientTLS("localhost", trustRoot=trust_root_of("uplink:oro", path))
        self.assertIsNone(trust_root_of("uplink:oro", None))

    def test_faults(self) -> None:
        """A file without certificates, with a damaged one, or that is not there is a fault that names it."""
        good = trustme.CA().cert_pem.bytes()
        for name, content in (("empty", b""), ("bad", BAD), ("half", good + BAD), ("absent", None)):
            path = self.directory / name
            if content is not None:
                path.write_bytes(content)
            error = self.assertRaises(ConfigError, trust_root_of, "uplink:oro", path)
            words = f"[uplink:oro] ca: {path} holds no certificate that can be read (PEM), name another"
            self.assertEqual(list(error.faults), [words])
