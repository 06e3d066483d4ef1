"""How a call finds its callee: R2, R5, R6, R8, R12, P13."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

from orosync.errors import ProtocolViolation, RequestError
from orosync.model import Match
from orosync.router.calls import CALL_REROUTE
from orosync.router.dealer import CALL_CANCELING, Dealer
from orosync.router.deliveries import Member
from orosync.router.registrations import RegisterOptions
from orosync.wamp import uris
from orosync.wamp.messages import Error, Interrupt, Invocation, Result
from orosync.wamp.payload import Payload
from tests.router.dealer_case import ANSWER, PROGRESSIVE_RESULTS, DealerCase
from tests.router.members import PAYLOAD, member

STREAM, PASSTHRU = "progressive_call_invocations", "payload_passthru_mode"
MORE = {"progress": True}


class Streams(DealerCase):
    """R2: progressive call invocations."""

    def setUp(self) -> None:
        super().setUp()
        self.anna = member(1, "anna", "staff", f"caller.{STREAM}")
        self.reader = member(5, features=f"callee.{STREAM} {CALL_CANCELING}")
        self.other = member(6, features=f"callee.{STREAM}")

    def part(self, options: dict[str, Any], request: int = 1, text: str = "a part") -> Any:
        return self.dealer.call(self.anna, request, "a", options, Payload.of([text]))

    def test_same_invocation(self) -> None:
        """All parts go to one callee under one id, also with a shared registration, whoever's turn it is."""
        for callee in (self.reader, self.other):
            self.dealer.register(callee, "a", Match.EXACT, "roundrobin")
        ((receivers, first, _, _),) = self.part(MORE)
        self.assertEqual((list(receivers), first.request, first.details), ([self.reader], 1, MORE))
        for options, details in (
            (MORE, MORE),
            ({}, {}),
        ):
            ((receivers, message, payload, _),) = self.part(options, text="next")
            self.assertEqual((list(receivers), message.request, message.details), ([self.reader], 1, details))
            self.assertEqual(payload.values(), (["next"], {}))
        self.assertEqual(self.only(self.dealer.yielded(self.reader, 1, {}, ANSWER), self.anna, ANSWER), Result(1, {}))

    def test_what_was_asked_first_holds(self) -> None:
        """Details of the first part are those of all; later options change nothing but progress."""
        reader = member(7, features=f"callee.{STREAM} {PROGRESSIVE_RESULTS}")
        self.dealer.register(reader, "a")
        self.part({**MORE, "receive_progress": True})
        ((_, message, _, _),) = self.part({"receive_progress": False})
        self.assertEqual(message.details, {"receive_progress": True})

    def test_late_part(self) -> None:
        """What still comes when the call is over is dropped without a word; another id is another call."""
        self.dealer.register(self.reader, "a")
        self.part(MORE)
        self.dealer.failed(self.reader, 1, {}, "com.app.error", None)
        self.assertEqual(self.part(MORE), [])
        self.assertEqual(self.part({}), [])
        self.assertEqual(len(self.part(MORE, request=2)), 1)

    def test_after_the_last_part(self) -> None:
        """Nothing can follow the last part: its id is in use until the answer comes."""
        self.dealer.register(self.reader, "a")
        self.part(MORE)
        self.part({})
        self.assertRaises(ProtocolViolation, self.part, {})

    def test_callee_without_it(self) -> None:
        """One ERROR for the first part, silence for the rest."""
        self.dealer.register(self.plain, "a")
        error = self.assertRaises(RequestError, self.part, MORE)
        self.assertEqual(error.uri, uris.FEATURE_NOT_SUPPORTED)
        self.assertEqual(self.part(MORE), [])

    def test_not_announced(self) -> None:
        """A caller that has not announced it violates the protocol."""
        self.dealer.register(self.reader, "a")
        self.anna = member(1)
        self.assertRaises(ProtocolViolation, self.part, MORE)

    def test_killed(self) -> None:
        """A callee that was told to stop gets no further part; the caller gets what it answers."""
        self.dealer.register(self.reader, "a")
        self.part(MORE)
        self.only(self.dealer.cancel(self.anna, 1, {"mode": "kill"}), self.reader)
        self.assertEqual(self.part(MORE), [])
        message = self.only(self.dealer.failed(self.reader, 1, {}, uris.CANCELED, None), self.anna)
        self.assertEqual(message, Error(48, 1, {}, uris.CANCELED))


