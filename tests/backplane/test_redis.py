"""The backplane in Redis, against real servers, with a user who may do what docs/scaling.md says and nothing else."""

from __future__ import annotations

import atexit
import functools
import random
from typing import Any

from twisted.internet import reactor
from twisted.internet.defer import gatherResults
from twisted.internet.task import deferLater
from twisted.trial.unittest import TestCase
from zope.interface.verify import verifyObject

from orosync.backplane.redis import LARGEST, RedisBackplane
from orosync.backplane.redis_scripts import ACL
from orosync.config.redis_dsn import parse
from orosync.errors import Unavailable
from orosync.interfaces import Claim, IBackplane
from orosync.testing import BackplaneContract, RecordingJournal
from tests.backplane.nodes import RecordingUser, until
from tests.support.redis import Redis

USER = f"orosync on >secret ~orosync:* {ACL}"


@functools.cache
def server() -> Redis:
    """The one of this run."""
    made = Redis(users=[USER])
    atexit.register(made.end)
    made.start()
    return made


async def die(backplane: Any) -> None:
    """Its connections are lost and it does nothing any more, as after a kill -9."""
    node = backplane._node
    node._stopping = True
    if node._look is not None and node._look.active():
        node._look.cancel()
    await backplane._connector.close()


class NodesCase(TestCase):
    """Nodes in one Redis."""

    timeout = 60
    lease = 10.0

    def setUp(self) -> None:
        self.server = server()
        self.server.ask("FLUSHALL")
        self.journal = RecordingJournal()

    def place(self) -> str:
        """Where the nodes find Redis."""
        return f"redis://orosync:secret@127.0.0.1:{self.server.port}"

    def made(self, trust_root: Any = None, dsn: str = "") -> RedisBackplane:
        """A backplane that is stopped when the test ends."""
        made = RedisBackplane(
            parse(dsn or self.place()), "orosync", reactor, self.journal, trust_root, lease=self.lease
        )
        self.addCleanup(made.stop)
        return made

    async def joined(self, *names: str, **options: Any) -> list[tuple[RedisBackplane, RecordingUser]]:
        """Nodes that know each other."""
        nodes = []
        for name in names:
            nodes.append((self.made(**options), RecordingUser(name)))
            await nodes[-1][0].start(nodes[-1][1])
        await until(lambda: all(user.what().count("joined") == len(nodes) - 1 for _, user in nodes))
        return nodes

    def keys(self) -> list[str]:
        """The keys in Redis."""
        return sorted(key.decode() for key in self.server.ask("KEYS", "*"))


class Contract(NodesCase, BackplaneContract):
    """The suite of all backplanes."""

    lease = 1.5
    clock = reactor

    async def make_adapter(self) -> IBackplane:
        """See BackplaneSuite."""
        return self.made()

    async def kill(self, adapter: IBackplane) -> None:
        """See BackplaneSuite."""
        await die(adapter)


class Batches(NodesCase):
    """What nodes send each other."""

    async def test_order(self) -> None:
        """Batches of several nodes come in the order of each sender, each once, and as they are."""
        (one, _), (two, _), (_, user) = await self.joined("web1", "web2/1", "web3")
        self.assertTrue(verifyObject(IBackplane, one))
        sent: dict[bytes, list[bytes]] = {b"1": [], b"2": []}
        for at in range(2000):
            for who, backplane in ((b"1", one), (b"2", two)):
                batch = who + b"%d \r\n\0\xff$5" % at + random.randbytes(at % 700)
                sent[who].append(batch)
                backplane.send("web3", batch)
            if at % 100 == 0:
                await deferLater(reactor, 0)
        await until(lambda: len(user.batches) >= 4000)
        for who, batches in sent.items():
            self.assertEqual([one for one in user.batches if one.startswith(who)], batches)

    async def test_largest(self) -> None:
        """The largest batch arrives; a larger one is logged and does not keep others back."""
        (one, _), (_, user) = await self.joined("a", "b")
        whole = random.randbytes(LARGEST)
        for batch in (b"before", whole + b"x", whole, b"after"):
            one.send("b", batch)
        await until(lambda: len(user.batches) >= 3)
        self.assertEqual(user.batches, [b"before", whole, b"after"])
        self.assertEqual([code for _, code, _ in self.journal.notes if code == "too_large"], ["too_large"])

    async def test_many_large_ones(self) -> None:
        """An answer of more bytes than are taken at a time loses nothing."""
        (one, _), (_, user) = await self.joined("a", "b")
        batches = [bytes([at]) * (LARGEST - at) for at in range(12)]
        for batch in batches:
            one.send("b", batch)
        await until(lambda: len(user.batches) >= 12)
        self.assertEqual([len(one) for one in user.batches], [len(one) for one in batches])

    async def test_strange_entries(self) -> None:
        """Entries that no node has written, even huge ones, are passed over; what comes behind them arrives."""
        (one, _), (_, user) = await self.joined("a", "b")
        inbox = f"orosync:in:b:{user.boot}"
        self.server.ask("XADD", inbox, "*", "b", b"x" * (LARGEST + 1))
        self.server.ask("XADD", inbox, "*", "b", "1", "c", "2")
        for _ in range(20):
            self.server.ask("XADD", inbox, "*", "b", b"y" * LARGEST)
        one.send("b", b"the last one")
        await until(lambda: user.batches and user.batches[-1] == b"the last one")
        self.assertEqual(len(user.batches), 21)
        self.assertEqual({code for _, code, _ in self.journal.notes}, {"unreadable"})

    async def test_inboxes_are_emptied(self) -> None:
        """What was read is removed."""
        (one, _), (_, user) = await self.joined("a", "b")
        for _ in range(1000):
            one.send("b", b"x" * 1000)
        await until(lambda: len(user.batches) >= 1000)
        inbox = f"orosync:in:b:{user.boot}"
        await until(lambda: self.server.ask("XLEN", inbox) < 300)

    async def test_nobody_of_that_name(self) -> None:
        """A batch for a node that is not there is counted; no inbox is made for it."""
        ((one, _),) = await self.joined("a")
        before = self.keys()
        one.send("b", b"batch")
        await one.load("anything")
        self.assertEqual(self.keys(), before)
        self.assertEqual(self.journal.counts["backplane.redis", "not_sent"], 1)


