"""What was granted is authorized again, in a whole realm: v1 and v2 sessions, rules that change and an authorizer that
answers later, or cannot."""

from __future__ import annotations

import json
from itertools import pairwise

from twisted.internet.defer import Deferred, fail
from twisted.trial.unittest import SynchronousTestCase

from orosync.interfaces import Renewal
from orosync.model import Action, Decision, Match, Rights, Verdict
from orosync.session.reauthorization import PAUSE, Reauthorization
from orosync.session.work_queue import AT_A_TURN
from orosync.testing import principal
from tests.session.fixture import RealmFixture

DENY = Decision(Verdict.DENY, "no more")
ALLOW = Decision(Verdict.ALLOW, "yes")
REVOCATION = {"features": {"subscription_revocation": True, "registration_revocation": True}}
HELLO = [1, "oro", {"roles": {"subscriber": REVOCATION, "callee": REVOCATION}}]


class ReviewCase(SynchronousTestCase):
    def setUp(self):
        self.fixture = RealmFixture()
        self.answers = self.fixture.authorizer.answers
        self.reauthorization = self.fixture.reauthorization

    def told(self):
        """A v2 client that understands revocation."""
        player = self.fixture.v2(join=False)
        player.ask(HELLO)
        return player

    def review(self, *players):
        self.reauthorization.review([player.session for player in players])
        self.fixture.clock.advance(0)

    def notes(self, event):
        return [(kind, fields) for name, kind, fields in self.fixture.journal.notes if name == event]


class DecisionTests(ReviewCase):
    def test_taken_away(self):
        """What is allowed no longer goes: who understands it is told why, the others, v1 too, just hear no more."""
        told, silent, old = self.told(), self.fixture.v2(), self.fixture.v1()
        told.ask([32, 1, {}, "a"], [32, 2, {}, "b"], [64, 3, {}, "p"])
        silent.ask([32, 1, {}, "a"], [64, 2, {}, "q"])
        old.ask([5, "a"])
        for action, uri in ((Action.SUBSCRIBE, "a"), (Action.REGISTER, "p"), (Action.REGISTER, "q")):
            self.answers[action, uri] = DENY
        self.review(told, silent, old)
        reason = "wamp.error.not_authorized"
        self.assertEqual(
            told.heard(),
            [[35, 0, {"subscription": 1, "reason": reason}], [67, 0, {"registration": 1, "reason": reason}]],
        )
        self.assertEqual((silent.heard(), old.heard()), ([], []))
        broker, dealer = self.fixture.realm.broker, self.fixture.realm.dealer
        self.assertIsNone(broker.lookup("a"))
        self.assertIsNotNone(broker.lookup("b"))
        self.assertEqual((dealer.lookup("p"), dealer.lookup("q")), (None, None))
        ((kind, fields), *_) = self.notes("subscribe.revoked")
        self.assertEqual((kind, fields["uri"], fields["rule"]), ("denied", "a", "no more"))

    def test_as_it_was_asked_for(self):
        """Patterns are authorized as patterns."""
        client = self.told()
        client.ask([32, 1, {"match": "prefix"}, "a."], [64, 2, {"match": "wildcard", "invoke": "first"}, "p..q"])
        self.fixture.authorizer.asked.clear()
        self.review(client)
        asked = [one[1:] for one in self.fixture.authorizer.asked]
        self.assertEqual(asked, [(Action.SUBSCRIBE, "a.", Match.PREFIX), (Action.REGISTER, "p..q", Match.WILDCARD)])

    def test_later(self):
        """An answer that comes later counts; what was given back meanwhile, and who has left, is none of it."""
        client, gone = self.told(), self.told()
        client.ask([32, 1, {}, "a"], [32, 2, {}, "b"])
        gone.ask([32, 1, {}, "a"])
        waiting = [Deferred() for _ in range(3)]
        pending = iter(waiting)
        self.fixture.authorizer.authorize = lambda *args: next(pending)
        self.fixture.realm_context.chain.replace([self.fixture.authorizer])
        self.review(client, gone)
        self.fixture.realm.broker.unsubscribe(next(iter(self.fixture.realm.members.values())), 2)
        gone.session.closed(False, None, "")
        for answer in waiting:
            answer.callback(DENY)
        self.assertEqual([message[2]["subscription"] for message in client.heard()], [1])

    def test_cannot_be_told(self):
        """While nobody can tell whether it is allowed it stays; after the third time it goes."""
        client = self.told()
        client.ask([32, 1, {}, "a"])
        self.answers[Action.SUBSCRIBE, "a"] = ValueError("down")
        self.review(client)
        for _ in range(2):
            self.assertEqual(client.heard(), [])
            self.fixture.clock.advance(PAUSE)
        self.assertEqual(client.heard(), [[35, 0, {"subscription": 1, "reason": "wamp.error.authorization_failed"}]])
        self.assertEqual([fields["tried"] for _, fields in self.notes("review.postponed")], [1, 2])
        self.assertEqual(self.notes("subscribe.revoked")[0][0], "failed")

    def test_told_at_last(self):
        """An authorizer that comes back in time keeps everything as it was."""
        client = self.told()
        client.ask([32, 1, {}, "a"])
        self.answers[Action.SUBSCRIBE, "a"] = fail(ValueError("down"))
        self.review(client)
        del self.answers[Action.SUBSCRIBE, "a"]
        self.fixture.clock.advance(PAUSE)
        self.assertEqual((client.heard(), self.reauthorization._timer), ([], None))

    def test_who_has_nothing(self):
        """Sessions that have not joined yet, or have left, are passed over."""
        early, gone = self.fixture.v2(join=False), self.fixture.v2()
        gone.session.closed(False, None, "")
        self.review(early, gone)
        self.assertIsNone(self.reauthorization._timer)


