"""Calls of other nodes: the node of the caller has chosen the callee, this one invokes it."""

from __future__ import annotations

from typing import Any

from orosync.errors import RequestError
from orosync.model import Match, Principal
from orosync.router.calls import CALL_REROUTE
from orosync.router.dealer import Dealer
from orosync.router.deliveries import Delivery, Member
from orosync.router.registrations import Invoke, RegisterOptions
from orosync.wamp import uris
from orosync.wamp.messages import Error, Interrupt, Invocation, Result
from tests.router.dealer_case import ANSWER, DealerCase
from tests.router.members import FAR, PAYLOAD, member, names_of

ONE_AT_A_TIME = RegisterOptions(concurrency=1)
MORE = {"progress": True}


class Away(Member):
    """What stands for something of another node."""

    elsewhere = True


class Relaying(DealerCase):
    """``Dealer.relay``: ``self.node`` stands for another node."""

    def setUp(self) -> None:
        super().setUp()
        self.node = Away(FAR + 9, Principal("node", "trusted", "node", "node"), expel=lambda goodbye: None)

    def relay(self, request: int, callee: Member, **details: Any) -> list[Delivery]:
        return self.dealer.relay(self.node, request, callee, "a", Match.EXACT, details, PAYLOAD)

    def shared(self, *callees: Member, options: RegisterOptions = ONE_AT_A_TIME) -> int:
        """Register ``callees`` for one procedure; the id of the registration."""
        found = {self.dealer.register(each, "a", Match.EXACT, Invoke.ROUNDROBIN, options)[0].id for each in callees}
        (number,) = found
        return number

    def test_exactly_that_callee(self) -> None:
        """Whoever's turn it is, the chosen callee gets the call, with the details as they came."""
        number = self.shared(self.plain, self.interruptible, self.progressive, options=RegisterOptions())
        for request in (1, 2):
            message = self.only(
                self.relay(request, self.interruptible, caller=7, more="x"), self.interruptible, PAYLOAD
            )
            self.assertEqual(message, Invocation(request, number, {"caller": 7, "more": "x"}))
        answered = self.only(self.dealer.yielded(self.interruptible, 2, {}, ANSWER), self.node, ANSWER)
        self.assertEqual(answered, Result(2, {}))

    def test_counted_once(self) -> None:
        """A call is counted by the node of its caller, however it ends."""
        self.shared(self.plain)
        for request in (1, 2, 3):
            self.relay(request, self.plain)
        self.dealer.cancel(self.node, 2, {})
        self.dealer.yielded(self.plain, 1, {}, None)
        pending = self.dealer.pending
        self.assertEqual((pending.opened, pending.spans.count, len(pending)), (0, 0, 1))

    def test_gone(self) -> None:
        """A callee that has not registered the procedure (any more) gets nothing: the other node may try elsewhere."""
        for register in (False, True):
            if register:
                self.shared(self.interruptible)
            error = self.assertRaises(RequestError, self.relay, 1, self.plain)
            self.assertEqual(error.uri, uris.UNAVAILABLE)

    def test_progress(self) -> None:
        """Progressive results pass, where the caller takes them."""
        self.shared(self.progressive)
        self.relay(1, self.progressive, receive_progress=True)
        self.assertEqual(
            self.only(self.dealer.yielded(self.progressive, 1, MORE, ANSWER), self.node, ANSWER), Result(1, MORE)
        )
        self.assertEqual(self.only(self.dealer.yielded(self.progressive, 1, {}, None), self.node), Result(1, {}))

    def test_parts(self) -> None:
        """Further parts go to the same invocation until the last; what comes then is dropped."""
        reader = member(5, features="callee.progressive_call_invocations")
        number = self.shared(reader, options=RegisterOptions())
        for details in (MORE, MORE, {}):
            self.assertEqual(
                self.only(self.relay(1, reader, **details), reader, PAYLOAD), Invocation(1, number, details)
            )
        self.assertEqual(self.relay(1, reader), [])
        self.assertEqual(self.only(self.dealer.yielded(reader, 1, {}, None), self.node), Result(1, {}))

    def test_waits_for_its_callee(self) -> None:
        """A call for a busy callee waits for that one, and holds up none that waits for any."""
        number = self.shared(self.plain, self.interruptible)
        self.relay(1, self.plain)
        self.assertEqual(self.relay(2, self.plain, caller=7), [])
        self.call(self.interruptible, 1)
        self.assertEqual(self.dealer.call(self.anna, 2, "a", {}, PAYLOAD), [])
        handed = self.dealer.yielded(self.interruptible, 1, {}, None)[1]
        self.assertEqual((list(handed.receivers), handed.message), ([self.interruptible], Invocation(2, number, {})))
        handed = self.dealer.yielded(self.plain, 1, {}, None)[1]
        self.assertEqual((list(handed.receivers), handed.message), ([self.plain], Invocation(2, number, {"caller": 7})))
        self.assertEqual(self.only(self.dealer.yielded(self.plain, 2, {}, None), self.node), Result(2, {}))

    def test_first_come_first_served(self) -> None:
        """The calls of this node and of others get the slots of one callee in the order in which they came."""
        self.shared(self.plain)
        self.relay(1, self.plain)
        self.dealer.call(self.anna, 1, "a", {}, PAYLOAD)
        self.relay(2, self.plain)
        answered = [self.dealer.yielded(self.plain, number, {}, None)[0].receivers for number in (1, 2, 3)]
        self.assertEqual(answered, [(self.node,), (self.anna,), (self.node,)])

    def test_waiting_takes_no_place(self) -> None:
        """Calls of other nodes do not fill the queue of this node's callers."""
        self.dealer = Dealer(queue_limit=1)
        self.shared(self.plain)
        for request in (1, 2, 3):
            self.relay(request, self.plain)
        self.assertEqual(self.dealer.call(self.anna, 1, "a", {}, PAYLOAD), [])
        error = self.assertRaises(RequestError, self.dealer.call, self.anna, 2, "a", {}, PAYLOAD)
        self.assertEqual(error.uri, uris.UNAVAILABLE)

    def test_callee_goes_before_its_turn(self) -> None:
        """The other node is told when the callee unregisters, leaves or loses the procedure while a call waits."""
        for how in ("unregisters", "leaves", "loses it"):
            self.setUp()
            number = self.shared(self.plain, self.interruptible)
            self.relay(1, self.plain)
            self.relay(2, self.plain)
            if how == "unregisters":
                deliveries = self.dealer.unregister(self.plain, number)
            elif how == "leaves":
                deliveries = self.dealer.leave(self.plain)[1:]
            else:
                deliveries = self.dealer.register(self.progressive, "a", force=True)[1]
            message: Any = self.only(deliveries, self.node, deliveries[0].payload)
            self.assertEqual((message.request, message.error), (2, uris.UNAVAILABLE), how)

    def test_the_last_callee_goes(self) -> None:
        """Calls of this node that wait behind those of others are answered, too."""
        number = self.shared(self.plain)
        self.relay(1, self.plain)
        self.relay(2, self.plain)
        self.dealer.call(self.anna, 1, "a", {}, PAYLOAD)
        told = {one.receivers: one.message.error for one in self.dealer.unregister(self.plain, number)}  # type: ignore[attr-defined]
        self.assertEqual(told, {(self.node,): uris.UNAVAILABLE, (self.anna,): uris.CANCELED})

    def test_cancelled_while_waiting(self) -> None:
        """A call that is ended while it waits is never handed over."""
        self.shared(self.plain)
        self.relay(1, self.plain)
        self.relay(2, self.plain)
        self.assertEqual(self.only(self.dealer.cancel(self.node, 2, {}), self.node), Error(48, 2, {}, uris.CANCELED))
        self.assertEqual(self.only(self.dealer.yielded(self.plain, 1, {}, None), self.node), Result(1, {}))
        self.assertEqual(self.dealer.call(self.anna, 1, "a", {}, PAYLOAD)[0].receivers, (self.plain,))

    def test_no_parts_for_a_busy_callee(self) -> None:
        """A call in parts cannot wait."""
        self.shared(self.plain)
        self.relay(1, self.plain)
        self.assertEqual(self.assertRaises(RequestError, self.relay, 2, self.plain, **MORE).uri, uris.UNAVAILABLE)

    def test_not_moved_from_here(self) -> None:
        """A callee that is not available: its caller's node gives the call to another, this one does not."""
        first, second = (member(number, features=CALL_REROUTE) for number in (5, 6))
        self.shared(first, second)
        self.relay(1, first)
        self.assertEqual(
            self.only(self.dealer.failed(first, 1, {}, uris.UNAVAILABLE, None), self.node),
            Error(48, 1, {}, uris.UNAVAILABLE),
        )

    def test_node_gone(self) -> None:
        """The calls of a node that has gone are interrupted and forgotten, and others get their slots."""
        self.shared(self.interruptible)
        self.relay(1, self.interruptible)
        self.relay(2, self.interruptible)
        self.dealer.call(self.anna, 1, "a", {}, PAYLOAD)
        deliveries = self.dealer.leave(self.node)
        self.assertEqual([type(one.message) for one in deliveries], [Interrupt, Invocation])
        self.assertEqual(names_of(self.dealer, self.node), [])


class Elsewhere(DealerCase):
    """A callee that stands for one of another node."""

    def setUp(self) -> None:
        super().setUp()
        self.away = Away(2**41, self.plain.principal, expel=lambda goodbye: None)
        self.dealer.register(self.away, "a")

    def test_always_told_of_the_end(self) -> None:
        """Its node is told how the caller ended the call, whatever the callee has announced, and decides."""
        for mode, answered in (("skip", True), ("killnowait", True), ("kill", False)):
            number = self.call(self.away)
            told, *rest = self.dealer.cancel(self.anna, 1, {"mode": mode})
            self.assertEqual((told.receivers, told.message), ((self.away,), Interrupt(number, {"mode": mode})))
            self.assertEqual(bool(rest), answered, mode)
            self.dealer.failed(self.away, number, {}, uris.CANCELED, None)
