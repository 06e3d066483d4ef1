"""The public doubles do what they say."""

from __future__ import annotations

from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase
from zope.interface.verify import verifyObject

from orosync.errors import CallFailed
from orosync.interfaces import IAuthorizer, ICaller, IJournal, ILink
from orosync.model import Action, Match, Verdict
from orosync.testing import (
    MemoryDirectory,
    MemoryLink,
    MemorySessionStore,
    RecordingJournal,
    ScriptedAuthorizer,
    ScriptedCaller,
    connection_facts,
    principal,
)


class DoubleTests(SynchronousTestCase):
    def test_they_provide_the_ports(self):
        """Each stands in for the real thing."""
        verifyObject(ILink, MemoryLink())
        verifyObject(IJournal, RecordingJournal())
        verifyObject(IAuthorizer, ScriptedAuthorizer())

    def test_link(self):
        """It keeps what is pushed until it is ended, and the first ending."""
        link = MemoryLink()
        link.push(b"a")
        link.close(1000, "bye")
        link.push(b"b")
        link.drop("again")
        self.assertEqual((link.take(), link.take(), link.ended), ([b"a"], [], ("close", 1000, "bye")))

    def test_authorizer(self):
        """It answers as scripted, and remembers what it was asked."""
        authorizer = ScriptedAuthorizer(Verdict.DENY)
        authorizer.answers[Action.CALL, "x"] = ValueError("broken")
        answer = authorizer.authorize(principal(), Action.PUBLISH, "t", Match.EXACT, {})
        self.assertEqual(answer.verdict, Verdict.DENY)
        with self.assertRaises(ValueError):
            authorizer.authorize(principal(), Action.CALL, "x", Match.EXACT, {})
        self.assertEqual(authorizer.asked[0], ("anna", Action.PUBLISH, "t", Match.EXACT))

    def test_values(self):
        """Facts and principals can be varied."""
        self.assertEqual(connection_facts(path="/x").path, "/x")
        self.assertEqual(principal("ben", user_id=2).user_id, 2)


class ControlTests(SynchronousTestCase):
    def test_look_ups(self):
        """Directory and store can be told to be down or to be slow, and keep what they were asked."""
        for double, login in ((MemoryDirectory(), "anna"), (MemorySessionStore(), "a" * 26)):
            double.failure = ValueError("down")
            self.failureResultOf(double.find(login), ValueError)
            double.pending = []
            answer = double.find(login)
            self.assertNoResult(answer)
            double.pending[0].callback(None)
            self.assertIsNone(self.successResultOf(answer))
            self.assertEqual(double.asked, [login, login])


class ScriptedCallerTests(SynchronousTestCase):
    def test_answers(self):
        """A result, a failure, or whatever the test still holds; each call is kept."""
        caller = ScriptedCaller(([1], {"a": 2}))
        verifyObject(ICaller, caller)
        self.assertEqual(self.successResultOf(caller.call("p", [7], callee_roles=["r"])), ([1], {"a": 2}))
        caller.answer = CallFailed("com.error")
        self.failureResultOf(caller.call("q"), CallFailed)
        caller.answer = Deferred()
        self.assertIs(caller.call("q"), caller.answer)
        self.assertEqual(caller.asked, [("p", [7], ["r"]), ("q", (), None), ("q", (), None)])
