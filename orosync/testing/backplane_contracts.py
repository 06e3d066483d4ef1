"""The contract suites of backplanes: a test class says how its engine is stopped and how a node dies."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from twisted.internet.defer import Deferred, gatherResults
from zope.interface import implementer
from zope.interface.verify import verifyObject

from orosync.errors import NodeNameTaken
from orosync.interfaces import IBackplane, IBackplaneUser
from orosync.testing.contracts import Contract

STEP = 0.02
"""Seconds between two looks at whether something has happened."""

_ODD = ("a b", "a:b", "{a}*?[]", "a\nb\r\n", "\u00e4\u0416\U0001f600", "a\x00b", "x" * 2000, "%s", "0", "'\"\\")
"""Keys that are keys like others."""

_BYTES = bytes(range(256))


@implementer(IBackplaneUser)
class RecordingBackplaneUser:
    """``told`` holds everything in order as tuples that begin with the name of the method, ``batches`` the batches;
    ``present`` is who is there by name, and the boot; ``stopped`` has the boots of those that have stopped."""

    def __init__(self, node: str, boot: str) -> None:
        self.node, self.boot = node, boot
        self.told: list[tuple[str, ...]] = []
        self.batches: list[bytes] = []
        self.present: dict[str, str] = {}
        self.stopped: set[str] = set()

    def node_joined(self, node: str, boot: str) -> None:
        self.told.append(("joined", node, boot))
        self.present[node] = boot

    def node_left(self, node: str, boot: str, reason: str, stopped: bool) -> None:
        self.told.append(("left", node, boot))
        if stopped:
            self.stopped.add(boot)
        if self.present.get(node) == boot:
            del self.present[node]

    def received(self, batch: bytes) -> None:
        self.batches.append(bytes(batch))

    def engine_lost(self, reason: str) -> None:
        self.told.append(("lost",))

    def engine_back(self) -> None:
        self.told.append(("back",))


class BackplaneSuite(Contract):
    """Adapters of one engine, each with a user of its own."""

    lease: float = 10.0
    """Seconds of a node's lease. Give the adapters under test a short one: several tests wait for its end."""

    patience: float = 5.0
    """Seconds in which anything else must have happened."""

    clock: Any
    """The reactor, or what stands for it (IReactorTime)."""

    _boots = 0

    async def make_adapter(self) -> IBackplane:
        """A backplane for one more node of the same router, not started. The first one of a test may start the engine,
        with nothing in it."""
        raise NotImplementedError

    async def kill(self, adapter: IBackplane) -> None:
        """End ``adapter`` as a process ends that is killed: without a word to the engine, and for ever."""
        raise NotImplementedError

    async def wait(self, seconds: float) -> None:
        """Let ``seconds`` pass."""
        fired: Deferred[None] = Deferred()
        self.clock.callLater(seconds, fired.callback, None)
        await fired

    async def until(self, true: Callable[[], object], seconds: float | None = None) -> None:
        """Wait until something is so; a failure after ``seconds`` (``patience``)."""
        passed = 0.0
        while not true():
            self.assertLess(passed, self.patience if seconds is None else seconds, "it has not happened in time")
            await self.wait(STEP)
            passed += STEP

    async def begun(self, name: str) -> tuple[Any, RecordingBackplaneUser]:
        """A started node with a boot of its own, and its user. It is stopped after the test."""
        adapter: Any = await self.make_adapter()
        type(self)._boots += 1
        user = RecordingBackplaneUser(name, f"{self._boots:016x}")
        await adapter.start(user)
        self.addCleanup(adapter.stop)
        return adapter, user

    async def nodes(self, *names: str) -> list[tuple[Any, RecordingBackplaneUser]]:
        """Nodes that have been told of each other."""
        nodes = [await self.begun(name) for name in names]
        for _, user in nodes:
            others = {other.node: other.boot for _, other in nodes if other is not user}
            await self.until(partial(_same, user.present, others))
        return nodes


