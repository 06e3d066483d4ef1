"""orosync.app.workers, with processes that are none: which are started when, and who accepts in whose place."""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from orosync.app import workers
from orosync.app.worker_process import WorkerState
from orosync.app.workers import (
    ANSWER_WITHIN,
    LATE,
    LONGEST_PAUSE,
    MOST_FAILED_STARTS,
    SILENT,
    STARTING,
    SUSPECT,
    UNKILLABLE,
    UPGRADES,
    Workers,
)
from orosync.errors import NotDone
from orosync.ops.journal import Journal
from tests.app.worker_case import GONE, FakeWorker, settings


class FakeSockets:
    """``shared``: all workers accept from the same ones."""

    shared = False

    def of(self, place: int) -> dict[str, Any]:
        return {"one": place}

    def own(self, place: int) -> dict[str, Any]:
        return {} if self.shared else {"one": place}


class FakeHub:
    def __init__(self) -> None:
        self.nodes: list[str] = []
        self.left: list[tuple[str, str]] = []

    def add(self, node: str, channel: Any) -> None:
        assert node not in self.nodes
        self.nodes.append(node)

    def remove(self, node: str, reason: str) -> None:
        self.nodes.remove(node)
        self.left.append((node, reason))


class WorkersCase(SynchronousTestCase):
    count = 2

    def setUp(self) -> None:
        self.patch(workers, "WorkerProcess", FakeWorker)
        self.patch(FakeWorker, "all", [])
        self.clock = Clock()
        self.hub, self.sockets = FakeHub(), FakeSockets()
        self.readies: list[float] = []
        self.failures: list[list[str]] = []
        self.journal = Journal(self.clock)
        self.workers = Workers(
            self.clock, self.journal, self.count, "web", 5.0, self.sockets, self.hub, settings,
            lambda: self.readies.append(self.clock.seconds()), self.failures.append,
        )  # fmt: skip
        self.workers.start()

    def serve(self) -> list[FakeWorker]:
        """All that were started, and serve now."""
        for one in FakeWorker.all:
            one.ready()
        return FakeWorker.all

    def look(self, times: int, *silent: FakeWorker) -> None:
        """Time passes; all but ``silent`` give signs of life."""
        for _ in range(times):
            self.clock.advance(1.0)
            for one in FakeWorker.all:
                if one not in silent and one.state is not WorkerState.STARTING:
                    one.looks = 0

    def nodes(self) -> list[str]:
        return [one.node for one in FakeWorker.all]


