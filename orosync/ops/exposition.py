"""Metrics in the text format of Prometheus, written by prometheus_client (the extra ``metrics``).

https://prometheus.io/docs/instrumenting/exposition_formats/
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.registry import Collector

from orosync.metrics import PREFIX, Kind, Metric, Snapshot

CONTENT_TYPE = CONTENT_TYPE_LATEST.encode()


class _Snapshot(Collector):
    """A snapshot as prometheus_client collects it."""

    def __init__(self, snapshot: Snapshot, metrics: Mapping[str, Metric]) -> None:
        self._snapshot = snapshot
        self._metrics = metrics

    def collect(self) -> Iterator[Any]:
        for name, series in sorted(self._snapshot.items()):
            metric = self._metrics[name]
            family = _family(metric)
            for labels, value in series:
                if metric.kind is Kind.HISTOGRAM:
                    family.add_metric(labels, buckets=_buckets(metric, value[0]), sum_value=value[1])
                else:
                    family.add_metric(labels, value)
            yield family


def _family(metric: Metric) -> Any:
    makers = {
        Kind.COUNTER: CounterMetricFamily,
        Kind.GAUGE: GaugeMetricFamily,
        Kind.HISTOGRAM: HistogramMetricFamily,
    }
    return makers[metric.kind](PREFIX + metric.name, metric.help, labels=metric.labels)


def _buckets(metric: Metric, counts: list[int]) -> list[tuple[str, float]]:
    """Cumulative, as Prometheus has them."""
    total = 0
    buckets = []
    for bound, count in zip([*map(str, metric.bounds), "+Inf"], counts, strict=True):
        total += count
        buckets.append((bound, float(total)))
    return buckets


def exposition(snapshot: Snapshot, metrics: Mapping[str, Metric]) -> bytes:
    """The whole page, with ``# HELP`` and ``# TYPE`` of each metric. ``metrics`` has all names of the snapshot."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Snapshot(snapshot, metrics))
    return generate_latest(registry)
