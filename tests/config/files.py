"""Configurations in files of a test's own: written, loaded, their faults listed."""

from __future__ import annotations

import functools
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from orosync.config import Configuration, load
from orosync.errors import ConfigError
from orosync.transport.tls import self_signed

SECRET = "0123456789abcdef0123456789abcdef"

SOUND = """\
[listen:public]
endpoint = tcp:8080:interface=127.0.0.1

[realm:oro]
authenticators = ticket
authorizers = topics:oro

[authenticator:ticket]
use = ticket
secret = env:ORO_SECRET
directory = people

[directory:people]
use = static
user.admin = 1 env:ADMIN_HASH

[topics:oro]
use = oro
"""
"""The least that is a whole configuration; its secrets are in ENVIRON."""

ENVIRON: Mapping[str, str] = {
    "ORO_SECRET": SECRET,
    "ADMIN_HASH": "$argon2id$v=19$m=65536,t=4,p=1$c29tZXNhbHQ$hash",
    "HOME": "/nowhere",
    "STATE_DIRECTORY": tempfile.gettempdir(),
}


@functools.cache
def pem() -> str:
    """A certificate and its key in one file."""
    with tempfile.TemporaryDirectory() as place:
        certificate, key = Path(place, "certificate"), Path(place, "key")
        self_signed(certificate, key)
        return certificate.read_text() + key.read_text()


class FilesCase(SynchronousTestCase):
    """A test with a directory of its own."""

    def setUp(self) -> None:
        self.directory = Path(tempfile.mkdtemp())
        self.addCleanup(shutil.rmtree, self.directory)

    def write(self, text: str | bytes, name: str = "router.ini") -> Path:
        """A file in the directory."""
        path = self.directory / name
        path.write_bytes(text.encode() if isinstance(text, str) else text)
        path.chmod(0o600)  # some of them hold secrets
        return path

    def load(self, text: str | bytes, environ: Mapping[str, str] = ENVIRON, open_files: int = 65536) -> Configuration:
        """Load a configuration from its text."""
        return load(self.write(text), environ, open_files)

    def faults(self, text: str | bytes, environ: Mapping[str, str] = ENVIRON) -> list[str]:
        """The faults of a text that has some; each of them is one line."""
        error = self.assertRaises(ConfigError, self.load, text, environ)
        for fault in error.faults:
            self.assertNotIn("\n", fault)
        return list(error.faults)
