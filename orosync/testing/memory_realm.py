"""A realm in memory, for the tests of components and authorizers.

It has everything that a router has, except sockets and real time: nothing happens until ``turn``.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeVar

from autobahn.twisted.wamp import ApplicationSession
from twisted.internet.defer import maybeDeferred
from twisted.internet.task import Clock
from twisted.python.failure import Failure
from zope.interface import implementer

from orosync.authz.chain import Chain
from orosync.embedded.connection import Embedding, component_facts
from orosync.interfaces import IAuthorizer
from orosync.model import Action, ConnectionPolicy, Decision, Match, Principal, Verdict
from orosync.ops.journal import Journal
from orosync.router.realm import Realm
from orosync.session.context import ListenerContext
from orosync.session.dispatch import Dispatcher, Wires
from orosync.session.hosts import EmbeddedSessionHost
from orosync.session.realm_context import RealmContext
from orosync.session.reauthorization import Reauthorization
from orosync.session.revalidation import Revalidation
from orosync.session.timers import Deadlines

S = TypeVar("S", bound=ApplicationSession)

TURNS = 100
"""Turns of the reactor at one moment; a component that needs more is in a loop."""


class MemoryRealm:
    """A realm with ``authorizers``, in order; without any, everything is allowed. ``clock`` is its time."""

    def __init__(self, authorizers: Sequence[IAuthorizer] = (), name: str = "realm") -> None:
        self.clock = Clock()
        self.journal = Journal(self.clock)
        chain = Chain(authorizers or [_AllowAll()], self.journal, clock=self.clock)
        realm = Realm(name, now=self.clock.seconds, seconds=self.clock.seconds)
        realm_context = RealmContext(realm, chain, [], self.journal, Dispatcher(self.journal), self.clock)
        self._context = ListenerContext(
            realms={name: realm_context},
            journal=self.journal,
            wires=Wires(),
            deadlines=Deadlines(self.clock, 10.0),
            revalidation=Revalidation(self.clock, self.journal, 300.0, Reauthorization(self.clock, self.journal).renew),
            sessions=set(),
            inside=True,
        )
        self._name = name

    def join(self, component: S, authid: str, role: str = "user", **known: Any) -> S:
        """Let ``component`` join as ``authid`` (``known``: other fields of its Principal). Raises what onJoin
        raises."""
        component.config.realm = self._name
        principal = Principal(authid, role, "component", "component", **known)
        host, facts = EmbeddedSessionHost(self._context, principal, ConnectionPolicy()), component_facts(authid)
        on_join, failed = component.onJoin, list[Failure]()
        component.onJoin = lambda details: maybeDeferred(on_join, details).addErrback(failed.append)
        session: Any = host.admit(facts).session
        Embedding(component, session, facts, self.journal, self.clock, lambda clean, reason: None).start()
        self.turn()
        if failed:
            failed[0].raiseException()
        return component

    def turn(self, seconds: float = 0.0) -> None:
        """Let ``seconds`` pass; everything sent until then arrives."""
        self.clock.advance(seconds)
        for _ in range(TURNS):
            self.clock.advance(0)


@implementer(IAuthorizer)
class _AllowAll:
    """Allows everything."""

    def authorize(self, principal: Principal, action: Action, uri: str, match: Match, options: Any) -> Decision:
        return Decision(Verdict.ALLOW, "everything is allowed")
