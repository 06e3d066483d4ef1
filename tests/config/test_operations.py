"""[listen:ops]: who may connect to it, and what readiness may require."""

from __future__ import annotations

import os
from pathlib import Path

from orosync.config import operations
from orosync.config.endpoints import Reach
from tests.config.files import SOUND, FilesCase

OPS = SOUND + "[listen:ops]\n"


class Operations(FilesCase):
    """The listener for monitoring."""

    def test_without_it(self) -> None:
        self.assertIsNone(self.load(SOUND).operations)

    def test_on_loopback_or_a_socket(self) -> None:
        """Nothing else is asked for, and it is no listener for clients."""
        for endpoint, reach in (
            ("tcp:9110:interface=127.0.0.1", Reach.LOOPBACK),
            ("unix:/run/orosync/ops.sock:mode=660", Reach.LOCAL_FILE),
        ):
            configuration = self.load(f"{OPS}endpoint = {endpoint}\n")
            self.assertEqual(configuration.operations.endpoint, endpoint)
            self.assertIs(configuration.operations.reach, reach)
            self.assertEqual(list(configuration.listeners), ["public"])

    def test_other_machines(self) -> None:
        """They are kept out unless that is asked for."""
        (fault,) = self.faults(f"{OPS}endpoint = tcp:9110\n")
        self.assertRegex(
            fault, r"^\[listen:ops\] endpoint: lets other machines connect, .* exposed = yes .*\(line 20\)$"
        )
        self.assertTrue(self.load(f"{OPS}endpoint = tcp:9110\nexposed = yes\n").operations.exposed)

    def test_a_port_that_is_taken(self) -> None:
        (fault,) = self.faults(f"{OPS}endpoint = tcp:8080:interface=127.0.0.1\n")
        self.assertRegex(fault, r"^\[listen:ops\] endpoint: is that of \[listen:public\] already, choose another")

    def test_keys_of_other_listeners(self) -> None:
        """It has keys of its own."""
        faults = self.faults(f"{OPS}endpoint = tcp:9110:interface=127.0.0.1\npath = /ops\n")
        self.assertEqual(len(faults), 1)
        self.assertIn("[listen:ops] path: is no key of", faults[0])

    def test_what_readiness_requires(self) -> None:
        """Directories and session stores that are there."""
        head = f"{OPS}endpoint = tcp:9110:interface=127.0.0.1\nready_requires = "
        self.assertEqual(self.load(f"{head}directory:people\n").operations.ready_requires, ("directory:people",))
        (fault,) = self.faults(f"{head}directory:peopel\n")
        self.assertIn("'directory:peopel' is no shared dependency, did you mean directory:people?", fault)
        (fault,) = self.faults(f"{head}people\n")
        self.assertIn("'people' is no dependency, write directory:NAME, sessions:NAME, uplink:NAME or backplane", fault)
        (fault,) = self.faults(f"{head}backplane\n")
        self.assertIn("'backplane' is no shared dependency", fault)
        configuration = self.load(f"{head}backplane\n[router]\nworkers = 2\n")
        self.assertEqual(configuration.operations.ready_requires, ("backplane",))


class Sockets(FilesCase):
    """Where a control socket is made whose path has to be short."""

    def setUp(self) -> None:
        super().setUp()
        self.everyones = self.directory / "tmp"
        self.everyones.mkdir()
        self.patch(operations, "EVERYONES", self.everyones)
        self.own = operations.short_directory(os.getuid())

    def places(self, state: Path, **environ: str) -> list[Path]:
        return operations.control_sockets(None, self.directory / "router.ini", state, environ)

    def test_a_path_that_fits(self) -> None:
        """107 bytes are no reason to go elsewhere, 108 are."""
        short = Path("/srv")
        (found,) = self.places(short)
        room = operations.LONGEST_SOCKET - len(os.fsencode(found)) - 1
        self.assertEqual([one.parent for one in self.places(short / ("x" * room))], [short / ("x" * room)])
        (found,) = self.places(short / ("x" * (room + 1)))
        self.assertEqual(found.parent, self.own)

    def test_bytes_count(self) -> None:
        """Not characters."""
        self.assertEqual(self.places(Path("/srv", "\u00e4" * 50))[0].parent, self.own)

    def test_the_directory_of_systemd(self) -> None:
        """It comes first all the same."""
        found = self.places(Path("/srv", "x" * 200), RUNTIME_DIRECTORY="/run/orosync")
        self.assertEqual([one.parent for one in found], [Path("/run/orosync"), self.own])
        self.assertEqual(len({one.name for one in found}), 1)

    def test_the_router_of_another_user(self) -> None:
        """root finds it: it is the user to whom the state belongs."""
        state = self.directory / ("x" * 120)
        state.mkdir()
        os.chown(state, 12345, -1) if os.getuid() == 0 else self.patch(os, "getuid", lambda: 12345)
        found = [one.parent.name for one in self.places(state)]
        self.assertEqual(found, [f"orosync-{os.getuid()}", f"orosync-{state.stat().st_uid}"])

    def test_in_good_hands(self) -> None:
        """A directory of the user in its name, in which others cannot write, and no link to one."""
        path = self.own / "control.sock"
        self.assertFalse(operations.in_good_hands(path))
        self.own.mkdir(mode=0o700)
        self.assertTrue(operations.in_good_hands(path))
        self.own.chmod(0o711)
        self.assertTrue(operations.in_good_hands(path))
        self.own.chmod(0o770)
        self.assertFalse(operations.in_good_hands(path))
        self.own.rmdir()
        (self.directory / "elsewhere").mkdir(mode=0o700)
        self.own.symlink_to(self.directory / "elsewhere")
        self.assertFalse(operations.in_good_hands(path))
        others = operations.short_directory(os.getuid() + 1)
        others.mkdir(mode=0o700)
        self.assertFalse(operations.in_good_hands(others / "control.sock"))
        self.assertTrue(operations.in_good_hands(Path("/srv/control.sock")))
