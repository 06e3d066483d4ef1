"""Builds every object of one process from its configuration: realms, authenticators, directories, session stores.

Each is made when it is first asked for, and once. All faults that making them brings up are collected, so that an
administrator sees them at once. Listeners are built in ``app.service``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import cached_property, partial
from importlib import import_module
from typing import TYPE_CHECKING, Any, TypeVar

from twisted.application.service import IService
from twisted.internet.defer import Deferred

from orosync import registry
from orosync.app.authorizers import AuthorizerFactory
from orosync.authz.chain import Chain
from orosync.clocks import Now, time_of_day
from orosync.config import Configuration
from orosync.config.attached import LISTENER
from orosync.config.authentication import Method, RemoteAuthenticatorSection
from orosync.config.backplane import LocalBackplaneSection
from orosync.config.sections import (
    AnonymousSection,
    CookieSection,
    DemoDirectorySection,
    ForeignSection,
    SqlDirectorySection,
    StaticDirectorySection,
    TicketSection,
)
from orosync.demo.data import demo_users as new_demo_users
from orosync.embedded.component import component_maker
from orosync.errors import ConfigError
from orosync.identity.cookie_authenticator import CookieAuthenticator
from orosync.identity.directories.pool import SqlService
from orosync.identity.directories.static import StaticDirectory
from orosync.identity.factory import (
    AnonymousAuthenticator,
    method_authenticator,
    plugin_store,
    remote_authenticator,
    session_store,
    sql_directory,
    ticket_authenticator,
)
from orosync.identity.hasher import Hasher
from orosync.identity.rate_limit import FailureBuckets
from orosync.identity.shared_passwords import Sharing
from orosync.identity.single_flight import SessionLookups
from orosync.identity.ticket import ReplayCache
from orosync.identity.ticket_authenticator import TicketAuthenticator
from orosync.identity.ticket_verifier import PublisherRight
from orosync.interfaces import (
    IAuthenticator,
    IAuthorizer,
    IBackplane,
    IDirectory,
    IHealthCheck,
    ISessionStore,
    ITopicWatcher,
)
from orosync.model import Principal, User
from orosync.notifications.maintenance import MaintenanceNotice
from orosync.notifications.ping import KeepAlivePing
from orosync.ops.journal import Journal
from orosync.router.filters import FORWARDER
from orosync.session.dispatch import Dispatcher
from orosync.session.local import LocalMember, LocalSession
from orosync.session.realm_context import RealmContext, make_realm_context
from orosync.uplink.uplink import FEATURES, Uplink

if TYPE_CHECKING:
    from orosync.app.nodes import RouterNode

T = TypeVar("T")


class Container:
    """The objects of a router.

    ``realms`` raises ConfigError with every fault. ``services`` holds the objects that have to be started and stopped,
    once ``realms`` has been asked for; ``titles`` names plugins (by identity) as their sections do.
    ``databases`` has those of directories, ``failures`` the failed attempts of authenticators, by their names. In a
    worker, ``local`` joins it to the other workers, which share ``key`` and ``demo_users``. ``alone``: the process is
    no node, whatever [backplane] says.
    """

    def __init__(
        self,
        configuration: Configuration,
        reactor: Any,
        now: Now = time_of_day,
        local: IBackplane | None = None,
        key: bytes = b"",
        demo_users: tuple[User, ...] = (),
        alone: bool = False,
    ) -> None:
        self.configuration = configuration
        self._local, self._key, self._alone = local, key, alone
        self.reactor = reactor
        self.now = now
        self.journal = Journal(reactor, debug=configuration.router.log_level == "debug")
        self.hasher = Hasher(reactor, self.journal, workers=configuration.router.ticket_processes)
        self.dispatcher = Dispatcher(self.journal, reactor.seconds)
        self.demo_users = demo_users or new_demo_users()
        self.failures: dict[str, FailureBuckets] = {}
        self.sharing = Sharing(self.journal, reactor)
        self.services: list[IService] = []
        self.titles: dict[int, str] = {}
        self.databases: dict[str, SqlService] = {}
        self._plugins: dict[str, Any] = {}
        self._faults: list[str] = []
        self._chains: dict[str, Chain] = {}
        self._hosted: dict[str, RealmContext] = {}
        self.authorizer_factory = AuthorizerFactory(self._hosted, self.journal, reactor, self._foreign_authorizer)
        registry.search(configuration.router.plugins)

    @cached_property
    def realms(self) -> Mapping[str, RealmContext]:
        """Every realm in service, with its authenticators, authorizers and watchers."""
        hosted = self._hosted
        hosted.update({name: self._realm(name) for name in self.configuration.realms})
        authorizers = self._attempt(self.authorizer_factory.make, self.configuration)
        self.components  # noqa: B018 (made when asked for, so that its faults are found)
        self.session_stores  # noqa: B018 (made when asked for, so that its faults are found)
        for name in self.configuration.uplinks:
            self._attempt(self._uplink, name, hosted[name])
        node = self.node
        if self._faults or authorizers is None:
            raise ConfigError(self._faults)
        self.authorizer_factory.put(authorizers)
        oro = hosted.get(self.configuration.notifications.realm)
        if oro is not None:
            oro.watch(self._watchers(LocalMember(oro, here=True)))
        if node is not None:
            node.share(hosted, self.failures, self.now)
        return hosted

    @cached_property
    def node(self) -> RouterNode | None:
        """This process as one of several nodes; None where it has no others beside it."""
        section = self.configuration.backplane
        if self._alone or section is None or (isinstance(section, LocalBackplaneSection) and self._local is None):
            return None
        nodes = import_module("orosync.app.nodes")  # what a router of one process does not need
        made: RouterNode | None = self._attempt(
            nodes.RouterNode, self.configuration, self.reactor, self.journal, self._local, self._key
        )
        return made

    def check(self) -> None:
        """Raise ConfigError with every fault found so far."""
        if self._faults:
            raise ConfigError(self._faults)

    def _realm(self, name: str) -> RealmContext:
        section = self.configuration.realms[name]
        authenticators = [self.authenticators.get(one) for one in section.authenticators]
        # Its authorizers come when all realms are there.
        chain = self._chains[name] = Chain([], self.journal, clock=self.reactor)
        known = [one for one in authenticators if one is not None]
        return make_realm_context(section, chain, known, self.journal, self.dispatcher, self.reactor, self.now)

    def _uplink(self, name: str, hosted: RealmContext) -> None:
        section = self.configuration.uplinks[name]
        who = Principal(f"uplink:{name}", section.role, "uplink", f"uplink:{name}")
        features = FEATURES | {FORWARDER}
        uplink = Uplink(section, partial(LocalSession, hosted, who, features), self.journal, self.reactor)
        self.services.append(uplink)
        self.titles[id(uplink)] = f"uplink:{name}"

    def _watchers(self, publisher: LocalMember) -> list[ITopicWatcher]:
        section = self.configuration.notifications
        return [
            MaintenanceNotice(publisher),
            KeepAlivePing(publisher, self.reactor, section.ping_interval, journal=self.journal),
        ]

    # -- authorization

    def chain(self, realm: str) -> Chain:
        """The authorizers of a realm in order, without the realm; ``check`` raises their faults."""
        if realm not in self._chains:
            authorizers = self._attempt(self.authorizer_factory.of, self.configuration, realm)
            self._chains[realm] = Chain(authorizers or [], self.journal, clock=self.reactor)
        return self._chains[realm]

    def _foreign_authorizer(self, section: ForeignSection) -> IAuthorizer:
        authorizer: IAuthorizer = self._foreign("authorizer", section, IAuthorizer)
        return authorizer

    # -- authentication

    @cached_property
    def authenticators(self) -> Mapping[str, IAuthenticator]:
        """Every [authenticator:NAME] that could be made, by its name."""
        return self._each(self._authenticator, self.configuration.authenticators)

    def _authenticator(self, name: str) -> IAuthenticator:
        section = self.configuration.authenticators[name]
        if isinstance(section, AnonymousSection):
            return AnonymousAuthenticator(name, section.role)
        if isinstance(section, TicketSection):
            return self._tickets(section)
        if isinstance(section, CookieSection):
            return self._cookies(section)
        if isinstance(section, Method):
            return method_authenticator(section, self.journal, self.reactor, self.now, self._failures(name))
        if isinstance(section, RemoteAuthenticatorSection):
            realms = self.configuration.realms
            caller, failures = self.authorizer_factory.caller, self._failures(name)
            return remote_authenticator(section, caller, realms, self.journal, self.reactor, self.now, failures)
        authenticator: IAuthenticator = self._foreign("authenticator", section, IAuthenticator)
        return authenticator

    def _tickets(self, section: TicketSection) -> TicketAuthenticator:
        directory = self.directories.get(section.directory)
        if directory is None:
            raise ConfigError([])  # said already, by the directory
        return ticket_authenticator(
            section,
            directory,
            self.hasher,
            self.journal,
            self.reactor,
            self.now,
            publisher_right=self.publisher_right,
            used=self._used_tickets,
            shared=self.sharing.of(section.directory, directory, section.accept_disabled),
            failures=self._failures(section.name, FailureBuckets(section.failure_rate, section.failure_burst)),
        )

    def _failures(self, name: str, buckets: FailureBuckets | None = None) -> FailureBuckets:
        """Those of the authenticator ``name``."""
        return self.failures.setdefault(name, FailureBuckets() if buckets is None else buckets)

    @cached_property
    def _used_tickets(self) -> ReplayCache:
        return ReplayCache(once=None if self.node is None else self.node.once)

    def _cookies(self, section: CookieSection) -> CookieAuthenticator:
        store, directory = self.session_stores.get(section.sessions), self.directories.get(section.directory)
        if store is None or directory is None:
            raise ConfigError([])  # said already, by the one that is missing
        return CookieAuthenticator(
            section.name,
            store,
            directory,
            self.journal,
            self.reactor,
            self.now,
            cookie=section.cookie,
            role=section.role,
            prolongs=store.prolongs,
            recheck_interval=section.recheck,
            failures=self._failures(section.name),
        )

    @cached_property
    def publisher_right(self) -> PublisherRight:
        """Who may publish, on each listener."""
        listeners, attach = self.configuration.listeners.values(), self.configuration.attach
        return PublisherRight(
            granted=[one.name for one in listeners if one.publisher],
            publisher_from={LISTENER: () if attach is None else attach.publisher_from}
            | {one.name: one.publisher_from for one in listeners if one.publisher_from},
            programs=[LISTENER],
        )

    @cached_property
    def directories(self) -> Mapping[str, IDirectory]:
        """Every [directory:NAME] that could be made, by its name."""
        return self._each(self._directory, self.configuration.directories)

    def _directory(self, name: str) -> IDirectory:
        section = self.configuration.directories[name]
        if isinstance(section, StaticDirectorySection):
            return StaticDirectory(section.user)
        if isinstance(section, DemoDirectorySection):
            return StaticDirectory(self.demo_users)
        if isinstance(section, SqlDirectorySection):
            lookups, service = sql_directory(section, self.journal, self.reactor)
            self.services.append(service)
            self.databases[name] = service
            return lookups
        directory: IDirectory = self._foreign("directory", section, IDirectory)
        return directory

    @cached_property
    def session_stores(self) -> Mapping[str, SessionLookups]:
        """Every [sessions:NAME] that could be made, by its name."""
        return self._each(self._session_store, self.configuration.session_stores)

    def _session_store(self, name: str) -> SessionLookups:
        section = self.configuration.session_stores[name]
        if isinstance(section, ForeignSection):
            store = self._foreign("sessions", section, ISessionStore)
            return plugin_store(name, store, self.journal, self.reactor)
        verifier = getattr(section, "authenticator", "")

        def verify(ticket: str) -> Deferred[Principal]:
            # Looked up when there is a ticket: authenticators are made after the stores that they ask.
            authenticator = self.authenticators[verifier]
            assert isinstance(authenticator, TicketAuthenticator)
            return authenticator.verify(ticket)

        lookups, service = session_store(section, self.journal, self.reactor, self.now, verify)
        self.services.append(service)
        return lookups

    @cached_property
    def components(self) -> Mapping[str, Callable[[], Any]]:
        """What makes the component of every [component:NAME], by its name."""
        return self._each(self._component_maker, self.configuration.components)

    def _component_maker(self, name: str) -> Callable[[], Any]:
        section = self.configuration.components[name]
        return component_maker(f"component:{name}", section.use, section.realm, section.extra)

    # -- plugins, and faults

    @property
    def plugins(self) -> Mapping[str, Any]:
        """The plugins in use by their sections' titles; those of authorizers may change at a reload."""
        return {**self._plugins, **self.authorizer_factory.plugins}

    def _foreign(self, kind: str, section: ForeignSection, interface: Any) -> Any:
        """``package.module:factory``, called with its section's name and options."""
        title = f"{kind}:{section.name}"
        factory = registry.resolve(title, section.use, {}, interface)
        made = registry.create(title, factory, interface, section.name, section.options)
        if IHealthCheck.providedBy(made):
            registry.check(title, made, IHealthCheck)
        if kind != "authorizer":
            self._plugins[title] = made
        if IService.providedBy(made):
            self.services.append(made)
            self.titles[id(made)] = title
        return made

    def _each(self, make: Callable[[str], T], names: Iterable[str]) -> dict[str, T]:
        """Those of ``names`` that could be made, by name."""
        made = {name: self._attempt(make, name) for name in names}
        return {name: one for name, one in made.items() if one is not None}

    def _attempt(self, make: Callable[..., T], *args: Any) -> T | None:
        """Collect what is wrong instead of stopping at the first."""
        try:
            return make(*args)
        except ConfigError as error:
            self._faults += [fault for fault in error.faults if fault not in self._faults]
            return None
