"""When a process has to be over, and how it ends then."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from twisted.internet.error import ReactorNotRunning
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from orosync.app import ending
from orosync.app.ending import GRACE, Ending, children
from orosync.testing import RecordingJournal

SIGNALLED = """\
import os, signal, sys, time
from twisted.internet import reactor
from twisted.logger import globalLogBeginner, textFileLogObserver
from orosync.app.ending import Ending
from orosync.ops.journal import Journal
globalLogBeginner.beginLoggingTo([textFileLogObserver(sys.stdout)], redirectStandardIO=False)
end = Ending(reactor, sys.argv[1])
end.configure(Journal(reactor), float(sys.argv[4]), lambda: ["directory:people"])
def later():
    # A child is noticed though its signal goes through our thread.
    from twisted.internet.utils import getProcessOutput
    getProcessOutput("/bin/echo", [b"hello"]).addCallback(told)
def told(said):
    if sys.argv[3] == "fork":
        child = os.fork()
        if not child:
            time.sleep(60)
        time.sleep(0.1)
        os.kill(child, signal.SIGTERM)
        print("child", os.waitpid(child, 0)[1], flush=True)
        reactor.callLater(0.2, lambda: print("still here", end.left(), flush=True))
        reactor.callLater(0.2, reactor.stop)
    print("a child said", said.decode().strip(), flush=True)
    for _ in range(int(sys.argv[2])):
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(0.2)
end.watch()
if sys.argv[3] == "early":
    os.kill(os.getpid(), signal.SIGTERM)
reactor.callWhenRunning(later)
reactor.run()
"""


class Reactor(Clock):
    """Keeps what threads ask of it."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[Callable[[], Any]] = []
        self.stops = 0

    def callFromThread(self, act: Callable[[], Any]) -> None:
        self.asked.append(act)

    def stop(self) -> None:
        self.stops += 1
        if self.stops > 1:
            raise ReactorNotRunning


class EndingTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.reactor, self.journal = Reactor(), RecordingJournal()
        self.left: list[int] = []
        self.unfinished = ["directory:people", "hasher"]
        holder = tempfile.TemporaryDirectory()
        self.addCleanup(holder.cleanup)
        self.directory = Path(holder.name)
        self.pidfile = self.directory / "twistd.pid"
        self.pidfile.write_text(f"{os.getpid()}\n")
        self.ending = Ending(self.reactor, str(self.pidfile), seconds=self.reactor.seconds, leave=self.left.append)
        self.ending.configure(self.journal, 5.0, lambda: self.unfinished)
        self.killed: list[int] = []
        self.patch(ending, "children", lambda: {4711})
        self.patch(os, "kill", lambda pid, number: self.killed.append(pid))

    def pass_time(self, seconds: float) -> None:
        self.reactor.advance(seconds)
        self.ending.look()

    def test_late(self) -> None:
        """Drain and ten seconds after the signal what hangs is named, and the status is 1."""
        self.pass_time(10_000)
        self.ending.noticed(signal.SIGTERM)
        self.assertEqual((self.ending.left(), 5.0 + GRACE), (15.0, 15.0))
        self.pass_time(14.9)
        self.assertEqual((self.left, self.journal.notes), ([], []))
        self.pass_time(0.1)
        self.assertEqual(self.left, [1])
        named = [
            fields["part"] for event, kind, fields in self.journal.notes if (event, kind) == ("stop.hanging", "part")
        ]
        self.assertEqual(named, self.unfinished)
        event, kind, fields = self.journal.notes[-1]
        self.assertEqual((event, kind, fields["parts"], fields["seconds"]), ("stop.cut", "late", 2, 15.0))
        # The main thread of this test waits for the last words, and is the only one known to be busy.
        threads = [fields["thread"] for event, kind, fields in self.journal.notes if kind == "thread"]
        self.assertIn("MainThread", threads)

    def test_nothing_to_be_seen(self) -> None:
        """Where neither a part nor a thread hangs it is something that waits in the reactor, and the log says so."""
        self.unfinished.clear()
        self.patch(ending, "busy_threads", lambda besides: [])
        self.ending.begin()
        self.pass_time(15)
        self.assertEqual([kind for _, kind, _ in self.journal.notes], ["unknown", "late"])

    def test_reactor_is_asked(self) -> None:
        """A signal stops the reactor, in a turn of its own; one that has stopped already is no fault."""
        self.ending.noticed(signal.SIGINT)
        self.assertEqual(self.reactor.stops, 0)
        (act,) = self.reactor.asked
        act()
        act()
        self.assertEqual((self.reactor.stops, self.left), (2, []))

    def test_stopped_by_itself(self) -> None:
        """A reactor that stops without a signal has the same time, and the first signal is the first."""
        self.ending.begin()
        self.pass_time(10)
        self.ending.noticed(signal.SIGTERM)
        self.assertEqual(self.left, [])
        self.ending.begin()
        self.pass_time(5)
        self.assertEqual(self.left, [1])

    def test_second_signal(self) -> None:
        """It ends the process at once: 128 and its number; other signals mean nothing."""
        for first, second, status in (
            (signal.SIGTERM, signal.SIGTERM, 143),
            (signal.SIGTERM, signal.SIGINT, 130),
            (signal.SIGINT, signal.SIGTERM, 143),
        ):
            self.setUp()
            self.ending.noticed(first)
            for number in (0, signal.SIGCHLD, signal.SIGHUP):
                self.ending.noticed(number)
            self.assertEqual(self.left, [])
            self.ending.noticed(second)
            self.assertEqual(self.left, [status])
            self.assertEqual(self.journal.notes, [("stop.cut", "signal", {"signal": second.name})])

    def test_nothing_is_left(self) -> None:
        """The pidfile, sockets with their locks and child processes go."""
        (self.directory / "socket.lock").symlink_to(str(os.getpid()))
        for name in ("socket", "second", "second.lock"):
            (self.directory / name).touch()
        self.ending.sockets += [str(self.directory / name) for name in ("socket", "second", "was never there")]
        self.ending.noticed(signal.SIGTERM)
        self.ending.noticed(signal.SIGTERM)
        self.assertEqual([path.name for path in self.directory.iterdir()], ["second.lock"], "no lock of Twisted's")
        self.assertEqual(self.killed, [4711])

    def test_foreign_pidfile(self) -> None:
        """A pidfile of another process is not ours to remove, one that is gone is no fault."""
        for text in ("1\n", "no number", None):
            self.setUp()
            self.pidfile.unlink()
            if text is not None:
                self.pidfile.write_text(text)
            self.ending.noticed(signal.SIGTERM)
            self.ending.noticed(signal.SIGTERM)
            self.assertEqual((self.left, self.pidfile.exists()), ([143], text is not None))

    def test_log_that_takes_nothing(self) -> None:
        """Last words that cannot be said do not keep the process."""
        self.patch(ending, "LOG_TIMEOUT", 0.05)
        holding = threading.Event()
        self.addCleanup(holding.set)
        self.journal.note = lambda *_, **__: holding.wait()  # type: ignore[method-assign]
        self.ending.noticed(signal.SIGTERM)
        self.pass_time(15)
        self.assertEqual(self.left, [1])


class Children(SynchronousTestCase):
    def test_all_of_them(self) -> None:
        """Those of the reactor and any others."""
        child = subprocess.Popen(["sleep", "60"])
        self.addCleanup(child.wait)
        self.addCleanup(child.kill)
        self.assertIn(child.pid, children())
        self.assertNotIn(os.getpid(), children())


class RealSignals(SynchronousTestCase):
    """In a process of its own."""

    def end(self, signals: int, when: str = "later", drain: float = 0.0) -> tuple[int, str]:
        command = [sys.executable, "-c", SIGNALLED, "/nonexistent/pid", str(signals), when, str(drain)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60)
        self.assertIn("" if when == "early" else "a child said hello", done.stdout, done.stderr)
        return done.returncode, done.stdout + done.stderr

    def test_one(self) -> None:
        """The reactor stops, and the status is 0."""
        self.assertEqual(self.end(1)[0], 0)

    def test_early(self) -> None:
        """One that comes before the reactor runs is not lost."""
        self.assertEqual(self.end(0, "early")[0], 0)

    def test_children_have_their_own(self) -> None:
        """A forked child that goes on with our code dies of its signals, and we do not notice them."""
        status, said = self.end(0, "fork")
        self.assertEqual(status, 0)
        self.assertIn("child 15\n", said)
        self.assertIn("still here None\n", said)

    def test_two(self) -> None:
        """The second is noticed though the reactor does not turn, however long the drain may take."""
        status, said = self.end(2, drain=3.6e12)
        self.assertEqual(status, 143)
        self.assertIn("stop.cut (signal): signal=SIGTERM", said)
