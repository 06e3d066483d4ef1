"""Shared state: claims, what is done once, kept values and lists, and that all of it is limited."""

from __future__ import annotations

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from orosync.backplane.shared_state import OVERHEAD, SharedState
from orosync.errors import NodeNameTaken, Unavailable
from orosync.interfaces import Claim

BEGAN = 1_700_000_000.0


class SharedStateCase(SynchronousTestCase):
    """A state with three nodes."""

    def setUp(self) -> None:
        self.clock = Clock()
        self.state = self.made()
        for node in "abc":
            self.state.join(node, f"boot-{node}")

    def made(self, **limits: int) -> SharedState:
        return SharedState(self.clock.seconds, lambda: BEGAN, **limits)


class Nodes(SharedStateCase):
    """Who is there."""

    def test_name_taken(self) -> None:
        """A second node of one name is refused until the first has gone."""
        with self.assertRaises(NodeNameTaken) as raised:
            self.state.join("a", "other")
        self.assertIn("'a'", str(raised.exception))
        self.assertTrue(self.state.leave("a", "boot-a"))
        self.state.join("a", "other")
        self.assertEqual(self.state.nodes["a"], "other")

    def test_late_leave(self) -> None:
        """News of the end of an earlier life changes nothing about the present one."""
        self.state.leave("a", "boot-a")
        self.state.join("a", "other")
        self.state.claim("a", "k", "")
        self.assertFalse(self.state.leave("a", "boot-a"))
        self.assertEqual(self.state.holders("k"), ["a"])


class Claims(SharedStateCase):
    """Who holds a key."""

    def test_single(self) -> None:
        """One node has it, others are told which and since when; the time is a date that counts on."""
        self.clock.advance(5)
        self.assertEqual(self.state.claim("a", "k", ""), Claim("", BEGAN + 5))
        self.clock.advance(5)
        for _ in range(2):
            self.assertEqual(self.state.claim("b", "k", ""), Claim("a", BEGAN + 5))
        self.assertEqual(self.state.claim("b", "k", "roundrobin"), Claim("a", BEGAN + 5))
        self.assertEqual(self.state.holders("k"), ["a"])

    def test_at_the_same_time(self) -> None:
        """A new claim never takes a key, whatever the names are."""
        self.state.claim("b", "k", "")
        self.assertEqual(self.state.claim("a", "k", "").holder, "b")

    def test_again(self) -> None:
        """A node that claims what it has keeps it, with its time."""
        self.state.claim("a", "k", "")
        self.clock.advance(5)
        self.assertEqual(self.state.claim("a", "k", ""), Claim("", BEGAN))
        self.assertEqual(self.state.claim("a", "k", "first"), Claim("", BEGAN))
        self.assertEqual(self.state.claim("b", "k", "first").holder, "")

    def test_together(self) -> None:
        """Nodes that name one policy hold a key together; another policy is told the oldest of them."""
        for node in "cab":
            self.clock.advance(1)
            self.assertEqual(self.state.claim(node, "k", "roundrobin").holder, "")
        self.assertEqual(self.state.holders("k"), ["c", "a", "b"])
        self.state.join("d", "boot-d")
        self.assertEqual(self.state.claim("d", "k", "random"), Claim("c", BEGAN + 1))
        self.assertEqual(self.state.claim("d", "k", ""), Claim("c", BEGAN + 1))
        self.assertEqual(self.state.claim("a", "k", "random"), Claim("c", BEGAN + 1))
        self.assertEqual(self.state.holders("k"), ["c", "a", "b"])

    def test_older(self) -> None:
        """Of two nodes that were apart the one that claimed first has the key, of the same time the first by name."""
        self.clock.advance(100)
        self.state.claim("b", "k", "")
        self.assertEqual(self.state.claim("a", "k", "", since=BEGAN + 101).holder, "b")
        self.assertEqual(self.state.claim("c", "k", "", since=BEGAN + 100).holder, "b")
        self.assertEqual(self.state.claim("a", "k", "", since=BEGAN + 100), Claim("", BEGAN + 100))
        self.assertEqual(self.state.holders("k"), ["a"])
        self.assertEqual(self.state.claim("c", "k", "", since=BEGAN + 99), Claim("", BEGAN + 99))
        self.state.release("b", "k")
        self.assertEqual(self.state.holders("k"), ["c"])

    def test_older_than_all(self) -> None:
        """Those that hold a key together keep it if one of them is older."""
        self.state.claim("a", "k", "random")
        self.clock.advance(10)
        self.state.claim("b", "k", "random")
        self.assertEqual(self.state.claim("c", "k", "", since=BEGAN + 5).holder, "a")
        self.state.release("a", "k")
        self.assertEqual(self.state.claim("c", "k", "", since=BEGAN + 5).holder, "")
        self.assertEqual(self.state.holders("k"), ["c"])

    def test_older_together(self) -> None:
        """With the same policy the times do not matter, and the earliest of a node counts."""
        self.clock.advance(10)
        self.state.claim("a", "k", "random")
        self.state.claim("b", "k", "random", since=BEGAN + 3)
        self.state.claim("a", "k", "random", since=BEGAN + 2)
        self.state.claim("a", "k", "random", since=BEGAN + 4)
        self.assertEqual(self.state.holders("k"), ["a", "b"])

    def test_force(self) -> None:
        """It is taken from all others, and the time of the claim is that of now."""
        self.state.claim("a", "k", "random")
        self.state.claim("b", "k", "random")
        self.clock.advance(7)
        self.assertEqual(self.state.claim("c", "k", "random", force=True), Claim("", BEGAN + 7))
        self.assertEqual(self.state.holders("k"), ["c"])
        self.state.leave("a", "boot-a")
        self.assertEqual(self.state.holders("k"), ["c"])

    def test_release(self) -> None:
        """A released key is free; who does not hold it releases nothing."""
        self.state.claim("a", "k", "")
        for node in "bx":
            self.state.release(node, "k")
            self.state.release(node, "other")
        self.assertEqual(self.state.holders("k"), ["a"])
        self.state.release("a", "k")
        self.assertEqual(self.state.claimed, 0)
        self.assertEqual(self.state.claim("b", "k", "").holder, "")

    def test_gone(self) -> None:
        """A node that has gone holds nothing and gets nothing."""
        self.state.claim("a", "k", "")
        self.state.claim("a", "l", "random")
        self.state.claim("b", "l", "random")
        self.state.leave("a", "boot-a")
        self.assertEqual((self.state.holders("k"), self.state.holders("l")), ([], ["b"]))
        with self.assertRaises(Unavailable):
            self.state.claim("a", "k", "")


