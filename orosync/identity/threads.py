"""Work in threads with a deadline, for calls that may never return: a file on a network file system whose server is
gone, a database that does not answer.

The caller gets an answer in time (``ThreadCalls``); the thread is left alone. ``Threads`` are a bounded number of
threads with a bounded queue.
"""

from __future__ import annotations

from collections.abc import Callable
from threading import Thread
from typing import Any, TypeVar

from twisted.internet import defer
from twisted.internet.defer import Deferred
from twisted.internet.threads import deferToThreadPool
from twisted.python.failure import Failure
from twisted.python.threadpool import ThreadPool

T = TypeVar("T")

STOP_TIMEOUT = 2.0
"""Seconds that a stop waits for threads that are stuck."""


class Stuck(Exception):
    """No answer in time, or no thread to ask."""


class ThreadCalls:
    """The calls in threads that have not returned yet, whether or not their caller still waits."""

    def __init__(self, reactor: Any) -> None:
        self._reactor = reactor
        self._calls: dict[Deferred[None], None] = {}

    def __len__(self) -> int:
        return len(self._calls)

    def answer(self, call: Deferred[T], seconds: float, late: Callable[[], Exception]) -> Deferred[T]:
        """Fires with the result of ``call``, or fails with ``late()`` after ``seconds``; a later result is dropped."""
        answer, returned = Deferred[T](), Deferred[None]()
        self._calls[returned] = None
        timer = self._reactor.callLater(seconds, lambda: answer.errback(late()))

        def ended(result: T | Failure) -> None:
            del self._calls[returned]
            if timer.active():
                timer.cancel()
                if isinstance(result, Failure):
                    answer.errback(result)
                else:
                    answer.callback(result)
            returned.callback(None)

        call.addBoth(ended)
        return answer

    def all_returned(self) -> Deferred[Any]:
        """Fires when every call that is under way now has returned."""
        return defer.gatherResults(list(self._calls))


class Threads:
    """``count`` threads with one call each at a time; ``room`` is how many more may wait."""

    def __init__(self, name: str, count: int, reactor: Any, room: int = 0) -> None:
        self._name = name
        self._count = count
        self._room = room
        self._reactor = reactor
        self._pool: ThreadPool | None = None
        self._calls = ThreadCalls(reactor)

    def start(self) -> None:
        """Take calls; threads are made when they are needed."""
        self._pool = ThreadPool(0, self._count, self._name)
        self._pool.threadFactory = _Thread
        self._pool.start()

    def run(self, seconds: float, work: Callable[..., T], *args: Any) -> Deferred[T]:
        """What ``work`` returns or raises; Stuck after ``seconds``, or at once when there is no room."""
        if self._pool is None:
            return defer.fail(Stuck("not in service"))
        if len(self._calls) >= self._count + self._room:
            return defer.fail(Stuck("every thread is busy"))
        call: Deferred[T] = deferToThreadPool(self._reactor, self._pool, work, *args)
        return self._calls.answer(call, seconds, lambda: Stuck(f"no answer within {seconds:g} s"))

    def stop(self) -> Deferred[None]:
        """Take no more calls; fires when no thread is left, or after 2 s when some are stuck."""
        pool, self._pool = self._pool, None
        if pool is None:
            return defer.succeed(None)
        ended: Deferred[None] = Deferred()
        timer = self._reactor.callLater(STOP_TIMEOUT, ended.callback, None)

        def returned(_: object) -> None:
            pool.stop()
            if timer.active():
                timer.cancel()
                ended.callback(None)

        self._calls.all_returned().addCallback(returned)
        return ended


class _Thread(Thread):
    """A daemon thread, which does not keep the process from ending when it is stuck."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.daemon = True
