"""A node and a peer that is apart: what is forgotten, what is kept for it, and for how long."""

from __future__ import annotations

from typing import Any

from orosync.backplane.nodes import RESEND_SECONDS, SILENCE
from orosync.testing import MemoryEngine
from tests.backplane.test_nodes import Case, Node

LONGEST = RESEND_SECONDS - SILENCE - 4.0
"""Seconds after which a peer that was apart at once is still waited for, and the same is in the ring."""


class ApartCase(Case):
    """Nodes a and b, and what each has been told of settled peers."""

    def pair(self, **changes: Any) -> tuple[Node, Node]:
        a, b = self.started("a", "b", **changes)
        for node in (a, b):
            node.nodes.on_settled(lambda peer, node=node: node.heard.append((peer.node, "settled")))  # type: ignore[misc]
        return a, b

    def lose(self, sender: str) -> None:
        """What this node sends does not arrive any more."""
        self.engine.spoil = lambda one, receiver, batch: [] if one == sender else [batch]

    def gaps(self, *nodes: Node) -> list[tuple[int, int, int]]:
        """How often each was told of lost messages and of having been apart, and how many messages it lacks."""
        return [
            (
                node.journal.counts["backplane.gap", "lost"],
                node.journal.counts["backplane.gap", "apart"],
                node.nodes.counters.lost,
            )
            for node in nodes
        ]


class Back(ApartCase):
    """It is back while everything is kept."""

    def test_silence(self) -> None:
        """Nodes that cannot reach each other are gone for each other after a while. When they can again, each gets what
        the other is, and what it has sent meanwhile."""
        a, b = self.pair()
        self.engine.part("a", "b")
        a.publish(1)
        self.turn(SILENCE + 2)
        self.assertEqual((a.heard, b.heard, a.peers(), b.peers()), ([("b", "gone")], [("a", "gone")], [], []))
        a.told = ["anna"]
        a.publish(2)
        b.publish(3)
        self.turn(5)
        self.engine.mend("a", "b")
        self.turn(3)
        a.publish(4)
        self.turn()
        self.assertEqual(b.heard, [("a", "gone"), ("a", "anna"), ("a", "settled"), *(("a", one) for one in (1, 2, 4))])
        self.assertEqual(a.heard, [("b", "gone"), ("b", "settled"), ("b", 3)])
        self.assertEqual((a.peers(), b.peers(), self.gaps(a, b)), (["b"], ["a"], [(0, 0, 0)] * 2))

    def test_heard_by_one_alone(self) -> None:
        """A node that was gone for others, and has not noticed, gets what it has missed as if nothing had been; what it
        has sent arrives behind what it is."""
        a, b = self.pair()
        a.publish(1)
        self.turn()
        self.lose("a")
        a.told = ["anna"]
        for number in range(2, 20):
            a.publish(number, size=a.nodes.backplane.largest if number == 3 else 0)
            b.publish(number)
            self.turn(1)
        self.assertEqual(b.heard, [("a", 1), ("a", "gone")])
        self.engine.spoil = None
        self.turn(3)
        a.publish(20)
        self.turn()
        self.assertEqual(b.heard[2:], [("a", "anna"), ("a", "settled"), *(("a", number) for number in range(2, 21))])
        self.assertEqual(a.heard, [("b", number) for number in range(2, 20)])
        self.assertEqual(self.gaps(a, b), [(0, 0, 0)] * 2)

    def test_lease_ended(self) -> None:
        """A node that cannot reach the engine for longer than its lease, while others can."""
        a, b = self.pair()
        self.engine.go_away("b")
        for number in range(1, 20):
            a.publish(number)
            b.publish(number)
            self.turn(1)
        self.assertEqual((a.heard, b.heard), ([("b", "gone")], []))
        self.engine.come_back("b")
        self.turn(3)
        self.assertEqual(a.heard, [("b", "gone"), ("b", "settled"), *(("b", number) for number in range(1, 20))])
        self.assertEqual(b.heard, [("a", number) for number in range(1, 20)])
        self.assertEqual(self.gaps(a, b), [(0, 0, 0)] * 2)

    def test_kept_in_few_batches(self) -> None:
        """What is sent to a peer that is apart is not given to the engine, and kept in one batch for each second."""
        a, b = self.pair()
        self.engine.go_away("b")
        self.turn(SILENCE + 2)
        before, lag = self.engine.batches, next(iter(a.nodes.known)).lag
        for number in range(40):
            a.publish(number)
            self.turn(0.25)
        self.assertEqual((self.engine.batches, next(iter(a.nodes.known)).lag - lag), (before, 40))
        self.assertLessEqual(a.nodes.counters.batches_sent, 40)
        self.engine.come_back("b")
        self.turn(3)
        self.assertEqual(b.heard, [("a", number) for number in range(40)])

    def test_in_a_large_message(self) -> None:
        """A message of which a part has come when its sender is taken for gone comes whole afterwards."""
        self.engine = MemoryEngine(self.clock, largest=64 * 1024)
        a, b = self.pair()
        count = 0

        def spoil(sender: str, receiver: str, batch: bytes) -> list[bytes]:
            nonlocal count
            count += sender == "a"
            return [batch] if sender == "b" or count < 4 else []

        self.engine.spoil = spoil
        a.publish(1)
        a.publish(2, size=4 * self.engine.largest)
        a.publish(3)
        self.turn(SILENCE + 5)
        self.assertGreater(count, 4)
        self.engine.spoil = None
        self.turn(3)
        self.assertEqual(b.heard, [("a", 1), ("a", "gone"), ("a", "settled"), ("a", 2), ("a", 3)])
        self.assertEqual(self.gaps(a, b), [(0, 0, 0)] * 2)


