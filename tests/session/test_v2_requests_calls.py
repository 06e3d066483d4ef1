"""Remote procedure calls of joined clients: what the session adds to the dealer."""

from __future__ import annotations

from itertools import product
from typing import Any

from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase

from orosync.model import Action, Decision, Match, Verdict
from orosync.router.registrations import RegisterOptions
from orosync.session.local import LocalSession
from orosync.testing import principal
from orosync.wamp.messages import Error, Invocation
from tests.session.fixture import RealmFixture

CANCELING = {"callee": {"features": {"call_canceling": True, "progressive_call_results": True}}, "caller": {}}
STREAM = {"callee": {"features": {"progressive_call_invocations": True}}}
STREAM["caller"] = STREAM["callee"]


class CallCase(SynchronousTestCase):
    def setUp(self) -> None:
        self.fixture = RealmFixture()
        self.caller = self.fixture.v2()

    def callee(self, roles: Any = CANCELING, **options: Any) -> Any:
        """Somebody who has registered a.procedure."""
        player = self.fixture.v2(join=False)
        player.say([1, "oro", {"roles": roles}])
        player.heard()
        self.assertEqual(player.ask([64, 1, options, "a.procedure"])[0][0], 65)
        return player


class Timeouts(CallCase):
    """R3: call timeouts, on a clock."""

    def test_timeout(self) -> None:
        """The caller is answered in time, the callee interrupted; what comes late is dropped."""
        callee = self.callee()
        self.caller.say([48, 1, {"timeout": 200}, "a.procedure"])
        callee.heard()
        self.fixture.clock.advance(0.2)
        self.assertEqual(self.caller.heard()[0][:5], [8, 48, 1, {}, "wamp.error.timeout"])
        self.assertEqual(callee.heard(), [[69, 1, {"mode": "killnowait"}]])
        callee.say([70, 1, {}, ["late"]])
        self.assertEqual(self.caller.heard(), [])

    def test_progress_restarts(self) -> None:
        """Each progressive result buys the callee as much time again."""
        callee = self.callee()
        self.caller.say([48, 1, {"timeout": 200, "receive_progress": True}, "a.procedure"])
        for _ in range(3):
            self.fixture.clock.advance(0.15)
            callee.say([70, 1, {"progress": True}])
        self.assertEqual([one[0] for one in self.caller.heard()], [50, 50, 50])
        self.fixture.clock.advance(0.2)
        self.assertEqual(self.caller.heard()[0][4], "wamp.error.timeout")

    def test_answered(self) -> None:
        """Nothing is left of the limit of a call that was answered, or whose caller has gone."""
        callee = self.callee()
        before = len(self.fixture.clock.getDelayedCalls())
        self.caller.say([48, 1, {"timeout": 200}, "a.procedure"], [48, 2, {"timeout": 200}, "a.procedure"])
        callee.say([70, 1, {}])
        self.assertEqual(len(self.fixture.clock.getDelayedCalls()), before + 1)
        self.caller.session.closed(False, None, "gone")
        self.assertLessEqual(len(self.fixture.clock.getDelayedCalls()), before)

    def test_forwarded(self) -> None:
        """A callee that asked for it keeps the time itself."""
        callee = self.callee(forward_timeout=True)
        self.caller.say([48, 1, {"timeout": 200}, "a.procedure"])
        self.assertEqual(callee.heard()[0][3], {"timeout": 200})
        self.fixture.clock.advance(10)
        self.assertEqual(self.caller.heard(), [])


