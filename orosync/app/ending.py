"""Ends the process in time, even when a service, a thread or the reactor hangs.

A signal asks for it. The reactor stops, and with it every service; ``Stopping`` knows by name which of them have not
ended. A thread of ``Ending`` waits for all that, since a stuck reactor cannot: what has not ended in time is named in
the log, services and busy threads, and the process ends with status 1. A second signal ends it at once.

Signals are noticed by the wake-up descriptor: Python's handlers wait for the main thread, which may be in a system call
that does not come back. Source: https://docs.python.org/3/library/signal.html#signal.set_wakeup_fd
"""

from __future__ import annotations

import faulthandler
import os
import select
import signal
import sys
import threading
import time
from collections.abc import Callable, Container, Iterable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from types import FrameType
from typing import Any

from twisted.application.service import IService, MultiService, Service
from twisted.internet import process
from twisted.internet.defer import Deferred, DeferredList, maybeDeferred
from twisted.internet.error import ReactorNotRunning
from twisted.logger import globalLogPublisher
from twisted.python.failure import Failure

from orosync.interfaces import IJournal

GRACE = 10.0
"""Seconds that everything has to stop besides the drain."""

LOG_TIMEOUT = 1.0
"""Seconds for the last log lines: writing to a pipe that is not read would block."""

BACKSTOP = 3.0
"""Seconds later the interpreter ends the process, should our thread not get its turn."""

LONGEST_WAIT = 3600.0
MOST_NAMED = 15
NAME = "orosync-ending"
STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT)

FRAMES = 3
"""Shown of each thread, the innermost last."""

WAITING_FILES = ("threading.py", "queue.py")
IDLE_FUNCTIONS = {
    ("concurrent/futures/thread.py", "_worker"),
    ("_threads/_threadworker.py", "work"),
    ("internet/epollreactor.py", "doPoll"),
    ("internet/pollreactor.py", "doPoll"),
    ("internet/selectreactor.py", "doSelect"),
}
"""Where a thread of a pool waits for work, and a reactor for events."""