class Starting(WorkersCase):
    def test_all_serve(self) -> None:
        """The router is ready when the last worker is, and only once."""
        self.assertEqual(self.nodes(), ["web/1", "web/2"])
        self.assertEqual(self.hub.nodes, ["web/1", "web/2"])
        FakeWorker.all[1].ready()
        self.assertEqual((self.readies, list(self.workers.missing())), ([], ["web/1"]))
        self.clock.advance(1.0)
        FakeWorker.all[0].ready()
        self.assertEqual((self.readies, list(self.workers.missing())), ([1.0], []))
        FakeWorker.all[0].end()
        self.clock.advance(0.1)
        FakeWorker.all[2].ready()
        self.assertEqual(len(self.readies), 1)

    def test_clients_wait_for_their_worker(self) -> None:
        """The first worker that serves gets its share of those who come early, and not all of them."""
        one, other = FakeWorker.all
        other.ready()
        one.ready()
        self.assertEqual((one.handed, other.handed), ([], []))
        one.end()
        self.assertEqual(other.handed, [0])

    def test_clients_do_not_wait_long(self) -> None:
        """A worker that takes long to start, or could not, has another one accept for it."""
        one, other = FakeWorker.all
        other.ready()
        self.look(LATE - 1)
        self.assertEqual(other.handed, [])
        self.look(1)
        self.assertEqual(other.handed, [0])
        one.ready()
        self.assertIn(("worker.uncover", 0), other.channel.sent)

    def test_clients_do_not_wait_for_another_attempt(self) -> None:
        """When the first attempt to start a worker has failed, another one accepts for it until it serves."""
        one, other = FakeWorker.all
        one.end()
        self.clock.advance(0.1)
        self.assertEqual(len(FakeWorker.all), 3)
        other.ready()
        self.assertEqual(other.handed, [0])
        FakeWorker.all[-1].ready()
        self.assertIn(("worker.uncover", 0), other.channel.sent)

    def test_a_worker_that_cannot_start(self) -> None:
        """After some attempts the router does not start; the reason is told."""
        for attempt in range(MOST_FAILED_STARTS):
            self.assertEqual(self.failures, [])
            FakeWorker.all[-1].end("exit", f"exit status {attempt}")
            self.clock.advance(LONGEST_PAUSE)
        self.assertEqual(self.failures, [[f"worker web/2 cannot start: exit status {MOST_FAILED_STARTS - 1}"]])
        self.assertEqual(len(FakeWorker.all), 1 + MOST_FAILED_STARTS)

    def test_a_faulty_configuration(self) -> None:
        """What is wrong with it is told at once: another attempt would find the same."""
        FakeWorker.all[0].end("killed", "it cannot start", "[realm:x] is wrong", "so is y")
        self.assertEqual(self.failures, [["[realm:x] is wrong", "so is y"]])
        self.clock.advance(LONGEST_PAUSE)
        self.assertEqual(len(FakeWorker.all), 2)

    def test_a_system_without_processes(self) -> None:
        """It counts as a failed start, and the next attempt may work."""
        self.serve()
        self.patch(FakeWorker, "startable", False)
        FakeWorker.all[0].end()
        self.clock.advance(0.1)
        self.assertEqual(self.nodes(), ["web/1", "web/2", "web/1"])
        self.patch(FakeWorker, "startable", True)
        self.clock.advance(0.2)
        FakeWorker.all[-1].ready()
        self.assertEqual(list(self.workers.missing()), [])
        self.assertEqual(self.failures, [])

    def test_a_worker_that_hangs_at_its_start(self) -> None:
        one, other = FakeWorker.all
        other.ready()
        self.look(STARTING - 1)
        self.assertEqual(one.killed, [])
        self.look(1)
        self.assertEqual(one.killed, [f"it does not serve within {STARTING} s"])


class Ending(WorkersCase):
    def test_another_one_accepts_until_it_is_back(self) -> None:
        """The others hear of it at once; it keeps its name."""
        one, other = self.serve()
        one.end("signal", "signal SIGKILL")
        self.assertEqual(other.handed, [0])
        self.assertEqual(self.hub.left, [("web/1", "signal SIGKILL")])
        self.assertEqual(self.workers.serving, [other])
        self.clock.advance(0.1)
        self.assertEqual(self.nodes(), ["web/1", "web/2", "web/1"])
        self.assertNotIn(("worker.uncover", 0), other.channel.sent)
        FakeWorker.all[-1].ready()
        self.assertIn(("worker.uncover", 0), other.channel.sent)
        self.assertEqual(self.journal.counts["worker.ended", "signal"], 1)

    def test_sockets_that_are_shared_need_nobody(self) -> None:
        self.sockets.shared = True
        one, other = self.serve()
        one.end()
        self.assertEqual(other.handed, [])

    def test_the_pause_grows(self) -> None:
        """While a worker ends soon; one that has served for a while is started again at once."""
        one, _ = self.serve()
        pauses = []
        for _ in range(9):
            one.end()
            (again,) = (call for call in self.clock.getDelayedCalls() if call.func == self.workers._spawn)
            pauses.append(round(again.getTime() - self.clock.seconds(), 1))
            self.clock.advance(pauses[-1])
            one = FakeWorker.all[-1]
            one.ready()
        self.assertEqual(pauses, [0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 6.4, 10.0, 10.0])
        self.look(int(LONGEST_PAUSE))
        FakeWorker.all[-1].end()
        before = len(FakeWorker.all)
        self.clock.advance(0.1)
        self.assertEqual(len(FakeWorker.all), before + 1)

    def test_silence(self) -> None:
        """Another one accepts in its place, then it is killed; with a sign of life it goes on."""
        one, other = self.serve()
        self.look(SUSPECT, one)
        self.assertEqual((other.handed, one.killed), ([0], []))
        self.assertEqual(list(self.workers.missing()), ["web/1"])
        one.looks = 0
        self.workers.recovered(one)
        self.assertIn(("worker.uncover", 0), other.channel.sent)
        self.look(SILENT, one)
        self.assertEqual(one.killed, [f"no sign of life for {SILENT} s"])
        self.assertEqual(other.handed, [0, 0])
        self.assertEqual(other.killed, [])

    def test_one_that_cannot_be_killed(self) -> None:
        """From a moment after it was killed on systemd is not told that all is well."""
        one, _ = self.serve()
        self.look(SILENT, one)
        self.assertTrue(self.workers.alive())
        self.look(UNKILLABLE - SILENT, one)
        self.assertFalse(self.workers.alive())
        one.end("killed", "no sign of life")
        self.assertTrue(self.workers.alive())

    def test_a_worker_that_drains_by_itself(self) -> None:
        """Somebody has sent it SIGTERM: another one accepts at once, and it is started again."""
        one, other = self.serve()
        one.drains()
        self.assertEqual(other.handed, [0])
        one.end("exit", "it ended by itself")
        self.clock.advance(0.1)
        self.assertEqual(self.nodes()[2:], ["web/1"])


