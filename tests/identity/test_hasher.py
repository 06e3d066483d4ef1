"""The queue in front of the digests: its order, its bounds, and what happens when a worker is lost."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twisted.internet import defer, reactor
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.task import Clock
from twisted.logger import LogEvent, formatEvent, globalLogPublisher
from twisted.trial.unittest import SynchronousTestCase, TestCase

from orosync.errors import Unavailable
from orosync.identity import digests
from orosync.identity.digests import message_digest
from orosync.identity.hasher import Hasher
from orosync.identity.workers import ThreadWorker, WorkerLost
from orosync.testing import RecordingJournal


class FakeWorker:
    """Keeps its jobs until ``answer`` is called."""

    def __init__(self) -> None:
        self.proven = True
        self.jobs: list[tuple[list[bytes], Deferred[list[str]]]] = []
        self.done: list[bytes] = []
        self.stopped = False

    @property
    def load(self) -> int:
        return len(self.jobs)

    def compute(self, pairs: Any) -> Deferred[list[str]]:
        done: Deferred[list[str]] = Deferred()
        self.jobs.append(([plain for plain, _ in pairs], done))
        return done

    def stop(self) -> Deferred[None]:
        self.stopped = True
        return defer.succeed(None)

    def answer(self) -> None:
        plains, done = self.jobs.pop(0)
        self.done += plains
        done.callback([plain.decode() for plain in plains])

    def lose(self, hung: bool = False) -> None:
        jobs, self.jobs = self.jobs, []
        for _, done in jobs:
            done.errback(WorkerLost("it died", hung))


class HasherCase(SynchronousTestCase):
    """A hasher over workers that wait to be told."""

    def hasher(self, workers: int = 1, start: Callable[[], Any] | None = None, **settings: Any) -> Hasher:
        self.started: list[FakeWorker] = []
        self.journal = RecordingJournal()

        def start_worker() -> FakeWorker:
            self.started.append(FakeWorker())
            return self.started[-1]

        hasher = Hasher(
            reactor,  # type: ignore[arg-type]
            self.journal,
            workers=workers,
            start_worker=start or start_worker,
            **settings,
        )
        hasher.startService()
        self.hashed = hasher
        return hasher

    def ask(self, name: str, lane: str = "a", urgent: bool = False) -> Deferred[list[str]]:
        return self.hashed.digests([(name.encode(), b"s")], lane, urgent=urgent)

    def order(self) -> str:
        """The names of all jobs in the order in which the first worker does them."""
        worker = self.started[0]
        while worker.jobs:
            worker.answer()
        return b" ".join(worker.done).decode()

    def refused(self, done: Deferred[list[str]], kind: str) -> None:
        self.assertEqual(self.failureResultOf(done, Unavailable).value.code, kind)


class Start(HasherCase):
    """What an administrator reads about it."""

    def test_implementation(self) -> None:
        """The log names the implementation of the digest, and for the slow one what the fast one needs."""
        logged: list[str] = []

        def observe(event: LogEvent) -> None:
            logged.append(formatEvent(event))

        globalLogPublisher.addObserver(observe)
        self.addCleanup(globalLogPublisher.removeObserver, observe)
        for built, said in (
            (lambda salted, rounds: b"", "in C, by 3"),
            (None, "docs/install.md, C compiler"),
        ):
            self.patch(digests, "in_c", built)
            logged.clear()
            self.hasher(workers=3)
            (line,) = logged
            self.assertIn("digests of tickets are computed in ", line)
            self.assertIn(said, line)
            self.assertIn("by 3 processes", line)


class Order(HasherCase):
    """Who comes first."""

    def test_answers(self) -> None:
        """Each job gets its own digests, in order."""
        self.hasher()
        both = self.hashed.digests([(b"x", b"s"), (b"y", b"s")], "a")
        one = self.ask("z")
        self.order()
        self.assertEqual((self.successResultOf(both), self.successResultOf(one)), (["x", "y"], ["z"]))

    def test_back_end_first(self) -> None:
        """A ticket of the back end overtakes every user's that is not at a worker yet."""
        self.hasher()
        for number in range(6):
            self.ask(f"u{number}")
        self.ask("b0", urgent=True)
        self.ask("b1", urgent=True)
        self.assertEqual(self.order(), "u0 u1 b0 b1 u2 u3 u4 u5")

    def test_addresses_take_turns(self) -> None:
        """A storm from one address makes its own clients wait, and hardly those of another."""
        self.hasher()
        for number in range(6):
            self.ask(f"a{number}", "a")
        self.ask("b0", "b")
        self.ask("b1", "b")
        self.ask("c0", "c")
        self.assertEqual(self.order(), "a0 a1 a2 b0 c0 a3 b1 a4 a5")

    def test_workers_are_kept_busy(self) -> None:
        """Every worker has one job to do and one at hand; the rest waits here, where it can be overtaken."""
        hasher = self.hasher(workers=3)
        for number in range(10):
            self.ask(f"u{number}")
        self.assertEqual([worker.load for worker in self.started], [2, 2, 2])
        self.assertEqual(hasher.waiting, 4)
        self.started[1].answer()
        self.assertEqual([worker.load for worker in self.started], [2, 2, 2])
        self.assertEqual(hasher.waiting, 3)


