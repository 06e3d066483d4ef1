"""What hangs does not keep the process: plugins, threads, the reactor itself and the processes that check tickets."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from tests.product.raw import RawClient
from tests.product.running_router import TREE, RunningRouter
from tests.support.processes import Child

CONFIGURATION = """
[router]
drain = 0s
state = .
plugins = .
{listen}
[realm:oro]
authenticators = tickets
authorizers = roles
[role:user]
permissions =
    any all
[authenticator:tickets]
use = ticket
secret = file:secret
directory = people
[directory:people]
use = acme_hanging:Hanging
how = {how}
{more}
"""
LISTEN = """
[listen:one]
endpoint = unix:{directory}/socket
origin = optional
publisher_from = loopback
"""
ATTACH = """
[attach]
url = rs://127.0.0.1:1
realm = oro
"""
COMPONENT = """
[component:leaver]
use = acme_hanging:Leaver
realm = oro
role = user
"""

PLUGIN = """
import threading, time
from autobahn.twisted.wamp import ApplicationSession
from concurrent.futures import ThreadPoolExecutor
from twisted.application.service import Service
from twisted.internet.defer import Deferred, succeed
from zope.interface import implementer
from orosync.interfaces import IDirectory

@implementer(IDirectory)
class Hanging(Service):
    def __init__(self, name, options):
        self.how = options["how"]

    def find(self, login):
        return succeed(None)

    def startService(self):
        Service.startService(self)
        from twisted.internet import reactor
        if self.how == "block":
            reactor.callLater(0, reactor.callLater, 0, self.endless)
        if "threads" in self.how:
            threading.Thread(target=self.endless, name="acme-thread").start()
            ThreadPoolExecutor(1, "acme-pool").submit(self.endless)
            reactor.callInThread(self.endless)

    def stopService(self):
        Service.stopService(self)
        return Deferred() if "deferred" in self.how else None

    def endless(self):
        print("endless", flush=True)
        while True:
            time.sleep(1000)

class Leaver(ApplicationSession):
    def onLeave(self, details):
        print("leaves", flush=True)
        return Deferred()
