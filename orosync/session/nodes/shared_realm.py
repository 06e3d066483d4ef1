"""A realm that several nodes share: its subjects joined, and the realms of a process joined to the other nodes."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from twisted.internet.defer import Deferred, DeferredList
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.logger import Logger
from twisted.python.failure import Failure

from orosync.backplane.messages import NodeMessage
from orosync.backplane.nodes import Nodes
from orosync.backplane.peer import Peer
from orosync.backplane.questions import Questions
from orosync.clocks import Now
from orosync.errors import Unavailable
from orosync.notifications.maintenance import MaintenanceState
from orosync.session.nodes.callees import RealmCallees
from orosync.session.nodes.calls import RealmCalls
from orosync.session.nodes.catching_up import CatchingUp
from orosync.session.nodes.history import SharedHistory
from orosync.session.nodes.ids import SharedIds
from orosync.session.nodes.interest import SharedInterest
from orosync.session.nodes.maintenance import SharedMaintenance
from orosync.session.nodes.meta import SharedMeta
from orosync.session.nodes.part import RealmPart
from orosync.session.nodes.presence import SharedPresence
from orosync.session.nodes.publications import SharedPublications
from orosync.session.nodes.retention import SharedRetention
from orosync.session.realm_context import RealmContext

RELOAD_DELAY = 1.0
"""Seconds after a peer has gone or begun anew until what the engine keeps is loaded again: something may have been
missed."""


class SharedRealm:
    """One realm among the nodes; it has no members yet. ``key``: the secret of all nodes; ``now`` tells the time of
    day, in seconds since 1970."""

    def __init__(self, realm_context: RealmContext, nodes: Nodes, questions: Questions, key: bytes, now: Now) -> None:
        ids = SharedIds(key, realm_context.name)
        realm = realm_context.realm
        realm_context.mark = ids.mark
        self.name = realm.name
        self._backplane = nodes.backplane
        self.interest = SharedInterest(realm, nodes)
        self.presence = SharedPresence(realm, nodes)
        self.publications = SharedPublications(realm_context, nodes, self.interest, ids, now)
        self.retention = SharedRetention(realm, nodes, now)
        self.history = SharedHistory(realm, nodes)
        self.publications.on_retained = self.retention.retained
        self.publications.on_kept = self.history.kept
        self.calls = RealmCalls(realm_context, nodes)
        self.callees = RealmCallees(realm_context, nodes, self.calls, now)
        realm.dealer.share(self.callees, ids.registration)
        realm_context.registration_gate = self.callees.claims
        self.meta = SharedMeta(realm_context, questions)
        realm_context.caught_up = CatchingUp(self.name, questions, realm_context.clock).caught_up
        self.parts: list[RealmPart] = [
            self.interest,
            self.presence,
            self.publications,
            self.retention,
            self.history,
            self.calls,
            self.callees,
        ]

    def share_maintenance(self, state: MaintenanceState) -> None:
        """Have all nodes know ``state``, what the pages of this realm were told of maintenance."""
        self.parts.append(SharedMaintenance(self.name, state, self._backplane))


class SharedRealms:
    """The realms of this process, joined to the other nodes before ``nodes`` is started. ``load`` is to be called when
    the node has joined; after that it happens by itself where it is needed."""

    _log = Logger()

    def __init__(self, nodes: Nodes, realms: Iterable[SharedRealm], clock: IReactorTime) -> None:
        self._nodes = nodes
        self._clock = clock
        self._realms = {realm.name: realm for realm in realms}
        self._loading: IDelayedCall | None = None
        handlers: dict[type[Any], dict[str, Callable[[Peer, Any], None]]] = {}
        for realm in self._realms.values():
            for part in realm.parts:
                for kind, handler in part.handlers.items():
                    handlers.setdefault(kind, {})[realm.name] = handler
        for kind, by_realm in handlers.items():
            nodes.handle(kind, _by_realm(by_realm))
        nodes.on_joined(self._snapshot)
        nodes.on_left(self._forget)
        nodes.on_settled(self._settle)
        nodes.on_engine(self._engine_changed)

    def _parts(self) -> Iterable[RealmPart]:
        return [part for realm in self._realms.values() for part in realm.parts]

    def _snapshot(self) -> Iterable[NodeMessage]:
        for part in self._parts():
            yield from part.snapshot()

    def _forget(self, peer: Peer) -> None:
        for part in self._parts():
            part.forget(peer)
        if self._nodes.available and (self._loading is None or not self._loading.active()):
            self._loading = self._clock.callLater(RELOAD_DELAY, self.load)

    def _settle(self, peer: Peer) -> None:
        for part in self._parts():
            part.settle(peer)

    def _engine_changed(self, back: bool) -> None:
        for part in self._parts():
            part.engine(back)
        if back:
            self.load()

    def load(self) -> Deferred[None]:
        """Fetch what the engine keeps for all nodes. Fires when that is done, or the engine cannot be reached: then it
        is done again when the engine is back."""
        done = DeferredList([part.load().addErrback(self._not_loaded) for part in self._parts()])
        return done.addCallback(lambda _: None)

    def _not_loaded(self, failure: Failure) -> None:
        if failure.check(Unavailable) is None:
            self._log.failure("what the engine keeps could not be loaded", failure=failure)


def _by_realm(handlers: dict[str, Callable[[Peer, Any], None]]) -> Callable[[Peer, Any], None]:
    """A handler that hands a message to its realm; a node whose configuration is newer may have another one."""

    def handle(peer: Peer, message: Any) -> None:
        handler = handlers.get(message.realm)
        if handler is not None:
            handler(peer, message)

    return handle
