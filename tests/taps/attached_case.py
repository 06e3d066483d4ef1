"""What the tests of the two attached commands have in common."""

from __future__ import annotations

import contextlib
import io
import time
from types import ModuleType
from typing import Any

from twisted.application.service import IService
from twisted.internet import reactor
from twisted.python.usage import UsageError

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


class AttachedCommandCase(FilesCase):
    """Mixed into the case of one ``command``, whose name is the plugin's behind "orosync-"."""

    command: ModuleType

    def options(self, text: str) -> Any:
        options = self.command.Options()
        options.parseOptions(["--config", str(self.write(text))])
        return options

    def check_valid(self) -> None:
        """A file with an [attach] becomes a service, whose reactor counts by a clock that cannot be set."""
        self.patch(reactor, "seconds", time.time)
        self.assertTrue(IService.providedBy(self.command.makeService(self.options(SOUND))))
        self.assertIs(reactor.seconds, time.monotonic)

    def check_no_attach(self) -> None:
        """A router's own file does not do: one line, and status 1."""
        options = self.options(
            SOUND.replace("[attach]\nurl = rs://127.0.0.1:1", "[listen:a]\nendpoint = tcp:0:interface=127.0.0.1")
        )
        said = io.StringIO()
        with contextlib.redirect_stderr(said), self.assertRaises(SystemExit) as left:
            self.command.makeService(options)
        self.assertEqual(left.exception.code, 1)
        self.assertIn("orosync: [attach] no such section is there", said.getvalue())

    def check_no_file(self) -> None:
        """The command is told by its own name what is missing."""
        name = self.command.__name__.rpartition(".")[2]
        with self.assertRaisesRegex(UsageError, f"twistd orosync-{name} --config etc/crossbar/{name}.ini"):
            self.command.Options().parseOptions([])
