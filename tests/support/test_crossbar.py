"""The node of Crossbar.io that other tests rely on: it serves, says what is wrong, and leaves nothing behind."""

from __future__ import annotations

import os
import time
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from tests.product.clients import Client
from tests.support import crossbar
from tests.support.ports import free_port


class Nodes(SynchronousTestCase):
    """tests/support/crossbar.py."""

    def test_it_serves_and_leaves_no_process_behind(self) -> None:
        """Clients of both transports' kinds join once it has started; killed, its worker is gone too."""
        public, raw = free_port(), free_port()
        node = crossbar.Node(
            crossbar.one_worker(
                realms=[crossbar.realm("main", crossbar.role("anonymous"))],
                transports=[crossbar.websocket(public), crossbar.rawsocket(raw)],
            )
        )
        self.addCleanup(node.end)
        self.assertEqual(node.start().ports, [public, raw])
        url = f"ws://127.0.0.1:{public}"
        with Client("autobahn-python", url, realm="main") as one, Client("autobahn", url, realm="main") as two:
            two.ask("subscribe", "com.example.news")
            one.ask("publish", "com.example.news", [1], acknowledge=True)
            self.assertEqual(two.event()[:2], ("com.example.news", [1]))
        worker = int(node.wait_for_line("[Router").split("[Router")[1].split("]")[0])
        os.kill(worker, 0)
        node.kill()
        self.assertTrue(_gone(worker))

    def test_a_wrong_configuration(self) -> None:
        """Crossbar's own words are in the error when it does not start."""
        node = crossbar.Node(crossbar.one_worker(realms=[], transports=[], nonsense=True))
        self.addCleanup(node.end)
        with self.assertRaisesRegex(AssertionError, "unknown attribute 'nonsense'"):
            node.start()


def _gone(process: int, seconds: float = 5.0) -> bool:
    """Whether a process that is not our child is dead within some time, reaped or not."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        try:
            if Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] in "ZX":
                return True
        except (ProcessLookupError, FileNotFoundError):
            return True
        time.sleep(0.01)
    return False
