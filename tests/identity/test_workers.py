"""Processes and threads that compute digests, and what becomes of their jobs when they are lost."""

from __future__ import annotations

import threading
from typing import Any

from twisted.internet import reactor
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.error import ProcessDone, ProcessExitedAlready
from twisted.internet.task import Clock
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase, TestCase

from orosync.errors import Unavailable
from orosync.identity.digests import message_digest
from orosync.identity.hasher import MOST_HUNG
from orosync.identity.workers import GRACE, TIMEOUT, ProcessWorker, ThreadWorker, WorkerLost
from tests.identity.test_hasher import HasherCase

PAIRS = [(b"a", b""), (b"b", b"salt")]
DIGESTS = [message_digest(plain, salt) for plain, salt in PAIRS]
LINES = b"".join(digest.encode() + b"\n" for digest in DIGESTS)


class FakeProcess:
    """Keeps what it was told."""

    def __init__(self) -> None:
        self.written = b""
        self.stdin_closed = False
        self.signals: list[str] = []
        self.exited = False

    def writeToChild(self, number: int, data: bytes) -> None:
        assert number == 0
        self.written += data

    def closeStdin(self) -> None:
        self.stdin_closed = True

    def signalProcess(self, name: str) -> None:
        if self.exited:
            raise ProcessExitedAlready
        self.signals.append(name)


class FakeReactor(Clock):
    """Starts processes that do nothing."""

    def spawnProcess(self, protocol: Any, executable: str, arguments: list[str], env: dict[str, str]) -> FakeProcess:
        self.arguments = arguments
        self.env = env
        self.process = FakeProcess()
        return self.process


class ProcessWorkerTests(SynchronousTestCase):
    """The router's end of a process."""

    def setUp(self) -> None:
        self.reactor = FakeReactor()
        self.worker = ProcessWorker(self.reactor, "python")  # type: ignore[arg-type]
        self.process = self.reactor.process

    def end(self) -> None:
        self.process.exited = True
        self.worker.processEnded(Failure(ProcessDone(0)))

    def test_answers_cut_anywhere(self) -> None:
        """Digests arrive whole, in order and each at its own job, wherever the pipe cuts them."""
        for cut in range(len(LINES) * 2):
            both, one = self.worker.compute(PAIRS), self.worker.compute(PAIRS[:1])
            answer = LINES + LINES[:89]
            for data in (answer[:cut], answer[cut:]):
                self.worker.outReceived(data)
            self.assertEqual(self.successResultOf(both), DIGESTS)
            self.assertEqual(self.successResultOf(one), DIGESTS[:1])
        self.assertEqual(self.worker.load, 0)

    def test_load(self) -> None:
        """Its load is what it was asked and has not answered; it is proven by its first answer."""
        self.worker.compute(PAIRS)
        self.worker.compute(PAIRS)
        self.assertEqual((self.worker.load, self.worker.proven), (2, False))
        self.worker.outReceived(LINES)
        self.assertEqual((self.worker.load, self.worker.proven), (1, True))

    def test_lost(self) -> None:
        """When the process ends by itself, all that it had fails, and so does all that it is asked later."""
        waiting = [self.worker.compute(PAIRS), self.worker.compute(PAIRS)]
        self.worker.errReceived(b"Traceback ...\nModuleNotFoundError: No module named 'orosync'\n")
        self.end()
        for done in [*waiting, self.worker.compute(PAIRS)]:
            self.assertIn("ModuleNotFoundError", self.failureResultOf(done, WorkerLost).getErrorMessage())
        self.assertEqual(self.worker.load, 0)

    def test_something_else_than_digests(self) -> None:
        """A process that writes anything else, or unasked, is killed, and its jobs are lost."""
        for asked, data in ((True, b"warning: x\n"), (True, LINES[1:]), (False, LINES)):
            self.setUp()
            waiting = [self.worker.compute(PAIRS)] if asked else []
            self.worker.outReceived(data)
            self.assertEqual(self.process.signals, ["KILL"], data)
            self.end()
            for done in waiting:
                self.failureResultOf(done, WorkerLost)

    def test_endless_complaints(self) -> None:
        """Only the end of what it complains of is kept."""
        for _ in range(100):
            self.worker.errReceived(b"x" * 100)
        done = self.worker.compute(PAIRS)
        self.end()
        self.assertEqual(len(self.failureResultOf(done, WorkerLost).getErrorMessage()), 200)

    def test_stop(self) -> None:
        """Asked to stop it finishes what it has; nothing is killed and no timer stays."""
        done = self.worker.compute(PAIRS)
        stopped = self.worker.stop()
        again = self.worker.stop()
        self.assertTrue(self.process.stdin_closed)
        self.assertNoResult(stopped)
        self.worker.outReceived(LINES)
        self.assertEqual(self.successResultOf(done), DIGESTS)
        self.end()
        for fired in (stopped, again, self.worker.stop()):
            self.assertIsNone(self.successResultOf(fired))
        self.assertEqual((self.process.signals, self.reactor.getDelayedCalls()), ([], []))

    def test_stop_of_a_hanging_process(self) -> None:
        """One that does not end is killed two seconds later."""
        stopped = self.worker.stop()
        self.reactor.advance(1.9)
        self.assertEqual(self.process.signals, [])
        self.reactor.advance(0.2)
        self.assertEqual(self.process.signals, ["KILL"])
        self.assertNoResult(stopped)
        self.end()
        self.successResultOf(stopped)


