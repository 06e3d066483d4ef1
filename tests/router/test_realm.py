"""Tests for orosync.router.realm."""

from __future__ import annotations

from orosync.errors import RequestError
from orosync.model import Match
from orosync.router.deliveries import Delivery
from orosync.router.realm import Realm
from orosync.router.registrations import Invoke, RegisterOptions
from orosync.wamp import uris
from orosync.wamp.messages import Error, Interrupt
from tests.router.dealer_case import DealerCase
from tests.router.members import FAR, PAYLOAD, everything_in, member, names_of


class RealmCase(DealerCase):
    """A realm in which all are."""

    def setUp(self) -> None:
        super().setUp()
        self.realm = Realm("oro")
        self.dealer = self.realm.dealer
        for each in (self.anna, self.plain, self.interruptible, self.progressive):
            self.realm.join(each)

    def sent(self, deliveries: list[Delivery]) -> list[tuple[list[str], object]]:
        return [([found.principal.authid for found in item.receivers], item.message) for item in deliveries]


class Members(RealmCase):
    """Who is in."""

    def test_joined(self) -> None:
        """Members are known by session id from joining until leaving."""
        audience = {FAR + 1: self.anna, FAR + 2: self.plain, FAR + 3: self.interruptible, FAR + 4: self.progressive}
        self.assertEqual(self.realm.members, audience)
        self.realm.leave(self.plain)
        del audience[FAR + 2]
        self.assertEqual(self.realm.members, audience)
        self.assertEqual(self.realm.name, "oro")

    def test_id_taken(self) -> None:
        """A session id is had by one member at a time; the one who has it is not disturbed."""
        twin = member(1, "twin")
        self.assertRaises(ValueError, self.realm.join, twin)
        self.assertEqual(self.realm.leave(twin), [])
        self.assertIs(self.realm.members[FAR + 1], self.anna)
        self.assertEqual((self.realm.sessions_of("anna"), self.realm.sessions_of("twin")), (1, 0))
        self.realm.leave(self.anna)
        self.realm.join(twin)
        self.assertIs(self.realm.members[FAR + 1], twin)

    def test_sessions_of_a_user(self) -> None:
        """How often a user is in is known at any time, whatever else happens."""
        windows = [member(number, "anna") for number in range(10, 13)]
        counts = [self.realm.sessions_of("anna")]
        for window in windows:
            self.realm.join(window)
            counts.append(self.realm.sessions_of("anna"))
        for window in [*windows, self.anna, self.anna]:
            self.realm.leave(window)
            counts.append(self.realm.sessions_of("anna"))
        self.assertEqual(counts, [1, 2, 3, 4, 3, 2, 1, 0, 0])
        self.assertEqual(self.realm.sessions_of("nobody"), 0)

    def test_bound(self) -> None:
        """The bound on calls in progress is the realm's to set."""
        self.dealer = Realm("small", pending_limit=1).dealer
        self.dealer.register(self.plain, "a")
        self.call(self.plain, 1)
        error = self.assertRaises(RequestError, self.dealer.call, self.anna, 2, "a", {}, None)
        self.assertEqual(error.uri, uris.UNAVAILABLE)


