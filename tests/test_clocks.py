"""The two clocks, and that nothing reads another one."""

from __future__ import annotations

import ast
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from twisted.internet.base import DelayedCall
from twisted.internet.epollreactor import EPollReactor
from twisted.internet.posixbase import PosixReactorBase
from twisted.trial.unittest import SynchronousTestCase

from orosync.clocks import epoch, make_monotonic, time_of_day, timestamp

SOURCE = Path(__file__).resolve().parent.parent / "orosync"

TELLING = {
    "time.asctime",
    "time.clock_gettime",
    "time.clock_gettime_ns",
    "time.ctime",
    "time.gmtime",
    "time.localtime",
    "time.monotonic",
    "time.monotonic_ns",
    "time.perf_counter",
    "time.perf_counter_ns",
    "time.strftime",
    "time.time",
    "time.time_ns",
    "datetime.date.today",
    "datetime.datetime.now",
    "datetime.datetime.today",
    "datetime.datetime.utcnow",
    "twisted.python.runtime.seconds",
}
"""Names that tell a time by themselves."""

ALLOWED = {
    ("clocks.py", "time.time"): "the time of day comes from here",
    ("clocks.py", "time.monotonic"): "what the reactor counts by",
    ("clocks.py", "reactor.seconds"): "is replaced here",
    ("app/container.py", "reactor.seconds"): "how long events to several receivers take, for the metrics",
    ("app/operations.py", "reactor.seconds"): "how old the figures of a scrape are",
    ("app/nodes.py", "reactor.seconds"): "how long the start waits for other nodes, and since when they are silent",
    ("app/supervisor_monitoring.py", "reactor.seconds"): "how old the figures of a scrape are",
    ("app/worker_process.py", "reactor.seconds"): "since when a worker is in its state",
    ("app/workers.py", "reactor.seconds"): "how long a worker has served",
    ("backplane/mesh.py", "reactor.seconds"): "how long it may read in one turn",
    ("backplane/redis_node.py", "reactor.seconds"): "when the lease ends",
    ("cli/top.py", "time.monotonic"): "a command without a reactor: how long until the next screen",
    ("client/login.py", "reactor.seconds"): "how long an attempt lasted",
    ("uplink/uplink.py", "reactor.seconds"): "how many messages a second pass",
    ("app/ending.py", "time.monotonic"): "its thread keeps a deadline while the reactor is stuck",
    ("identity/directories/pool.py", "time.monotonic"): "its threads keep deadlines while the reactor is elsewhere",
}


def _names(tree: ast.AST) -> dict[str, str]:
    """What the imports of a module call things: ``{"monotonic": "time.monotonic"}``."""
    found: dict[str, str] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for one in node.names:
                found[one.asname or one.name.partition(".")[0]] = one.name if one.asname else one.name.partition(".")[0]
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            for one in node.names:
                found[one.asname or one.name] = f"{node.module}.{one.name}"
    return found


def _dotted(node: ast.AST, names: dict[str, str]) -> str:
    if isinstance(node, ast.Name):
        return names.get(node.id, "")
    if isinstance(node, ast.Attribute):
        before = _dotted(node.value, names)
        return f"{before}.{node.attr}" if before else ""
    return ""


def read(source: str) -> Iterator[str]:
    """The clocks that ``source`` names, each as often as it does; "reactor.seconds" for a reactor that is asked."""
    tree = ast.parse(source)
    names = _names(tree)
    for node in ast.walk(tree):
        if isinstance(node, ast.Name | ast.Attribute):
            dotted = _dotted(node, names)
            if dotted in TELLING:
                yield dotted
        if isinstance(node, ast.Attribute) and node.attr == "seconds":
            owner = node.value
            last = owner.id if isinstance(owner, ast.Name) else owner.attr if isinstance(owner, ast.Attribute) else ""
            if last.lstrip("_") == "reactor":
                yield "reactor.seconds"


