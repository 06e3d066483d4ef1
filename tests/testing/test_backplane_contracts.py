"""The contract suites of backplanes on the backplane in memory, and what they say of adapters that break them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from twisted.internet.defer import Deferred, succeed
from twisted.internet.task import Clock, LoopingCall
from twisted.trial.unittest import SynchronousTestCase, TestCase

from orosync.interfaces import Claim, IBackplane
from orosync.testing import BackplaneContract, MemoryBackplane, MemoryEngine


class Memory:
    """Adapters of one MemoryEngine, on a clock that somebody advances."""

    adapters: type[MemoryBackplane] = MemoryBackplane

    clock: Clock
    engine: MemoryEngine

    def make_engine(self) -> None:
        self.clock = Clock()
        self.engine = MemoryEngine(self.clock)

    async def make_adapter(self) -> IBackplane:
        return self.adapters(self.engine)

    async def kill(self, adapter: Any) -> None:
        self.engine.kill(adapter.node)

    async def stop_engine(self) -> None:
        self.engine.go_away()

    async def start_engine(self) -> None:
        self.engine.come_back(empty=True)


class MemoryCase(Memory, TestCase):
    """Each turn of the reactor is a moment of the clock."""

    def setUp(self) -> None:
        self.make_engine()
        turning = LoopingCall(self.clock.advance, 0.01)
        turning.start(0.0)
        self.addCleanup(turning.stop)


class Contract(MemoryCase, BackplaneContract):
    """What every backplane must do."""


class _Twice(MemoryBackplane):
    def send(self, node: str, batch: bytes) -> None:
        super().send(node, batch)
        super().send(node, batch)


class _Unordered(MemoryBackplane):
    def send(self, node: str, batch: bytes) -> None:
        self._engine.clock.callLater(0.001 * (len(batch) % 7), super().send, node, batch)


class _Generous(MemoryBackplane):
    def claim(self, key: str, policy: str, since: float = 0.0, force: bool = False) -> Deferred[Claim]:
        return succeed(Claim("", 1.0))

    def once(self, key: str, seconds: float, by: str = "") -> Deferred[bool]:
        return succeed(True)


class _Unbounded(MemoryBackplane):
    def append(self, log: str, value: bytes, most: int, most_bytes: int) -> None:
        super().append(log, value, 1000, 1_000_000)


class _Deaf(MemoryBackplane):
    def misses(self, node: str, boot: str, reason: str, stopped: bool) -> None:
        pass


class _Unsure(MemoryBackplane):
    def misses(self, node: str, boot: str, reason: str, stopped: bool) -> None:
        super().misses(node, boot, reason, False)


class Broken(SynchronousTestCase):
    """The suite notices what is wrong with an adapter, and says which demand it breaks."""

    def verdict(self, adapters: type[MemoryBackplane], test: str) -> str:
        """What a test of the suite says of an adapter; "" when it passes."""

        class Suite(Memory, BackplaneContract, SynchronousTestCase):
            pass

        suite = Suite(test)
        suite.adapters = adapters
        suite.make_engine()
        failed: list[Any] = []
        done: Deferred[None] = Deferred.fromCoroutine(getattr(suite, test)())
        done.addErrback(failed.append)
        for _ in range(5000):
            if done.called:
                break
            suite.clock.advance(0.01)
        suite.clock.advance(60)
        return failed[0].getErrorMessage() if failed else ""

    def test_found(self) -> None:
        """Each fault is found by the tests of its demand; a sound adapter passes them."""
        faults: Sequence[tuple[type[MemoryBackplane], str]] = (
            (_Twice, "test_order"),
            (_Twice, "test_bytes_and_sizes"),
            (_Unordered, "test_order"),
            (_Generous, "test_claimed_alone"),
            (_Generous, "test_claimed_together"),
            (_Generous, "test_the_older_claim_wins"),
            (_Generous, "test_once"),
            (_Generous, "test_once_at_the_same_time"),
            (_Unbounded, "test_lists_are_bounded"),
            (_Deaf, "test_joined_and_left"),
            (_Deaf, "test_killed"),
            (_Unsure, "test_joined_and_left"),
        )
        for adapters, test in faults:
            self.assertIn("the contract demands", self.verdict(adapters, test), (adapters, test))
            self.assertEqual(self.verdict(MemoryBackplane, test), "", test)
