"""Only what a question needs is made, started, and stopped again."""

from __future__ import annotations

from twisted.internet.defer import Deferred

from orosync.cli.running import ask, only
from orosync.config import load
from orosync.errors import ConfigError
from tests.cli.command_case import RUNNING, CommandCase

EXCHANGE = "[sessions:web]\nuse = http\nurl = http://127.0.0.1:1/x\nauthenticator = tickets\n"


class RunningTests(CommandCase):
    def test_only(self):
        """An authenticator brings its directory and its store, an exchange the authenticator that judges for it."""
        self.configure("[topics:oro]", EXCHANGE + "[topics:oro]")
        configuration = load(self.config)
        table = [
            ({"authenticator": "tickets"}, ["tickets"], ["people"], []),
            ({"authenticator": "cookie"}, ["cookie"], ["people"], ["office"]),
            ({"store": "unused"}, [], [], ["unused"]),
            ({"store": "web"}, ["tickets"], ["people"], ["web"]),
        ]
        for named, authenticators, directories, stores in table:
            less = only(configuration, **named)
            self.assertEqual((list(less.authenticators), list(less.directories)), (authenticators, directories))
            self.assertEqual(list(less.session_stores), stores)

    async def test_stopped_whatever_comes_out(self):
        """Parts run while the question is asked, and not afterwards, also when it fails."""
        from twisted.internet import reactor

        self.configure("secret = env:SECRET\ndirectory = people", "secret = env:SECRET\ndirectory = down")
        configuration = only(load(self.config), "tickets")

        async def question(parts):
            self.assertEqual((RUNNING, parts.hasher.running), (["down"], 1))
            raise KeyError("broken")

        with self.assertRaises(KeyError):
            await Deferred.fromCoroutine(ask(configuration, reactor, question))
        self.assertEqual(RUNNING, [])

    async def test_parts_that_cannot_be_made(self):
        """Their faults are those of the configuration."""
        from twisted.internet import reactor

        self.configure("use = tests.cli.command_case:sessions\n[sessions:unused]", "use = nowhere:x\n[sessions:unused]")
        with self.assertRaises(ConfigError) as caught:
            await ask(only(load(self.config), "cookie"), reactor, None)
        self.assertIn("[sessions:office] use:", caught.exception.faults[0])
