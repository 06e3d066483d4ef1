"""The embedded components of a router, [component:NAME]: started before clients are admitted, stopped after them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from twisted.logger import Logger
from twisted.python.failure import Failure

from orosync.app.container import Container
from orosync.app.process import fail_because
from orosync.config.realms import ComponentSection
from orosync.embedded.component import HostedComponent, start_all
from orosync.errors import ConfigError
from orosync.model import ConnectionPolicy, Principal
from orosync.session.context import ListenerContext, ListenerSession, drain
from orosync.session.dispatch import Wires
from orosync.session.hosts import EmbeddedSessionHost
from orosync.session.revalidation import Revalidation
from orosync.session.timers import Deadlines

METHOD = "component"
"""A component's authmethod and authprovider."""

HELLO_TIMEOUT = 10.0
MESSAGE_LIMIT = 1024 * 1024
LIMIT = 100_000
"""Sessions, subscriptions, registrations and calls of a component: more than an application needs."""


class EmbeddedComponents:
    """Every [component:NAME] of the configuration. ``sessions`` are their sessions that are connected."""

    _log = Logger()

    def __init__(self, container: Container, wires: Wires, revalidation: Revalidation) -> None:
        self._container = container
        self.sessions: set[ListenerSession] = set()
        self._deadlines = Deadlines(container.reactor, HELLO_TIMEOUT)
        self._hosts: list[EmbeddedSessionHost] = []
        sections = container.configuration.components.values()
        self.components = [self._component(section, wires, revalidation) for section in sections]

    def _component(self, section: ComponentSection, wires: Wires, revalidation: Revalidation) -> HostedComponent:
        container = self._container
        context = ListenerContext(
            realms={section.realm: container.realms[section.realm]},
            journal=container.journal,
            wires=wires,
            deadlines=self._deadlines,
            revalidation=revalidation,
            sessions=self.sessions,
            user_limit=LIMIT,
            subscription_limit=LIMIT,
            registration_limit=LIMIT,
            call_limit=LIMIT,
            inside=True,
        )
        principal = Principal(section.name, section.role, METHOD, METHOD, authenticated_at=container.now())
        host = EmbeddedSessionHost(context, principal, ConnectionPolicy(message_limit=MESSAGE_LIMIT, pinged=False))
        self._hosts.append(host)
        return HostedComponent(
            section.name, container.components[section.name], host, container.journal, container.reactor
        )

    def start(self, ports: Iterable[Any], ready: Callable[[], None]) -> None:
        """Start the components, and call ``ready`` when all have joined. Until then clients of ``ports`` (Twisted's,
        listening) wait in the system's queue. A component that cannot start ends the process with status 1."""
        if not self.components:
            ready()
            return
        held = list(ports)
        for port in held:
            port.stopReading()

        def admit_clients(_: None) -> None:
            for port in held:
                port.startReading()
            ready()

        start_all(self.components).addCallbacks(admit_clients, self._cannot_start)

    def _cannot_start(self, failure: Failure) -> None:
        faults = failure.value.faults if isinstance(failure.value, ConfigError) else [failure.getErrorMessage()]
        fail_because(faults, self._log, self._container.reactor)

    async def stop(self) -> None:
        """Have all of them leave, and a moment later stop those that have not."""
        for host in self._hosts:
            host.closing = True
        for component in self.components:
            component.retire()
        await drain(self.sessions, self._container.reactor, 0)
        for component in self.components:
            component.stop()
        self._deadlines.stop()