"""


class Place:
    """A process with a plugin that hangs in some way, a pidfile and a UNIX socket."""

    def __init__(
        self, case: SynchronousTestCase, how: str, more: str = "", daemon: bool = False, command: str = "orosync"
    ) -> None:
        holder = tempfile.TemporaryDirectory(prefix="hanging-")
        case.addCleanup(holder.cleanup)
        self.directory = Path(holder.name)
        (self.directory / "acme_hanging.py").write_text(PLUGIN)
        (self.directory / "secret").write_text("a secret of the application")
        listen = ATTACH if command != "orosync" else LISTEN.format(directory=self.directory)
        text = CONFIGURATION.format(listen=listen, how=how, more=more)
        (self.directory / "router.ini").write_text(text)
        twistd = str(Path(sys.executable).with_name("twistd"))
        environ = {**os.environ, "PYTHONPATH": str(TREE)}
        mode = ["--logfile=router.log"] if daemon else ["--nodaemon"]
        whole = [sys.executable, twistd, *mode, command, "--config", "router.ini"]
        self.child = Child(whole, cwd=self.directory, environ=environ, family=not daemon)
        case.addCleanup(self.child.kill)

    @property
    def left(self) -> list[str]:
        """Files that a process has while it runs."""
        return [path.name for path in self.directory.iterdir() if path.name.startswith(("twistd.pid", "socket"))]

    def signalled(self, *numbers: signal.Signals) -> tuple[int, float]:
        """The status of the process, and how many seconds it took to end."""
        began = time.monotonic()
        for position, number in enumerate(numbers):
            if position:
                time.sleep(0.3)
            self.child.process.send_signal(number)
        return self.child.process.wait(40), time.monotonic() - began


def workers(pid: int) -> list[int]:
    """The child processes of a router."""
    return [int(one) for one in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def killed(pid: int) -> None:
    """Kill what may be gone already."""
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)


class Stops(SynchronousTestCase):
    def test_the_process_ends(self) -> None:
        """After the drain and ten seconds, with status 1, and the log says what kept it."""
        parts = Place(self, "deferred threads")
        stuck = Place(self, "block")
        for place in (parts, stuck):
            place.child.wait_for_line("endless")
        parts.child.wait_for_line("serves ws")
        found = workers(parts.child.process.pid)
        self.assertTrue(found)
        os.kill(found[0], signal.SIGSTOP)
        with ThreadPoolExecutor(2) as pool:
            ends = list(pool.map(lambda place: place.signalled(signal.SIGTERM), (parts, stuck)))
        for (status, seconds), place in zip(ends, (parts, stuck), strict=True):
            self.assertEqual(status, 1, place.child.output)
            self.assertTrue(9.5 < seconds < 20, seconds)
            self.assertEqual(place.left, [])
            self.assertIn("stop.cut (late)", place.child.output)
        said = parts.child.output
        self.assertIn("stop.hanging (part): part=directory:people", said)
        for name in ("acme-thread", "acme-pool_0", "PoolThread-twisted.internet.reactor-0"):
            self.assertRegex(
                said, rf"stop.hanging \(thread\): thread={name} at=\S?[^\n]*acme_hanging.py:\d+ in endless"
            )
        self.assertRegex(stuck.child.output, r"thread=MainThread at=[^\n]*acme_hanging.py:\d+ in endless")
        for pid in found:
            self.assertFalse(Path(f"/proc/{pid}").exists())

    def test_second_signal(self) -> None:
        """It ends the process at once, whatever it does at that moment; the status is 128 and its number."""
        term, interrupt = Place(self, "deferred"), Place(self, "block")
        term.child.wait_for_line("serves ws")
        interrupt.child.wait_for_line("endless")
        for place, second in ((term, signal.SIGTERM), (interrupt, signal.SIGINT)):
            time.sleep(0.2)
            status, seconds = place.signalled(signal.SIGTERM, second)
            self.assertEqual(status, 128 + second, place.child.output)
            self.assertLess(seconds, 8)
            self.assertEqual(place.left, [])
            self.assertIn(f"stop.cut (signal): signal={second.name}", place.child.output)

    def test_a_component_that_does_not_leave(self) -> None:
        """A component whose onLeave never ends is left behind: the stop is a clean one. Ctrl-C is one too."""
        place = Place(self, "nothing", COMPONENT)
        place.child.wait_for_line("serves ws")
        place.child.wait_for_line("[component:leaver] has started")
        status, seconds = place.signalled(signal.SIGINT)
        self.assertEqual((status, place.left), (0, []), place.child.output)
        self.assertLess(seconds, 9)
        self.assertIn("leaves", place.child.output)

    def test_daemon(self) -> None:
        """In the background a second signal leaves nothing behind either."""
        place = Place(self, "deferred", daemon=True)
        self.assertEqual(place.child.process.wait(60), 0, place.child.output)
        log = place.directory / "router.log"
        deadline = time.monotonic() + 30
        while not (log.exists() and "serves ws" in log.read_text()):
            self.assertLess(time.monotonic(), deadline, "not in service")
            time.sleep(0.05)
        pid = int((place.directory / "twistd.pid").read_text())
        self.addCleanup(killed, pid)
        time.sleep(0.3)
        for _ in range(2):
            os.kill(pid, signal.SIGTERM)
            time.sleep(0.3)
        while Path(f"/proc/{pid}/exe").is_symlink() and os.path.exists(f"/proc/{pid}/cwd"):
            self.assertLess(time.monotonic(), deadline, "it goes on")
            time.sleep(0.05)
        self.assertEqual(place.left, [])
        self.assertIn("stop.cut (signal)", log.read_text())

    def test_cannot_start(self) -> None:
        """A start that fails leaves neither a pidfile nor the sockets that were opened before it failed."""
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            port = taken.getsockname()[1]
            place = Place(self, "nothing", f"[listen:two]\nendpoint = tcp:{port}:interface=127.0.0.1\nrealm = oro\n")
            self.assertEqual(place.child.process.wait(60), 1, place.child.output)
        self.assertIn("cannot listen on", place.child.output)
        self.assertEqual(place.left, [])

    def test_attached(self) -> None:
        """The two commands that serve another router end in the same way."""
        place = Place(self, "deferred", command="orosync-authenticator")
        place.child.wait_for_line("attach.failed")
        status, _ = place.signalled(signal.SIGTERM, signal.SIGTERM)
        self.assertEqual((status, place.left), (143, []), place.child.output)
        place = Place(self, "nothing", command="orosync-authenticator")
        place.child.wait_for_line("attach.failed")
        self.assertEqual(place.signalled(signal.SIGTERM)[0], 0, place.child.output)


class TicketWorkers(SynchronousTestCase):
    def test_stopped_worker(self) -> None:
        """Logins that wait for a process that has been stopped are answered by another one; others do not wait."""
        running = RunningRouter(router="ticket_processes = 2")
        self.addCleanup(running.close)

        def login(_: object = None) -> tuple[int, float]:
            began = time.monotonic()
            with RawClient(running.url("anna"), "wamp") as client:
                return client.status, time.monotonic() - began

        self.assertEqual(login()[0], 101)
        (stopped, *_) = before = workers(running.child.process.pid)
        self.assertEqual(len(before), 2)
        os.kill(stopped, signal.SIGSTOP)
        with ThreadPoolExecutor(8) as pool:
            found = list(pool.map(login, range(16)))
        self.assertEqual({status for status, _ in found}, {101})
        # One process gets two jobs at most.
        self.assertLessEqual(len([seconds for _, seconds in found if seconds > 3]), 2)
        self.assertIn("hasher (worker_hung): reason=", running.log)
        after = workers(running.child.process.pid)
        self.assertEqual((len(after), stopped in after), (2, False))
        self.assertEqual(login()[0], 101)
        for pid in after:
            os.kill(pid, signal.SIGSTOP)
        began = time.monotonic()
        self.assertEqual(running.child.end(), 0)
        self.assertLess(time.monotonic() - began, 9)
        self.assertEqual(subprocess.run(["ps", "-p", ",".join(map(str, after))], capture_output=True).returncode, 1)