class BackplaneContract(BackplaneSuite):
    """What every IBackplane must do; a mixin for a twisted.trial TestCase. Outages: BackplaneOutageContract."""

    # -- who is there

    async def test_interface(self) -> None:
        """It implements the interface, carries batches of at least 64 KiB, and is available when it has joined."""
        adapter = await self.make_adapter()
        verifyObject(IBackplane, adapter)
        self.assertGreaterEqual(adapter.largest, 65536)
        self.assertFalse(adapter.available)
        started, _ = await self.begun("a")
        self.assertTrue(started.available)

    async def test_joined_and_left(self) -> None:
        """Each node is told of each other one once, with its boot; at once when it stops, and that it has stopped."""
        (_, anna), (b, ben), (_, carl) = await self.nodes("a", "b", "c")
        await b.stop()
        self.assertFalse(b.available)
        for user, other in ((anna, carl), (carl, anna)):
            await self.until(partial(_same, user.present, {other.node: other.boot}), self.patience)
            self.assertEqual(
                sorted(user.told),
                sorted([("joined", "b", ben.boot), ("joined", other.node, other.boot), ("left", "b", ben.boot)]),
            )
            self.assertEqual(user.stopped, {ben.boot})
        told = list(ben.told)
        await self.wait(STEP)
        self.assertEqual(ben.told, told, "a node that has stopped is told nothing")

    async def test_in_a_later_turn(self) -> None:
        """Neither start nor send call the user before they return."""
        (a, anna), _ = await self.nodes("a", "b")
        other: Any = await self.make_adapter()
        user = RecordingBackplaneUser("c", "c" * 16)
        starting = other.start(user)
        self.assertEqual(user.told, [])
        await starting
        self.addCleanup(other.stop)
        await self.until(lambda: "c" in anna.present)
        a.send("c", b"x")
        self.assertEqual(user.batches, [])
        await self.until(lambda: user.batches)

    async def test_a_second_node_of_one_name(self) -> None:
        """It fails with NodeNameTaken, within a lease; the first one notices nothing."""
        (a, anna), (_, ben) = await self.nodes("a", "b")
        told = [list(anna.told), list(ben.told)]
        second: Any = await self.make_adapter()
        starting = second.start(RecordingBackplaneUser("a", "f" * 16))
        failed: list[Any] = []
        starting.addErrback(failed.append)
        await self.until(lambda: failed, self.lease + self.patience)
        self.assertTrue(failed[0].check(NodeNameTaken), failed[0])
        a.send("b", b"x")
        await self.until(lambda: ben.batches)
        self.assertEqual(([anna.told, ben.told], a.available), (told, True))

    async def test_killed(self) -> None:
        """A node that dies has left when its lease has ended, at the latest."""
        (a, anna), (b, ben) = await self.nodes("a", "b")
        await self.kill(b)
        a.send("b", b"x")
        await self.until(lambda: "b" not in anna.present, self.lease + self.patience)
        self.assertEqual(anna.told[-1], ("left", "b", ben.boot))

    async def test_killed_and_restarted(self) -> None:
        """A node that died starts again under its name, within a lease, and the others are told of its new boot. It
        gets nothing that was meant for the old one."""
        (a, anna), (b, ben) = await self.nodes("a", "b")
        await self.kill(b)
        a.send("b", b"old")
        (_, again) = await self.begun("b")
        await self.until(lambda: anna.present.get("b") == again.boot, self.lease + self.patience)
        a.send("b", b"new")
        await self.until(lambda: b"new" in again.batches)
        self.assertEqual((again.batches, ben.batches), ([b"new"], []))
        self.assertNotEqual(anna.told[-1], ("left", "b", again.boot))

    async def test_stopped_and_started(self) -> None:
        """A node that has stopped starts again at once, and what was sent meanwhile does not arrive."""
        (a, anna), (b, _) = await self.nodes("a", "b")
        await b.stop()
        await self.until(lambda: "b" not in anna.present)
        a.send("b", b"old")
        (_, again) = await self.begun("b")
        await self.until(lambda: anna.present.get("b") == again.boot)
        a.send("b", b"new")
        await self.until(lambda: b"new" in again.batches)
        self.assertEqual(again.batches, [b"new"])

    # -- batches

    async def test_order(self) -> None:
        """Batches arrive in the order in which they were sent, each once, in both directions at the same time."""
        (a, anna), (b, ben) = await self.nodes("a", "b")
        sent = [b"%d " % number + b"x" * (number * 37 % 5000) for number in range(500)]
        for number, batch in enumerate(sent):
            a.send("b", batch)
            b.send("a", batch)
            if not number % 100:
                await self.wait(STEP)
        await self.until(lambda: len(ben.batches) >= 500 and len(anna.batches) >= 500)
        await self.wait(STEP)
        self.assertEqual((ben.batches == sent, anna.batches == sent), (True, True))

    async def test_bytes_and_sizes(self) -> None:
        """Every byte is carried, and batches of every size up to the largest."""
        (a, _), (_, ben) = await self.nodes("a", "b")
        sent = [_BYTES, b"\x00", b"x" * 65536, _BYTES * (a.largest // 256), b"last"]
        for batch in sent:
            a.send("b", batch)
        await self.until(lambda: len(ben.batches) >= len(sent), 2 * self.patience)
        self.assertTrue(ben.batches == sent)

    async def test_to_its_node_alone(self) -> None:
        """A batch arrives at the node that it was sent to; one for a node that does not exist nowhere."""
        (a, anna), (b, ben), (_, carl) = await self.nodes("a", "b", "c")
        a.send("nobody", b"x")
        a.send("c", b"y")
        b.send("c", b"z")
        await self.until(lambda: len(carl.batches) == 2)
        self.assertEqual((sorted(carl.batches), anna.batches, ben.batches), ([b"y", b"z"], [], []))

    # -- claims

    async def test_claimed_alone(self) -> None:
        """With the policy "" one node has a key; others are told who it is, and since when. Release ends it."""
        (a, _), (b, _) = await self.nodes("a", "b")
        mine = await a.claim("k", "")
        self.assertEqual(mine.holder, "")
        self.assertGreater(mine.since, 0.0)
        for policy in ("", "roundrobin"):
            refused = await b.claim("k", policy)
            self.assertEqual((refused.holder, refused.since), ("a", mine.since))
        self.assertEqual((await b.claim("other", "")).holder, "")
        b.release("k")
        self.assertEqual((await b.claim("k", "")).holder, "a", "only its holder can release a claim")
        a.release("k")
        await self._granted(b, "k")
        self.assertEqual((await a.claim("k", "")).holder, "b")

    async def test_claimed_again(self) -> None:
        """A claim that a node has already stays the same; its policy may be changed while no other node shares it."""
        (a, _), (b, _) = await self.nodes("a", "b")
        mine = await a.claim("k", "")
        await self.wait(STEP)
        self.assertEqual(await a.claim("k", ""), mine)
        self.assertEqual(await a.claim("k", "first"), mine)
        self.assertEqual((await b.claim("k", "first")).holder, "")
        self.assertEqual((await a.claim("k", "")).holder, "b")

    async def test_claimed_together(self) -> None:
        """Nodes that name the same policy, not "", hold a key together; another policy is refused until all have
        released it."""
        (a, _), (b, _), (c, _) = await self.nodes("a", "b", "c")
        self.assertEqual([(await one.claim("k", "roundrobin")).holder for one in (a, b)], ["", ""])
        for policy in ("first", ""):
            self.assertIn((await c.claim("k", policy)).holder, ("a", "b"))
        a.release("k")
        await self._holder(c, "k", "first", "b")
        b.release("k")
        await self._granted(c, "k", "first")

    async def test_the_older_claim_wins(self) -> None:
        """A claim that says since when it was held goes before a younger one, and after an older one; the same with
        several holders."""
        (a, _), (b, _), (c, _) = await self.nodes("a", "b", "c")
        mine = await a.claim("k", "")
        await self.wait(STEP)
        a.release("k")
        await self._granted(b, "k", "random")
        younger = await b.claim("k", "random")
        self.assertGreater(younger.since, mine.since)
        self.assertEqual((await c.claim("k", "random")).holder, "")
        won = await a.claim("k", "", since=mine.since)
        self.assertEqual((won.holder, won.since), ("", mine.since))
        for one in (b, c):
            lost = await one.claim("k", "random", since=younger.since)
            self.assertEqual((lost.holder, lost.since), ("a", mine.since))

    async def test_forced(self) -> None:
        """A claim by force takes the key from all others."""
        (a, _), (b, _), (c, _) = await self.nodes("a", "b", "c")
        for one in (a, b):
            await one.claim("k", "first")
        self.assertEqual((await c.claim("k", "", force=True)).holder, "")
        for one in (a, b):
            self.assertEqual((await one.claim("k", "first")).holder, "c")

    async def test_claims_of_a_node_that_stops(self) -> None:
        """They end at once."""
        (a, _), (b, _) = await self.nodes("a", "b")
        for key in ("k", "l"):
            await a.claim(key, "")
        await a.stop()
        for key in ("k", "l"):
            await self._granted(b, key)

    async def test_claims_of_a_node_that_dies(self) -> None:
        """They end with its lease; those of others stay."""
        (a, _), (b, _), (c, _) = await self.nodes("a", "b", "c")
        await a.claim("k", "")
        await b.claim("l", "")
        await self.kill(a)
        await self._granted(b, "k", seconds=self.lease + self.patience)
        self.assertEqual((await c.claim("l", "")).holder, "b")

    async def test_claims_of_an_earlier_life(self) -> None:
        """A node that starts again has no claims."""
        (a, _), (b, _) = await self.nodes("a", "b")
        await a.claim("k", "")
        await self.kill(a)
        await self.begun("a")
        await self._granted(b, "k", seconds=self.lease + self.patience)

    async def test_odd_keys(self) -> None:
        """Any text is a key of its own, of claims as of everything else."""
        (a, _), (b, _) = await self.nodes("a", "b")
        for key in _ODD:
            self.assertEqual((await a.claim(key, "")).holder, "", repr(key))
            self.assertEqual((await b.claim(key, "")).holder, "a", repr(key))
            self.assertTrue(await a.once(key, 60), repr(key))
            a.put(key, key, key.encode())
            a.append(key, key.encode(), 5, 10_000)
        for key in _ODD:
            self.assertEqual(dict(await a.load(key)), {key: key.encode()})
            self.assertEqual(list(await a.read(key)), [key.encode()])

    # -- once

    async def test_once(self) -> None:
        """The first that asks gets True, all others, on any node, False until the time has passed."""
        (a, _), (b, _) = await self.nodes("a", "b")
        self.assertEqual([await one.once("k", 60) for one in (a, b, a)], [True, False, False])
        self.assertTrue(await b.once("l", 1))
        self.assertFalse(await a.once("l", 1))
        await self.wait(1.2)
        self.assertTrue(await a.once("l", 60))
        self.assertFalse(await b.once("k", 60))

    async def test_once_at_the_same_time(self) -> None:
        """Of many that ask at the same time one gets True."""
        (a, _), (b, _) = await self.nodes("a", "b")
        asking = gatherResults([one.once("k", 60) for one in (a, b) * 20])
        answers: list[list[bool]] = []
        asking.addCallback(answers.append)
        await self.until(lambda: answers)
        self.assertEqual(sorted(answers[0]), [False] * 39 + [True])

    async def test_once_by_the_same(self) -> None:
        """A call that names the same asker as the first gets True each time; one that names none does not."""
        (a, _), (b, _) = await self.nodes("a", "b")
        self.assertTrue(await a.once("k", 60, "anna"))
        self.assertEqual([await b.once("k", 60, by) for by in ("anna", "ben", "", "anna")], [True, False, False, True])
        self.assertTrue(await a.once("l", 60))
        self.assertEqual([await b.once("l", 60, by) for by in ("anna", "")], [False, False])

    # -- kept values and lists

    async def test_kept(self) -> None:
        """Values are there for all nodes until they are removed, each area for itself; the last one wins."""
        (a, _), (b, _) = await self.nodes("a", "b")
        self.assertEqual(dict(await a.load("area")), {})
        a.put("area", "k", b"1")
        a.put("area", "k", _BYTES)
        a.put("area", "l", b"")
        a.put("other", "k", b"3")
        a.remove("area", "unknown")
        self.assertEqual(dict(await a.load("area")), {"k": _BYTES, "l": b""})
        self.assertEqual(dict(await b.load("area")), {"k": _BYTES, "l": b""})
        b.remove("area", "k")
        self.assertEqual(dict(await b.load("area")), {"l": b""})
        self.assertEqual(dict(await a.load("other")), {"k": b"3"})

    async def test_kept_without_nodes(self) -> None:
        """Values and lists stay when all nodes have ended."""
        ((a, _),) = await self.nodes("a")
        a.put("area", "k", b"1")
        a.append("log", b"2", 5, 1000)
        self.assertEqual(list(await a.read("log")), [b"2"])
        await a.stop()
        b, _ = await self.begun("b")
        self.assertEqual((dict(await b.load("area")), list(await b.read("log"))), ({"k": b"1"}, [b"2"]))

    async def test_lists(self) -> None:
        """A list has one order for all nodes, in which that of each node is kept; each list is one for itself."""
        (a, _), (b, _) = await self.nodes("a", "b")
        self.assertEqual(list(await a.read("log")), [])
        for number in range(50):
            a.append("log", b"a%02d" % number, 1000, 100_000)
            b.append("log", b"b%02d" % number, 1000, 100_000)
        b.append("other", _BYTES, 1000, 100_000)
        await a.read("log")
        await b.read("log")
        values = list(await a.read("log"))
        self.assertEqual(values, list(await b.read("log")))
        for name in b"ab":
            own = [value for value in values if value[0] == name]
            self.assertEqual(own, [b"%c%02d" % (name, number) for number in range(50)])
        self.assertEqual(list(await a.read("other")), [_BYTES])

    async def test_lists_are_bounded(self) -> None:
        """A list keeps its last ``most`` values, and no more of them than about ``most_bytes`` (twice that at most)."""
        ((a, _),) = await self.nodes("a")
        for number in range(20):
            a.append("many", b"%d" % number, 4, 1000)
            a.append("large", b"%02d" % number + b"x" * 998, 1000, 5000)
        self.assertEqual(list(await a.read("many")), [b"16", b"17", b"18", b"19"])
        values = [value[:2] for value in await a.read("large")]
        self.assertEqual(values, [b"%02d" % number for number in range(20)][-len(values) :])
        self.assertTrue(3 <= len(values) <= 10, len(values))

    async def _granted(self, adapter: Any, key: str, policy: str = "", seconds: float | None = None) -> None:
        """``adapter`` gets a key, now or soon."""
        await self._holder(adapter, key, policy, "", seconds)

    async def _holder(self, adapter: Any, key: str, policy: str, holder: str, seconds: float | None = None) -> None:
        passed = 0.0
        while (found := (await adapter.claim(key, policy)).holder) != holder:
            self.assertLess(passed, self.patience if seconds is None else seconds, f"{found!r} has it, not {holder!r}")
            await self.wait(STEP)
            passed += STEP


def _same(one: object, other: object) -> bool:
    return one == other