class Figures(HasherCase):
    """What is counted."""

    def test_time_of_a_check(self) -> None:
        """One for each ticket, however many digests it needs; it includes the wait."""
        hasher = self.hasher()
        clock = Clock()
        self.patch(hasher, "_seconds", clock.seconds)
        for _ in range(2):
            self.ask("a ticket")
        clock.advance(0.3)
        self.order()
        self.assertEqual(hasher.spans.count, 2)
        self.assertAlmostEqual(hasher.spans.sum, 0.6)

    def test_workers(self) -> None:
        """Those that there are while it runs."""
        hasher = self.hasher(workers=3)
        self.assertEqual(hasher.workers, 3)
        hasher.stopService()
        self.assertEqual(hasher.workers, 0)


class Bounds(HasherCase):
    """No more waits than there is room for."""

    def test_full(self) -> None:
        """A job for a full queue is refused at once, and all before it are served."""
        self.hasher(room=3)
        jobs = [self.ask(f"u{number}") for number in range(5)]
        self.refused(self.ask("late"), "hash_queue_full")
        self.order()
        for job in jobs:
            self.successResultOf(job)
        self.assertEqual(self.hashed.waiting, 0)
        self.assertNoResult(self.ask("again"))

    def test_counted_in_digests(self) -> None:
        """While two secrets are good, a job takes two places."""
        self.hasher(room=3)
        for _ in range(2):
            self.ask("at a worker")
        two = [(b"x", b"s"), (b"x", b"t")]
        self.assertNoResult(self.hashed.digests(two, "a"))
        self.assertEqual(self.hashed.waiting, 2)
        self.refused(self.hashed.digests(two, "a"), "hash_queue_full")
        self.assertNoResult(self.ask("one still fits"))

    def test_the_longest_lane_pays(self) -> None:
        """An address that has filled the queue loses a place to one that has nothing in it; equals lose none."""
        self.hasher(room=3)
        storm = [self.ask(f"a{number}", "a") for number in range(5)]
        other = self.ask("b0", "b")
        self.refused(storm[4], "hash_queue_full")
        third = self.ask("c0", "c")
        self.refused(storm[3], "hash_queue_full")
        self.refused(self.ask("d0", "d"), "hash_queue_full")
        self.order()
        for job in (*storm[:3], other, third):
            self.successResultOf(job)

    def test_back_end_has_its_own_room(self) -> None:
        """A queue full of users has room for the back end, whose room is bounded too."""
        self.hasher(room=2, urgent_room=2)
        users = [self.ask(f"u{number}") for number in range(4)]
        back_end = [self.ask(f"b{number}", urgent=True) for number in range(2)]
        self.refused(self.ask("b2", urgent=True), "hash_queue_full")
        self.order()
        for job in (*users, *back_end):
            self.successResultOf(job)

    def test_given_up(self) -> None:
        """Who goes away while waiting takes its place along; nothing is computed for it."""
        self.hasher(room=2)
        jobs = [self.ask(f"u{number}") for number in range(4)]
        urgent = self.ask("b0", urgent=True)
        for job in (jobs[0], jobs[2], urgent):
            job.cancel()
            self.failureResultOf(job, CancelledError)
        self.assertEqual(self.hashed.waiting, 1)
        self.assertEqual(self.order(), "u0 u1 u3")
        self.assertEqual(self.hashed.waiting, 0)

    def test_what_symfony_refuses(self) -> None:
        """What can have no digest is not queued, so that it cannot break a worker."""
        self.hasher()
        for plain, salt in ((b"x" * 4097, b"s"), (b"x", b"{")):
            self.assertRaises(ValueError, self.hashed.digests, [(plain, salt)], "a")
        self.assertEqual(self.started[0].jobs, [])


