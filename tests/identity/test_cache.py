"""What was judged is remembered for a while, and never more than there is room for."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from orosync.identity.cache import TTLCache


class Memory(SynchronousTestCase):
    """Entries by key, each with its own end."""

    def test_lasts_until_its_end(self) -> None:
        """An entry is there up to its end, and not a moment longer."""
        memory: TTLCache[str] = TTLCache(10)
        memory.put(b"k", "v", now=100.0, until=110.0)
        self.assertEqual(memory.get(b"k", 109.9), "v")
        self.assertIsNone(memory.get(b"other", 100.0))
        self.assertIsNone(memory.get(b"k", 110.0))
        self.assertEqual(len(memory), 0)

    def test_the_oldest_makes_room(self) -> None:
        """A flood of entries drives out the oldest, not the newest, and takes no more room than there is."""
        memory: TTLCache[int] = TTLCache(3)
        for number in range(100):
            memory.put(b"%d" % number, number, now=0.0, until=10.0)
            self.assertTrue(len(memory) <= 3)
        self.assertEqual([memory.get(b"%d" % number, 1.0) for number in (96, 97, 98, 99)], [None, 97, 98, 99])

    def test_what_has_run_out_goes(self) -> None:
        """Entries that are not asked for again do not stay for ever."""
        memory: TTLCache[int] = TTLCache(100)
        for number in range(50):
            memory.put(b"%d" % number, number, now=0.0, until=10.0)
        memory.put(b"new", 1, now=10.0, until=20.0)
        self.assertEqual(len(memory), 1)

    def test_put_again(self) -> None:
        """The same key again replaces value and end, and counts as new."""
        memory: TTLCache[str] = TTLCache(2)
        memory.put(b"a", "old", now=0.0, until=10.0)
        memory.put(b"b", "b", now=0.0, until=10.0)
        memory.put(b"a", "new", now=5.0, until=20.0)
        memory.put(b"c", "c", now=5.0, until=20.0)
        self.assertEqual([memory.get(key, 15.0) for key in (b"a", b"b", b"c")], ["new", None, "c"])

    def test_put_again_counts_as_new(self) -> None:
        """Before it is full too: what was put again goes after what was not, and costs no other entry its place."""
        memory: TTLCache[str] = TTLCache(3)
        for key in (b"a", b"b", b"a", b"c", b"d"):
            memory.put(key, "v", now=0.0, until=10.0)
        self.assertEqual([memory.get(key, 1.0) for key in (b"a", b"b", b"c", b"d")], ["v", None, "v", "v"])
        memory.put(b"d", "again", now=1.0, until=10.0)
        self.assertEqual([memory.get(key, 1.0) for key in (b"a", b"c", b"d")], ["v", "v", "again"])