class Claims(NodesCase):
    """Keys that a node has, or nodes together."""

    async def test_alone(self) -> None:
        """One node alone has a key until it releases it; the same node may claim it again, since the same moment."""
        (one, _), (two, _) = await self.joined("a", "b")
        first = await one.claim("key", "")
        self.assertEqual(first.holder, "")
        self.assertEqual(await two.claim("key", ""), Claim("a", first.since))
        self.assertEqual(await two.claim("key", "roundrobin"), Claim("a", first.since))
        self.assertEqual(await one.claim("key", ""), first)
        one.release("key")
        second = await one.claim("other", "")
        self.assertEqual((await two.claim("key", "")).holder, "")
        self.assertGreater(second.since, first.since)

    async def test_together(self) -> None:
        """Nodes that name one policy have a key together; one that names another has not."""
        (one, _), (two, _), (three, _) = await self.joined("a", "b", "c")
        for backplane in (one, two):
            self.assertEqual((await backplane.claim("key", "random")).holder, "")
        self.assertEqual((await three.claim("key", "last")).holder, "a")
        one.release("key")
        await one.load("x")
        self.assertEqual((await three.claim("key", "last")).holder, "b")

    async def test_older_one_wins(self) -> None:
        """A node that claims a key as since an earlier moment takes it; one that names a later moment does not."""
        (one, _), (two, _) = await self.joined("a", "b")
        since = (await one.claim("key", "")).since
        self.assertEqual((await two.claim("key", "", since + 1)).holder, "a")
        self.assertEqual(await two.claim("key", "", since - 1), Claim("", since - 1))
        self.assertEqual(await one.claim("key", "", since), Claim("b", since - 1))
        self.assertEqual(await one.claim("key", "", since - 1), Claim("", since - 1), "the name decides")
        self.assertEqual(await two.claim("key", "", since - 1), Claim("a", since - 1))

    async def test_force(self) -> None:
        """It is taken from all others."""
        (one, _), (two, _), (three, _) = await self.joined("a", "b", "c")
        for backplane in (one, two):
            await backplane.claim("key", "random")
        self.assertEqual((await three.claim("key", "", force=True)).holder, "")
        for backplane in (one, two):
            self.assertEqual((await backplane.claim("key", "random")).holder, "c")

    async def test_stop(self) -> None:
        """A node that stops leaves nothing behind, and has nothing any more."""
        (one, user), (two, other) = await self.joined("a", "b")
        await gatherResults([one.claim(f"key {at}", "") for at in range(1200)])
        await one.stop()
        self.assertEqual(self.keys(), [f"orosync:in:b:{other.boot}", "orosync:nodes"])
        await until(lambda: ("left", "a", user.boot) in other.told, 1)
        self.assertEqual((await two.claim("key 5", "")).holder, "")

    async def test_once(self) -> None:
        """The first of all nodes, until the time has passed."""
        (one, _), (two, _) = await self.joined("a", "b")
        answers = await gatherResults([backplane.once("ticket", 0.3) for backplane in (one, two, one)])
        self.assertEqual(sorted(answers), [False, False, True])
        self.assertTrue(await two.once("another", 5))
        await deferLater(reactor, 0.35)
        self.assertTrue(await two.once("ticket", 5))

    async def test_once_by_the_same(self) -> None:
        """Who was the first may ask again; others, and those who do not say who they are, may not."""
        (one, _), (two, _) = await self.joined("a", "b")
        asked = [await backplane.once("ticket", 5, by) for backplane in (one, two) for by in ("anna", "", "bert")]
        self.assertEqual(asked, [True, False, False, True, False, False])
        self.assertEqual([await one.once("anonymous", 5), await one.once("anonymous", 5)], [True, False])


