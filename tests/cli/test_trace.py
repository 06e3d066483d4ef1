"""``orosync trace``: what it prints."""

from __future__ import annotations

import gc
import json
from unittest import mock

from orosync.app.service import build
from orosync.cli.trace import plain
from orosync.config import load
from tests.cli.command_case import CommandCase


class Lines(CommandCase):
    """plain."""

    def test_plain(self):
        """When, what, about what, and why; nothing that a client said can write on the terminal."""
        row = {
            "time": "2026-12-01T09:30:01.250Z", "event": "not_sent", "code": "excluded", "topic": "oro/data/update",
            "session": 5, "publisher": None, "subscriptions": ["a"], "user": "an\x1bna", "why": "left\nout",
        }  # fmt: skip
        self.assertEqual(
            plain(row),
            '09:30:01.250  not_sent (excluded) topic=oro/data/update session=5 subscriptions=["a"] '
            'user="an\\x1bna": left\\nout',
        )

    def test_without_a_time(self):
        """What the control socket leaves out for a slow reader."""
        self.assertEqual(plain({"event": "left_out", "lines": 3}), f"{'':14}left_out lines=3")

    def test_of_the_log(self):
        """Its fields are quoted already."""
        self.assertIn('rule="[topics:oro] x"', plain({"event": "e", "rule": '"[topics:oro] x"'}))


class Command(CommandCase):
    """The command, of a router in this process."""

    def start(self):
        from twisted.internet import reactor

        self.configure("[realm:", "[router]\nstate = .\ndrain = 1s\n[realm:")
        service = build(load(self.config), reactor)
        with mock.patch("signal.signal"):
            service.startService()
        self.addCleanup(service.stopService)

    async def test_trace(self):
        """Lines until the time is over; JSON lines with --json."""
        self.start()
        self.assertEqual(await self.orosync("trace", "--user", "anna", "--for", "100ms"), 0)
        lines = self.out.splitlines()
        self.assertRegex(lines[0], r"^\d\d:\d\d:\d\d\.\d{3}  tracing user=anna seconds=0.1$")
        self.assertIn("no_session: there is none", lines[1])
        self.assertIn("end: 0.1 s are over", lines[-1])
        self.assertEqual(await self.orosync("trace", "--topic", "news", "--for", "100ms", "--json"), 0)
        self.assertEqual([json.loads(one)["event"] for one in self.out.splitlines()], ["tracing", "topic", "end"])

    async def test_mistakes(self):
        """2, with words."""
        self.start()
        self.assertEqual(await self.orosync("trace"), 2)
        self.assertIn("--user NAME, --topic URI or --address IP", self.err)
        self.assertEqual(await self.orosync("trace", "--user", "anna", "--for", "2h"), 2)
        self.assertIn("seconds must be a number up to 3600", self.err)
        gc.collect()  # the error refers to the connection
