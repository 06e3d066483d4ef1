"""The bounded queue in front of the digests, so that a storm of tickets fills a queue and nothing else.

The urgent lane (the back end) is served first and has room of its own. All other lanes take turns, one for each address
group, so that a storm from one address delays only its own clients; when the room is full, the longest lane loses its
newest job. Every step costs the same, however many jobs wait.
"""

from __future__ import annotations

import os
from collections import OrderedDict, deque
from collections.abc import Callable
from typing import Generic, Protocol, TypeVar, cast

import attrs
from twisted.application.service import Service
from twisted.internet import defer
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.interfaces import IReactorFromThreads, IReactorProcess, IReactorTime
from twisted.logger import Logger
from twisted.python.failure import Failure

from orosync.errors import Unavailable
from orosync.identity import digests
from orosync.identity.digests import merged
from orosync.identity.workers import Pairs, ProcessWorker, ThreadWorker, Worker, WorkerLost
from orosync.interfaces import IJournal
from orosync.metrics import SLOW, Histogram

ROOM = 10_000
"""Digests that may wait: all clients of a listener with the default limit may reconnect at once. One core computes them
within the minute that a reverse proxy waits for an answer, two cores in half of that."""

ROOM_FOR_URGENT = 256
"""More than a second's work on one core: more would not be answered within a second."""

JOBS_AT_A_WORKER = 2
"""One being computed, one on its way, so that a busy reactor does not leave a worker idle."""

MOST_WORKERS = 4

MOST_LOSSES = 2
"""Workers that one job may cost: another loss may be its own fault."""

MOST_HUNG = 3
"""Workers in a row that hang without ever answering, before no more are started."""


IN_C = "in C"
IN_PYTHON = (
    "in Python, which takes twice the CPU time"
    " (docs/install.md, C compiler: for C install a compiler and two headers, then orosync again)"
)
"""How the log names the two implementations."""


class DigestSource(Protocol):
    """Computes digests for authenticators."""

    def digests(self, pairs: Pairs, lane: str, *, urgent: bool = False) -> Deferred[list[str]]:
        """Symfony's digest of each (plain, salt), in order.

        Fails with Unavailable ("hash_queue_full", "hasher_down"); cancelling it takes the job out of the
        queue. ValueError at once for a pair that Symfony refuses (``digests.merged``).
        """


@attrs.define(eq=False)
class _Job:
    pairs: Pairs
    lane: str
    urgent: bool
    done: Deferred[list[str]] = attrs.field(repr=False)
    began: float
    losses: int = 0

    @property
    def size(self) -> int:
        """The number of digests."""
        return len(self.pairs)


class Hasher(Service):
    """Implements DigestSource while it runs. ``room`` and ``urgent_room`` are counted in digests.

    ``start_worker`` is called for each of ``workers`` and for the replacement of one that was lost; OSError
    means that no process can be started, and a single thread takes over.
    """

    name = "hasher"
    log = Logger()

    def __init__(
        self,
        reactor: IReactorProcess,
        journal: IJournal,
        *,
        workers: int | None = None,
        room: int = ROOM,
        urgent_room: int = ROOM_FOR_URGENT,
        start_worker: Callable[[], Worker] | None = None,
    ) -> None:
        self._reactor = reactor
        self._journal = journal
        self._size = workers or min(len(os.sched_getaffinity(0)), MOST_WORKERS)
        self._start_worker = start_worker or (lambda: ProcessWorker(reactor))
        self._workers: list[Worker] = []
        self._hung = 0
        self._again: deque[_Job] = deque()  # jobs of lost workers
        self._urgent: FairQueue[_Job] = FairQueue(urgent_room)
        self._others: FairQueue[_Job] = FairQueue(room)
        self._seconds: Callable[[], float] = cast(IReactorTime, reactor).seconds
        self.spans = Histogram(SLOW)
        """How long the digests of a ticket took, from the question to the answer."""

    @property
    def waiting(self) -> int:
        """Digests in the queue, not counting those at workers."""
        return self._urgent.waiting + self._others.waiting

    @property
    def workers(self) -> int:
        """Workers that there are, the thread that takes the place of processes included."""
        return len(self._workers)

    def startService(self) -> None:
        """Start the workers; the log says which implementation of the digest they use."""
        Service.startService(self)
        how = IN_PYTHON if digests.in_c is None else IN_C
        self.log.info("digests of tickets are computed {how}, by {size} processes", how=how, size=self._size)
        for _ in range(self._size):
            self._add_worker()

    def stopService(self) -> Deferred[None]:
        """Fail what waits with Unavailable; fires when no worker is left."""
        Service.stopService(self)
        waiting = [*self._again, *self._urgent.clear(), *self._others.clear()]
        self._again.clear()
        workers, self._workers = self._workers, []
        for job in waiting:
            if not job.done.called:
                job.done.errback(_down())
        return defer.gatherResults([worker.stop() for worker in workers]).addCallback(lambda _: None)

    def digests(self, pairs: Pairs, lane: str, *, urgent: bool = False) -> Deferred[list[str]]:
        """See DigestSource."""
        for plain, salt in pairs:
            merged(plain, salt)
        if not self.running:
            return defer.fail(_down())
        job = _Job(pairs, lane, urgent, Deferred(lambda _: self._abandon(job)), self._seconds())
        for newest in self._queue(job).add(job):
            newest.done.errback(_full())
        self._pump()
        return job.done

    def _queue(self, job: _Job) -> FairQueue[_Job]:
        return self._urgent if job.urgent else self._others

    def _pump(self) -> None:
        while self._workers:
            worker = min(self._workers, key=lambda candidate: candidate.load)
            if worker.load >= JOBS_AT_A_WORKER:
                return
            job = self._again.popleft() if self._again else self._urgent.take() or self._others.take()
            if job is None:
                return
            if not job.done.called:  # else its caller has cancelled it
                self._give(worker, job)

    def _give(self, worker: Worker, job: _Job) -> None:
        worker.compute(job.pairs).addCallbacks(
            self._computed, self._failed, callbackArgs=(job,), errbackArgs=(worker, job)
        )

    def _computed(self, digests: list[str], job: _Job) -> None:
        self._hung = 0
        self.spans.observe(self._seconds() - job.began)
        if not job.done.called:
            job.done.callback(digests)
        self._pump()

    def _failed(self, failure: Failure, worker: Worker, job: _Job) -> None:
        failure.trap(WorkerLost)
        loss = failure.value
        assert isinstance(loss, WorkerLost)
        if worker in self._workers:
            self._replace(worker, str(loss), loss.hung)
        job.losses += 1
        # A job of milliseconds does not make a worker hang, so the next worker may be one that hangs already: one more
        # try.
        if job.done.called:
            pass  # its caller has cancelled it
        elif job.losses >= MOST_LOSSES + loss.hung or not self._workers:
            job.done.errback(_down())
        else:
            self._again.append(job)
        self._pump()

    def _abandon(self, job: _Job) -> None:
        self._queue(job).remove(job)
        job.done.errback(CancelledError())

    def _add_worker(self) -> None:
        try:
            self._workers.append(self._start_worker())
        except OSError as error:
            self._fall_back(str(error))

    def _replace(self, worker: Worker, why: str, hung: bool) -> None:
        self._workers.remove(worker)
        worker.stop()
        self._journal.note("hasher", "worker_hung" if hung else "worker_lost", reason=why)
        self._hung += hung
        if worker.proven or (hung and self._hung < MOST_HUNG):
            self._add_worker()
        else:
            # It never answered, and the next one would not either.
            self._fall_back(why)

    def _fall_back(self, why: str) -> None:
        if any(isinstance(worker, ThreadWorker) for worker in self._workers):
            return
        effect = "tickets are checked in a thread of this process instead, which is slower"
        self._journal.note("hasher", "thread_instead", reason=why, effect=effect)
        self._workers.append(ThreadWorker(cast(IReactorFromThreads, self._reactor)))


