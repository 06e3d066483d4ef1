#!/usr/bin/env python3
"""What orosync may cost beside its yardsticks, and whether it does: python bench/ratios.py results.jsonl [--slack 0.15]

A ratio is paired: of two runs of the same repetition, which follow each other within a minute. Its interval is that of
the median by order statistics: the narrowest that holds the median of all repetitions with a probability of 90 % at
least, whatever the distribution. Of five repetitions that is from the least to the greatest (94 %); of less than five
none reaches 90 %, and it is from the least to the greatest as well. A bound is met when the lower end of the interval
is at or below it.
"""

from __future__ import annotations

import argparse
import json
import math
import statistics
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

Row = dict[str, Any]


@dataclass(frozen=True)
class Bound:
    """The most that a figure of a peer may be."""

    case: str
    figure: str
    peer: str
    yardstick: str
    """The peer whose figure it is divided by; empty: the bound is absolute."""
    most: float


_V1_V2 = ("orosync-v1", "orosync-v2")
_TLS = ("orosync-tls-v1", "orosync-tls-v2")
_BINARY = ("orosync-msgpack", "orosync-cbor", "orosync-raw")


def _bounds(case: str, figure: str, peers: Iterable[str], yardstick: str, most: float) -> list[Bound]:
    return [Bound(case, figure, peer, yardstick, most) for peer in peers]


BOUNDS = [
    *_bounds("fan100", "us_ev", _TLS, "floor-tls", 0.52),
    *_bounds("join", "us_join", _TLS, "floor-tls", 1.05),
    Bound("join", "us_join", "orosync-resumed-v1", "orosync-tls-v1", 0.5),
    Bound("join", "us_join", "orosync-resumed-v2", "orosync-tls-v2", 0.5),
    *_bounds("topics10k", "us_ev", _V1_V2, "relay", 1.6),
    *_bounds("topics10k", "us_leave", _V1_V2, "relay", 1.6),
    *_bounds("sat100", "us_ev", _V1_V2, "relay", 0.95),
    *_bounds("fan10", "us_ev", _V1_V2, "floor-txd", 1.1),
    *_bounds("fan100", "us_ev", _V1_V2, "floor-txd", 1.05),
    # Oro's rules, ticket logins and the recheck of the users, beside a realm where clients may do anything.
    Bound("fan100", "us_ev", "orosync-oro-v1", "orosync-v1", 1.05),
    Bound("fan100", "us_ev", "orosync-oro-v2", "orosync-v2", 1.05),
    *_bounds("fan1000", "us_ev", _V1_V2, "floor-txd", 1.05),
    *_bounds("fan1000k", "us_ev", _V1_V2, "floor-txd", 1.05),
    Bound("rpc10", "us_call", "orosync-v2", "relay", 1.3),
    Bound("join", "us_join", "orosync-v1", "relay", 1.2),
    Bound("join", "us_join", "orosync-v2", "relay", 1.6),
    *_bounds("fan10", "us_ev", _BINARY, "orosync-v2", 1.05),
    *_bounds("fan100", "us_ev", _BINARY, "orosync-v2", 1.05),
    Bound("idle5k", "kib_conn", "orosync-v1", "", 6),
    Bound("idle5k", "kib_conn", "orosync-v2", "", 6.5),
    *_bounds("idle5k", "kib_conn", _TLS, "", 31),
    *_bounds("lat2000", "p99_us", _V1_V2, "floor-txd", 1.15),
]


def figures(rows: Sequence[Row], case: str, peer: str, figure: str) -> dict[int, float]:
    """A figure of the clean runs, by the number of their repetition."""
    return {
        row["rep"]: float(row[figure])
        for row in rows
        if row["case"] == case and row["peer"] == peer and row["ok"] and row.get(figure)
    }


def compared(rows: Sequence[Row], bound: Bound) -> list[float]:
    """The figure of a bound for each repetition: paired ratios, or as it is where there is no yardstick."""
    mine = figures(rows, bound.case, bound.peer, bound.figure)
    if not bound.yardstick:
        return list(mine.values())
    base = figures(rows, bound.case, bound.yardstick, bound.figure)
    return [mine[rep] / base[rep] for rep in mine if rep in base]


def interval(values: Sequence[float], confidence: float = 0.9) -> tuple[float, float]:
    """Where the median of all repetitions is, as far as these tell."""
    ordered, count = sorted(values), len(values)
    cut, outside = 0, 0.0
    while cut < (count - 1) // 2:
        outside += 2 * math.comb(count, cut) / 2**count
        if outside > 1 - confidence:
            break
        cut += 1
    return ordered[max(cut - 1, 0)], ordered[count - max(cut, 1)]


def judged(rows: Sequence[Row], slack: float = 0) -> tuple[str, bool]:
    """The table of all bounds that the results can answer, and whether each is met and each run clean."""
    lines = [
        "",
        f"## orosync beside its yardsticks (server CPU and memory; bounds{f' + {slack:.0%}' if slack else ''})",
        "| scenario | figure | peer | median | yardstick | median | ratio | 90 % interval | at most | |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    good = True
    for bound in BOUNDS:
        ratios = compared(rows, bound)
        if not ratios:
            continue
        low, high = interval(ratios)
        met = low <= bound.most * (1 + slack)
        good = good and met
        mine = statistics.median(figures(rows, bound.case, bound.peer, bound.figure).values())
        middle, base = statistics.median(ratios), "-"
        if bound.yardstick:
            base = f"{statistics.median(figures(rows, bound.case, bound.yardstick, bound.figure).values()):.2f}"
        cells = (bound.case, bound.figure, bound.peer, f"{mine:.2f}", bound.yardstick or "-", base)
        cells = (*cells, f"{middle:.2f}", f"{low:.2f}..{high:.2f}", f"{bound.most:g}", "ok" if met else "over")
        lines.append(f"| {' | '.join(cells)} |")
    for row in rows:
        if not row["ok"]:
            good = False
            lines.append(f"not clean: {row['case']} {row['peer']} rep {row['rep']}: {row.get('why', '')}")
    return "\n".join(lines), good


def main() -> int:
    """The exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("results", type=Path)
    parser.add_argument("--slack", type=float, default=0)
    asked = parser.parse_args()
    report, met = judged([json.loads(line) for line in asked.results.read_text().splitlines()], asked.slack)
    print(report)
    return 0 if met else 1


if __name__ == "__main__":
    sys.exit(main())
