"""Tests for orosync.router.subscriptions."""

from __future__ import annotations

from collections.abc import Iterator

from twisted.trial.unittest import SynchronousTestCase

from orosync.model import Match
from orosync.router.subscriptions import Subscription, Subscriptions
from tests.router.members import member


class Scanned(Subscriptions):
    """Counts how often all subscriptions are looked through."""

    scans = 0

    def __iter__(self) -> Iterator[Subscription]:
        self.scans += 1
        return super().__iter__()


class Sharing(SynchronousTestCase):
    """One subscription for each topic and match."""

    def setUp(self) -> None:
        self.subscriptions = Subscriptions()
        self.anna, self.bert = member(1), member(2)

    def test_same_for_everybody(self) -> None:
        """Whoever subscribes to the same topic in the same way has the same subscription."""
        first = self.subscriptions.join(self.anna, "a.b", Match.EXACT)
        self.assertIs(self.subscriptions.join(self.bert, "a.b", Match.EXACT), first)
        self.assertEqual(first.audience, (self.anna, self.bert))
        self.assertIs(self.subscriptions.get("a.b", Match.EXACT), first)

    def test_each_match_is_its_own(self) -> None:
        """The same text as topic, prefix and wildcard pattern gives three subscriptions, counted from 1."""
        ids = [self.subscriptions.join(self.anna, "a.b", match).id for match in Match]
        self.assertEqual(ids, [1, 2, 3])
        self.assertEqual(sorted(self.anna.subscriptions), ids)

    def test_twice_is_once(self) -> None:
        """Subscribing again changes nothing, not even the order."""
        first = self.subscriptions.join(self.anna, "a", Match.EXACT)
        self.subscriptions.join(self.bert, "a", Match.EXACT)
        self.assertIs(self.subscriptions.join(self.anna, "a", Match.EXACT), first)
        self.assertEqual(first.audience, (self.anna, self.bert))

    def test_gone_with_the_last(self) -> None:
        """A subscription lives as long as it has members; the next one gets a new id."""
        first = self.subscriptions.join(self.anna, "a", Match.PREFIX)
        self.subscriptions.join(self.bert, "a", Match.PREFIX)
        self.assertFalse(self.subscriptions.part(self.anna, first))
        self.assertIs(self.subscriptions.get("a", Match.PREFIX), first)
        self.assertTrue(self.subscriptions.part(self.bert, first))
        self.assertIsNone(self.subscriptions.get("a", Match.PREFIX))
        self.assertEqual(self.subscriptions.join(self.anna, "a", Match.PREFIX).id, 2)

    def test_found_by_id(self) -> None:
        """The meta procedures find a subscription by its id, whatever ends it and however many others there are."""
        subscriptions = Scanned()
        filed = [subscriptions.join(self.anna, f"a.{number}", match) for number in range(3) for match in Match]
        filed.append(subscriptions.keep("kept", Match.PREFIX))
        self.assertEqual([subscriptions.find(each.id) for each in filed], filed)
        subscriptions.join(self.bert, "a.0", Match.EXACT)
        subscriptions.part(self.anna, filed[4])
        subscriptions.leave(self.anna)
        left = [filed[0], filed[-1]]
        self.assertEqual(
            [subscriptions.find(each.id) for each in filed], [each if each in left else None for each in filed]
        )
        self.assertIsNone(subscriptions.find(99))
        self.assertIs(
            subscriptions.find(subscriptions.join(self.anna, "a.1", Match.EXACT).id), self.anna.subscriptions[11]
        )
        self.assertEqual(subscriptions.scans, 1, "only the first look-up goes through all of them")

    def test_found_by_id_after_some_have_gone(self) -> None:
        """The same when they began and ended before anybody looked one up."""
        subscriptions = Subscriptions()
        filed = [subscriptions.join(self.anna, f"a.{number}", match) for number in range(3) for match in Match]
        subscriptions.join(self.bert, "a.0", Match.EXACT)
        subscriptions.part(self.anna, filed[4])
        subscriptions.leave(self.anna)
        self.assertEqual([subscriptions.find(each.id) for each in filed], [filed[0], *[None] * 8])

    def test_everybody_is_a_value(self) -> None:
        """Whoever is being delivered to may leave meanwhile: the receivers already returned stay as they are."""
        subscription = self.subscriptions.join(self.anna, "a", Match.EXACT)
        self.subscriptions.join(self.bert, "a", Match.EXACT)
        before = subscription.audience
        self.assertIs(subscription.audience, before)
        self.subscriptions.part(self.anna, subscription)
        self.assertEqual(before, (self.anna, self.bert))
        self.assertEqual(subscription.audience, (self.bert,))

    def test_repr(self) -> None:
        """A log line about a subscription tells its topic and size, and names no member."""
        subscription = self.subscriptions.join(self.anna, "a", Match.EXACT)
        self.assertEqual(repr(subscription), "<Subscription 1 exact 'a', 1 members>")
