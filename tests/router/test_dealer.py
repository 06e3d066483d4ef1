"""Tests for orosync.router.dealer."""

from __future__ import annotations

from typing import Any

from hypothesis import settings
from hypothesis.stateful import run_state_machine_as_test
from twisted.trial.unittest import SynchronousTestCase

from orosync.errors import ProtocolViolation, RequestError
from orosync.model import Match
from orosync.router.dealer import Dealer
from orosync.router.registrations import Invoke, RegisterOptions
from orosync.wamp import uris
from orosync.wamp.messages import Error, Interrupt, Invocation, Result
from tests.router.dealer_case import ANSWER, DealerCase
from tests.router.dealer_machine import DealerMachine
from tests.router.members import PAYLOAD

KILL, NOWAIT = {"mode": "kill"}, {"mode": "killnowait"}

# (can the callee be interrupted, CANCEL's options, INTERRUPT's options or None, is the caller answered at once)
CANCELLING: list[tuple[bool, dict[str, Any], dict[str, Any] | None, bool]] = [
    (True, {"mode": "skip"}, None, True),
    (True, KILL, KILL, False),
    (True, NOWAIT, NOWAIT, True),
    (True, {}, NOWAIT, True),
    (True, {"mode": None, "unknown": 1}, NOWAIT, True),
    (False, {"mode": "skip"}, None, True),
    (False, KILL, None, True),
    (False, NOWAIT, None, True),
    (False, {}, None, True),
]
NOT_A_MODE: list[object] = ["", "Kill", "abort", 1, True, [], ["kill"], {}]


class Registering(DealerCase):
    """REGISTER and UNREGISTER."""

    def test_registered(self) -> None:
        """A registered procedure can be called until it is unregistered."""
        registration = self.dealer.register(self.plain, "a")[0]
        self.assertEqual(registration.id, 1)
        self.assertIs(self.dealer.lookup("a"), registration)
        self.call(self.plain)
        self.dealer.unregister(self.plain, registration.id)
        self.assertIsNone(self.dealer.lookup("a"))
        error = self.assertRaises(RequestError, self.dealer.call, self.anna, 2, "a", {}, None)
        self.assertEqual(error.uri, uris.NO_SUCH_PROCEDURE)
        self.assertEqual(self.plain.registrations, {})

    def test_withdrawn_while_working(self) -> None:
        """A call that is in progress when its procedure is withdrawn still gets its answer."""
        registration = self.dealer.register(self.plain, "a")[0]
        number = self.call(self.plain)
        self.dealer.unregister(self.plain, registration.id)
        self.assertEqual(self.only(self.dealer.yielded(self.plain, number, {}, None), self.anna), Result(1, {}))

    def test_policies(self) -> None:
        """Each policy, asked for by its WAMP name, sends calls where it says; an unknown one is refused."""
        for invoke, expected in (("first", [0, 0]), ("last", [2, 2]), ("roundrobin", [0, 1]), ("random", [2, 2])):
            self.setUp()
            callees = [self.plain, self.interruptible, self.progressive]
            ids = {self.dealer.register(callee, "a", Match.EXACT, invoke)[0].id for callee in callees}
            self.assertEqual(ids, {1}, invoke)
            for request, number in enumerate(expected):
                self.call(callees[number], request)
        for invoke in ("", "Single", "loadbalance"):
            error = self.assertRaises(RequestError, self.dealer.register, self.plain, "b", Match.EXACT, invoke)
            self.assertEqual(error.uri, uris.INVALID_ARGUMENT, invoke)

    def test_not_ones_own(self) -> None:
        """Unknown and other sessions' registrations are refused alike, and nothing changes."""
        registration = self.dealer.register(self.plain, "a")[0]
        for number in (registration.id, 0, 99, -1):
            error = self.assertRaises(RequestError, self.dealer.unregister, self.interruptible, number)
            self.assertEqual(error.uri, uris.NO_SUCH_REGISTRATION, number)
        self.call(self.plain)

    def test_reserved(self) -> None:
        """Nobody can register a procedure of WAMP itself, nor catch calls of one with a broad pattern."""
        for procedure, match in (
            ("wamp.session.count", Match.EXACT),
            ("wamp.", Match.PREFIX),
            ("wamp.", Match.WILDCARD),
        ):
            error = self.assertRaises(RequestError, self.dealer.register, self.plain, procedure, match)
            self.assertEqual(error.uri, uris.INVALID_URI, procedure)
        for pattern, match in (("", Match.PREFIX), ("wam", Match.PREFIX), ("..", Match.WILDCARD)):
            self.dealer.register(self.plain, pattern, match)
        error = self.assertRaises(RequestError, self.dealer.call, self.anna, 1, "wamp.session.count", {}, None)
        self.assertEqual(error.uri, uris.NO_SUCH_PROCEDURE)
        self.call(self.plain, procedure="wampum.session.count")


