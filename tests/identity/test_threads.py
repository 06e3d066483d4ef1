"""Threads that may be left alone."""

from __future__ import annotations

import threading
import time

from twisted.internet import reactor
from twisted.internet.defer import gatherResults
from twisted.internet.task import deferLater
from twisted.trial.unittest import TestCase

from orosync.identity.threads import Stuck, Threads


class ThreadsCase(TestCase):
    """Two threads, in service."""

    timeout = 20

    def setUp(self) -> None:
        self.threads = Threads("some work", 2, reactor)
        self.threads.start()
        self.addCleanup(self.threads.stop)
        self.release = threading.Event()
        self.addCleanup(self.release.set)

    def names(self) -> list[str]:
        """Of the threads that there are."""
        return [one.name for one in threading.enumerate() if "some work" in one.name]

    async def test_work(self) -> None:
        """Work is done in another thread, and what it returns or raises is told."""
        main = threading.get_ident()
        self.assertNotEqual(await self.threads.run(1, threading.get_ident), main)
        await self.assertFailure(self.threads.run(1, int, "x"), ValueError)

    async def test_stuck(self) -> None:
        """Work that does not come back is told in time; when every thread is stuck no more is taken; later it is."""
        first = [self.threads.run(0.1, self.release.wait) for _ in range(2)]
        refused = await self.assertFailure(self.threads.run(5, int), Stuck)
        self.assertEqual(str(refused), "every thread is busy")
        for one in first:
            self.assertIn("no answer within 0.1 s", str(await self.assertFailure(one, Stuck)))
        await self.assertFailure(self.threads.run(5, int), Stuck)
        self.release.set()
        while True:
            try:
                self.assertEqual(await self.threads.run(5, int), 0)
                break
            except Stuck:
                await deferLater(reactor, 0.01)

    async def test_room(self) -> None:
        """With room, work waits for a thread."""
        roomy = Threads("some work", 1, reactor, room=4)
        roomy.start()
        self.addCleanup(roomy.stop)
        self.assertEqual(await gatherResults([roomy.run(5, time.sleep, 0.01) for _ in range(5)]), [None] * 5)

    async def test_stop(self) -> None:
        """Stopped, it waits for work that is under way, leaves no thread, and takes no more work."""
        running = self.threads.run(5, time.sleep, 0.05)
        await self.threads.stop()
        self.assertIsNone(await running)
        self.assertEqual(self.names(), [])
        await self.assertFailure(self.threads.run(5, int), Stuck)
        await self.threads.stop()

    async def test_stop_with_a_stuck_thread(self) -> None:
        """A thread that never comes back holds the stop up for 2 s, and the process not at all."""
        running = self.threads.run(0.05, self.release.wait)
        await self.assertFailure(running, Stuck)
        started = time.monotonic()
        await self.threads.stop()
        self.assertLess(time.monotonic() - started, 4)
        self.assertTrue(self.names())
        self.assertTrue(all(one.daemon for one in threading.enumerate() if "some work" in one.name))
        self.release.set()
        deadline = time.monotonic() + 5
        while self.names() and time.monotonic() < deadline:
            await deferLater(reactor, 0.01)
        self.assertEqual(self.names(), [])
