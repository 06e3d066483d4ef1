"""Faults of several nodes during traffic: kill -9, SIGSTOP, Redis away, failover, partition.

    python -m tests.faults                          all cases
    python -m tests.faults node-killed sentinel     these

Prints a line for each case; ends with 1 if a bound is not met. Each event has a number, so that what is lost, repeated
or out of order is found one by one. The logs of the nodes are in .cache/faults afterwards.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from tests.faults.cases import AFTER, BEFORE, CALLS, CASES, Case, Run
from tests.faults.traffic import Traffic

LOGS = Path(__file__).resolve().parents[2] / ".cache" / "faults"


def main(arguments: Sequence[str] | None = None) -> int:
    """The exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.faults", description=(__doc__ or "").split("\n\n")[0])
    names = [case.name for case in CASES]
    parser.add_argument("cases", nargs="*", metavar="CASE", help=f"of {', '.join(names)}")
    chosen = parser.parse_args(arguments).cases or names
    if unknown := set(chosen) - set(names):
        parser.error(f"no such case: {', '.join(sorted(unknown))}; there are {', '.join(names)}")
    began, published, failed = time.monotonic(), 0, 0
    for case in (one for one in CASES if one.name in chosen):
        count, broken = run(case)
        published += count
        failed += bool(broken)
    print(
        f"{len(chosen)} cases, {published:,} events published in {time.monotonic() - began:.0f} s,"
        f" {failed} cases with a bound that was not met"
    )
    return 1 if failed else 0


def run(case: Case) -> tuple[int, list[str]]:
    """Events published, and bounds that were not met."""
    routers = case.routers()
    traffic = Traffic(routers)
    running = Run(routers, traffic)
    try:
        traffic.start()
        time.sleep(BEFORE)
        case.fault(running)
        time.sleep(AFTER)
        traffic.quiet(running.killed)
        line = judged(case, running)
        LOGS.mkdir(parents=True, exist_ok=True)
        (LOGS / f"{case.name}.log").write_text(routers.log)
    finally:
        traffic.stop()
        routers.close()
    print(line)
    for bound in running.broken:
        print(f"    NOT MET: {bound}")
    sys.stdout.flush()
    return traffic.published, running.broken


def judged(case: Case, running: Run) -> str:
    """The line of a case; bounds that are not met are added to those of ``running``."""
    traffic, gap = running.traffic, running.routers.gap
    healthy, to, of = traffic.counts(case.faulty)
    outcomes, back, unsent = traffic.outcomes(), traffic.back(running.moment), traffic.unsent()
    repeated = healthy.repeated + to.repeated + of.repeated
    disorder = healthy.out_of_order + to.out_of_order + of.out_of_order
    hold = running.hold
    hold(healthy.lost == 0, f"nothing is lost between healthy nodes: {healthy.lost}")
    hold(repeated == 0, "nothing is repeated")
    hold(disorder == 0, "everything is in order")
    hold(to.lost == 0 or case.loses, f"nothing is lost at the node: {to.lost}")
    hold(of.lost == 0, f"nothing of its publishers is lost at the others: {of.lost}")
    hold(gap or running.routers.apart or not to.lost, "a loss is told in the log")
    hold(set(outcomes) <= set(CALLS), f"each call is answered once, in one of the expected ways: {dict(outcomes)}")
    hold(back is not None and back <= case.back, f"events pass within {case.back:g} s: {back}")
    hold(not traffic.roles.faults(), f"the clients have no fault: {traffic.roles.faults()}")
    hold("Traceback" not in running.routers.log, "no traceback in a log")
    unexpected = {**traffic.roles.unexpected, **{f"PHP: {words}": n for words, n in traffic.php_errors.items()}}
    errors = sum(count for what, count in outcomes.items() if what not in ("result", "cut"))
    fields = [
        f"published {traffic.published:,}",
        "delivered " + ", ".join(f"{node} {count:,}" for node, count in traffic.delivered().items()),
        f"lost {healthy.lost}" + (f" (at {case.faulty} {to.lost}, of {case.faulty} {of.lost})" if case.faulty else ""),
        f"repeated {repeated}",
        f"out of order {disorder}",
        f"gap {gap}" + (f", apart {running.routers.apart}" if running.routers.apart else ""),
        *([f"not sent by the dying {unsent}"] if running.killed else []),
        f"calls {len(traffic.roles.calls)}, errors {errors}, unanswered {outcomes['unanswered']}",
        f"answered twice {outcomes['twice']}",
        "back never" if back is None else f"back {back:.1f} s",
        *running.notes,
        *([f"clients saw {unexpected}"] if unexpected else []),
    ]
    return f"{case.title}: {'; '.join(fields)}"


if __name__ == "__main__":
    sys.exit(main())