class HungWorkerTests(SynchronousTestCase):
    """A process that is there and does not answer."""

    setUp = ProcessWorkerTests.setUp
    end = ProcessWorkerTests.end

    def hang(self) -> None:
        """Time passes in which nothing comes."""
        self.reactor.advance(TIMEOUT)
        self.reactor.advance(GRACE)

    def test_no_answer(self) -> None:
        """It is killed, its jobs are lost at once, though it may take its time to end; what it says then is void."""
        waiting = [self.worker.compute(PAIRS), self.worker.compute(PAIRS)]
        self.reactor.advance(TIMEOUT)
        self.assertEqual(self.process.signals, [])
        self.reactor.advance(GRACE)
        self.assertEqual(self.process.signals, ["KILL"])
        for done in [*waiting, self.worker.compute(PAIRS)]:
            loss = self.failureResultOf(done, WorkerLost).value
            self.assertEqual(str(loss), "it gave no digest within 5 s")
        self.worker.outReceived(LINES)
        self.assertEqual((self.worker.load, self.worker.proven), (0, False))
        stopped = self.worker.stop()
        self.end()
        self.successResultOf(stopped)
        self.assertEqual(self.reactor.getDelayedCalls(), [])

    def test_which_loss(self) -> None:
        """One that hangs is told from one that has ended."""
        first = self.worker.compute(PAIRS)
        self.hang()
        self.assertTrue(self.failureResultOf(first, WorkerLost).value.hung)
        self.setUp()
        second = self.worker.compute(PAIRS)
        self.end()
        self.assertFalse(self.failureResultOf(second, WorkerLost).value.hung)

    def test_each_digest_has_its_time(self) -> None:
        """Room for a queue: what counts is that something comes."""
        jobs = [self.worker.compute(PAIRS), self.worker.compute(PAIRS)]
        for line in [*DIGESTS, *DIGESTS]:
            self.reactor.advance(TIMEOUT)
            self.reactor.advance(GRACE * 0.9)
            self.worker.outReceived(line.encode() + b"\n")
        self.assertEqual([self.successResultOf(job) for job in jobs], [DIGESTS, DIGESTS])
        self.reactor.advance(1000)
        self.assertEqual((self.process.signals, self.reactor.getDelayedCalls()), ([], []))

    def test_this_process_stood_still(self) -> None:
        """Timers come before what is there to be read: an answer that came meanwhile is read."""
        job = self.worker.compute(PAIRS)
        self.reactor.advance(1000)
        self.worker.outReceived(LINES)
        self.assertEqual(self.successResultOf(job), DIGESTS)
        self.assertEqual(self.process.signals, [])


