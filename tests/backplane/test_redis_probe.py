"""Tests of orosync.backplane.redis_probe, against a real Redis with users of many kinds."""

from __future__ import annotations

import atexit
import functools

from twisted.internet import reactor
from twisted.internet.threads import deferToThread
from twisted.trial.unittest import TestCase
from zope.interface.verify import verifyObject

from orosync.backplane.redis import RedisBackplane
from orosync.backplane.redis_probe import _commands
from orosync.backplane.redis_scripts import ACL
from orosync.config.redis_dsn import parse
from orosync.interfaces import IProbe
from orosync.model import Finding, FindingState
from orosync.testing import RecordingJournal
from tests.backplane.nodes import RecordingUser
from tests.support.ports import free_port
from tests.support.redis import Redis

PASSWORD = "secret of Redis"


@functools.cache
def server() -> Redis:
    """The one of this run."""
    fewer = ACL.replace(" +xadd", "").replace(" +evalsha", "")
    made = Redis(
        users=[
            f'orosync on ">{PASSWORD}" ~orosync:* {ACL}',
            f'elsewhere on ">{PASSWORD}" ~other:* {ACL}',
            f'fewer on ">{PASSWORD}" ~orosync:* {fewer}',
            f'everything on ">{PASSWORD}" ~* +@all',
        ]
    )
    atexit.register(made.end)
    made.start()
    return made


class Probe(TestCase):
    """What ``orosync check-config --probe`` says about the Redis of several nodes."""

    timeout = 30

    def backplane(self, user: str = "orosync", password: str = PASSWORD, at: str = "") -> RedisBackplane:
        place = at or f"127.0.0.1:{server().port}"
        dsn = parse(f"redis://{user}:{password.replace(' ', '%20')}@{place}/0")
        return RedisBackplane(dsn, "orosync", reactor, RecordingJournal())

    async def found(self, user: str = "orosync", password: str = PASSWORD, at: str = "") -> list[Finding]:
        backplane = self.backplane(user, password, at)
        verifyObject(IProbe, backplane)
        found = list(await backplane.probe())
        for one in found:
            self.assertNotIn(PASSWORD, repr(one))
        return found

    async def test_the_account_of_the_page(self) -> None:
        """It may do what nodes need, and no more; nothing is left behind, and no node has joined."""
        server().ask("FLUSHALL")
        (found,) = await self.found()
        self.assertEqual(found.state, FindingState.OK)
        self.assertEqual(found.result, "Redis can be used; nodes that are running: none")
        self.assertEqual(server().ask("KEYS", "*"), [])
        self.assertEqual(await deferToThread(server().wait_until_left), 0)

    async def test_nodes_that_are_running(self) -> None:
        """They are named, also those of the asking router itself."""
        server().ask("FLUSHALL")
        backplane = self.backplane()
        await backplane.start(RecordingUser("ws1"))
        try:
            (found,) = await self.found()
            self.assertIn("nodes that are running: ws1", found.result)
            (own,) = await backplane.probe()
            self.assertEqual(own, found)
        finally:
            await backplane.stop()

    async def test_commands_that_are_missing(self) -> None:
        """Each is named, with what to write in the ACL."""
        (found,) = await self.found("fewer")
        self.assertEqual(found.state, FindingState.FAULT)
        self.assertEqual(found.result, "the account may not use evalsha, xadd on keys orosync:*")
        self.assertEqual(found.remedy, f"in Redis' ACL give the user ~orosync:* {ACL}")

    async def test_other_keys(self) -> None:
        """An account for another prefix may do nothing with the keys of nodes."""
        (found,) = await self.found("elsewhere")
        self.assertEqual(found.state, FindingState.FAULT)
        self.assertIn("may not use set, get,", found.result)

    async def test_too_many_rights(self) -> None:
        """Redis' administrator is more than is needed."""
        first, rights = await self.found("everything")
        self.assertEqual((first.state, rights.state), (FindingState.OK, FindingState.WARNING))
        self.assertIn("may read other keys, may administer the server", rights.result)

    async def test_not_reachable(self) -> None:
        """Nobody listens there."""
        (found,) = await self.found(at=f"127.0.0.1:{free_port()}")
        self.assertEqual(found.state, FindingState.UNREACHABLE)
        self.assertIn("refused", found.result)
        self.assertEqual(found.remedy, "start Redis, or correct host and port in dsn")

    async def test_wrong_password(self) -> None:
        """The account is to be corrected."""
        (found,) = await self.found(password="wrong")
        self.assertEqual(found.state, FindingState.FAULT)
        self.assertIn("WRONGPASS", found.result)
        self.assertEqual(found.remedy, "correct user and password in dsn")

    def test_all_commands(self) -> None:
        """What is tried out is what the page asks for, but for SELECT, which connecting to another database needs."""
        tried = {name for name, _ in _commands("orosync")}
        asked = {word[1:] for word in ACL.split() if word.startswith("+")}
        self.assertEqual(tried, asked - {"select"})
