"""A node among its peers: who is there, what they are told, in which order, and what faults cost."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase
from zope.interface.verify import verifyObject

from orosync.backplane.envelope import OVERHEAD
from orosync.backplane.messages import Interest, NodeEvent, PackedPayload, Presence
from orosync.backplane.nodes import RESEND_BYTES, SILENCE, Nodes
from orosync.backplane.peer import Peer
from orosync.errors import NodeNameTaken
from orosync.interfaces import IBackplaneUser
from orosync.testing import MemoryBackplane, MemoryEngine, RecordingJournal
from tests.backplane.nodes_machine import ApartNodesMachine, HarshNodesMachine, NodesMachine

KEY = b"k" * 32


class Node:
    """A node that records what it is told; its snapshot is ``told``."""

    def __init__(self, engine: MemoryEngine, clock: Clock, name: str, **changes: Any) -> None:
        self.journal = RecordingJournal()
        self.nodes = Nodes(engine.adapter(), name, changes.pop("key", KEY), clock, self.journal, **changes)
        self.told: list[str] = []
        self.heard: list[Any] = []
        self.engine: list[bool] = []
        self.nodes.on_joined(lambda: [Presence("oro", {one: 1}) for one in self.told])
        self.nodes.on_left(lambda peer: self.heard.append((peer.node, "gone")))
        self.nodes.on_engine(self.engine.append)
        self.nodes.handle(NodeEvent, self._event)
        self.nodes.handle(
            Presence, lambda peer, message: self.heard.extend((peer.node, one) for one in message.sessions)
        )

    def _event(self, peer: Peer, message: NodeEvent) -> None:
        self.heard.append((peer.node, message.publication))

    def publish(self, publication: int, to: str = "", size: int = 0) -> bool:
        """Send an event to one peer, or all."""
        event = NodeEvent("oro", "t", publication, PackedPayload("json", b"x" * size))
        return self.nodes.send(to, event) if to else self.nodes.send_all(event)

    def peers(self) -> list[str]:
        """Whose snapshot has come."""
        return sorted(self.nodes.peers)


class Case(SynchronousTestCase):
    """Nodes "a", "b", ... on a clock; ``turn`` lets time pass."""

    def setUp(self) -> None:
        self.clock = Clock()
        self.engine = MemoryEngine(self.clock)

    def started(self, *names: str, **changes: Any) -> list[Node]:
        """Nodes that have found each other."""
        nodes = [Node(self.engine, self.clock, name, **changes) for name in names]
        for node in nodes:
            node.nodes.start()
        self.turn()
        return nodes

    def turn(self, seconds: float = 0.0) -> None:
        """Let ``seconds`` pass in steps."""
        self.clock.advance(0)
        for _ in range(round(seconds / 0.25)):
            self.clock.advance(0.25)
            self.clock.advance(0)


class Company(Case):
    """Peers come and go."""

    def test_interface(self) -> None:
        """It is what a backplane expects."""
        verifyObject(IBackplaneUser, self.started("a")[0].nodes)

    def test_snapshot_first(self) -> None:
        """A new peer is told what there is, then what follows, in order; others are told nothing twice."""
        a, b = self.started("a", "b")
        self.assertEqual((a.peers(), b.peers()), (["b"], ["a"]))
        a.told = ["anna", "ben"]
        (c,) = self.started("c")
        a.publish(1)
        a.publish(2, "c")
        self.turn()
        self.assertEqual(c.heard, [("a", "anna"), ("a", "ben"), ("a", 1), ("a", 2)])
        self.assertEqual(b.heard, [("a", 1)])
        self.assertEqual((a.peers(), b.peers(), c.peers()), (["b", "c"], ["a", "c"], ["a", "b"]))

    def test_told_in_the_turn_of_the_snapshot(self) -> None:
        """What is sent before the peer has answered is behind the snapshot."""
        (a,) = self.started("a")
        a.told = ["anna"]
        b = Node(self.engine, self.clock, "b")
        b.nodes.start()
        a.nodes.node_joined("b", b.nodes.boot)
        a.publish(1)
        self.turn()
        self.assertEqual(b.heard, [("a", "anna"), ("a", 1)])

    def test_one_batch_in_a_turn(self) -> None:
        """Whatever is sent in one turn to a peer is one batch."""
        a, b, _ = self.started("a", "b", "c")
        before = self.engine.batches
        for number in range(100):
            a.publish(number + 1)
        self.turn()
        self.assertEqual(self.engine.batches - before, 2)
        self.assertEqual(b.heard, [("a", number + 1) for number in range(100)])

    def test_at_once(self) -> None:
        """What one message of a client causes, when it came alone, leaves in the same turn."""
        a, _ = self.started("a", "b")
        alone = True
        a.nodes.alone = lambda: alone
        before = self.engine.batches
        a.publish(1)
        a.publish(2)
        self.assertEqual(self.engine.batches - before, 2)
        alone = False
        a.publish(3)
        self.assertEqual(self.engine.batches - before, 2)

    def test_alone(self) -> None:
        """One message of another node that came alone is handled as such; several in a batch, or batches, are not."""
        a, b = self.started("a", "b")
        found: list[Any] = []

        def at_once(handle: Callable[[], None]) -> None:
            handle()
            found.append(b.heard[-1])

        b.nodes.at_once = at_once
        a.publish(1)
        self.turn()
        MemoryBackplane.lone = True  # type: ignore[attr-defined]
        self.addCleanup(delattr, MemoryBackplane, "lone")
        a.publish(2)
        self.turn()
        a.publish(3)
        a.publish(4)
        self.turn()
        self.assertEqual(b.heard, [("a", number) for number in (1, 2, 3, 4)])
        self.assertEqual(found, [("a", 2)])

    def test_to_some(self) -> None:
        """A message may be for some of the peers; those that are not there do not matter."""
        a, b, c, d = self.started("a", "b", "c", "d")
        event = NodeEvent("oro", "t", 1)
        self.assertTrue(a.nodes.send_some(["b", "d", "x"], event))
        self.assertTrue(a.nodes.send_some([], event))
        self.turn()
        self.assertEqual([one.heard for one in (b, c, d)], [[("a", 1)], [], [("a", 1)]])

    def test_unsigned(self) -> None:
        """Where nobody but nodes can send batches they are not signed, so that keys do not matter."""
        MemoryBackplane.private = True  # type: ignore[attr-defined]
        self.addCleanup(delattr, MemoryBackplane, "private")
        (a,), (b,) = self.started("a"), self.started("b", key=b"l" * 32)
        self.assertEqual((a.peers(), b.peers()), (["b"], ["a"]))

    def test_leaving(self) -> None:
        """A node that stops is gone at once for the others, and what it sent before it stopped arrives."""
        a, b = self.started("a", "b")
        a.publish(1)
        a.nodes.stop()
        self.turn()
        self.assertEqual(b.heard, [("a", 1), ("a", "gone")])
        self.assertEqual(b.peers(), [])
        self.assertFalse(b.publish(1, "a"))

    def test_killed_and_restarted(self) -> None:
        """A node in another life begins with nothing: everything of the old one is forgotten first."""
        a, b = self.started("a", "b")
        a.told = ["anna"]
        self.engine.kill("a")
        (again,) = self.started("a")
        again.told = ["ben"]
        again.publish(7)
        self.turn()
        self.assertEqual(b.heard, [("a", "gone"), ("a", 7)])
        self.assertEqual(b.peers(), ["a"])

    def test_name_taken(self) -> None:
        """A second node with a name does not start."""
        self.started("a")
        started = Node(self.engine, self.clock, "a").nodes.start()
        self.turn()
        self.failureResultOf(started, NodeNameTaken)

    def test_own_standstill(self) -> None:
        """A process that stood still does not take that for the silence of its peers: what they sent is still to be
        read."""
        a, b = self.started("a", "b")
        a.publish(1)
        self.clock.rightNow += SILENCE + 5
        self.turn(3)
        self.assertEqual((a.heard, b.heard), ([], [("a", 1)]))
        self.assertEqual((a.peers(), b.peers()), (["b"], ["a"]))

    def test_alive_without_traffic(self) -> None:
        """Signs of life alone keep peers, one each second at most."""
        a, b = self.started("a", "b")
        before = self.engine.batches
        self.turn(60)
        self.assertEqual((a.peers(), b.peers(), a.heard), (["b"], ["a"], []))
        self.assertLessEqual(self.engine.batches - before, 121)


class Losses(Case):
    """Batches are lost, repeated, changed."""

    def test_lost(self) -> None:
        """A batch that was lost is repeated, with what followed it, in order."""
        a, b = self.started("a", "b")
        lost = iter([True])
        self.engine.spoil = lambda sender, receiver, batch: [] if sender == "a" and next(lost, False) else [batch]
        for number in range(1, 6):
            a.publish(number)
            self.turn()
        self.assertEqual(b.heard, [("a", number) for number in range(1, 6)])
        self.assertGreater(a.nodes.counters.resent, 0)
        self.assertEqual((b.nodes.counters.lost, b.journal.counts["backplane.gap", "lost"]), (0, 0))

    def test_last_one_lost(self) -> None:
        """The sign of life shows that something was lost at the end."""
        a, b = self.started("a", "b")
        lost = iter([True])
        self.engine.spoil = lambda sender, receiver, batch: [] if sender == "a" and next(lost, False) else [batch]
        a.publish(1)
        self.turn(3)
        self.assertEqual(b.heard, [("a", 1)])

    def test_repeated(self) -> None:
        """A batch that comes twice is handed on once, and counted."""
        a, b = self.started("a", "b")
        self.engine.spoil = lambda sender, receiver, batch: [batch, batch]
        a.publish(1)
        self.turn(3)
        self.assertEqual(b.heard, [("a", 1)])
        self.assertEqual(b.nodes.counters.duplicates, 1)

    def test_beyond_the_ring(self) -> None:
        """What is in the ring no more is counted as lost, told, and answered by a snapshot."""
        a, b = self.started("a", "b", resend_bytes=2000)
        self.engine.spoil = lambda sender, receiver, batch: [] if sender == "a" else [batch]
        a.told = ["anna"]
        for number in range(1, 21):
            a.publish(number, size=400)
            self.turn()
        self.engine.spoil = None
        a.publish(21)
        self.turn(3)
        a.publish(22)
        self.turn()
        self.assertEqual(b.heard, [("a", "gone"), ("a", "anna"), ("a", 22)])
        self.assertEqual(b.nodes.counters.lost, 21)
        self.assertEqual(b.journal.counts["backplane.gap", "lost"], 1)

    def test_changed(self) -> None:
        """A batch that was changed is refused and asked for again."""
        a, b = self.started("a", "b")
        spoilt = iter([True])
        self.engine.spoil = lambda sender, receiver, batch: [
            batch[:-20] + bytes([batch[-20] ^ 1]) + batch[-19:] if sender == "a" and next(spoilt, False) else batch
        ]
        a.publish(1)
        self.turn(3)
        self.assertEqual(b.heard, [("a", 1)])
        self.assertEqual(b.journal.counts["backplane.refused", "bad_signature"], 1)
        self.assertEqual(b.nodes.counters.refused, 1)

    def test_another_key(self) -> None:
        """Nodes with different keys do not understand each other."""
        a, b = *self.started("a"), *self.started("b", key=b"l" * 32)
        self.turn(3)
        self.assertEqual((a.peers(), b.peers()), ([], []))
        self.assertGreater(b.journal.counts["backplane.refused", "bad_signature"], 0)

    def test_larger_than_a_batch(self) -> None:
        """A message that no batch can carry leaves in parts, in order with others; a part that is lost is repeated."""
        a, b = self.started("a", "b")
        lost = iter([False, True])
        self.engine.spoil = lambda sender, receiver, batch: [] if sender == "a" and next(lost, False) else [batch]
        for publication, size in ((1, 0), (2, 3 * self.engine.largest), (3, 10), (4, self.engine.largest)):
            self.assertTrue(a.publish(publication, size=size))
        self.turn(3)
        self.assertEqual(b.heard, [("a", 1), ("a", 2), ("a", 3), ("a", 4)])
        self.assertGreater(a.nodes.counters.resent, 0)

    def test_at_the_edge(self) -> None:
        """Around the size of a batch, and of several, nothing is too large for its batch."""
        a, b = self.started("a", "b")
        tight, batches = self.engine.largest - OVERHEAD, list[int]()
        self.engine.spoil = lambda sender, receiver, batch: [batches.append(len(batch)) or batch]  # type: ignore[func-returns-value]
        for number, size in enumerate((*range(tight - 40, tight + 5), *range(2 * tight - 60, 2 * tight - 20, 3)), 1):
            self.assertTrue(a.publish(number, size=size))
            self.turn()
        self.assertEqual([publication for _, publication in b.heard], list(range(1, number + 1)))
        self.assertLessEqual(max(batches), self.engine.largest)

    def test_cut_in_a_large_message(self) -> None:
        """Parts of a message whose rest is lost are forgotten with their peer."""
        a, b = self.started("a", "b")
        lost = iter([False, True])
        self.engine.spoil = lambda sender, receiver, batch: [] if sender == "a" and next(lost, False) else [batch]
        a.publish(1, size=2 * self.engine.largest)
        self.engine.kill("a")
        (again,) = self.started("a")
        again.publish(2, size=2 * self.engine.largest)
        self.turn(3)
        self.assertEqual(b.heard, [("a", "gone"), ("a", 2)])

    def test_too_large(self) -> None:
        """A message that would fill a quarter of the ring is refused, counted and told; others of the turn arrive."""
        a, b = self.started("a", "b")
        self.assertTrue(a.publish(1))
        self.assertFalse(a.publish(2, size=RESEND_BYTES // 4))
        self.assertTrue(a.publish(3, size=RESEND_BYTES // 4 - 1000))
        self.assertTrue(a.publish(4))
        self.turn()
        self.assertEqual(b.heard, [("a", 1), ("a", 3), ("a", 4)])
        self.assertEqual((a.nodes.counters.refused, a.journal.counts["backplane.refused", "too_large"]), (1, 1))

    def test_large_snapshot(self) -> None:
        """A snapshot may have such messages, too."""
        (a,) = self.started("a")
        a.told = ["x" * (self.engine.largest + 10), "ben"]
        (b,) = self.started("b")
        self.assertEqual(b.heard, [("a", a.told[0]), ("a", "ben")])
        self.assertEqual(b.peers(), ["a"])


class Away(Case):
    """The engine cannot be reached for a while."""

    def test_within_the_ring(self) -> None:
        """What was sent meanwhile arrives when the engine is back, once and in order."""
        a, b = self.started("a", "b")
        self.engine.go_away()
        self.turn()
        for number in range(1, 26):
            a.publish(number)
            self.turn(1)
        self.assertEqual(b.heard, [])
        self.engine.come_back(empty=True)
        self.turn()
        self.assertEqual(b.heard, [("a", number) for number in range(1, 26)])
        self.assertEqual((a.engine, a.peers()), ([False, True], ["b"]))

    def test_at_the_start(self) -> None:
        """A node starts without the engine, and finds the others when it is there."""
        self.engine.go_away()
        a, b = self.started("a", "b")
        self.assertEqual((a.peers(), a.nodes.available), ([], False))
        self.engine.come_back()
        self.turn()
        self.assertEqual((a.peers(), b.peers(), a.nodes.available), (["b"], ["a"], True))


class Handlers(Case):
    """What realms do with messages."""

    def test_one_for_a_class(self) -> None:
        """Two handlers of one class are a mistake."""
        (a,) = self.started("a")
        self.assertRaises(ValueError, a.nodes.handle, NodeEvent, lambda peer, message: None)

    def test_without_handler(self) -> None:
        """A message that nobody handles is passed over."""
        a, b = self.started("a", "b")
        a.nodes.send_all(Interest("oro", [("exact", "t")]))
        a.publish(1)
        self.turn()
        self.assertEqual(b.heard, [("a", 1)])

    def test_failing(self) -> None:
        """A handler that raises costs its own message alone."""
        a, b = self.started("a", "b")
        b.nodes.handle(Interest, lambda peer, message: {}["no"])  # type: ignore[index]
        a.nodes.send_all(Interest("oro", [("exact", "t")]))
        a.publish(1)
        self.turn()
        self.assertEqual(b.heard, [("a", 1)])
        self.assertEqual(len(self.flushLoggedErrors(KeyError)), 1)


class Walks(SynchronousTestCase):
    """Random walks through faults (nodes_machine.py)."""

    def walk(self, machine: type[NodesMachine], steps: int) -> None:
        """Many of them."""
        unhurried = settings(
            max_examples=25,
            stateful_step_count=steps,
            deadline=None,
            database=None,
            phases=[Phase.generate],  # to shrink a failing walk takes minutes: what fails is printed as it is
            suppress_health_check=[*HealthCheck],
        )
        run_state_machine_as_test(machine, settings=unhurried)  # type: ignore[no-untyped-call]

    def test_within_the_ring(self) -> None:
        """Everything arrives once and in order when faults end in time."""
        self.walk(NodesMachine, 15)

    def test_apart(self) -> None:
        """The same when nodes are apart for longer than a lease: they are forgotten, and nothing is lost."""
        self.walk(ApartNodesMachine, 12)

    def test_beyond_the_ring(self) -> None:
        """What arrives is in order, once and without holes until a loss is told; afterwards nodes know each other's
        state."""
        self.walk(HarshNodesMachine, 25)
