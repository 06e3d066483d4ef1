"""Clients that connect, join, say goodbye and leave in any order, and what a listener's places must be then."""

from __future__ import annotations

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule
from twisted.internet.task import Clock

from orosync.model import ConnectionFacts
from orosync.testing import connection_facts
from orosync.transport.admission import ConnectionLimit, Place, PlaceAnswer
from orosync.transport.delayed_connections import TICK
from tests.support.settings import listener_settings
from tests.support.wires import RecordingJournal

_, DELAYED, REFUSED = PlaceAnswer
PHP, BROWSER = connection_facts(path="php"), connection_facts(path="browser")


class Sign:
    """The back end comes from 10.0.0.1 and shows a path "php"."""

    def may_come_from(self, peer: str) -> bool:
        return peer == "10.0.0.1"

    def is_shown_by(self, facts: ConnectionFacts) -> bool:
        return facts.path == "php"


class PlacesMachine(RuleBasedStateMachine):
    """Directly or through a proxy, fast or slowly; two back ends among them."""

    def __init__(self) -> None:
        super().__init__()
        self.clock = Clock()
        made = listener_settings(
            name="public", max_connections=8, max_unauthenticated=6, unauthenticated_per_address=2,
            connection_rate=10.0, connection_burst=2, backend_places=1, back_end=Sign(),
        )  # fmt: skip
        self.connection_limit = ConnectionLimit(made, self.clock, RecordingJournal())
        self.here: list[Place] = []
        self.waiting: dict[str, list[Place]] = {}

    def answered(self, place: Place, answer: PlaceAnswer) -> None:
        if answer is REFUSED:
            place.release()
            return
        self.here.append(place)
        if answer is DELAYED:
            line = self.waiting.setdefault(place.group or "", [])
            line.append(place)

            def proceed() -> None:
                assert line.pop(0) is place, "a connection has overtaken"

            place.proceed = proceed

    @rule(address=st.sampled_from(["192.0.2.1", "192.0.2.2", "10.0.0.1", "2001:db8::1", "2001:db8::2"]))
    def connects(self, address: str) -> None:
        place = self.connection_limit.acquire(address)
        if place is not None:
            self.answered(place, place.admit_address(address))

    @rule(address=st.sampled_from(["192.0.2.1", "192.0.2.3"]), facts=st.sampled_from([None, BROWSER, PHP]))
    def comes_by_a_proxy(self, address: str, facts: ConnectionFacts | None) -> None:
        place = self.connection_limit.acquire("10.0.0.1")
        if place is not None:
            self.answered(place, place.admit_request(address, facts))

    @rule(number=st.integers(0, 20), facts=st.sampled_from([None, BROWSER, PHP]))
    def requests(self, number: int, facts: ConnectionFacts | None) -> None:
        if self.here:
            place = self.here[number % len(self.here)]
            if place.undecided:
                self.here.remove(place)
                self.answered(place, place.admit_request(place.peer, facts))

    @rule(number=st.integers(0, 20), joins=st.booleans())
    def joins(self, number: int, joins: bool) -> None:
        if self.here:
            self.here[number % len(self.here)].set_authenticated(joins)

    @rule(number=st.integers(0, 20))
    def leaves(self, number: int) -> None:
        if self.here:
            place = self.here.pop(number % len(self.here))
            for line in self.waiting.values():
                if place in line:
                    line.remove(place)
            place.release()

    @rule(ticks=st.integers(1, 30))
    def time_passes(self, ticks: int) -> None:
        self.clock.pump([TICK] * ticks)

    @invariant()
    def counts(self) -> None:
        counted = [place for place in self.here if not place.undecided]
        unauthenticated = [place for place in counted if place.state.name == "UNAUTHENTICATED"]
        groups = [place.group for place in unauthenticated if place.group is not None]
        assert self.connection_limit.inside == len(counted) <= 8 + 1
        assert self.connection_limit.unauthenticated == len(unauthenticated)
        assert self.connection_limit._addresses == {group: groups.count(group) for group in groups}
        assert len(self.connection_limit._delayed) == sum(map(len, self.waiting.values()))

    def teardown(self) -> None:
        for place in self.here:
            place.release()
        self.clock.advance(100)
        connection_limit = self.connection_limit
        connection_limit._rates.forget(self.clock.seconds())
        assert (connection_limit.inside, connection_limit.unauthenticated, connection_limit._held) == (0, 0, 0)
        assert not (
            connection_limit._addresses
            or connection_limit._undecided
            or len(connection_limit._delayed)
            or len(connection_limit._rates)
        )
        assert self.clock.getDelayedCalls() == []
