"""What is remembered of a chain's word, and when it is forgotten."""

from __future__ import annotations

import gc
from typing import Any

from twisted.internet.defer import Deferred, succeed
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from orosync.authz.chain import MOST, Chain, Grants
from orosync.model import EMPTY, Action, Decision, Verdict
from orosync.testing import RecordingJournal, ScriptedAuthorizer, principal


class Constant(ScriptedAuthorizer):
    """One whose word never changes."""

    constant = True


def chain(*authorizers: Any) -> Chain:
    return Chain(authorizers, RecordingJournal(), clock=Clock())


class GrantsTests(SynchronousTestCase):
    def test_a_constant_yes_is_asked_for_once(self) -> None:
        """At the second publish to a topic the decision is known, rule and disclosure included."""
        authorizer = Constant()
        grants = chain(authorizer).grants(principal(), Action.PUBLISH)
        decision = grants.decide("a.topic", EMPTY)
        self.assertIs(grants.known["a.topic"], decision)
        self.assertEqual(authorizer.asked[0][:3], ("anna", Action.PUBLISH, "a.topic"))
        calls = chain(authorizer).grants(principal(), Action.CALL)
        calls.decide("a.topic", EMPTY)
        self.assertEqual(authorizer.asked[1][:3], ("anna", Action.CALL, "a.topic"))

    def test_what_is_not_remembered(self) -> None:
        """A no, a later answer, a broken authorizer, and any word in a chain in which somebody may change his mind."""
        for authorizers in (
            [Constant(Verdict.DENY)],
            [Constant(Verdict.ABSTAIN)],
            [ScriptedAuthorizer()],
            [Constant(Verdict.ABSTAIN), ScriptedAuthorizer()],
            [Constant(), ScriptedAuthorizer()],
        ):
            grants = chain(*authorizers).grants(principal(), Action.PUBLISH)
            grants.decide("a.topic", EMPTY)
            self.assertEqual(grants.known, {})
        for answer in (succeed(Decision(Verdict.ALLOW)), RuntimeError("broken")):
            authorizer = Constant()
            authorizer.answers[Action.PUBLISH, "a.topic"] = answer
            grants = chain(authorizer).grants(principal(), Action.PUBLISH)
            found = grants.decide("a.topic", EMPTY)
            if isinstance(found, Deferred):
                self.successResultOf(found)
            self.assertEqual(grants.known, {})

    def test_one_for_each(self) -> None:
        """What is remembered for one is not found by another."""
        asked = chain(Constant())
        anna, ben = asked.grants(principal("anna"), Action.PUBLISH), asked.grants(principal("ben"), Action.PUBLISH)
        anna.decide("a.topic", EMPTY)
        self.assertEqual(ben.known, {})

    def test_new_rules(self) -> None:
        """When the authorizers are replaced all grants are forgotten at once, and the new ones are asked."""
        asked = chain(Constant())
        everybody = [asked.grants(principal(), Action.PUBLISH) for _ in range(3)]
        for grants in everybody:
            grants.decide("a.topic", EMPTY)
        asked.replace([Constant(Verdict.DENY)])
        for grants in everybody:
            self.assertEqual(grants.known, {})
            decision = grants.decide("a.topic", EMPTY)
            assert isinstance(decision, Decision)
            self.assertIs(decision.verdict, Verdict.DENY)

    def test_bounded(self) -> None:
        """Inventing topics costs no memory."""
        grants = chain(Constant()).grants(principal(), Action.PUBLISH)
        for number in range(3 * MOST + 1):
            grants.decide(f"topic.{number}", EMPTY)
            self.assertLessEqual(len(grants.known), MOST)

    def test_the_gone_are_not_kept(self) -> None:
        """A chain does not hold on to those whom it made grants for."""
        asked = chain(Constant())
        asked.grants(principal(), Action.PUBLISH)
        gc.collect()
        self.assertEqual([one for one in gc.get_objects() if isinstance(one, Grants) and one._chain is asked], [])

    def test_other_rights(self) -> None:
        """Whoever has other rights is asked about anew, as who it is now; nobody else is, of the same name or not."""
        authorizer = Constant()
        asked = chain(authorizer)
        before, twin, after = principal(), principal(), principal(roles=frozenset({"ROLE_B"}))
        changed, same = asked.grants(before, Action.PUBLISH), asked.grants(twin, Action.PUBLISH)
        for grants in (changed, same):
            grants.decide("a.topic", EMPTY)
        asked.renewed(before, after)
        self.assertEqual((changed.known, len(same.known)), ({}, 1))
        authorizer.authorize = lambda who, *rest: Decision(Verdict.DENY, ",".join(who.roles))  # type: ignore[assignment]
        asked.replace([authorizer])
        decision = changed.decide("a.topic", EMPTY)
        assert isinstance(decision, Decision)
        self.assertEqual(decision.rule, "ROLE_B")
