"""The way to the right Redis: TLS that is verified, and Sentinels that know the master."""

from __future__ import annotations

import atexit
import functools
import shutil
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import trustme
from twisted.internet import reactor
from twisted.internet.defer import Deferred, succeed
from twisted.internet.ssl import Certificate, trustRootFromCertificates
from twisted.internet.task import deferLater
from twisted.trial.unittest import TestCase

from orosync.config.redis_dsn import parse
from orosync.errors import Unavailable
from orosync.identity.php.session import SessionReader
from orosync.identity.sessions.redis import RedisSessions
from orosync.identity.sessions.redis_link import NoRedisConnection, RedisLink
from orosync.identity.single_flight import SessionLookups
from orosync.interfaces import ISessionStore
from orosync.model import AdminSession
from orosync.testing import RecordingJournal, SessionStoreContract
from tests.identity.sessions import logins
from tests.support.ports import free_port
from tests.support.redis import Redis, Sentinel

ANNA = SessionStoreContract.ANNA
ID = SessionStoreContract.ANNA_IN


def trust(authority: trustme.CA) -> Any:
    """Certificates of ``authority`` and no others."""
    return trustRootFromCertificates([Certificate.loadPEM(authority.cert_pem.bytes())])


class LinkCase(TestCase):
    """Servers and links of a test's own."""

    timeout = 60

    def serve(self, server: Redis) -> Any:
        """It runs until the test ends."""
        self.addCleanup(server.end)
        server.start()
        return server

    def link(self, dsn: str, trust_root: Any = None, timeout: float = 1.0) -> RedisLink:
        """A link that is closed when the test ends."""
        made = RedisLink(parse(dsn), reactor, timeout, 1000, trust_root)
        self.addCleanup(made.close)
        return made

    def answer(self, dsn: str, trust_root: Any = None) -> Deferred[Any]:
        """What the server behind ``dsn`` answers to ROLE: what it is."""
        return self.link(dsn, trust_root).connection().addCallback(lambda protocol: protocol.role())

    def tls_lines(self, authority: trustme.CA, *names: str) -> list[str]:
        """What redis.conf says of a server with a certificate for ``names``."""
        directory = Path(tempfile.mkdtemp(prefix="orosync-redis-tls-"))
        self.addCleanup(shutil.rmtree, directory)
        directory.chmod(0o755)
        issued = authority.issue_cert(*names)
        for name, blob in (("key", issued.private_key_pem), ("cert", issued.cert_chain_pems[0])):
            blob.write_to_path(str(directory / name))
            (directory / name).chmod(0o644)
        authority.cert_pem.write_to_path(str(directory / "authority"))
        return [
            f"tls-cert-file {directory / 'cert'}",
            f"tls-key-file {directory / 'key'}",
            f"tls-ca-cert-file {directory / 'authority'}",
            "tls-auth-clients no",
        ]


@functools.cache
def promoted() -> tuple[Redis, str]:
    """What a Sentinel has made the master of this run after the first one was killed, and the DSN that leads there."""
    master = Redis()
    replica = Redis([f"replicaof 127.0.0.1 {master.port}"])
    sentinel = Sentinel(master)
    for one in (master, replica, sentinel):
        atexit.register(one.end)
        one.start()
    sentinel.wait_for_replicas(1)
    master.kill()
    deadline = time.monotonic() + 20
    while sentinel.ask("SENTINEL", "GET-MASTER-ADDR-BY-NAME", "mymaster")[1] != b"%d" % replica.port:
        if time.monotonic() > deadline:
            raise AssertionError("the replica is not made the master")
        time.sleep(0.1)
    return replica, f"redis:?host[127.0.0.1:{sentinel.port}]&redis_sentinel=mymaster"


class ContractCase(LinkCase, SessionStoreContract):
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


class Sentinels(LinkCase):
    """With Sentinel the master is the server that Sentinel names."""

    def setUp(self) -> None:
        self.master = self.serve(Redis())
        self.replica = self.serve(Redis([f"replicaof 127.0.0.1 {self.master.port}"]))
        self.watchers = [self.serve(Sentinel(self.master, quorum=2)) for _ in range(3)]
        places = "&".join(f"host[127.0.0.1:{one.port}]" for one in self.watchers)
        self.dsn = f"redis:?{places}&redis_sentinel=mymaster"

    def settled(self) -> None:
        """Until the Sentinels know each other and the replica, which has what the master has."""
        for one in self.watchers:
            one.wait_for_replicas(1)
        deadline = time.monotonic() + 15
        while len(self.watchers[0].ask("SENTINEL", "SENTINELS", "mymaster")) < 2 or not self.replica.ask(
            "EXISTS", "session" + ID
        ):
            self.assertLess(time.monotonic(), deadline, "the Sentinels do not find each other")
            time.sleep(0.1)

    async def test_failover(self) -> None:
        """The master is killed: no user is found meanwhile; within 10 s all are, at the new one."""
        data = logins.shown({ID: ANNA})[ID]
        self.master.ask("SET", "session" + ID, data)
        self.settled()
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
