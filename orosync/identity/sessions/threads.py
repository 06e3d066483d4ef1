"""A few threads for work that may never come back: a file on a network file system whose server is gone.

Whoever waits is told in time, the thread is left alone, and no more work is taken than there is room for. It must not
know what the work is.
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

PATIENCE_AT_STOP = 2.0


class Stuck(Exception):
    """No answer in time, or no thread to ask."""


class Threads:
    """``count`` threads, each with one piece of work at a time; ``room`` for as much more to wait."""

    def __init__(self, name: str, count: int, reactor: Any, room: int = 0) -> None:
        self._name = name
        self._count = count
        self._room = room
        self._reactor = reactor
        self._pool: ThreadPool | None = None
        self._works: dict[Deferred[None], None] = {}

    def start(self) -> None:
        """Take work; threads are made when they are needed."""
        self._pool = ThreadPool(0, self._count, self._name)
        self._pool.threadFactory = _Thread
        self._pool.start()

    def run(self, seconds: float, work: Callable[..., T], *args: Any) -> Deferred[T]:
        """What ``work`` returns or raises; Stuck after ``seconds``, or at once when there is no room."""
        if self._pool is None:
            return defer.fail(Stuck("not in service"))
        if len(self._works) >= self._count + self._room:
            return defer.fail(Stuck("every thread is busy"))
        answer, gone = Deferred[T](), Deferred[None]()
        self._works[gone] = None
        timer = self._reactor.callLater(seconds, lambda: answer.errback(Stuck(f"no answer within {seconds:g} s")))

        def back(result: T | Failure) -> None:
            del self._works[gone]
            if timer.active():
                timer.cancel()
                if isinstance(result, Failure):
                    answer.errback(result)
                else:
                    answer.callback(result)
            gone.callback(None)

        deferToThreadPool(self._reactor, self._pool, work, *args).addBoth(back)
        return answer

    def stop(self) -> Deferred[None]:
        """Take no more work; fires when no thread is left, or after 2 s without those that are stuck."""
        pool, self._pool = self._pool, None
        if pool is None:
            return defer.succeed(None)
        ended: Deferred[None] = Deferred()
        timer = self._reactor.callLater(PATIENCE_AT_STOP, ended.callback, None)

        def all_back(_: object) -> None:
            pool.stop()
            if timer.active():
                timer.cancel()
                ended.callback(None)

        defer.gatherResults(list(self._works)).addCallback(all_back)
        return ended


class _Thread(Thread):
    """One that does not keep the process from ending, should it never come back."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.daemon = True
