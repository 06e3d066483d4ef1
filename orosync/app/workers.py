"""Which worker processes there are: started, watched, started again when they end, replaced, stopped.

A worker has a place, from 0 to the number of workers less one, with its own sockets; in each place there is one worker,
and while it is replaced its successor besides. A worker that ends by itself is started again in its place, after a
pause that grows while it ends soon. One that gives no sign of life is killed. Meanwhile another one accepts from its
sockets, so that no client waits. At the start of the router clients wait for the worker whose sockets they came to:
otherwise most of those who come back after a restart would stay with the worker that was the first to serve.
"""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from typing import Any, Protocol

import attrs
from twisted.internet.defer import Deferred, DeferredList, TimeoutError
from twisted.internet.interfaces import IDelayedCall
from twisted.internet.task import LoopingCall, deferLater
from twisted.logger import Logger

from orosync.app.ending import GRACE
from orosync.app.hub import Hub
from orosync.app.worker_process import WorkerProcess, WorkerState
from orosync.app.worker_settings import WorkerSettings
from orosync.errors import ChannelLost, NotDone
from orosync.interfaces import IJournal

LOOK = 1.0
"""Seconds between two looks at all workers; each gives a sign of life as often."""

SUSPECT, SILENT = 3, 10
"""Looks without a sign of life after which another worker accepts in its place, and after which it is killed."""

LATE = 10
"""Looks after which another worker accepts in the place of one that does not serve yet, at the start of the router."""

UNKILLABLE = 15
"""Looks after which one that was killed should have ended: only systemd can help then."""

ANSWER_WITHIN = 8.0
"""Seconds for an answer; a worker that takes longer is left out of what all answer."""

STARTING = 60
"""Looks within which a worker has to serve."""

UPGRADES = 0.5
"""Seconds from when a worker accepts no connections any more to when it lets its clients go: those whose upgrade is
under way are admitted, and not refused."""

MARGIN = 1.0
"""Seconds more than a worker gives itself to end, in which it says what hangs."""

SHORTEST_PAUSE, LONGEST_PAUSE = 0.1, 10.0
"""Seconds before a worker is started again; doubled each time, unless it has served for the longest."""

MOST_FAILED_STARTS = 5
"""Of one place at the start of the router, in a row, after which the router does not start."""


class Sockets(Protocol):
    """See ``app.sockets.ListeningSockets``."""

    def of(self, place: int) -> Mapping[str, socket.socket]: ...

    def own(self, place: int) -> Mapping[str, socket.socket]: ...


@attrs.define(eq=False)
class _Place:
    number: int
    node: str
    """The name of its worker, also of one that is started again."""
    worker: WorkerProcess | None = None
    successor: WorkerProcess | None = None
    cover: WorkerProcess | None = None
    """Who accepts from its sockets as well."""
    pause: float = SHORTEST_PAUSE
    failed_starts: int = 0
    again: IDelayedCall | None = None


