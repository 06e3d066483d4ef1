"""Nodes in Redis come, go, lose it and find it again."""

from __future__ import annotations

import time
from functools import partial
from typing import Any

import trustme
from twisted.internet import reactor
from twisted.internet.defer import gatherResults
from twisted.internet.task import deferLater

from orosync.backplane.redis import RedisBackplane
from orosync.errors import NodeNameTaken, Unavailable
from orosync.interfaces import IBackplane
from orosync.testing import BackplaneOutageContract
from tests.backplane.nodes import RecordingUser, until
from tests.backplane.test_redis import USER, NodesCase, die
from tests.support.ports import free_port
from tests.support.redis import Redis, Sentinel
from tests.support.redis_cases import SentinelsCase, ServersCase, trust

Node = tuple[RedisBackplane, RecordingUser]


class Presence(NodesCase):
    """Who is there."""

    lease = 1.0

    async def test_come_and_go(self) -> None:
        """Nodes hear of each other's coming and going at once, and a node is not told of itself."""
        (_, first), (_, second) = await self.joined("a", "b")
        third = RecordingUser("c")
        three = self.made()
        await three.start(third)
        self.assertLess(await until(lambda: ("joined", "c", third.boot) in first.told and len(third.told) == 2), 0.4)
        await three.stop()
        self.assertLess(await until(lambda: ("left", "c", third.boot) in first.told), 0.4)
        await until(lambda: ("left", "c", third.boot) in second.told)
        self.assertEqual((first.stopped, second.stopped), ({third.boot}, {third.boot}))
        self.assertEqual(first.what(), ["joined", "joined", "left"])
        self.assertEqual(third.what(), ["joined", "joined"])
        self.assertEqual(self.server.ask("HKEYS", "orosync:nodes"), [b"a", b"b"])

    async def test_name_is_taken(self) -> None:
        """A second node of one name does not join, and the first is left alone."""
        ((one, user),) = await self.joined("a")
        second = self.made()
        failed = await self.assertFailure(second.start(RecordingUser("a")), NodeNameTaken)
        self.assertIn("a name of its own", str(failed))
        self.assertFalse(second.available)
        await second.stop()
        self.assertTrue(one.available)
        self.assertEqual(user.told, [])

    async def test_death(self) -> None:
        """A node that is gone without a word is missed when its lease has ended; nothing of it is left soon after."""
        (one, user), (two, second) = await self.joined("a", "b")
        await two.claim("key", "")
        await deferLater(reactor, 0.5)
        await die(two)
        self.assertEqual((await one.claim("key", "")).holder, "b")
        one.send("b", b"for nobody")
        seconds = await until(lambda: ("left", "b", second.boot) in user.told)
        self.assertTrue(0.5 < seconds < 1.5, seconds)
        self.assertEqual(user.stopped, set(), "nobody knows whether it lives")
        self.assertEqual((await one.claim("key", "")).holder, "")
        await until(lambda: f"orosync:in:b:{second.boot}" not in self.keys())
        self.assertEqual(self.keys(), ["orosync:claims", f"orosync:in:a:{user.boot}", "orosync:nodes"])
        self.assertEqual(self.server.ask("HLEN", "orosync:claims"), 1)

    async def test_lease_ended(self) -> None:
        """A node whose lease has ended may live: it has not stopped, and joins again with the same boot."""
        (_, first), (two, second) = await self.joined("a", "b")
        node = two._node
        assert node is not None
        await until(lambda: node._look is not None and node._look.active())
        assert node._look is not None
        node._look.cancel()  # it stands still
        await until(lambda: first.what()[1:] == ["left"])
        node.look_soon(0.0)
        await until(lambda: first.what()[1:] == ["left", "joined"])
        self.assertEqual(first.told[1:], [("left", "b", second.boot), ("joined", "b", second.boot)])
        self.assertEqual((first.stopped, second.what()[-2:], two.available), (set(), ["lost", "back"], True))

    async def test_all_die(self) -> None:
        """When the last node has died, nothing is left but what is kept."""
        ((one, _),) = await self.joined("a")
        await one.claim("key", "")
        one.put("area", "key", b"value")
        await one.load("area")
        await die(one)
        await until(lambda: self.keys() == ["orosync:kept:area"])

    async def test_again_after_death(self) -> None:
        """A node that is started again, after it was killed, waits for the end of its old lease and joins."""
        (_, user), (two, second) = await self.joined("a", "b")
        await die(two)
        again = RecordingUser("b")
        began = time.monotonic()
        await self.made().start(again)
        self.assertLess(time.monotonic() - began, 1.5)
        await until(lambda: user.told[-2:] == [("left", "b", second.boot), ("joined", "b", again.boot)])


