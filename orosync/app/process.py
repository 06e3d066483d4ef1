"""Tells systemd how the service fares: ready, stopping, and that it is alive.

For: units of ``Type=notify``. Must not know: what readiness means, sessions, the configuration.
Source: sd_notify(3) and sd_watchdog_enabled(3) of systemd 252. Without systemd nothing is sent, and nothing fails:
what the service manager does not hear must never stop the router.

This process, as whoever started it sees it: ready, alive, stopping, and the status with which it ends.

It must not know what is served, or what stopping takes.

The components of the application in this process: joined to their realms at the start, let go at the end.

It must not know what a component does.
"""

from __future__ import annotations

import atexit
import os
import signal
import socket
import sys
from collections.abc import Callable, Iterable, Mapping
from typing import Any, NoReturn

from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import LoopingCall
from twisted.logger import Logger
from twisted.python.failure import Failure

from orosync.app.container import Container
from orosync.app.ending import Ending
from orosync.config.realms import ComponentSection
from orosync.embedded.component import HostedComponent, start_all
from orosync.errors import ConfigError
from orosync.model import ConnectionPolicy, Principal
from orosync.session.context import ListenerContext, ListenerSession, drain
from orosync.session.dispatch import Wires
from orosync.session.hosts import EmbeddedSessionHost
from orosync.session.revalidation import Revalidation
from orosync.session.timers import Deadlines


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


class Process:
    """Told of by its service, which calls each method once; ``apply`` when the reactor runs."""

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

    def apply(self, reload: Callable[[], None] | None = None) -> None:
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


METHOD = "component"
"""A component's authmethod and authprovider."""

HELLO_TIMEOUT = 10.0
MESSAGE_LIMIT = 1024 * 1024
HOLDINGS = SESSIONS = 100_000
"""There are no strangers here: bounds that an application never meets."""


class Hosting:
    """Every [component:NAME] of the configuration. ``sessions`` are those of its sessions that are here."""

    _log = Logger()

    def __init__(self, parts: Container, wires: Wires, revalidation: Revalidation) -> None:
        self._parts = parts
        self.sessions: set[ListenerSession] = set()
        self._deadlines = Deadlines(parts.reactor, HELLO_TIMEOUT)
        self._hosts: list[EmbeddedSessionHost] = []
        sections = parts.configuration.components.values()
        self.components = [self._component(section, wires, revalidation) for section in sections]

    def _component(self, section: ComponentSection, wires: Wires, revalidation: Revalidation) -> HostedComponent:
        parts = self._parts
        context = ListenerContext(
            realms={section.realm: parts.realms[section.realm]},
            journal=parts.journal,
            wires=wires,
            deadlines=self._deadlines,
            revalidation=revalidation,
            sessions=self.sessions,
            user_limit=SESSIONS,
            subscription_limit=HOLDINGS,
            registration_limit=HOLDINGS,
            call_limit=HOLDINGS,
            inside=True,
        )
        principal = Principal(section.name, section.role, METHOD, METHOD, authenticated_at=parts.now())
        host = EmbeddedSessionHost(context, principal, ConnectionPolicy(message_limit=MESSAGE_LIMIT, pinged=False))
        self._hosts.append(host)
        return HostedComponent(section.name, parts.components[section.name], host, parts.journal, parts.reactor)

    def start(self, ports: Iterable[Any], ready: Callable[[], None]) -> None:
        """Start the components, and call ``ready`` when all have joined; until then whoever comes to one of ``ports``
        (listening, of Twisted's) waits in the system's queue. One that cannot start ends the process with status 1."""
        if not self.components:
            ready()
            return
        held = list(ports)
        for port in held:
            port.stopReading()

        def let_in(_: None) -> None:
            for port in held:
                port.startReading()
            ready()

        start_all(self.components).addCallbacks(let_in, self._cannot_start)

    def _cannot_start(self, failure: Failure) -> None:
        faults = failure.value.faults if isinstance(failure.value, ConfigError) else [failure.getErrorMessage()]
        for fault in faults:
            self._log.critical("{fault}", fault=fault)
        self._parts.reactor.callWhenRunning(fail_process, self._parts.reactor)

    async def stop(self) -> None:
        """Say goodbye to all of them, and a moment later stop those that are still here."""
        for host in self._hosts:
            host.closing = True
        for component in self.components:
            component.retire()
        await drain(self.sessions, self._parts.reactor, 0)
        for component in self.components:
            component.stop()
        self._deadlines.stop()
