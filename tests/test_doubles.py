"""Users and sessions in memory stand in for real ones."""

from __future__ import annotations

from twisted.internet.defer import Deferred, succeed
from twisted.trial.unittest import SynchronousTestCase, TestCase
from zope.interface.verify import verifyObject

from orosync.errors import CallFailed
from orosync.interfaces import ICaller
from orosync.testing import (
    DirectoryContract,
    MemoryDirectory,
    MemorySessionStore,
    ScriptedCaller,
    SessionStoreContract,
)


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


class MemoryDirectoryTests(DirectoryContract, TestCase):
    """The double keeps the contract that it stands in for."""

    def make_directory(self, users):
        return succeed(MemoryDirectory(*users))


class MemorySessionStoreTests(SessionStoreContract, TestCase):
    """The double keeps the contract that it stands in for."""

    def make_store(self, sessions):
        self.sessions = MemorySessionStore(sessions)
        return succeed(self.sessions)

    def log_out(self, session_id):
        del self.sessions.sessions[session_id]
