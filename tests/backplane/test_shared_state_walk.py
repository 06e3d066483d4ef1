"""Shared state under random use: it counts what is there, and a key has one holder, or several of one policy."""

from __future__ import annotations

from collections import deque
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test
from twisted.trial.unittest import SynchronousTestCase

from orosync.backplane.shared_state import OVERHEAD, SharedState
from orosync.errors import NodeNameTaken, Unavailable

NODES = st.sampled_from("abc")
KEYS = st.sampled_from("klm")
POLICIES = st.sampled_from(("", "random", "first"))
VALUES = st.binary(max_size=200)
MOST, MOST_IN_ONE = 1500, 900


class SharedStateMachine(RuleBasedStateMachine):
    """Beside a simple model of each part."""

    def __init__(self) -> None:
        super().__init__()
        self.time = 100.0
        self.state = SharedState(lambda: self.time, most_bytes=MOST, most_in_one=MOST_IN_ONE, most_once=2)
        self.there: set[str] = set()
        self.values: dict[str, dict[str, bytes]] = {area: {} for area in "xy"}
        self.lists: dict[str, deque[bytes]] = {log: deque() for log in "xy"}
        self.done: dict[str, tuple[float, str]] = {}

    @rule(seconds=st.sampled_from((0.0, 1.0, 10.0)))
    def passes(self, seconds: float) -> None:
        self.time += seconds

    @rule(node=NODES)
    def joins(self, node: str) -> None:
        try:
            self.state.join(node, f"boot-{node}")
            assert node not in self.there
        except NodeNameTaken:
            assert node in self.there
        self.there.add(node)

    @rule(node=NODES)
    def leaves(self, node: str) -> None:
        assert self.state.leave(node, f"boot-{node}") is (node in self.there)
        self.there.discard(node)

    @rule(node=NODES, key=KEYS, policy=POLICIES, since=st.sampled_from((0.0, 0.0, 50.0, 100.0)), force=st.booleans())
    def claims(self, node: str, key: str, policy: str, since: float, force: bool) -> None:
        before = self.state.holders(key)
        try:
            claim = self.state.claim(node, key, policy, since, force)
        except Unavailable:
            assert node not in self.there
            return
        after = self.state.holders(key)
        if claim.holder:
            assert (after, claim.holder) == (before, next(one for one in before if one != node))
            assert not force
        else:
            assert node in after
            assert not force or after == [node]
            assert set(after) == {node} or set(after) == {node, *before}

    @rule(node=NODES, key=KEYS)
    def releases(self, node: str, key: str) -> None:
        rest = [one for one in self.state.holders(key) if one != node]
        self.state.release(node, key)
        assert self.state.holders(key) == rest

    @rule(key=KEYS, seconds=st.sampled_from((1.0, 20.0)), by=st.sampled_from(("", "p", "q")))
    def once(self, key: str, seconds: float, by: str) -> None:
        self.done = {one: (until, who) for one, (until, who) in self.done.items() if until > self.time}
        try:
            first = self.state.once(key, seconds, by)
        except Unavailable:
            assert len(self.done) == 2 and key not in self.done
            return
        assert first is (key not in self.done or bool(by and by == self.done[key][1]))
        self.done.setdefault(key, (self.time + seconds, by))

    @rule(area=st.sampled_from("xy"), key=KEYS, value=VALUES)
    def puts(self, area: str, key: str, value: bytes) -> None:
        self.values[area].pop(key, None)
        if self.state.put(area, key, value):
            self.values[area][key] = value

    @rule(area=st.sampled_from("xy"), key=KEYS)
    def removes(self, area: str, key: str) -> None:
        self.state.remove(area, key)
        self.values[area].pop(key, None)

    @rule(log=st.sampled_from("xy"), value=VALUES, most=st.integers(0, 6), most_bytes=st.sampled_from((0, 300, 10_000)))
    def appends(self, log: str, value: bytes, most: int, most_bytes: int) -> None:
        dropped, values = self.state.append(log, value, most, most_bytes), self.lists[log]
        values.append(value)
        while values and (len(values) > most or sum(map(len, values)) > most_bytes):
            values.popleft()
        for _ in range(dropped):
            values.popleft()

    @invariant()
    def what_is_kept(self) -> None:
        state: Any = self.state
        kept = [len(key) + len(value) + OVERHEAD for values in self.values.values() for key, value in values.items()]
        listed = [len(value) + OVERHEAD for values in self.lists.values() for value in values]
        assert state.size == sum(kept) + sum(listed)
        assert max(sum(kept), sum(listed)) <= MOST
        for name in "xy":
            assert state.load(name) == self.values[name]
            assert state.read(name) == list(self.lists[name])
            assert sum(len(value) + OVERHEAD for value in self.lists[name]) <= MOST_IN_ONE

    @invariant()
    def who_holds_what(self) -> None:
        state: Any = self.state
        pairs = {(node, key) for key in "klm" for node in state.holders(key)}
        assert {node for node, _ in pairs} <= self.there == set(state.nodes)
        assert pairs == {(node, key) for node, keys in state._keys.items() for key in keys}
        assert state.claimed == len({key for _, key in pairs})
        for key, held in state._claims.items():
            assert held.policy or len(held.since) == 1, key


class Walk(SynchronousTestCase):
    """See above."""

    def test_walk(self) -> None:
        """Whatever is done in whatever order."""
        run_state_machine_as_test(
            SharedStateMachine, settings=settings(max_examples=60, stateful_step_count=40, deadline=None, database=None)
        )
