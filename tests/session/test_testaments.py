"""Testaments, as clients leave them: frames in, frames out (P11)."""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import Deferred

from orosync.model import Action, Decision, Verdict
from tests.session.fixture import JsonClient
from tests.session.meta_case import MetaCase

ADD = "wamp.session.add_testament"
FLUSH = "wamp.session.flush_testaments"
TOPIC = "com.gone"
NO = Decision(Verdict.DENY, "rule 7")
YES = Decision(Verdict.ALLOW)


class TestamentCase(MetaCase):
    """``ben`` listens to what ``anna`` leaves."""

    def setUp(self) -> None:
        super().setUp()
        self.subscribed(self.ben, TOPIC)
        self.ben.heard()

    def add(self, *args: Any, by: JsonClient | None = None, **kwargs: Any) -> None:
        self.assertEqual(self.call(ADD, *args, by=by or self.anna, **kwargs), [])

    def drop(self) -> None:
        """The connection breaks."""
        self.anna.session.closed(False, None, "")

    def heard(self) -> list[list[Any]]:
        """[details, args and kwargs if any] of what came to ``ben``."""
        return [one[3:] for one in self.ben.heard()]


class Leaving(TestamentCase):
    """When they are published."""

    def test_dropped(self) -> None:
        """P11: what was left is published when the connection breaks, with its arguments, once, and not before."""
        self.add(TOPIC, ["Seeya!"], {"my_name": "app1"})
        self.assertEqual(self.heard(), [])
        self.drop()
        self.assertEqual(self.heard(), [[{}, ["Seeya!"], {"my_name": "app1"}]])
        self.anna.session.closed(False, None, "")
        self.assertEqual(self.heard(), [])

    def test_clean(self) -> None:
        """After GOODBYE too, and when the session is killed."""
        self.add(TOPIC, ["bye"])
        self.anna.ask([6, {}, "wamp.close.close_realm"])
        self.assertEqual(self.heard(), [[{}, ["bye"]]])
        carl = self.enter("carl")
        self.add(TOPIC, ["killed"], by=carl)
        self.call("wamp.session.kill", carl.session_id)
        self.assertEqual(self.heard(), [[{}, ["killed"]]])

    def test_kill_all(self) -> None:
        """When all are killed nobody is left to hear it, says WAMP; the killer does not either."""
        self.subscribed(self.admin, TOPIC)
        self.add(TOPIC, ["x"])
        self.call("wamp.session.kill_all")
        self.assertEqual((self.also, self.admin.heard()), ([], []))

    def test_order(self) -> None:
        """Detached before destroyed, each scope in its order."""
        for number, scope in enumerate(["destroyed", "detached", None, "detached"]):
            self.add(TOPIC, [number], None, **({"scope": scope} if scope else {}))
        self.drop()
        self.assertEqual([arguments for _, arguments in self.heard()], [[1], [3], [0], [2]])

    def test_without_arguments(self) -> None:
        """Arguments may be left out, and by WAMP's own example the scope too."""
        self.add(TOPIC)
        self.add(TOPIC, [])
        self.drop()
        self.assertEqual(self.heard(), [[{}], [{}, []]])

    def test_from_v1(self) -> None:
        """A v1 client leaves one as well; v1 subscribers hear it."""
        old, other = self.fixture.v1(), self.fixture.v1()
        other.ask([5, TOPIC])
        self.assertEqual(old.ask([2, "a", ADD, TOPIC, ["bye"]]), [[3, "a", None]])
        old.session.closed(False, None, "")
        self.assertEqual((self.heard(), other.heard()), ([[{}, ["bye"]]], [[8, TOPIC, "bye"]]))


class Flushing(TestamentCase):
    """wamp.session.flush_testaments."""

    def test_scopes(self) -> None:
        """One scope is forgotten, destroyed unless said otherwise; others' testaments stay."""
        for flushed, left in (({}, [1]), ({"scope": "destroyed"}, [1]), ({"scope": "detached"}, [0])):
            carl = self.enter("carl")
            self.add(TOPIC, [0], by=carl)
            self.add(TOPIC, [1], None, by=carl, scope="detached")
            self.assertEqual(self.call(FLUSH, by=carl, **flushed), [])
            self.call(FLUSH, by=self.admin, **flushed)
            carl.session.closed(False, None, "")
            self.assertEqual(self.heard(), [[{}, left]], flushed)

    def test_bad_scope(self) -> None:
        """A scope that there is not is a bad argument."""
        self.assertEqual(self.refused(FLUSH, scope="later"), "invalid_argument")


