"""What a router finds out about itself: within what time, what users see of it, and that no secret is shown."""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from unittest import mock

from twisted.application.service import Service
from twisted.internet import reactor
from twisted.internet.defer import Deferred, maybeDeferred, succeed
from twisted.trial.unittest import TestCase
from zope.interface import implementer

from orosync.app import probe
from orosync.app.container import Container
from orosync.config import load
from orosync.identity import digests
from orosync.interfaces import IDirectory, IProbe
from orosync.model import Finding, FindingState, User
from orosync.testing import MemoryDirectory
from tests.support.ports import free_port

CONFIGURATION = """
[listen:public]
endpoint = tcp:0:interface=127.0.0.1
[realm:oro]
authenticators = tickets office
authorizers = topics:oro
[authenticator:tickets]
use = ticket
secret = env:SECRET
directory = people
[authenticator:office]
use = cookie
sessions = files
directory = people
[directory:people]
use = tests.app.test_probe:directory
[sessions:files]
use = files
path = {path}
[topics:oro]
use = oro
"""
SECRET = "a secret of the application"
REDIS = f"redis://orosync:password-of-redis@127.0.0.1:{free_port()}"


@implementer(IDirectory, IProbe)
class Probed(MemoryDirectory, Service):
    """A plugin; ``answer`` is what its probe does."""

    answer: Any = staticmethod(lambda: succeed([Finding("directory:people", FindingState.OK, "fine")]))

    def probe(self) -> Deferred[Sequence[Finding]]:
        found: Deferred[Sequence[Finding]] = type(self).answer()
        return found


def directory(name: str, options: Any) -> Probed:
    """The plugin's factory."""
    return Probed(User(1, "anna", "hash"))


class ProbeCase(TestCase):
    """A container of a configuration."""

    timeout = 20
    configuration = CONFIGURATION
    more = ""

    def setUp(self) -> None:
        self.directory = Path(tempfile.mkdtemp())
        self.addCleanup(shutil.rmtree, self.directory)
        environ = mock.patch.dict(os.environ, {"SECRET": SECRET, "KEY": "k" * 32, "DSN": REDIS})
        environ.start()
        self.addCleanup(environ.stop)
        text = self.configuration.format(path=self.directory / "nowhere") + self.more
        (self.directory / "router.ini").write_text(text)
        self.container = Container(load(self.directory / "router.ini"), reactor)
        self.container.realms  # noqa: B018 (made when asked for)

    def answer(self, what: Any) -> None:
        """What the plugin's probe does."""
        self.patch(Probed, "answer", staticmethod(what))

    async def found(self) -> dict[str, Finding]:
        """All findings, by their check."""
        return {one.check: one for one in await probe.whole(self.container)}


class Whole(ProbeCase):
    """What the command asks for."""

    async def test_parts(self) -> None:
        """Services are asked themselves; plugins, secrets and digests are told of."""
        found = await self.found()
        self.assertEqual(found["sessions:files"].state, FindingState.FAULT)
        self.assertIn("every new cookie is answered with 503 until that is corrected", found["sessions:files"].effect)
        self.assertEqual(found["secrets"].result[:13], "1 can be read")
        self.assertIs(found["digests"].state, FindingState.OK)

    async def test_effect(self) -> None:
        """What users see of a directory that both authenticators ask."""
        self.answer(lambda: succeed([Finding("directory:people", FindingState.UNREACHABLE, "away")]))
        effect = (await self.found())["directory:people"].effect
        words = (
            "every new ticket and every new cookie is answered with 503 until it is back; users who are connected stay"
        )
        self.assertEqual(effect, words)

    async def test_no_secret(self) -> None:
        """Should a driver repeat a secret of the configuration, stars stand there."""
        self.answer(lambda: succeed([Finding("directory:people", FindingState.FAULT, f"wrong: {SECRET}!")]))
        self.assertEqual((await self.found())["directory:people"].result, "wrong: ***!")

    async def test_in_time(self) -> None:
        """A probe that never answers counts as unreachable, and holds up no other."""
        self.patch(probe, "PATIENCE", 0.1)
        self.answer(Deferred)
        began = time.monotonic()
        found = await self.found()
        self.assertLess(time.monotonic() - began, 3)
        self.assertIs(found["directory:people"].state, FindingState.UNREACHABLE)
        self.assertIs(found["sessions:files"].state, FindingState.FAULT)

    async def test_a_probe_that_fails(self) -> None:
        """It has a mistake: told, without its text, which may hold anything."""

        def fail() -> Any:
            raise ValueError(SECRET)

        self.answer(fail)
        one = (await self.found())["directory:people"]
        self.assertEqual((one.state, one.result), (FindingState.FAULT, "the probe failed with ValueError"))

    async def test_digests(self) -> None:
        """Those computed in C are compared with Python's; without C they are computed in Python."""
        self.patch(digests, "in_c", lambda salted, rounds: bytes(64))
        self.assertIs((await self.found())["digests"].state, FindingState.FAULT)
        self.patch(digests, "in_c", None)
        one = (await self.found())["digests"]
        self.assertEqual((one.state, "in Python" in one.result), (FindingState.OK, True))


class SeveralNodes(ProbeCase):
    """What joins a node to the others is tried out without joining them."""

    more = "[backplane]\nuse = redis\ndsn = env:DSN\nsecret = env:KEY\n"

    async def test_engine_away(self) -> None:
        """What users miss then, and what to do."""
        one = (await self.found())["backplane"]
        self.assertEqual((one.state, one.effect), (
            FindingState.UNREACHABLE, "events and calls do not pass between nodes until it is back"
        ))  # fmt: skip
        self.assertEqual(one.remedy, "start Redis, or correct host and port in dsn")
        self.assertNotIn("password-of-redis", repr(one))
        assert self.container.node is not None
        self.assertFalse(self.container.node.nodes.available)


class SingleUse(SeveralNodes):
    """Where tickets are for one connection, more depends on it."""

    configuration = CONFIGURATION.replace("use = ticket", "use = ticket\nsingle_use = yes")

    async def test_engine_away(self) -> None:
        """New pages are refused."""
        self.assertIn("users' single-use tickets are answered with 503", (await self.found())["backplane"].effect)


class AtStart(ProbeCase):
    """What the router writes to its log."""

    async def noted(self, running: bool = True) -> dict[str, tuple[str, dict[str, Any]]]:
        """The lines by their check: (reason code, fields)."""
        lines = []
        self.patch(self.container.journal, "note", lambda event, code, **fields: lines.append((event, code, fields)))
        services = [one for one in self.container.services if IProbe.providedBy(one)]
        for one in services:
            one.startService()
        try:
            await probe.at_start(self.container, lambda: running)
        finally:
            for one in services:
                await maybeDeferred(one.stopService)
        self.assertEqual({event for event, _, _ in lines}, {"probe"} if lines else set())
        return {fields["check"]: (code, fields) for _, code, fields in lines}

    async def test_lines(self) -> None:
        """A line for each that is not as it should be, with what users see and what to do; none for the others."""
        found = await self.noted()
        self.assertEqual(list(found), ["sessions:files"])
        code, fields = found["sessions:files"]
        self.assertEqual(code, "fault")
        self.assertIn("there is no such directory", fields["result"])
        self.assertIn("503", fields["users"])
        self.assertTrue(fields["remedy"])

    async def test_stopped_meanwhile(self) -> None:
        """A router that stops says nothing of what it has stopped itself."""
        self.assertEqual(await self.noted(running=False), {})
