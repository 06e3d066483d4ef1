"""The way to the right Redis: TLS that is verified, and Sentinels that know the master."""

from __future__ import annotations

import time
from typing import Any

import trustme
from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.internet.task import deferLater

from orosync.config.redis_dsn import parse
from orosync.redis_connection import NoRedisConnection, RedisConnector, RedisLink
from tests.support.ports import free_port
from tests.support.redis import Redis, Sentinel
from tests.support.redis_cases import SentinelsCase, ServersCase, trust


class LinkCase(ServersCase):
    """Servers and links of a test's own."""

    def link(self, dsn: str, trust_root: Any = None, timeout: float = 1.0) -> RedisLink:
        """A link that is closed when the test ends."""
        made = RedisLink(parse(dsn), reactor, timeout, 1000, trust_root)
        self.addCleanup(made.close)
        return made

    def answer(self, dsn: str, trust_root: Any = None) -> Deferred[Any]:
        """What the server behind ``dsn`` answers to ROLE: what it is."""
        return self.link(dsn, trust_root).connection().addCallback(lambda protocol: protocol.role())


class Tls(LinkCase):
    """rediss:// verifies who answers."""

    def setUp(self) -> None:
        self.authority = trustme.CA()
        self.port = free_port()
        self.serve(Redis([f"tls-port {self.port}", *self.tls_lines(self.authority, "localhost")]))

    async def test_verified(self) -> None:
        """The right name with a certificate of the right authority: an answer."""
        role = await self.answer(f"rediss://localhost:{self.port}", trust(self.authority))
        self.assertEqual(role[0], b"master")

    async def test_not_verified(self) -> None:
        """Another authority, the system's authorities, or another name: no password is sent."""
        local, address = f"localhost:{self.port}", f"127.0.0.1:{self.port}"
        for place, root in ((local, trust(trustme.CA())), (local, None), (address, trust(self.authority))):
            failed = await self.assertFailure(self.answer(f"rediss://secret@{place}", root), NoRedisConnection)
            self.assertRegex(str(failed), "certificate verify failed|VerificationError|No Subject Alt|mismatch")


class Sentinels(SentinelsCase, LinkCase):
    """With Sentinel the master is the server that Sentinel names."""

    async def test_sentinels_that_do_not_answer(self) -> None:
        """One Sentinel is frozen, one is gone: the third tells. None is left, or none knows the name: so it is said."""
        self.watchers[0].freeze(True)
        self.watchers[1].kill()
        link = self.link(self.dsn, timeout=0.3)
        started = time.monotonic()
        self.assertEqual((await (await link.connection()).role())[0], b"master")
        self.assertLess(time.monotonic() - started, 1)
        last = self.watchers[2]
        unknown = self.link(f"redis://127.0.0.1:{last.port}?redis_sentinel=other")
        failed = await self.assertFailure(unknown.connection(), NoRedisConnection)
        self.assertEqual(str(failed), f"Sentinel 127.0.0.1:{last.port}: knows no master 'other'")
        last.kill()
        failed = await self.assertFailure(self.link(self.dsn, timeout=0.3).connection(), NoRedisConnection)
        self.assertEqual(str(failed).count("Sentinel 127.0.0.1:"), 3)


class SentinelsWithTls(LinkCase):
    """Sentinels and master over TLS: each is verified."""

    async def test_all_are_verified(self) -> None:
        """With the right authority the master answers; a Sentinel of another authority is not believed."""
        authority, other = trustme.CA(), trustme.CA()
        ports = [free_port() for _ in range(3)]
        lines = self.tls_lines(authority, "localhost", "127.0.0.1")
        master = self.serve(Redis([f"tls-port {ports[0]}", *lines]))
        over_tls = f"sentinel monitor secured 127.0.0.1 {ports[0]} 1"
        self.serve(Sentinel(master, 1, [f"tls-port {ports[1]}", "tls-replication yes", over_tls, *lines]))
        strange = self.tls_lines(other, "localhost", "127.0.0.1")
        self.serve(Sentinel(master, 1, [f"tls-port {ports[2]}", over_tls, *strange]))
        form = "rediss://localhost:{}?redis_sentinel=secured"
        self.assertEqual((await self.answer(form.format(ports[1]), trust(authority)))[0], b"master")
        failed = await self.assertFailure(self.answer(form.format(ports[2]), trust(authority)), NoRedisConnection)
        self.assertIn("certificate verify failed", str(failed))


class Passwords(LinkCase):
    """What is logged in with."""

    async def test_sentinel_with_a_password(self) -> None:
        """A Sentinel that wants the password gets it; one that wants none does not."""
        master = self.serve(Redis(["requirepass pw"]))
        for lines in ([], ["requirepass pw"]):
            sentinel = self.serve(Sentinel(master, 1, lines))
            dsn = f"redis://pw@127.0.0.1:{sentinel.port}?redis_sentinel=mymaster"
            self.assertEqual((await self.answer(dsn))[0], b"master")

    async def test_closed_while_connecting(self) -> None:
        """A caller that waits for a connection that is given up gets an error, and nothing is left of it."""
        server = self.serve(Redis())
        server.freeze(True)
        link = self.link(f"redis://pw@127.0.0.1:{server.port}")
        waiting = link.connection()
        await deferLater(reactor, 0.05)
        await link.close()
        await self.assertFailure(waiting, NoRedisConnection)
        server.freeze(False)
        self.assertEqual(server.wait_until_left(), 0)

    async def test_two_to_one_server(self) -> None:
        """Several connections are those of one server; when a connector is closed, none is left."""
        server = self.serve(Redis())
        connector = RedisConnector(parse(f"redis://127.0.0.1:{server.port}"), reactor, 1.0, 1000)
        first, second = await connector.connect(2)
        self.assertIsNot(first, second)
        self.assertEqual(server.clients(), 2)
        await connector.close()
        self.assertEqual(server.wait_until_left(), 0)
