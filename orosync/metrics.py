"""Metrics: the one interface to every counter, gauge and histogram of a process.

The objects that do the work count in plain integers of their own. A *source* reads them when somebody asks, so that a
counter's increment costs what ``x += 1`` costs. ``Metrics`` asks all sources and makes a snapshot of plain values
(JSON), and ``add_up`` makes one snapshot of those of several processes. What reads metrics (the operations listener,
the control socket) reads snapshots.

Labels are bounded: names of the configuration, reason codes, protocols; never a user, an address or a topic.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterable, Mapping, Sequence
from enum import Enum
from typing import Any, TypeAlias

import attrs
from twisted.logger import Logger

PREFIX = "orosync_"
"""What the names of all metrics begin with, for Prometheus."""

MOST_SERIES = 512
"""Different label values of one metric; what comes beyond is added up under "other" in the last place."""

OTHER = "other"

FAST = (0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0)
"""Upper bounds of buckets, in seconds, for what happens inside the process."""

SLOW = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)
"""Upper bounds of buckets, in seconds, for what other programs answer."""

Snapshot: TypeAlias = dict[str, list[list[Any]]]
"""By metric, its series: [label values, value]; of a histogram the value is [counts for each bucket, sum]."""


class Kind(Enum):
    """A counter only grows, a gauge goes both ways, a histogram counts spans by their length."""

    COUNTER = "counter"
    GAUGE = "gauge"
    HISTOGRAM = "histogram"


class Total(Enum):
    """What becomes of the values of several processes."""

    SUM = "sum"
    MOST = "most"
    LEAST = "least"


@attrs.frozen
class Metric:
    """``name`` without the prefix, in base units (seconds, bytes). ``labels`` are the names of its label values."""

    name: str
    kind: Kind
    help: str
    labels: tuple[str, ...] = ()
    total: Total = Total.SUM
    bounds: tuple[float, ...] = ()


class Histogram:
    """Spans in seconds, counted by length: ``counts[i]`` are those up to ``bounds[i]``, the last one all others."""

    __slots__ = ("bounds", "counts", "sum")

    def __init__(self, bounds: Sequence[float] = SLOW) -> None:
        self.bounds = tuple(bounds)
        self.counts = [0] * (len(bounds) + 1)
        self.sum = 0.0

    @property
    def count(self) -> int:
        """Spans so far."""
        return sum(self.counts)

    def observe(self, seconds: float) -> None:
        """Count one span."""
        self.counts[bisect_left(self.bounds, seconds)] += 1
        self.sum += seconds


Value: TypeAlias = int | float | Histogram
Sample: TypeAlias = tuple[Metric, tuple[str, ...], Value]
Source: TypeAlias = Callable[[], Iterable[Sample]]


class _Series:
    """Values by metric and labels, from which a snapshot is made; those with the same labels are joined."""

    def __init__(self) -> None:
        self._found: dict[str, dict[tuple[str, ...], Any]] = {}

    def add(self, metric: Metric, labels: tuple[str, ...], value: Any) -> None:
        """``value`` as a snapshot has it."""
        series = self._found.setdefault(metric.name, {})
        if labels not in series and len(series) >= MOST_SERIES:
            labels = (*labels[:-1], OTHER) if labels[:-1] else (OTHER,)
            if labels not in series:
                labels = (OTHER,) * len(labels)
        series[labels] = _joined(metric, series[labels], value) if labels in series else value

    def snapshot(self) -> Snapshot:
        return {name: [[list(labels), value] for labels, value in one.items()] for name, one in self._found.items()}


class Metrics:
    """All metrics of a process."""

    _log = Logger()

    def __init__(self) -> None:
        self._sources: list[Source] = []
        self._failed: set[int] = set()

    def add(self, source: Source) -> None:
        """``source`` is asked for every snapshot. It gives each (metric, label values) any number of times; they are
        added up."""
        self._sources.append(source)

    def snapshot(self) -> Snapshot:
        """The values now. A source that raises is missing from there on; the log is told once, until it works again."""
        found = _Series()
        for number, source in enumerate(self._sources):
            try:
                for metric, labels, value in source():
                    plain = [list(value.counts), value.sum] if isinstance(value, Histogram) else value
                    found.add(metric, labels, plain)
                self._failed.discard(number)
            except Exception:
                if number not in self._failed:
                    self._failed.add(number)
                    self._log.failure("metrics of one source could not be read")
        return found.snapshot()


def add_up(snapshots: Iterable[Snapshot], metrics: Mapping[str, Metric]) -> Snapshot:
    """One snapshot of several processes'. ``metrics`` by name; a name that is not among them is left out."""
    found = _Series()
    for snapshot in snapshots:
        for name, rows in snapshot.items():
            metric = metrics.get(name)
            if metric is not None:
                for labels, value in rows:
                    found.add(metric, tuple(labels), value)
    return found.snapshot()


def _joined(metric: Metric, one: Any, other: Any) -> Any:
    if metric.kind is Kind.HISTOGRAM:
        return [[a + b for a, b in zip(one[0], other[0], strict=True)], one[1] + other[1]]
    if metric.total is Total.SUM:
        return one + other
    return max(one, other) if metric.total is Total.MOST else min(one, other)
