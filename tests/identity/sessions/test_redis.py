"""Sessions in Redis, against real servers."""

from __future__ import annotations

import atexit
import functools
import threading
import time
from collections.abc import Mapping
from typing import Any

from twisted.internet import reactor
from twisted.internet.defer import Deferred, gatherResults, succeed
from twisted.internet.task import deferLater
from twisted.trial.unittest import TestCase

from orosync.config.redis_dsn import parse
from orosync.errors import Refused, Unavailable
from orosync.identity.php.session import LARGEST, QUICK, SessionReader
from orosync.identity.sessions.redis import RedisSessions
from orosync.identity.single_flight import SessionLookups
from orosync.interfaces import ISessionStore
from orosync.model import AdminSession
from orosync.testing import RecordingJournal, SessionStoreContract
from tests.identity.sessions import logins
from tests.support.redis import Redis

ANNA = SessionStoreContract.ANNA
ID = SessionStoreContract.ANNA_IN

READER = "orosync on >r@ad:er ~session* resetchannels -@all +get +select"
"""What docs/sessions.md tells administrators to write."""


@functools.cache
def server() -> Redis:
    """The one of this run, which lets ``orosync`` read sessions alone."""
    made = Redis(users=[READER])
    atexit.register(made.end)
    made.start()
    return made


@functools.cache
def anna() -> bytes:
    """What PHP saves for her."""
    return logins.shown({ID: ANNA})[ID]


class RedisCase(TestCase):
    """A store in service while a test lasts, on a server with Redis' ACL."""

    timeout = 60
    dsn = "redis://orosync:r%40ad%3Aer@127.0.0.1:{port}/3"
    database = 3

    def setUp(self) -> None:
        self.server = server()
        self.server.ask("FLUSHALL")
        self.store = self.made(self.dsn.format(port=self.server.port, socket=self.server.socket))

    def made(self, dsn: str, **options: Any) -> RedisSessions:
        """A store in service."""
        store = RedisSessions(
            "web",
            parse(dsn),
            SessionReader("sessions:web"),
            reactor,
            **{"prefix": "session", "timeout": 2.0, **options},
        )
        store.startService()
        self.addCleanup(store.stopService)
        return store

    def put(self, session_id: str, data: bytes, prefix: str = "session", seconds: int = 7200) -> None:
        """The application saves a session."""
        script = "redis.call('SELECT', ARGV[1]); return redis.call('SETEX', KEYS[1], ARGV[2], ARGV[3])"
        self.server.ask("EVAL", script, 1, prefix + session_id, self.database, seconds, data)

    def run_script(self, script: str, session_id: str = ID) -> Any:
        """What a script answers about a session's key."""
        chosen = f"redis.call('SELECT', {self.database}); return {script}"
        return self.server.ask("EVAL", chosen, 1, "session" + session_id)


class Contract(RedisCase, SessionStoreContract):
    """The suite, with a user who may only read sessions."""

    def make_store(self, sessions: Mapping[str, AdminSession | None]) -> Deferred[ISessionStore]:
        """See SessionStoreContract."""
        for session_id, data in logins.shown(sessions).items():
            self.put(session_id, data)
        return succeed(SessionLookups("web", self.store, RecordingJournal(), reactor, at_once=8))

    def log_out(self, session_id: str) -> None:
        """The application removes the key."""
        self.run_script("redis.call('DEL', KEYS[1])", session_id)


