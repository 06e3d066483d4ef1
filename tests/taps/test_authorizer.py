"""The face of ``twistd orosync-authorizer``."""

from __future__ import annotations

import contextlib
import io

from twisted.application.service import IService
from twisted.python.usage import UsageError

from orosync.taps import authorizer
from tests.config.files import FilesCase

SOUND = """\
[attach]
url = rs://127.0.0.1:1
[realm:realm1]
authenticators = all
authorizers = roles
[authenticator:all]
use = anonymous
"""


class Face(FilesCase):
    """taps.authorizer."""

    def options(self, text: str) -> authorizer.Options:
        options = authorizer.Options()
        options.parseOptions(["--config", str(self.write(text))])
        return options

    def test_sound(self) -> None:
        """A file with an [attach] becomes a service."""
        self.assertTrue(IService.providedBy(authorizer.makeService(self.options(SOUND))))

    def test_no_attach(self) -> None:
        """A router's own file does not do: one line, and status 1."""
        options = self.options(
            SOUND.replace("[attach]\nurl = rs://127.0.0.1:1", "[listen:a]\nendpoint = tcp:0:interface=127.0.0.1")
        )
        said = io.StringIO()
        with contextlib.redirect_stderr(said), self.assertRaises(SystemExit) as left:
            authorizer.makeService(options)
        self.assertEqual(left.exception.code, 1)
        self.assertIn("orosync: [attach] no such section is there", said.getvalue())

    def test_no_file(self) -> None:
        """The command is told by its own name what is missing."""
        with self.assertRaisesRegex(UsageError, "twistd orosync-authorizer --config etc/crossbar/authorizer.ini"):
            authorizer.Options().parseOptions([])
