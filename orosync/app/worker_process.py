"""A worker process, as its supervisor sees it: started, listened to, stopped or killed.

``app.worker`` is what it runs; ``app.workers`` decides which workers there are.
"""

from __future__ import annotations

import os
import signal
import socket
import sys
from collections.abc import Callable, Mapping
from contextlib import suppress
from enum import Enum
from typing import Any, Protocol

import msgspec
from twisted.internet.defer import Deferred
from twisted.internet.error import ProcessDone, ProcessExitedAlready, ProcessTerminated
from twisted.internet.interfaces import IDelayedCall
from twisted.internet.protocol import ProcessProtocol
from twisted.logger import globalLogPublisher
from twisted.python.failure import Failure

from orosync.app.worker_settings import WorkerSettings
from orosync.backplane.channel import ProcessChannel, connect, pair
from orosync.errors import ChannelLost, NotDone
from orosync.ops.relayed_log import RelayedEvent, log_event

MODULE = "orosync.taps.worker"
"""What a worker runs."""

UNTALKABLE = 5.0
"""Seconds for a worker to end whose channel has ended."""

SYSTEMD_VARIABLES = ("NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID", "LISTEN_FDS", "LISTEN_FDNAMES", "LISTEN_PID")
"""Meant for the supervisor alone."""


class WorkerState(Enum):
    """Of one worker process."""

    STARTING = "starting"
    READY = "ready"
    DRAINING = "draining"
    ENDED = "ended"


class WorkerOwner(Protocol):
    """Who knows all workers by the numbers in their names, and is told of a worker's life: that it serves, that it goes
    on after a silence, that it admits no further client, and that it has ended, in which ``state``, with a reason code
    and words."""

    def served(self, worker: WorkerProcess) -> None: ...

    def recovered(self, worker: WorkerProcess) -> None: ...

    def leaves(self, worker: WorkerProcess) -> None: ...

    def ended(self, worker: WorkerProcess, state: WorkerState, code: str, words: str) -> None: ...

    def find(self, number: str) -> WorkerProcess | None: ...


