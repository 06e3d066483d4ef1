"""Tests for orosync.router.pending."""

from __future__ import annotations

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from orosync.errors import ProtocolViolation, RequestError
from orosync.model import Match
from orosync.router.calls import CALL_REROUTE
from orosync.router.dealer import Dealer
from orosync.router.pending import KEPT_BYTES, CallOptions, CallState, PendingCall, PendingCalls
from orosync.router.registrations import Invoke, Registration
from orosync.wamp import uris
from orosync.wamp.formats import Format
from orosync.wamp.messages import Error
from orosync.wamp.payload import Payload
from tests.router.dealer_case import DealerCase
from tests.router.members import PAYLOAD, member, names_of


class Setting(SynchronousTestCase):
    """At most three calls for each session, two callers and two callees."""

    def setUp(self) -> None:
        self.pending = PendingCalls(limit=3)
        self.anna, self.bert, self.carl, self.dora = (member(number) for number in range(4))


class Ids(Setting):
    """The ids of invocations."""

    def test_counted_for_each_callee(self) -> None:
        """Each callee sees its invocations numbered 1, 2, 3, whoever calls and however often others are called."""
        calls = [(self.anna, self.carl), (self.bert, self.carl), (self.anna, self.dora), (self.anna, self.carl)]
        got = [
            self.pending.open(caller, request, callee, False).invocation
            for request, (caller, callee) in enumerate(calls)
        ]
        self.assertEqual(got, [1, 2, 1, 3])

    def test_not_used_again(self) -> None:
        """The number of an invocation that is over is not given out again."""
        self.pending.close(self.pending.open(self.anna, 1, self.carl, False))
        self.assertEqual(self.pending.open(self.anna, 1, self.carl, False).invocation, 2)


class Spans(SynchronousTestCase):
    """What is counted of calls."""

    def test_calls_and_their_time(self) -> None:
        """From the CALL to its end, the wait for a callee included; a callee that leaves ends its calls."""
        clock = Clock()
        pending = PendingCalls(3, clock.seconds)
        anna, carl, dora = (member(number) for number in range(3))
        answered, waiting = pending.open(anna, 1, carl, False), pending.wait(anna, 2)
        clock.advance(0.2)
        pending.close(answered)
        pending.give(waiting, dora)
        clock.advance(2.0)
        pending.leave(dora)
        self.assertEqual((pending.opened, pending.spans.count), (2, 2))
        self.assertAlmostEqual(pending.spans.sum, 0.2 + 2.2)


class Amounts(Setting):
    """What a caller may have in progress, and what that may keep."""

    def test_of_the_caller(self) -> None:
        """A caller has its own bound where it has one, beside those of others."""
        self.anna.call_limit = 2
        for request in (1, 2):
            self.pending.check_request(self.anna, request)
            self.pending.open(self.anna, request, self.carl, False)
        error = self.assertRaises(RequestError, self.pending.check_request, self.anna, 3)
        self.assertEqual(error.uri, uris.UNAVAILABLE)
        self.assertIsNone(self.pending.check_request(self.bert, 3))
        pending = self.pending.called(self.anna, 1)
        assert pending is not None
        self.pending.close(pending)
        self.assertIsNone(self.pending.check_request(self.anna, 3))

    def test_of_the_callee(self) -> None:
        """It is known whether a callee has room for one call more."""
        for request in (1, 2, 3):
            self.assertTrue(self.pending.has_room(self.carl))
            self.pending.open(self.anna, request, self.carl, False)
        self.assertFalse(self.pending.has_room(self.carl))

    def test_kept(self) -> None:
        """The calls of a caller keep so many bytes together; one alone may keep more, and what is over keeps none."""
        half = KEPT_BYTES // 2 + 1
        self.pending.check_kept(self.anna, KEPT_BYTES + 1)
        pending = self.pending.open(self.anna, 1, self.carl, False)
        registration = Registration(1, "a", Match.EXACT, Invoke.SINGLE)
        payload = Payload(Format.JSON, b'["%b"]' % (b"x" * half))
        self.pending.keep(pending, CallState(registration, CallOptions("a", sealed={"ppt_scheme": "x"}), {}, payload))
        error = self.assertRaises(RequestError, self.pending.check_kept, self.anna, half)
        self.assertEqual(error.uri, uris.UNAVAILABLE)
        self.pending.check_kept(self.bert, half)
        self.pending.forget_payload(pending)
        self.pending.check_kept(self.anna, half)
        self.pending.close(pending)
        self.pending.check_kept(self.anna, KEPT_BYTES + 1)


class Finding(Setting):
    """Which call an id speaks of."""

    def test_in_progress(self) -> None:
        """A call is found by its caller's id and by its callee's, and by nobody else's."""
        pending = self.pending.open(self.anna, 77, self.carl, True)
        self.assertEqual((pending.progressive, pending.interrupted), (True, False))
        self.assertIs(self.pending.called(self.anna, 77), pending)
        self.assertIs(self.pending.invoked(self.carl, 1), pending)
        self.assertIsNone(self.pending.called(self.anna, 1))
        self.assertIsNone(self.pending.called(self.bert, 77))
        self.assertEqual(len(self.pending), 1)

    def test_over(self) -> None:
        """A call that is over is found no more; its callee's late word is no violation."""
        self.pending.close(self.pending.open(self.anna, 77, self.carl, False))
        self.assertIsNone(self.pending.called(self.anna, 77))
        self.assertIsNone(self.pending.invoked(self.carl, 1))
        self.assertEqual(len(self.pending), 0)

    def test_never_was(self) -> None:
        """Speaking of an invocation that one never got is a violation, also when another callee got it."""
        self.pending.open(self.anna, 1, self.carl, False)
        self.pending.close(self.pending.open(self.anna, 2, self.carl, False))
        for each, number in ((self.carl, 3), (self.carl, 0), (self.carl, -1), (self.dora, 1), (self.anna, 1)):
            self.assertRaises(ProtocolViolation, self.pending.invoked, each, number)


