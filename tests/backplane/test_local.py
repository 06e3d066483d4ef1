"""The adapter ``local``: workers that find each other, send, claim, end and come again, over real sockets."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path
from typing import Any

from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.internet.protocol import ProcessProtocol
from twisted.internet.task import deferLater
from twisted.trial.unittest import TestCase
from zope.interface.verify import verifyObject

from orosync.backplane import local, mesh
from orosync.backplane.channel import ProcessChannel, connect, pair
from orosync.backplane.local import LocalBackplane
from orosync.backplane.messages import NodeEvent, PackedPayload
from orosync.backplane.nodes import Nodes
from orosync.errors import NodeNameTaken, Unavailable
from orosync.interfaces import Claim, IBackplane
from orosync.testing import RecordingJournal
from tests.support.local_nodes import LocalNodes, RecordingUser

TREE = Path(__file__).resolve().parent.parent.parent


class LocalCase(TestCase):
    """A supervisor's hub, and workers in this process."""

    timeout = 20

    def setUp(self) -> None:
        self.nodes = LocalNodes(reactor)
        self.started: list[LocalBackplane] = []
        self.addCleanup(self.ended)

    async def ended(self) -> None:
        for each in self.started:
            await each.stop()
        await self.nodes.close()

    async def worker(self, node: str, boot: str = "", name: str = "") -> tuple[LocalBackplane, RecordingUser]:
        """A worker that has joined."""
        backplane = self.nodes.adapter(name or node)
        user = RecordingUser(node, boot or f"boot-{node}")
        await backplane.start(user)
        self.started.append(backplane)
        return backplane, user

    async def two(self) -> tuple[LocalBackplane, RecordingUser, LocalBackplane, RecordingUser]:
        """Two that know each other."""
        one, first = await self.worker("a")
        other, second = await self.worker("b")
        for user in (first, second):
            await user.until(lambda user=user: user.told)
        return one, first, other, second


class Joining(LocalCase):
    """Who is there."""

    async def test_told(self) -> None:
        """Each learns the others, with their boots; that one leaves is told at once."""
        one, first, other, second = await self.two()
        verifyObject(IBackplane, one)
        self.assertTrue(one.available)
        self.assertEqual((first.told, second.told), ([("joined", "b", "boot-b")], [("joined", "a", "boot-a")]))
        await other.stop()
        await first.until(lambda: len(first.told) > 1)
        self.assertEqual(first.told[1:], [("left", "b", "boot-b", "it has left")])
        self.assertEqual((other.available, second.told[1:]), (False, []))

    async def test_name_taken(self) -> None:
        """A second worker of one name fails to start, and the first is not concerned."""
        _, first, _, _ = await self.two()
        late = self.nodes.adapter("another")
        await self.assertFailure(late.start(RecordingUser("a", "boot-late")), NodeNameTaken)
        self.assertFalse(late.available)
        self.assertEqual(len(first.told), 1)

    async def test_again(self) -> None:
        """The same adapter can stop and start again, with another boot."""
        _, first, other, _ = await self.two()
        await other.stop()
        await other.start(RecordingUser("b", "boot-later"))
        await first.until(lambda: len(first.told) > 2)
        self.assertEqual(first.told[2], ("joined", "b", "boot-later"))
        other.send("a", b"x")
        await first.until(lambda: first.batches)

    async def test_stopped_while_joining(self) -> None:
        """A worker that stops before it has been answered is no node."""
        _, first = await self.worker("a")
        backplane = self.nodes.adapter("b")
        backplane.start(RecordingUser("b", "boot-b"))
        await backplane.stop()
        await first.until(lambda: len(first.told) == 2)
        self.assertEqual([what[0] for what in first.told], ["joined", "left"])
        self.assertFalse(backplane.available)

    async def test_ended(self) -> None:
        """The end of a worker's channel is its end: the others are told, and its name is free."""
        _, first, _, _ = await self.two()
        self.nodes.end("b")
        await first.until(lambda: len(first.told) > 1)
        self.assertEqual(first.told[1][:3], ("left", "b", "boot-b"))
        _, third = await self.worker("b", "boot-2", "b again")
        await first.until(lambda: len(first.told) > 2)
        self.assertEqual(first.told[2], ("joined", "b", "boot-2"))
        await third.until(lambda: third.told)

    async def test_supervisor_ended(self) -> None:
        """Without the supervisor there is no engine: questions fail, batches go on, a worker's end is still noticed."""
        one, first, other, second = await self.two()
        other.send("a", b"x")
        self.nodes.supervisor_ends["a"].close("ended")
        await first.until(lambda: len(first.told) > 1)
        self.assertEqual(first.told[1][0], "lost")
        self.assertFalse(one.available)
        for asked in (one.claim("k", ""), one.once("k", 1.0), one.load("x"), one.read("x")):
            await self.assertFailure(asked, Unavailable)
        one.put("x", "k", b"")
        other.send("a", b"y")
        one.send("b", b"z")
        await first.until(lambda: len(first.batches) == 2)
        await second.until(lambda: second.batches)
        await other.stop()
        await first.until(lambda: len(first.told) > 2)
        self.assertEqual(first.told[2][:2], ("left", "b"))

    async def test_without_supervisor(self) -> None:
        """A start fires also when the supervisor has ended already."""
        backplane = self.nodes.adapter("a")
        self.nodes.supervisor_ends["a"].close()
        await backplane.start(RecordingUser("a", "boot-a"))
        self.assertFalse(backplane.available)

    async def test_late_answer(self) -> None:
        """A supervisor that does not answer in time is away until it does."""
        self.patch(local, "ANSWER_WITHIN", 0.05)
        ends = self.nodes.supervisor_ends
        backplane = self.nodes.adapter("a")
        ends["a"].transport.pauseProducing()
        user = RecordingUser("a", "boot-a")
        await backplane.start(user)
        self.started.append(backplane)
        self.assertFalse(backplane.available)
        ends["a"].transport.resumeProducing()
        await user.until(lambda: user.told)
        self.assertEqual((user.told, backplane.available), ([("back",)], True))
        ends["a"].transport.pauseProducing()
        await self.assertFailure(backplane.claim("k", ""), Unavailable)
        ends["a"].transport.resumeProducing()