class Losses(HasherCase):
    """No login fails because a worker dies."""

    def test_replaced(self) -> None:
        """Another worker takes over what it had, in a note to the administrator."""
        self.hasher()
        jobs = [self.ask(f"u{number}") for number in range(3)]
        self.started[0].lose()
        self.assertEqual(len(self.started), 2)
        while self.started[1].jobs:
            self.started[1].answer()
        for job in jobs:
            self.successResultOf(job)
        self.assertEqual(self.journal.notes, [("hasher", "worker_lost", {"reason": "it died"})])

    def test_lost_twice(self) -> None:
        """A job that has cost two workers is refused instead of tried on a third."""
        self.hasher()
        job = self.ask("deadly")
        self.started[0].lose()
        self.started[1].lose()
        self.refused(job, "hasher_down")
        self.assertEqual(len(self.started), 3)

    def test_given_up_meanwhile(self) -> None:
        """A cancelled job is not done again."""
        self.hasher()
        job = self.ask("u0")
        job.cancel()
        self.failureResultOf(job, CancelledError)
        self.started[0].lose()
        self.assertEqual(self.started[1].jobs, [])

    def test_not_running(self) -> None:
        """Before the start and after the stop nothing is computed, and every job is refused."""
        hasher = self.hasher()
        working, ready, waiting = (self.ask(f"u{number}") for number in range(3))
        self.successResultOf(hasher.stopService())
        self.refused(waiting, "hasher_down")
        self.refused(self.ask("late"), "hasher_down")
        self.assertTrue(self.started[0].stopped)
        self.started[0].answer()
        self.started[0].lose()
        self.assertEqual(self.successResultOf(working), ["u0"])
        self.refused(ready, "hasher_down")
        self.assertEqual(len(self.started), 1)


class Real(TestCase):
    """On the machine itself."""

    async def test_processes(self) -> None:
        """Sixteen digests of two workers are PHP's, and nothing is left after the stop (trial looks for it)."""
        journal = RecordingJournal()
        hasher = Hasher(reactor, journal, workers=2)  # type: ignore[arg-type]
        hasher.startService()
        jobs = [hasher.digests([(b"%d" % number, b"s")], "a") for number in range(16)]
        for number, job in enumerate(jobs):
            self.assertEqual(await job, [message_digest(b"%d" % number, b"s")])
        await hasher.stopService()
        self.assertEqual(journal.notes, [])

    async def test_no_processes(self) -> None:
        """Where processes cannot be had, one thread does it all, and the administrator is told once."""

        def cannot() -> ThreadWorker:
            raise OSError("no more processes")

        journal = RecordingJournal()
        hasher = Hasher(reactor, journal, workers=3, start_worker=cannot)  # type: ignore[arg-type]
        hasher.startService()
        self.assertEqual(await hasher.digests([(b"x", b"s")], "a"), [message_digest(b"x", b"s")])
        await hasher.stopService()
        ((event, kind, fields),) = journal.notes
        self.assertEqual((event, kind, fields["reason"]), ("hasher", "thread_instead", "no more processes"))

    async def test_process_that_never_answered(self) -> None:
        """A worker lost before its first answer is not tried again: a thread does its jobs, and all that follow."""
        started = []

        def start_worker() -> FakeWorker:
            started.append(FakeWorker())
            started[-1].proven = False
            return started[-1]

        journal = RecordingJournal()
        hasher = Hasher(reactor, journal, workers=1, start_worker=start_worker)  # type: ignore[arg-type]
        hasher.startService()
        jobs = [hasher.digests([(b"%d" % number, b"s")], "a") for number in range(3)]
        started[0].lose()
        for number, job in enumerate(jobs):
            self.assertEqual(await job, [message_digest(b"%d" % number, b"s")])
        await hasher.stopService()
        self.assertEqual(len(started), 1)
        self.assertEqual([kind for _, kind, _ in journal.notes], ["worker_lost", "thread_instead"])
