"""What is remembered of a chain's word, and when it is forgotten."""

from __future__ import annotations

import gc
from sys import getsizeof
from typing import Any

from twisted.internet.defer import Deferred, succeed
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from orosync.authz.chain import GRANT_SIZE, GRANTS_SIZE, Chain, Grants
from orosync.model import EMPTY, Action, Decision, Verdict
from orosync.testing import RecordingJournal, ScriptedAuthorizer, principal


class Constant(ScriptedAuthorizer):
    """One whose word never changes."""

    constant = True


class ByRole(Constant):
    """One whose word depends on the role alone."""

    depends_on: tuple[str, ...] = ("authrole",)


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
        """What is remembered for one is not found by another, if anything of him might matter."""
        for authorizers in ([Constant()], [ByRole(Verdict.ABSTAIN), Constant()]):
            asked = chain(*authorizers)
            anna, ben = asked.grants(principal("anna"), Action.PUBLISH), asked.grants(principal("ben"), Action.PUBLISH)
            anna.decide("a.topic", EMPTY)
            self.assertEqual((len(anna.known), len(ben.known)), (1, 0))

    def test_one_for_all_that_are_the_same(self) -> None:
        """Where every authorizer says what of a principal matters, those that have the same are asked about once, also
        one after the other; the action matters, and whether URIs are checked."""
        first, second = ByRole(Verdict.ABSTAIN), ByRole()
        first.depends_on = ("user_id",)
        asked = chain(first, second)
        asked.grants(principal("anna", user_id=7), Action.PUBLISH).decide("a.topic", EMPTY)
        gc.collect()
        anna = asked.grants(principal("ann", user_id=7), Action.PUBLISH)
        self.assertEqual(list(anna.known), ["a.topic"])
        for other in (
            asked.grants(principal("ben", user_id=8), Action.PUBLISH),
            asked.grants(principal("anna", authrole="guest", user_id=7), Action.PUBLISH),
            asked.grants(principal("anna", user_id=7), Action.CALL),
            asked.grants(principal("anna", user_id=7), Action.PUBLISH, opaque=True),
        ):
            self.assertEqual(other.known, {})
        self.assertEqual(len(second.asked), 1)

    def test_asked_meanwhile(self) -> None:
        """Two sessions that both asked before anything was known find what the other was told after the next answer."""
        asked = chain(ByRole())
        anna, ben = (asked.grants(principal(name), Action.PUBLISH) for name in ("anna", "ben"))
        for grants, topic in ((anna, "a.topic"), (ben, "b.topic")):
            grants.decide(topic, EMPTY)
            self.assertIn(topic, grants.known)
        self.assertEqual(ben.known.keys(), {"a.topic", "b.topic"})
        self.assertIs(anna.known, ben.known)

    def test_new_rules(self) -> None:
        """When the authorizers are replaced all grants are forgotten at once, and the new ones are asked."""
        for kind in (Constant, ByRole):
            asked = chain(kind())
            everybody = [asked.grants(principal(), Action.PUBLISH) for _ in range(3)]
            for grants in everybody:
                grants.decide("a.topic", EMPTY)
            asked.replace([kind(Verdict.DENY)])
            for grants in (*everybody, asked.grants(principal(), Action.PUBLISH)):
                self.assertEqual(grants.known, {})
                decision = grants.decide("a.topic", EMPTY)
                assert isinstance(decision, Decision)
                self.assertIs(decision.verdict, Verdict.DENY)

    def test_other_rules_depend_on_other_things(self) -> None:
        """With new authorizers it is they who say what of a principal matters."""
        asked = chain(ByRole())
        anna, ben = (asked.grants(principal(name), Action.PUBLISH) for name in ("anna", "ben"))
        asked.replace([Constant()])
        anna.decide("a.topic", EMPTY)
        self.assertEqual((len(anna.known), ben.known), (1, {}))
        asked.replace([ByRole()])
        anna.decide("a.topic", EMPTY)
        self.assertEqual(len(asked.grants(principal("ben"), Action.PUBLISH).known), 1)

    def test_bounded(self) -> None:
        """Inventing topics, long ones or many sessions', costs no more memory than a realm has for it, whatever their
        alphabet; afterwards the sessions remember anew, the one that was there before too."""
        for topics in ("topic.%d", "%d." + "x" * 1000, "%d." + "\N{SNOWMAN}" * 1000):
            for authorizer in (Constant(), ByRole()):
                asked = chain(authorizer)
                everybody = [asked.grants(principal(authrole=f"r{number}"), Action.PUBLISH) for number in range(3)]
                number = most = 0
                while len(everybody[0].known) >= most:
                    most = len(everybody[0].known)
                    for grants in everybody:
                        grants.decide(topics % number, EMPTY)
                    number += 1
                least = getsizeof(topics % 0) + GRANT_SIZE
                self.assertLessEqual((most - 1) * 3 * least, GRANTS_SIZE)
                self.assertGreater((most + 2) * 3 * least, GRANTS_SIZE * 0.9)
                self.assertLessEqual(max(len(grants.known) for grants in everybody), 1)

    def test_the_gone_are_forgotten(self) -> None:
        """Sessions that came, asked once and went leave nothing that is kept beyond the bound."""
        asked = chain(ByRole())
        for number in range(GRANTS_SIZE // GRANT_SIZE):
            asked.grants(principal(authrole=f"r{number}"), Action.PUBLISH).decide("a.topic", EMPTY)
        self.assertLessEqual(len(asked._shared), GRANTS_SIZE // (2 * GRANT_SIZE))

    def test_none_for_a_refused_one(self) -> None:
        """Somebody who is allowed nothing leaves nothing behind."""
        asked = chain(ByRole(Verdict.DENY))
        asked.grants(principal(), Action.PUBLISH).decide("a.topic", EMPTY)
        self.assertEqual(asked._shared, {})

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
