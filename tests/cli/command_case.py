"""The command as an administrator types it, on a configuration with doubles behind it."""

from __future__ import annotations

import io
import os
import shutil
import tempfile
from pathlib import Path
from typing import Any
from unittest import mock

from twisted.application.service import Service
from twisted.internet.defer import Deferred
from twisted.trial.unittest import TestCase

from orosync.cli import main
from orosync.cli.streams import Streams
from orosync.errors import Unavailable
from orosync.model import AdminSession, User
from orosync.testing import MemoryDirectory, MemorySessionStore

SECRET, HASH = "a secret of the application", "$2y$13$the-hash-of-anna"
COOKIE, STALE, NO_USERS = ("c" * 26, "s" * 26, "n" * 26)
CONFIGURATION = """
[listen:public]
endpoint = tcp:0:interface=127.0.0.1
publisher_from = loopback
[realm:oro]
authenticators = tickets cookie
authorizers = topics:oro
[authenticator:tickets]
use = ticket
secret = env:SECRET
directory = people
[authenticator:cookie]
use = cookie
sessions = office
directory = people
role = staff
[directory:people]
use = static
user.anna = 1 env:HASH
user.gone = 2 env:HASH enabled=no
[directory:down]
use = tests.cli.command_case:DownDirectory
[directory:odd]
use = tests.cli.command_case:odd_directory
[sessions:office]
use = tests.cli.command_case:sessions
[sessions:unused]
use = tests.cli.command_case:sessions
[topics:oro]
subscribe = user staff
"""
RUNNING: list[str] = []


def sessions(name: str, options: Any) -> MemorySessionStore:
    """Anna's session, one of before her password changed, one of no user."""
    return MemorySessionStore(
        {COOKIE: AdminSession("anna", 1, HASH), STALE: AdminSession("anna", 1, "old"), NO_USERS: None}
    )


def odd_directory(name: str, options: Any) -> MemoryDirectory:
    """A user with a name that no ticket can hold."""
    return MemoryDirectory(User(3, "an;na", HASH))


class DownDirectory(MemoryDirectory, Service):
    """It runs, and cannot be reached."""

    def __init__(self, name: str, options: Any) -> None:
        super().__init__()
        self.title = name
        self.failure = Unavailable("directory_down", "[directory:down] it is down")

    def startService(self) -> None:
        RUNNING.append(self.title)

    def stopService(self) -> None:
        RUNNING.remove(self.title)


class CommandCase(TestCase):
    """``orosync(...)`` runs a command and leaves what it printed in ``out`` and ``err``."""

    def setUp(self) -> None:
        directory = Path(tempfile.mkdtemp())
        self.addCleanup(shutil.rmtree, directory)
        self.config = directory / "router.ini"
        self.config.write_text(CONFIGURATION)
        environ = mock.patch.dict(os.environ, {"SECRET": SECRET, "HASH": HASH})
        environ.start()
        self.addCleanup(environ.stop)

    def configure(self, old: str, new: str) -> None:
        assert old in self.config.read_text()
        self.config.write_text(self.config.read_text().replace(old, new))

    async def orosync(self, *arguments: str, stdin: str = "") -> int:
        """The exit status."""
        from twisted.internet import reactor

        streams = Streams(io.StringIO(stdin), io.StringIO(), io.StringIO())
        options = main.parser().parse_args([*arguments, "--config", str(self.config)])
        status = await Deferred.fromCoroutine(main.run(reactor, options, streams))
        self.out, self.err = streams.stdout.getvalue(), streams.stderr.getvalue()
        return status
