"""The process of a worker: as ``taps.worker`` starts it; which workers there are is decided in ``app.workers``.

Its channel to the supervisor is descriptor CHANNEL. It is told its settings, gets its sockets, builds the router from
the configuration as a router without workers does, and serves until it is told to stop (SIGTERM), or until the
supervisor is gone: then it ends at once, with its clients.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import attrs
import msgspec
from twisted.internet.defer import Deferred, maybeDeferred
from twisted.internet.interfaces import IListeningPort, IProtocolFactory, IStreamServerEndpoint
from twisted.internet.task import LoopingCall, deferLater
from twisted.logger import ILogObserver, LogEvent, Logger, formatEvent

from orosync.app.container import Container
from orosync.app.ending import Ending
from orosync.app.process import fail_process, settle_memory
from orosync.app.service import RouterService
from orosync.app.sockets import AdoptedEndpoint
from orosync.app.worker_settings import WorkerSettings
from orosync.backplane.channel import ProcessChannel
from orosync.backplane.local import LocalBackplane
from orosync.config import Configuration, load
from orosync.demo.endpoints import HttpAnswer, HttpCall
from orosync.errors import ConfigError, NotDone
from orosync.ops.answers import plain
from orosync.ops.control import Rejected, StreamingVerb, Verb
from orosync.ops.relayed_log import relay
from orosync.transport.accepting import accept_few
from orosync.transport.longpoll_relay import RelayedPoll
from orosync.transport.settings import PollAnswer

CHANNEL = 3
"""The descriptor."""

ALIVE = 1.0
"""Seconds between two signs of life."""

MOST_UNSENT = 1 << 20
"""Bytes for the supervisor that may wait; lines of the log beyond that are left out."""

WAIT, MOST_WAITS = 0.02, 50
"""Seconds between two looks at whether everything has been sent at the end, and how many there are."""

REFUSED = 2.0
"""Seconds for the reasons of a failed start to arrive."""

_PR_SET_PDEATHSIG = 1


class ServingWorker:
    """This process, from its first frame to its end."""

    _log = Logger()

    def __init__(self, reactor: Any, ending: Ending, begin_logging: Callable[[list[ILogObserver]], object]) -> None:
        self._reactor = reactor
        self._ending = ending
        self._begin_logging = begin_logging
        self._settings: WorkerSettings | None = None
        self._sockets: dict[tuple[int, str], int] = {}
        self._serving: dict[str, Callable[[int], IListeningPort]] = {}
        self._covering: dict[tuple[int, str], IListeningPort] = {}
        self._watching: dict[int, Callable[[], None]] = {}
        self._polls: dict[tuple[str, int], RelayedPoll] = {}
        self._router: RouterService | None = None
        self._stopped = False
        self._muted = False
        self._alive = LoopingCall(self._send_alive)
        self._alive.clock = reactor
        self.channel = channel = ProcessChannel(self._lost)
        self._backplane = LocalBackplane(channel, reactor)
        channel.on("worker.start", self._start)
        channel.on_descriptor("worker.socket", self._socket)
        channel.on("worker.uncover", self._uncover)
        channel.on("worker.hold", self._hold)
        channel.on("worker.lead", self._lead)
        channel.on("worker.unwatch", self._unwatch)
        channel.on("worker.poll_gone", self._poll_gone)
        channel.on_question("worker.poll", self._poll)
        channel.on_question("worker.demo", self._demo)
        channel.on_question("worker.resign", self._resign)
        channel.on_question("worker.reload", self._reload)
        channel.on_question("worker.verb", self._verb)
        channel.on_question("worker.watch", self._watch)
        channel.on_question("worker.metrics", self._metrics)
        channel.on_question("worker.nodes", self._nodes)
        channel.on_question("worker.receivers", self._receivers)

    # -- for the router

    @property
    def waits(self) -> bool:
        """Whether what exists once is started later."""
        return self._settings is not None and self._settings.waits

    @property
    def first(self) -> bool:
        """Whether this worker tells what all workers find."""
        return self._settings is not None and self._settings.place == 0

    def load(self, path: Path) -> Configuration:
        """The configuration as it is now, for this worker."""
        assert self._settings is not None
        return self._settings.adapt(load(path, os.environ))

    def listen(
        self,
        name: str,
        factory: IProtocolFactory,
        secure: Callable[[IStreamServerEndpoint], IStreamServerEndpoint],
        opened: Callable[[IListeningPort], None],
    ) -> bool:
        """Serve [listen:``name``] on the sockets that the supervisor hands over, now and later; ``opened`` gets the
        port of this worker's own. Whether there is one."""

        def adopt(descriptor: int) -> IListeningPort:
            listening = secure(AdoptedEndpoint(self._reactor, descriptor)).listen(factory)
            port: IListeningPort = listening.result  # type: ignore[assignment]
            accept_few(port)
            return port

        assert self._settings is not None
        own = self._sockets.pop((self._settings.place, name), None)
        if own is None:
            return False
        opened(adopt(own))
        self._serving[name] = adopt
        return True

    @property
    def number(self) -> str:
        """What the names of this worker's transports begin with."""
        assert self._settings is not None
        return self._settings.node.rpartition("/")[2]

    def poll(self, worker: str, key: int, listener: str, name: str, verb: str, body: bytes) -> Deferred[Any]:
        """See transport.settings.OtherWorkers."""
        return self._ask_other(worker, "worker.poll", self.number, key, listener, name, verb, body)

    def poll_gone(self, worker: str, key: int) -> None:
        """See transport.settings.OtherWorkers."""
        self.channel.send("worker.tell_other", worker, "worker.poll_gone", [self.number, key])

    def ask_demo(self, call: HttpCall) -> Deferred[HttpAnswer]:
        """The answer of the first worker's demonstration."""
        return self._ask_other("", "worker.demo", attrs.asdict(call)).addCallback(lambda found: HttpAnswer(**found))

    def _ask_other(self, worker: str, name: str, *fields: Any) -> Deferred[Any]:
        """Ask the worker of that number, "" for the first."""
        return self.channel.ask("worker.ask_other", worker, name, list(fields))

    def ready(self) -> None:
        """In service."""
        self.channel.send("worker.ready")

    def draining(self) -> None:
        """No further client is admitted."""
        self._serving.clear()
        while self._covering:
            self._covering.popitem()[1].stopListening()
        self.channel.send("worker.draining")

    # -- what the supervisor says

    def _start(self, settings: Any) -> None:
        self._settings = told = msgspec.convert(settings, WorkerSettings)
        self._begin_logging([relay(told.log_level, self._relay)])
        self._ending.tell_also(self._log_here)
        try:
            configuration = self.load(Path(told.path))
            container = Container(
                configuration, self._reactor, local=self._backplane, key=told.key, demo_users=told.demo_users()
            )
            router = self._router = RouterService(container, self._ending, self)
        except ConfigError as error:
            self.refuse(error.faults)
            return
        except Exception as error:
            self._log.failure("the router cannot be built")
            self.refuse([f"the router cannot be built: {type(error).__name__}: {error}"])
            return
        self._reactor.addSystemEventTrigger("before", "shutdown", self._stop, router)
        try:
            router.startService()
        except SystemExit:
            self.refuse(["a listener cannot be opened"])
            return
        self._alive.start(ALIVE)
        settle_memory()

    def _stop(self, router: RouterService) -> Deferred[None]:
        async def stop() -> None:
            await router.stopService()
            self._stopped = True
            if self._alive.running:
                self._alive.stop()
            for _ in range(MOST_WAITS):  # the last lines of the log
                if self.channel.queued:
                    await deferLater(self._reactor, WAIT)

        return Deferred.fromCoroutine(stop())

    def refuse(self, faults: Sequence[str]) -> None:
        """It cannot serve: the supervisor is told why, and this process ends."""
        self.channel.send("worker.refused", list(faults))
        self._reactor.callLater(REFUSED, fail_process, self._reactor)

    def _log_here(self, event: LogEvent) -> None:
        """What is said when the reactor is stuck, or its channel gone, and no line of the log arrives any more."""
        text = formatEvent(event)
        if text and self._settings is not None:
            # One write: other workers have the same stderr.
            print(f"{self._settings.node}: {text}\n", end="", file=sys.__stderr__, flush=True)

    def _relay(self, event: object) -> None:
        if threading.current_thread() is not threading.main_thread():
            self._reactor.callFromThread(self._relay, event)
        elif self.channel.queued < MOST_UNSENT and not self._muted:
            self.channel.send("worker.log", event)

    def _send_alive(self) -> None:
        assert self._router is not None
        self.channel.send("worker.alive", self._router.client_count, self._router.health())

    def _socket(self, descriptor: int, name: str, place: int) -> None:
        adopt = self._serving.get(name)
        if adopt is None:
            self._sockets[place, name] = descriptor
        elif (place, name) in self._covering:
            os.close(descriptor)
        else:
            self._covering[place, name] = adopt(descriptor)

    def _uncover(self, place: int) -> None:
        for key in [key for key in self._covering if key[0] == place]:
            self._covering.pop(key).stopListening()

    def _hold(self) -> None:
        """Accept nothing more: another worker does."""
        assert self._router is not None
        self._router.hold()
        for port in self._covering.values():
            stopping: Any = port
            stopping.stopReading()

    def _lead(self) -> None:
        assert self._router is not None
        self._router.lead()

    def _resign(self) -> Deferred[None]:
        assert self._router is not None
        return Deferred.fromCoroutine(self._router.resign())

    def _lost(self, reason: str) -> None:
        """The supervisor is gone, or of another version, or the reactor of this process has ended."""
        self._backplane.lost(reason)
        if self._stopped:
            return
        node = self._settings.node if self._settings is not None else "a worker"
        print(f"orosync: {node} ends, since its channel to the supervisor has: {reason}", file=sys.__stderr__)
        self._ending.end_now(1)

    # -- its questions

    def _reload(self, teller: str) -> Any:
        """Only the worker named ``teller`` writes to the log what all find."""
        assert self._router is not None and self._settings is not None
        self._muted = teller != self._settings.node
        try:
            return plain(self._router.reload())
        finally:
            self._muted = False

    def _metrics(self) -> Deferred[Any]:
        assert self._router is not None
        return self._router.snapshot()

    def _poll(self, asker: str, key: int, listener: str, name: str, verb: str, body: bytes) -> Any:
        """A request that another worker has received."""
        assert self._router is not None
        poll = self._router.relayed(listener, name, verb, body)
        if poll is None:
            return 404, b"", False
        self._polls[asker, key] = poll

        def answered(answer: PollAnswer) -> PollAnswer:
            self._polls.pop((asker, key), None)
            return answer

        return poll.answered.addCallback(answered)

    def _poll_gone(self, asker: str, key: int) -> None:
        poll = self._polls.pop((asker, key), None)
        if poll is not None:
            poll.gone()

    def _demo(self, call: dict[str, Any]) -> Any:
        assert self._router is not None
        return attrs.asdict(self._router.demo_answer(HttpCall(**call)))

    def _nodes(self) -> Any:
        assert self._router is not None
        return self._router.other_nodes()

    def _receivers(self, realm: str, topic: str, user: str) -> int:
        assert self._router is not None
        return self._router.verbs.receivers(realm, topic, user)

    def _verb(self, name: str, arguments: dict[str, Any]) -> Deferred[Any]:
        verb = self._verb_named(name)
        assert isinstance(verb, Verb)
        answer: Deferred[Any] = maybeDeferred(verb.run, arguments)
        return answer.addErrback(_as_not_done)

    def _watch(self, number: int, name: str, arguments: dict[str, Any]) -> Deferred[None]:
        verb = self._verb_named(name)
        assert isinstance(verb, StreamingVerb)

        def emit(line: dict[str, Any]) -> None:
            self.channel.send("worker.line", number, line)

        def end() -> None:
            self._watching.pop(number, None)
            self.channel.send("worker.over", number)

        def started(stop: Callable[[], None]) -> None:
            self._watching[number] = stop

        starting: Deferred[Any] = maybeDeferred(verb.start, arguments, emit, end)
        return starting.addCallbacks(started, _as_not_done)

    def _unwatch(self, number: int) -> None:
        stop = self._watching.pop(number, None)
        if stop is not None:
            stop()

    def _verb_named(self, name: str) -> Verb | StreamingVerb:
        assert self._router is not None
        return self._router.verbs.control.verbs[name]


def _as_not_done(failure: Any) -> None:
    failure.trap(Rejected)
    raise NotDone(failure.getErrorMessage())


def die_with_parent() -> None:
    """Have the system kill this process when its parent ends, should it be stopped or stuck then (prctl(2))."""
    with suppress(OSError, AttributeError):
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
