"""Random walks of three nodes through faults: what they tell each other arrives once, in order and without holes, and
what they know of each other is right when the faults have ended. test_nodes.py runs them."""

from __future__ import annotations

from collections.abc import Iterable

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule
from twisted.internet.task import Clock

from orosync.backplane.messages import NodeEvent, PackedPayload, Presence
from orosync.backplane.nodes import Nodes
from orosync.backplane.peer import Peer
from orosync.testing import MemoryEngine, RecordingJournal

NAMES = st.sampled_from("abc")
KEY = b"k" * 32
SPOILS = st.lists(st.sampled_from(["", "lost", "twice", "changed", "later"]), max_size=12)
SECONDS_APART = st.integers(8, 24)
COUNTS = st.lists(st.integers(0, 4), min_size=3, max_size=9)
GONE = -1


class Life:
    """One life of a node: what it sent, what it got of each life of others, and what it takes for their state."""

    def __init__(self, engine: MemoryEngine, clock: Clock, name: str, ring: int) -> None:
        self.journal = RecordingJournal()
        self.nodes = Nodes(engine.adapter(), name, KEY, clock, self.journal, resend_bytes=ring)
        self.sent: list[int] = []
        self.got: dict[str, list[int]] = {}
        self.state: dict[str, int] = {}
        self.views: dict[str, dict[str, int]] = {}
        self.nodes.on_joined(lambda: [Presence("oro", dict(self.state))])
        self.nodes.on_left(self._gone)
        self.nodes.handle(NodeEvent, self._event)
        self.nodes.handle(Presence, self._presence)

    def _gone(self, peer: Peer) -> None:
        self.got.setdefault(peer.boot, []).append(GONE)
        self.views.pop(peer.boot, None)

    def _event(self, peer: Peer, message: NodeEvent) -> None:
        self.got.setdefault(peer.boot, []).append(message.publication)

    def _presence(self, peer: Peer, message: Presence) -> None:
        view = self.views.setdefault(peer.boot, {})
        for authid, count in message.sessions.items():
            view[authid] = count

    def runs(self, boot: str) -> list[list[int]]:
        """What it got of a life, from each acquaintance to its end."""
        runs: list[list[int]] = [[]]
        for one in self.got.get(boot, []):
            if one == GONE:
                runs.append([])
            else:
                runs[-1].append(one)
        return runs


