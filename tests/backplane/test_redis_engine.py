"""The two connections of a node: what is asked, what is posted, and how they end."""

from __future__ import annotations

import re
from typing import Any

from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase, TestCase

from orosync.backplane.redis_engine import QUEUED, RedisEngine, explained
from orosync.backplane.redis_scripts import ONCE
from orosync.config.redis_dsn import parse
from orosync.redis_connection import NoRedisConnection, RedisConnector
from tests.backplane.test_redis import server


class Connections(TestCase):
    """On a real server."""

    timeout = 30

    async def engine(self, timeout: float = 2.0) -> RedisEngine:
        """One with the scripts."""
        dsn = parse(f"redis://orosync:secret@127.0.0.1:{server().port}")
        connector = RedisConnector(dsn, reactor, timeout, 1000)
        self.addCleanup(connector.close)
        made = RedisEngine(*await connector.connect(2), "orosync")  # type: ignore[call-arg]
        await made.prepare()
        return made

    def setUp(self) -> None:
        server().ask("FLUSHALL")

    async def test_order(self) -> None:
        """What is posted and asked is done in its order."""
        engine = await self.engine()
        for at in range(100):
            engine.post(10, "RPUSH", "orosync:list", b"%d" % at)
        found = await engine.ask("LRANGE", "orosync:list", 0, -1)
        self.assertEqual(found, [b"%d" % at for at in range(100)])
        self.assertEqual(engine.queued, 0)

    async def test_limit(self) -> None:
        """What would be too much with what waits already is not sent; the rest is."""
        engine = await self.engine()
        posted = engine.post(QUEUED - 5, "RPUSH", "orosync:list", "x")
        self.assertIsNone(engine.post(6, "RPUSH", "orosync:list", "y"))
        assert posted is not None
        self.assertEqual(await posted, 1)
        again = engine.post(6, "RPUSH", "orosync:list", "z")
        assert again is not None
        self.assertEqual(await again, 2)

    async def test_a_command_fails(self) -> None:
        """One that Redis refuses costs itself only."""
        engine = await self.engine()
        await engine.ask("SET", "orosync:text", "x")
        failed = await self.assertFailure(engine.ask("RPUSH", "orosync:text", "y"), NoRedisConnection)
        self.assertIn("WRONGTYPE", str(failed))
        failed = await self.assertFailure(engine.ask("FLUSHALL"), NoRedisConnection)
        self.assertRegex(str(failed), r"NOPERM.*'flushall'.*in Redis' ACL give the user ~orosync:\*")
        self.assertFalse(engine.lost.called)
        self.assertEqual(await engine.ask("GET", "orosync:text"), b"x")

    async def test_scripts_are_gone(self) -> None:
        """A server that has forgotten the scripts is given up: they are loaded by whoever connects."""
        engine = await self.engine()
        server().ask("SCRIPT", "FLUSH")
        await self.assertFailure(engine.run(ONCE, ["orosync:once:x"], "", 1000), NoRedisConnection)
        self.assertIn("NOSCRIPT", await engine.lost)

    async def test_one_of_them_is_lost(self) -> None:
        """The other one ends too, and whoever waits gets the reason; later commands fail at once."""
        for at in (0, 1):
            engine = await self.engine()
            lines = server().ask("CLIENT", "LIST", "TYPE", "NORMAL").splitlines()
            ids = [re.search(rb"id=(\d+)", line)[1] for line in lines if b"user=orosync" in line]  # type: ignore[index]
            reading: Deferred[Any] = Deferred.fromCoroutine(engine.entries("orosync:none", b"0-0"))
            server().ask("CLIENT", "KILL", "ID", ids[at])
            self.assertIn("connection", (await engine.lost).lower())
            await self.assertFailure(reading, NoRedisConnection)
            await self.assertFailure(engine.ask("GET", "orosync:x"), NoRedisConnection)
            posted = engine.post(1, "GET", "orosync:x")
            assert posted is not None
            await self.assertFailure(posted, NoRedisConnection)
            self.assertEqual(engine.queued, 0)
            server().wait_until_left()

    async def test_no_answer(self) -> None:
        """A command that is not answered in time ends both."""
        engine = await self.engine(timeout=0.3)
        server().freeze(True)
        self.addCleanup(server().freeze, False)
        failed = await self.assertFailure(engine.ask("GET", "orosync:x"), NoRedisConnection)
        self.assertIn("Not received", str(failed))
        self.assertIn("Not received", await engine.lost)


class Remedies(SynchronousTestCase):
    """What an administrator is told besides Redis' own words."""

    def test_each(self) -> None:
        """Reasons of Redis 6 and 7, and what to do."""
        for reason, remedy in (
            ("NOAUTH Authentication required.", "user and password in dsn"),
            ("WRONGPASS invalid username-password pair or user is disabled.", "user and password in dsn"),
            ("NOPERM this user has no permissions to run the 'xadd' command", "give the user ~shop:* resetchannels"),
            ("ERR The user executing the script can't run this command or subcommand", "give the user ~shop:*"),
            ("READONLY You can't write against a read only replica.", "or Sentinels"),
            ("OOM command not allowed when used memory > 'maxmemory'.", "noeviction"),
            ("LOADING Redis is loading the dataset in memory", "by itself"),
            ("MISCONF Redis is configured to save RDB snapshots, but", "see its log"),
            ("NOREPLICAS Not enough good replicas to write.", "min-replicas-to-write"),
            ("ERR unknown command 'XADD'", "6.2"),
            ("ERR DB index is out of range", "database in dsn"),
        ):
            told = explained(reason, "shop")
            self.assertTrue(told.startswith(f"{reason}: "), told)
            self.assertIn(remedy, told)
        self.assertEqual(explained("something else", "shop"), "something else")
