"""Users and sessions in memory stand in for real ones."""

from __future__ import annotations

from twisted.internet.defer import succeed
from twisted.trial.unittest import SynchronousTestCase, TestCase

from orosync.testing import DirectoryContract, MemoryDirectory, MemorySessionStore, SessionStoreContract


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