def _full() -> Unavailable:
    return Unavailable("hash_queue_full", "too many tickets are waiting to be checked")


def _down() -> Unavailable:
    return Unavailable("hasher_down", "tickets cannot be checked at the moment")


class QueuedJob(Protocol):
    """A job in a lane, compared by identity."""

    @property
    def lane(self) -> str:
        """The lane's name."""

    @property
    def size(self) -> int:
        """How much of the room it takes."""


J = TypeVar("J", bound=QueuedJob)


class FairQueue(Generic[J]):
    """Jobs of at most ``room`` in total size, in lanes that take turns. Beyond that the longest lane (by number of
    jobs) loses its newest job; of several lanes of that length, the new job's own.

    A DeferredSemaphore has one queue in order of arrival, in which one address would delay all others.
    """

    def __init__(self, room: int) -> None:
        self.waiting = 0
        self._room = room
        self._lanes: OrderedDict[str, OrderedDict[J, None]] = OrderedDict()
        self._by_length: dict[int, OrderedDict[str, None]] = {}
        self._longest = 0

    def add(self, newcomer: J) -> list[J]:
        """Put ``newcomer`` at the end of its lane. Returns the jobs that lost their place, perhaps itself."""
        name = newcomer.lane
        lane = self._lanes.setdefault(name, OrderedDict())
        lane[newcomer] = None
        self.waiting += newcomer.size
        self._moved(name, len(lane) - 1, len(lane))
        dropped = []
        while self.waiting > self._room:
            longest = self._by_length[self._longest]
            newest = next(reversed(self._lanes[name if name in longest else next(iter(longest))]))
            self.remove(newest)
            dropped.append(newest)
        return dropped

    def take(self) -> J | None:
        """The first job of the lane whose turn it is; the lane then goes to the end. None when no job waits."""
        if not self._lanes:
            return None
        name = next(iter(self._lanes))
        first = next(iter(self._lanes[name]))
        self._lanes.move_to_end(name)
        self.remove(first)
        return first

    def remove(self, one: J) -> bool:
        """Take ``one`` out, wherever it is; False if it is not here (any more)."""
        lane = self._lanes.get(one.lane)
        if lane is None or one not in lane:
            return False
        del lane[one]
        self.waiting -= one.size
        self._moved(one.lane, len(lane) + 1, len(lane))
        if not lane:
            del self._lanes[one.lane]
        return True

    def clear(self) -> list[J]:
        """Take out all jobs, lane by lane."""
        jobs = [one for lane in self._lanes.values() for one in lane]
        self._lanes.clear()
        self._by_length.clear()
        self.waiting = self._longest = 0
        return jobs

    def _moved(self, name: str, before: int, after: int) -> None:
        """Lane ``name`` has become longer or shorter by one job."""
        if before:
            of_that_length = self._by_length[before]
            del of_that_length[name]
            if not of_that_length:
                del self._by_length[before]
        if after:
            self._by_length.setdefault(after, OrderedDict())[name] = None
        if after > self._longest or self._longest not in self._by_length:
            self._longest = after