class HungHasherTests(HasherCase):
    """What becomes of the queue in front of workers that are lost."""

    def test_replaced(self) -> None:
        """Its jobs are done elsewhere, by a new worker too if the old one had never answered."""
        self.hasher(workers=2)
        self.started[0].proven = False
        jobs = [self.ask(f"u{number}") for number in range(6)]
        self.started[0].lose(hung=True)
        self.assertEqual(len(self.started), 3)
        for worker in self.started[1:]:
            while worker.jobs:
                worker.answer()
        for job in jobs:
            self.successResultOf(job)
        self.assertEqual([kind for _, kind, _ in self.journal.notes], ["worker_hung"])

    def test_never_any_answer(self) -> None:
        """Where three in a row hang without any answer, a thread takes over."""
        hasher = self.hasher()
        for number in range(MOST_HUNG):
            self.ask("u").addErrback(lambda failure: failure.trap(Unavailable))
            self.started[number].proven = False
            self.started[number].lose(hung=True)
        kinds = [kind for _, kind, _ in self.journal.notes]
        self.assertEqual(kinds, ["worker_hung"] * MOST_HUNG + ["thread_instead"])
        self.successResultOf(hasher.stopService())

    def test_the_queue_goes_on(self) -> None:
        """A job that has cost two workers, or that was given up, leaves its place to those who wait."""
        for given_up in (False, True):
            self.hasher()
            jobs = [self.ask(f"u{number}") for number in range(4)]
            if given_up:
                for job in jobs[:2]:
                    job.cancel()
                    self.failureResultOf(job, CancelledError)
                self.started[0].lose()
            else:
                self.started[0].lose()
                self.started[1].lose()
                self.refused(jobs[0], "hasher_down")
            last = self.started[-1]
            while last.jobs:
                last.answer()
            first = 2 if given_up else 1
            names = [self.successResultOf(job) for job in jobs[first:]]
            self.assertEqual(names, [["u1"], ["u2"], ["u3"]][first - 1 :])

    def test_all_hang(self) -> None:
        """What was at workers that hang is done by those that come in their place, not by others that hang as well."""
        self.hasher(workers=2)
        jobs = [self.ask(f"u{number}") for number in range(6)]
        for worker in self.started[:2]:
            worker.lose(hung=True)
        for worker in self.started[2:]:
            while worker.jobs:
                worker.answer()
        self.assertEqual([self.successResultOf(job) for job in jobs], [[f"u{number}"] for number in range(6)])

    def test_hung_three_times(self) -> None:
        """A job that has cost three workers in this way is refused."""
        self.hasher()
        job = self.ask("deadly")
        for number in range(3):
            self.assertNoResult(job)
            self.started[number].lose(hung=True)
        self.refused(job, "hasher_down")


class RealWorkers(TestCase):
    """On the machine itself."""

    async def test_process(self) -> None:
        """A real process answers two jobs at once and leaves nothing behind (trial looks for it)."""
        worker = ProcessWorker(reactor)  # type: ignore[arg-type]
        first, second = worker.compute(PAIRS), worker.compute(PAIRS[1:])
        self.assertEqual(await first, DIGESTS)
        self.assertEqual(await second, DIGESTS[1:])
        await worker.stop()

    async def test_no_such_interpreter(self) -> None:
        """Where no interpreter can be started, the first job says so, or the start did."""
        try:
            worker = ProcessWorker(reactor, "/nonexistent/python")  # type: ignore[arg-type]
        except OSError:
            return
        with self.assertRaises(WorkerLost):
            await worker.compute(PAIRS)
        self.assertFalse(worker.proven)
        await worker.stop()

    async def test_thread(self) -> None:
        """A thread gives the same answers, and is gone when it was stopped."""
        before = threading.active_count()
        worker = ThreadWorker(reactor)  # type: ignore[arg-type]
        jobs: list[Deferred[list[str]]] = [worker.compute(PAIRS), worker.compute(PAIRS[1:])]
        self.assertEqual(worker.load, 2)
        self.assertEqual([await job for job in jobs], [DIGESTS, DIGESTS[1:]])
        self.assertEqual(worker.load, 0)
        await worker.stop()
        await worker.stop()
        self.assertEqual(threading.active_count(), before)
        with self.assertRaises(WorkerLost):
            await worker.compute(PAIRS)
