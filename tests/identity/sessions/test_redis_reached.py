"""Sessions in a Redis that is reached over TLS or by way of Sentinels."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

import trustme
from twisted.internet import reactor
from twisted.internet.defer import Deferred, succeed
from twisted.internet.task import deferLater

from orosync.config.redis_dsn import parse
from orosync.errors import Unavailable
from orosync.identity.php.session import SessionReader
from orosync.identity.sessions.redis import RedisSessions
from orosync.identity.single_flight import SessionLookups
from orosync.interfaces import ISessionStore
from orosync.model import AdminSession
from orosync.testing import RecordingJournal, SessionStoreContract
from tests.identity.sessions import logins
from tests.support.ports import free_port
from tests.support.redis import Redis
from tests.support.redis_cases import SentinelsCase, ServersCase, promoted, trust

ANNA = SessionStoreContract.ANNA
ID = SessionStoreContract.ANNA_IN


class ContractCase(ServersCase, SessionStoreContract):
    """The suite, on a server that is not reached directly and in the clear; those who inherit say how."""

    def reached(self) -> tuple[Redis, str, Any]:
        """The server, its DSN, and the authorities of its certificate."""
        raise NotImplementedError

    def make_store(self, sessions: Mapping[str, AdminSession | None]) -> Deferred[ISessionStore]:
        """See SessionStoreContract."""
        self.server, dsn, root = self.reached()
        self.server.ask("FLUSHALL")
        for session_id, data in logins.shown(sessions).items():
            self.server.ask("SET", "session" + session_id, data)
        store = RedisSessions("web", parse(dsn), SessionReader("sessions:web"), reactor, "session", 2.0, root)
        store.startService()
        self.addCleanup(store.stopService)
        return succeed(SessionLookups("web", store, RecordingJournal(), reactor, at_once=8))

    def log_out(self, session_id: str) -> None:
        """The application removes the key."""
        self.server.ask("DEL", "session" + session_id)


class ContractOverTls(ContractCase):
    """The suite over TLS."""

    def reached(self) -> tuple[Redis, str, Any]:
        """A server of the test's own."""
        authority, port = trustme.CA(), free_port()
        server = self.serve(Redis([f"tls-port {port}", *self.tls_lines(authority, "localhost")]))
        return server, f"rediss://localhost:{port}", trust(authority)


class ContractAfterFailover(ContractCase):
    """The suite on whom a Sentinel has promoted."""

    def reached(self) -> tuple[Redis, str, Any]:
        """The one of this run."""
        return *promoted(), None


del ContractCase  # it is no case by itself


class Failover(SentinelsCase):
    """A Sentinel promotes the replica."""

    async def test_failover(self) -> None:
        """The master is killed: no user is found meanwhile; within 10 s all are, at the new one."""
        data = logins.shown({ID: ANNA})[ID]
        self.master.ask("SET", "session" + ID, data)
        self.settled("session" + ID)
        inner = RedisSessions("web", parse(self.dsn), SessionReader("sessions:web"), reactor, "session", 1.0)
        inner.startService()
        self.addCleanup(inner.stopService)
        store = SessionLookups("web", inner, RecordingJournal(), reactor, at_once=32)
        self.assertEqual(await store.find(ID), ANNA)
        self.assertEqual(self.master.clients(), 1)
        self.master.kill()
        killed, refused = time.monotonic(), 0
        while True:
            try:
                self.assertEqual(await store.find(ID), ANNA)
                break
            except Unavailable:
                refused += 1
                self.assertLess(time.monotonic() - killed, 10)
                await deferLater(reactor, 0.05)
        self.assertGreater(refused, 0)
        self.assertEqual(self.replica.ask("ROLE")[0], b"master")
        self.assertEqual(self.replica.clients(), 1)
        await inner.stopService()
        self.assertEqual(self.replica.wait_until_left(), 0)
        self.assertEqual([one.wait_until_left() for one in self.watchers[:1]], [0])