class Ending:
    """Made by an entry point whose process it is. ``pidfile``: of twistd, "" for none; it and ``sockets`` are removed.

    ``seconds`` is a monotonic clock, ``leave`` ends the process with a status.
    """

    def __init__(
        self,
        reactor: Any,
        pidfile: str = "",
        *,
        seconds: Callable[[], float] = time.monotonic,
        leave: Callable[[int], Any] = os._exit,
    ) -> None:
        self.sockets: list[str] = []
        self._reactor = reactor
        self._pidfile = pidfile
        self._seconds = seconds
        self._leave = leave
        self._journal: IJournal | None = None
        self._time_limit = GRACE
        self._unfinished: Callable[[], Iterable[str]] = list
        self._asked = False
        self._deadline: float | None = None
        self._chained = -1
        self._reader, self._writer = -1, -1
        self._observers: list[Any] = []

    def configure(self, journal: IJournal, drain: float, unfinished: Callable[[], Iterable[str]]) -> None:
        """The stop may take ``drain`` seconds and ``GRACE``; ``unfinished`` names, in any thread, what goes on."""
        self._journal = journal
        self._time_limit = drain + GRACE
        self._unfinished = unfinished

    def watch(self) -> None:
        """From now on SIGTERM and SIGINT end the process. In the main thread, when the process is in the background
        already and its reactor does not run yet."""
        if self._writer >= 0:
            return  # it does already
        self._reader, self._writer = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        self._take_signals()
        os.register_at_fork(after_in_child=self._forked)
        # Behind the reactor's own, which takes them at this moment.
        self._reactor.addSystemEventTrigger("during", "startup", self._take_signals)
        # twistd takes its observers away before it waits for threads.
        self._observers = list(globalLogPublisher._observers)
        self._reactor.addSystemEventTrigger("before", "shutdown", self.begin)
        threading.Thread(target=self._wait, name=NAME, daemon=True).start()

    def _take_signals(self) -> None:
        before = signal.set_wakeup_fd(self._writer, warn_on_full_buffer=False)
        if before not in (-1, self._writer):  # Twisted's, which learns there of children that have ended
            self._chained = os.dup(before)
        for number in STOP_SIGNALS:
            signal.signal(number, self._handle)

    def _forked(self) -> None:
        """In a child process that goes on with our code: its signals are its own, and not for our descriptor."""
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        signal.signal(signal.SIGINT, signal.default_int_handler)
        for descriptor in (self._reader, self._writer):
            os.close(descriptor)

    def begin(self) -> None:
        """A signal has come, or the reactor stops: from now on the time limit counts. Any thread may call this."""
        if self._deadline is None:
            self._deadline = self._seconds() + self._time_limit
            if self._writer >= 0:
                with suppress(BlockingIOError):
                    os.write(self._writer, b"\0")

    def tell_also(self, observer: Any) -> None:
        """``observer`` of Twisted's log is told as well why the process is ended before its services have."""
        self._observers.append(observer)

    def end_now(self, status: int) -> None:
        """End the process at once with ``status``; what it says about that has been said."""
        self._end(status, lambda: None)

    # -- signals

    def _handle(self, number: int, frame: object) -> None:
        """Python's handler, in the main thread. Twisted takes the descriptor away when its reactor ends."""
        if signal.set_wakeup_fd(self._writer, warn_on_full_buffer=False) != self._writer:
            os.write(self._writer, bytes((number,)))

    def noticed(self, number: int) -> None:
        """A signal has come."""
        if number not in STOP_SIGNALS:
            return
        if self._asked:
            name = signal.Signals(number).name
            self._end(128 + number, lambda: self._tell("stop.cut", "signal", signal=name))
            return
        self._asked = True
        self.begin()
        self._reactor.callFromThread(self._stop)

    def _stop(self) -> None:
        with suppress(ReactorNotRunning):
            self._reactor.stop()

    # -- our own thread

    def _wait(self) -> None:
        poll = select.poll()
        poll.register(self._reader, select.POLLIN)
        armed = False
        while True:
            left = self.left()
            if left is not None and not armed:
                armed = True
                with suppress(OSError, ValueError, RuntimeError, OverflowError):
                    faulthandler.dump_traceback_later(left + LOG_TIMEOUT + BACKSTOP, exit=True, file=2)
            poll.poll(None if left is None else min(left, LONGEST_WAIT) * 1000 + 1)
            with suppress(BlockingIOError):
                for number in os.read(self._reader, 4096):
                    if number == signal.SIGCHLD and self._chained >= 0:
                        with suppress(OSError):
                            os.write(self._chained, bytes((number,)))
                    self.noticed(number)
            self.look()

    def left(self) -> float | None:
        """Seconds until it has to be over; None while nothing has ended."""
        return None if self._deadline is None else max(0.0, self._deadline - self._seconds())

    def look(self) -> None:
        """End what should be over."""
        if self.left() == 0.0:
            self._end(1, self._name_what_hangs)

    def _name_what_hangs(self) -> None:
        parts, threads = list(self._unfinished()), list(busy_threads({NAME}))
        for part in parts[:MOST_NAMED]:
            self._tell("stop.hanging", "part", part=part, seconds=self._time_limit)
        for name, stands in threads[:MOST_NAMED]:
            self._tell("stop.hanging", "thread", thread=name, at=stands)
        if not parts and not threads:
            self._tell("stop.hanging", "unknown", reason="a trigger of the reactor's shutdown has not fired")
        self._tell("stop.cut", "late", parts=len(parts), threads=len(threads), seconds=self._time_limit)

    def _tell(self, event: str, kind: str, **fields: object) -> None:
        if self._journal is not None:
            self._journal.note(event, kind, **fields)

    def _end(self, status: int, log: Callable[[], None]) -> None:
        """End the process now. ``log`` gets LOG_TIMEOUT: a full pipe or a lock may block it for ever."""

        def write_log() -> None:
            for observer in self._observers:
                globalLogPublisher.addObserver(observer)
            log()
            for stream in (sys.stdout, sys.stderr):
                with suppress(Exception):  # it may be closed
                    stream.flush()

        writer = threading.Thread(target=write_log, daemon=True)
        writer.start()
        writer.join(LOG_TIMEOUT)
        for child in children():
            with suppress(OSError):
                os.kill(child, signal.SIGKILL)
        self.clear()
        self._leave(status)

    def clear(self) -> None:
        """Remove what a process leaves behind that ends without its reactor."""
        for path in self.sockets:
            lock = f"{path}.lock"  # a symbolic link of Twisted's
            for one in (path, lock) if os.path.islink(lock) else (path,):
                with suppress(OSError):
                    os.unlink(one)
        if self._pidfile:
            with suppress(OSError, ValueError):
                if int(Path(self._pidfile).read_text()) == os.getpid():
                    os.unlink(self._pidfile)


