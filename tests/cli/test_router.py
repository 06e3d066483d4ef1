"""Where the commands look for a running router, and what they say of one that does not answer."""

from __future__ import annotations

import os
import socket
from argparse import Namespace
from pathlib import Path

from orosync.cli.router import Router, candidates
from orosync.cli.streams import Misused
from orosync.errors import Refused, Unavailable
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


class Hidden(type(Path())):
    """A path in a directory that this user may not enter, as that of a unit's state."""

    def is_socket(self):
        raise PermissionError(13, "Permission denied", str(self))


class Denied(CommandCase):
    """A user that may not see everything."""

    def test_nothing_else_is_there(self):
        error = self.assertRaises(Refused, Router([Hidden("/srv/a.sock"), Path("/not/there")]).ask, "status")
        self.assertEqual(str(error), "this user may not look for a router at /srv/a.sock")

    def test_the_router_is_elsewhere(self):
        """It is found all the same."""
        place = Path(self.mktemp()).absolute()
        with socket.socket(socket.AF_UNIX) as left:
            left.bind(os.path.relpath(place))
        error = self.assertRaises(Unavailable, Router([Hidden("/srv/a.sock"), place]).ask, "status")
        self.assertIn(f"no router answers at {place}", str(error))
