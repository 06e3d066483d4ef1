"""Who waits, whose turn it is, and who pays when there is no room: small cases by hand, all others against a model."""

from __future__ import annotations

import attrs
from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from orosync.identity.hasher import FairQueue


@attrs.define(eq=False)
class Head:
    lane: str
    size: int = 1


class Turns(SynchronousTestCase):
    """Lanes take turns, and within a lane who came first is first."""

    def test_turns(self) -> None:
        """Three lanes of different lengths are served one by one; no job is served twice."""
        lanes: FairQueue[Head] = FairQueue(10)
        a0, a1, a2, b0, c0, c1 = heads = [Head(name) for name in "aaabcc"]
        for head in heads:
            self.assertEqual(lanes.add(head), [])
        self.assertEqual([lanes.take() for _ in range(7)], [a0, b0, c0, a1, c1, a2, None])
        self.assertEqual(lanes.waiting, 0)

    def test_leaving(self) -> None:
        """Who goes away frees its place, once; the rest of its lane stays in order."""
        lanes: FairQueue[Head] = FairQueue(3)
        first, middle, last = heads = [Head("a") for _ in range(3)]
        for head in heads:
            lanes.add(head)
        self.assertEqual([lanes.remove(middle), lanes.remove(middle), lanes.remove(Head("z"))], [True, False, False])
        self.assertEqual(lanes.add(Head("b")), [])
        self.assertEqual(lanes.clear()[:2], [first, last])
        self.assertEqual((lanes.take(), lanes.waiting), (None, 0))


class Room(SynchronousTestCase):
    """The longest lane pays."""

    def test_everybody_behind_one_address(self) -> None:
        """While there is room no job of a long lane is dropped, and beyond it the newest is."""
        lanes: FairQueue[Head] = FairQueue(5000)
        for _ in range(5000):
            self.assertEqual(lanes.add(Head("proxy")), [])
        newest = Head("proxy")
        self.assertEqual(lanes.add(newest), [newest])

    def test_several_leave_for_a_large_one(self) -> None:
        """Room is counted in digests: who wants two takes the place of two."""
        lanes: FairQueue[Head] = FairQueue(3)
        heads = [Head("a") for _ in range(3)]
        for head in heads:
            lanes.add(head)
        self.assertEqual(lanes.add(Head("b", 2)), [heads[2], heads[1]])

    @given(st.lists(st.tuples(st.sampled_from("abcd+-"), st.integers(1, 2)), max_size=60), st.integers(1, 8))
    def test_as_the_model(self, steps: list[tuple[str, int]], room: int) -> None:
        """Whatever comes, goes and is served: never more than there is room for, and it is the longest that pays."""
        lanes: FairQueue[Head] = FairQueue(room)
        inside: list[Head] = []
        for name, size in steps:
            if name == "+":
                taken = lanes.take()
                self.assertEqual(taken is None, not inside)
                if taken is not None:
                    self.assertIs(taken, next(head for head in inside if head.lane == taken.lane))
                    inside.remove(taken)
            elif name == "-" and inside:
                self.assertTrue(lanes.remove(inside.pop(size % len(inside))))
            else:
                newcomer = Head(name, size)
                inside.append(newcomer)
                for victim in lanes.add(newcomer):
                    lengths = {lane: sum(head.lane == lane for head in inside) for lane in {h.lane for h in inside}}
                    self.assertEqual(lengths[victim.lane], max(lengths.values()))
                    if lengths[name] == lengths[victim.lane]:
                        self.assertEqual(victim.lane, name)
                    self.assertIs(victim, [head for head in inside if head.lane == victim.lane][-1])
                    inside.remove(victim)
            self.assertEqual(lanes.waiting, sum(head.size for head in inside))
            self.assertLessEqual(lanes.waiting, room)
