"""What is stopped, and what of it has not ended."""

from __future__ import annotations

from typing import Any

from twisted.application.service import MultiService, Service
from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase

from orosync.app.ending import Stopping
from orosync.testing import RecordingJournal


class Part(Service):
    """Stops when its ``stopped`` fires, or at once without one; ``fault`` is raised."""

    def __init__(self, name: str | None = None, stopped: Deferred[None] | None = None, fault: Any = None) -> None:
        self.name = name
        self.stopped = stopped
        self.fault = fault

    def stopService(self) -> Deferred[None] | None:
        Service.stopService(self)
        if self.fault is not None:
            raise self.fault
        return self.stopped


class Nameless(Part):
    """Has no name of its own."""


class StoppingTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.journal = RecordingJournal()
        self.titles: dict[int, str] = {}
        self.stopping = Stopping(self.journal, self.titles)

    def stop(self, *services: Any) -> Deferred[None]:
        return Deferred.fromCoroutine(self.stopping.stop_all(services))

    def test_names(self) -> None:
        """What has not ended is named by its section, by itself, or by its class; it is over when all have ended."""
        parts = [Part("hasher", Deferred()), Nameless(None, Deferred()), Nameless("x", Deferred()), Part("quick")]
        self.titles[id(parts[2])] = "directory:people"
        over = self.stop(*parts)
        self.assertEqual(self.stopping.unfinished, ["hasher", "Nameless", "directory:people"])
        for part, left in zip(parts, (["Nameless", "directory:people"], ["directory:people"], []), strict=False):
            self.assertNoResult(over)
            part.stopped.callback(None)
            self.assertEqual(self.stopping.unfinished, left)
        self.successResultOf(over)
        self.assertEqual(self.journal.notes, [])

    def test_inside(self) -> None:
        """A plain MultiService is no part: those in it are, the last first."""
        whole, first, last = MultiService(), Part("first", Deferred()), Part("last", Deferred())
        for part in (first, last):
            part.setServiceParent(whole)
        whole.startService()
        self.stop(whole)
        self.assertEqual(self.stopping.unfinished, ["last", "first"])
        self.assertEqual((whole.running, first.running, last.running), (0, 0, 0))

    def test_failures(self) -> None:
        """One that fails, at once or later, is told, and the others are stopped."""
        later: Deferred[None] = Deferred()
        parts = [Part("a", fault=ValueError("no")), Part("b", later), Part("c")]
        for part in parts:
            part.startService()
        over = self.stop(*parts)
        later.errback(LookupError("nowhere"))
        self.successResultOf(over)
        self.assertEqual([part.running for part in parts], [0, 0, 0])
        self.assertEqual(
            self.journal.notes,
            [
                ("stop.failed", "part", {"part": "a", "reason": "no"}),
                ("stop.failed", "part", {"part": "b", "reason": "nowhere"}),
            ],
        )

    def test_while_it_is_called(self) -> None:
        """A call that does not return is named as well: another thread may look."""
        found: list[list[str]] = []
        self.stopping.stop("a", lambda: found.append(self.stopping.unfinished))
        self.assertEqual((found, self.stopping.unfinished), ([["a"]], []))

    def test_coroutine(self) -> None:
        """What stops may be a coroutine."""
        waiting: Deferred[None] = Deferred()

        async def stop() -> None:
            await waiting

        over = self.stopping.stop("a", stop)
        self.assertEqual(self.stopping.unfinished, ["a"])
        waiting.callback(None)
        self.successResultOf(over)