def children() -> set[int]:
    """The child processes of this one."""
    found = set(process.reapProcessHandlers)
    with suppress(OSError):
        for task in os.listdir("/proc/self/task"):
            with suppress(OSError):
                found.update(map(int, Path(f"/proc/self/task/{task}/children").read_text().split()))
    return found


class Stopping:
    """Stops services, and knows which of them have not ended.

    ``titles`` names services (by identity) that do not name themselves, such as plugins: "directory:people".
    """

    def __init__(self, journal: IJournal, titles: Mapping[int, str]) -> None:
        self._journal = journal
        self._titles = titles
        self._unfinished: dict[object, str] = {}

    @property
    def unfinished(self) -> list[str]:
        """What has been asked to stop and has not ended, in that order. Any thread may ask."""
        return list(self._unfinished.values())

    def stop(self, name: str, stop: Callable[[], Any]) -> Deferred[None]:
        """Call ``stop``; fires when the Deferred or coroutine that it returns does. A failure is logged."""
        token = object()
        # Before the call, which may never return.
        self._unfinished[token] = name

        def over(result: object) -> None:
            del self._unfinished[token]
            if isinstance(result, Failure):
                self._journal.note("stop.failed", "part", part=name, reason=result.getErrorMessage())

        return maybeDeferred(stop).addBoth(over)

    async def stop_all(self, services: Iterable[IService]) -> None:
        """Stop ``services`` in this order, all at the same time; a plain MultiService means all that is in it."""
        await DeferredList([self.stop(self._name(one), one.stopService) for one in _flat(services)])

    def _name(self, service: IService) -> str:
        return self._titles.get(id(service)) or getattr(service, "name", None) or type(service).__name__


def _flat(services: Iterable[Any]) -> Iterable[Any]:
    for service in services:
        if type(service).stopService is MultiService.stopService:
            Service.stopService(service)
            yield from _flat(reversed(list(service)))
        else:
            yield service


def busy_threads(besides: Container[str] = ()) -> Iterator[tuple[str, str]]:
    """The name of each thread that does not wait for work, and where it stands; without the calling
    thread, and those whose names are in ``besides``."""
    frames = sys._current_frames()
    for thread in threading.enumerate():
        frame = frames.get(thread.ident or 0)
        if frame is None or thread is threading.current_thread() or thread.name in besides:
            continue
        if not _is_idle(frame):
            yield thread.name, stack_of(frame)


def stack_of(frame: FrameType) -> str:
    """The innermost frames of a stack: ``directory/file.py:12 in work > ...``."""
    found: list[str] = []
    inner: FrameType | None = frame
    while inner is not None and len(found) < FRAMES and not _begins(inner):
        found.append(f"{_short(inner)}:{inner.f_lineno} in {inner.f_code.co_name}")
        inner = inner.f_back
    return " > ".join(reversed(found))


def _short(frame: FrameType) -> str:
    return "/".join(frame.f_code.co_filename.split("/")[-3:])


def _begins(frame: FrameType) -> bool:
    """Whether a stack is the beginning of any thread's from here on."""
    return frame.f_code.co_filename.endswith("threading.py") and frame.f_code.co_name in ("run", "_bootstrap_inner")


def _is_idle(frame: FrameType) -> bool:
    if frame.f_code.co_name == "_shutdown" and frame.f_code.co_filename.endswith("threading.py"):
        return True  # the interpreter waits for the other threads
    outer: FrameType | None = frame
    while outer is not None and outer.f_code.co_filename.endswith(WAITING_FILES):
        outer = outer.f_back
    return outer is not None and any(
        outer.f_code.co_filename.endswith(file) and outer.f_code.co_name == function
        for file, function in IDLE_FUNCTIONS
    )
