"""The queue of delayed connections: in order, by address, and nothing is left of connections that are gone."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from orosync.transport.delayed_connections import RELEASED, TICK, DelayedConnections


class Waiting:
    """A delayed connection; ``then`` is called when it proceeds."""

    def __init__(self, name: str, turns: list[str], then: Callable[[], object] = lambda: None) -> None:
        self.then = then

        def proceed() -> None:
            turns.append(name)
            self.then()

        self.proceed: Callable[[], object] = proceed


class DelayedConnectionsTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.clock = Clock()
        self.left: dict[str, int] = {}
        self.had: list[str] = []
        self.delayed = DelayedConnections(self.clock, self.may_proceed)

    def may_proceed(self, group: str) -> bool:
        self.left[group] = self.left.get(group, 0) - 1
        return self.left[group] >= 0

    def wait(self, *names: str) -> list[Waiting]:
        """Each waits in the group of its first letter."""
        ones = [Waiting(name, self.had) for name in names]
        for name, one in zip(names, ones, strict=True):
            self.delayed.add(name[0], one)
        return ones

    def test_in_order_as_far_as_it_goes(self) -> None:
        """Each group's first come first; what one group may not does not hold up another."""
        self.wait("a1", "b1", "a2", "b2", "a3")
        self.left = {"a": 2, "b": 0}
        self.clock.advance(TICK)
        self.assertEqual((self.had, len(self.delayed), "a" in self.delayed), (["a1", "a2"], 3, True))
        self.left = {"a": 5, "b": 5}
        self.clock.advance(TICK)
        self.assertEqual(self.had, ["a1", "a2", "a3", "b1", "b2"])
        self.assertEqual((len(self.delayed), "a" in self.delayed, self.clock.getDelayedCalls()), (0, False, []))

    def test_few_in_one_turn_of_the_reactor(self) -> None:
        """The rest goes on in the next one, and another group comes first then."""
        names = [f"a{n}" for n in range(RELEASED + 3)]
        first = self.wait(*names, "b1")[0]
        first.then = lambda: self.clock.callLater(0, self.had.append, "the next turn")
        self.left = {"a": 99, "b": 99}
        self.clock.advance(TICK)
        self.assertEqual(self.had, [*names[:RELEASED], "the next turn", "b1", *names[RELEASED:]])

    def test_those_who_leave(self) -> None:
        """Wherever they stand; with the last one the timer goes. To leave twice, or without waiting, is nothing."""
        first, middle, last = self.wait("a1", "a2", "a3")
        self.delayed.remove("a", middle)
        self.delayed.remove("a", middle)
        self.delayed.remove("b", middle)
        self.left = {"a": 1}
        self.clock.advance(TICK)
        self.assertEqual(self.had, ["a1"])
        self.delayed.remove("a", first)
        self.assertEqual(len(self.clock.getDelayedCalls()), 1)
        self.delayed.remove("a", last)
        self.assertEqual((len(self.delayed), self.clock.getDelayedCalls()), (0, []))

    def test_what_happens_in_a_turn(self) -> None:
        """A connection that proceeds may end others, delay others, or fail: no other is affected."""
        others: list[Any] = self.wait("a1", "a2", "a3", "b1")
        others[0].then = lambda: (
            self.delayed.remove("a", others[1]),
            self.delayed.remove("a", others[2]),
            self.wait("c1"),
        )
        others[3].then = lambda: 1 // 0
        self.left = {"a": 9, "b": 9, "c": 9}
        self.clock.advance(TICK)
        self.clock.advance(TICK)
        self.assertEqual((self.had, len(self.delayed)), (["a1", "b1", "c1"], 0))
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)

    def test_stop(self) -> None:
        """All get their turn at once."""
        self.wait("a1", "b1", "a2")
        self.delayed.stop()
        self.assertEqual((sorted(self.had), self.clock.getDelayedCalls()), (["a1", "a2", "b1"], []))
