"""Sessions end with their credentials, and checking thousands costs little."""

from __future__ import annotations

import random
from itertools import pairwise

from twisted.internet.defer import Deferred, fail, succeed
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase
from zope.interface import implementer
from zope.interface.verify import verifyObject

from orosync.errors import Refused, Unavailable
from orosync.interfaces import IRecheck, Renewal
from orosync.model import Rights
from orosync.session.revalidation import AGAIN, ANSWER_TIMEOUT, Revalidation
from orosync.testing import RecordingJournal

INTERVAL = 300.0


@implementer(IRecheck)
class Authority:
    """``outcomes`` by standing (default: it stands); ``asked`` as (when, standing)."""

    name = "oro"
    recheck_interval = None

    def __init__(self, clock):
        self.clock = clock
        self.asked = []
        self.outcomes = {}

    def credential(self, facts, principal):
        return principal.authid

    def recheck(self, credential):
        self.asked.append((self.clock.seconds(), credential))
        outcome = self.outcomes.get(credential)
        if callable(outcome):
            return outcome()
        if isinstance(outcome, Renewal):
            return succeed(outcome)
        return outcome if isinstance(outcome, Deferred) else fail(outcome) if outcome else succeed(None)


class Session:
    def __init__(self):
        self.dismissed, self.renewed = [], []

    def dismiss(self, refusal):
        self.dismissed.append(refusal.code)