class Three(WorkersCase):
    count = 3

    def test_who_accepts_for_another_one_ends(self) -> None:
        """A third one does it."""
        one, two, three = self.serve()
        one.end()
        covering = two if two.handed else three
        left = three if covering is two else two
        covering.end()
        self.assertEqual(sorted(left.handed), sorted([one.place, covering.place]))

    def test_the_work_is_shared(self) -> None:
        """Two that are away are each another one's business, where there are others."""
        one, two, three = self.serve()
        one.drains()
        self.assertEqual(len(two.handed + three.handed), 1)


class Replacing(WorkersCase):
    def replace(self) -> tuple[list[tuple[int, int]], Deferred[None]]:
        told: list[tuple[int, int]] = []
        return told, Deferred.fromCoroutine(self.workers.replace(lambda *done: told.append(done)))

    def test_one_after_the_other(self) -> None:
        """Each successor has a new name, and serves before its predecessor is asked to go. What exists once is handed
        on in between."""
        one, two = self.serve()
        told, done = self.replace()
        self.assertEqual(self.nodes()[2:], ["web/3"])
        self.assertTrue(FakeWorker.all[2].settings.waits)
        self.assertEqual(one.terminated, [])
        one.channel.answers["worker.resign"] = resigned = Deferred()
        FakeWorker.all[2].ready()
        self.assertEqual([frame[0] for frame in FakeWorker.all[2].channel.sent], [])
        resigned.callback(None)
        self.assertEqual(FakeWorker.all[2].channel.sent, [("worker.lead",)])
        self.assertEqual((one.terminated, one.channel.sent[-1]), ([], ("worker.hold",)))
        self.clock.advance(UPGRADES)
        self.assertEqual((one.terminated, two.terminated), ([16.0], []))
        self.assertIn(one, self.workers.all)
        one.drains()
        self.assertEqual(FakeWorker.all[2].handed + two.handed, [])
        one.end("exit", "it ended by itself")
        self.assertEqual(self.nodes()[3:], ["web/4"])
        FakeWorker.all[3].ready()
        self.assertEqual(two.channel.asked, [])
        self.clock.advance(UPGRADES)
        two.end("exit", "it ended by itself")
        self.successResultOf(done)
        self.assertEqual(told, [(0, 2), (1, 2), (2, 2)])
        self.assertEqual([one.node for one in self.workers.all], ["web/3", "web/4"])
        self.assertEqual(self.hub.nodes, ["web/3", "web/4"])
        self.clock.advance(LONGEST_PAUSE)
        self.assertEqual(len(FakeWorker.all), 4)
        FakeWorker.all[2].end()
        self.assertEqual(list(self.workers.missing()), ["web/3"])
        self.clock.advance(LONGEST_PAUSE)
        self.assertEqual(self.nodes()[4:], ["web/3"])

    def test_a_successor_that_cannot_start(self) -> None:
        """All stays as it is, with the reason."""
        one, two = self.serve()
        _, done = self.replace()
        FakeWorker.all[2].end("killed", "it cannot start", "[realm:x] is wrong")
        self.assertEqual(str(self.failureResultOf(done, NotDone).value), "[realm:x] is wrong")
        self.assertEqual((one.terminated, two.terminated, self.workers.all), ([], [], [one, two]))
        self.clock.advance(LONGEST_PAUSE)
        self.assertEqual(len(FakeWorker.all), 3)
        _, done = self.replace()
        FakeWorker.all[3].ready()
        self.assertNoResult(done)

    def test_a_predecessor_that_ends_meanwhile(self) -> None:
        """Its successor is enough; without one that serves it is started again."""
        one, two = self.serve()
        _, done = self.replace()
        one.channel.answers["worker.resign"] = GONE
        one.end()
        self.clock.advance(LONGEST_PAUSE)
        self.assertEqual(self.nodes()[2:], ["web/3"])
        FakeWorker.all[2].end("exit", "exit status 1")
        self.failureResultOf(done, NotDone)
        self.clock.advance(LONGEST_PAUSE)
        self.assertEqual(self.nodes()[3:], ["web/1"])
        self.assertEqual(two.handed, [0])

    def test_twice_at_a_time(self) -> None:
        self.serve()
        self.replace()
        self.failureResultOf(self.replace()[1], NotDone)
        self.assertEqual(len(FakeWorker.all), 3)

    def test_before_all_serve(self) -> None:
        self.failureResultOf(self.replace()[1], NotDone)