class Sending(LocalCase):
    """Batches."""

    async def test_order(self) -> None:
        """In order, also large ones; to unknown nodes they are lost."""
        one, _, _, second = await self.two()
        batches = [bytes([number]) * (10 if number % 10 else 400_000) for number in range(100)]
        for batch in batches:
            one.send("b", batch)
            one.send("unknown", batch)
        await second.until(lambda: len(second.batches) == 100)
        self.assertEqual(second.batches, batches)

    async def test_alone(self) -> None:
        """Whether a batch arrived alone can be asked while it is handed over."""
        one, _, other, second = await self.two()
        alone: list[bool] = []
        received = second.received

        def noted(batch: bytes) -> None:
            alone.append(other.lone)
            received(batch)

        second.received = noted  # type: ignore[method-assign]
        one.send("b", b"1")
        await second.until(lambda: alone)
        one.send("b", b"2")
        one.send("b", b"3")
        await second.until(lambda: len(alone) == 3)
        self.assertEqual(alone, [True, False, False])

    async def test_what_was_sent_before_the_end(self) -> None:
        """What a worker has sent arrives before the news of its end, whether it stops or is killed."""
        for end in ("stop", "kill"):
            one, first = await self.worker("a", name=f"a {end}")
            other, second = await self.worker("b", name=f"b {end}")
            await second.until(lambda second=second: second.told)
            count = 2000 if end == "stop" else 200
            for number in range(count):
                other.send("a", b"%d" % number)
            if end == "stop":
                await other.stop()
            else:
                other._peers["a"].socket.close()  # type: ignore[union-attr]
                self.nodes.end("b kill")
            seen: list[int] = []
            await first.until(lambda first=first: first.told[-1:] and first.told[-1][0] == "left")
            seen.append(len(first.batches))
            self.assertEqual(seen, [count], end)
            await one.stop()

    async def test_successor_waits(self) -> None:
        """A new life of a worker is told after the end of the earlier one, with whatever that had sent."""
        one, first, other, _ = await self.two()
        one._peers["b"].socket._reactor.removeReader(one._peers["b"].socket)  # type: ignore[union-attr]
        other.send("a", b"early")
        await other.stop()
        again, _ = await self.worker("b", "boot-2", "b again")
        await again.load("x")
        await one.load("x")
        self.assertEqual(len(first.told), 1)
        reactor.addReader(one._peers["b"].socket)  # type: ignore[attr-defined]
        await first.until(lambda: len(first.told) == 3)
        self.assertEqual(first.batches, [b"early"])
        self.assertEqual([what[:3] for what in first.told[1:]], [("left", "b", "boot-b"), ("joined", "b", "boot-2")])

    async def test_short_successor(self) -> None:
        """A new life that has ended before it could be told is not told."""
        one, first, other, _ = await self.two()
        one._peers["b"].socket._reactor.removeReader(one._peers["b"].socket)  # type: ignore[union-attr]
        await other.stop()
        again, _ = await self.worker("b", "boot-2", "b again")
        await again.stop()
        await one.load("x")
        self.patch(local, "QUIET", 0.05)
        await first.until(lambda: len(first.told) == 2)
        self.assertEqual(first.told[1][:3], ("left", "b", "boot-b"))

    async def test_full(self) -> None:
        """A worker that does not read loses batches, which are counted by who sends them."""
        one, _, other, _ = await self.two()
        other._peers["a"].socket._reactor.removeReader(other._peers["a"].socket)  # type: ignore[union-attr]
        for _ in range(40):
            one.send("b", bytes(1_000_000))
        self.assertGreater(one.dropped, 5)
        self.assertLess(one.dropped, 20)
        self.patch(local, "STOP_WITHIN", 0.05)
        await one.stop()
        self.started.remove(one)


