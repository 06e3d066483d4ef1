"""Slow consumers: found with a clock of the test, and cut on real sockets while other clients are on time."""

from time import monotonic, sleep
from typing import Any

from twisted.internet.task import Clock, deferLater
from twisted.trial.unittest import SynchronousTestCase

from orosync.transport.frames import server_frame
from orosync.transport.timers import StallDetector
from tests.support.listeners import ListenerCase, reactor
from tests.support.wires import client_frame


class SlowLink:
    """A peer that owes ``owed`` bytes of reading and has read ``read``."""

    def __init__(self, owed: int) -> None:
        self.owed = owed
        self.read = 0
        self.cut = 0

    def drained(self) -> bool:
        return not self.owed

    def progress(self) -> object:
        return self.read

    def stalled(self) -> None:
        self.cut += 1


class StallDetectorTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.clock = Clock()
        self.detector: StallDetector[SlowLink] = StallDetector(
            self.clock, 0.5, 10, SlowLink.drained, SlowLink.progress, SlowLink.stalled
        )

    def run_for(self, seconds: float) -> None:
        self.clock.pump([0.5] * int(seconds * 2))

    def test_who_takes_nothing_is_stalled(self) -> None:
        """After the whole patience, once, and not before."""
        link = SlowLink(100)
        self.detector.watch(link)
        self.detector.watch(link)
        self.run_for(9.5)
        self.assertEqual(link.cut, 0)
        self.run_for(1)
        self.assertEqual(link.cut, 1)
        self.run_for(30)
        self.assertEqual(link.cut, 1)

    def test_who_reads_slowly_is_not_stalled(self) -> None:
        """Any byte taken begins the patience anew, even if more is owed afterwards."""
        link = SlowLink(100)
        self.detector.watch(link)
        for _ in range(10):
            self.run_for(8)
            link.read += 1
            link.owed += 50
        self.assertEqual(link.cut, 0)
        self.run_for(11)
        self.assertEqual(link.cut, 1)

    def test_who_has_read_everything_is_let_go(self) -> None:
        """No timer remains for a reader without debts."""
        link: Any = SlowLink(100)
        self.detector.watch(link)
        link.owed = 0
        self.run_for(1)
        self.assertEqual((link.cut, self.clock.getDelayedCalls()), (0, []))

    def test_who_is_gone_is_forgotten(self) -> None:
        """A closed connection is not cut later, and keeps no timer."""
        link = SlowLink(100)
        self.detector.watch(link)
        self.detector.forget(link)
        self.detector.forget(link)
        self.assertEqual(self.clock.getDelayedCalls(), [])
        self.run_for(20)
        self.assertEqual(link.cut, 0)


class SlowConsumerTests(ListenerCase):
    """One client that does not read, beside one that does."""

    async def watch(self, expected: str, payload: int, pause: float, **settings: Any) -> None:
        port = await self.listen(**settings)
        slow, quick = await self.client(port, buffer=4096), await self.client(port)
        await self.beside(slow.upgrade)
        await self.beside(quick.upgrade)
        slow_session, quick_session = self.host.sessions
        frame = server_frame(b"x" * payload, False)
        sent, worst, kept = 0, 0.0, 0
        began = monotonic()
        while not slow_session.ends and monotonic() - began < 15:
            if pause == 0 or sent < 100:
                slow_session.link.push(frame)
            event = b"%020d" % sent
            stamp = monotonic()
            quick_session.link.push(server_frame(event, False))
            self.assertEqual(await self.beside(quick.exactly, 22), b"\x81\x14" + event)
            worst = max(worst, monotonic() - stamp)
            if not slow_session.ends:
                kept = max(kept, slow_session.link.backlog())
            sent += 1
        self.assertEqual(self.journal.kinds("consumer.cut"), [expected])
        self.assertEqual(slow_session.ends, [(False, None, f"cut: {expected}")])
        self.assertLess(worst, 0.5)
        self.assertLessEqual(kept, settings.get("send_buffer_limit", 1 << 20) + len(frame))
        self.assertEqual(quick_session.ends, [])
        self.assertEqual(self.factories[0].connection_limit.inside, 1)

    async def test_too_much_queued(self) -> None:
        """Past its bound the slow one is cut for that reason, memory stays bounded, the other client is on time."""
        await self.watch("queue_full", 65000, 0)

    async def test_nothing_taken(self) -> None:
        """Below the bound, but taking nothing: cut as stalled."""
        await self.watch("stalled", 65000, 1, send_timeout=1.0, send_buffer_limit=1 << 24)

    async def test_an_event_larger_than_all_that_may_wait(self) -> None:
        """Who goes on reading gets it, slowly; who takes nothing is cut for that; the other client is served
        meanwhile."""
        port = await self.listen(send_buffer_limit=1 << 20, send_timeout=1.0)
        slow, stalled, quick = [await self.client(port, buffer=size) for size in (16384, 4096, 0)]
        for client in (slow, stalled, quick):
            await self.beside(client.upgrade)
        frame = server_frame(b"x" * (5 << 20), False)
        links = [session.link for session in self.host.sessions]
        for link in links[:2]:
            link.push(frame)
        await deferLater(reactor, 0)
        for link in links[:2]:
            self.assertGreater(link.backlog(), 1 << 20)

        def steadily() -> int:
            taken = 0
            while taken < len(frame):
                taken += len(slow.once(16384))
                sleep(0.004)
            return taken

        reading = self.beside(steadily)
        links[2].push(server_frame(b"meanwhile", False))
        self.assertEqual(await self.beside(quick.exactly, 11), b"\x81\x09meanwhile")
        self.assertEqual(await reading, len(frame))
        await self.host.sessions[1].ended
        self.assertEqual(self.journal.kinds("consumer.cut"), ["stalled"])
        self.assertEqual([len(session.ends) for session in self.host.sessions], [0, 1, 0])

    async def test_pongs_to_one_who_does_not_read(self) -> None:
        """Asking for pongs without reading them fills the same bound."""
        port = await self.listen(send_buffer_limit=65536)
        client = await self.client(port, buffer=4096)
        await self.beside(client.upgrade)
        pings = client_frame(b"p" * 125, 9) * 500

        def flood() -> None:
            try:
                for _ in range(2000):
                    client.send(pings)
            except OSError:
                return

        await self.beside(flood)
        await self.host.sessions[0].ended
        self.assertEqual(self.journal.kinds("consumer.cut"), ["queue_full"])

    async def test_a_burst_is_read_in_order_after_all(self) -> None:
        """A reader who is late, but within the bound, gets everything, whole and in order."""
        port = await self.listen(send_buffer_limit=1 << 24)
        client = await self.client(port, buffer=65536)
        await self.beside(client.upgrade)
        link = self.host.sessions[0].link
        frames = [server_frame(b"%06d" % n + b"x" * 1000, False) for n in range(8000)]
        for n in range(0, 8000, 100):
            for frame in frames[n : n + 100]:
                link.push(frame)
            await deferLater(reactor, 0)
        self.assertGreater(link.backlog(), 1 << 20)
        received = await self.beside(client.exactly, sum(map(len, frames)))
        self.assertEqual(received, b"".join(frames))
        self.assertEqual((link.backlog(), self.journal.notes), (0, []))