class Rerouted(CallCase):
    """R3 and R12: the time limit of a call goes with it, whoever has it and whoever keeps the time."""

    ROLES = {"callee": {"features": {"call_canceling": True, "call_reroute": True}}}  # noqa: RUF012

    def callees(self, *keep_time: bool, **options: Any) -> list[Any]:
        """Callees in the order of their turns; True for one that keeps time limits itself."""
        return [self.callee(self.ROLES, invoke="first", forward_timeout=keeps, **options) for keeps in keep_time]

    def invoked(self, callee: Any) -> dict[str, Any]:
        (message,) = callee.heard()
        self.assertEqual(message[0], 68)
        details: dict[str, Any] = message[3]
        return details

    def unavailable(self, callee: Any, invocation: int = 1) -> None:
        callee.say([8, 68, invocation, {}, "wamp.error.unavailable"])

    def timed_out(self) -> None:
        self.assertEqual([one[:5] for one in self.caller.heard()], [[8, 48, 1, {}, "wamp.error.timeout"]])

    def test_every_order(self) -> None:
        """What is left counts, not the whole again: a callee that keeps time is told so much, for the others we do."""
        for order in product((True, False), repeat=3):
            self.setUp()
            callees = self.callees(*order)
            before = len(self.fixture.clock.getDelayedCalls())
            self.caller.say([48, 1, {"timeout": 700}, "a.procedure"])
            for number, (callee, keeps) in enumerate(zip(callees, order, strict=True)):
                self.assertEqual(self.invoked(callee), {"timeout": 700 - 200 * number} if keeps else {}, order)
                if number < 2:
                    self.fixture.clock.advance(0.2)
                    self.unavailable(callee)
            self.fixture.clock.advance(0.299)
            self.assertEqual(self.caller.heard(), [])
            self.fixture.clock.advance(0.002)
            if order[-1]:
                self.assertEqual(self.caller.heard(), [], "the callee sees to it")
                callees[-1].say([8, 68, 1, {}, "wamp.error.timeout"])
            self.timed_out()
            self.assertEqual(callees[-1].heard(), [] if order[-1] else [[69, 1, {"mode": "killnowait"}]])
            self.assertEqual(len(self.fixture.clock.getDelayedCalls()), before)

    def test_no_time_left(self) -> None:
        """A callee that kept the limit gives the call back when it is over: nobody else gets it."""
        first, second = self.callees(True, False)
        self.caller.say([48, 1, {"timeout": 700}, "a.procedure"])
        self.fixture.clock.advance(0.7)
        self.unavailable(first)
        self.timed_out()
        self.assertEqual(second.heard(), [])

    def test_no_limit(self) -> None:
        """A call without one never gets one."""
        first, second = self.callees(True, False)
        self.caller.say([48, 1, {}, "a.procedure"])
        self.fixture.clock.advance(1)
        self.unavailable(first)
        self.assertEqual((self.invoked(second), len(self.fixture.clock.getDelayedCalls())), ({}, 1))

    def test_progress(self) -> None:
        """The clock restarts at each result of the callee that took over, with the whole time."""
        first, second = self.callees(True, False)
        self.caller.say([48, 1, {"timeout": 700, "receive_progress": True}, "a.procedure"])
        self.fixture.clock.advance(0.5)
        self.unavailable(first)
        self.fixture.clock.advance(0.1)
        second.say([70, 1, {"progress": True}])
        self.assertEqual(self.caller.heard(), [[50, 1, {"progress": True}]])
        self.fixture.clock.advance(0.699)
        self.assertEqual(self.caller.heard(), [])
        self.fixture.clock.advance(0.002)
        self.timed_out()

    def test_after_waiting(self) -> None:
        """The time that a call waited for a free callee counts; a callee that keeps time hears what is left."""
        for keeps in (True, False):
            self.setUp()
            (callee,) = self.callees(keeps, concurrency=1)
            busy = self.fixture.v2()
            busy.say([48, 1, {}, "a.procedure"])
            self.invoked(callee)
            self.caller.say([48, 1, {"timeout": 700}, "a.procedure"])
            self.fixture.clock.advance(0.4)
            callee.say([70, 1, {}])
            self.assertEqual(self.invoked(callee), {"timeout": 300} if keeps else {})
            self.fixture.clock.advance(0.3)
            if keeps:
                self.assertEqual(self.caller.heard(), [])
            else:
                self.timed_out()

    def test_waiting_too_long(self) -> None:
        """While a call waits nobody else keeps its time."""
        (callee,) = self.callees(True, concurrency=1)
        self.fixture.v2().say([48, 1, {}, "a.procedure"])
        self.invoked(callee)
        self.caller.say([48, 1, {"timeout": 700}, "a.procedure"])
        self.fixture.clock.advance(0.7)
        self.timed_out()
        callee.say([70, 1, {}])
        self.assertEqual(callee.heard(), [])

    def test_rerouted_before_it_is_measured(self) -> None:
        """A callee of this process may decline while the call is being handed to it."""
        realm_context = self.fixture.realm_context
        features = frozenset({"callee.call_reroute"})

        def decline(message: Any, payload: Any, topic: str) -> None:
            if isinstance(message, Invocation):
                inside.send(Error(68, message.request, {}, "wamp.error.unavailable"))

        inside = LocalSession(realm_context, principal("inside"), features, decline)
        wishes = RegisterOptions(forward_timeout=True)
        realm_context.realm.dealer.register(inside._member, "a.procedure", Match.EXACT, "first", wishes)
        (callee,) = self.callees(False)
        self.caller.say([48, 1, {"timeout": 700}, "a.procedure"])
        self.assertEqual(self.invoked(callee), {})
        self.fixture.clock.advance(0.7)
        self.timed_out()