class RevalidationTests(SynchronousTestCase):
    def setUp(self):
        self.clock = Clock()
        self.journal = RecordingJournal()
        self.revalidation = Revalidation(
            self.clock,
            self.journal,
            INTERVAL,
            lambda one, rights: one.renewed.append(rights),
            chance=random.Random(1).random,
        )
        self.authority = Authority(self.clock)

    def enter(self, *credentials):
        session = Session()
        session.credentials = tuple((self.authority, credential) for credential in credentials)
        self.revalidation.entered(session, session.credentials)
        return session

    def run_for(self, seconds):
        self.clock.pump([1.0] * int(seconds))

    def test_interface(self):
        """The double is asked as authenticators are."""
        verifyObject(IRecheck, self.authority)

    def test_ended(self):
        """Whoever's login is gone is out within the interval; others stay."""
        anna, ben = self.enter("anna"), self.enter("ben")
        self.authority.outcomes["anna"] = Refused("disabled", "anna is disabled")
        self.run_for(INTERVAL)
        self.assertEqual((anna.dismissed, ben.dismissed), (["disabled"], []))
        self.run_for(10 * INTERVAL)
        self.assertEqual((anna.dismissed, ben.dismissed), (["disabled"], []))

    def test_again_and_again(self):
        """Nobody is forgotten: each interval has its look-up, and never more than 1.2 of them on average."""
        self.enter("anna")
        self.run_for(20 * INTERVAL)
        moments = [0.0] + [when for when, _ in self.authority.asked]
        self.assertLessEqual(max(later - earlier for earlier, later in pairwise(moments)), 300.0)
        self.assertTrue(20 <= len(self.authority.asked) <= 24, len(self.authority.asked))

    def test_thousands_are_cheap(self):
        """5,000 users with four tabs each who come in at once: one look-up for each user and interval, spread over it,
        and one delayed call."""
        everybody = [self.enter(user) for user in range(5000) for _ in range(4)]
        self.assertEqual(len(self.clock.getDelayedCalls()), 1)
        for _ in range(int(INTERVAL)):
            before = len(self.authority.asked)
            self.clock.advance(1.0)
            self.assertLess(len(self.authority.asked) - before, 60)
            self.assertEqual(len(self.clock.getDelayedCalls()), 1)
        self.assertTrue(5000 <= len(self.authority.asked) < 5800, len(self.authority.asked))
        self.assertEqual(len({user for _, user in self.authority.asked}), 5000)
        for session in everybody:
            self.revalidation.left(session)
        self.run_for(INTERVAL + 1)
        asked = len(self.authority.asked)
        self.run_for(INTERVAL)
        self.assertEqual(len(self.authority.asked), asked, "nobody is left to ask about")
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_all_sessions_of_a_user(self):
        """One answer ends all sessions that rest on it; a session may rest on several things."""
        tabs = [self.enter("anna") for _ in range(3)]
        both = self.enter("anna", "cookie")
        other = self.enter("cookie")
        self.authority.outcomes["anna"] = Refused("password_changed", "")
        self.run_for(INTERVAL)
        self.assertEqual([tab.dismissed for tab in [*tabs, both]], [["password_changed"]] * 4)
        self.assertEqual(other.dismissed, [])

    def test_other_rights(self):
        """Sessions whose user has other rights get them, all at once, and rest on what is true now from then on: with
        those who came later, and until they leave."""
        rights = Rights(frozenset({7}), frozenset({"ROLE_B"}))
        tabs = [self.enter("anna, A") for _ in range(2)]
        both = self.enter("cookie", "anna, A")
        later = self.enter("anna, B")
        self.authority.outcomes["anna, A"] = Renewal("anna, B", rights)
        self.run_for(INTERVAL)
        self.assertEqual([one.renewed for one in (*tabs, both, later)], [[rights]] * 3 + [[]])
        self.assertEqual([one.dismissed for one in (*tabs, both, later)], [[]] * 4)
        self.authority.asked.clear()
        self.revalidation.left(tabs[0])
        self.authority.outcomes["anna, B"] = Refused("disabled", "")
        self.run_for(INTERVAL)
        self.assertNotIn("anna, A", [credential for _, credential in self.authority.asked])
        self.assertEqual([one.dismissed for one in (*tabs, both, later)], [[], *[["disabled"]] * 3])

    def test_rights_that_cannot_be_given(self):
        """Such a session ends rather than keep those that it had; the others get theirs."""
        tabs = [self.enter("anna, A") for _ in range(3)]
        tabs[1].renewed = None
        self.authority.outcomes["anna, A"] = Renewal("anna, B", Rights(frozenset(), frozenset()))
        self.run_for(INTERVAL)
        self.assertEqual([tab.dismissed for tab in tabs], [[], ["rights_changed"], []])
        self.assertEqual([len(tab.renewed) for tab in (tabs[0], tabs[2])], [1, 1])
        self.assertEqual(len(self.flushLoggedErrors(AttributeError)), 1)

    def test_left(self):
        """Whoever has gone is neither asked about nor dismissed."""
        anna, tab = self.enter("anna"), self.enter("anna")
        self.revalidation.left(anna)
        self.authority.outcomes["anna"] = Refused("disabled", "")
        self.run_for(INTERVAL)
        self.assertEqual((anna.dismissed, tab.dismissed), ([], ["disabled"]))
        self.revalidation.left(tab)
        ben = self.enter("ben")
        self.revalidation.left(ben)
        asked = len(self.authority.asked)
        self.run_for(INTERVAL)
        self.assertEqual(len(self.authority.asked), asked)

    def test_comes_back(self):
        """A new session of a dismissed user rests on its own login; one within the interval joins the first's turn."""
        self.enter("anna")
        self.authority.outcomes["anna"] = Refused("disabled", "")
        self.run_for(INTERVAL)
        self.authority.outcomes.clear()
        again = self.enter("anna")
        self.revalidation.left(again)
        once_more = self.enter("anna")
        self.assertEqual(len(self.clock.getDelayedCalls()), 1)
        self.authority.outcomes["anna"] = Refused("disabled", "")
        self.run_for(INTERVAL)
        self.assertEqual((again.dismissed, once_more.dismissed), ([], ["disabled"]))

    def test_down(self):
        """While nobody can tell, everybody stays, and is asked about again soon; what breaks counts as down."""
        anna = self.enter("anna")
        for failure in (Unavailable("directory_down", "it is down"), ValueError("broken")):
            self.authority.outcomes["anna"] = failure
            self.run_for(2 * INTERVAL)
            self.assertEqual(anna.dismissed, [])
        self.assertEqual(self.journal.notes[0][:2], ("recheck.postponed", "directory_down"))
        self.assertEqual(self.journal.notes[-1][:2], ("recheck.postponed", "ValueError"))
        self.assertNotIn("broken", str(self.journal.notes))
        self.authority.outcomes["anna"] = Refused("disabled", "")
        self.run_for(AGAIN)
        self.assertEqual(anna.dismissed, ["disabled"])

    def test_few_at_once(self):
        """Only a few questions are under way at any time; the others wait and none is lost."""
        waiting = []

        def slow():
            answer = Deferred()
            waiting.append(answer)
            return answer

        for user in range(100):
            self.enter(user)
            self.authority.outcomes[user] = slow
        most = 0
        for second in range(2 * int(INTERVAL)):
            self.clock.advance(1.0)
            most = max(most, len(waiting))
            if waiting and second % 3 == 0:
                waiting.pop(0).callback(None)
        self.assertEqual(most, 8)
        self.assertEqual(len({user for _, user in self.authority.asked}), 100)

    def test_no_answer(self):
        """A question that is never answered does not stand in the others' way for ever."""
        given_up = []
        session = self.enter("anna")
        self.authority.outcomes["anna"] = lambda: Deferred(given_up.append)
        self.run_for(INTERVAL / 2 - 1)
        while not self.authority.asked:
            self.run_for(1)
        self.assertEqual(given_up, [])
        self.run_for(ANSWER_TIMEOUT)
        self.assertEqual(len(given_up), 1)
        self.assertEqual(session.dismissed, [])
        self.assertEqual(self.journal.notes[0][:2], ("recheck.postponed", "TimeoutError"))

    def test_many_due_at_once(self):
        """After the process was stopped for long all are due, and the reactor is not held up by them."""
        for user in range(1000):
            self.enter(user)
        turns = []
        call_later = self.clock.callLater
        self.clock.callLater = lambda *args: turns.append(len(self.authority.asked)) or call_later(*args)
        self.clock.advance(INTERVAL)
        self.assertEqual(len(self.authority.asked), 1000)
        self.assertLessEqual(max(later - earlier for earlier, later in pairwise([0, *turns])), 100)

    def test_interval_of_an_authenticator(self):
        """An authenticator may ask for its own sessions to be looked at more often."""
        cookies = Authority(self.clock)
        cookies.name, cookies.recheck_interval = "cookie", 5.0
        self.enter("anna")
        session = Session()
        self.revalidation.entered(session, ((cookies, "x"),))
        cookies.outcomes["x"] = Refused("logged_out", "")
        self.run_for(5)
        self.assertEqual(session.dismissed, ["logged_out"])
        self.assertEqual(self.authority.asked, [])

    def test_what_cannot_be_ended(self):
        """A session that fails to end is reported, and the others are looked at all the same."""
        broken, ben = self.enter("anna"), self.enter("ben")
        broken.dismiss = None
        for user in ("anna", "ben"):
            self.authority.outcomes[user] = Refused("disabled", "")
        self.run_for(INTERVAL)
        self.assertEqual(ben.dismissed, ["disabled"])
        self.assertEqual(len(self.flushLoggedErrors(TypeError)), 1)

    def test_stop(self):
        """After the stop nothing is asked, planned or dismissed, whatever answers still come."""
        answer = Deferred()
        session = self.enter("anna")
        self.authority.outcomes["anna"] = answer
        self.run_for(INTERVAL)
        self.enter("ben")
        self.revalidation.stop()
        answer.errback(Refused("disabled", ""))
        asked = len(self.authority.asked)
        self.enter("carl")
        self.run_for(2 * INTERVAL)
        self.assertEqual((session.dismissed, len(self.authority.asked)), ([], asked))
        self.assertEqual(self.clock.getDelayedCalls(), [])