class NodesMachine(RuleBasedStateMachine):
    """Three nodes, one engine, short faults: everything arrives."""

    ring = 1_000_000
    """Bytes that are kept for resending."""

    def __init__(self) -> None:
        super().__init__()
        self.clock = Clock()
        self.engine = MemoryEngine(self.clock, largest=1500)
        self.engine.spoil = self._spoil
        self.spoils: list[str] = []
        self.held: tuple[str, str, bytes] | None = None
        self.number = 0
        self.lives: dict[str, Life] = {}
        self.all: list[Life] = []
        self.away: set[str] = set()
        for name in "abc":
            self._start(name)
        self._pass(0.0)

    def _start(self, name: str) -> None:
        life = Life(self.engine, self.clock, name, self.ring)
        life.nodes.start().addErrback(lambda failure: None)
        self.lives[name] = life
        self.all.append(life)

    def _pass(self, seconds: float) -> None:
        self.clock.advance(0)
        for _ in range(round(seconds / 0.25)):
            self.clock.advance(0.25)

    def _spoil(self, sender: str, receiver: str, batch: bytes) -> Iterable[bytes]:
        spoil = self.spoils.pop() if self.spoils else ""
        if spoil == "lost":
            return []
        if spoil == "twice":
            return [batch, batch]
        if spoil == "changed":
            return [batch[:-1] + bytes([batch[-1] ^ 1])]
        if self.held is not None and self.held[:2] == (sender, receiver):
            held, self.held = self.held[2], None
            return [batch, held]
        if spoil == "later" and self.held is None:
            self.held = sender, receiver, batch
            return []
        return [batch]

    @rule(name=NAMES, count=st.integers(1, 4), size=st.sampled_from([10, 10, 400, 1400, 3000]))
    def publish(self, name: str, count: int, size: int) -> None:
        """A node tells all others some events."""
        life = self.lives[name]
        for _ in range(count):
            self.number += 1
            if life.nodes.send_all(NodeEvent("oro", "t", self.number, PackedPayload("json", b"x" * size))):
                life.sent.append(self.number)

    @rule(name=NAMES, authid=st.sampled_from(["anna", "ben", "carl"]), count=st.integers(0, 3))
    def change(self, name: str, authid: str, count: int) -> None:
        """The state of a node changes, which it tells the others."""
        life = self.lives[name]
        life.state[authid] = count
        life.nodes.send_all(Presence("oro", {authid: count}))

    @rule(spoils=SPOILS)
    def spoil(self, spoils: list[str]) -> None:
        """The next batches are lost, repeated, changed or overtaken."""
        self.spoils = spoils

    @rule(seconds=st.sampled_from([0.0, 0.0, 0.25, 1.0]))
    def wait(self, seconds: float) -> None:
        """Time passes."""
        self._pass(seconds)

    @rule(one=NAMES, other=NAMES, seconds=st.integers(0, 7), count=st.integers(0, 5))
    def short_partition(self, one: str, other: str, seconds: int, count: int) -> None:
        """Two nodes cannot reach each other for less than the time after which they are gone for each other. What is
        missing is there before the next fault."""
        self.spoils = []
        self._pass(3.0)
        self.engine.part(one, other)
        for name in (one, other):
            self.publish(name, count, 10)
        self._pass(seconds)
        self.engine.mend(one, other)
        self._pass(3.0)

    @rule(seconds=st.integers(0, 25), count=st.integers(0, 5), empty=st.booleans())
    def short_outage(self, seconds: int, count: int, empty: bool) -> None:
        """Nobody can reach the engine for less than the time that messages are kept. It may have forgotten everything.
        What is missing is there before the next fault."""
        self.spoils = []
        self._pass(3.0)
        self.engine.go_away()
        for name in "abc":
            self.publish(name, count, 10)
            self._pass(seconds / 3)
        self.engine.come_back(empty=empty)
        self._pass(3.0)

    def end_faults(self) -> None:
        """Nothing more to end here."""

    @rule()
    def settle(self) -> None:
        """The faults end: everybody has arrived at the same."""
        self.spoils, self.held = [], None
        self.end_faults()
        self._pass(25.0)
        for life in self.lives.values():
            others = {name: other for name, other in self.lives.items() if other is not life}
            assert set(life.nodes.peers) == set(others), (life.nodes.node, dict(life.nodes.peers))
            for other in others.values():
                assert life.views[other.nodes.boot] == other.state, (life.nodes.node, other.nodes.node)
        for name in "abc":
            self.publish(name, 1, 10)
        self._pass(0.0)
        for life in self.lives.values():
            for other in self.lives.values():
                last = life.runs(other.nodes.boot)[-1]
                assert life is other or other.sent[-len(last) :] == last != [], (other.sent, last)

    @invariant()
    def once_in_order_without_holes(self) -> None:
        """Whatever happens: nothing twice, in order, and between two losses without holes."""
        for life in self.lives.values():
            for other in self.all:
                runs = life.runs(other.nodes.boot)
                whole = [one for run in runs for one in run]
                assert whole == sorted(set(whole)), whole
                for run in runs:
                    if run:
                        start = other.sent.index(run[0])
                        assert other.sent[start : start + len(run)] == run, (other.sent, run)

    def no_losses(self) -> None:
        """Nobody was taken for gone, and everything has arrived."""
        for life in self.all:
            assert not life.nodes.counters.lost
            for other in self.all:
                assert life is other or life.got.get(other.nodes.boot, []) == other.sent

    def teardown(self) -> None:
        self.settle()
        self.no_losses()