class Outages(NodesCase):
    """Redis is away and comes back."""

    lease = 2.0

    def setUp(self) -> None:
        super().setUp()
        self.server = Redis(users=[USER])
        self.addCleanup(self.server.end)
        self.server.start()

    async def joined(self, *names: str, **options: Any) -> list[Node]:
        """See NodesCase; told() then begins anew."""
        nodes = await super().joined(*names, **options)
        for _, user in nodes:
            user.told.clear()
        return nodes

    def told(self, *users: RecordingUser) -> list[list[str]]:
        """What they were told, of the engine and of others."""
        return [user.what() for user in users]

    async def sends(self, one: RedisBackplane, user: RecordingUser, batch: bytes) -> None:
        """It reaches the other."""
        one.send(user.node, batch)
        await until(lambda: batch in user.batches)

    async def test_killed(self) -> None:
        """Each node is told once; meanwhile nothing works and nothing is raised; afterwards everything does, and nobody
        has left."""
        (one, first), (two, second) = await self.joined("a", "b")
        since = (await one.claim("key", "")).since
        self.server.kill()
        await until(lambda: self.told(first, second) == [["lost"], ["lost"]], 2)
        self.assertFalse(one.available)
        one.send("b", b"lost")
        one.put("area", "key", b"lost")
        for asked in (one.claim("other", ""), one.once("key", 1), one.load("area"), one.read("log")):
            await self.assertFailure(asked, Unavailable)
        await deferLater(reactor, 1.0)
        self.assertEqual(self.told(first, second), [["lost"], ["lost"]])
        self.server.start()
        await until(lambda: self.told(first, second) == [["lost", "back"], ["lost", "back"]])
        await self.sends(one, second, b"again")
        await self.sends(two, first, b"again")
        self.assertEqual((await one.claim("key", "", since)).since, since)
        await deferLater(reactor, 2.5)
        self.assertEqual(self.told(first, second), [["lost", "back"], ["lost", "back"]])
        self.assertEqual({code for _, code, _ in self.journal.notes}, {"down"})

    async def test_another_is_gone_afterwards(self) -> None:
        """A node that does not come back with Redis has left when a lease would have ended."""
        (_, first), (two, _) = await self.joined("a", "b")
        self.server.kill()
        await two.stop()
        self.server.start()
        await until(lambda: first.what() == ["lost", "back"])
        seconds = await until(lambda: first.what() == ["lost", "back", "left"])
        self.assertGreater(seconds, 1.5)

    async def test_another_comes_back_late(self) -> None:
        """A node whose lease, which Redis has kept, ends before it is back has not left either."""
        (one, first), (two, second) = await self.joined("a", "b")
        late = partial(deferLater, reactor, 1.2, two._connector.connect)
        self.patch(two._connector, "connect", late)
        self.server.ask("HSET", "orosync:nodes", "b", f"{second.boot} {time.time() * 1000 + 600:.0f}")
        self.server.ask("CLIENT", "KILL", "TYPE", "normal")
        await until(lambda: first.what() == ["lost", "back"], 0.5)
        await until(lambda: not self.server.ask("HEXISTS", "orosync:nodes", "b"))
        self.assertEqual(second.what(), ["lost"])
        await until(lambda: two.available)
        await deferLater(reactor, 0.5)
        self.assertEqual((first.what(), one.available), (["lost", "back"], True))

    async def test_away_at_the_start(self) -> None:
        """A node starts without Redis, and joins when it is there."""
        self.server.kill()
        one, user = self.made(), RecordingUser("a")
        await one.start(user)
        self.assertFalse(one.available)
        self.assertIn("refused", str(self.journal.notes[0][2]["reason"]))
        self.server.start()
        await until(lambda: one.available)
        self.assertEqual(user.what(), ["back"])
        self.assertEqual((await one.claim("key", "")).holder, "")

    async def test_frozen(self) -> None:
        """A server that does not answer is given up; a lease that others could not see renewed is made anew."""
        (one, first), (two, second) = await self.joined("a", "b")
        await one.claim("key", "")
        self.server.freeze(True)
        asked = one.claim("other", "")
        seconds = await until(lambda: self.told(first, second) == [["lost"], ["lost"]], 3)
        self.assertLess(seconds, 2)
        await self.assertFailure(asked, Unavailable)
        await deferLater(reactor, 2.0)
        self.server.freeze(False)
        await until(lambda: one.available and two.available)
        await self.sends(one, second, b"again")
        await self.sends(two, first, b"again")
        self.assertEqual(self.told(first, second), [["lost", "back"], ["lost", "back"]])

    async def test_connections_are_killed(self) -> None:
        """A node that loses its connections is back at once, with its lease and what came meanwhile."""
        (one, first), (two, second) = await self.joined("a", "b")
        await one.claim("key", "")
        self.server.ask("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
        await until(lambda: self.told(first, second) == [["lost", "back"], ["lost", "back"]], 2)
        self.assertEqual((await two.claim("key", "")).holder, "a")
        await self.sends(one, second, b"again")

    async def test_flushed(self) -> None:
        """All keys are removed: nodes make their leases anew, and know each other."""
        (one, first), (two, second) = await self.joined("a", "b")
        await self.sends(one, second, b"before")
        self.server.ask("FLUSHALL")
        one.send("b", b"lost")
        await until(lambda: self.told(first, second) == [["lost", "back"], ["lost", "back"]])
        self.assertEqual((await two.claim("key", "")).holder, "")
        await self.sends(one, second, b"again")
        await self.sends(two, first, b"again")
        await deferLater(reactor, 2.5)
        self.assertEqual(self.told(first, second), [["lost", "back"], ["lost", "back"]])
        self.assertGreaterEqual(self.journal.counts["backplane.redis", "not_sent"], 1)

    async def test_name_is_taken_meanwhile(self) -> None:
        """A node whose name another one has got does not join until that one has left."""
        (one, first), *_ = await self.joined("a")
        self.server.freeze(True)
        await until(lambda: first.what() == ["lost"])
        self.server.freeze(False)
        for at in range(100):
            self.server.ask("HSET", "orosync:nodes", "a", f"{'f' * 16} {9 * 10**12 + at}")
            await deferLater(reactor, 0.1)
            if self.journal.counts["backplane.redis", "name_taken"]:
                break
        self.assertEqual(self.journal.notes[-1][1], "name_taken")
        self.assertFalse(one.available)
        self.server.ask("HDEL", "orosync:nodes", "a")
        await until(lambda: one.available)
        self.assertEqual(first.what()[-1], "back")

    async def test_demoted(self) -> None:
        """A master becomes a replica, as when Sentinels have chosen another one: it is left, and joined again when it
        is the master."""
        (one, first), (two, second) = await self.joined("a", "b")
        self.server.ask("REPLICAOF", "127.0.0.1", free_port())
        await until(lambda: self.told(first, second) == [["lost"], ["lost"]], 3)
        await until(lambda: self.journal.counts["backplane.redis", "down"])
        self.assertRegex(str(self.journal.notes[-1][2]["reason"]), "READONLY|connection lost")
        self.server.ask("REPLICAOF", "NO", "ONE")
        await until(lambda: one.available and two.available)
        await self.sends(one, second, b"again")
        self.assertEqual(self.told(first, second), [["lost", "back"], ["lost", "back"]])

    async def test_out_of_memory(self) -> None:
        """The log says what to do; afterwards the node is back."""
        ((one, first),) = await self.joined("a")
        self.server.ask("CONFIG", "SET", "maxmemory", "1")
        await until(lambda: first.what() == ["lost"])
        self.assertIn("maxmemory", first.reasons[0])
        self.server.ask("CONFIG", "SET", "maxmemory", "0")
        await until(lambda: one.available)

    async def test_right_is_missing(self) -> None:
        """The log names what the user of Redis may not do, and what to allow."""
        for said, less in (("'xread'", "-xread"), ("'evalsha'", "-evalsha"), ("script", "-hset")):
            self.server.ask("ACL", "SETUSER", "orosync", less)
            one, user = self.made(), RecordingUser("a")
            self.journal.notes.clear()
            await one.start(user)
            await until(lambda: self.journal.notes)
            reason = str(self.journal.notes[0][2]["reason"])
            self.assertIn(said, reason)
            self.assertIn("~orosync:* resetchannels -@all +", reason)
            await one.stop()
            self.server.ask("ACL", "SETUSER", "orosync", less.replace("-", "+"))

    async def test_not_let_in(self) -> None:
        """A wrong password, none, and keys that are not allowed: the log says what to correct."""
        place = f"127.0.0.1:{self.server.port}"
        self.server.ask("ACL", "SETUSER", "elsewhere", "on", ">secret", "~other:*", "+@all")
        for dsn, said, remedy in (
            (f"redis://orosync:wrong@{place}", "WRONGPASS", "user and password in dsn"),
            (f"redis://{place}", "NOAUTH", "user and password in dsn"),
            (f"redis://elsewhere:secret@{place}", "permissions", "~orosync:*"),
            (f"redis://orosync:secret@{place}/99", "DB index", "number of the database"),
        ):
            self.journal.notes.clear()
            one = self.made(dsn=dsn)
            await one.start(RecordingUser("a"))
            reason = str(self.journal.notes[0][2]["reason"])
            self.assertIn(said, reason)
            self.assertIn(remedy, reason)
            self.assertNotIn("secret", reason)
            await one.stop()

    async def test_too_much_is_waiting(self) -> None:
        """A server that does not read has at most 16 MiB kept for it; what is beyond is dropped, and logged."""
        (one, _), (_, second) = await self.joined("a", "b")
        self.server.freeze(True)
        for _ in range(40):
            one.send("b", b"x" * 1024 * 1024)
        self.assertEqual(len([code for _, code, _ in self.journal.notes if code == "queue_full"]), 24)
        self.server.freeze(False)
        await until(lambda: len(second.batches) == 16)

    async def test_inbox_of_one_that_does_not_read(self) -> None:
        """About 16 MiB wait for a node that stands still."""
        (one, _), (two, second) = await self.joined("a", "b")
        assert two._node is not None
        two._node._stopping = True
        inbox = f"orosync:in:b:{second.boot}"
        for _ in range(10):
            for _ in range(100):
                one.send("b", b"x" * 100_000)
            await one.load("nothing")
        held = self.server.ask("XLEN", inbox) * 100_000
        self.assertTrue(10e6 < held < 20e6, held)


class Places(NodesCase, ServersCase):
    """Other ways to Redis."""

    async def works(self, nodes: list[Node]) -> None:
        """A claim, and a batch."""
        (one, _), (_, user) = nodes
        self.assertEqual((await one.claim("key", "")).holder, "")
        one.send("b", b"batch")
        await until(lambda: user.batches == [b"batch"])
        await gatherResults([backplane.stop() for backplane, _ in nodes])

    async def test_socket_and_database(self) -> None:
        """A UNIX socket; another database, which is another router."""
        for dsn in (f"redis://orosync:secret@{self.server.socket}", f"{self.place()}/5"):
            await self.works(await self.joined("a", "b", dsn=dsn))

    async def test_tls(self) -> None:
        """The server is verified; with another authority a node does not join."""
        authority, port = trustme.CA(), free_port()
        self.serve(Redis([f"tls-port {port}", *self.tls_lines(authority, "localhost")], [USER]))
        dsn = f"rediss://orosync:secret@localhost:{port}"
        await self.works(await self.joined("a", "b", trust_root=trust(authority), dsn=dsn))
        one = self.made(trust_root=trust(trustme.CA()), dsn=dsn)
        await one.start(RecordingUser("a"))
        self.assertFalse(one.available)
        self.assertRegex(str(self.journal.notes[-1][2]["reason"]), "certificate verify failed.*authorities in ca")
        await one.stop()

    async def test_sentinel_with_tls(self) -> None:
        """Sentinel and master, both verified."""
        authority, ports = trustme.CA(), [free_port(), free_port()]
        lines = self.tls_lines(authority, "localhost", "127.0.0.1")
        master = self.serve(Redis([f"tls-port {ports[0]}", *lines]))
        over_tls = f"sentinel monitor secured 127.0.0.1 {ports[0]} 1"
        self.serve(Sentinel(master, 1, [f"tls-port {ports[1]}", "tls-replication yes", over_tls, *lines]))
        dsn = f"rediss://localhost:{ports[1]}?redis_sentinel=secured"
        await self.works(await self.joined("a", "b", trust_root=trust(authority), dsn=dsn))

    async def test_replica(self) -> None:
        """A server that takes no changes is not joined; the log says what to do."""
        replica = self.serve(Redis([f"replicaof 127.0.0.1 {self.server.port}", "masterauth none"]))
        one = self.made(dsn=f"redis://127.0.0.1:{replica.port}")
        await one.start(RecordingUser("a"))
        self.assertRegex(str(self.journal.notes[-1][2]["reason"]), "READONLY.*name the master, or Sentinels")


class Failover(SentinelsCase, NodesCase):
    """A Sentinel promotes the replica."""

    lease = 3.0

    def setUp(self) -> None:
        NodesCase.setUp(self)
        SentinelsCase.setUp(self)

    async def test_failover(self) -> None:
        """Both nodes are at the new master soon, nobody has left, and what was kept is there."""
        (one, first), (two, second) = await self.joined("a", "b", dsn=self.dsn)
        one.put("area", "key", b"value")
        await one.load("area")
        self.settled("orosync:kept:area")
        for user in (first, second):
            user.told.clear()
        self.master.kill()
        seconds = await until(lambda: first.what() == second.what() == ["lost", "back"], 20)
        self.assertLess(seconds, 15)
        self.assertEqual(await two.load("area"), {"key": b"value"})
        await until(lambda: one.available and two.available)
        one.send("b", b"again")
        await until(lambda: second.batches == [b"again"])
        await deferLater(reactor, 3.5)
        self.assertEqual([first.what(), second.what()], [["lost", "back"]] * 2)


class OutageContract(NodesCase, BackplaneOutageContract):
    """The suite of backplanes whose engine can be away: Redis is killed, and forgets everything."""

    lease = 1.0
    clock = reactor

    def setUp(self) -> None:
        super().setUp()
        self.server = Redis(users=[USER])
        self.addCleanup(self.server.end)
        self.server.start()

    async def make_adapter(self) -> IBackplane:
        """See BackplaneSuite."""
        return self.made()

    async def kill(self, adapter: IBackplane) -> None:
        """See BackplaneSuite."""
        await die(adapter)

    async def stop_engine(self) -> None:
        """See BackplaneOutageContract."""
        self.server.kill()

    async def start_engine(self) -> None:
        """See BackplaneOutageContract."""
        self.server.start()


class OutageContractFrozen(OutageContract):
    """Redis stands still, and forgets nothing."""

    async def stop_engine(self) -> None:
        """See BackplaneOutageContract."""
        self.server.freeze(True)

    async def start_engine(self) -> None:
        """See BackplaneOutageContract."""
        self.server.freeze(False)