class Reading(RedisCase):
    """What is particular about Redis."""

    async def test_forms_of_dsn(self) -> None:
        """Every way in which Oro names a server leads to it: one word before the @ is the password."""
        self.put(ID, anna())
        admin = "the%20administrator%27s%20own"
        for dsn in (
            "redis://{admin}@127.0.0.1:{port}/3",
            "redis://:{admin}@127.0.0.1:{port}?dbindex=3",
            "redis://default:{admin}@localhost:{port}/3",
            "redis:?host[127.0.0.1:{port}]&auth={admin}&dbindex=3",
            "redis://{admin}@{socket}/3",
            "redis:?host[{socket}:]&auth={admin}&dbindex=3",
        ):
            store = self.made(dsn.format(admin=admin, port=self.server.port, socket=self.server.socket))
            self.assertEqual(await store.find(ID), ANNA, dsn)
        self.assertIsNone(await self.made(f"redis://{admin}@127.0.0.1:{self.server.port}/4").find(ID))

    async def test_prefix(self) -> None:
        """The key is prefix and id without anything between them."""
        self.put(ID, anna(), "session_app:")
        self.assertIsNone(await self.store.find(ID))
        dsn = self.dsn.format(port=self.server.port)
        self.assertEqual(await self.made(dsn, prefix="session_app:").find(ID), ANNA)

    async def test_nothing_is_prolonged_or_locked(self) -> None:
        """A look-up leaves the session's time as it is, writes nothing, and heeds no lock of the application."""
        self.put(ID, anna(), seconds=100)
        self.put(ID + ".lock", b"somebody")
        for _ in range(20):
            self.assertEqual(await self.store.find(ID), ANNA)
        self.assertLessEqual(self.run_script("redis.call('TTL', KEYS[1])"), 100)
        self.assertEqual(self.run_script("redis.call('DBSIZE')"), 2)

    async def test_expired(self) -> None:
        """An expired key is no session."""
        self.put(ID, anna())
        self.run_script("redis.call('PEXPIRE', KEYS[1], 1)")
        await deferLater(reactor, 0.02)
        self.assertIsNone(await self.store.find(ID))

    async def test_what_cannot_be_read(self) -> None:
        """A session that is cut, huge or no string costs its own user the login, and no neighbour notices."""
        self.put("b" * 30, anna())
        for data in (anna()[:-1], b"x" * (LARGEST + 1), b"y" * 5_000_000, None):
            if data is None:
                self.run_script("{redis.call('DEL', KEYS[1]), redis.call('LPUSH', KEYS[1], 'x')}")
            else:
                self.put(ID, data)
            asked = [
                self.store.find("b" * 30),
                self.assertFailure(self.store.find(ID), Refused),
                self.store.find("b" * 30),
            ]
            first, refused, last = await gatherResults(asked)
            self.assertEqual((first, last), (ANNA, ANNA))
            self.assertEqual(refused.code, "malformed_session")
        self.assertEqual(self.server.clients(), 1)

    async def test_long_sessions(self) -> None:
        """A session that takes long to read is read in a thread, many at a time too."""
        long = anna() + b'more|s:%d:"%s";' % (QUICK, b"x" * QUICK)
        self.put(ID, long)
        found = await gatherResults([self.store.find(ID) for _ in range(30)])
        self.assertEqual(found, [ANNA] * 30)

    async def test_one_connection(self) -> None:
        """A hundred look-ups share one connection; stopped, no connection and no thread is left."""
        self.put(ID, anna())
        found = await gatherResults([self.store.find(ID) for _ in range(100)])
        self.assertEqual(found, [ANNA] * 100)
        self.assertEqual(self.server.clients(), 1)
        await self.store.stopService()
        self.assertEqual(self.server.wait_until_left(), 0)
        self.assertEqual([one.name for one in threading.enumerate() if "sessions:web" in one.name], [])
        await self.assertFailure(self.store.find(ID), Unavailable)


class Refusing(RedisCase):
    """Servers that do not do what they are asked."""

    async def reason(self, store: RedisSessions) -> str:
        """Why a look-up cannot be had."""
        down = await self.assertFailure(store.find(ID), Unavailable)
        self.assertEqual(down.code, "sessions_down")
        return str(down.reason)

    async def test_reasons(self) -> None:
        """The log says what is wrong, and never the password."""
        port, closed = self.server.port, Redis()
        self.addCleanup(closed.end)
        table = [
            (f"redis://orosync:wrong-secret@127.0.0.1:{port}", "WRONGPASS"),
            (f"redis://127.0.0.1:{port}", "NOAUTH"),
            (f"redis://orosync:r%40ad%3Aer@127.0.0.1:{port}/99", "DB index is out of range"),
            (f"redis://127.0.0.1:{closed.port}", "refused"),
            (f"rediss://orosync:r%40ad%3Aer@127.0.0.1:{port}", "127.0.0.1"),
        ]
        for dsn, words in table:
            reason = await self.reason(self.made(dsn))
            self.assertIn(words, reason)
            for secret in ("wrong-secret", "r@ad", "r%40ad"):
                self.assertNotIn(secret, reason)

    async def test_key_outside_of_the_acl(self) -> None:
        """A prefix that the ACL does not allow is the administrator's mistake, told as such."""
        store = self.made(self.dsn.format(port=self.server.port), prefix="other")
        self.assertIn("NOPERM", await self.reason(store))

    async def test_frozen(self) -> None:
        """A server that answers nothing costs a look-up its time-out, no more; thawed, it serves again."""
        self.put(ID, anna())
        store = self.made(self.dsn.format(port=self.server.port), timeout=0.3)
        self.assertEqual(await store.find(ID), ANNA)
        self.server.freeze(True)
        try:
            for words in (
                "Not received",
                f"127.0.0.1:{self.server.port}: Not received",
            ):  # with a connection, and without
                started = time.monotonic()
                self.assertIn(words, await self.reason(store))
                self.assertLess(time.monotonic() - started, 1.5)
        finally:
            self.server.freeze(False)
        self.assertEqual(await store.find(ID), ANNA)

    async def test_killed_and_started_again(self) -> None:
        """Look-ups fail at once while the server is down; within 10 s of its return all users are found."""
        mortal = Redis()
        self.addCleanup(mortal.end)
        mortal.start()
        mortal.ask("SET", "session" + ID, anna())
        journal = RecordingJournal()
        store = self.made(f"redis://127.0.0.1:{mortal.port}")
        lookups = SessionLookups("web", store, journal, reactor, at_once=32)
        self.assertEqual(await lookups.find(ID), ANNA)
        mortal.kill()
        for _ in range(100):
            started = time.monotonic()
            await self.assertFailure(lookups.find(ID), Unavailable)
            self.assertLess(time.monotonic() - started, 1)
            await deferLater(reactor, 0.005)
        mortal.start()
        mortal.ask("SET", "session" + ID, anna())
        started = time.monotonic()
        while True:
            try:
                self.assertEqual(await lookups.find(ID), ANNA)
                break
            except Unavailable:
                self.assertLess(time.monotonic() - started, 10)
                await deferLater(reactor, 0.05)
        self.assertEqual(journal.counts["sessions", "recovered"], 1)
        self.assertEqual(mortal.clients(), 1)
