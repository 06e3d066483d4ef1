"""Tests for orosync.wamp.trail."""

from __future__ import annotations

from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from orosync.wamp import trail


class Trails(SynchronousTestCase):
    """What is read and what goes on."""

    def test_read(self) -> None:
        """Only our own strings are trails; what else stands there is somebody else's."""
        table: list[tuple[Any, tuple[str, ...]]] = [
            (None, ()),
            (7, ()),
            ("", ()),
            ("abc", ()),
            ("orosync:a", ("a",)),
            ("orosync:a.b.c", ("a", "b", "c")),
            ("orosync:" + "a" * 500, ()),
        ]
        for said, marks in table:
            self.assertEqual(trail.read({"transaction_hash": said}), marks, said)
        self.assertEqual(trail.read({}), ())

    def test_further(self) -> None:
        """A message enters no realm that it has passed, and passes eight at the most."""
        seven, eight = "orosync:1.2.3.4.5.6.7", "orosync:1.2.3.4.5.6.7.8"
        table: list[tuple[str | None, str, str, str | None]] = [
            (None, "here", "there", "orosync:here"),
            ("somebody's", "here", "there", "orosync:here"),
            ("orosync:other", "here", "there", "orosync:other.here"),
            ("orosync:here", "here", "there", "orosync:here"),
            ("orosync:there", "here", "there", None),
            ("orosync:there.other", "here", "there", None),
            (seven, "here", "there", f"{seven}.here"),
            (eight, "here", "there", None),
            (eight, "8", "there", eight),
        ]
        for said, left, entered, expected in table:
            details = {} if said is None else {trail.OPTION: said}
            self.assertEqual(trail.further(details, left, entered), expected, said)

    def test_a_ring(self) -> None:
        """Round a ring of realms a message gets once, whichever it begins in."""
        for size in range(2, 12):
            realms = [trail.new_mark() for _ in range(size)]
            details: dict[str, Any] = {}
            visited = 0
            for step in range(2 * size):
                said = trail.further(details, realms[step % size], realms[(step + 1) % size])
                if said is None:
                    break
                visited += 1
                details = {trail.OPTION: said}
            self.assertEqual(visited, min(size - 1, trail.MOST_REALMS), size)


class Marks(SynchronousTestCase):
    """What tells realms apart."""

    def test_new(self) -> None:
        """No two realms have the same, and a trail of the most that there may be can still be read."""
        marks = [trail.new_mark() for _ in range(trail.MOST_REALMS)]
        self.assertEqual(len(set(marks)), len(marks))
        said = "orosync:" + ".".join(marks)
        self.assertEqual(trail.read({trail.OPTION: said}), tuple(marks))

    def test_of_another_router(self) -> None:
        """orosync says it itself; of Crossbar.io it is node and realm, by whatever address; else the address."""
        url, other = "ws://a/", "ws://b/"
        self.assertEqual(trail.mark_of("r", url, {"_orosync_realm": "abc123"}), "abc123")
        for nonsense in (7, "", "a.b", "x" * 33, "orosync:"):
            self.assertNotEqual(trail.mark_of("r", url, {"_orosync_realm": nonsense}), nonsense)
        crossbar = {"x_cb_node": "node-1"}
        self.assertEqual(trail.mark_of("r", url, crossbar), trail.mark_of("r", other, crossbar))
        self.assertNotEqual(trail.mark_of("r", url, crossbar), trail.mark_of("s", url, crossbar))
        self.assertEqual(trail.mark_of("r", url, {}), trail.mark_of("r", url, {"agent": "nexus"}))
        self.assertNotEqual(trail.mark_of("r", url, {}), trail.mark_of("r", other, {}))
        self.assertTrue(trail.mark_of("r", url, {}).isalnum())
