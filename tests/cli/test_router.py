"""Where the commands look for a running router, and what they say of one that does not answer."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path

from orosync.cli.router import candidates
from orosync.cli.streams import Misused
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