class Options(TestamentCase):
    """publish_options are those of PUBLISH."""

    def test_filters_and_disclosure(self) -> None:
        """Who may hear it, and from whom it is, as PUBLISH has it; acknowledge means nothing."""
        self.add(TOPIC, [1], publish_options={"exclude_authid": ["ben"]})
        self.add(TOPIC, [2], publish_options={"eligible": []})
        self.add(TOPIC, [3], publish_options={"disclose_me": True, "acknowledge": True})
        self.drop()
        (((details), arguments),) = self.heard()
        told = {"publisher": self.anna.session_id, "publisher_authid": "anna", "publisher_authrole": "user"}
        self.assertEqual((details, arguments), (told, [3]))

    def test_bad_arguments(self) -> None:
        """What cannot be published is refused when it is added."""
        for args, kwargs in (
            ((), {}),
            ((7,), {}),
            ((TOPIC, 7), {}),
            ((TOPIC, [], 7), {}),
            ((TOPIC,), {"publish_options": 7}),
            ((TOPIC,), {"publish_options": {"exclude": "x"}}),
            ((TOPIC,), {"scope": "later"}),
        ):
            self.assertEqual(self.refused(ADD, *args, **kwargs), "invalid_argument", (args, kwargs))
        for topic in ("a..b", "a b", "wamp.session.on_join"):
            self.assertEqual(self.refused(ADD, topic), "invalid_uri", topic)

    def test_sealed(self) -> None:
        """A payload that only subscribers can read, of a client that has announced it; of others it is refused."""
        seal = {"ppt_scheme": "x_my", "ppt_keyid": "k"}
        self.assertEqual(self.refused(ADD, TOPIC, ["x"], publish_options=seal), "invalid_argument")
        carl = self.enter("carl", publisher={"payload_passthru_mode": True})
        self.add(TOPIC, ["sealed"], by=carl, publish_options=seal)
        carl.session.closed(False, None, "")
        self.assertEqual(self.heard(), [[seal, ["sealed"]]])

    def test_nobody_is_named(self) -> None:
        """Where the realm names nobody, disclose_me is refused here as in PUBLISH."""
        self.patch(self.fixture.realm_context._testaments, "_disclosing", False)
        answer = self.refused(ADD, TOPIC, ["x"], publish_options={"disclose_me": True})
        self.assertEqual(answer, "option_disallowed.disclose_me")
        self.drop()
        self.assertEqual(self.heard(), [])

    def test_bounded(self) -> None:
        """A session cannot fill the router with its last will."""
        answers = [self.reply(self.anna, ADD, TOPIC, [number])[0] for number in range(33)]
        self.assertEqual(answers, [50] * 32 + [8])
        self.drop()
        self.assertEqual(len(self.heard()), 32)


class Rights(TestamentCase):
    """A testament is a publication of its session's."""

    def answer(self, decision: Any) -> None:
        self.fixture.authorizer.answers[Action.PUBLISH, TOPIC] = decision

    def test_may_not_publish(self) -> None:
        """Who may not publish there may not leave it, and is told."""
        self.answer(NO)
        self.assertEqual(self.refused(ADD, TOPIC, by=self.anna), "not_authorized")
        self.answer(YES)
        self.drop()
        self.assertEqual(self.heard(), [])

    def test_may_no_longer(self) -> None:
        """Rules that have changed meanwhile hold; the log says so. What others leave does not suffer."""
        self.add(TOPIC, ["x"])
        self.add("com.other", ["y"])
        self.subscribed(self.ben, "com.other")
        self.answer(NO)
        self.drop()
        self.assertEqual(self.heard(), [[{}, ["y"]]])
        self.assertIn(("publish.refused", "denied"), [one[:2] for one in self.fixture.journal.notes])

    def test_answer_comes_later(self) -> None:
        """An authorizer that takes its time delays the answer alone; a no takes the testament out again."""
        for decision, code, left in ((YES, 50, [[{}, ["x"]]]), (NO, 8, [])):
            carl, later = self.enter("carl"), Deferred()
            self.answer(later)
            self.assertEqual(carl.ask([48, 7, {}, ADD, [TOPIC, ["x"]]]), [])
            later.callback(decision)
            self.assertEqual([one[0] for one in carl.heard()], [code])
            self.answer(YES)
            carl.session.closed(False, None, "")
            self.assertEqual(self.heard(), left)

    def test_published_later(self) -> None:
        """An authorizer that takes its time keeps the order."""
        self.add(TOPIC, [1])
        self.add("com.other", [2])
        self.subscribed(self.ben, "com.other")
        later: Deferred[Decision] = Deferred()
        self.answer(later)
        self.drop()
        self.assertEqual(self.heard(), [])
        later.callback(YES)
        self.assertEqual([arguments for _, arguments in self.heard()], [[1], [2]])
