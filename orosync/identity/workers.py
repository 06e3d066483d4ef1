"""Workers that compute digests for the Hasher: a child process, or a thread where no process can be started.

Both take jobs and answer in order. A worker that is lost fails the jobs that it has, and all later ones, with
WorkerLost; the Hasher replaces it.
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

from orosync.identity import digests
from orosync.identity.digests import DIGEST_LENGTH, message_digest

Pairs = Sequence[tuple[bytes, bytes]]
"""(plain, salt) for each digest wanted."""

STOP_TIMEOUT = 2.0
TIMEOUT = 4.0
"""Seconds for each digest, which takes a few milliseconds: enough for a worker that shares its core with many."""

GRACE = 1.0
"""Seconds more, to read an answer that arrived while this process itself was stopped."""

LONGEST_ERROR = 200
PAUSE = 0.00002
"""Seconds for which a thread releases the GIL."""


class WorkerLost(Exception):
    """A worker ended by itself, or does not answer (``hung``)."""

    def __init__(self, reason: str, hung: bool = False) -> None:
        super().__init__(reason)
        self.hung = hung


class Worker(Protocol):
    """A worker, as the Hasher uses it."""

    @property
    def proven(self) -> bool:
        """Whether it has answered anything yet."""

    @property
    def load(self) -> int:
        """The number of jobs it has."""

    def compute(self, pairs: Pairs) -> Deferred[list[str]]:
        """The digests of ``pairs``, in order; fails with WorkerLost. Every pair must satisfy ``digests.merged``."""

    def stop(self) -> Deferred[None]:
        """Fires when its process or thread has ended."""


class ProcessWorker(ProcessProtocol):
    """A child process; several work in parallel and do not delay the reactor.

    ``reactor`` provides IReactorProcess and IReactorTime. OSError when no process can be started.
    """

    def __init__(self, reactor: IReactorProcess, interpreter: str = sys.executable) -> None:
        self.proven = False
        self._reactor = reactor
        self._jobs: deque[tuple[int, list[str], Deferred[list[str]]]] = deque()
        self._partial = b""
        self._error = b""
        self._ended = False
        self._hung = False
        self._in_grace = False
        self._deadline: IDelayedCall | None = None
        self._gone: list[Deferred[None]] = []
        self._kill_timer: IDelayedCall | None = None
        arguments = digests.command_line(interpreter)
        self._process: IProcessTransport = reactor.spawnProcess(self, interpreter, arguments, env=digests.environment())

    @property
    def load(self) -> int:
        return len(self._jobs)

    def compute(self, pairs: Pairs) -> Deferred[list[str]]:
        """See Worker."""
        if self._ended or self._hung:
            return defer.fail(WorkerLost(self._error_line()))
        done: Deferred[list[str]] = Deferred()
        self._jobs.append((len(pairs), [], done))
        if len(self._jobs) == 1:
            self._wait(TIMEOUT)
        self._process.writeToChild(0, digests.request(pairs))
        return done

    def stop(self) -> Deferred[None]:
        """See Worker. A process that still computes after 2 s is killed."""
        if self._ended:
            return defer.succeed(None)
        if self._kill_timer is None:
            self._process.closeStdin()
            self._kill_timer = self._later(STOP_TIMEOUT, self._kill)
        gone: Deferred[None] = Deferred()
        self._gone.append(gone)
        return gone

    def outReceived(self, data: bytes) -> None:
        """A part of the output: digests, cut anywhere."""
        if self._hung:
            return
        *lines, self._partial = (self._partial + data).split(b"\n")
        for line in lines:
            if not self._jobs or len(line) != DIGEST_LENGTH:
                self._error = b"it answered something else than a digest"
                self._kill()
                return
            self.proven, self._in_grace = True, False
            wanted, found, done = self._jobs[0]
            found.append(line.decode("ascii", "replace"))
            if len(found) == wanted:
                self._jobs.popleft()
                done.callback(found)
        if lines:
            self._wait(TIMEOUT)

    def errReceived(self, data: bytes) -> None:
        """An error of the interpreter, if it cannot start."""
        self._error = (self._error + data)[-LONGEST_ERROR:]

    def processEnded(self, reason: Failure) -> None:
        """Fail the jobs that it had."""
        self._ended = True
        if self._kill_timer is not None and self._kill_timer.active():
            self._kill_timer.cancel()
        self._lose(self._error_line() or reason.getErrorMessage())
        gone, self._gone = self._gone, []
        for waiting in gone:
            waiting.callback(None)

    def _later(self, seconds: float, act: Callable[[], None]) -> IDelayedCall:
        return cast(IReactorTime, self._reactor).callLater(seconds, act)

    def _wait(self, seconds: float) -> None:
        """Time the next digest; stop the timer when none is to come."""
        deadline = self._deadline
        if deadline is None or not deadline.active():
            self._deadline = self._later(seconds, self._late) if self._jobs else None
        elif self._jobs:
            deadline.reset(seconds)
        else:
            deadline.cancel()

    def _late(self) -> None:
        """No digest has come: the process is stopped or stuck. Other workers do its jobs, even if it cannot be
        killed."""
        if not self._in_grace:
            self._in_grace = True
            self._wait(GRACE)
            return
        self._hung = True
        self._error = b"it gave no digest within %g s" % (TIMEOUT + GRACE)
        self._kill()
        self._lose(self._error_line())

    def _lose(self, why: str) -> None:
        """Fail all jobs that it has."""
        jobs, self._jobs = self._jobs, deque()
        self._wait(TIMEOUT)
        for _, _, done in jobs:
            done.errback(WorkerLost(why, self._hung))

    def _kill(self) -> None:
        try:
            self._process.signalProcess("KILL")
        except ProcessExitedAlready:
            return

    def _error_line(self) -> str:
        return self._error.decode("utf-8", "replace").strip().rpartition("\n")[2]


class ThreadWorker:
    """One thread, where processes cannot be started. It releases the GIL every 250 rounds: slower, but otherwise each
    system call of the reactor would wait for the GIL. A second thread would only slow down the first."""

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
        """See Worker. Waits for the current job: a few milliseconds."""
        if self._pool.started:
            self._pool.stop()
        return defer.succeed(None)

    def _finished(self, result: list[str] | Failure) -> list[str] | Failure:
        self.load -= 1
        return result


def _digests(pairs: Pairs) -> list[str]:
    return [message_digest(plain, salt, lambda: time.sleep(PAUSE)) for plain, salt in pairs]