class Rerouting(DealerCase):
    """R12: a callee that is not available."""

    def setUp(self) -> None:
        super().setUp()
        self.callees = [member(number, features=CALL_REROUTE) for number in (5, 6, 7)]

    def refused(self, callee: Member, invocation: int = 1) -> Any:
        return self.dealer.failed(callee, invocation, {}, uris.UNAVAILABLE, None)

    def offered(self, invoke: str, callees: list[Member]) -> None:
        for callee in callees:
            self.dealer.register(callee, "a", Match.EXACT, invoke)

    def test_policies(self) -> None:
        """Who comes next, by policy; when nobody is left the caller is told so."""
        for invoke, order in (
            ("roundrobin", [0, 1, 2]),
            ("first", [0, 1, 2]),
            ("last", [2, 1, 0]),
            ("random", [2, 1, 0]),
        ):
            self.dealer = Dealer(draw=lambda callees: callees[-1])
            for callee in self.callees:
                callee.registrations.clear()
            self.offered(invoke, self.callees)
            self.call(self.callees[order[0]])
            for before, after in pairwise(order):
                message = self.only(self.refused(self.callees[before]), self.callees[after], PAYLOAD)
                self.assertEqual(message, Invocation(1, 1, {}), invoke)
            answer = self.refused(self.callees[order[-1]])
            ((receivers, message, _, _),) = answer
            self.assertEqual((list(receivers), message), ([self.anna], Error(48, 1, {}, uris.NO_AVAILABLE_CALLEE)))

    def test_single(self) -> None:
        """Nobody else can take it."""
        self.offered("single", self.callees[:1])
        self.call(self.callees[0])
        ((_, message, _, _),) = self.refused(self.callees[0])
        self.assertEqual(message.error, uris.NO_AVAILABLE_CALLEE)

    def test_not_announced(self) -> None:
        """The ERROR of a callee that has not announced it goes to the caller as it is."""
        self.offered("first", [self.plain, self.callees[0]])
        self.call(self.plain)
        self.assertEqual(self.only(self.refused(self.plain), self.anna), Error(48, 1, {}, uris.UNAVAILABLE))

    def test_not_after_progress(self) -> None:
        """A callee whose results the caller has got stays the one that answers."""
        reporting = member(8, features=f"{CALL_REROUTE} {PROGRESSIVE_RESULTS}")
        self.offered("first", [reporting, *self.callees])
        self.call(reporting, receive_progress=True)
        self.dealer.yielded(reporting, 1, {"progress": True}, None)
        self.assertEqual(self.only(self.refused(reporting), self.anna), Error(48, 1, {}, uris.UNAVAILABLE))

    def test_what_the_first_one_says_then(self) -> None:
        """Once a call has gone elsewhere its first callee has no part in it."""
        self.offered("first", self.callees)
        self.call(self.callees[0])
        self.refused(self.callees[0])
        self.assertEqual(self.dealer.yielded(self.callees[0], 1, {}, None), [])
        self.assertEqual(
            self.only(self.dealer.yielded(self.callees[1], 1, {}, ANSWER), self.anna, ANSWER), Result(1, {})
        )


