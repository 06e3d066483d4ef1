"""orosync.taps.worker: the process, with a supervisor that says nothing."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from orosync.app.worker import CHANNEL

TREE = Path(__file__).resolve().parents[2]


START = "import os; os.dup2({its}, {channel}); os.execv({entry}[0], {entry})"


class Entry(SynchronousTestCase):
    def test_without_its_supervisor_it_ends(self) -> None:
        """A signal for the terminal's processes does not end it; the end of its channel does, and it says why."""
        mine, its = socket.socketpair()
        entry = [sys.executable, "-m", "orosync.taps.worker", "web/1"]
        process = subprocess.Popen(
            [sys.executable, "-c", START.format(its=its.fileno(), channel=CHANNEL, entry=entry)],
            pass_fds=[its.fileno()],
            stderr=subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": str(TREE)},
            text=True,
        )
        its.close()
        with mine:
            mine.settimeout(30)
            self.assertIn(b"orosync", mine.recv(100))
            process.send_signal(signal.SIGHUP)
            self.assertIsNone(process.poll())
        self.assertEqual(process.wait(10), 1)
        assert process.stderr is not None
        with process.stderr:
            self.assertIn("its channel to the supervisor has", process.stderr.read())
