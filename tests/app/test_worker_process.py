"""orosync.app.worker_process: a child process that speaks as a worker does, and what is noted of it."""

from __future__ import annotations

import os
import socket
import textwrap
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.internet.task import deferLater
from twisted.logger import globalLogPublisher
from twisted.trial.unittest import TestCase

from orosync.app import worker_process
from orosync.app.worker_process import WorkerProcess, WorkerState
from orosync.errors import ChannelLost, NotDone
from tests.app.worker_case import GONE, FakeChannel, settings

STUB = """
import array, msgspec, os, signal, socket, struct, sys
from orosync import __version__
channel = socket.socket(fileno=3)
def say(*frame):
    data = msgspec.msgpack.encode(frame)
    channel.sendall(struct.pack(">I", len(data)) + data)
descriptors = []
def hear():
    size, data = b"", b""
    while len(size) < 4:
        more, got, *_ = socket.recv_fds(channel, 4 - len(size), 16)
        if not more:
            sys.exit(7)
        size += more
        descriptors.extend(got)
    while len(data) < struct.unpack(">I", size)[0]:
        more, got, *_ = socket.recv_fds(channel, struct.unpack(">I", size)[0] - len(data), 16)
        data += more
        descriptors.extend(got)
    return msgspec.msgpack.decode(data)
say("orosync", PROTOCOL, __version__)
assert hear()[0] == "orosync"
"""


class Owner:
    def __init__(self) -> None:
        self.told: list[tuple[Any, ...]] = []
        self.over: Deferred[None] = Deferred()
        self.others: dict[str, Any] = {}

    def find(self, number: str) -> Any:
        return self.others.get(number)

    def served(self, worker: WorkerProcess) -> None:
        self.told.append(("served",))

    def recovered(self, worker: WorkerProcess) -> None:
        self.told.append(("recovered",))

    def leaves(self, worker: WorkerProcess) -> None:
        self.told.append(("leaves",))

    def ended(self, worker: WorkerProcess, state: WorkerState, code: str, words: str) -> None:
        self.told.append(("ended", state, code, words))
        self.over.callback(None)


