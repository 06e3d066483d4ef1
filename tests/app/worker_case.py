"""Doubles for the tests of what has to do with worker processes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twisted.internet.defer import Deferred

from orosync.app.worker_process import WorkerState
from orosync.app.worker_settings import WorkerSettings
from orosync.errors import ChannelLost, NotDone


def settings(place: int = 0, node: str = "web/1", waits: bool = False, **changes: Any) -> WorkerSettings:
    """Those of a worker of a router with two."""
    found: dict[str, Any] = {
        "path": "/nowhere/router.ini",
        "workers": 2,
        "endpoints": {"one": "tcp:0:interface=127.0.0.1"},
        "secrets": {},
        "users": [],
        "key": b"k" * 32,
        "log_level": "info",
    }
    return WorkerSettings(place=place, node=node, waits=waits, **{**found, **changes})


class FakeChannel:
    """Notes what is sent; ``answers`` has by name what questions are answered with, a value or an exception."""

    def __init__(self) -> None:
        self.sent: list[tuple[Any, ...]] = []
        self.asked: list[tuple[Any, ...]] = []
        self.answers: dict[str, Any] = {}

    def send(self, *frame: Any) -> None:
        self.sent.append(frame)

    def ask(self, *frame: Any) -> Deferred[Any]:
        self.asked.append(frame)
        answer: Deferred[Any] = Deferred()
        found = self.answers.get(" ".join(map(str, frame[:2])), self.answers.get(frame[0]))
        if isinstance(found, Exception):
            answer.errback(found)
        elif isinstance(found, Deferred):
            return found
        else:
            answer.callback(found)
        return answer


class FakeWorker:
    """A WorkerProcess without a process: the test says what happens to it."""

    all: list[FakeWorker] = []  # noqa: RUF012 (emptied by each test)
    startable = True

    def __init__(self, reactor: Any, settings: WorkerSettings, owner: Any) -> None:
        self.settings, self.owner = settings, owner
        self.node, self.place = settings.node, settings.place
        self.reactor = reactor
        self.state = WorkerState.STARTING
        self.looks = 0
        self.since = reactor.seconds()
        self.clients = 0
        self.health: dict[str, Any] = {"status": "ready", "wrong": {}}
        self.faults: list[str] = []
        self.channel = FakeChannel()
        self.handed: list[int] = []
        self.terminated: list[float] = []
        self.killed: list[str] = []
        self.watches: list[tuple[Any, ...]] = []
        self.waiting: list[tuple[WorkerState, Deferred[None]]] = []
        FakeWorker.all.append(self)
        self.pid = len(FakeWorker.all)

    @property
    def serves(self) -> bool:
        return self.state is WorkerState.READY

    def start(self, sockets: Any) -> None:
        if not self.startable:
            raise OSError(11, "Resource temporarily unavailable")

    def hand_over(self, sockets: Any, place: int) -> None:
        self.handed.append(place)

    def terminate(self, seconds: float) -> None:
        self.terminated.append(seconds)

    def kill(self, reason: str) -> None:
        self.killed.append(reason)

    def watch(
        self, verb: str, arguments: Any, line: Callable[[Any], None], over: Callable[[], None]
    ) -> tuple[Deferred[None], Callable[[], None]]:
        self.watches.append((verb, dict(arguments), line, over))
        return self.channel.ask("worker.watch", verb), lambda: self.channel.send("worker.unwatch")

    def when(self, state: WorkerState) -> Deferred[None]:
        waiting: Deferred[None] = Deferred()
        self.waiting.append((state, waiting))
        return waiting

    # -- what happens

    def ready(self) -> None:
        self.state, self.looks, self.since = WorkerState.READY, 0, self.reactor.seconds()
        self.owner.served(self)
        self._tell(WorkerState.READY)

    def drains(self) -> None:
        self.state = WorkerState.DRAINING
        self.owner.leaves(self)

    def end(self, code: str = "exit", words: str = "exit status 1", *faults: str) -> None:
        self.faults = list(faults)
        before, self.state = self.state, WorkerState.ENDED
        self.owner.ended(self, before, code, words)
        self._tell(WorkerState.ENDED)

    def _tell(self, state: WorkerState) -> None:
        waiting, self.waiting = self.waiting, []
        for wanted, deferred in waiting:
            if wanted is state:
                deferred.callback(None)
            elif state is WorkerState.ENDED:
                deferred.errback(NotDone("it has ended"))
            else:
                self.waiting.append((wanted, deferred))


GONE = ChannelLost("the other process has closed it")
