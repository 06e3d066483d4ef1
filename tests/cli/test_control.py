"""The commands that ask a running router: where they look for it, and what they print."""

from __future__ import annotations

import json
import os
import socket
from contextlib import closing
from unittest import mock

from orosync.app.service import build
from orosync.cli.streams import table
from orosync.config import load
from tests.cli.command_case import CommandCase


class Commands(CommandCase):
    """status and sessions, of a router in this process."""

    def start(self):
        from twisted.internet import reactor

        self.configure("[realm:", "[router]\nstate = .\ndrain = 1s\n[realm:") if "[router]" not in (
            self.config.read_text()
        ) else None
        service = build(load(self.config), reactor)
        with mock.patch("signal.signal"):
            service.startService()
        self.addCleanup(service.stopService)
        return service

    async def test_status(self):
        service = self.start()
        self.assertEqual(await self.orosync("status"), 0)
        node = service._configuration.router.node
        self.assertEqual(self.out, f"orosync 0.2.0 on {node}: ready\n")
        self.assertEqual(await self.orosync("status", "--json"), 0)
        self.assertEqual(json.loads(self.out)["node"], node)
        self.assertEqual(await self.orosync("sessions"), 0)
        self.assertEqual(self.out, "no sessions\n")
        self.assertEqual(await self.orosync("sessions", "--json"), 0)
        self.assertEqual(json.loads(self.out), [])

    async def test_no_router(self):
        """3, and where it was looked for."""
        self.assertEqual(await self.orosync("status"), 3)
        self.assertRegex(self.err, r"^unreachable \(not_running\): no router with this configuration runs here \(no so")

    async def test_another_router(self):
        """Where a router with another file has its socket in the same directory, that socket is named; one that a
        router left behind is not."""
        self.start()
        running = next(self.config.parent.glob("control-*.sock"))
        left = running.with_name("control-00000000.sock")
        with closing(socket.socket(socket.AF_UNIX)) as gone:
            gone.bind(os.fspath(left))
        self.config = self.config.rename(self.config.with_name("renamed.ini"))
        self.assertEqual(await self.orosync("status"), 3)
        self.assertTrue(self.err.rstrip().endswith(
            f"; one with another configuration does, name that file or its socket (--socket {running})"
        ), self.err)  # fmt: skip


class Tables(CommandCase):
    """table."""

    def test_columns(self):
        """What a client said cannot write on the terminal."""
        rows = [{"session": 1, "user": "anna\x1b[2J"}, {"session": 22, "user": "b"}]
        self.assertEqual(table(rows), ["SESSION  USER", "1        anna\\x1b[2J", "22       b"])
        self.assertEqual(os.linesep, "\n")
