"""Tests for orosync.router.registrations."""

from __future__ import annotations

from hypothesis import settings
from hypothesis.stateful import run_state_machine_as_test
from twisted.trial.unittest import SynchronousTestCase

from orosync.router.dealer import Dealer
from orosync.router.registrations import Capacity, RegisterOptions
from tests.router.members import PAYLOAD, member
from tests.router.slots_machine import SlotsMachine


class CapacityTests(SynchronousTestCase):
    def test_free_until_full(self) -> None:
        """Who takes two is free until it has two, and again when one is over; who has no limit always is."""
        capacity: Capacity[str] = Capacity()
        capacity.limit(1, 2)
        slots = capacity.take(1)
        self.assertIsNone(capacity.take(2))
        self.assertTrue(capacity.is_free(1))
        self.assertIs(capacity.take(1), slots)
        self.assertIsNone(capacity.take(2))
        self.assertEqual((capacity.is_free(1), capacity.is_free(2)), (False, True))
        assert slots is not None
        slots.taken -= 1
        self.assertTrue(capacity.is_free(1))

    def test_the_forgotten(self) -> None:
        """What is given back for a callee that has gone does not count for one that comes again."""
        capacity: Capacity[str] = Capacity()
        capacity.limit(1, 1)
        before = capacity.take(1)
        capacity.forget(1)
        capacity.limit(1, 1)
        self.assertTrue(capacity.is_free(1))
        capacity.take(1)
        assert before is not None
        before.taken -= 1
        self.assertFalse(capacity.is_free(1))


class Registered(SynchronousTestCase):
    """A slot belongs to the registration under which its call was taken."""

    def setUp(self) -> None:
        self.dealer = Dealer()
        self.caller, self.one, self.two = member(1), member(2), member(3)
        self.register(self.one, 1)
        self.register(self.two, 1)

    def register(self, callee, most):
        options = RegisterOptions(concurrency=most)
        return self.dealer.register(callee, "a", invoke="roundrobin", options=options)

    def call(self, request):
        deliveries = self.dealer.call(self.caller, request, "a", {}, PAYLOAD)
        return [receiver for delivery in deliveries for receiver in delivery.receivers]

    def test_late_answer(self) -> None:
        """A callee that registers again while it works does not get one call more when it answers the earlier one."""
        self.assertEqual([self.call(n) for n in (1, 2)], [[self.one], [self.two]])
        registration = next(iter(self.one.registrations))
        self.dealer.unregister(self.one, registration)
        self.assertEqual(self.register(self.one, 1)[0].id, registration)
        self.assertEqual([self.call(n) for n in (3, 4)], [[self.one], []])
        self.assertEqual(len(self.dealer.yielded(self.one, 1, {}, None)), 1, "the answer, and no call")
        self.assertEqual(len(self.dealer.yielded(self.one, 2, {}, None)), 2, "the answer, and the call that waits")

    def test_taken_without_a_limit(self) -> None:
        """Calls that it took when it had said nothing of how many free nothing later."""
        registration = next(iter(self.one.registrations))
        self.dealer.unregister(self.one, registration)
        self.register(self.one, None)
        self.assertEqual([self.call(n) for n in (1, 2, 3)], [[self.two], [self.one], [self.one]])
        self.dealer.unregister(self.one, registration)
        self.register(self.one, 1)
        self.assertEqual([self.call(n) for n in (4, 5)], [[self.one], []])
        for invocation in (1, 2):
            self.assertEqual(len(self.dealer.yielded(self.one, invocation, {}, None)), 1)

    def test_any_life(self) -> None:
        """Whatever members do, in whatever order: no slot is lost or counted twice, and no call waits beside a free
        one."""
        run_state_machine_as_test(  # type: ignore[no-untyped-call]
            SlotsMachine, settings=settings(max_examples=120, stateful_step_count=30, deadline=None, database=None)
        )