class Concurrency(DealerCase):
    """R8: shared registrations whose callees say how many calls they take at once."""

    def setUp(self) -> None:
        super().setUp()
        self.dealer = Dealer(queue_limit=2)
        self.one, self.two = member(5), member(6)

    def offered(self, *limits: int) -> None:
        for callee, limit in zip((self.one, self.two), limits, strict=False):
            self.dealer.register(callee, "a", Match.EXACT, "roundrobin", RegisterOptions(concurrency=limit))

    def try_call(self, request: int) -> list[Member]:
        """Who gets a call; nobody if it waits."""
        return [
            receiver for one in self.dealer.call(self.anna, request, "a", {}, PAYLOAD) for receiver in one.receivers
        ]

    def test_waiting(self) -> None:
        """A call that finds no free callee waits, in order, until one is; more than the queue takes are refused."""
        self.offered(1, 1)
        self.assertEqual([self.try_call(n) for n in (1, 2, 3, 4)], [[self.one], [self.two], [], []])
        error = self.assertRaises(RequestError, self.try_call, 5)
        self.assertEqual(error.uri, uris.UNAVAILABLE)
        answer, handed = self.dealer.yielded(self.two, 1, {}, ANSWER)
        self.assertEqual((list(answer.receivers), answer.message), ([self.anna], Result(2, {})))
        self.assertEqual(
            (list(handed.receivers), handed.message, handed.payload), ([self.two], Invocation(2, 1, {}), PAYLOAD)
        )
        _, handed = self.dealer.failed(self.one, 1, {}, "com.app.error", None)
        self.assertEqual(list(handed.receivers), [self.one])
        self.assertEqual(self.dealer.yielded(self.two, 2, {}, None)[0].message, Result(3, {}))

    def test_turns(self) -> None:
        """Who is busy is passed over, and has its turn when it is free again."""
        self.offered(2, 1)
        self.assertEqual([self.try_call(n) for n in (1, 2, 3)], [[self.one], [self.two], [self.one]])

    def test_cancelled_while_waiting(self) -> None:
        """In any mode the caller is answered at once, and the place in the queue is free."""
        self.offered(1)
        for mode in ("skip", "kill", "killnowait"):
            self.try_call(1)
            self.try_call(2)
            message = self.only(self.dealer.cancel(self.anna, 2, {"mode": mode}), self.anna)
            self.assertEqual(message, Error(48, 2, {}, uris.CANCELED))
            self.dealer.cancel(self.anna, 1, {"mode": "skip"})

    def test_caller_leaves(self) -> None:
        """What it had waiting is forgotten; what worked for it makes room for others."""
        self.offered(1)
        ben = member(9)
        self.try_call(1)
        self.try_call(2)
        self.dealer.call(ben, 1, "a", {}, PAYLOAD)
        handed = self.only(self.dealer.leave(self.anna), self.one, PAYLOAD)
        self.assertEqual(handed, Invocation(2, 1, {}))

    def test_last_callee_leaves(self) -> None:
        """Who waits is told, as is who has been answered nothing."""
        self.offered(1)
        self.try_call(1)
        self.try_call(2)
        messages = [one.message for one in self.dealer.leave(self.one)]
        self.assertEqual(messages, [Error(48, 1, {}, uris.CANCELED), Error(48, 2, {}, uris.CANCELED)])

    def test_somebody_comes(self) -> None:
        """A new callee gets what waits."""
        self.offered(1)
        self.try_call(1)
        self.try_call(2)
        _, deliveries = self.dealer.register(self.two, "a", Match.EXACT, "roundrobin", RegisterOptions(concurrency=1))
        self.assertEqual(self.only(deliveries, self.two, PAYLOAD), Invocation(1, 1, {}))


class Details(DealerCase):
    """R3, R5, R6 and P13: what a callee is told."""

    def test_trustlevel(self) -> None:
        """R6: by the caller's role, where one is configured."""
        self.dealer = Dealer(trustlevels={"staff": 7})
        self.dealer.register(self.plain, "a")
        self.assertEqual(
            self.only(self.dealer.call(self.anna, 1, "a", {}, None), self.plain), Invocation(1, 1, {"trustlevel": 7})
        )
        self.assertEqual(
            self.only(self.dealer.call(self.interruptible, 1, "a", {}, None), self.plain), Invocation(2, 1, {})
        )

    def test_forwarded_timeout(self) -> None:
        """R3: a callee that keeps time limits itself is told; the router then does not."""
        self.dealer.register(self.plain, "a", options=RegisterOptions(forward_timeout=True))
        message = self.only(self.dealer.call(self.anna, 1, "a", {"timeout": 500}, None), self.plain)
        self.assertEqual(message, Invocation(1, 1, {"timeout": 500}))
        self.assertIsNone(self.dealer.timed(self.anna, 1))

    def test_sealed(self) -> None:
        """P13: the options of a sealed payload go with it, to a callee that has announced it alone."""
        caller = member(8, features=f"caller.{PASSTHRU}")
        able = member(9, features=f"callee.{PASSTHRU}")
        self.dealer.register(able, "a")
        self.dealer.register(self.plain, "b")
        sealed = {"ppt_scheme": "wamp", "ppt_cipher": "x"}
        self.assertEqual(
            self.only(self.dealer.call(caller, 1, "a", sealed, PAYLOAD), able, PAYLOAD), Invocation(1, 1, sealed)
        )
        error = self.assertRaises(RequestError, self.dealer.call, caller, 2, "b", sealed, PAYLOAD)
        self.assertEqual(error.uri, uris.FEATURE_NOT_SUPPORTED)
        self.assertRaises(ProtocolViolation, self.dealer.call, self.anna, 1, "a", sealed, PAYLOAD)

    def test_interrupt_after_give(self) -> None:
        """A call that went to a second callee can still be interrupted there, once."""
        first, second = (member(n, features=f"{CALL_REROUTE} {CALL_CANCELING}") for n in (5, 6))
        for callee in (first, second):
            self.dealer.register(callee, "a", Match.EXACT, "first")
        self.call(first)
        self.dealer.failed(first, 1, {}, uris.UNAVAILABLE, None)
        message = self.only(self.dealer.cancel(self.anna, 1, {"mode": "kill"}), second)
        self.assertEqual(message, Interrupt(1, {"mode": "kill"}))
        self.assertEqual(self.dealer.cancel(self.anna, 1, {"mode": "kill"}), [])
