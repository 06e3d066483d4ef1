"""Who computes digests for the Hasher: a process, or where none can be had a thread.

Both take jobs in order and answer in order. A worker that has been lost fails what it had, and everything
after it, with WorkerLost; its owner replaces it. It must not know queues, lanes or tickets.
"""

from __future__ import annotations

import sys
import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import Protocol, cast

from twisted.internet import defer
from twisted.internet.defer import Deferred
from twisted.internet.error import ProcessExitedAlready
from twisted.internet.interfaces import (
    IDelayedCall,
    IProcessTransport,
    IReactorFromThreads,
    IReactorProcess,
    IReactorTime,
)
from twisted.internet.protocol import ProcessProtocol
from twisted.internet.threads import deferToThreadPool
from twisted.python.failure import Failure
from twisted.python.threadpool import ThreadPool

from orosync.identity import digests as digest_worker
from orosync.identity.digests import DIGEST_LENGTH, message_digest

Pairs = Sequence[tuple[bytes, bytes]]
"""(plain, salt) for each digest wanted."""

PATIENCE_AT_STOP = 2.0
PATIENCE = 4.0
"""Seconds for each digest, which takes a few milliseconds: a worker that shares its core with many still makes it."""

SECOND_LOOK = 1.0
"""Seconds more, in which an answer is read that came while this process itself stood still."""

LONGEST_COMPLAINT = 200
BREATH = 0.00002


class WorkerLost(Exception):
    """A worker ended without having been asked to, or does not answer (``hung``)."""

    def __init__(self, reason: str, hung: bool = False) -> None:
        super().__init__(reason)
        self.hung = hung


class Worker(Protocol):
    """What the Hasher asks of a worker."""

    @property
    def proven(self) -> bool:
        """Whether it has answered anything yet."""

    @property
    def load(self) -> int:
        """How many jobs it has."""

    def compute(self, pairs: Pairs) -> Deferred[list[str]]:
        """The digests of ``pairs``, in order; fails with WorkerLost. Every pair must satisfy ``digest.merged``."""

    def stop(self) -> Deferred[None]:
        """Fires when nothing of it is left."""


class ProcessWorker(ProcessProtocol):
    """A child process; several work in parallel, and the reactor does not feel them.

    ``reactor`` provides IReactorProcess and IReactorTime. OSError when no process can be started.
    """

    def __init__(self, reactor: IReactorProcess, interpreter: str = sys.executable) -> None:
        self.proven = False
        self._reactor = reactor
        self._jobs: deque[tuple[int, list[str], Deferred[list[str]]]] = deque()
        self._partial = b""
        self._complaint = b""
        self._ended = False
        self._hung = False
        self._looked = False
        self._deadline: IDelayedCall | None = None
        self._gone: list[Deferred[None]] = []
        self._killing: IDelayedCall | None = None
        arguments = digest_worker.command_line(interpreter)
        self._process: IProcessTransport = reactor.spawnProcess(
            self, interpreter, arguments, env=digest_worker.environment()
        )

    @property
    def load(self) -> int:
        return len(self._jobs)

    def compute(self, pairs: Pairs) -> Deferred[list[str]]:
        """See Worker."""
        if self._ended or self._hung:
            return defer.fail(WorkerLost(self._last_words()))
        done: Deferred[list[str]] = Deferred()
        self._jobs.append((len(pairs), [], done))
        if len(self._jobs) == 1:
            self._wait(PATIENCE)
        self._process.writeToChild(0, digest_worker.request(pairs))
        return done

    def stop(self) -> Deferred[None]:
        """See Worker. What is still being computed when 2 s are over is killed."""
        if self._ended:
            return defer.succeed(None)
        if self._killing is None:
            self._process.closeStdin()
            self._killing = self._later(PATIENCE_AT_STOP, self._kill)
        gone: Deferred[None] = Deferred()
        self._gone.append(gone)
        return gone

    def outReceived(self, data: bytes) -> None:
        """Digests, cut anywhere."""
        if self._hung:
            return
        *lines, self._partial = (self._partial + data).split(b"\n")
        for line in lines:
            if not self._jobs or len(line) != DIGEST_LENGTH:
                self._complaint = b"it answered something else than a digest"
                self._kill()
                return
            self.proven, self._looked = True, False
            wanted, digests, done = self._jobs[0]
            digests.append(line.decode("ascii", "replace"))
            if len(digests) == wanted:
                self._jobs.popleft()
                done.callback(digests)
        if lines:
            self._wait(PATIENCE)

    def errReceived(self, data: bytes) -> None:
        """What the interpreter complains of, if it cannot start."""
        self._complaint = (self._complaint + data)[-LONGEST_COMPLAINT:]

    def processEnded(self, reason: Failure) -> None:
        """All that it had is lost."""
        self._ended = True
        if self._killing is not None and self._killing.active():
            self._killing.cancel()
        self._lose(self._last_words() or reason.getErrorMessage())
        gone, self._gone = self._gone, []
        for waiting in gone:
            waiting.callback(None)

    def _later(self, seconds: float, act: Callable[[], None]) -> IDelayedCall:
        return cast(IReactorTime, self._reactor).callLater(seconds, act)

    def _wait(self, seconds: float) -> None:
        """For the next digest; for nothing when there is none to come."""
        deadline = self._deadline
        if deadline is None or not deadline.active():
            self._deadline = self._later(seconds, self._late) if self._jobs else None
        elif self._jobs:
            deadline.reset(seconds)
        else:
            deadline.cancel()

    def _late(self) -> None:
        """Nothing has come: it is stopped, or stuck. Its jobs are done elsewhere, even if it cannot be killed."""
        if not self._looked:
            self._looked = True
            self._wait(SECOND_LOOK)
            return
        self._hung = True
        self._complaint = b"it gave no digest within %g s" % (PATIENCE + SECOND_LOOK)
        self._kill()
        self._lose(self._last_words())

    def _lose(self, why: str) -> None:
        """Fail all that it had."""
        jobs, self._jobs = self._jobs, deque()
        self._wait(PATIENCE)
        for _, _, done in jobs:
            done.errback(WorkerLost(why, self._hung))

    def _kill(self) -> None:
        try:
            self._process.signalProcess("KILL")
        except ProcessExitedAlready:
            return

    def _last_words(self) -> str:
        return self._complaint.decode("utf-8", "replace").strip().rpartition("\n")[2]


class ThreadWorker:
    """One thread, for where processes cannot be started. It gives way every 250 rounds: slower, but without
    that each system call of the reactor would wait for the GIL. A second one would only get in its way."""

    def __init__(self, reactor: IReactorFromThreads) -> None:
        self.proven = True
        self.load = 0
        self._reactor = reactor
        self._pool = ThreadPool(1, 1, "orosync-digests")
        self._pool.start()

    def compute(self, pairs: Pairs) -> Deferred[list[str]]:
        """See Worker."""
        if not self._pool.started:
            return defer.fail(WorkerLost("it was stopped"))
        self.load += 1
        done: Deferred[list[str]] = deferToThreadPool(self._reactor, self._pool, _digests, pairs)
        done.addBoth(self._finished)
        return done

    def stop(self) -> Deferred[None]:
        """See Worker. Waits for what is being computed: a few milliseconds."""
        if self._pool.started:
            self._pool.stop()
        return defer.succeed(None)

    def _finished(self, result: list[str] | Failure) -> list[str] | Failure:
        self.load -= 1
        return result


def _digests(pairs: Pairs) -> list[str]:
    return [message_digest(plain, salt, lambda: time.sleep(BREATH)) for plain, salt in pairs]
