"""The components of the application in this process: joined to their realms at the start, let go at the end.

It must not know what a component does.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from twisted.logger import Logger
from twisted.python.failure import Failure

from orosync.components.hosted import HostedComponent, start_all
from orosync.composition.parts import Parts
from orosync.composition.process import fail_process
from orosync.config.components import ComponentSection
from orosync.errors import ConfigError
from orosync.model import Principal, Traits
from orosync.session.deadlines import Deadlines
from orosync.session.drain import drain
from orosync.session.inside import InsideHost
from orosync.session.lobby import Guest, Lobby
from orosync.session.recheck import Rechecks
from orosync.session.wire import Wires

METHOD = "component"
"""A component's authmethod and authprovider."""

HELLO_TIMEOUT = 10.0
MESSAGE_LIMIT = 1024 * 1024
HOLDINGS = SESSIONS = 100_000
"""There are no strangers here: bounds that an application never meets."""


class Hosting:
    """Every [component:NAME] of the configuration. ``guests`` are those of its sessions that are here."""

    _log = Logger()

    def __init__(self, parts: Parts, wires: Wires, rechecks: Rechecks) -> None:
        self._parts = parts
        self.guests: set[Guest] = set()
        self._deadlines = Deadlines(parts.reactor, HELLO_TIMEOUT)
        self._hosts: list[InsideHost] = []
        sections = parts.configuration.components.values()
        self.components = [self._component(section, wires, rechecks) for section in sections]

    def _component(self, section: ComponentSection, wires: Wires, rechecks: Rechecks) -> HostedComponent:
        parts = self._parts
        lobby = Lobby(
            realms={section.realm: parts.realms[section.realm]},
            journal=parts.journal,
            wires=wires,
            deadlines=self._deadlines,
            rechecks=rechecks,
            guests=self.guests,
            user_limit=SESSIONS,
            subscription_limit=HOLDINGS,
            registration_limit=HOLDINGS,
            call_limit=HOLDINGS,
            inside=True,
        )
        principal = Principal(section.name, section.role, METHOD, METHOD, authenticated_at=parts.now())
        host = InsideHost(lobby, principal, Traits(message_limit=MESSAGE_LIMIT, pinged=False))
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
        await drain(self.guests, self._parts.reactor, 0)
        for component in self.components:
            component.stop()
        self._deadlines.stop()
