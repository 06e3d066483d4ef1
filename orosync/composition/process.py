"""This process, as whoever started it sees it: ready, alive, stopping, and the status with which it ends.

It must not know what is served, or what stopping takes.
"""

from __future__ import annotations

import atexit
import os
import signal
import sys
from collections.abc import Callable, Mapping
from typing import Any, NoReturn

from twisted.internet.task import LoopingCall

from orosync.composition.ending import Ending
from orosync.ops.notify_systemd import SystemdNotifier


class Process:
    """Told of by its service, which calls each method once; ``heed`` when the reactor runs."""

    def __init__(self, reactor: Any, environ: Mapping[str, str], ending: Ending | None = None) -> None:
        self._reactor = reactor
        self._ending = ending
        self._systemd = SystemdNotifier.from_environment(environ)
        self._watchdog: LoopingCall | None = None

    def guard(self) -> None:
        """Before anything is opened: whatever happens from now on, the process ends when it is asked to."""
        if self._ending is not None:
            self._ending.watch()

    def cannot_start(self) -> NoReturn:
        """The end before the beginning, with status 1; why, has been told."""
        if self._ending is not None:
            self._ending.clear()
        raise SystemExit(1)

    def heed(self, reload: Callable[[], None] | None = None) -> None:
        """SIGTERM ends the process with status 0 (Twisted's own handler would let it die of the signal), SIGHUP calls
        ``reload``, both in a turn of the reactor's. Where there is an ``ending``, SIGTERM is its affair."""
        if self._ending is None:
            self._on(signal.SIGTERM, self._reactor.stop)
        if reload is not None:
            self._on(signal.SIGHUP, reload)

    def _on(self, number: signal.Signals, act: Callable[[], Any]) -> None:
        signal.signal(number, lambda *_: self._reactor.callFromThread(act))

    def ready(self) -> None:
        """In service, and alive as long as the reactor turns."""
        self._watchdog = self._systemd.watchdog(self._reactor)
        self._systemd.ready()

    def stopping(self, seconds: float = 0.0) -> None:
        """The end has begun, and may take so many ``seconds``."""
        self._systemd.stopping(seconds)

    def stopped(self) -> None:
        """There are no signs of life any more."""
        if self._watchdog is not None:
            self._watchdog.stop()


def fail_process(reactor: Any) -> None:
    """End the process with status 1, though the reactor runs already and knows of no other end than 0."""
    atexit.register(_exit)
    reactor.stop()


def _exit() -> None:
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(1)
