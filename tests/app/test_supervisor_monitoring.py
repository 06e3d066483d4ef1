"""orosync.app.supervisor_monitoring: one answer for all workers."""

from __future__ import annotations

from typing import Any

import attrs
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from orosync.app.supervisor_monitoring import SupervisorMonitoring
from orosync.config import load
from orosync.ops.answers import StatusAnswer, WorkerRow
from orosync.ops.journal import Journal
from tests.app.test_service import OPEN
from tests.app.test_supervisor_verbs import FakeWorkers
from tests.app.worker_case import FakeWorker


class Monitored(SynchronousTestCase):
    def setUp(self) -> None:
        self.patch(FakeWorker, "all", [])
        path = self.mktemp()
        with open(path, "w") as file:
            file.write(OPEN.format(one="", more="[listen:ops]\nendpoint = tcp:0:interface=127.0.0.1"))
        self.clock = Clock()
        self.workers: Any = FakeWorkers(self.clock)
        self.one, self.two = self.workers.all = self.workers.serving
        self.absent: list[str] = []
        self.workers.missing = lambda: self.absent
        self.journal = Journal(self.clock)
        self.monitoring = SupervisorMonitoring(load(path, {}), self.workers, self.journal, self.clock)

    def report(self) -> Any:
        return self.monitoring.health().words()

    def test_ready(self) -> None:
        self.assertEqual(self.report(), {"status": "ready", "wrong": {}})
        self.assertIsNotNone(self.monitoring.site)

    def test_what_is_wrong(self) -> None:
        """What all find is told once, other things with the worker's name. One that is ready is enough for clients."""
        self.one.health = {"status": "unready", "wrong": {"directory:people": "down", "drain": "going down"}}
        self.two.health = {"status": "degraded", "wrong": {"directory:people": "down"}}
        wrong = {"directory:people": "down", "web/1 drain": "going down"}
        self.assertEqual(self.report(), {"status": "degraded", "wrong": wrong})
        self.two.health = self.one.health
        self.assertEqual(self.report()["status"], "unready")

    def test_a_worker_is_away(self) -> None:
        self.workers.serving = [self.two]
        self.absent = ["web/1"]
        self.assertEqual(self.report(), {"status": "degraded", "wrong": {"worker:web/1": "does not serve"}})
        self.workers.serving = []
        self.absent = ["web/1", "web/2"]
        self.assertEqual(self.report()["status"], "unready")

    def test_metrics(self) -> None:
        """They add up, with those of this process. What was counted by a worker that has ended stays in the sum, what
        was there in it does not."""
        self.one.channel.answers["worker.metrics"] = {
            "publications": [[["oro"], 3]],
            "connections": [[["one"], 2]],
        }
        self.two.channel.answers["worker.metrics"] = {
            "publications": [[["oro"], 4]],
            "connections": [[["one"], 5]],
        }
        self.journal.note("worker.ended", "signal")
        found = self.metrics()
        self.assertEqual((found["publications"], found["connections"]), ([[["oro"], 7]], [[["one"], 7]]))
        self.assertIn([["worker.ended", "signal"], 1], found["log_events"])
        self.assertGreater(found["process_resident_memory_bytes"][0][1], 0)
        self.workers.all = self.workers.serving = [self.two]
        found = self.metrics()
        self.assertEqual((found["publications"], found["connections"]), ([[["oro"], 7]], [[["one"], 5]]))
        self.two.channel.answers["worker.metrics"] = {"publications": [[["oro"], 6]]}
        self.assertEqual(self.metrics()["publications"], [[["oro"], 9]])

    def metrics(self) -> Any:
        return self.successResultOf(self.monitoring.snapshot())

    def test_status(self) -> None:
        """That of a single router, and a row for each worker."""
        self.one.clients = 7
        for worker, other in ((self.one, "web/2"), (self.two, "web/1")):
            worker.channel.answers["worker.metrics"] = {}
            rows = [{"node": node, "lag": lag} for node, lag in ((other, 3), ("ws2", worker.pid))]
            worker.channel.answers["worker.nodes"] = rows
        self.clock.advance(5)
        status = self.successResultOf(self.monitoring.status())
        self.assertEqual(list(status), [field.name for field in attrs.fields(StatusAnswer)])
        first = status["workers"][0]
        self.assertEqual(list(first), [field.name for field in attrs.fields(WorkerRow)])
        self.assertEqual((first["node"], first["clients"], first["seconds"], first["health"]), ("web/1", 7, 5, "ready"))
        self.assertEqual((status["node"], len(status["workers"]), first["lag"]), ("web1", 2, 3))
        self.assertEqual(status["nodes"], [{"node": "ws2", "lag": 2}])
