"""ratios.py RESULTS.jsonl: server CPU of orosync per unit of work beside its yardstick's, and the most that it may be.

The medians of one interleaved run; the exit code is 1 when a ratio is over its bound or a run was not clean.
"""

from __future__ import annotations

import json
import statistics
import sys
from pathlib import Path

# case, figure (CPU microseconds per unit), yardstick, the most that orosync may cost beside it
BOUNDS = [
    ("fan10", "us_ev", "floor-txd", 1.2),
    ("fan100", "us_ev", "floor-txd", 1.2),
    ("fan1000", "us_ev", "floor-txd", 1.2),
    ("sat100", "us_ev", "relay", 1.6),
    ("rpc10", "us_call", "relay", 1.6),
    ("topics10k", "us_ev", "relay", 2.5),
    ("topics10k", "us_leave", "relay", 2.5),
    ("connect1k", "us_join", "relay", 3.0),
]


def main(path: str) -> int:
    """Print the table of all bounds that the results can answer."""
    rows = [json.loads(line) for line in Path(path).read_text().splitlines() if line.strip()]
    medians: dict[tuple[str, str, str], float] = {}
    for case, figure, _, _ in BOUNDS:
        for peer in {row["peer"] for row in rows}:
            figures = [row[figure] for row in rows if row["case"] == case and row["peer"] == peer and row.get(figure)]
            if figures:
                medians[case, figure, peer] = statistics.median(figures)
    late = 0
    print("## orosync beside its yardsticks (server CPU, medians)")
    print("| case | figure | peer | us | yardstick | us | ratio | at most |  |")
    print("|---|---|---|---|---|---|---|---|---|")
    for case, figure, yardstick, bound in BOUNDS:
        base = medians.get((case, figure, yardstick))
        for peer in ("orosync-v1", "orosync-v2"):
            mine = medians.get((case, figure, peer))
            if mine is None or base is None:
                continue
            ratio = mine / base
            late += ratio > bound
            cells = (case, figure, peer, f"{mine:.2f}", yardstick, f"{base:.2f}", f"{ratio:.2f}", str(bound))
            print(f"| {' | '.join(cells)} | {'over' if ratio > bound else 'ok'} |")
    unclean = [row for row in rows if not row["ok"]]
    for row in unclean:
        print(f"not clean: {row['case']} {row['peer']} rep {row['rep']}")
    return 1 if late or unclean else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
