"""A random life of retained events: the broker's machine, with members that retain and ask for what is retained."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule

from orosync.model import Match
from orosync.router.deliveries import Member
from orosync.router.filters import Filters
from orosync.wamp.payload import Payload
from orosync.wamp.uris import matches
from tests.router.broker_machine import FILTERS, PATTERNS, TOPICS, WHO, BrokerMachine

RETAINED = st.tuples(WHO, st.sampled_from(TOPICS[:3]), st.booleans(), FILTERS)


class Told:
    """One retained event as the machine remembers it: whom it reached or would have reached."""

    def __init__(
        self, machine: BrokerMachine, who: Member, topic: str, exclude_me: bool, filters: Filters | None
    ) -> None:
        self.topic = topic
        self.number = 0
        self.publisher = who.session
        self.exclude_me = exclude_me
        self.filters = filters
        self.here = {one.session for one in machine.present}

    def reaches(self, machine: BrokerMachine, picked: Member, publisher: Member) -> bool:
        """By the same definition as for those who were subscribed then; who came later has an id that no list has."""
        known = picked.session in self.here
        return machine.may_get(picked, publisher, self.exclude_me, self.filters, known)


class RetentionMachine(BrokerMachine):
    """``retained_events`` holds every event that was ever retained, in order."""

    def __init__(self) -> None:
        super().__init__()
        self.realm.retention.of_a_topic = 1000
        self.retained_events: list[tuple[Told, Member]] = []

    def left_over(self, picked: Member) -> list[object]:
        """Lists of authids are about users, who may come back; a session never does."""
        return [thing for thing in super().left_over(picked) if not isinstance(thing, str)]

    @precondition(lambda self: self.present)
    @rule(retained=st.lists(RETAINED, min_size=1, max_size=4))
    def retain(self, retained: list[tuple[int, str, bool, Filters | None]]) -> None:
        """Some publish what is to be retained."""
        for who, topic, exclude_me, filters in retained:
            publisher = self.present[who % len(self.present)]
            event = Told(self, publisher, topic, exclude_me, filters)
            self.serial += 1
            payload = Payload.of([self.serial])
            event.number, deliveries = self.realm.broker.publish_retained(
                topic, payload, publisher, exclude_me, filters
            )
            got = {receiver.session for one in deliveries for receiver in one.receivers}
            for picked in self.present:
                subscribed = any(matches(*wanted, topic) for wanted in self.wanted[picked.session].values())
                assert (picked.session in got) == (subscribed and event.reaches(self, picked, publisher))
            self.retained_events.append((event, publisher))

    @precondition(lambda self: self.present)
    @rule(who=WHO, wanted=st.sampled_from(PATTERNS))
    def ask(self, who: int, wanted: tuple[str, Match]) -> None:
        """Somebody subscribes and wants what is retained: of each topic the last event that would have reached it."""
        self.subscribe_once(who, wanted)
        picked = self.present[who % len(self.present)]
        subscription, deliveries = self.realm.broker.subscribe(picked, *wanted, get_retained=True)
        last: dict[str, int] = {}
        for event, publisher in self.retained_events:
            if matches(*wanted, event.topic) and event.reaches(self, picked, publisher):
                last.pop(event.topic, None)
                last[event.topic] = event.number
        expected: list[Any] = []
        for topic, number in last.items():
            details = {"retained": True} if wanted[1] is Match.EXACT else {"retained": True, "topic": topic}
            expected.append(([picked], [36, subscription.id, number, details], topic))
        assert [(list(one.receivers), one.message.head(), one.topic) for one in deliveries] == expected