class WorkerProcess(ProcessProtocol):
    """One process. ``looks``: how often it was looked at since its last sign of life."""

    def __init__(self, reactor: Any, settings: WorkerSettings, owner: WorkerOwner) -> None:
        self._reactor = reactor
        self._owner = owner
        self.settings = settings
        self.node, self.place = settings.node, settings.place
        self.state = WorkerState.STARTING
        self._watches: dict[int, tuple[Callable[[dict[str, Any]], None], Callable[[], None]]] = {}
        self._last_watch = 0
        self._waiting: list[tuple[WorkerState, Deferred[None]]] = []
        self.looks = 0
        self.since = reactor.seconds()
        self.clients = 0
        self.health: dict[str, Any] = {"status": "unready", "wrong": {}}
        self.faults: list[str] = []
        self.pid = 0
        self._killed = ""
        self._process: Any = None
        self._kill: IDelayedCall | None = None
        self.channel = channel = ProcessChannel(self._lost)
        channel.on("worker.ready", self._ready)
        channel.on("worker.alive", self._alive)
        channel.on("worker.draining", self._draining)
        channel.on("worker.refused", self._refused)
        channel.on("worker.log", self._log)
        channel.on("worker.tell_other", self._tell_other)
        channel.on_question("worker.ask_other", self._ask_other)
        channel.on("worker.line", self._line)
        channel.on("worker.over", self._over)

    @property
    def serves(self) -> bool:
        """Whether it admits clients."""
        return self.state is WorkerState.READY

    def start(self, sockets: Mapping[str, socket.socket]) -> None:
        """Start the process with its ``sockets``, by listener. Raises OSError."""
        mine, its = pair()
        null = os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC)
        environ = {name: value for name, value in os.environ.items() if name not in SYSTEMD_VARIABLES}
        environ["PYTHONPATH"] = os.pathsep.join(filter(None, sys.path))
        command = [sys.executable, "-m", MODULE, self.node]
        try:
            self._process = self._reactor.spawnProcess(
                self, sys.executable, command, env=environ, childFDs={0: null, 1: 1, 2: 2, 3: its}
            )
        except BaseException:
            os.close(mine)
            raise
        finally:
            os.close(its)
            os.close(null)
        self.pid = self._process.pid
        connect(self._reactor, mine, self.channel)
        self.hand_over(sockets)
        self.channel.send("worker.start", msgspec.to_builtins(self.settings, builtin_types=(bytes,)))

    def hand_over(self, sockets: Mapping[str, socket.socket], place: int | None = None) -> None:
        """Have it accept from these sockets too, of another ``place``."""
        for name, one in sockets.items():
            self.channel.send_descriptor("worker.socket", one.fileno(), name, self.place if place is None else place)

    def terminate(self, seconds: float) -> None:
        """Have it let its clients go and end; it is killed after ``seconds``."""
        self._signal("TERM")
        if self._kill is None and self.state is not WorkerState.ENDED:
            self._kill = self._reactor.callLater(seconds, self.kill, f"it has not ended within {seconds:g} s")

    def kill(self, reason: str) -> None:
        """End it now."""
        self._killed = reason
        self._signal("KILL")

    def _signal(self, name: str) -> None:
        with suppress(ProcessExitedAlready):
            self._process.signalProcess(name)

    # -- what it is asked

    def watch(
        self, verb: str, arguments: Mapping[str, Any], line: Callable[[dict[str, Any]], None], over: Callable[[], None]
    ) -> tuple[Deferred[None], Callable[[], None]]:
        """Start a verb that goes on: what fires when it has begun, or fails with NotDone or ChannelLost, and what ends
        it. ``over`` is called when nothing more will come, also when the process has ended."""
        self._last_watch = number = self._last_watch + 1
        self._watches[number] = line, over

        def stop() -> None:
            if self._watches.pop(number, None) is not None:
                self.channel.send("worker.unwatch", number)

        return self.channel.ask("worker.watch", number, verb, dict(arguments)), stop

    def _line(self, number: int, line: dict[str, Any]) -> None:
        if number in self._watches:
            self._watches[number][0](line)

    def _over(self, number: int) -> None:
        watch = self._watches.pop(number, None)
        if watch is not None:
            watch[1]()

    # -- what it says

    def _ready(self) -> None:
        self.state, self.looks = WorkerState.READY, 0
        self.since = self._reactor.seconds()
        self._owner.served(self)
        self._tell(WorkerState.READY)

    def _alive(self, clients: int, health: dict[str, Any]) -> None:
        silent, self.looks = self.looks, 0
        self.clients, self.health = clients, health
        if silent > 1:
            self._owner.recovered(self)

    def _draining(self) -> None:
        self.state = WorkerState.DRAINING
        self._owner.leaves(self)

    def _refused(self, faults: list[str]) -> None:
        self.faults = faults
        self.kill("it cannot start")

    def _log(self, relayed: Any) -> None:
        globalLogPublisher(log_event(self.node, msgspec.convert(relayed, RelayedEvent)))

    def _lost(self, reason: str) -> None:
        """It has ended, or cannot be talked to."""
        if self.state is not WorkerState.ENDED and self._kill is None:
            self._kill = self._reactor.callLater(UNTALKABLE, self.kill, f"its channel has ended: {reason}")

    def _ask_other(self, number: str, name: str, fields: list[Any]) -> Deferred[Any]:
        """It asks another worker: of that number, or the first one."""
        other = self._owner.find(number)
        if other is None:
            raise NotDone("there is no such worker")

        def gone(failure: Failure) -> None:
            failure.trap(ChannelLost)
            raise NotDone(failure.getErrorMessage())

        return other.channel.ask(name, *fields).addErrback(gone)

    def _tell_other(self, number: str, name: str, fields: list[Any]) -> None:
        other = self._owner.find(number)
        if other is not None:
            other.channel.send(name, *fields)

    # -- its end

    def processEnded(self, reason: Failure) -> None:
        """See ProcessProtocol."""
        if self._kill is not None and self._kill.active():
            self._kill.cancel()
        state, self.state = self.state, WorkerState.ENDED
        self.channel.finish("the process has ended")
        code, words = _cause(reason, self._killed)
        for number in tuple(self._watches):
            self._over(number)
        self._owner.ended(self, state, code, words)
        self._tell(WorkerState.ENDED, words)

    def when(self, state: WorkerState) -> Deferred[None]:
        """Fires when it is READY or ENDED. Fails with NotDone when it ends before it is READY."""
        waiting: Deferred[None] = Deferred()
        if self.state is state:
            waiting.callback(None)
        elif self.state is WorkerState.ENDED:
            waiting.errback(NotDone("it has ended"))
        else:
            self._waiting.append((state, waiting))
        return waiting

    def _tell(self, state: WorkerState, words: str = "") -> None:
        waiting, self._waiting = self._waiting, []
        for wanted, deferred in waiting:
            if wanted is state:
                deferred.callback(None)
            elif state is WorkerState.ENDED:
                deferred.errback(NotDone(words))
            else:
                self._waiting.append((wanted, deferred))


def _cause(reason: Failure, killed: str) -> tuple[str, str]:
    """Why a process has ended: a code, and words."""
    value: Any = reason.value
    if isinstance(value, ProcessDone):
        return "exit", "it ended by itself"
    if isinstance(value, ProcessTerminated) and value.signal is not None:
        name = signal.Signals(value.signal).name
        return ("killed", killed) if killed else ("signal", f"signal {name}")
    return "exit", f"exit status {getattr(value, 'exitCode', None)}"
