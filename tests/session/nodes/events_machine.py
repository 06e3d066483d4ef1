"""A random life of subscribers and publishers on three nodes, with faults of the engine and of nodes.

Checked after each step: nothing is delivered without a subscription, nothing twice, and the events of a publisher in
order. When everything has settled, whoever was subscribed before an event was published, and known to all, has got it.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule
from twisted.internet.task import Clock

from orosync.model import Match
from orosync.testing import MemoryEngine
from orosync.wamp.uris import matches
from tests.session.fixture import JsonClient
from tests.session.nodes.shared_case import SharedNode

NAMES = "abc"
TOPICS = ["a.b", "a.c", "x.b"]
PATTERNS = [
    *[(topic, Match.EXACT) for topic in TOPICS],
    ("a.", Match.PREFIX),
    ("x", Match.PREFIX),
    (".b", Match.WILDCARD),
    ("a.", Match.WILDCARD),
]
AWAY = 20.0
"""Seconds that the engine is away at most: what is published meanwhile has to be repeated."""


class Subscriber:
    """``held``: its patterns by subscription id; ``known``: those of them that all nodes know of. ``due`` are the
    events, as (subscription, publisher, number), that it has to get; ``got`` those that it has got."""

    def __init__(self, node: SharedNode) -> None:
        self.node = node
        self.client: JsonClient = node.v2()
        self.held: dict[int, tuple[str, Match]] = {}
        self.known: set[int] = set()
        self.due: set[tuple[int, str, int]] = set()
        self.got: set[tuple[int, str, int]] = set()
        self.last: dict[tuple[int, str], int] = {}

    def collect(self) -> None:
        """Check what has come."""
        for message in self.client.heard():
            if message[0] != 36:
                continue
            subscription, (publisher, number) = message[1], message[4]
            assert subscription in self.held, "an event without a subscription"
            event = subscription, publisher, number
            assert event not in self.got, "an event came twice"
            assert self.last.get(event[:2], -1) < number, "an event came late"
            self.last[event[:2]] = number
            self.got.add(event)


class EventsMachine(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.clock = Clock()
        self.clock.advance(1_000_000)
        self.engine = MemoryEngine(self.clock)
        self.away = 0.0
        self.is_away = False
        self.subscribers: list[Subscriber] = []
        self.nodes: dict[str, SharedNode] = {}
        self.publishers: dict[str, tuple[str, JsonClient]] = {}
        self.numbers: dict[str, int] = {}
        self.lives = 0
        for name in NAMES:
            self._start(name)
        self._turns(40)

    def _start(self, name: str) -> None:
        self.lives += 1
        self.nodes[name] = SharedNode(self.engine, name, self.clock)
        self.publishers[name] = f"{name}{self.lives}", self.nodes[name].v2()

    def _turns(self, count: int) -> None:
        for _ in range(count):
            self.clock.advance(0)
            self._collect()

    def _collect(self) -> None:
        for one in self.subscribers:
            one.collect()

    def _pass(self, seconds: float) -> None:
        for _ in range(round(seconds * 2)):
            self.clock.advance(0.5)
            self._turns(3)

    def _unsure(self, subscribers: Iterable[Subscriber]) -> None:
        """Events may be lost for these."""
        for one in subscribers:
            one.due &= one.got
            one.known.clear()

    # -- clients

    @initialize(patterns=st.lists(st.sampled_from(PATTERNS), min_size=6, max_size=12))
    def begin(self, patterns: list[tuple[str, Match]]) -> None:
        """Two subscribers on each node, and all nodes know of them."""
        for name in NAMES * 2:
            self.enter(name)
        for who, pattern in enumerate(patterns):
            self.subscribe(who, pattern)
        self.settle()

    @rule(topics=st.lists(st.sampled_from(TOPICS), min_size=1, max_size=6))
    def publish_everywhere(self, topics: list[str]) -> None:
        for name in NAMES:
            for topic in topics:
                self.publish(name, topic, 1)

    @precondition(lambda self: len(self.subscribers) < 9)
    @rule(name=st.sampled_from(NAMES))
    def enter(self, name: str) -> None:
        self.subscribers.append(Subscriber(self.nodes[name]))

    @precondition(lambda self: self.subscribers)
    @rule(who=st.integers(0, 7), pattern=st.sampled_from(PATTERNS))
    def subscribe(self, who: int, pattern: tuple[str, Match]) -> None:
        one = self.subscribers[who % len(self.subscribers)]
        one.collect()
        topic, match = pattern
        ((_, _, number),) = one.client.ask([32, 1, {"match": match.value}, topic])
        one.held[number] = pattern

    @precondition(lambda self: any(one.held for one in self.subscribers))
    @rule(who=st.integers(0, 7), which=st.integers(0, 6))
    def unsubscribe(self, who: int, which: int) -> None:
        holding = [one for one in self.subscribers if one.held]
        one = holding[who % len(holding)]
        number = sorted(one.held)[which % len(one.held)]
        one.collect()
        assert one.client.ask([34, 2, number]) == [[35, 2]]
        del one.held[number]
        one.known.discard(number)
        one.due = {event for event in one.due if event[0] != number or event in one.got}

    @precondition(lambda self: self.subscribers)
    @rule(who=st.integers(0, 7))
    def leave(self, who: int) -> None:
        one = self.subscribers.pop(who % len(self.subscribers))
        one.client.session.closed(False, None, "")

    @rule(name=st.sampled_from(NAMES), topic=st.sampled_from(TOPICS), many=st.integers(1, 5))
    def publish(self, name: str, topic: str, many: int) -> None:
        publisher, client = self.publishers[name]
        for _ in range(many):
            self.numbers[publisher] = number = self.numbers.get(publisher, 0) + 1
            client.say([16, 1, {}, topic, [publisher, number]])
            for one in self.subscribers:
                here = one.node is self.nodes[name]
                for subscription, (pattern, match) in one.held.items():
                    if matches(pattern, match, topic) and (here or subscription in one.known):
                        one.due.add((subscription, publisher, number))
                if here:
                    one.collect()
                    assert {event for event in one.due if event[1] == publisher} <= one.got, "not delivered at once"

    # -- time and faults

    @rule(count=st.integers(1, 10))
    def turns(self, count: int) -> None:
        self._turns(count)

    @rule(seconds=st.sampled_from([0.5, 1.0, 3.0]))
    def time(self, seconds: float) -> None:
        if self.is_away:
            seconds = min(seconds, AWAY - self.away)
            self.away += seconds
        self._pass(seconds)

    @precondition(lambda self: not self.is_away and self.away < AWAY)
    @rule()
    def engine_goes_away(self) -> None:
        self.is_away = True
        self.engine.go_away()
        self._turns(1)

    @precondition(lambda self: self.is_away)
    @rule(empty=st.booleans())
    def engine_comes_back(self, empty: bool) -> None:
        self.is_away = False
        self.engine.come_back(empty=empty)
        self._turns(1)

    @rule(random=st.randoms(use_true_random=False), share=st.sampled_from([0.0, 0.2, 0.6]))
    def batches_are_spoilt(self, random: Any, share: float) -> None:
        """Some are lost from now on, some come twice or changed."""

        def spoil(sender: str, receiver: str, batch: bytes) -> list[bytes]:
            if random.random() >= share:
                return [batch]
            changed = bytearray(batch)
            changed[random.randrange(len(batch))] ^= 1 << random.randrange(8)
            return list(random.choice([[], [batch, batch], [bytes(changed)], [batch, bytes(changed)]]))

        self.engine.spoil = spoil if share else None

    @precondition(lambda self: not self.is_away)
    @rule(name=st.sampled_from(NAMES))
    def lease_ends(self, name: str) -> None:
        """What is under way to and from the node has to be repeated."""
        self.engine.end_lease(name)
        self._turns(2)

    @precondition(lambda self: not self.is_away and not self.away)
    @rule(
        name=st.sampled_from(NAMES),
        other=st.sampled_from(NAMES),
        seconds=st.sampled_from([11.0, 15.0, AWAY]),
        topics=st.lists(st.sampled_from(TOPICS), min_size=2, max_size=6),
    )
    def apart(self, name: str, other: str, seconds: float, topics: list[str]) -> None:
        """Two nodes do not hear each other, or a node cannot reach the engine, for longer than a lease: others take it
        for gone. Clients of all nodes go on publishing meanwhile."""
        self.away += seconds
        if name == other:
            self.engine.go_away(name)
        else:
            self.engine.part(name, other)
        for topic in topics:
            for publisher in NAMES:
                self.publish(publisher, topic, 1)
            self._pass(seconds / len(topics))
        if name == other:
            self.engine.come_back(name)
        else:
            self.engine.mend(name, other)
        self._turns(1)

    @precondition(lambda self: not self.is_away)
    @rule(name=st.sampled_from(NAMES))
    def node_dies(self, name: str) -> None:
        """And comes back when its lease has ended. What it had not sent is lost."""
        node, (publisher, _) = self.nodes[name], self.publishers[name]
        self.subscribers = [one for one in self.subscribers if one.node is not node]
        for one in self.subscribers:
            one.due = {event for event in one.due if event[1] != publisher or event in one.got}
        self.engine.kill(name)
        self._pass(11)
        self._start(name)
        self._turns(3)
        self._unsure(self.subscribers)

    @rule()
    def settle(self) -> None:
        """Everything works, and some time passes: all that is due has come, and all nodes know everything."""
        self.engine.spoil = None
        if self.is_away:
            self.engine_comes_back(False)
        self._pass(6)
        self.away = 0.0
        wanted = {name: node.shared.interest for name, node in self.nodes.items()}
        for one in self.subscribers:
            assert one.due <= one.got, f"{len(one.due - one.got)} events are missing"
            one.known = set(one.held)
            for name, interest in wanted.items():
                for pattern, match in one.held.values():
                    assert name == one.node.name or one.node.name in (interest.index.get(pattern, match) or ()), name
        for interest in wanted.values():
            there = {(one.node.name, pattern) for one in self.subscribers for pattern in one.held.values()}
            for match in Match:
                for topic in {topic for topic, _ in PATTERNS}:
                    for peer in interest.index.get(topic, match) or ():
                        assert (peer, (topic, match)) in there, "interest in what nobody has subscribed to"

    def teardown(self) -> None:
        self.settle()
