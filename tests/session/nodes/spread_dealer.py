"""A Dealer over three nodes, for tests that were written for one: callers are on the first, callees on the others."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from itertools import cycle
from typing import Any

from twisted.internet.task import Clock

from orosync.model import Match
from orosync.router.dealer import Dealer
from orosync.router.deliveries import Delivery, Member
from orosync.router.realm import Realm
from orosync.router.registrations import Registration
from orosync.testing import MemoryEngine
from orosync.wamp.messages import Interrupt
from orosync.wamp.payload import Payload
from tests.session.fixture import RealmFixture
from tests.session.nodes.joined_node import JoinedNode


class SpreadDealer:
    """Does what a Dealer does, and returns what all members were told, however many turns it took. Ids of registrations
    count up from 1. ``options`` are a Dealer's."""

    def __init__(self, draw: Any = None, *, tell: Any = None, **options: Any) -> None:
        self.clock = Clock()
        engine = MemoryEngine(self.clock)
        self._ids: dict[tuple[str, Match], int] = {}
        self._told: list[Delivery] = []
        self._payloads: dict[tuple[bytes, bytes], Payload] = {}
        self._dealers = [self._node(engine, name, draw, options) for name in "abc"]
        self._homes: dict[Member, Dealer] = {}
        self._others = cycle(self._dealers[1:])
        self._last = self._dealers[0]
        if tell is not None:
            self._dealers[0]._tell = tell
        self._settle()

    def _node(self, engine: MemoryEngine, name: str, draw: Any, options: dict[str, Any]) -> Dealer:
        fixture = RealmFixture(self.clock, Realm("oro", now=self.clock.seconds, seconds=self.clock.seconds))
        dealer = fixture.realm.dealer
        made = Dealer(**({"draw": draw} if draw else {}), **options, now=self.clock.seconds, seconds=self.clock.seconds)
        for one in ("_calls", "pending"):
            setattr(dealer, one, getattr(made, one))
        node = JoinedNode(engine, name, fixture)
        dealer.share(
            node.shared.callees, lambda procedure, match: self._ids.setdefault((procedure, match), len(self._ids) + 1)
        )
        dealer.meta_procedures.clear()
        dealer.home = fixture  # type: ignore[attr-defined]
        node.nodes.start()
        return dealer

    def _settle(self) -> list[Delivery]:
        """What members have been told, INTERRUPTs first as of one node."""
        for _ in range(12):
            self.clock.advance(0)
        told, self._told = self._told, []
        return sorted(told, key=lambda one: not isinstance(one.message, Interrupt))

    def _home(self, member: Member, offers: bool = False) -> Dealer:
        """The node of a member; one that is new goes to the first node, unless it ``offers`` something."""
        if member not in self._homes:
            dealer = self._homes[member] = next(self._others) if offers else self._dealers[0]
            fixture: RealmFixture = dealer.home  # type: ignore[attr-defined]
            member.tell = lambda message, payload: self._told.append(
                Delivery((member,), message, payload and self._payloads.get((payload.args, payload.kwargs), payload))
            )
            fixture.realm.join(member)
        return self._homes[member]

    def _do(self, dealer: Dealer, act: Callable[..., Iterable[Delivery]], *arguments: Any) -> list[Delivery]:
        deliveries = act(*arguments)
        fixture: RealmFixture = dealer.home  # type: ignore[attr-defined]
        fixture.realm_context.dispatcher.deliver(deliveries)
        return self._settle()

    def register(self, member: Member, *arguments: Any, **more: Any) -> tuple[Registration, list[Delivery]]:
        dealer = self._last = self._home(member, offers=True)
        self.clock.advance(0.001)  # no two callees register at the same moment
        registration, deliveries = dealer.register(member, *arguments, **more)
        return registration, self._do(dealer, lambda: deliveries)

    def lookup(self, procedure: str, match: Match = Match.EXACT) -> Registration | None:
        return self._last.lookup(procedure, match)

    def timed(self, caller: Member, request: int) -> Any:
        return self._home(caller).timed(caller, request)

    def expired(self, pending: Any) -> list[Delivery]:
        dealer = self._home(pending.caller)
        return self._do(dealer, dealer.expired, pending)

    def __getattr__(self, name: str) -> Callable[..., list[Delivery]]:
        """What a member does: call, cancel, yielded, failed, unregister, withdraw, leave."""

        def act(member: Member, *arguments: Any, **more: Any) -> list[Delivery]:
            dealer = self._home(member)
            for one in arguments:
                if isinstance(one, Payload):  # it arrives as an equal one
                    self._payloads[one.args, one.kwargs] = one
            return self._do(dealer, lambda: getattr(dealer, name)(member, *arguments, **more))

        return act