class PaceTests(ReviewCase):
    def test_few_in_a_turn(self):
        """A turn of the reactor authorizes AT_A_TURN of them, and all are authorized in the end."""
        players = [self.fixture.v2() for _ in range(10)]
        for player in players:
            player.say(*([32, number, {}, f"t{number}"] for number in range(1, 101)))
        asked = self.fixture.authorizer.asked
        asked.clear()
        turns = []
        call_later = self.fixture.clock.callLater
        self.fixture.clock.callLater = lambda *args: turns.append(len(asked)) or call_later(*args)
        self.reauthorization = Reauthorization(self.fixture.clock, self.fixture.journal)
        self.review(*players)
        self.assertLessEqual(max(later - earlier for earlier, later in pairwise([*turns, 1000])), AT_A_TURN)
        self.assertEqual(len(asked), 1000)

    def test_few_at_once(self):
        """Only a few answers are waited for; each that comes lets another question go."""
        self.reauthorization = Reauthorization(self.fixture.clock, self.fixture.journal, at_once=8)
        client = self.told()
        client.say(*([32, number, {}, f"t{number}"] for number in range(1, 31)))
        waiting = []

        def authorize(*args):
            waiting.append(Deferred())
            return waiting[-1]

        self.fixture.authorizer.authorize = authorize
        self.fixture.realm_context.chain.replace([self.fixture.authorizer])
        self.review(client)
        self.assertEqual(len(waiting), 8)
        for number in range(30):
            waiting[number].callback(ALLOW)
            self.fixture.clock.advance(0)
        self.assertEqual(len(waiting), 30)

    def test_stop(self):
        """Nothing is authorized after the stop, whatever answers still come."""
        client = self.told()
        client.ask([32, 1, {}, "a"], [32, 2, {}, "b"])
        self.answers[Action.SUBSCRIBE, "a"] = answer = Deferred()
        self.answers[Action.SUBSCRIBE, "b"] = ValueError("down")
        self.review(client)
        self.reauthorization.stop()
        answer.callback(DENY)
        self.assertEqual((client.heard(), self.reauthorization._timer), ([], None))