class TooLate(ApartCase):
    """Something is kept no more."""

    def test_more_than_is_kept(self) -> None:
        """The number of messages that the ring has no more is told, and the rest arrives if the receiver has forgotten
        the sender; otherwise the receiver is told everything anew."""
        for away, lost in (("", 15), ("b", 21)):
            self.setUp()
            a, b = self.pair(resend_bytes=4000)
            if away:
                self.engine.go_away(away)
            else:
                self.engine.part("a", "b")
            self.turn(SILENCE + 1)
            for number in range(1, 22):
                a.publish(number, size=500)
                self.turn(0.75)
            self.engine.mend("a", "b")
            if away:
                self.engine.come_back(away)
            self.turn(3)
            a.publish(22)
            self.turn()
            self.assertEqual([one for one in b.heard if isinstance(one[1], int)], [
                ("a", number) for number in range(lost + 1, 23)
            ])  # fmt: skip
            self.assertEqual(self.gaps(b), [(1, 0, lost)])

    def test_too_long(self) -> None:
        """Nothing of a node whose lease has ended is known when what was sent to it is kept no more. It is a new one
        when it is back, and is told that nobody knows how much it has missed."""
        a, b = self.pair()
        self.engine.go_away("b")
        self.turn(SILENCE + LONGEST)
        self.assertEqual((len(list(a.nodes.known)), a.heard), (1, [("b", "gone")]))
        self.turn(6)
        self.assertEqual((list(a.nodes.known), a.heard), ([], [("b", "gone"), ("b", "settled")]))
        self.assertFalse(a.publish(1, "b"))
        self.engine.come_back("b")
        self.turn(3)
        a.publish(2)
        self.turn()
        self.assertEqual(b.heard, [("a", "gone"), ("a", "settled"), ("a", 2)])
        self.assertEqual((self.gaps(b), a.peers(), b.peers()), ([(0, 1, 0)], ["b"], ["a"]))

    def test_too_long_in_silence(self) -> None:
        """A node that the engine knows is not forgotten, and gets nothing: when it is heard it is told everything anew,
        and that something may be missing. When it leaves, nothing of it is left."""
        a, b = self.pair()
        self.engine.part("a", "b")
        self.turn(RESEND_SECONDS + 2)
        (peer,) = a.nodes.known
        self.assertEqual((peer.streaming, a.heard), (False, [("b", "gone"), ("b", "settled")]))
        a.publish(1)
        self.engine.mend("a", "b")
        self.turn(3)
        self.assertEqual((a.peers(), b.peers(), self.gaps(a, b)), (["b"], ["a"], [(0, 1, 0)] * 2))
        self.engine.part("a", "b")
        a.publish(2)
        self.turn(RESEND_SECONDS + 2)
        self.engine.mend("a", "b")
        self.turn(3)
        self.assertEqual((b.heard[-1], self.gaps(a, b)), (("a", "settled"), [(0, 2, 0), (1, 2, 1)]))
        self.engine.part("a", "b")
        self.turn(RESEND_SECONDS + 2)
        self.engine.kill("b")
        self.turn(SILENCE + 2)
        self.assertEqual(list(a.nodes.known), [])

    def test_killed(self) -> None:
        """A node that has died is waited for as long, and for no longer if it starts again."""
        for again, seconds in ((True, 0.0), (False, 20.0)):
            self.setUp()
            a, _ = self.pair()
            self.engine.kill("b")
            self.turn(SILENCE)
            self.assertEqual((len(list(a.nodes.known)), a.heard), (1, [("b", "gone")]))
            if again:
                self.started("b")
            self.turn(seconds)
            self.assertEqual(a.heard[:2], [("b", "gone"), ("b", "settled")])
            self.assertEqual(len(list(a.nodes.known)), int(again))

    def test_stopped(self) -> None:
        """A node that has stopped is not waited for."""
        a, b = self.pair()
        b.nodes.stop()
        self.turn()
        self.assertEqual((list(a.nodes.known), a.heard), ([], [("b", "gone"), ("b", "settled")]))

    def test_short_ring(self) -> None:
        """Where messages are kept for less than a lease a node is not waited for."""
        a, _ = self.pair(resend_seconds=5.0)
        self.engine.kill("b")
        self.turn(SILENCE + 1)
        self.assertEqual((list(a.nodes.known), a.heard[:2]), ([], [("b", "gone"), ("b", "settled")]))
