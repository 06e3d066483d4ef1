"""What has to be true of a dealer's deliveries, whatever led to them: each is looked at as by its receiver."""

from __future__ import annotations

from typing import Any

import attrs

from orosync.model import Match
from orosync.router.deliveries import Delivery, Member
from orosync.router.realm import Realm
from orosync.wamp import uris
from orosync.wamp.messages import Error, Interrupt, Invocation, Result
from orosync.wamp.payload import Payload
from orosync.wamp.uris import matches

CANCELING, PROGRESS = "callee.call_canceling", "callee.progressive_call_results"
REROUTE, STREAM = "callee.call_reroute", "progressive_call_invocations"


@attrs.define(eq=False)
class Made:
    """A CALL; ``over`` once its one RESULT or ERROR came, or its caller left. ``callee`` is None while it waits."""

    caller: Member
    request: int
    payload: Payload
    wants_progress: bool
    streaming: bool
    callee: Member | None = None
    invocation: int = 0
    registration: int = 0
    progress: bool = False
    over: bool = False
    interrupted: bool = False
    relayed: bool = False
    tried: list[Member] = attrs.Factory(list)
    slots: object = None


class DealerModel:
    """``present``: the members; ``offered``: what they registered, by id; ``limits``: how many calls each takes of it.

    ``slots`` has another object for each time that a member registered something: its earlier calls do not count.
    """

    def __init__(self, realm: Realm) -> None:
        self.realm = realm
        self.present: list[Member] = []
        self.offered: dict[int, dict[int, tuple[str, Match]]] = {}
        self.limits: dict[tuple[int, int], int] = {}
        self.slots: dict[tuple[int, int], object] = {}
        self.made: list[Made] = []
        self.issued: dict[int, int] = {}

    def open_calls(self) -> list[Made]:
        return [made for made in self.made if not made.over]

    def working(self, callee: Member, registration: int) -> int:
        """How many calls of it ``callee`` has that it took since it registered it."""
        slots = self.slots[callee.session, registration]
        return sum(made.slots is slots for made in self.open_calls())

    def some_call(self, who: int) -> Made:
        """Mostly one in progress, sometimes one that may long be over."""
        calls = (self.open_calls() if who % 4 else []) or self.made
        return calls[who % len(calls)]

    def call_of(self, caller: Member, request: int) -> Made:
        """The call in progress that an answer with this id can only be meant for."""
        (found,) = [made for made in self.open_calls() if made.caller is caller and made.request == request]
        return found

    def offering(self, procedure: str) -> list[Member]:
        return [
            picked
            for picked in self.present
            if any(matches(pattern, match, procedure) for pattern, match in self.offered[picked.session].values())
        ]

    def take(self, deliveries: list[Delivery]) -> list[Any]:
        """Look at every delivery as its receiver would; the kinds of the messages."""
        kinds: list[Any] = []
        for receivers, message, payload, about in deliveries:
            (receiver,) = receivers
            assert receiver in self.present, "a delivery to a member that has left"
            assert about == ""
            kinds.append(type(message))
            if isinstance(message, Invocation):
                self._invoked(receiver, message, payload)
            elif isinstance(message, Interrupt):
                (made,) = [m for m in self.made if m.callee is receiver and m.invocation == message.request]
                assert CANCELING in receiver.features
                assert not made.interrupted, "interrupted twice"
                made.interrupted = True
            elif isinstance(message, Result) and message.details:
                assert message.details == {"progress": True}
                made = self.call_of(receiver, int(message.request))
                assert made.progress
                made.relayed = True
            elif isinstance(message, Result | Error):
                assert not isinstance(message, Error) or message.request_type == 48
                self.call_of(receiver, int(message.request)).over = True
        return kinds

    def _invoked(self, callee: Member, message: Invocation, payload: Payload | None) -> None:
        """A call is handed over for the first time, or to another callee than before."""
        (made,) = [one for one in self.made if one.payload is payload]
        assert not made.over, "handed over when it was over"
        assert made.callee is None or made.callee in made.tried, "handed over twice"
        assert callee not in made.tried, "handed back to who could not take it"
        made.callee, made.interrupted, made.registration = callee, False, int(message.registration)
        assert made.registration in self.offered[callee.session]
        made.slots = self.slots[callee.session, made.registration]
        self.issued[callee.session] = self.issued.get(callee.session, 0) + 1
        assert message.request == self.issued[callee.session], "ids are not sequential for this callee"
        made.invocation = int(message.request)
        made.progress = made.wants_progress
        assert message.details.get("receive_progress", False) is made.progress
        assert message.details.get("progress", False) is made.streaming
        assert not made.streaming or f"callee.{STREAM}" in callee.features
        limit = self.limits.get((callee.session, made.registration))
        assert limit is None or self.working(callee, made.registration) <= limit, "more than it takes"

    def refused(self, made: Made) -> bool:
        """``made``'s callee is not available for it; whether another callee may take over."""
        assert made.callee is not None
        elsewhere = REROUTE in made.callee.features and not (made.relayed or made.streaming or made.interrupted)
        if elsewhere and not made.over:
            made.tried.append(made.callee)
        return elsewhere

    def check(self) -> None:
        """What the dealer has in progress is what the model has: nobody waits for an answer that cannot come."""
        dealer = self.realm.dealer
        assert len(dealer.pending) == len(self.open_calls())
        for picked in self.present:
            mine = {found.id: (found.procedure, found.match) for found in picked.registrations.values()}
            assert mine == self.offered[picked.session]
        waiting = [made for made in self.open_calls() if made.callee is None]
        queued = [one for found in dealer if found.capacity is not None for one in found.capacity.waiting]
        assert len(queued) == len(waiting), "a call is in no queue, or in two"
        for found in dealer:
            for callee in found.callees:
                limit = self.limits.get((callee.session, found.id))
                assert found.is_free(callee) is (limit is None or self.working(callee, found.id) < limit)
            if found.capacity is not None and found.capacity.waiting:
                assert not any(map(found.is_free, found.callees)), "a callee is free, and calls wait"

    NOT_NOW = frozenset({uris.UNAVAILABLE, uris.FEATURE_NOT_SUPPORTED})