class Processes(TestCase):
    timeout = 60

    def start(self, script: str, **sockets: socket.socket) -> WorkerProcess:
        """A worker that runs ``script`` after the first frames."""
        path = Path(self.mktemp()).absolute()
        path.mkdir()
        protocol = "from orosync.backplane.channel import PROTOCOL\n"
        (path / "stub_worker.py").write_text(protocol + STUB + textwrap.dedent(script))
        self.patch(worker_process, "MODULE", "stub_worker")
        self.patch(worker_process.sys, "path", [str(path), *worker_process.sys.path])
        self.owner = Owner()
        worker = WorkerProcess(reactor, settings(), self.owner)
        worker.start(sockets)
        self.addCleanup(worker.kill, "the test ends")
        return worker

    async def test_it_is_told_everything_in_order(self) -> None:
        """Its sockets with their names and its place, then its settings; nothing that systemd tells its service."""
        self.patch(os, "environ", {**os.environ, "NOTIFY_SOCKET": "/nowhere", "LISTEN_FDS": "1"})
        with socket.create_server(("127.0.0.1", 0)) as one:
            number = one.getsockname()[1]
            worker = self.start(
                """
                kind, name, listener, place = hear()
                say(".taken")
                start, told = hear()
                port = socket.socket(fileno=descriptors.pop()).getsockname()[1]
                said = [kind, name, listener, place, start, told["node"], sys.argv]
                say("worker.alive", port, {"wrong": {"x": said}})
                say("worker.alive", 0, {"wrong": [k for k in os.environ if "_FDS" in k or "NOTIFY" in k]})
                say("worker.ready")
                """,
                one=one,
            )
        seen: list[Any] = []
        worker.channel.on("worker.alive", lambda *fields: seen.append(fields))
        await worker.when(WorkerState.READY)
        (port, first), (_, second) = seen
        self.assertEqual(port, number)
        said = first["wrong"]["x"]
        self.assertEqual(said[:6], [".descriptor", "worker.socket", "one", 0, "worker.start", "web/1"])
        self.assertEqual(said[6][1:], ["web/1"])
        self.assertEqual(second["wrong"], [])
        self.assertTrue(worker.serves)
        await self.owner.over
        self.assertEqual(self.owner.told, [("served",), ("ended", WorkerState.READY, "exit", "it ended by itself")])

    async def test_signs_of_life(self) -> None:
        """They bring how many clients there are and how it is; one after a silence is told."""
        worker = self.start('say("worker.ready"); hear(); hear(); say("worker.alive", 7, {"status": "ready"}); hear()')
        await worker.when(WorkerState.READY)
        worker.looks = 5
        worker.channel.send("go")
        worker.channel.send("on")
        while len(self.owner.told) < 2:
            await deferLater(reactor, 0.01)
        self.assertEqual((worker.looks, worker.clients, worker.health), (0, 7, {"status": "ready"}))
        self.assertEqual(self.owner.told, [("served",), ("recovered",)])
        worker.channel.send("end")
        await self.owner.over

    async def test_its_log(self) -> None:
        """It is in ours, with its name."""
        events: list[Any] = []
        globalLogPublisher.addObserver(events.append)
        self.addCleanup(globalLogPublisher.removeObserver, events.append)
        self.start('say("worker.log", [1.0, "warn", "some.where", "look out"])')
        await self.owner.over
        (event,) = (one for one in events if one.get("log_node") == "web/1")
        self.assertEqual((event["log_text"], event["log_level"].name), ("look out", "warn"))

    async def test_what_it_cannot_start_with(self) -> None:
        """The faults are kept, and it ends."""
        worker = self.start('say("worker.refused", ["[realm:x] is wrong"]); hear(); hear(); signal.pause()')
        failure = await self.assertFailure(worker.when(WorkerState.READY), NotDone)
        self.assertEqual(str(failure), "it cannot start")
        self.assertEqual(worker.faults, ["[realm:x] is wrong"])
        self.assertEqual(self.owner.told, [("ended", WorkerState.STARTING, "killed", "it cannot start")])
        await self.assertFailure(worker.when(WorkerState.READY), NotDone)

    async def test_how_it_ended(self) -> None:
        """By a status, or by a signal, which is named."""
        self.start("sys.exit(3)")
        await self.owner.over
        self.assertEqual(self.owner.told[-1][2:], ("exit", "exit status 3"))
        self.start("os.kill(os.getpid(), signal.SIGSEGV)")
        await self.owner.over
        self.assertEqual(self.owner.told[-1][2:], ("signal", "signal SIGSEGV"))

    async def test_terminate(self) -> None:
        """It may do what it has to do before it ends; one that does not end is killed."""
        worker = self.start(
            'signal.signal(signal.SIGTERM, lambda *_: sys.exit(0)); say("worker.ready"); signal.pause()'
        )
        await worker.when(WorkerState.READY)
        worker.terminate(30)
        await worker.when(WorkerState.ENDED)
        self.assertEqual(self.owner.told[-1][2:], ("exit", "it ended by itself"))
        worker = self.start(
            'signal.signal(signal.SIGTERM, signal.SIG_IGN); say("worker.ready"); hear(); signal.pause()'
        )
        await worker.when(WorkerState.READY)
        worker.terminate(0.2)
        await worker.when(WorkerState.ENDED)
        self.assertEqual(self.owner.told[-1][2:], ("killed", "it has not ended within 0.2 s"))

    async def test_verbs_that_go_on(self) -> None:
        """Their lines come until it is over, which also the end of the process is."""
        worker = self.start(
            """
            say("worker.ready")
            hear()
            _, question, _, (number, *_) = hear()
            say("worker.line", number, {"a": 1})
            say(".answer", question, "", None)
            say("worker.line", number, {"a": 2})
            _, question, _, (second, *_) = hear()
            say(".answer", question, "not so", None)
            hear()
            """
        )
        await worker.when(WorkerState.READY)
        lines: list[Any] = []
        over: Deferred[None] = Deferred()
        started, _ = worker.watch("trace", {"user": "x"}, lines.append, lambda: over.callback(None))
        await started
        refused, _ = worker.watch("trace", {}, lines.append, lambda: None)
        await self.assertFailure(refused, NotDone)
        self.assertEqual(lines, [{"a": 1}, {"a": 2}])
        worker.channel.send("end")
        await over
        await self.assertFailure(worker.watch("trace", {}, lines.append, lambda: None)[0], ChannelLost)

    async def test_it_asks_another_worker(self) -> None:
        """It gets that one's answer, or is told that there is none; what it tells another one gets there."""
        worker = self.start(
            """
            say("worker.ready")
            hear(), hear()
            for question, number in enumerate(("", "7", "8")):
                say(".question", question, "worker.ask_other", [number, "worker.poll", [1, b"x"]])
            answers = [hear() for _ in range(3)]
            say("worker.tell_other", "", "worker.poll_gone", [1])
            say("worker.tell_other", "7", "worker.poll_gone", [1])
            say("worker.alive", 0, {"wrong": {"x": answers}})
            hear()
            """
        )
        first, gone = FakeChannel(), FakeChannel()
        first.answers["worker.poll"] = 204
        gone.answers["worker.poll"] = GONE
        self.owner.others = {"": SimpleNamespace(channel=first), "8": SimpleNamespace(channel=gone)}
        await worker.when(WorkerState.READY)
        worker.channel.send("go")
        while not worker.health["wrong"]:
            await deferLater(reactor, 0.01)
        found = [answer[2:] for answer in worker.health["wrong"]["x"]]
        self.assertEqual(found, [["", 204], ["there is no such worker", None], [str(GONE), None]])
        self.assertEqual((first.asked, first.sent), ([("worker.poll", 1, b"x")], [("worker.poll_gone", 1)]))
        worker.channel.send("end")
        await self.owner.over

    async def test_a_channel_that_ends_alone(self) -> None:
        """A process that cannot be told to stop is killed."""
        self.patch(worker_process, "UNTALKABLE", 0.1)
        self.start("channel.close(); signal.pause()")
        await self.owner.over
        self.assertEqual(self.owner.told[-1][2], "killed")
        self.assertIn("its channel has ended", self.owner.told[-1][3])

    async def test_no_process_can_be_started(self) -> None:
        """Nothing is left open."""

        def fail(*args: Any, **options: Any) -> None:
            raise OSError(11, "Resource temporarily unavailable")

        self.patch(reactor, "spawnProcess", fail)
        before = len(os.listdir("/proc/self/fd"))
        worker = WorkerProcess(reactor, settings(), Owner())
        self.assertRaises(OSError, worker.start, {})
        self.assertEqual(len(os.listdir("/proc/self/fd")), before)
