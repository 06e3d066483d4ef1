"""Two workers are one router: events and calls from one to the other, also while one is stopped or killed."""

from __future__ import annotations

import os
import signal
import threading
import time

from tests.product.raw import Closed, RawClient
from tests.product.test_workers import WorkersCase, wait_for
from tests.support.processes import server_of

TICK = "com.example.tick"
PROCEDURE = "com.example.sum"
AT_ONCE = 1.0
"""Seconds in which a worker that serves knows that another one has been killed."""


class TogetherCase(WorkersCase):
    """``here`` and ``there`` give clients of the first and of the second worker."""

    def setUp(self) -> None:
        super().setUp()
        self.pids = self.workers()

    def client(self, node: str) -> RawClient:
        """A client that the system has given to the worker ``node``."""
        for _ in range(100):
            (client,) = self.connect()
            if server_of(client.socket.getsockname()[1], self.pids.values()) == self.pids[node]:
                return client
        raise AssertionError(f"no client came to {node}")

    def here(self) -> RawClient:
        return self.client("web/1")

    def there(self) -> RawClient:
        return self.client("web/2")

    def subscribed(self, client: RawClient, topic: str = TICK) -> RawClient:
        """Once it has its SUBSCRIBED, and the other worker knows."""
        client.send([32, 1, {}, topic])
        self.assertEqual(client.read()[0], 33)
        time.sleep(0.2)
        return client


class AcknowledgedTraffic:
    """Publishes numbers from 1 on, each when the one before it was acknowledged; ``stop`` gives how many have been
    acknowledged."""

    def __init__(self, publisher: RawClient) -> None:
        self._publisher = publisher
        self._count = 0
        self._running = True
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self) -> None:
        try:
            while self._running:
                number = self._count + 1
                self._publisher.send([16, number, {"acknowledge": True}, TICK, [number]])
                assert self._publisher.read()[0] == 17
                self._count = number
        except (Closed, OSError):
            pass

    def stop(self) -> int:
        self._running = False
        self._thread.join()
        return self._count


class Together(TogetherCase):
    """What is at one worker is at the other."""

    def test_events(self) -> None:
        """Each event reaches each subscriber once, in order, whichever workers they are at, also by a pattern."""
        listeners = [self.subscribed(client) for client in (self.here(), self.there(), self.there())]
        by_pattern = self.there()
        by_pattern.send([32, 1, {"match": "prefix"}, "com.example."])
        by_pattern.read()
        time.sleep(0.2)
        publisher = self.here()
        for number in range(2000):
            publisher.send([16, number, {}, TICK, [number]])
        for client in (*listeners, by_pattern):
            self.assertEqual(client.first_arguments(2000), list(range(2000)))
            self.assertTrue(client.silent(0.1))

    def test_calls(self) -> None:
        """A procedure that is registered at one is called from the other; a second callee is refused at both."""
        callee, caller, second = self.here(), self.there(), self.there()
        callee.send([64, 1, {}, PROCEDURE])
        registration = callee.read()
        self.assertEqual(registration[0], 65)
        second.send([64, 1, {}, PROCEDURE])
        self.assertEqual(second.read()[:5:4], [8, "wamp.error.procedure_already_exists"])
        caller.send([48, 7, {}, PROCEDURE, [20, 22]])
        invocation = callee.read()
        self.assertEqual((invocation[0], invocation[4]), (68, [20, 22]))
        callee.send([70, invocation[1], {}, [42]])
        self.assertEqual(caller.read(), [50, 7, {}, [42]])
        callee.send([66, 2, registration[2]])
        self.assertEqual(callee.read()[0], 67)
        second.send([64, 2, {}, PROCEDURE])
        self.assertEqual(second.read()[0], 65)


class Apart(TogetherCase):
    """One of them is stopped, or killed."""

    def test_stopped_for_a_while(self) -> None:
        """A worker that stands still for some seconds gets everything afterwards, once and in order."""
        listener, publisher = self.subscribed(self.there()), self.here()
        traffic = AcknowledgedTraffic(publisher)
        time.sleep(0.3)
        os.kill(self.pids["web/2"], signal.SIGSTOP)
        time.sleep(2.0)
        os.kill(self.pids["web/2"], signal.SIGCONT)
        time.sleep(0.3)
        count = traffic.stop()
        self.assertGreater(count, 200)
        self.assertEqual(listener.first_arguments(count), list(range(1, count + 1)))
        self.assertTrue(listener.silent(0.1))
        self.assertNotIn("backplane.gap", self.router.log)

    def test_killed_while_publishing(self) -> None:
        """What a worker has acknowledged before it is killed arrives at the other one, without a gap; then its
        procedures are gone there, and what it retained is not."""
        listener, caller, callee, retaining = self.subscribed(self.there()), self.there(), self.here(), self.here()
        callee.send([64, 1, {}, PROCEDURE])
        self.assertEqual(callee.read()[0], 65)
        retaining.send([16, 1, {"acknowledge": True, "retain": True}, "com.example.kept", ["kept"]])
        self.assertEqual(retaining.read()[0], 17)
        traffic = AcknowledgedTraffic(self.here())
        time.sleep(0.5)
        caller.send([48, 7, {}, PROCEDURE])
        callee.read()
        began = time.monotonic()
        os.kill(self.pids["web/1"], signal.SIGKILL)
        self.assertEqual(caller.read()[:5:4], [8, "wamp.error.canceled"])
        self.assertLess(time.monotonic() - began, AT_ONCE)
        count = traffic.stop()
        self.assertGreater(count, 50)
        found = listener.first_arguments(count)
        self.assertEqual(found, list(range(1, count + 1)))
        caller.send([64, 8, {}, PROCEDURE])
        self.assertEqual(caller.read()[0], 65)
        wait_for(lambda: self.workers().get("web/1", self.pids["web/1"]) != self.pids["web/1"])
        self.pids = self.workers()
        late = self.here()
        late.send([32, 1, {"get_retained": True}, "com.example.kept"])
        self.assertEqual(late.read()[0], 33)
        self.assertEqual(late.read()[4], ["kept"])
        self.subscribed(late)
        caller.send([16, 9, {}, TICK, [0]])
        self.assertEqual(late.read()[4], [0])
