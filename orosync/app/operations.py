"""Monitoring of the router: sources of its metrics, checks of its health, its status, and the site of [listen:ops]."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any

from twisted.internet.defer import Deferred, succeed
from twisted.internet.interfaces import IListeningPort

from orosync import __version__
from orosync.app import metrics
from orosync.app.container import Container
from orosync.app.metrics import METRICS, ProcessFigures, SubscriptionRoutes
from orosync.config.operations import BACKPLANE
from orosync.embedded.component import HostedComponent
from orosync.identity.cookie_authenticator import CookieAuthenticator
from orosync.identity.single_flight import SessionLookups, SingleFlight
from orosync.interfaces import IHealthCheck
from orosync.metrics import Metrics, Sample, Snapshot
from orosync.ops.answers import StatusAnswer, plain
from orosync.ops.health import Check, Health
from orosync.ops.site import Operations, operations_site
from orosync.transport.listener import ListenerFactory
from orosync.transport.tls import ReloadingCredentials
from orosync.uplink.uplink import Uplink

READY_KEPT = 1.0
"""Seconds for which health checks of listeners get the same answer."""


class Monitoring:
    """``site`` is None without [listen:ops]. Raises ConfigError when it cannot be made.

    ``components`` are those embedded; ``listeners``, ``credentials`` and ``ports`` are those of the listeners by name;
    ``draining`` tells whether the router is going down.
    """

    def __init__(
        self,
        container: Container,
        components: Sequence[HostedComponent],
        listeners: Mapping[str, ListenerFactory],
        credentials: Mapping[str, ReloadingCredentials],
        ports: Mapping[str, IListeningPort],
        draining: Callable[[], bool],
    ) -> None:
        self._container = container
        self._components = components
        self._uplinks = {
            container.titles[id(one)].partition(":")[2]: one for one in container.services if isinstance(one, Uplink)
        }
        self._listeners = listeners
        self._credentials = credentials
        self._ports = ports
        self._draining = draining
        self._process = ProcessFigures(container.reactor)
        self._ready = (False, float("-inf"))
        section = container.configuration.operations
        self.metrics = Metrics()
        self.health = Health(() if section is None else section.ready_requires)
        self._add_sources()
        self._add_checks()
        self.site = None if section is None else self._make_site()

    def start(self) -> None:
        """Measure from now on."""
        self._process.start()

    def stop(self) -> None:
        """Measure no longer."""
        self._process.stop()

    def ready(self) -> bool:
        """Whether this node is ready for clients: found out once a second at most, since anybody may ask."""
        now = self._container.reactor.seconds()
        ready, asked = self._ready
        if now - asked >= READY_KEPT:
            ready = self.health.report().ready
            self._ready = (ready, now)
        return ready

    def snapshot(self) -> Deferred[Snapshot]:
        """The metrics now."""
        return succeed(self.metrics.snapshot())

    def status(self) -> Deferred[dict[str, Any]]:
        """What this router is, and how it is, as plain values."""
        router = self._container.configuration.router
        answer = StatusAnswer(
            version=__version__,
            node=router.node,
            configuration=str(self._container.configuration.path),
            health=dict(self.health.report().words()),
            metrics=self.metrics.snapshot(),
            nodes=[] if self._container.node is None else self._container.node.rows(),
        )
        return succeed(plain(answer))

    # -- sources

    def _add_sources(self) -> None:
        container = self._container
        routes = SubscriptionRoutes(container.authorizer_factory.topic_rules, container.reactor.seconds)
        limits = {name: one.connection_limit for name, one in self._listeners.items()}
        for source in (
            self._process.read,
            partial(metrics.read_journal, container.journal.counts),
            partial(metrics.read_sessions, container.realms),
            partial(metrics.read_backlogs, self._listeners.values()),
            partial(metrics.read_realms, container.realms, routes, container.dispatcher),
            partial(metrics.read_connections, limits),
            partial(metrics.read_lookups, self._lookups()),
            partial(metrics.read_tickets, container.hasher),
            partial(metrics.read_cookies, self._cookies()),
            partial(metrics.read_links, self._uplinks, self._components),
            partial(metrics.read_health, self.health.report),
            self._read_certificates,
            *(() if container.node is None else (container.node.samples,)),
        ):
            self.metrics.add(source)

    def _lookups(self) -> list[SingleFlight[Any]]:
        directories = [one for one in self._container.directories.values() if isinstance(one, SingleFlight)]
        stores = [one.lookups for one in self._container.session_stores.values() if isinstance(one, SessionLookups)]
        return [*directories, *stores]

    def _cookies(self) -> list[CookieAuthenticator]:
        return [one for one in self._container.authenticators.values() if isinstance(one, CookieAuthenticator)]

    def _read_certificates(self) -> Iterator[Sample]:
        for name, credentials in self._credentials.items():
            yield metrics.CERTIFICATE, (name,), credentials.expires - self._container.now()

    # -- health

    def _add_checks(self) -> None:
        self.health.add(Check("drain", lambda: "the router is going down" if self._draining() else ""))
        for name in self._container.configuration.listeners:
            self.health.add(Check(f"listen:{name}", partial(self._listening, name)))
        for name, credentials in self._credentials.items():
            self.health.add(Check(f"certificate:{name}", partial(self._certificate, credentials)))
        hasher, process = self._container.hasher, self._process
        self.health.add(Check("tickets", lambda: "" if hasher.workers else "nothing is there to check tickets"))
        self.health.add(Check("descriptors", process.descriptors_used_up))
        for one in self._lookups():
            self.health.add(Check(one.title, partial(_lookup, one), shared=True))
        for name, uplink in self._uplinks.items():
            self.health.add(Check(f"uplink:{name}", partial(_uplink, uplink), shared=True))
        node = self._container.node
        if node is not None:
            self.health.add(Check(BACKPLANE, lambda: node.fault, shared=True))
        for component in self._components:
            self.health.add(Check(f"component:{component.name}", partial(getattr, component, "wrong")))
        self.health.add_source(self._plugin_checks)

    def _plugin_checks(self) -> Iterator[Check]:
        for title, plugin in self._container.plugins.items():
            if IHealthCheck.providedBy(plugin):
                yield Check(title, plugin.fault, bool(plugin.shared))

    def _listening(self, name: str) -> str:
        return "" if name in self._ports else "is not open"

    def _certificate(self, credentials: ReloadingCredentials) -> str:
        left = credentials.expires - self._container.now()
        return "" if left > 0 else f"expired {-left / 86400:.1f} days ago: renew it and reload"

    def _make_site(self) -> Any:
        operations = Operations(self.health.report, self.snapshot, METRICS, self.status)
        return operations_site(operations, self._container.reactor)


def _uplink(one: Uplink) -> str:
    return "" if one.connected else "is not connected to the other router"


def _lookup(one: SingleFlight[Any]) -> str:
    return "the last look-up failed: new users may be refused, those who are connected stay" if one.down else ""