class Kept(NodesCase):
    """Values that all nodes have."""

    async def test_values(self) -> None:
        """The last one wins; removed ones are gone; others are there when all nodes have ended and one comes."""
        (one, _), (two, _) = await self.joined("a", "b")
        for at in range(1300):
            one.put("retained", f"topic {at} é", b"\0%d" % at + b"x" * 100)
        two.put("retained", "topic 0 é", b"changed")
        one.remove("retained", "topic 1 é")
        await one.load("")
        await gatherResults([one.stop(), two.stop()])
        ((three, _),) = await self.joined("c")
        found = await three.load("retained")
        self.assertEqual(len(found), 1299)
        self.assertEqual((found["topic 2 é"][:2], "topic 1 é" in found), (b"\0002", False))
        self.assertEqual(await three.load("other"), {})

    async def test_lists(self) -> None:
        """One order for all nodes; as many values and about as many bytes as wanted."""
        (one, _), (two, _) = await self.joined("a", "b")
        for at in range(50):
            one.append("log", b"%d" % at, 10, 1000)
        self.assertEqual(await one.read("log"), [b"%d" % at for at in range(40, 50)])
        self.assertEqual(await two.read("log"), await one.read("log"))
        two.append("log", b"x" * 500, 10, 520)
        self.assertEqual(await two.read("log"), [*(b"%d" % at for at in range(41, 50)), b"x" * 500])
        two.append("log", b"y" * 400, 10, 520)
        self.assertEqual(await two.read("log"), [b"y" * 400])
        two.append("log", b"z" * 600, 10, 520)
        self.assertEqual(await two.read("log"), [b"z" * 600], "the last one is always there")
        self.assertEqual(self.server.ask("GET", "orosync:size:log"), b"600 52")
        self.assertEqual(await two.read("other"), [])

    async def test_long_list(self) -> None:
        """A list is read in parts; what is added or dropped meanwhile makes no hole and no repetition."""
        (one, _), (two, _) = await self.joined("a", "b")
        for at in range(1300):
            one.append("log", b"%d " % at + b"x" * 10_000, 1200, 10**9)
        await one.once("all there", 1)
        reading = two.read("log")
        added = 1300
        while not reading.called and added < 1350:
            one.append("log", b"%d " % added, 1200, 10**9)
            added += 1
            await deferLater(reactor, 0)
        found = [int(value.split()[0]) for value in await reading]
        self.assertEqual(found, list(range(found[0], found[-1] + 1)))
        self.assertGreater(len(found), 1200 - 1)
        self.assertGreater(added, 1302)

    async def test_size_is_lost(self) -> None:
        """A list whose size is not known any more is measured anew."""
        ((one, _),) = await self.joined("a")
        one.append("log", b"x" * 100, 10, 250)
        one.append("log", b"x" * 100, 10, 250)
        await one.read("log")
        self.server.ask("DEL", "orosync:size:log")
        one.append("log", b"y" * 100, 10, 250)
        self.assertEqual(await one.read("log"), [b"x" * 100, b"y" * 100])


class Refused(NodesCase):
    """Before the start, after the end."""

    async def test_not_started(self) -> None:
        """Nothing is raised but Unavailable."""
        one = self.made()
        self.assertFalse(one.available)
        one.send("b", b"batch")
        one.put("area", "key", b"value")
        one.remove("area", "key")
        one.append("log", b"value", 1, 1)
        one.release("key")
        for asked in (one.claim("key", ""), one.once("key", 1), one.load("area"), one.read("log")):
            error = await self.assertFailure(asked, Unavailable)
            self.assertEqual(error.code, "backplane_down")
        await one.stop()

    async def test_the_documented_user(self) -> None:
        """The user of the tests is the one of the docs, and has needed no other right."""
        refused = [dict(zip(one[::2], one[1::2], strict=True)) for one in self.server.ask("ACL", "LOG")]
        wanted = {b"flushall"}  # by the test of a command that is refused
        self.assertEqual({one[b"object"] for one in refused if one[b"reason"] != b"auth"} - wanted, set())
