"""Which callees of other nodes the dealer of a realm has: those that go together with each other and with its own.

Claims in the engine see to that (``claims``), but what nodes tell each other arrives a moment later, and after a
partition two nodes may have a procedure that only one can have. So a callee of another node that does not go together
with what is filed is kept aside until it does. The rule is the same on all nodes: callees of the router's own process
come first, and each node prefers its own; then those with the older claim; then those of the node whose name comes
first.
"""

from __future__ import annotations

from collections.abc import Iterator

import attrs

from orosync.backplane.messages import CalleeAdded
from orosync.errors import RequestError
from orosync.model import Match
from orosync.router.deliveries import Member
from orosync.router.registrations import Invoke, RegisterOptions, Registration
from orosync.session.nodes.calls import RemoteCallee
from orosync.session.nodes.claims import Procedure
from orosync.session.realm_context import RealmContext

Rank = tuple[bool, float, str]


@attrs.define(eq=False)
class Offer:
    """A procedure of a callee of another node, as it was ``told``. ``forced``: the callee took it over from all others.

    ``filed``: the dealer has it. ``superseded``: its node is about to say that it is over."""

    callee: RemoteCallee
    told: CalleeAdded
    forced: bool = False
    filed: bool = False
    superseded: bool = False

    @property
    def procedure(self) -> Procedure:
        return Procedure(self.told.procedure, Match(self.told.match))

    @property
    def rank(self) -> Rank:
        """The least comes first."""
        return not self.told.inside, self.told.since, self.callee.node

    @property
    def claimed(self) -> tuple[float, str]:
        """When its node claimed the procedure: no two nodes at the same moment."""
        return self.told.since, self.callee.node

    @property
    def order(self) -> tuple[float, str, int]:
        """When it was registered."""
        return self.told.registered, self.callee.node, self.callee.session


class Filing:
    """The offers of other nodes in one realm."""

    def __init__(self, realm_context: RealmContext) -> None:
        self._dealer = realm_context.realm.dealer
        self._deliver = realm_context.dispatcher.deliver
        self._offers: dict[Procedure, list[Offer]] = {}

    def of(self, procedure: Procedure) -> list[Offer]:
        """The offers of a procedure, as they came."""
        return self._offers.get(procedure, [])

    def __iter__(self) -> Iterator[Procedure]:
        return iter(self._offers)

    def add(self, offer: Offer) -> None:
        """Add an offer; it is not filed yet."""
        self._offers.setdefault(offer.procedure, []).append(offer)

    def remove(self, offer: Offer) -> None:
        """Remove an offer, from the dealer too."""
        self.put_aside(offer)
        offers = self._offers[offer.procedure]
        offers.remove(offer)
        if not offers:
            del self._offers[offer.procedure]

    def here(self, procedure: Procedure) -> list[Member]:
        """This node's own callees."""
        registration = self._dealer.lookup(*procedure)
        return [] if registration is None else [one for one in registration.callees if not one.elsewhere]

    def file_new(self, offer: Offer) -> None:
        """As ``file``, after an offer has been added: one that goes together with what is filed changes nothing else,
        however many there are."""
        registration = self._dealer.lookup(*offer.procedure)
        invoke = offer.told.invoke
        if registration is None or registration.invoke != invoke or invoke == Invoke.SINGLE or offer.superseded:
            self.file(offer.procedure)
        else:
            self.put_in(offer)

    def file(self, procedure: Procedure) -> None:
        """Have the dealer know the callees that go together, and no others."""
        wanted = self._wanted(procedure)
        for offer in set(self.of(procedure)).difference(wanted):
            self.put_aside(offer)
        for offer in wanted:
            self.put_in(offer)

    def _wanted(self, procedure: Procedure) -> list[Offer]:
        offers = sorted((one for one in self.of(procedure) if not one.superseded), key=lambda one: one.rank)
        registration = self._dealer.lookup(*procedure)
        if registration is not None and self.here(procedure):
            invoke = registration.invoke.value
        elif offers:
            invoke = offers[0].told.invoke
            if invoke == Invoke.SINGLE:
                return offers[:1]
        return [] if not offers or invoke == Invoke.SINGLE else [one for one in offers if one.told.invoke == invoke]

    def put_in(self, offer: Offer, force: bool = False) -> None:
        """Tell the dealer of a callee; ``force``: it takes the procedure over."""
        if offer.filed:
            return
        told = offer.told
        options = RegisterOptions(told.disclose_caller, told.forward_timeout, told.concurrency or None)
        offer.callee.inside = offer.callee.inside or told.inside
        offer.filed = True
        try:
            _, deliveries = self._dealer.register(offer.callee, *offer.procedure, told.invoke, options, force)
        except RequestError:  # it does not go together with the others after all
            offer.filed = False
        else:
            self._deliver(deliveries)

    def put_aside(self, offer: Offer) -> None:
        """Have the dealer know the callee no more. The calls that it works on go on."""
        if offer.filed:
            offer.filed = False
            registration = self._dealer.lookup(*offer.procedure)
            if registration is not None:
                self._deliver(self._dealer.unregister(offer.callee, registration.id))

    def put_in_order(self, registration: Registration, places: dict[int, tuple[float, str, int]]) -> None:
        """Have the callees in the order in which they registered, whatever the node, so that ``first`` and ``last``
        mean the same everywhere. ``places`` are those of this node's callees, by session."""
        for offer in self.of(Procedure(registration.procedure, registration.match)):
            places.setdefault(offer.callee.session, offer.order)
        registration.callees.sort(key=lambda callee: places.get(callee.session, (0.0, "", 0)))