class Calling(DealerCase):
    """CALL and INVOCATION."""

    def test_details(self) -> None:
        """A callee is told the procedure where a pattern matched, the caller where wanted, and what else is given."""
        caller = {"caller": self.anna.session, "caller_authid": "anna", "caller_authrole": "staff"}
        for match, wants_caller, disclose, expected in (
            (Match.EXACT, False, False, {}),
            (Match.EXACT, False, True, caller),
            (Match.EXACT, True, False, caller),
            (Match.PREFIX, False, False, {"procedure": "a.b"}),
            (Match.WILDCARD, False, True, {"procedure": "a.b", **caller}),
        ):
            self.setUp()
            registration, _ = self.dealer.register(
                self.plain, "a.b" if match is Match.EXACT else "a.", match, Invoke.SINGLE, RegisterOptions(wants_caller)
            )
            deliveries = self.dealer.call(self.anna, 9, "a.b", {}, PAYLOAD, disclose)
            message = self.only(deliveries, self.plain, PAYLOAD)
            self.assertEqual(message, Invocation(1, registration.id, expected))
            deliveries = self.dealer.call(self.anna, 1, "a.b", {}, PAYLOAD, disclose, {"caller": 7})
            seen = self.only(deliveries, self.plain, PAYLOAD)
            self.assertEqual(seen, Invocation(2, registration.id, {**expected, "caller": 7}))

    def test_best_match(self) -> None:
        """A call goes to the exact registration before a prefix, and to a prefix before a wildcard pattern."""
        self.dealer.register(self.progressive, "a.", Match.WILDCARD)
        self.call(self.progressive, 1, "a.b")
        self.dealer.register(self.interruptible, "a", Match.PREFIX)
        self.call(self.interruptible, 2, "a.b")
        self.dealer.register(self.plain, "a.b")
        self.call(self.plain, 3, "a.b")

    def test_refused(self) -> None:
        """An unknown procedure or an option of a wrong type is refused, and the request id is free again."""
        error = self.assertRaises(RequestError, self.dealer.call, self.anna, 1, "a", {}, None)
        self.assertEqual(error.uri, uris.NO_SUCH_PROCEDURE)
        self.dealer.register(self.plain, "a")
        error = self.assertRaises(RequestError, self.dealer.call, self.anna, 1, "a", {"receive_progress": 1}, None)
        self.assertEqual(error.uri, uris.INVALID_ARGUMENT)
        self.assertEqual(self.call(self.plain, 1), 1)

    def test_request_in_progress(self) -> None:
        """A caller that uses an id twice at a time breaks the protocol, even for a procedure that is not there."""
        self.dealer.register(self.plain, "a")
        self.call(self.plain, 5)
        for procedure in ("a", "nowhere"):
            self.assertRaises(ProtocolViolation, self.dealer.call, self.anna, 5, procedure, {}, None)

    def test_bound(self) -> None:
        """Over the bound of calls in progress a call is refused; an answer makes room."""
        self.dealer = Dealer(pending_limit=2)
        self.dealer.register(self.plain, "a")
        number = self.call(self.plain, 1)
        self.call(self.plain, 2)
        for caller in (self.anna, self.interruptible):
            error = self.assertRaises(RequestError, self.dealer.call, caller, 3, "a", {}, None)
            self.assertEqual(error.uri, uris.UNAVAILABLE)
        self.dealer.yielded(self.plain, number, {}, None)
        self.call(self.plain, 3)

    def test_calling_oneself(self) -> None:
        """A session may call what it has registered itself."""
        self.dealer.register(self.anna, "a")
        number = self.call(self.anna, 1)
        answer = self.only(self.dealer.yielded(self.anna, number, {}, ANSWER), self.anna, ANSWER)
        self.assertEqual(answer, Result(1, {}))