class Stopping(WorkersCase):
    def test_all_at_once(self) -> None:
        """Those that wait to be started again are not; it is over when the last process is."""
        one, two = self.serve()
        one.end()
        done = Deferred.fromCoroutine(self.workers.stop())
        self.assertEqual((one.terminated, two.terminated), ([], [16.0]))
        self.assertNoResult(done)
        two.drains()
        two.end("exit", "it ended by itself")
        self.successResultOf(done)
        self.clock.advance(LONGEST_PAUSE)
        self.assertEqual(len(FakeWorker.all), 2)
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_let_go(self) -> None:
        """A worker that ends afterwards is not started again, and nobody accepts for it."""
        one, two = self.serve()
        self.workers.let_go()
        one.drains()
        one.end()
        self.clock.advance(LONGEST_PAUSE)
        self.assertEqual((len(FakeWorker.all), two.handed), (2, []))


class Finding(WorkersCase):
    def test_by_number(self) -> None:
        """Those that serve; without a number the one with what exists once."""
        one, two = FakeWorker.all
        two.ready()
        self.assertEqual([self.workers.find(number) for number in ("", "1", "2", "3")], [None, None, two, None])
        one.ready()
        self.assertEqual([self.workers.find(number) for number in ("", "1", "2")], [one, one, two])


class Asking(WorkersCase):
    def test_all_answers(self) -> None:
        """Of those that serve, also while they drain; one that ends meanwhile has none, nor has one that is stuck."""
        one, two = self.serve()
        one.channel.answers["count"] = 1
        two.channel.answers["count"] = 2
        two.drains()
        found = self.successResultOf(Deferred.fromCoroutine(self.workers.ask_all("count", "x")))
        self.assertEqual(found, [(one, 1), (two, 2)])
        self.assertEqual(two.channel.asked, [("count", "x")])
        one.channel.answers["count"] = GONE
        found = self.successResultOf(Deferred.fromCoroutine(self.workers.ask_all("count")))
        self.assertEqual(found, [(two, 2)])
        one.channel.answers["count"] = Deferred()
        late = Deferred.fromCoroutine(self.workers.ask_all("count"))
        self.assertNoResult(late)
        self.clock.advance(ANSWER_WITHIN)
        self.assertEqual(self.successResultOf(late), [(two, 2)])
        one.looks = SUSPECT
        self.assertEqual(self.successResultOf(Deferred.fromCoroutine(self.workers.ask_all("count"))), [(two, 2)])
        two.channel.answers["count"] = NotDone("no")
        self.failureResultOf(Deferred.fromCoroutine(self.workers.ask_all("count")), NotDone)
