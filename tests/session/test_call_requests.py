"""Remote procedure calls of joined clients: what the session adds to the dealer."""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase

from orosync.model import Action, Decision, Verdict
from tests.session.stage import Stage

CANCELING = {"callee": {"features": {"call_canceling": True, "progressive_call_results": True}}, "caller": {}}
STREAM = {"callee": {"features": {"progressive_call_invocations": True}}}
STREAM["caller"] = STREAM["callee"]


class CallCase(SynchronousTestCase):
    def setUp(self) -> None:
        self.stage = Stage()
        self.caller = self.stage.v2()

    def callee(self, roles: Any = CANCELING, **options: Any) -> Any:
        """Somebody who has registered a.procedure."""
        player = self.stage.v2(join=False)
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
        self.stage.clock.advance(0.2)
        self.assertEqual(self.caller.heard()[0][:5], [8, 48, 1, {}, "wamp.error.timeout"])
        self.assertEqual(callee.heard(), [[69, 1, {"mode": "killnowait"}]])
        callee.say([70, 1, {}, ["late"]])
        self.assertEqual(self.caller.heard(), [])

    def test_progress_restarts(self) -> None:
        """Each progressive result buys the callee as much time again."""
        callee = self.callee()
        self.caller.say([48, 1, {"timeout": 200, "receive_progress": True}, "a.procedure"])
        for _ in range(3):
            self.stage.clock.advance(0.15)
            callee.say([70, 1, {"progress": True}])
        self.assertEqual([one[0] for one in self.caller.heard()], [50, 50, 50])
        self.stage.clock.advance(0.2)
        self.assertEqual(self.caller.heard()[0][4], "wamp.error.timeout")

    def test_answered(self) -> None:
        """Nothing is left of the limit of a call that was answered, or whose caller has gone."""
        callee = self.callee()
        before = len(self.stage.clock.getDelayedCalls())
        self.caller.say([48, 1, {"timeout": 200}, "a.procedure"], [48, 2, {"timeout": 200}, "a.procedure"])
        callee.say([70, 1, {}])
        self.assertEqual(len(self.stage.clock.getDelayedCalls()), before + 1)
        self.caller.session.closed(False, None, "gone")
        self.assertLessEqual(len(self.stage.clock.getDelayedCalls()), before)

    def test_forwarded(self) -> None:
        """A callee that asked for it keeps the time itself."""
        callee = self.callee(forward_timeout=True)
        self.caller.say([48, 1, {"timeout": 200}, "a.procedure"])
        self.assertEqual(callee.heard()[0][3], {"timeout": 200})
        self.stage.clock.advance(10)
        self.assertEqual(self.caller.heard(), [])


class Disclosure(CallCase):
    """R5: caller identification, as the realm has it."""

    def test_allowed(self) -> None:
        """Where nothing forbids it, for who asks."""
        callee = self.callee()
        self.caller.say([48, 1, {"disclose_me": True}, "a.procedure"])
        self.assertEqual(callee.heard()[0][3]["caller"], self.caller.session_id)

    def test_forbidden(self) -> None:
        """Each has its error, and what a permission discloses is disclosed all the same."""
        self.stage.hosted.disclosing = False
        callee = self.callee()
        answer = self.caller.ask([48, 1, {"disclose_me": True}, "a.procedure"])[0]
        self.assertEqual(answer[:5], [8, 48, 1, {}, "wamp.error.option_disallowed.disclose_me"])
        answer = callee.ask([64, 2, {"disclose_caller": True}, "another"])[0]
        self.assertEqual(answer[:5], [8, 64, 2, {}, "wamp.error.option_not_allowed"])
        self.stage.authorizer.answers[Action.CALL, "a.procedure"] = Decision(Verdict.ALLOW, disclose=True)
        self.caller.say([48, 2, {}, "a.procedure"])
        self.assertEqual(callee.heard()[0][3]["caller"], self.caller.session_id)


class Streams(CallCase):
    """R2: the parts of a call that comes in several."""

    def test_a_part_that_is_refused(self) -> None:
        """Its ERROR is the answer to the whole call: no other follows, and later parts are dropped."""
        callee = self.callee(STREAM)
        caller = self.stage.v2(join=False)
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
        caller = self.stage.v2(join=False)
        caller.say([1, "oro", {"roles": STREAM}])
        pending: Deferred[Decision] = Deferred()
        self.stage.authorizer.answers[Action.CALL, "a.procedure"] = pending
        caller.say([48, 1, {"progress": True}, "a.procedure", [1]])
        self.assertTrue(caller.link.paused)
        self.assertEqual(callee.heard(), [])
        pending.callback(Decision(Verdict.ALLOW))
        self.assertEqual(callee.heard()[0][4], [1])
