"""Monitoring of a router with several workers: their metrics added up, their health in one, the site of [listen:ops].

Counters of workers that have ended stay in the sums as they were last seen, so that no sum falls.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from operator import itemgetter
from typing import Any

from twisted.internet.defer import Deferred

from orosync import __version__
from orosync.app.metrics import METRICS, ProcessFigures, read_journal
from orosync.app.worker_process import WorkerProcess
from orosync.app.workers import Workers
from orosync.config import Configuration
from orosync.metrics import Kind, Metrics, Snapshot, Source, add_up
from orosync.ops.answers import StatusAnswer, WorkerRow, plain
from orosync.ops.health import Report
from orosync.ops.journal import Journal
from orosync.ops.site import Operations, operations_site


class SupervisorMonitoring:
    """``site`` is None without [listen:ops]. ``sources`` are further ones of this process. Raises ConfigError when it
    cannot be made."""

    def __init__(
        self,
        configuration: Configuration,
        workers: Workers,
        journal: Journal,
        reactor: Any,
        sources: Iterable[Source] = (),
    ) -> None:
        self._configuration = configuration
        self._workers = workers
        self._reactor = reactor
        self._process = ProcessFigures(reactor)
        self._metrics = Metrics()
        self._metrics.add(self._process.read)
        self._metrics.add(partial(read_journal, journal.counts))
        for source in sources:
            self._metrics.add(source)
        self._last: dict[WorkerProcess, Snapshot] = {}
        self._ended: Snapshot = {}
        operations = Operations(self.health, self.snapshot, METRICS, self.status)
        self.site = None if configuration.operations is None else operations_site(operations, reactor)

    def start(self) -> None:
        """Measure from now on."""
        self._process.start()

    def stop(self) -> None:
        """Measure no longer."""
        self._process.stop()

    def health(self) -> Report:
        """Ready as long as one worker is; degraded while any is not."""
        wrong: dict[str, str] = {}
        reports = {worker.node: worker.health for worker in self._workers.serving}
        for node, report in reports.items():
            for check, what in report["wrong"].items():
                everywhere = all(other["wrong"].get(check) == what for other in reports.values())
                wrong[check if everywhere else f"{node} {check}"] = what
        for node in self._workers.missing():
            wrong[f"worker:{node}"] = "does not serve"
        ready = any(report["status"] != "unready" for report in reports.values())
        return Report(ready, bool(wrong), wrong)

    def snapshot(self) -> Deferred[Snapshot]:
        """The metrics of all processes now, added up."""
        return Deferred.fromCoroutine(self._snapshot())

    async def _snapshot(self) -> Snapshot:
        found = dict(await self._workers.ask_all("worker.metrics"))
        there = set(self._workers.all)
        for worker in [worker for worker in self._last if worker not in there]:
            self._ended = add_up([self._ended, _counted(self._last.pop(worker))], METRICS)
        self._last |= {worker: snapshot for worker, snapshot in found.items() if worker in there}
        return add_up([*found.values(), self._ended, self._metrics.snapshot()], METRICS)

    def status(self) -> Deferred[dict[str, Any]]:
        """What this router is, and how it is, as plain values."""
        return Deferred.fromCoroutine(self._status())

    async def _status(self) -> dict[str, Any]:
        now = self._reactor.seconds()
        own = {worker.node for worker in self._workers.all}
        told = await self._workers.ask_all("worker.nodes")
        seen: dict[str, list[dict[str, Any]]] = {}
        for _, others in told:
            for row in others:
                seen.setdefault(row["node"], []).append(row)
        rows = [
            WorkerRow(
                node=worker.node,
                process=worker.pid,
                state=worker.state.value,
                health=worker.health["status"],
                clients=worker.clients,
                lag=max((row["lag"] for row in seen.get(worker.node, ())), default=0),
                seconds=round(now - worker.since, 1),
            )
            for worker in self._workers.all
        ]
        return plain(
            StatusAnswer(
                version=__version__,
                node=self._configuration.router.node,
                configuration=str(self._configuration.path),
                health=dict(self.health().words()),
                metrics=await self._snapshot(),
                nodes=[max(found, key=itemgetter("lag")) for node, found in seen.items() if node not in own],
                workers=[plain(row) for row in rows],
            )
        )


def _counted(snapshot: Snapshot) -> Snapshot:
    """What only grows."""
    known = {name: METRICS[name] for name in snapshot if name in METRICS}  # a newer worker may have others
    return {name: snapshot[name] for name, metric in known.items() if metric.kind is not Kind.GAUGE}