class WithNodes(LocalCase):
    """The adapter below ``Nodes``."""

    async def test_dropped_and_asked_for_again(self) -> None:
        """What was dropped while a worker did not read comes when it reads again: nothing lost, nothing twice."""
        journal = RecordingJournal()
        one, other = (Nodes(self.nodes.adapter(name), name, bytes(32), reactor, journal) for name in "ab")
        got: list[int] = []
        other.handle(NodeEvent, lambda peer, event: got.append(event.publication))
        for node in (one, other):
            await node.start()
            self.addCleanup(node.stop)
        while not (one.peers and other.peers):
            await deferLater(reactor, 0.01, lambda: None)
        backplane: Any = one.backplane
        reading = other.backplane._peers["a"].socket  # type: ignore[attr-defined]
        reactor.removeReader(reading)  # type: ignore[attr-defined]
        for number in range(34):
            one.send("b", NodeEvent("oro", "t", number, PackedPayload("json", bytes(1_000_000))))
            await deferLater(reactor, 0, lambda: None)
        self.assertGreater(backplane.dropped, 4)
        reactor.addReader(reading)  # type: ignore[attr-defined]
        while len(got) < 34:
            await deferLater(reactor, 0.01, lambda: None)
        await deferLater(reactor, 0.05, lambda: None)
        self.assertEqual(got, list(range(34)))
        self.assertEqual([note for note in journal.notes if note[0] == "backplane.gap"], [])