class RightsTests(ReviewCase):
    """Somebody's rights are others."""

    RIGHTS = Rights(frozenset({7}), frozenset({"ROLE_B"}))

    def judge_by_rights(self):
        """Allowed is what has a user with ROLE_A."""

        def authorize(who, action, uri, match, options):
            return ALLOW if "ROLE_A" in who.roles else DENY

        self.fixture.authorizer.authorize = authorize
        self.fixture.authorizer.constant = True
        self.fixture.realm_context.chain.replace([self.fixture.authorizer])

    def test_authorized_by_the_new_ones(self):
        """What the new ones do not give is taken away, v1 and v2; what was remembered of the old ones is forgotten."""
        self.judge_by_rights()
        anna = principal(roles=frozenset({"ROLE_A"}), authprovider="guests")
        old, new = self.fixture.v1(anna), self.fixture.v2(anna)
        old.ask([5, "a"], [7, "a", 1])
        new.ask([32, 1, {}, "a"], [16, 2, {"acknowledge": True}, "a"])
        for player in (old, new):
            self.reauthorization.renew(player.session, self.RIGHTS)
        self.fixture.clock.advance(0)
        self.assertIsNone(self.fixture.realm.broker.lookup("a"))
        self.assertEqual(new.ask([16, 3, {"acknowledge": True}, "a"])[0][4], "wamp.error.not_authorized")
        self.assertEqual(
            {member.principal.roles for member in self.fixture.realm.members.values()}, {self.RIGHTS.roles}
        )
        self.assertEqual([kind for kind, _ in self.notes("session.renewed")], ["rights_changed"] * 2)

    def test_while_an_answer_is_awaited(self):
        """A yes to somebody who has other rights by now is no yes: it is asked again."""
        anna = principal(roles=frozenset({"ROLE_A"}), authprovider="guests")
        for player, request in ((self.fixture.v1(anna), [5, "a"]), (self.fixture.v2(anna), [32, 1, {}, "a"])):
            first, asked = Deferred(), []

            def authorize(who, *rest, first=first, asked=asked):
                asked.append(who.roles)
                return first if len(asked) == 1 else DENY

            self.fixture.authorizer.authorize = authorize
            self.fixture.realm_context.chain.replace([self.fixture.authorizer])
            player.say(request)
            self.reauthorization.renew(player.session, self.RIGHTS)
            first.callback(ALLOW)
            self.assertEqual(asked, [anna.roles, self.RIGHTS.roles])
            self.assertIn("not", json.dumps(player.heard()))
            self.assertFalse(player.link.paused)
        self.assertIsNone(self.fixture.realm.broker.lookup("a"))

    def test_renewed_by_a_recheck(self):
        """The periodic look at a login leads here."""

        class Authority:
            name, recheck_interval = "oro", None

            def recheck(self, credential):
                from twisted.internet.defer import succeed

                return succeed(Renewal("B", RightsTests.RIGHTS))

        self.judge_by_rights()
        player = self.fixture.v1(principal(roles=frozenset({"ROLE_A"})))
        player.ask([5, "a"])
        self.fixture.context.revalidation.entered(player.session, ((Authority(), "A"),))
        self.fixture.clock.pump([1.0] * 301)
        self.assertIsNone(self.fixture.realm.broker.lookup("a"))
        player.session.closed(False, None, "")
        self.assertEqual(self.fixture.realm.members, {})


class IntroductionTests(ReviewCase):
    def test_who_was_here_before(self):
        """An authorizer that needs to know sessions gets to know those too that joined before it was there."""
        client = self.fixture.v2()
        client.ask([32, 1, {}, "a"])
        (member,) = self.fixture.realm.members.values()
        self.assertIsNone(member.principal.session)
        self.fixture.authorizer.sessions = True
        self.fixture.realm_context.chain.replace([self.fixture.authorizer])
        self.review(client)
        self.assertEqual(member.principal.session.id, member.session)
