"""Where threads stand, for the log."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from twisted.python.threadpool import ThreadPool
from twisted.trial.unittest import SynchronousTestCase

from orosync.app.ending import busy_threads, stack_of


class BusyThreads(SynchronousTestCase):
    def setUp(self) -> None:
        self.go_on = threading.Event()
        self.addCleanup(self.go_on.set)

    def hold(self, begun: threading.Event) -> None:
        begun.set()
        self.go_on.wait()

    def busy(self, run: Callable[[Callable[..., Any], threading.Event], Any]) -> dict[str, str]:
        """The threads that are busy besides those of before, while ``run`` holds one."""
        before, begun = dict(busy_threads()), threading.Event()
        run(self.hold, begun)
        begun.wait()
        return {name: at for name, at in busy_threads() if name not in before}

    def test_thread(self) -> None:
        """A thread of an application's is named with the place in its own code, and without how threads begin."""
        thread = threading.Thread(target=self.hold, name="acme-worker", args=(threading.Event(),))
        self.addCleanup(thread.join)
        self.addCleanup(self.go_on.set)
        found = self.busy(lambda work, begun: (setattr(thread, "_args", (begun,)), thread.start()))
        self.assertEqual(list(found), ["acme-worker"])
        self.assertRegex(
            found["acme-worker"], r"tests/app/test_ending_threads.py:\d+ in hold > .*threading.py:\d+ in wait"
        )
        self.assertNotIn("_bootstrap", found["acme-worker"])
        self.assertNotIn("acme-worker", dict(busy_threads({"acme-worker"})))

    def test_pools(self) -> None:
        """Threads of pools are busy while they have work, and not while they wait for some."""
        pool = ThreadPool(1, 1, "acme-pool")
        pool.start()
        self.addCleanup(pool.stop)
        executor = ThreadPoolExecutor(1, "acme-executor")
        self.addCleanup(executor.shutdown)
        self.addCleanup(self.go_on.set)
        for run, name in ((pool.callInThread, "PoolThread-acme-pool-0"), (executor.submit, "acme-executor_0")):
            done = threading.Event()
            run(done.set)
            done.wait()
            for _ in range(1000):  # it may still be on its way back to the queue
                if name not in dict(busy_threads()):
                    break
                threading.Event().wait(0.005)
            self.assertNotIn(name, dict(busy_threads()))
            found = self.busy(run)
            self.assertIn("in hold > ", found[name])

    def test_this_one(self) -> None:
        """The thread that asks is not among them."""
        self.assertNotIn(threading.current_thread().name, dict(busy_threads()))

    def test_stack_of(self) -> None:
        """The innermost frames in one line, with the last parts of each path."""
        said = stack_of(sys._getframe())
        self.assertRegex(
            said, r"^\S+:\d+ in \w+ > \S+:\d+ in \w+ > tests/app/test_ending_threads.py:\d+ in test_stack_of$"
        )
