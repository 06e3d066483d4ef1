"""Tests for orosync.router.registrations."""

from __future__ import annotations

from collections.abc import Iterator

from twisted.trial.unittest import SynchronousTestCase

from orosync.errors import RequestError
from orosync.model import Match
from orosync.router.deliveries import Member
from orosync.router.registrations import Draw, Invoke, RegisterOptions, Registration, Registrations
from orosync.wamp import uris
from tests.router.members import member

# policy -> which of three callees get six calls in a row; random draws the middle one here
TURNS = {
    Invoke.FIRST: [0, 0, 0, 0, 0, 0],
    Invoke.LAST: [2, 2, 2, 2, 2, 2],
    Invoke.ROUNDROBIN: [0, 1, 2, 0, 1, 2],
    Invoke.RANDOM: [1, 1, 1, 1, 1, 1],
}

# (calls before, callee that goes, callees of the next four calls); the callees are 0 to 3
ROUNDS = [
    (0, 0, [1, 2, 3, 1]),
    (1, 0, [1, 2, 3, 1]),
    (2, 0, [2, 3, 1, 2]),
    (2, 1, [2, 3, 0, 2]),
    (2, 2, [3, 0, 1, 3]),
    (2, 3, [2, 0, 1, 2]),
    (3, 3, [0, 1, 2, 0]),
    (4, 3, [0, 1, 2, 0]),
]


class NotIterable(Registrations):
    """A look-up that scans all registrations fails here."""

    def __iter__(self) -> Iterator[Registration]:
        raise AssertionError("all registrations are scanned")


class Sharing(SynchronousTestCase):
    """Several callees behind one procedure."""

    def setUp(self) -> None:
        self.registrations = Registrations()
        self.draw: Draw = lambda callees: callees[len(callees) // 2]
        self.callees = [member(number) for number in range(4)]

    def join(self, count: int, invoke: Invoke) -> Registration:
        """The registration of the first ``count`` callees."""
        for callee in self.callees[:count]:
            registration = self.registrations.join(callee, "a", Match.EXACT, invoke)
        return registration

    def test_found_by_id(self) -> None:
        """The meta procedures find a registration by its id until its last callee has gone."""
        registrations, (anna, bert, *_) = NotIterable(), self.callees
        filed = [registrations.join(anna, f"a.{match.value}", match, Invoke.FIRST) for match in Match]
        registrations.join(bert, "a.exact", Match.EXACT, Invoke.FIRST)
        self.assertEqual([registrations.find(each.id) for each in filed], filed)
        for each in filed:
            registrations.part(anna, each)
        self.assertEqual([registrations.find(each.id) for each in filed], [filed[0], None, None])
        self.assertIsNone(registrations.find(99))

    def picked(self, registration: Registration, count: int) -> list[int]:
        return [self.callees.index(registration.pick(self.draw)) for _ in range(count)]

    def refused(self, callee: Member, invoke: Invoke) -> None:
        before = [tuple(found.callees) for found in self.registrations.index.exact.values()]
        error = self.assertRaises(RequestError, self.registrations.join, callee, "a", Match.EXACT, invoke)
        self.assertEqual(error.uri, uris.PROCEDURE_ALREADY_EXISTS)
        self.assertEqual([tuple(found.callees) for found in self.registrations.index.exact.values()], before)

    def test_turns(self) -> None:
        """Each policy sends calls to whom it says."""
        for invoke, expected in TURNS.items():
            self.registrations, self.draw = Registrations(), lambda callees: callees[1]
            self.callees = [member(number) for number in range(3)]
            registration = self.join(3, invoke)
            self.assertEqual(self.picked(registration, 6), expected, invoke)
            self.assertEqual(registration.id, 1)

    def test_policies_do_not_mix(self) -> None:
        """Only the policy of the first callee is accepted from the next; single accepts nobody."""
        for standing in Invoke:
            for asked in Invoke:
                self.registrations = Registrations()
                self.callees = [member(number) for number in range(4)]
                first = self.join(1, standing)
                if standing is asked and asked is not Invoke.SINGLE:
                    second = self.registrations.join(self.callees[1], "a", Match.EXACT, asked)
                    self.assertIs(second, first, asked)
                    self.assertEqual(first.callees, self.callees[:2])
                else:
                    self.refused(self.callees[1], asked)

    def test_not_twice(self) -> None:
        """A session cannot stand behind one procedure twice, whatever the policy."""
        for invoke in Invoke:
            self.registrations = Registrations()
            self.callees = [member(9)]
            self.join(1, invoke)
            self.refused(self.callees[0], invoke)

    def test_matches_are_apart(self) -> None:
        """The same text as procedure, prefix and wildcard pattern: three registrations, counted from 1."""
        ids = [self.registrations.join(self.callees[0], "a.b", match, Invoke.SINGLE).id for match in Match]
        self.assertEqual(ids, [1, 2, 3])
        self.assertEqual(sorted(self.callees[0].registrations), ids)

    def test_leaving_keeps_the_turn(self) -> None:
        """When a callee goes, the round goes on with the one whose turn it is, in the old order."""
        for calls, gone, expected in ROUNDS:
            self.registrations = Registrations()
            self.callees = [member(number) for number in range(4)]
            registration = self.join(4, Invoke.ROUNDROBIN)
            self.picked(registration, calls)
            self.registrations.part(self.callees[gone], registration)
            self.assertEqual(self.picked(registration, 4), expected, (calls, gone))

    def test_standby_takes_over(self) -> None:
        """With first and last, the next in order takes over when the callee in charge goes."""
        for invoke, order in ((Invoke.FIRST, [0, 1, 2]), (Invoke.LAST, [2, 1, 0])):
            self.registrations = Registrations()
            self.callees = [member(number) for number in range(3)]
            registration = self.join(3, invoke)
            for expected in order:
                self.assertEqual(self.picked(registration, 2), [expected] * 2, invoke)
                self.registrations.part(self.callees[expected], registration)
            self.assertIsNone(self.registrations.index.get("a", Match.EXACT))

    def test_gone_with_the_last(self) -> None:
        """A procedure that its only callee has left is free again, under a new id."""
        registration = self.join(1, Invoke.SINGLE)
        self.registrations.part(self.callees[0], registration)
        again = self.registrations.join(self.callees[1], "a", Match.EXACT, Invoke.RANDOM)
        self.assertEqual((again.id, again.callees), (2, [self.callees[1]]))

    def test_curious_callees(self) -> None:
        """Callees that want the caller disclosed are remembered one by one, and forgotten when they leave."""
        for callee, wants_caller in zip(self.callees[:2], (True, False), strict=True):
            registration = self.registrations.join(
                callee, "a", Match.EXACT, Invoke.FIRST, RegisterOptions(wants_caller)
            )
        self.assertEqual(registration.wants_caller, {self.callees[0].session})
        self.registrations.part(self.callees[0], registration)
        self.assertEqual(registration.wants_caller, set())

    def test_repr(self) -> None:
        """A log line about a registration tells its procedure and size, and names no callee."""
        self.assertEqual(repr(self.join(2, Invoke.LAST)), "<Registration 1 exact 'a', 2 callees>")
