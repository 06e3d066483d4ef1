"""Tells systemd how the service fares: ready, stopping, and that it is alive.

For: units of ``Type=notify``. Must not know: what readiness means, sessions, the configuration.
Source: sd_notify(3) and sd_watchdog_enabled(3) of systemd 252. Without systemd nothing is sent, and nothing fails:
what the service manager does not hear must never stop the router.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping

from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import LoopingCall


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

    def watchdog(self, clock: IReactorTime) -> LoopingCall | None:
        """Signs of life at half the time that systemd waits, from the reactor itself: a stuck reactor sends none.

        Returns the running call, for the caller to stop; None when systemd does not watch.
        """
        if not self.watchdog_seconds:
            return None
        call = LoopingCall(self.alive)
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
