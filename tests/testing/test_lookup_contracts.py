"""Users and sessions in memory keep the contracts of real ones."""

from __future__ import annotations

from twisted.internet.defer import succeed
from twisted.trial.unittest import TestCase

from orosync.testing import (
    DirectoryContract,
    MemoryDirectory,
    MemorySessionStore,
    SessionStoreContract,
    SharedPasswordsContract,
)


class MemoryDirectoryTests(DirectoryContract, SharedPasswordsContract, TestCase):
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