class TakenOver(CallCase):
    """REGISTER with force_reregister."""

    def test_taken_over(self) -> None:
        """The newcomer is answered first, then the former callee is told; the log names both."""
        former = self.callee({"callee": {"features": {"registration_revocation": True}}})
        (answer,) = self.fixture.v2().ask([64, 1, {"force_reregister": True}, "a.procedure"])
        self.assertEqual(answer, [65, 1, 2])
        self.assertEqual(former.heard(), [[67, 0, {"registration": 1, "reason": "wamp.error.unregistered"}]])
        ((event, kind, fields),) = self.fixture.journal.notes
        self.assertEqual((event, kind, fields["procedure"]), ("registration.taken_over", "forced", "a.procedure"))
        self.assertEqual(len({fields["user"], *fields["lost_by"]}), 2)

    def test_only_with_the_right(self) -> None:
        """Who may not register the procedure takes nothing over, and who does not ask for it neither."""
        former = self.callee()
        other = self.fixture.v2()
        for value in (False, None):
            answer = other.ask([64, 1, {"force_reregister": value}, "a.procedure"])[0]
            self.assertEqual(answer[:5], [8, 64, 1, {}, "wamp.error.procedure_already_exists"])
        answer = other.ask([64, 2, {"force_reregister": "yes"}, "a.procedure"])[0]
        self.assertEqual(answer[:5], [8, 64, 2, {}, "wamp.error.invalid_argument"])
        self.fixture.authorizer.answers[Action.REGISTER, "a.procedure"] = Decision(Verdict.DENY)
        answer = other.ask([64, 3, {"force_reregister": True}, "a.procedure"])[0]
        self.assertEqual(answer[:5], [8, 64, 3, {}, "wamp.error.not_authorized"])
        self.caller.say([48, 1, {}, "a.procedure"])
        self.assertEqual(former.heard()[0][0], 68)


class Disclosure(CallCase):
    """R5: caller identification, as the realm has it."""

    def test_allowed(self) -> None:
        """Where nothing forbids it, for who asks."""
        callee = self.callee()
        self.caller.say([48, 1, {"disclose_me": True}, "a.procedure"])
        self.assertEqual(callee.heard()[0][3]["caller"], self.caller.session_id)

    def test_forbidden(self) -> None:
        """Each has its error, and what a permission discloses is disclosed all the same."""
        self.fixture.realm_context.disclosing = False
        callee = self.callee()
        answer = self.caller.ask([48, 1, {"disclose_me": True}, "a.procedure"])[0]
        self.assertEqual(answer[:5], [8, 48, 1, {}, "wamp.error.option_disallowed.disclose_me"])
        answer = callee.ask([64, 2, {"disclose_caller": True}, "another"])[0]
        self.assertEqual(answer[:5], [8, 64, 2, {}, "wamp.error.option_not_allowed"])
        self.fixture.authorizer.answers[Action.CALL, "a.procedure"] = Decision(Verdict.ALLOW, disclose=True)
        self.caller.say([48, 2, {}, "a.procedure"])
        self.assertEqual(callee.heard()[0][3]["caller"], self.caller.session_id)


class Streams(CallCase):
    """R2: the parts of a call that comes in several."""

    def test_a_part_that_is_refused(self) -> None:
        """Its ERROR is the answer to the whole call: no other follows, and later parts are dropped."""
        callee = self.callee(STREAM)
        caller = self.fixture.v2(join=False)
        caller.say([1, "oro", {"roles": STREAM}])
        caller.heard()
        caller.say([48, 1, {"progress": True}, "a.procedure"])
        answer = caller.ask([48, 1, {"progress": 7}, "a.procedure"])
        self.assertEqual([one[:5] for one in answer], [[8, 48, 1, {}, "wamp.error.invalid_argument"]])
        callee.say([70, 1, {}])
        self.assertEqual(caller.ask([48, 1, {}, "a.procedure"]), [])

    def test_order_while_somebody_thinks(self) -> None:
        """An authorizer that answers later delays the next part; it does not overtake."""
        callee = self.callee(STREAM)
        caller = self.fixture.v2(join=False)
        caller.say([1, "oro", {"roles": STREAM}])
        pending: Deferred[Decision] = Deferred()
        self.fixture.authorizer.answers[Action.CALL, "a.procedure"] = pending
        caller.say([48, 1, {"progress": True}, "a.procedure", [1]])
        self.assertTrue(caller.link.paused)
        self.assertEqual(callee.heard(), [])
        pending.callback(Decision(Verdict.ALLOW))
        self.assertEqual(callee.heard()[0][4], [1])
