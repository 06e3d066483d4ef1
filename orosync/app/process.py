"""This process, as the service manager and the shell see it: ready, alive, stopping, its signals and its exit status.

systemd is told in units of ``Type=notify`` (sd_notify(3), sd_watchdog_enabled(3) of systemd 252). Without systemd
nothing is sent; an error in telling it never stops the router.
"""

from __future__ import annotations

import atexit
import gc
import os
import signal
import socket
import sys
from collections.abc import Callable, Iterable, Mapping
from typing import Any, NoReturn

from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import LoopingCall
from twisted.logger import Logger

from orosync.app.ending import Ending

COLLECTION_THRESHOLD = 10_000
"""Python's own is 700 or 2,000."""


class SystemdNotifier:
    """The datagram socket that systemd named for this process, or nothing at all.

    ``address`` is a path, or a name in Linux's abstract namespace with ``@`` in front; empty: not under systemd.
    ``watchdog_seconds`` is how long systemd waits for a sign of life before it restarts the unit; 0: it does not wait.
    """

    def __init__(self, address: str = "", watchdog_seconds: float = 0.0) -> None:
        self._address = "\0" + address[1:] if address.startswith("@") else address
        self.watchdog_seconds = watchdog_seconds if address else 0.0

    @classmethod
    def from_environment(cls, environ: Mapping[str, str]) -> SystemdNotifier:
        """What NOTIFY_SOCKET, WATCHDOG_USEC and WATCHDOG_PID say; a watchdog meant for another process is not ours."""
        watched = environ.get("WATCHDOG_PID", str(os.getpid())) == str(os.getpid())
        microseconds = environ.get("WATCHDOG_USEC", "")
        valid = watched and microseconds.isascii() and microseconds.isdigit()
        return cls(environ.get("NOTIFY_SOCKET", ""), int(microseconds) / 1e6 if valid else 0.0)

    def ready(self) -> None:
        """Every listener is open: units that wait for this one may start."""
        self._send("READY=1")

    def stopping(self, drain_seconds: float = 0.0) -> None:
        """The goodbyes have begun and may take ``drain_seconds``; systemd is not to kill before."""
        self._send(f"STOPPING=1\nEXTEND_TIMEOUT_USEC={int(drain_seconds * 1e6)}" if drain_seconds else "STOPPING=1")

    def alive(self) -> None:
        """One sign of life."""
        self._send("WATCHDOG=1")

    def watchdog(self, clock: IReactorTime, healthy: Callable[[], bool] = lambda: True) -> LoopingCall | None:
        """Signs of life at half the time that systemd waits, from the reactor itself: a stuck reactor sends none, nor
        does one that is not ``healthy``.

        Returns the running call, for the caller to stop; None when systemd does not watch.
        """
        if not self.watchdog_seconds:
            return None
        call = LoopingCall(lambda: self.alive() if healthy() else None)
        call.clock = clock
        call.start(self.watchdog_seconds / 2)
        return call

    def _send(self, state: str) -> None:
        if not self._address:
            return
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK) as link:
                link.sendto(state.encode(), self._address)
        except OSError:
            return  # systemd is away or does not read: the router goes on


class Process:
    """The process of one service, which calls each method once; ``install_signal_handlers`` when the reactor runs."""

    def __init__(self, reactor: Any, environ: Mapping[str, str], ending: Ending | None = None) -> None:
        self._reactor = reactor
        self._ending = ending
        self._systemd = SystemdNotifier.from_environment(environ)
        self._watchdog: LoopingCall | None = None

    def guard(self) -> None:
        """Before anything is opened: from now on the process ends when a signal asks for it."""
        if self._ending is not None:
            self._ending.watch()

    def cannot_start(self) -> NoReturn:
        """End the process with status 1; the reason has been logged."""
        if self._ending is not None:
            self._ending.clear()
        raise SystemExit(1)

    def install_signal_handlers(self, reload: Callable[[], object] | None = None) -> None:
        """SIGTERM ends the process with status 0 (Twisted's own handler would let it die of the signal), SIGHUP calls
        ``reload``, both in the reactor's thread. With an ``ending``, SIGTERM is handled there."""
        if self._ending is None:
            self._on(signal.SIGTERM, self._reactor.stop)
        if reload is not None:
            self._on(signal.SIGHUP, reload)

    def _on(self, number: signal.Signals, act: Callable[[], Any]) -> None:
        signal.signal(number, lambda *_: self._reactor.callFromThread(act))

    def end(self) -> None:
        """End the process as SIGTERM does."""
        self._reactor.stop()

    def ready(self, healthy: Callable[[], bool] = lambda: True) -> None:
        """In service; signs of life as long as the reactor runs, and while ``healthy``."""
        self._watchdog = self._systemd.watchdog(self._reactor, healthy)
        self._systemd.ready()

    def stopping(self, seconds: float = 0.0) -> None:
        """Stopping has begun, and may take so many ``seconds``."""
        self._systemd.stopping(seconds)

    def stopped(self) -> None:
        """Stop the signs of life."""
        if self._watchdog is not None:
            self._watchdog.stop()


def fail_process(reactor: Any) -> None:
    """End the process with status 1 although the reactor runs already, which by itself ends with 0."""
    atexit.register(_exit)
    reactor.stop()


def fail_because(faults: Iterable[str], log: Logger, reactor: Any) -> None:
    """Say in the log what is wrong, and end the process with status 1, also where the reactor is about to run."""
    for fault in faults:
        log.critical("{fault}", fault=fault)
    reactor.callWhenRunning(fail_process, reactor)


def _exit() -> None:
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(1)


def settle_memory() -> None:
    """Spare Python's collector what stays for good, and let it look less often.

    When thousands of clients connect, all their objects are made at once; the collector then traverses all of them
    again and again, and no client is served for up to 200 ms each time (measured with 5,000). Dropped cycles are freed
    a little later.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(COLLECTION_THRESHOLD, *gc.get_threshold()[1:])
