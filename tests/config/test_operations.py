"""[listen:ops]: who may connect to it, and what readiness may require."""

from __future__ import annotations

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
        self.assertIn("'people' is no dependency, write directory:NAME, sessions:NAME or uplink:NAME", fault)