class Leaving(RealmCase):
    """What the others receive when a member leaves."""

    def test_subscriptions_end(self) -> None:
        """No event goes to who has left, whatever it had subscribed to."""
        for match in Match:
            self.realm.broker.subscribe(self.plain, "a", match)
            self.realm.broker.subscribe(self.interruptible, "a", match)
        self.assertEqual(self.realm.leave(self.plain), [])
        deliveries = self.realm.broker.publish("a", PAYLOAD, self.anna)[1]
        self.assertEqual([list(found.receivers) for found in deliveries], [[self.interruptible]] * 3)

    def test_registrations_end(self) -> None:
        """No call goes to who has left: the next in line gets it."""
        for callee in (self.plain, self.interruptible):
            self.dealer.register(callee, "a", Match.EXACT, Invoke.FIRST)
        self.dealer.register(self.plain, "b")
        self.realm.leave(self.plain)
        self.call(self.interruptible)
        self.assertIsNone(self.dealer.lookup("b"))

    def test_callee_leaves(self) -> None:
        """Callers that wait for a callee that leaves are told that their calls are canceled, in order, and why."""
        self.dealer.register(self.plain, "a")
        self.call(self.plain, 11)
        self.call(self.plain, 12)
        self.dealer.call(self.interruptible, 11, "a", {}, None)
        deliveries = self.realm.leave(self.plain)
        canceled = [(["anna"], 11), (["anna"], 12), (["user-3"], 11)]
        self.assertEqual(
            self.sent(deliveries), [(to, Error(48, request, {}, uris.CANCELED)) for to, request in canceled]
        )
        for delivery in deliveries:
            assert delivery.payload is not None
            self.assertEqual(delivery.payload.values(), (["the callee has left before it answered"], {}))

    def test_caller_leaves(self) -> None:
        """Callees that work for a caller that leaves are interrupted, once, if they can be; nobody hears them out."""
        for callee, procedure in ((self.plain, "a"), (self.interruptible, "b")):
            self.dealer.register(callee, procedure)
            for request in (1, 2):
                self.call(callee, int(callee.session) * 10 + request, procedure)
        self.dealer.cancel(self.anna, self.interruptible.session * 10 + 1, {"mode": "kill"})
        found = self.sent(self.realm.leave(self.anna))
        self.assertEqual(found, [(["user-3"], Interrupt(2, {"mode": "killnowait"}))])
        for callee in (self.plain, self.interruptible):
            for number in (1, 2):
                self.assertEqual(self.dealer.yielded(callee, number, {}, PAYLOAD), [])
                self.assertEqual(self.dealer.failed(callee, number, {}, "a.b", PAYLOAD), [])

    def test_calling_oneself(self) -> None:
        """Who leaves while it waits for itself makes no delivery."""
        self.dealer.register(self.anna, "a")
        self.call(self.anna)
        self.assertEqual(self.realm.leave(self.anna), [])

    def test_twice(self) -> None:
        """Leaving again, or without having joined, does nothing."""
        self.dealer.register(self.plain, "a")
        self.call(self.plain)
        self.assertEqual(len(self.realm.leave(self.plain)), 1)
        self.assertEqual(self.realm.leave(self.plain), [])
        self.assertEqual(self.realm.leave(member(99)), [])

    def test_nothing_names_it(self) -> None:
        """After leaving, the realm holds neither member nor session id nor name of who was in every part of it."""
        for each in (self.anna, self.interruptible):
            for match in Match:
                self.realm.broker.subscribe(each, "a.b", match)
                self.dealer.register(each, "a.b", match, Invoke.ROUNDROBIN, RegisterOptions(disclose_caller=True))
            self.realm.broker.subscribe(each, f"own.{each.session}")
            self.dealer.register(each, f"own.{each.session}")
        self.dealer.register(self.progressive, "chatty")
        self.realm.broker.publish("a.b", PAYLOAD, self.interruptible, disclose=True)
        for request, procedure in enumerate(["a.b", "a.b", f"own.{self.interruptible.session}", "chatty"]):
            self.dealer.call(self.anna, request, procedure, {}, PAYLOAD, True)
            self.dealer.call(self.interruptible, request, procedure, {}, PAYLOAD, True)
        self.assertTrue(names_of(self.realm, self.interruptible), "the search finds nobody")
        self.realm.leave(self.interruptible)
        self.assertEqual(names_of(self.realm, self.interruptible), [])
        self.assertEqual((self.interruptible.subscriptions, self.interruptible.registrations), ({}, {}))
        self.assertTrue(names_of(self.realm, self.anna), "the search finds nobody")

    def test_the_last_one_leaves_it_empty(self) -> None:
        """A realm that all have left holds as little as one that nobody ever joined."""
        before = sorted(type(thing).__name__ for thing in everything_in(Realm("oro")) if type(thing) is not int)
        for each in (self.anna, self.plain):
            for number in range(50):
                self.realm.broker.subscribe(each, f"a.{number}", Match.WILDCARD)
                self.realm.broker.subscribe(each, f"b.{number}", Match.PREFIX)
                self.dealer.register(each, f"c.{number}", Match.PREFIX, Invoke.LAST)
        for each in list(self.realm.members.values()):
            self.realm.leave(each)
        # Numbers aside: counters have moved on.
        left = sorted(type(thing).__name__ for thing in everything_in(self.realm) if type(thing) is not int)
        self.assertEqual(left, before)
