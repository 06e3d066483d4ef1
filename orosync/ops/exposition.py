"""Metrics in the text format of Prometheus, written by prometheus_client (the extra ``metrics``).

https://prometheus.io/docs/instrumenting/exposition_formats/
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from orosync.metrics import PREFIX, Kind, Metric, Snapshot

CONTENT_TYPE = b"text/plain; version=0.0.4; charset=utf-8"
"""The text format of Prometheus, as every scraper reads it."""


class _Collector:
    """A snapshot as prometheus_client collects it."""

    def __init__(self, snapshot: Snapshot, metrics: Mapping[str, Metric]) -> None:
        self._snapshot = snapshot
        self._metrics = metrics

    def collect(self) -> Iterator[Any]:
        from prometheus_client import core

        families = {
            Kind.COUNTER: core.CounterMetricFamily,
            Kind.GAUGE: core.GaugeMetricFamily,
            Kind.HISTOGRAM: core.HistogramMetricFamily,
        }
        for name, metric in sorted(self._metrics.items()):
            family: Any = families[metric.kind](PREFIX + metric.name, metric.help, labels=metric.labels)
            for labels, value in self._snapshot.get(name, ()):
                if metric.kind is Kind.HISTOGRAM:
                    family.add_metric(labels, buckets=_buckets(metric, value[0]), sum_value=value[1])
                else:
                    family.add_metric(labels, value)
            yield family


def _buckets(metric: Metric, counts: list[int]) -> list[tuple[str, float]]:
    """Cumulative, as Prometheus has them."""
    total = 0
    buckets = []
    for bound, count in zip([*map(str, metric.bounds), "+Inf"], counts, strict=True):
        total += count
        buckets.append((bound, float(total)))
    return buckets


def exposition(snapshot: Snapshot, metrics: Mapping[str, Metric]) -> bytes:
    """The whole page, with ``# HELP`` and ``# TYPE`` of each of ``metrics``, which has all names of the snapshot.

    Raises ImportError where the extra is not installed."""
    from prometheus_client import CollectorRegistry, generate_latest

    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Collector(snapshot, metrics))
    return generate_latest(registry)
