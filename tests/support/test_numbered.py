"""tests.support.numbered: the faults of a router would be found."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from tests.support.numbered import Counts, Receiver, Stream, back, compare


def published(count: int, node: str = "a", **options: object) -> Stream:
    """One event a second, from 1 s on."""
    return Stream(node, times=[float(number) for number in range(1, count + 1)], acknowledged=count, **options)  # type: ignore[arg-type]


def received(stream: Stream, *numbers: int, since: float = 0.0, cut: bool = False) -> Receiver:
    """Each arrives half a second after it was published."""
    found = Receiver("b", since, cut=cut)
    for number in numbers:
        found.receive(stream, number, number + 0.5)
    return found


class Comparing(SynchronousTestCase):
    def test_what_is_counted(self) -> None:
        """(what came of five events, what has to be found)."""
        for numbers, expected in (
            ((1, 2, 3, 4, 5), Counts(delivered=5)),
            ((1, 2, 4, 5), Counts(delivered=4, lost=1)),
            ((2, 3, 4, 5), Counts(delivered=4, lost=1)),
            ((1, 2, 3), Counts(delivered=3, lost=2, missing_at_end=2)),
            ((), Counts(lost=5, missing_at_end=5)),
            ((1, 2, 2, 3, 4, 5), Counts(delivered=6, repeated=1)),
            ((1, 2, 3, 2, 4, 5), Counts(delivered=6, repeated=1)),
            ((1, 3, 2, 4, 5), Counts(delivered=5, out_of_order=1)),
        ):
            stream = published(5)
            self.assertEqual(compare(stream, received(stream, *numbers)), expected, numbers)

    def test_who_comes_later(self) -> None:
        """Counts from the first event that came, or that was published a second after SUBSCRIBED."""
        stream = published(5)
        self.assertEqual(compare(stream, received(stream, 3, 4, 5, since=2.5)).lost, 0)
        self.assertEqual(compare(stream, received(stream, 4, 5, since=2.5)).lost, 0)
        self.assertEqual(compare(stream, received(stream, 5, since=2.5)).lost, 1)

    def test_who_is_cut(self) -> None:
        """Must have no hole before the last event that came; what a dead node had taken and not sent is apart."""
        stream = published(5)
        self.assertEqual(compare(stream, received(stream, 1, 2, cut=True)).lost, 0)
        self.assertEqual(compare(stream, received(stream, 1, 3, cut=True)).lost, 1)
        dead = published(5, cut=True)
        self.assertEqual(compare(dead, received(dead, 1, 2)), Counts(delivered=2, unsent=3))
        self.assertEqual(compare(dead, received(dead, 1, 3)), Counts(delivered=2, lost=1, unsent=2))

    def test_other_topics(self) -> None:
        """Nobody misses what was published elsewhere."""
        stream = published(5, topic="other")
        self.assertEqual(compare(stream, received(stream)), Counts())


class Back(SynchronousTestCase):
    def test_the_last_pair(self) -> None:
        """Until an event of every node that was published after the moment has come to every node."""
        one, two = published(9, "a"), published(9, "c")
        receiver = received(one, 1, 2, 7, 8)
        self.assertEqual(back([one], [receiver], 3.0), 4.5)
        self.assertIsNone(back([one, two], [receiver], 3.0))
        receiver.receive(two, 9, 9.5)
        self.assertEqual(back([one, two], [receiver], 3.0), 6.5)
        self.assertEqual(back([published(2)], [receiver], 3.0), 0.0)