class Answering(DealerCase):
    """YIELD and ERROR."""

    def setUp(self) -> None:
        super().setUp()
        self.dealer.register(self.plain, "a")
        self.dealer.register(self.progressive, "b")

    def test_result(self) -> None:
        """A result reaches its caller, payload untouched, under the caller's own id; a second one nobody."""
        number = self.call(self.plain, 77)
        answer = self.only(self.dealer.yielded(self.plain, number, {}, ANSWER), self.anna, ANSWER)
        self.assertEqual(answer, Result(77, {}))
        self.assertEqual(self.dealer.yielded(self.plain, number, {}, ANSWER), [])
        self.assertEqual(self.dealer.failed(self.plain, number, {}, "a.b", ANSWER), [])

    def test_error(self) -> None:
        """An error reaches its caller with URI and payload untouched, without the callee's details."""
        number = self.call(self.plain, 77)
        deliveries = self.dealer.failed(self.plain, number, {"caller": 1}, "com.app.no", ANSWER)
        self.assertEqual(self.only(deliveries, self.anna, ANSWER), Error(48, 77, {}, "com.app.no"))

    def test_any_order(self) -> None:
        """Answers find their calls in whatever order they come."""
        numbers = {request: self.call(self.plain, request) for request in (10, 20, 30)}
        for request in (20, 30, 10):
            answer = self.only(self.dealer.yielded(self.plain, numbers[request], {}, ANSWER), self.anna, ANSWER)
            self.assertEqual(answer, Result(request, {}))

    def test_never_asked(self) -> None:
        """An answer to what one was never asked breaks the protocol; the call it may have guessed goes on."""
        number = self.call(self.plain)
        for each, wrong in (
            (self.plain, number + 1),
            (self.plain, 0),
            (self.progressive, number),
            (self.interruptible, 1),
        ):
            self.assertRaises(ProtocolViolation, self.dealer.yielded, each, wrong, {}, ANSWER)
            self.assertRaises(ProtocolViolation, self.dealer.failed, each, wrong, {}, "a.b", ANSWER)
        self.only(self.dealer.yielded(self.plain, number, {}, ANSWER), self.anna, ANSWER)

    def test_progress(self) -> None:
        """Progressive results go to a caller that asked, one by one, until the final one or an error."""
        for request, final in ((1, True), (2, False)):
            wish = {"receive_progress": True}
            message = self.only(self.dealer.call(self.anna, request, "b", wish, None), self.progressive)
            self.assertEqual(message, Invocation(request, 2, wish))
            for _ in range(2):
                deliveries = self.dealer.yielded(self.progressive, request, {"progress": True}, ANSWER)
                self.assertEqual(self.only(deliveries, self.anna, ANSWER), Result(request, {"progress": True}))
            if final:
                deliveries = self.dealer.yielded(self.progressive, request, {"progress": False}, None)
                self.assertEqual(self.only(deliveries, self.anna), Result(request, {}))
            else:
                self.only(self.dealer.failed(self.progressive, request, {}, "a.b", None), self.anna)
            self.assertEqual(self.dealer.yielded(self.progressive, request, {"progress": True}, ANSWER), [])

    def test_progress_nobody_asked_for(self) -> None:
        """Where the caller did not ask only the final result is passed on."""
        for callee, procedure in ((self.progressive, "b"), (self.plain, "a")):
            message = self.only(self.dealer.call(self.anna, 1, procedure, {}, None), callee)
            self.assertEqual(getattr(message, "details", None), {})
            self.assertEqual(self.dealer.yielded(callee, 1, {"progress": True}, ANSWER), [])
            self.assertEqual(self.only(self.dealer.yielded(callee, 1, {}, None), self.anna), Result(1, {}))

    def test_progress_of_a_wrong_type(self) -> None:
        """A callee whose progress is no boolean breaks the protocol; null is no progress."""
        number = self.call(self.plain)
        self.assertRaises(ProtocolViolation, self.dealer.yielded, self.plain, number, {"progress": "yes"}, None)
        self.only(self.dealer.yielded(self.plain, number, {"progress": None}, None), self.anna)


