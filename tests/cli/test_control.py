"""The commands that ask a running router: where they look for it, and what they print."""

from __future__ import annotations

import json
import os
from argparse import Namespace
from pathlib import Path
from unittest import mock

from orosync.app.service import build
from orosync.cli.control import candidates, table
from orosync.cli.streams import Misused
from orosync.config import load
from tests.cli.command_case import CommandCase


class Places(CommandCase):
    """candidates."""

    def found(self, text="", environ=(), **options):
        self.config.write_text(text)
        return candidates(Namespace(**{"config": str(self.config), "socket": None, **options}), dict(environ))

    def test_the_key(self):
        """Where the configuration says where it is, it is looked for there alone."""
        found = self.found("[router]\ncontrol = run/control.sock\n")
        self.assertEqual(found, [self.config.parent / "run" / "control.sock"])

    def test_by_default(self):
        """Where a router with this configuration makes it, and in the directories of the unit."""
        found = self.found("[router]\nstate = /srv/state\n")
        self.assertEqual([str(one.parent) for one in found], ["/srv/state", "/run/orosync", "/var/lib/orosync"])
        self.assertEqual(len({one.name for one in found}), 1)
        other = self.config.with_name("other.ini")
        other.write_text("")
        self.assertNotEqual(self.found(config=str(other))[0].name, found[0].name, "each configuration has its own")

    def test_nothing_else_is_read(self):
        """Who may ask a router need not be able to read its secrets."""
        self.found("[router]\nstate = .\n[authenticator:tickets]\nuse = ticket\nsecret = file:/not/there\n")

    def test_what_cannot_be_found(self):
        for options, words in (
            ({"config": None}, "name the configuration"),
            ({"config": "/not/there"}, "No such file or directory, *"),
        ):
            error = self.assertRaises(Misused, self.found, **options)
            self.assertIn(words.rstrip(", *"), str(error))
        self.assertEqual(self.found(socket="/run/x"), [Path("/run/x")])


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


class Tables(CommandCase):
    """table."""

    def test_columns(self):
        """What a client said cannot write on the terminal."""
        rows = [{"session": 1, "user": "anna\x1b[2J"}, {"session": 22, "user": "b"}]
        self.assertEqual(table(rows), ["SESSION  USER", "1        anna\\x1b[2J", "22       b"])
        self.assertEqual(os.linesep, "\n")
