"""orosync.app.supervisor: its start and its end; what its workers do is in tests/product/test_workers.py."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.internet.task import deferLater
from twisted.internet.threads import deferToThread
from twisted.trial.unittest import SynchronousTestCase

from orosync.app import process
from orosync.app import supervisor as module
from orosync.app.supervisor import Supervisor
from orosync.cli.router import Router
from orosync.ops.control import Rejected
from tests.app.test_service import OPEN, ServiceCase
from tests.product.running_router import start
from tests.support.ports import free_port

MANY = OPEN.replace("node = web1", "node = web1\nworkers = 2")


class FakeWorkers:
    """No process is started."""

    def __init__(self, *arguments: Any) -> None:
        (self.reactor, self.journal, self.count, self.node, self.drain, self.sockets, self.hub, self.settings,
         self.ready, self.failed) = arguments  # fmt: skip
        self.started = self.stopped = False
        self.stopping: Deferred[None] = Deferred()
        self.serving: list[Any] = []
        self.all: list[Any] = []

    def start(self) -> None:
        self.started = True

    def missing(self) -> list[str]:
        return ["web1/1", "web1/2"]

    async def ask_all(self, *question: Any) -> list[Any]:
        return []

    async def stop(self) -> None:
        self.stopped = True
        await self.stopping


class SupervisorCase(ServiceCase):
    def setUp(self):
        super().setUp()
        self.patch(module, "Workers", FakeWorkers)

    def supervise(self, text=MANY, **parts):
        configuration = self.configuration(text=text.format(**{"one": "", "more": "", **parts}))
        found = Supervisor(configuration, reactor)
        self.addCleanup(self.stop, found)
        found.privilegedStartService()
        found.startService()
        return found

    async def stop(self, found):
        found.workers.stopping.callback(None)
        if not found.workers.stopped:
            await found.stopService()


class Starting(SupervisorCase):
    async def test_the_sockets_are_there_before_the_workers(self):
        """Also those of UNIX; nothing is accepted here, and what exists once is."""
        path = self.directory / "socket"
        ops = free_port()
        more = f"[listen:local]\nendpoint = unix:{path}\n[listen:ops]\nendpoint = tcp:{ops}:interface=127.0.0.1"
        found = self.supervise(more=more)
        self.assertEqual(sorted(found.workers.sockets.of(1)), ["local", "one"])
        self.assertTrue(path.is_socket())
        with socket.create_connection(found.workers.sockets.of(0)["one"].getsockname()) as client:
            client.settimeout(0.1)
            self.assertRaises(TimeoutError, client.recv, 1)
        status = await deferToThread(Router([found._control.path]).ask, "status")
        self.assertEqual(status["health"]["status"], "unready")
        self.assertEqual(status["health"]["wrong"]["worker:web1/2"], "does not serve")
        with self.assertRaises(Exception) as caught:
            await deferToThread(Router([found._control.path]).ask, "publish", {"topic": "x"})
        self.assertIn("no worker serves", str(caught.exception))
        self.assertTrue(issubclass(Rejected, Exception))

    async def test_tcp_sockets_are_opened_with_privileges(self):
        """Before ``startService``, when twistd has given them up."""
        configuration = self.configuration(text=MANY.format(one="", more=""))
        found = Supervisor(configuration, reactor)
        found.privilegedStartService()
        self.assertEqual(list(found.workers.sockets.of(0)), ["one"])
        found.startService()
        await self.stop(found)

    async def test_what_workers_are_told(self):
        """The same secrets for all of them, at each start."""
        demo = (Path(__file__).resolve().parents[2] / "etc" / "router.ini").read_text()
        demo = demo.replace("demo = yes", f"demo = yes\nworkers = 2\nstate = {self.directory}", 1)
        demo = demo.replace("tcp:8442", f"tcp:{free_port()}").replace("tcp:8443", f"tcp:{free_port()}")
        self.configuration(text=demo)
        found = Supervisor(self.configuration(text=demo), reactor)
        one, other = found._settings(0, "x/1", False), found._settings(1, "x/2", False)
        self.assertEqual((one.secrets, one.users, one.key), (other.secrets, other.users, other.key))
        self.assertEqual((len(one.secrets), len(one.users), len(one.key)), (1, 2, 32))
        self.assertTrue((self.directory / "certificate.pem").exists())
        found._journal.close()

    async def test_failed(self):
        """The reasons are logged, and the process ends with status 1."""
        ended = []
        self.patch(process, "fail_process", ended.append)
        found = self.supervise()
        found.workers.failed(["[realm:x] is wrong"])
        await deferLater(reactor, 0)
        self.assertEqual(ended, [reactor])
        said = [one["log_format"].format(**one) for one in self.log if "Supervisor" in str(one.get("log_namespace"))]
        self.assertIn("[realm:x] is wrong", said)


class Stopping(SupervisorCase):
    async def test_the_end(self):
        """Nobody can connect any more, then the workers let their clients go; the control socket answers until then."""
        found = self.supervise()
        address = found.workers.sockets.of(0)["one"].getsockname()
        stopping = found.stopService()
        self.assertTrue(found.workers.stopped)
        await deferToThread(Router([found._control.path]).ask, "status")
        self.assertRaises(ConnectionRefusedError, socket.create_connection, address)
        self.assertNoResult(stopping)
        found.workers.stopping.callback(None)
        await stopping
        self.assertFalse(found._control.path.exists())
        found.workers.stopping = Deferred()


class Systemd(SynchronousTestCase):
    """sd_notify(3), with the processes that there are."""

    def test_notify(self) -> None:
        """READY when all workers serve, signs of life, STOPPING; the workers say nothing themselves."""
        directory = Path(self.mktemp()).absolute()
        directory.mkdir()
        address = f"\0orosync-test-{os.getpid()}-{time.monotonic_ns()}"
        told: list[bytes] = []
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
            listener.bind(address)
            listener.settimeout(100)
            (directory / "router.ini").write_text(MANY.format(one="", more=""))
            environ = {"NOTIFY_SOCKET": f"@{address[1:]}", "WATCHDOG_USEC": "400000"}
            before = {name: os.environ.get(name) for name in environ}
            os.environ.update(environ)
            try:
                child = start(directory / "router.ini")
            finally:
                for name in before:
                    del os.environ[name]
            with child:
                while b"READY=1" not in told:
                    told.append(listener.recv(1000))
                serving = [line for line in child.output.splitlines() if " serves (process " in line]
                self.assertEqual(len(serving), 2)
                self.assertEqual(listener.recv(1000), b"WATCHDOG=1")
                child.process.terminate()
                while not told[-1].startswith(b"STOPPING=1"):
                    told.append(listener.recv(1000))
                self.assertIn(b"EXTEND_TIMEOUT_USEC=", told[-1])
                self.assertEqual(child.process.wait(100), 0)
        self.assertEqual(set(told[:-1]) - {b"WATCHDOG=1", b"READY=1"}, set())
        self.assertEqual(sum(one.startswith(b"STOPPING") for one in told), 1)

    def test_a_router_that_cannot_start(self) -> None:
        """Faults that only a worker finds are told, with status 1; so is a port that is taken."""
        directory = Path(self.mktemp()).absolute()
        directory.mkdir()
        (directory / "router.ini").write_text(
            MANY.format(one="", more="[authorizer:mine]\nuse = nowhere_at_all:Thing\n").replace(
                "authorizers = roles", "authorizers = mine"
            )
        )
        with start(directory / "router.ini") as child:
            self.assertEqual(child.process.wait(100), 1, child.output)
        (line,) = (line for line in child.output.splitlines() if "#critical]" in line)
        self.assertIn("nowhere_at_all", line)
        with socket.create_server(("127.0.0.1", 0)) as taken:
            text = MANY.format(one="", more="").replace("tcp:0:", f"tcp:{taken.getsockname()[1]}:")
            (directory / "router.ini").write_text(text)
            with start(directory / "router.ini") as child:
                self.assertEqual(child.process.wait(100), 1, child.output)
        self.assertIn("cannot listen on", child.output)


IMPORTED = """
import sys
import orosync.app.supervisor
from orosync.taps import router
parts = ("authz", "embedded", "identity", "router", "session", "transport", "uplink", "wamp")
print(*(name for name in sys.modules if name.startswith(tuple(f"orosync.{one}." for one in parts))))
"""


class Cost(SynchronousTestCase):
    """What a process takes that serves no client."""

    def test_little_of_a_router_is_imported(self) -> None:
        """Of what serves clients nothing but plain values."""
        done = subprocess.run([sys.executable, "-c", IMPORTED], capture_output=True, text=True, check=True)
        self.assertEqual(done.stdout.split(), ["orosync.transport.settings"])