class Source(SynchronousTestCase):
    """Dates come from ``now()``, spans from ``clock``: nothing looks at a clock of its own."""

    def test_every_module(self) -> None:
        """Where a module tells a time by itself, it is listed with the reason."""
        paths = sorted(SOURCE.rglob("*.py"))
        found = {
            (str(path.relative_to(SOURCE)), name) for path in paths for name in read(path.read_text()) if path.name
        }
        self.assertGreater(len(paths), 100)
        self.assertEqual(sorted(found), sorted(ALLOWED))

    def test_what_is_found(self) -> None:
        """Each way to spell a clock is found."""
        for source, expected in (
            ("import time\ntime.time()", ["time.time"]),
            ("import time as t\nclock = t.time", ["time.time"]),
            ("from time import monotonic as m\nm()", ["time.monotonic"]),
            ("import datetime\ndatetime.datetime.now()", ["datetime.datetime.now"]),
            ("from datetime import datetime\ndatetime.utcnow()", ["datetime.datetime.utcnow"]),
            ("def f(reactor):\n    return reactor.seconds()", ["reactor.seconds"]),
            ("class A:\n    def f(self):\n        return self._reactor.seconds", ["reactor.seconds"]),
            ("parts.reactor.seconds()", ["reactor.seconds"]),
            ("from datetime import datetime\ndatetime.fromtimestamp(now())", []),
            ("import time\ntime.sleep(1)", []),
            ("self._clock.seconds()", []),
        ):
            self.assertEqual(list(read(source)), expected, source)


class Monotonic(SynchronousTestCase):
    def test_delayed_calls(self) -> None:
        """A call's moment comes when the span has passed, however the time of day is set."""
        reactor: Any = EPollReactor()
        self.addCleanup(_closed, reactor)
        make_monotonic(reactor)
        passed = [1000.0]
        reactor.seconds = lambda: passed[0]  # stands for time.monotonic, which a test cannot move
        called: list[str] = []
        call = reactor.callLater(10, called.append, "x")
        self.assertEqual(call.getTime(), 1010.0)
        passed[0] = 1009.0
        reactor.runUntilCurrent()
        self.assertEqual(called, [])
        passed[0] = 1010.0
        reactor.runUntilCurrent()
        self.assertEqual(called, ["x"])

    def test_which_clock(self) -> None:
        """The reactor, its delayed calls and their postponement count by the clock that cannot be set."""
        reactor: Any = EPollReactor()
        self.addCleanup(_closed, reactor)
        make_monotonic(reactor)
        before = time.monotonic()
        call: DelayedCall = reactor.callLater(10, lambda: None)
        call.reset(20)
        self.assertTrue(before <= reactor.seconds() <= time.monotonic())
        self.assertTrue(before + 20 <= call.getTime() <= time.monotonic() + 20)
        self.assertTrue(0 < reactor.timeout() <= 20)
        self.assertIsNot(PosixReactorBase.seconds, time.monotonic, "other reactors stay as they are")

    def test_too_late(self) -> None:
        """A delayed call that is there already would come at the wrong moment: nothing is changed."""
        reactor: Any = EPollReactor()
        self.addCleanup(_closed, reactor)
        call = reactor.callLater(1000, lambda: None)
        error = self.assertRaises(RuntimeError, make_monotonic, reactor)
        self.assertRegex(str(error), "^the reactor has 1 delayed calls already")
        self.assertIs(reactor.seconds, time.time)
        call.cancel()
        make_monotonic(reactor)

    def test_time_of_day(self) -> None:
        """``now()`` is in seconds since 1970."""
        self.assertTrue(time.time() - 5 <= time_of_day() <= time.time())
        self.assertEqual(epoch(), 0.0)

    def test_timestamp(self) -> None:
        """ISO 8601 in UTC, as WAMP's meta API writes moments."""
        self.assertEqual(timestamp(0.0), "1970-01-01T00:00:00.000Z")
        self.assertEqual(timestamp(1753281000.25), "2025-07-23T14:30:00.250Z")


def _closed(reactor: Any) -> None:
    for reader in reactor.removeAll():
        reader.connectionLost(None)
    reactor._poller.close()