class Bounds(Setting):
    """How much may be in progress."""

    def open(self, caller_request: int) -> PendingCall:
        self.pending.check_request(self.anna, caller_request)
        return self.pending.open(self.anna, caller_request, self.carl, False)

    def test_caller(self) -> None:
        """One call too many is refused until one of the others is over; other callers are not concerned."""
        first = self.open(1)
        self.open(2)
        self.pending.open(self.anna, 3, self.dora, False)
        error = self.assertRaises(RequestError, self.pending.check_request, self.anna, 4)
        self.assertEqual(error.uri, uris.UNAVAILABLE)
        self.pending.check_request(self.bert, 4)
        self.pending.close(first)
        self.pending.check_request(self.anna, 4)

    def test_callee(self) -> None:
        """A callee gets no more than it may have, and a refused call leaves no trace."""
        for request, caller in enumerate((self.anna, self.bert, self.dora)):
            self.pending.open(caller, request, self.carl, False)
        error = self.assertRaises(RequestError, self.pending.open, self.anna, 9, self.carl, False)
        self.assertEqual(error.uri, uris.UNAVAILABLE)
        self.assertIsNone(self.pending.called(self.anna, 9))
        self.assertEqual(self.pending.open(self.anna, 9, self.dora, False).invocation, 1)

    def test_request_in_progress(self) -> None:
        """A request id is its caller's only once at a time; it is free again when the call is over."""
        pending = self.open(5)
        self.assertRaises(ProtocolViolation, self.pending.check_request, self.anna, 5)
        self.pending.check_request(self.bert, 5)
        self.pending.close(pending)
        self.pending.check_request(self.anna, 5)

    def test_request_in_progress_over_the_bound(self) -> None:
        """An id in use is a violation even where the call would be refused anyway: its ERROR would be mistaken."""
        for request in (1, 2, 3):
            self.open(request)
        self.assertRaises(ProtocolViolation, self.pending.check_request, self.anna, 2)


class Leaving(Setting):
    """A session that ends."""

    def test_made_and_taken(self) -> None:
        """Its calls and those made to it are over for the others; those among others go on."""
        made = self.pending.open(self.anna, 1, self.carl, False)
        taken = self.pending.open(self.bert, 1, self.anna, False)
        self.pending.open(self.anna, 2, self.anna, False)
        other = self.pending.open(self.bert, 2, self.carl, False)
        self.assertEqual(self.pending.leave(self.anna), ([made], [taken]))
        self.assertEqual(len(self.pending), 1)
        self.assertIs(self.pending.called(self.bert, 2), other)
        self.assertIsNone(self.pending.called(self.bert, 1))
        self.assertIsNone(self.pending.invoked(self.carl, made.invocation))
        self.assertEqual(names_of(self.pending, self.anna), [])

    def test_without_calls(self) -> None:
        """Who never called nor was called leaves nothing behind, however often it leaves."""
        self.assertEqual(self.pending.leave(self.anna), ([], []))
        self.pending.close(self.pending.open(self.anna, 1, self.carl, False))
        self.assertEqual(self.pending.leave(self.anna), ([], []))
        self.assertEqual(self.pending.leave(self.anna), ([], []))
        self.assertEqual(names_of(self.pending, self.anna), [])


class Rerouted(DealerCase):
    """Calls that may go to another callee."""

    def setUp(self) -> None:
        super().setUp()
        self.callees = [member(number, features=CALL_REROUTE) for number in (5, 6)]

    def offered(self) -> None:
        for callee in self.callees:
            self.dealer.register(callee, "a", Match.EXACT, "first")

    def test_full(self) -> None:
        """A callee that has as many calls as one may have gets no more from others."""
        self.dealer = Dealer(pending_limit=2)
        busy, full = self.callees[:2]
        self.offered()
        self.dealer.register(full, "b")
        for request in (1, 2):
            self.call(full, request, "b")
        ben = member(9)
        self.dealer.call(ben, 1, "a", {}, PAYLOAD)
        ((receivers, message, _, _),) = self.dealer.failed(busy, 1, {}, uris.UNAVAILABLE, None)
        self.assertEqual((list(receivers), message), ([ben], Error(48, 1, {}, uris.NO_AVAILABLE_CALLEE)))

    def test_arguments_are_kept_as_long_as_they_are_needed(self) -> None:
        """Arguments that may have to be sent again count against their caller, others do not."""
        large = Payload(Format.JSON, b'["%b"]' % (b"x" * (KEPT_BYTES // 2 + 1)))
        self.offered()
        self.dealer.register(self.plain, "b")
        self.dealer.call(self.anna, 1, "a", {}, large)
        self.assertRaises(RequestError, self.dealer.call, self.anna, 2, "a", {}, large)
        for request in (3, 4):
            self.dealer.call(self.anna, request, "b", {"timeout": 1}, large)
        self.dealer.yielded(self.callees[0], 1, {}, None)
        self.dealer.call(self.anna, 5, "a", {}, large)

    def test_who_has_left_is_named_no_more(self) -> None:
        """Nothing names a callee that could not take a call and has left since, while the call goes on elsewhere."""
        self.offered()
        self.call(self.callees[0])
        gone = self.callees[0]
        self.dealer.failed(gone, 1, {}, uris.UNAVAILABLE, None)
        self.dealer.leave(gone)
        self.assertEqual(names_of(self.dealer, gone), [])
        self.assertEqual(self.dealer.failed(self.callees[1], 1, {}, uris.UNAVAILABLE, None)[0].receivers, (self.anna,))