class ApartNodesMachine(NodesMachine):
    """Nodes are apart for longer than a lease and less than messages are kept: they are forgotten and come back, and
    nothing is lost."""

    deaf: frozenset[tuple[str, str]] = frozenset()
    """Senders and receivers: what the one sends does not reach the other, which does not hold for the way back."""

    def _spoil(self, sender: str, receiver: str, batch: bytes) -> Iterable[bytes]:
        return [] if (sender, receiver) in self.deaf else super()._spoil(sender, receiver, batch)

    def _apart(self, seconds: int, counts: list[int]) -> None:
        """Time passes in which all go on."""
        for number, count in enumerate(counts):
            self.publish("abc"[number % 3], count, 10)
            self.change("abc"[number % 3], "anna", count)
            self._pass(seconds / len(counts))

    @rule(one=NAMES, other=NAMES, seconds=SECONDS_APART, counts=COUNTS)
    def partition(self, one: str, other: str, seconds: int, counts: list[int]) -> None:
        """Two nodes cannot reach each other."""
        self.spoils = []
        self._pass(3.0)
        self.engine.part(one, other)
        self._apart(seconds, counts)
        self.engine.mend(one, other)
        self._pass(3.0)

    @rule(one=NAMES, other=NAMES, seconds=SECONDS_APART, counts=COUNTS)
    def one_way(self, one: str, other: str, seconds: int, counts: list[int]) -> None:
        """One of them does not hear the other."""
        self.spoils = []
        self._pass(3.0)
        self.deaf = frozenset({(one, other)})
        self._apart(seconds, counts)
        self.deaf = frozenset()
        self._pass(3.0)

    @rule(name=NAMES, seconds=SECONDS_APART, counts=COUNTS, empty=st.booleans(), spoils=SPOILS)
    def cut_off(self, name: str, seconds: int, counts: list[int], empty: bool, spoils: list[str]) -> None:
        """A node cannot reach the engine, and has no lease after a while."""
        self.spoils = []
        self._pass(3.0)
        self.engine.go_away(name)
        self._apart(seconds, counts)
        self.spoils = spoils
        self.engine.come_back(name, empty=empty)
        self._pass(3.0)

    @rule(name=NAMES)
    def lease_ends(self, name: str) -> None:
        """A node has left for the others, and is back at once: what is on its way to it is lost."""
        self.engine.end_lease(name)
        self._pass(0.0)

    def no_losses(self) -> None:
        """However often a node was forgotten, everything has arrived."""
        for life in self.all:
            assert not life.nodes.counters.lost
            assert not life.journal.counts["backplane.gap", "apart"]
            for other in self.all:
                got = [one for one in life.got.get(other.nodes.boot, []) if one != GONE]
                assert life is other or got == other.sent, (life.nodes.node, other.nodes.node, got, other.sent)


class HarshNodesMachine(NodesMachine):
    """Faults of any length, a ring of a dozen events, nodes that end and start again: there are losses."""

    ring = 6000

    def no_losses(self) -> None:
        """Is not demanded."""

    @rule()
    def long_wait(self) -> None:
        """Longer than a lease."""
        self._pass(12.0)

    @rule(one=NAMES, other=NAMES)
    def part(self, one: str, other: str) -> None:
        """Two nodes cannot reach each other."""
        self.engine.part(one, other)

    @rule()
    def mend(self) -> None:
        """All nodes reach each other."""
        for pair in ("ab", "ac", "bc"):
            self.engine.mend(*pair)

    @rule(name=NAMES)
    def cut(self, name: str) -> None:
        """A node cannot reach the engine."""
        if name not in self.away:
            self.away.add(name)
            self.engine.go_away(name)

    @rule()
    def go_away(self) -> None:
        """Nobody can."""
        for name in "abc":
            self.cut(name)

    @rule(empty=st.booleans())
    def come_back(self, empty: bool) -> None:
        """All can, the engine may have forgotten everything."""
        if self.away:
            self.engine.come_back(*sorted(self.away), empty=empty)
            self.away.clear()

    @rule(name=NAMES)
    def lease_ends(self, name: str) -> None:
        """A node is gone for the others, and joins again."""
        if name not in self.away:
            self.engine.end_lease(name)
            self._pass(0.0)

    @rule(name=NAMES, killed=st.booleans())
    def restart(self, name: str, killed: bool) -> None:
        """A node ends, with or without a word, and starts again."""
        if name in self.away:
            return
        if killed:
            self.engine.kill(name)
        else:
            self.lives[name].nodes.stop()
        self._start(name)
        self._pass(0.0)

    def end_faults(self) -> None:
        """All reach all, and the engine."""
        self.mend()
        self.come_back(False)
