"""Probes of Redis, against a real server: the account of our documentation, and each mistake."""

from __future__ import annotations

import time

from orosync.model import FindingState
from tests.identity.sessions.test_redis import RedisCase
from tests.support.ports import free_port


class RedisProbes(RedisCase):
    """What a probe says."""

    async def probed(self, dsn: str = "") -> dict[str, tuple[FindingState, str, str]]:
        """The findings by their check; ``dsn`` of another store."""
        store = self.made(dsn.format(port=self.server.port)) if dsn else self.store
        return {one.check: (one.state, one.result, one.remedy) for one in await store.probe()}

    async def test_as_it_should_be(self) -> None:
        """The account of docs/sessions.md reads sessions and may do nothing else; nothing is written."""
        before = self.server.ask("DBSIZE")
        found = await self.probed()
        self.assertEqual(list(found), ["sessions:web", "sessions:web rights"])
        self.assertEqual({state for state, _, _ in found.values()}, {FindingState.OK}, found)
        self.assertEqual(self.server.ask("DBSIZE"), before)

    async def test_wrong_password(self) -> None:
        """A fault, which Redis tells, without the password."""
        ((state, result, remedy),) = (await self.probed("redis://orosync:not-the-password@127.0.0.1:{port}/3")).values()
        self.assertIs(state, FindingState.FAULT)
        self.assertIn("WRONGPASS", result)
        self.assertNotIn("not-the-password", result + remedy)
        self.assertIn("~session* -@all +get +select", remedy)

    async def test_no_login(self) -> None:
        """A DSN without user and password, where the server asks for both."""
        ((state, result, _),) = (await self.probed("redis://127.0.0.1:{port}")).values()
        self.assertEqual((state, "NOAUTH" in result), (FindingState.FAULT, True), result)

    async def test_another_prefix(self) -> None:
        """An account that may read other keys than those of the configured prefix."""
        store = self.made(self.dsn.format(port=self.server.port), prefix="shop_sessions")
        (one,) = await store.probe()
        self.assertIs(one.state, FindingState.FAULT)
        self.assertIn("NOPERM", one.result)
        self.assertIn("~shop_sessions*", one.remedy)

    async def test_no_such_database(self) -> None:
        """A number that the server has not."""
        self.server.ask("ACL", "SETUSER", "orosync", "+select")
        ((state, result, _),) = (await self.probed("redis://orosync:r%40ad%3Aer@127.0.0.1:{port}/99")).values()
        self.assertEqual((state, "DB index" in result), (FindingState.FAULT, True), result)

    async def test_too_many_rights(self) -> None:
        """An administrator's account is told as such, an account that may write as well; no session is touched."""
        self.server.ask("ACL", "SETUSER", "ruler", "on", ">all-of-it", "~*", "+@all")
        self.server.ask("ACL", "SETUSER", "writer", "on", ">some-of-it", "~session*", "-@all", "+get", "+del")
        self.put("a" * 26, b"x")
        for who, said in (
            ("ruler:all-of-it", "may change sessions, may read other keys, may administer the server"),
            ("writer:some-of-it", "the account may change sessions: more"),
        ):
            found = await self.probed(f"redis://{who}@127.0.0.1:{{port}}")
            self.assertIs(found["sessions:web"][0], FindingState.OK)
            (state, result, remedy) = found["sessions:web rights"]
            self.assertEqual((state, said in result), (FindingState.WARNING, True), result)
            self.assertIn("docs/sessions.md", remedy)
        self.assertEqual(self.server.ask("EVAL", "redis.call('SELECT', 3); return redis.call('DBSIZE')", 0), 1)

    async def test_closed_port(self) -> None:
        """Nothing answers."""
        ((state, result, remedy),) = (await self.probed(f"redis://127.0.0.1:{free_port()}")).values()
        self.assertIs(state, FindingState.UNREACHABLE)
        self.assertIn("refused", result)
        self.assertIn("start Redis", remedy)

    async def test_no_answer(self) -> None:
        """A server that hangs is unreachable, in time."""
        store = self.made(self.dsn.format(port=self.server.port), timeout=0.3)
        self.server.freeze(True)
        try:
            began = time.monotonic()
            (one,) = await store.probe()
        finally:
            self.server.freeze(False)
        self.assertIs(one.state, FindingState.UNREACHABLE, one.result)
        self.assertLess(time.monotonic() - began, 4)