class Sharing(LocalCase):
    """What all workers share."""

    async def test_claims(self) -> None:
        """One holds it until it releases it, stops or ends."""
        one, _, other, _ = await self.two()
        self.assertEqual((await one.claim("k", "")).holder, "")
        self.assertEqual((await other.claim("k", "")).holder, "a")
        held = await one.claim("k", "")
        self.assertEqual(await other.claim("k", ""), Claim("a", held.since))
        one.release("k")
        await one.load("x")
        self.assertEqual((await other.claim("k", "")).holder, "")
        self.assertEqual((await one.claim("k", "", since=held.since)).holder, "")
        self.assertEqual((await other.claim("k", "", force=True)).holder, "")
        await other.stop()
        self.assertEqual((await one.claim("k", "")).holder, "")
        self.nodes.hub.remove("a", "killed")
        await self.assertFailure(one.claim("l", ""), Unavailable)

    async def test_once(self) -> None:
        """The first of all is told True; without room for more nobody is."""
        one, _, other, _ = await self.two()
        self.assertEqual([await one.once("k", 60.0), await other.once("k", 60.0)], [True, False])
        self.assertEqual([await one.once("m", 60.0, "x"), await other.once("m", 60.0, "x")], [True, True])
        self.nodes.hub.state._most_once = 1
        await self.assertFailure(one.once("l", 60.0), Unavailable)

    async def test_values(self) -> None:
        """Kept values and lists are there for all, and for workers that come later."""
        one, _, other, _ = await self.two()
        one.put("x", "k", b"\0\xff")
        one.put("x", "l", b"")
        one.remove("x", "l")
        one.append("log", b"1", 10, 1000)
        await one.read("log")
        other.append("log", b"2", 10, 1000)
        await other.stop()
        await one.stop()
        late, _ = await self.worker("c")
        self.assertEqual((await late.load("x"), await late.read("log")), ({"k": b"\0\xff"}, [b"1", b"2"]))

    async def test_supervisor_that_does_not_read(self) -> None:
        """What it cannot take is dropped and counted, it does not grow."""
        one, _, _, _ = await self.two()
        self.patch(local, "QUEUED", 100_000)
        for _ in range(20):
            one.put("x", "k", bytes(20_000))
        self.assertGreater(one.dropped, 10)


class Processes(LocalCase):
    """A worker that is a process of its own, and is stopped and killed while it sends."""

    timeout = 60

    async def with_process(self) -> tuple[LocalBackplane, RecordingUser, Any]:
        """This process as one worker, and the other worker's process."""
        backplane, user = await self.worker("test")
        mine, its = pair()
        channel = ProcessChannel(lambda reason: self.nodes.hub.remove("sender", reason))
        self.nodes.hub.add("sender", channel)
        self.nodes.supervisor_ends["sender"] = channel
        ended: Deferred[None] = Deferred()
        protocol = ProcessProtocol()
        protocol.processEnded = lambda reason: ended.callback(None)  # type: ignore[method-assign]
        arguments = [sys.executable, "-m", "tests.support.local_worker", "sender"]
        process = reactor.spawnProcess(  # type: ignore[attr-defined]
            protocol, sys.executable, arguments, env=dict(os.environ), path=str(TREE), childFDs={1: 1, 2: 2, 3: its}
        )
        os.close(its)
        connect(reactor, mine, channel)

        def end() -> Deferred[None]:
            if not ended.called:
                process.signalProcess("KILL")
            return ended

        self.addCleanup(end)
        await user.until(lambda: user.batches)
        return backplane, user, process

    async def test_killed(self) -> None:
        """All that it had sent arrives, up to its end, and then the news of it."""
        _, user, process = await self.with_process()
        await user.until(lambda: len(user.batches) > 3000)
        process.signalProcess("KILL")
        await user.until(lambda: len(user.told) > 1)
        self.assertEqual([what[0] for what in user.told], ["joined", "left"])
        self.assertEqual([int(batch) for batch in user.batches], list(range(len(user.batches))))
        await deferLater(reactor, 0.05, lambda: None)
        self.assertEqual(int(user.batches[-1]), len(user.batches) - 1)

    async def test_stopped(self) -> None:
        """While it does not read, no more than the limit waits for it; when it goes on nothing is torn or exchanged."""
        backplane, user, process = await self.with_process()
        process.signalProcess("STOP")
        batches = [b"%d " % number * 40_000 for number in range(250)]
        for batch in batches:
            backplane.send("sender", batch)
        queued = backplane._peers["sender"].socket.queued  # type: ignore[union-attr]
        self.assertLess(queued, mesh.QUEUED + 1_000_000)
        self.assertGreater(backplane.dropped, 10)
        del batches[len(batches) - backplane.dropped :]
        process.signalProcess(signal.SIGCONT)
        await user.until(lambda: user.batches[-1] == b"!" + batches[-1])
        process.signalProcess("KILL")
        self.assertEqual([batch[1:] for batch in user.batches if batch.startswith(b"!")], batches)
        forth = [int(batch) for batch in user.batches if not batch.startswith(b"!")]
        self.assertEqual(forth, list(range(len(forth))))