class Workers:
    """``settings(place, node, waits)`` are those of a new worker. ``ready`` is called when all serve for the first
    time, ``failed`` with lines for the log when that will not be. ``drain``: seconds for clients to be let go."""

    _log = Logger()

    def __init__(
        self,
        reactor: Any,
        journal: IJournal,
        count: int,
        node: str,
        drain: float,
        sockets: Sockets,
        hub: Hub | None,
        settings: Callable[[int, str, bool], WorkerSettings],
        ready: Callable[[], None],
        failed: Callable[[list[str]], None],
    ) -> None:
        self._reactor = reactor
        self._journal = journal
        self._node = node
        self._drain = drain
        self._sockets = sockets
        self._hub = hub
        self._settings = settings
        self._ready = ready
        self._failed = failed
        self._places = [_Place(number, f"{node}/{number + 1}") for number in range(count)]
        self._retiring: set[WorkerProcess] = set()
        self._last_number = count
        self._started = False
        self._stops = False
        self._leaving = False
        self._replacing = False
        self._looks = LoopingCall(self._look)
        self._looks.clock = reactor

    # -- what there is

    @property
    def all(self) -> list[WorkerProcess]:
        """Every worker whose process there is."""
        there = (one for place in self._places for one in (place.worker, place.successor) if one is not None)
        return [*there, *self._retiring]

    @property
    def serving(self) -> list[WorkerProcess]:
        """Those that can be asked, the one with what exists once first."""
        return [one for one in self.all if one.state in (WorkerState.READY, WorkerState.DRAINING)]

    def missing(self) -> Iterator[str]:
        """The names of the places in which no worker serves."""
        for place in self._places:
            if place.worker is None or not place.worker.serves or place.worker.looks >= SUSPECT:
                yield place.node

    def alive(self) -> bool:
        """Whether each has given a sign of life lately, or is being started: one that was killed for its silence has a
        moment to end."""
        return all(one.looks < UNKILLABLE for one in self.all if one.state is not WorkerState.STARTING)

    # -- starting

    def start(self) -> None:
        """Start all of them."""
        for place in self._places:
            self._spawn(place)
        self._looks.start(LOOK, now=False)

    def _spawn(self, place: _Place, node: str = "") -> WorkerProcess | None:
        """A new worker in ``place``; ``node`` is a successor's name. None where no process can be started."""
        place.again = None
        name = node or place.node
        worker = WorkerProcess(self._reactor, self._settings(place.number, name, bool(node)), self)
        if self._hub is not None:
            self._hub.add(worker.node, worker.channel)
        if node:
            place.successor = worker
        else:
            place.worker = worker
        try:
            worker.start(self._sockets.of(place.number))
        except OSError as error:
            worker.state = WorkerState.ENDED
            self.ended(worker, WorkerState.STARTING, "exit", f"no process can be started ({error.strerror})")
            return None
        return worker

    # -- what workers tell (WorkerOwner)

    def served(self, worker: WorkerProcess) -> None:
        """See WorkerOwner."""
        place = self._places[worker.place]
        place.failed_starts = 0
        self._log.info("worker {node} serves (process {pid})", node=worker.node, pid=worker.pid)
        if worker is place.worker:
            self._uncover(place)
        for other in self._places:  # those for which no worker was there
            if other.cover is None and not (other.worker is not None and other.worker.serves):
                self._cover(other)
        if not self._started and not any(self.missing()):
            self._started = True
            self._ready()

    def recovered(self, worker: WorkerProcess) -> None:
        """See WorkerOwner."""
        place = self._places[worker.place]
        if worker is place.worker and worker.serves:
            self._uncover(place)

    def leaves(self, worker: WorkerProcess) -> None:
        """See WorkerOwner."""
        place = self._places[worker.place]
        self._recover_others(worker)
        if worker is place.worker and not self._stops and not self._leaving:
            self._cover(place)

    def ended(self, worker: WorkerProcess, state: WorkerState, code: str, words: str) -> None:
        """See WorkerOwner."""
        if self._hub is not None:
            self._hub.remove(worker.node, words)
        place = self._places[worker.place]
        for fault in worker.faults:
            self._log.error("{fault}", fault=fault)
        self._recover_others(worker)
        if worker is place.successor:
            place.successor = None
            self._journal.note("worker.ended", code, node=worker.node, process=worker.pid, reason=words)
            return
        if worker is not place.worker:
            self._retiring.discard(worker)
            self._log.info("worker {node} has ended, it was replaced", node=worker.node)
            return
        place.worker = None
        if self._stops or self._leaving:
            return
        if self._reactor.seconds() - worker.since >= LONGEST_PAUSE and state is not WorkerState.STARTING:
            place.pause = SHORTEST_PAUSE
        pause, place.pause = place.pause, min(LONGEST_PAUSE, place.pause * 2)
        self._journal.note(
            "worker.ended", code, node=worker.node, process=worker.pid, reason=words, again_in=round(pause, 1)
        )
        if not self._started and state is WorkerState.STARTING:
            place.failed_starts += 1
            if worker.faults or place.failed_starts >= MOST_FAILED_STARTS:
                self._stops = True
                self._failed(worker.faults or [f"worker {worker.node} cannot start: {words}"])
                return
        self._cover(place)
        if place.successor is None:
            place.again = self._reactor.callLater(pause, self._spawn, place)

    def find(self, number: str) -> WorkerProcess | None:
        """See WorkerOwner; "" is the one with what exists once."""
        serving = self.serving
        if not number:
            return serving[0] if serving and serving[0].place == 0 else None
        return next((one for one in serving if one.node.rpartition("/")[2] == number), None)

    # -- sockets of places without a worker

    def _cover(self, place: _Place) -> None:
        """Have another worker accept from the sockets of ``place``."""
        if place.cover is not None or self._stops or self._leaving:
            return
        if self._is_awaited(place):
            return
        own = self._sockets.own(place.number)
        there = [one.worker for one in self._places if one is not place and one.worker is not None]
        others = [one for one in there if one.serves and one.looks < SUSPECT]
        if not own or not others:
            return
        place.cover = min(others, key=lambda one: sum(other.cover is one for other in self._places))
        place.cover.hand_over(own, place.number)

    def _is_awaited(self, place: _Place) -> bool:
        """Whether its worker is being started with the router, and may serve at any moment."""
        worker = place.worker
        if worker is None or worker.state is not WorkerState.STARTING:
            return False
        return not self._started and not place.failed_starts and worker.looks < LATE

    def _uncover(self, place: _Place) -> None:
        cover, place.cover = place.cover, None
        if cover is not None:
            cover.channel.send("worker.uncover", place.number)

    def _recover_others(self, gone: WorkerProcess) -> None:
        """Have others accept where ``gone`` did besides its own."""
        for place in self._places:
            if place.cover is gone:
                place.cover = None
                self._cover(place)

    # -- signs of life

    def _look(self) -> None:
        for worker in self.all:
            worker.looks += 1
            if worker.state is WorkerState.STARTING:
                if worker.looks >= STARTING:
                    worker.kill(f"it does not serve within {STARTING * LOOK:g} s")
                elif worker.looks == LATE and worker is self._places[worker.place].worker:
                    self._cover(self._places[worker.place])
            elif worker.looks >= SILENT:
                worker.kill(f"no sign of life for {SILENT * LOOK:g} s")
            elif worker.looks == SUSPECT and worker is self._places[worker.place].worker:
                self._recover_others(worker)
                self._cover(self._places[worker.place])

    # -- replacing

    async def replace(self, told: Callable[[int, int], None]) -> None:
        """Replace all workers by new processes, one after the other: each serves before its predecessor lets its
        clients go. ``told`` is called with how many are done, of how many. Raises NotDone; the others stay then."""
        if self._replacing or not self._started or self._stops or self._leaving:
            raise NotDone("the workers are starting, stopping or being replaced already")
        self._replacing = True
        try:
            for done, place in enumerate(self._places):
                told(done, len(self._places))
                await self._replace(place)
            told(len(self._places), len(self._places))
        finally:
            self._replacing = False

    async def _replace(self, place: _Place) -> None:
        self._last_number += 1
        successor = self._spawn(place, f"{self._node}/{self._last_number}")
        if successor is None:
            raise NotDone("no process can be started, the log has the reason")
        try:
            await successor.when(WorkerState.READY)
        except NotDone as error:
            if place.worker is None and place.again is None and not self._stops:
                self._spawn(place)
            raise NotDone("\n".join(successor.faults) or f"worker {successor.node}: {error}") from None
        old, place.worker, place.successor = place.worker, successor, None
        place.node = successor.node
        if old is not None and place.number == 0:
            with suppress(ChannelLost, NotDone):  # it has ended
                await old.channel.ask("worker.resign")
        self._uncover(place)
        successor.channel.send("worker.lead")
        if old is not None and old.state is not WorkerState.ENDED:
            self._retiring.add(old)
            old.channel.send("worker.hold")
            await deferLater(self._reactor, UPGRADES)
            old.terminate(self._drain + GRACE + MARGIN)
            await old.when(WorkerState.ENDED)

    # -- stopping

    def let_go(self) -> None:
        """Workers that end from now on are not started again: their clients are to go elsewhere."""
        self._leaving = True

    async def stop(self) -> None:
        """Have all of them let their clients go and end."""
        self._stops = True
        if self._looks.running:
            self._looks.stop()
        for place in self._places:
            if place.again is not None:
                place.again.cancel()
                place.again = None
        ending: list[Deferred[None]] = []
        for worker in self.all:
            ending.append(worker.when(WorkerState.ENDED))
            worker.terminate(self._drain + GRACE + MARGIN)
        await DeferredList(ending)

    # -- asking

    async def ask_all(self, name: str, *fields: Any) -> list[tuple[WorkerProcess, Any]]:
        """The answers of all that serve and answer in time, with who gave them. Raises NotDone when one says why it
        cannot."""
        asked = [(one, one.channel.ask(name, *fields)) for one in self.serving if one.looks < SUSPECT]
        for _, answer in asked:
            answer.addTimeout(ANSWER_WITHIN, self._reactor)
        found: list[tuple[WorkerProcess, Any]] = []
        refused: NotDone | None = None
        for worker, answer in asked:
            try:
                found.append((worker, await answer))
            except (ChannelLost, TimeoutError):
                continue
            except NotDone as error:
                refused = error
        if refused is not None:
            raise refused
        return found
