"""Tests for orosync.wamp.forwarding."""

from __future__ import annotations

from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from orosync.wamp import forwarding


class Trails(SynchronousTestCase):
    """What is read and what goes on."""

    def test_read(self) -> None:
        """Only our own strings are trails; what else stands there is somebody else's."""
        for said in (
            None, 7, "", "abc", "orosync:", "orosync:1", "orosync:1:", "orosync:a:b", "orosync:1:a.", "orosync:1:a..b",
            "orosync:1:a b", "orosync:1:a\n", "orosync:12345678901234567:a", "orosync:1:" + "a" * 33,
            "orosync:1:" + ".".join(["a" * 30] * 20),
        ):  # fmt: skip
            self.assertIsNone(forwarding.parse(said), said)
        self.assertEqual(forwarding.parse("orosync:1:a"), (1, ("a",)))
        self.assertEqual(forwarding.parse(f"orosync:{2**53}:a.B.0"), (2**53, ("a", "B", "0")))

    def test_further(self) -> None:
        """A message enters no realm that it has passed, passes eight at the most, and keeps its number."""
        seven, eight = "orosync:9:1.2.3.4.5.6.7", "orosync:9:1.2.3.4.5.6.7.8"
        table: list[tuple[str | None, str, str, str | None]] = [
            (None, "here", "there", "orosync:3:here"),
            ("somebody's", "here", "there", "orosync:3:here"),
            ("orosync:9:other", "here", "there", "orosync:9:other.here"),
            ("orosync:9:here", "here", "there", "orosync:9:here"),
            ("orosync:9:there", "here", "there", None),
            ("orosync:9:there.other", "here", "there", None),
            (seven, "here", "there", f"{seven}.here"),
            (eight, "here", "there", None),
            (eight, "8", "there", eight),
        ]
        for said, left, entered, expected in table:
            details = {} if said is None else {forwarding.OPTION: said}
            self.assertEqual(forwarding.extended(details, 3, left, entered), expected, said)

    def test_a_ring(self) -> None:
        """Round a ring of realms a message gets once, whichever it begins in."""
        for size in range(2, 12):
            realms = [forwarding.new_mark() for _ in range(size)]
            details: dict[str, Any] = {}
            visited = 0
            for step in range(2 * size):
                said = forwarding.extended(details, 1, realms[step % size], realms[(step + 1) % size])
                if said is None:
                    break
                visited += 1
                details = {forwarding.OPTION: said}
            self.assertEqual(visited, min(size - 1, forwarding.MOST_REALMS), size)

    def test_memory(self) -> None:
        """By a second way the same event is known, whatever way that was; the oldest are forgotten first."""
        memory = forwarding.Memory(2)
        said = ["orosync:1:a", "orosync:1:a.b", "orosync:2:a", "somebody's", "somebody's", None, "orosync:3:a"]
        self.assertEqual([memory.again(one) for one in said], [False, True, False, False, False, False, False])
        self.assertEqual([memory.again(f"orosync:{number}:x") for number in (3, 2, 1)], [True, True, False])


class Marks(SynchronousTestCase):
    """What tells realms apart."""

    def test_new(self) -> None:
        """No two realms have the same, and a trail of the most that there may be can still be read."""
        marks = [forwarding.new_mark() for _ in range(forwarding.MOST_REALMS)]
        self.assertEqual(len(set(marks)), len(marks))
        self.assertEqual(forwarding.parse(f"orosync:{2**53}:" + ".".join(marks)), (2**53, tuple(marks)))

    def test_of_another_router(self) -> None:
        """orosync says it itself; of Crossbar.io it is node and realm, by whatever address; else the address."""
        url, other = "ws://a/", "ws://b/"
        self.assertEqual(forwarding.mark_of("r", url, {"_orosync_realm": "abc123"}), "abc123")
        for nonsense in (7, "", "a.b", "x" * 33, "orosync:"):
            self.assertNotEqual(forwarding.mark_of("r", url, {"_orosync_realm": nonsense}), nonsense)
        crossbar = {"x_cb_node": "node-1"}
        self.assertEqual(forwarding.mark_of("r", url, crossbar), forwarding.mark_of("r", other, crossbar))
        self.assertNotEqual(forwarding.mark_of("r", url, crossbar), forwarding.mark_of("s", url, crossbar))
        self.assertEqual(forwarding.mark_of("r", url, {}), forwarding.mark_of("r", url, {"agent": "nexus"}))
        self.assertNotEqual(forwarding.mark_of("r", url, {}), forwarding.mark_of("r", other, {}))
        self.assertTrue(forwarding.mark_of("r", url, {}).isalnum())

    def test_numbers(self) -> None:
        """Only of routers that we know are ids of publications taken for what WAMP says they are."""
        for welcome, well in (({"_orosync_realm": "a"}, True), ({"x_cb_node": "n"}, True), ({"agent": "x"}, False)):
            self.assertEqual(forwarding.has_random_ids(welcome), well, welcome)
