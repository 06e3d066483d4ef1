"""A process tells whoever started it how it fares, and ends as it was asked to."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import tempfile
import textwrap
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from orosync.app.process import Process
from tests.support.processes import run

TREE = Path(__file__).resolve().parents[2]

FAILING = """\
from twisted.internet import reactor
from orosync.app.process import fail_process
print("last words", end="")
reactor.callWhenRunning(fail_process, reactor)
reactor.run()
"""


class Reactor(Clock):
    """Time, and what threads and signals ask for, which it does in its own turn."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[Callable[[], Any]] = []

    def callFromThread(self, act: Callable[[], Any]) -> None:
        self.asked.append(act)

    def stop(self) -> None:
        raise AssertionError("not in a signal handler")


class ProcessTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.reactor = Reactor()
        self.handlers: dict[int, Any] = {}
        self.patch(signal, "signal", self.handlers.__setitem__)

    def test_signals(self) -> None:
        """Both are only noted when they come; whoever has nothing to read anew leaves SIGHUP alone."""
        Process(self.reactor, {}).install_signal_handlers()
        self.assertEqual(list(self.handlers), [signal.SIGTERM])
        Process(self.reactor, {}).install_signal_handlers(self.setUp)
        for number in (signal.SIGHUP, signal.SIGTERM):
            self.handlers[number](number, None)
        self.assertEqual(self.reactor.asked, [self.setUp, self.reactor.stop])

    def test_ending(self) -> None:
        """Where the process is our own, its end is watched over instead; SIGHUP is as it was."""
        watched: list[str] = []
        ending: Any = SimpleNamespace(watch=lambda: watched.append("watched"))
        process = Process(self.reactor, {}, ending)
        process.guard()
        process.install_signal_handlers(self.setUp)
        self.assertEqual((watched, list(self.handlers)), (["watched"], [signal.SIGHUP]))
        Process(self.reactor, {}).guard()

    def test_systemd(self) -> None:
        """It hears READY, signs of life until the end, and how long that may take."""
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        systemd = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
        self.addCleanup(systemd.close)
        systemd.bind(path := str(Path(directory.name, "notify")))
        process = Process(self.reactor, {"NOTIFY_SOCKET": path, "WATCHDOG_USEC": "4000000"})
        process.ready()
        self.reactor.advance(2)
        process.stopping(7)
        process.stopped()
        self.reactor.advance(2)
        heard = []
        while True:
            try:
                heard.append(systemd.recv(4096).decode())
            except BlockingIOError:
                break
        self.assertEqual(heard, ["WATCHDOG=1", "READY=1", "WATCHDOG=1", "STOPPING=1\nEXTEND_TIMEOUT_USEC=7000000"])

    def test_nobody_watches(self) -> None:
        """Started by hand it has nobody to tell, and nothing to stop."""
        process = Process(self.reactor, {})
        process.ready()
        self.assertEqual(self.reactor.getDelayedCalls(), [])
        process.stopping()
        process.stopped()


class FailingTests(SynchronousTestCase):
    def test_status(self) -> None:
        """Status 1, and nothing that was written is lost."""
        done = subprocess.run([sys.executable, "-c", FAILING], capture_output=True, text=True, timeout=60)
        self.assertEqual((done.returncode, done.stdout), (1, "last words"), done.stderr)


class MemoryTests(SynchronousTestCase):
    def test_the_collector_is_spared(self):
        """What was there at the start is not looked at again, and what comes later less often."""
        script = """
            import gc
            from orosync.app.process import settle_memory
            before = gc.get_threshold()
            settle_memory()
            after = gc.get_threshold()
            print(gc.get_freeze_count() > 10000, after[0] > before[0], after[1:] == before[1:])
        """
        said = run(sys.executable, "-c", textwrap.dedent(script), environ={**os.environ, "PYTHONPATH": str(TREE)})
        self.assertEqual(said.split(), ["True"] * 3)
