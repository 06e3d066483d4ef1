"""The table of all metrics in the documentation, made from ``METRICS``.

``python -m orosync.app.metrics_page docs/monitoring.md`` writes it anew between the page's marks
(``<!-- metrics -->`` to ``<!-- end -->``); the text around the marks is written by hand.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Sequence
from pathlib import Path

from orosync.app.metrics import METRICS
from orosync.metrics import PREFIX, Kind, Metric

_MARKED = re.compile(r"(<!-- metrics -->\n).*?(<!-- end -->)", re.DOTALL)


def exposed_name(metric: Metric) -> str:
    """The name in Prometheus' text format. A histogram has ``_bucket``, ``_sum`` and ``_count`` behind it."""
    return f"{PREFIX}{metric.name}_total" if metric.kind is Kind.COUNTER else PREFIX + metric.name


def sample_names(metric: Metric) -> list[str]:
    """The names of a metric's samples, as queries name them."""
    name = exposed_name(metric)
    return [f"{name}_{part}" for part in ("bucket", "sum", "count")] if metric.kind is Kind.HISTOGRAM else [name]


def table() -> str:
    """All metrics, as a table of Markdown."""
    rows = ["| metric | kind | labels | meaning |", "|---|---|---|---|"]
    for metric in METRICS.values():
        labels = ", ".join(f"`{label}`" for label in metric.labels)
        rows.append(f"| `{exposed_name(metric)}` | {metric.kind.value} | {labels} | {metric.help} |")
    return "\n".join(rows) + "\n"


def written_anew(page: str) -> str:
    """The page with the table made anew."""
    return _MARKED.sub(lambda found: found[1] + table() + found[2], page)


def main(arguments: Sequence[str]) -> None:
    """Write the table of the page at the one path given."""
    (path,) = arguments
    Path(path).write_text(written_anew(Path(path).read_text()))


if __name__ == "__main__":
    main(sys.argv[1:])
