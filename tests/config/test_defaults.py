"""Tests of orosync.config.defaults."""

from __future__ import annotations

import os
import socket
from pathlib import Path
from typing import Any

from orosync.config import defaults
from orosync.config.listen import ListenSection
from orosync.config.readers import Source
from orosync.config.sections import NotificationsSection, RouterSection
from orosync.config.uplinks import UplinkSection
from tests.config.files import FilesCase

LOOPBACK = "tcp:1:interface=127.0.0.1"


class Settled(FilesCase):
    """What the file leaves open."""

    def listener(self, endpoint: str = LOOPBACK, names: tuple[str, ...] = ("oro",), **keys: Any) -> ListenSection:
        return defaults.listener(ListenSection(name="x", endpoint=endpoint, **keys), names)

    def test_the_only_realm(self) -> None:
        """With one realm it need not be named."""
        self.assertEqual(self.listener().realm, "oro")
        self.assertEqual(defaults.notifications(NotificationsSection(), ["oro"]).realm, "oro")

    def test_what_is_said_stands(self) -> None:
        """Nothing that the file says is changed."""
        section = self.listener(realm="other", authenticators=("guest",), origins=("a",), names=("oro", "other"))
        self.assertEqual((section.realm, section.authenticators, section.origins), ("other", ("guest",), ("a",)))
        self.assertEqual(defaults.notifications(NotificationsSection(realm="b"), ["a", "b"]).realm, "b")

    def test_unauthenticated_places(self) -> None:
        """Half of all, but 256 at least, as far as there are so many; what the file says stands."""
        for connections, places in [(10_000, 5000), (1001, 500), (512, 256), (300, 256), (256, 256), (7, 7), (1, 1)]:
            self.assertEqual(self.listener(max_connections=connections).max_unauthenticated, places)
        self.assertEqual(self.listener(max_connections=100, max_unauthenticated=3).max_unauthenticated, 3)

    def test_realm_of_an_uplink(self) -> None:
        """Over there it is the realm of the same name, unless another is named."""
        self.assertEqual(defaults.uplink(UplinkSection(name="oro", url="ws://a")).realm, "oro")
        self.assertEqual(defaults.uplink(UplinkSection(name="oro", url="ws://a", realm="realm1")).realm, "realm1")

    def test_several_realms(self) -> None:
        """With several realms none is guessed."""
        self.assertEqual(self.listener(names=("oro", "other")).realm, "")
        self.assertEqual(defaults.notifications(NotificationsSection(), ["a", "b"]).realm, "")

    def test_origins_of_this_machine(self) -> None:
        """On loopback and UNIX sockets pages of this machine may connect; elsewhere only pages that are listed."""
        local = ("localhost", "127.0.0.1", "[::1]")
        self.assertEqual(self.listener().origins, local)
        self.assertEqual(self.listener("unix:/run/x").origins, local)
        self.assertEqual(self.listener("tcp:1").origins, ())

    def test_tls(self) -> None:
        """A certificate means TLS."""
        self.assertTrue(self.listener(certificate=Path("/c"), key=Path("/k")).tls)
        self.assertTrue(self.listener(tls=True).tls)
        self.assertFalse(self.listener().tls)

    def test_node(self) -> None:
        """A router without a name has the host's."""
        place = Source(self.directory, {"STATE_DIRECTORY": "/s"})
        self.assertEqual(defaults.router(RouterSection(), place).node, socket.gethostname())
        self.assertEqual(defaults.router(RouterSection(node="a", state=Path("/x")), place).state, Path("/x"))
        self.assertEqual(defaults.router(RouterSection(node="a"), place).node, "a")


class State(FilesCase):
    """The state directory when the file names none."""

    def test_systemd(self) -> None:
        """systemd's directory comes first, whatever else there is; of several the first."""
        environ = {"STATE_DIRECTORY": "/var/lib/a:/var/lib/b", "HOME": str(self.directory)}
        self.assertEqual(defaults.state_directory(environ), Path("/var/lib/a"))

    def test_home_of_a_user(self) -> None:
        """A user's own place, that of XDG first; it need not exist yet."""
        home = {"HOME": str(self.directory)}
        self.assertEqual(defaults.state_directory(home), self.directory / ".local/state/orosync")
        xdg = self.directory / "xdg"
        self.assertEqual(defaults.state_directory({**home, "XDG_STATE_HOME": str(xdg)}), xdg / "orosync")

    def test_no_home(self) -> None:
        """Without a home: the machine's place if it can be written, else ./var, never the root directory."""
        expected = Path("/var/lib/orosync")
        if not defaults.can_be_made(expected):
            expected = Path("var").absolute()
        for environ in ({}, {"HOME": "/"}, {"HOME": ""}, {"HOME": "relative"}, {"HOME": "/dev/null"}):
            self.assertEqual(defaults.state_directory(environ), expected)

    def test_what_can_be_made(self) -> None:
        """A directory below one that can be written can be made; one below a file cannot."""
        self.assertTrue(defaults.can_be_made(self.directory))
        self.assertTrue(defaults.can_be_made(self.directory / "a" / "b"))
        self.assertFalse(defaults.can_be_made(self.write("x") / "a"))

    def test_what_may_not_be_looked_at(self) -> None:
        """The state of a service with a dynamic user is closed to all others, who do without it."""
        closed = self.directory / "closed"
        closed.mkdir(mode=0)
        root = os.geteuid() == 0
        if root:
            os.seteuid(65534)
        try:
            self.assertFalse(defaults.can_be_made(closed / "orosync"))
        finally:
            if root:
                os.seteuid(0)