class Cancelling(DealerCase):
    """CANCEL and INTERRUPT."""

    def test_modes(self) -> None:
        """Each mode interrupts the callee, or not, and answers the caller at once, or not, as WAMP says."""
        for interruptible, options, interrupt, at_once in CANCELLING:
            self.setUp()
            callee = self.interruptible if interruptible else self.plain
            self.dealer.register(callee, "a")
            number = self.call(callee, 77)
            deliveries = self.dealer.cancel(self.anna, 77, options)
            seen = [(list(found.receivers), found.message) for found in deliveries]
            expected: list[object] = [] if interrupt is None else [([callee], Interrupt(number, interrupt))]
            expected += [([self.anna], Error(48, 77, {}, uris.CANCELED))] if at_once else []
            self.assertEqual(seen, expected, (interruptible, options))
            late = self.dealer.yielded(callee, number, {}, ANSWER)
            self.assertEqual(len(late), 0 if at_once else 1, "a late word")

    def test_killed(self) -> None:
        """With kill the caller gets what the callee says in the end, be it an error or still the result."""
        self.dealer.register(self.interruptible, "a")
        for request, final in ((1, Error(48, 1, {}, uris.CANCELED)), (2, Result(2, {}))):
            number = self.call(self.interruptible, request)
            self.dealer.cancel(self.anna, request, KILL)
            deliveries = (
                self.dealer.failed(self.interruptible, number, {}, uris.CANCELED, ANSWER)
                if isinstance(final, Error)
                else self.dealer.yielded(self.interruptible, number, {}, ANSWER)
            )
            self.assertEqual(self.only(deliveries, self.anna, ANSWER), final)

    def test_impatient(self) -> None:
        """A caller may cancel again: it is answered at once then, and the callee is not interrupted twice."""
        self.dealer.register(self.interruptible, "a")
        for request, second in ((1, NOWAIT), (2, {"mode": "skip"})):
            self.call(self.interruptible, request)
            self.only(self.dealer.cancel(self.anna, request, KILL), self.interruptible)
            self.assertEqual(self.dealer.cancel(self.anna, request, KILL), [])
            error = self.only(self.dealer.cancel(self.anna, request, second), self.anna)
            self.assertEqual(error, Error(48, request, {}, uris.CANCELED))

    def test_nothing_to_cancel(self) -> None:
        """Cancelling what is over, never was or is another's call does nothing."""
        self.dealer.register(self.interruptible, "a")
        self.dealer.yielded(self.interruptible, self.call(self.interruptible, 1), {}, None)
        self.call(self.interruptible, 2)
        for caller, request in ((self.anna, 1), (self.anna, 9), (self.plain, 2)):
            self.assertEqual(self.dealer.cancel(caller, request, KILL), [])

    def test_unknown_mode(self) -> None:
        """A mode that WAMP does not know breaks the protocol and cancels nothing."""
        self.dealer.register(self.interruptible, "a")
        number = self.call(self.interruptible, 1)
        for mode in NOT_A_MODE:
            self.assertRaises(ProtocolViolation, self.dealer.cancel, self.anna, 1, {"mode": mode})
        self.only(self.dealer.yielded(self.interruptible, number, {}, None), self.anna)


class AnyLife(SynchronousTestCase):
    """Whatever members do, in whatever order."""

    def test_machine(self) -> None:
        """Every call has exactly one end, each callee's ids count up from 1, and nothing names who has left."""
        run_state_machine_as_test(  # type: ignore[no-untyped-call]
            DealerMachine, settings=settings(max_examples=80, stateful_step_count=30, deadline=None, database=None)
        )
