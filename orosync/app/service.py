"""The router as a Twisted service: opens listeners, serves clients, reloads, and stops everything in order.

The objects of the configuration come from ``app.container``; this module joins them to the listeners.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Protocol

from twisted.application.service import MultiService, Service
from twisted.internet.defer import Deferred, gatherResults, maybeDeferred, succeed
from twisted.internet.interfaces import IListeningPort, IProtocolFactory, IStreamServerEndpoint
from twisted.logger import Logger

from orosync import __version__
from orosync.app import probe
from orosync.app.components import EmbeddedComponents
from orosync.app.container import Container
from orosync.app.control import ControlSocket
from orosync.app.ending import GRACE, Ending, Stopping
from orosync.app.listeners import (
    allowance,
    client_policy,
    credentials,
    publisher_policy,
    serves_http,
    settings_of,
)
from orosync.app.node_verbs import ControlVerbs, NodeVerbs
from orosync.app.opening import Opening, spoken
from orosync.app.operations import Monitoring
from orosync.app.origins import origins
from orosync.app.process import Process
from orosync.app.reload import Reload, RuleReload
from orosync.app.summary import Summary
from orosync.config import Configuration
from orosync.config.listen import ListenSection
from orosync.demo.application import DemoApplication
from orosync.demo.endpoints import Endpoints, HttpAnswer, HttpCall
from orosync.demo.loopback import LoopbackOnly
from orosync.errors import ConfigError
from orosync.identity.ticket_verifier import ListenerBackEnd
from orosync.interfaces import IJournal, ISessionHost
from orosync.metrics import Snapshot
from orosync.ops.answers import ReloadAnswer
from orosync.session.context import HiddenProxies, ListenerContext, ListenerSession, drain
from orosync.session.dispatch import Wires
from orosync.session.hosts import SessionHost
from orosync.session.local import LocalMember
from orosync.session.reauthorization import Reauthorization
from orosync.session.revalidation import Revalidation
from orosync.session.timers import Deadlines
from orosync.transport.accepting import accept_few
from orosync.transport.factories import FACTORIES
from orosync.transport.listener import ListenerFactory
from orosync.transport.longpoll_relay import RelayedPoll
from orosync.transport.message_rates import MessageRates
from orosync.transport.read_turns import ReadTurns
from orosync.transport.settings import OtherWorkers
from orosync.transport.static_pages import StaticPages
from orosync.transport.tls import secured
from orosync.transport.write_queue import WriteScheduler
from orosync.uplink.uplink import Uplink


class WorkerPlace(OtherWorkers, Protocol):
    """What a router has in the process of a worker (``app.worker``). ``first``: it tells what all workers find, and has
    the embedded components and uplinks; with ``waits`` it starts them when ``lead`` is called. The last
    three methods are called when it serves, when it cannot, and when it admits no further client."""

    @property
    def first(self) -> bool: ...

    @property
    def waits(self) -> bool: ...

    def load(self, path: Path) -> Configuration: ...

    def listen(
        self,
        name: str,
        factory: IProtocolFactory,
        secure: Callable[[IStreamServerEndpoint], IStreamServerEndpoint],
        opened: Callable[[IListeningPort], None],
    ) -> bool: ...

    def ask_demo(self, call: HttpCall) -> Deferred[HttpAnswer]: ...

    def ready(self) -> None: ...

    def refuse(self, faults: Sequence[str]) -> None: ...

    def draining(self) -> None: ...


def build(configuration: Configuration, reactor: Any, ending: Ending | None = None) -> RouterService:
    """The whole router, not yet started; ``ending`` where the process is its own. Raises ConfigError."""
    return RouterService(Container(configuration, reactor), ending)


class RouterService(MultiService):
    """Opens every listener at the start; at the stop, disconnects all clients before the process ends."""

    log = Logger()

    def __init__(self, container: Container, ending: Ending | None = None, worker: WorkerPlace | None = None) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._worker = worker
        self._first = worker is None or worker.first
        self._container = container
        self._configuration = container.configuration
        self._sessions: set[ListenerSession] = set()
        self._wires = Wires()
        self._scheduler, self._turns = WriteScheduler(container.reactor), ReadTurns(container.reactor)
        self._reauthorization = Reauthorization(container.reactor, container.journal)
        self._revalidation = Revalidation(
            container.reactor, container.journal, container.configuration.router.recheck, self._reauthorization.renew
        )
        self._hosts: list[SessionHost] = []
        self._deadlines: list[Deadlines] = []
        self._rates: list[MessageRates] = []
        self._ports: dict[str, IListeningPort] = {}
        self._operations_ports: list[IListeningPort] = []
        self._process = Process(container.reactor, os.environ, ending)
        self._stopping = Stopping(container.journal, container.titles)
        self._opening = Opening(container.reactor, self.log, [] if ending is None else ending.sockets)
        if ending is not None:
            ending.configure(container.journal, container.configuration.router.drain, lambda: self._stopping.unfinished)
        container.hasher.setServiceParent(self)
        self._components = EmbeddedComponents(container, self._wires, self._revalidation)
        self._pages = {
            one.name: _pages(one, container.reactor) for one in self._configuration.listeners.values() if one.pages
        }
        self._demo = self._demonstration()
        self._factories = {name: self._factory(one) for name, one in self._configuration.listeners.items()}
        self._origins = origins(
            self._configuration.listeners.values(),
            {name: factory.origin_rule for name, factory in self._factories.items()},
            container.databases.__getitem__,
            container.journal,
            container.reactor,
        )
        self._stops = False
        self._closing: list[Deferred[None]] | None = None
        self._late: list[Any] = []
        for part in [*container.services, container.sharing, *self._origins]:
            if isinstance(part, Uplink) and worker is not None and worker.waits:
                self._late.append(part)
            else:
                part.setServiceParent(self)
        self._credentials = {
            one.name: credentials(one, container.configuration.router.state, container.now, container.reactor)
            for one in self._configuration.listeners.values()
            if one.tls
        }
        rules = RuleReload(
            container, self._reauthorization, self._all_sessions, self, None if worker is None else worker.load
        )
        self._reload = Reload(rules, container.sharing, self._pages, self._credentials, self._origins)
        self._monitoring = Monitoring(
            container,
            components=self._components.components,
            listeners=self._factories,
            credentials=self._credentials,
            ports=self._ports,
            draining=lambda: self._stops,
        )
        self._summary = Summary(container.journal.counts, self._all_sessions, container.journal, container.reactor)
        node = NodeVerbs(
            self._monitoring.status,
            self.reload,
            self._sessions,
            container.reactor,
            container.configuration.router.drain,
            self._admit_none,
            self._process.end,
        )
        self._verbs = ControlVerbs(container, node, self._all_sessions)
        self._control = ControlSocket(self._verbs.control, self._configuration, container.reactor)

    def _all_sessions(self) -> list[ListenerSession]:
        return [*self._sessions, *self._components.sessions]

    # -- making

    def _demonstration(self) -> DemoApplication | None:
        container, configuration = self._container, self._configuration
        if not configuration.router.demo or set(self._pages) == set(configuration.listeners):
            return None
        if not configuration.notifications.realm:
            return None
        secret = next((one.secret.value for one in configuration.authenticators.values() if hasattr(one, "secret")), "")
        oro = container.realms[configuration.notifications.realm]
        endpoints = Endpoints(LocalMember(oro), container.demo_users, secret, container.reactor, container.now)
        self.demo_answer = endpoints.answer
        if self._worker is not None and not self._worker.first:
            # What is saved in the demonstration is in one process.
            return DemoApplication(self._worker.ask_demo)
        return DemoApplication(endpoints.answer)

    def _factory(self, section: ListenSection) -> ListenerFactory:
        container = self._container
        deadlines = Deadlines(container.reactor, section.hello_timeout)
        rates = MessageRates(container.reactor, container.journal, section.name, allowance(section))
        context = ListenerContext(
            realms=container.realms,
            journal=container.journal,
            wires=self._wires,
            deadlines=deadlines,
            revalidation=self._revalidation,
            sessions=self._sessions,
            authenticators=section.authenticators or None,
            user_limit=section.connections_per_user,
            subscription_limit=section.subscriptions_per_connection,
            registration_limit=section.registrations_per_connection,
            call_limit=section.calls_per_connection,
            rates=rates,
            goodbye=section.goodbye_at_stop,
            hidden_proxies=None if self._configuration.router.demo else hidden_proxies(section, container.journal),
        )
        host = SessionHost(
            context,
            container.realms.get(section.realm),
            client=client_policy(section),
            publisher=publisher_policy(section),
        )
        self._deadlines.append(deadlines)
        self._rates.append(rates)
        self._hosts.append(host)
        front: ISessionHost = LoopbackOnly(host) if self._configuration.router.demo else host
        factory = FACTORIES[section.transport]
        back_end = None
        if section.publisher or section.publisher_from:
            back_end = ListenerBackEnd(container.publisher_right, section.name, alone=section.publisher)
        web = self._pages.get(section.name, self._demo)
        settings = settings_of(section, web, back_end, lambda: self._monitoring.ready(), self._worker)
        return factory(
            settings, front, container.journal, container.reactor, self._scheduler, self._turns, container.now
        )

    # -- starting

    def startService(self) -> None:
        """Open every listener. Those that cannot be had end the process with a line each and status 1."""
        self._process.guard()
        node = self._configuration.router.node
        self.log.info("orosync {version} starts, node {node}", version=__version__, node=node)
        if self._first:
            for warning in (*self._configuration.warnings, *self._container.authorizer_factory.warnings):
                self.log.warn("{text}", text=warning)
        # All kinds of endpoints that a configuration may name answer at once.
        opening = gatherResults(
            [*(self._listen(section) for section in self._configuration.listeners.values()), self._open_operations()]
        )
        opened: list[bool] = getattr(opening, "result", [False])
        if not all(opened):
            self._process.cannot_start()
        super().startService()  # type: ignore[no-untyped-call]
        self._monitoring.start()
        self._summary.start()
        self._verbs.start()
        if self._worker is None:
            self._control.startService()
            self._container.reactor.callWhenRunning(self._process.install_signal_handlers, self.reload)
        if self._container.node is None:
            self._serve()
        else:
            nodes = self._container.node.nodes
            nodes.alone, nodes.at_once = lambda: self._scheduler.idle, self._scheduler.at_once
            failed = None if self._worker is None else self._worker.refuse
            self._container.node.join(self._ports.values(), self._serve, failed)

    def _serve(self) -> None:
        if self._worker is not None and self._worker.waits:
            self._ready()
        else:
            self._components.start(self._ports.values(), self._ready)

    def _listen(self, section: ListenSection) -> Deferred[bool]:
        """Fires with whether the listener is open; the log knows why not."""

        def opened(port: IListeningPort) -> None:
            self._ports[section.name] = port
            accept_few(port)

        name, factory = section.name, self._factories[section.name]
        if self._worker is not None:
            return succeed(self._worker.listen(name, factory, partial(self._secure, name), opened))
        return self._opening.open(name, section.endpoint, factory, spoken(section), opened, partial(self._secure, name))

    def _secure(self, name: str, endpoint: IStreamServerEndpoint) -> IStreamServerEndpoint:
        """``endpoint`` of a listener, with TLS if it has a certificate."""
        credentials = self._credentials.get(name)
        return endpoint if credentials is None else secured(endpoint, credentials)

    def _open_operations(self) -> Deferred[bool]:
        """As ``_listen``, for [listen:ops], if there is one."""
        section, site = self._configuration.operations, self._monitoring.site
        if section is None or site is None or self._worker is not None:
            return succeed(True)
        return self._opening.open("ops", section.endpoint, site, "health and metrics", self._operations_ports.append)

    def _ready(self) -> None:
        self._process.ready()
        if self._worker is not None:
            self._worker.ready()
        if not self._first:
            return
        probe.in_background(self._container, lambda: not self._stops)
        for section in self._configuration.listeners.values():
            if serves_http(section) and (section.pages or self._demo is not None):
                what = f"[listen:{section.name}] pages are" if section.pages else "the demonstration is"
                scheme, host = "https" if section.tls else "http", self.address_of(section.name)
                self.log.info("{what} at {scheme}://{host}/", what=what, scheme=scheme, host=host)

    def address_of(self, name: str) -> str:
        """host:port of a TCP listener, or the text of another address."""
        address = self._ports[name].getHost()
        host, port = getattr(address, "host", None), getattr(address, "port", None)
        return str(address) if host is None else f"{host}:{port}"

    def reload(self) -> ReloadAnswer:
        """See app.reload."""
        return self._reload.run()

    # -- for the process of a worker

    @property
    def verbs(self) -> ControlVerbs:
        """What the supervisor may ask."""
        return self._verbs

    @property
    def client_count(self) -> int:
        """Clients that are connected."""
        return len(self._sessions)

    def health(self) -> dict[str, Any]:
        """See ops.health.Report.words."""
        return self._monitoring.health.report().words()

    def relayed(self, listener: str, name: str, verb: str, body: bytes) -> RelayedPoll | None:
        """A request of long-poll that another worker has received; None where the listener has no long-poll."""
        factory = self._factories.get(listener)
        return None if factory is None or factory.relayed is None else factory.relayed(name, verb, body)

    def other_nodes(self) -> list[dict[str, Any]]:
        """A NodeRow each."""
        return [] if self._container.node is None else self._container.node.rows()

    def snapshot(self) -> Deferred[Snapshot]:
        """The metrics now."""
        return self._monitoring.snapshot()

    def hold(self) -> None:
        """Accept no further connection; those that are there go on."""
        for port in self._ports.values():
            stopping: Any = port
            stopping.stopReading()

    def lead(self) -> None:
        """Start what exists once: embedded components and uplinks."""
        while self._late:
            self._late.pop().setServiceParent(self)
        self._components.start((), lambda: None)

    async def resign(self) -> None:
        """Stop that: another process starts it."""
        await self._components.stop()
        for part in list(self):
            if isinstance(part, Uplink):
                await maybeDeferred(part.disownServiceParent)

    # -- stopping

    def _admit_none(self) -> None:
        """Admit no further client, and close the listeners."""
        if self._worker is not None and not self._stops:
            self._worker.draining()
        self._stops = True
        for host in self._hosts:
            host.closing = True
        if self._closing is None:
            stop = self._stopping.stop
            self._closing = [stop(f"listen:{name}", port.stopListening) for name, port in self._ports.items()]

    def stopService(self) -> Deferred[None]:
        """Admit no further client, disconnect those there are within ``drain``, then stop everything else."""
        self._admit_none()
        seconds = self._configuration.router.drain
        count = len(self._sessions)
        self.log.info(
            "node {node} stops: {count} clients are let go within {seconds:g} s",
            node=self._configuration.router.node, count=count, seconds=seconds,
        )  # fmt: skip
        self._process.stopping(seconds + GRACE + 2)
        return Deferred.fromCoroutine(self._stop())

    async def _stop(self) -> None:
        stop = self._stopping.stop
        clients = partial(drain, self._sessions, self._container.reactor, self._configuration.router.drain)
        await stop("clients", clients)
        await stop("components", self._components.stop)
        if self._container.node is not None:
            await stop("backplane", self._container.node.stop)
        await gatherResults(self._closing or [])
        self._revalidation.stop()
        self._reauthorization.stop()
        for deadlines in self._deadlines:
            deadlines.stop()
        for rates in self._rates:
            rates.stop()
        for hosted in self._container.realms.values():
            for watcher in hosted.watchers.values():
                watcher.last_unsubscribed()
        # Last of all ports: what is asked about this process is answered until it ends.
        await gatherResults([stop("listen:ops", port.stopListening) for port in self._operations_ports])
        self._verbs.stop()
        await stop("control", self._control.stopService)
        self._monitoring.stop()
        self._summary.stop()
        self._process.stopped()
        Service.stopService(self)
        await self._stopping.stop_all(reversed(list(self)))
        self._container.journal.close()


def hidden_proxies(section: ListenSection, journal: IJournal) -> HiddenProxies:
    """What notices proxies in front of a listener that hide their clients."""
    return HiddenProxies(journal, section.name, () if section.publisher else section.publisher_from)


def _pages(section: ListenSection, reactor: Any) -> StaticPages:
    try:
        return StaticPages(section.pages, reactor)
    except ValueError as error:
        raise ConfigError([f"[listen:{section.name}] pages: {error}"]) from None