class Once(SharedStateCase):
    """What is done by one node alone."""

    def test_first(self) -> None:
        """The first who asks is told True, until the time is over."""
        self.assertEqual([self.state.once("k", 10) for _ in range(3)], [True, False, False])
        self.assertTrue(self.state.once("l", 5))
        self.assertEqual([self.state.once("m", 20, by) for by in ("x", "x", "y", "")], [True, True, False, False])
        self.clock.advance(9.9)
        self.assertFalse(self.state.once("k", 10))
        self.clock.advance(0.1)
        self.assertEqual([self.state.once("k", 10) for _ in range(2)], [True, False])

    def test_limit(self) -> None:
        """Beyond the limit nobody is told that it is the first; keys whose time is over make room."""
        state = self.made(most_once=2)
        self.assertTrue(state.once("k", 10))
        self.assertTrue(state.once("l", 20))
        self.assertFalse(state.once("k", 10))
        with self.assertRaises(Unavailable):
            state.once("m", 10)
        self.clock.advance(10)
        self.assertTrue(state.once("m", 10))


class Values(SharedStateCase):
    """Kept values."""

    def test_kept(self) -> None:
        """The last value of each key, by area, also when no node is there."""
        self.state.put("x", "k", b"1")
        self.state.put("x", "k", b"2")
        self.state.put("x", "l", b"3")
        self.state.put("y", "k", b"4")
        for node in "abc":
            self.state.leave(node, f"boot-{node}")
        self.assertEqual(self.state.load("x"), {"k": b"2", "l": b"3"})
        self.state.remove("x", "k")
        self.state.remove("x", "none")
        self.state.remove("none", "k")
        self.assertEqual((self.state.load("x"), self.state.load("y")), ({"l": b"3"}, {"k": b"4"}))

    def test_limit(self) -> None:
        """What there is no room for is dropped and counted; removed and replaced values make room."""
        state = self.made(most_bytes=2 * (OVERHEAD + 11))
        self.assertTrue(state.put("x", "k", b"0123456789"))
        self.assertTrue(state.put("x", "l", b"0123456789"))
        self.assertFalse(state.put("y", "m", b""))
        self.assertTrue(state.put("x", "l", b"9876543210"))
        self.assertEqual((state.dropped, state.size), (1, 2 * (OVERHEAD + 11)))
        self.assertFalse(state.put("x", "k", b"01234567890"))
        self.assertEqual(state.load("x"), {"l": b"9876543210"}, "an old value would be a wrong one")
        state.remove("x", "l")
        self.assertEqual(state.size, 0)

    def test_limit_of_an_area(self) -> None:
        """One area cannot take everything."""
        state = self.made(most_in_one=2 * (OVERHEAD + 2))
        self.assertEqual([state.put("x", key, b"0") for key in "klm"], [True, True, False])
        self.assertTrue(state.put("y", "k", b"0"))


class Lists(SharedStateCase):
    """Bounded lists."""

    def test_order(self) -> None:
        """The values in the order in which they came, from whichever node; each list by itself."""
        for value in (b"1", b"2", b"3"):
            self.state.append("x", value, 10, 1000)
        self.state.append("y", b"4", 10, 1000)
        self.assertEqual(self.state.read("x"), [b"1", b"2", b"3"])
        self.assertEqual((self.state.read("y"), self.state.read("z")), ([b"4"], []))

    def test_limits(self) -> None:
        """The last ``most`` values stay, of at most ``most_bytes`` together."""
        for number in range(5):
            self.state.append("x", b"%d" % number, 3, 1000)
            self.state.append("y", b"%d%d" % (number, number), 100, 5)
        self.assertEqual((self.state.read("x"), self.state.read("y")), ([b"2", b"3", b"4"], [b"33", b"44"]))
        self.state.append("x", b"5", 0, 1000)
        self.state.append("y", b"123456", 100, 5)
        self.assertEqual((self.state.read("x"), self.state.read("y"), self.state.size), ([], [], 0))

    def test_limit_of_all(self) -> None:
        """All lists together are limited: one that grows beyond it loses its own oldest values, which are counted."""
        state = self.made(most_bytes=3 * (OVERHEAD + 1))
        state.append("y", b"0", 100, 1000)
        for number in range(4):
            state.append("x", b"%d" % number, 100, 1000)
        self.assertEqual((state.read("x"), state.read("y"), state.dropped), ([b"2", b"3"], [b"0"], 2))
        state.append("z", b"0", 100, 1000)
        self.assertEqual((state.read("z"), state.dropped), ([], 3))

    def test_limit_of_a_list(self) -> None:
        """Whatever its own limits are, a list is no larger than an answer can be."""
        state = self.made(most_in_one=2 * (OVERHEAD + 1))
        for number in range(4):
            state.append("x", b"%d" % number, 100, 1000)
        self.assertEqual((state.read("x"), state.dropped), ([b"2", b"3"], 2))
