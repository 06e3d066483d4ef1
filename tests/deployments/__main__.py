"""Every deployment of docs/deployments.md, with every application, from login to logout, in Chromium and with PHP.

    python -m tests.deployments                                                    all of them
    python -m tests.deployments --deployments nginx,apache --applications crm      these (also --versions, --methods)
    python -m tests.deployments --markdown                                         only prints the tables of the page

Prints a table: for each case and client the outcome of each check, ``works`` or the reason why not. Ends with 1 if one
is not as the page says; then the logs of that case are printed too.
"""

from __future__ import annotations

import argparse
import json
import os
import queue
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import attrs

from tests.deployments.cases import (
    APPLICATIONS,
    CHECKS,
    DEPLOYMENTS,
    METHODS,
    REASONS,
    VERSIONS,
    WORKS,
    Case,
    batches,
    cases,
    page_tables,
)
from tests.deployments.network import private, usable
from tests.deployments.page import PAGE


def main(arguments: list[str] | None = None) -> int:
    """The exit code."""
    options = _options(arguments)
    if options.markdown:
        print(page_tables())
        return 0
    try:
        chosen = list(cases(options.deployments, options.applications, options.versions, options.methods))
    except ValueError as error:
        print(error, file=sys.stderr)
        return 2
    if why := usable():
        print(f"This needs network namespaces, as root or in a user namespace; here: {why}", file=sys.stderr)
        return 2
    began = time.monotonic()
    results = _run(chosen, options.jobs, options.page)
    print(_table(chosen, results))
    wrong = [case for case in chosen if results[case]["outcome"] != case.expected()]
    for case in wrong[:5]:
        print(f"\n{case}")
        for client, checks in case.expected().items():
            for check, expected in checks.items():
                if (outcome := results[case]["outcome"][client][check]) != expected:
                    print(f"{client}, {check}: expected {expected}; {outcome}")
        print(results[case]["log"])
    print(f"\n{len(chosen)} cases in {time.monotonic() - began:.0f} s, {len(wrong)} not as docs/deployments.md says")
    return 1 if wrong else 0


def _options(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.deployments", description=(__doc__ or "").split("\n\n")[0])
    for name, known in (
        ("deployments", DEPLOYMENTS),
        ("applications", APPLICATIONS),
        ("versions", VERSIONS),
        ("methods", METHODS),
    ):
        parser.add_argument(f"--{name}", default="", metavar="NAME,...", help=f"only these of {', '.join(known)}")
    parser.add_argument(
        "--jobs", type=int, default=os.cpu_count() or 1, help="cases at a time (default: the processors)"
    )
    parser.add_argument("--page", type=Path, default=PAGE, help="take the configurations from another page")
    parser.add_argument("--markdown", action="store_true", help="print the tables of docs/deployments.md")
    return parser.parse_args(arguments)


def _run(chosen: list[Case], jobs: int, page: Path) -> dict[Case, dict[str, Any]]:
    """The workers' results. RuntimeError: a worker has ended."""
    waiting: queue.SimpleQueue[list[Case]] = queue.SimpleQueue()
    together = batches(chosen)
    for batch in together:
        waiting.put(batch)
    results: dict[Case, dict[str, Any]] = {}
    threads = [
        threading.Thread(target=_serve_worker, args=(waiting, results, page)) for _ in range(min(jobs, len(together)))
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if len(results) != len(chosen):
        raise RuntimeError("a worker has ended before its time; its errors are above")
    return results


def _serve_worker(waiting: queue.SimpleQueue[list[Case]], results: dict[Case, dict[str, Any]], page: Path) -> None:
    """Give one worker a batch after the other."""
    command = private([sys.executable, "-m", "tests.deployments.worker", str(page)])
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as worker:
        assert worker.stdin is not None and worker.stdout is not None
        while True:
            try:
                batch = waiting.get_nowait()
            except queue.Empty:
                return
            worker.stdin.write(json.dumps([attrs.asdict(case) for case in batch]) + "\n")
            worker.stdin.flush()
            line = worker.stdout.readline()
            if not line:
                return
            for case, result in zip(batch, json.loads(line), strict=True):
                results[case] = result
                verdict = "as expected" if result["outcome"] == case.expected() else "NOT AS EXPECTED"
                words = (case.deployment, case.application, case.version, case.method, verdict)
                print(f"{len(results):4}", *words, sep="  ", file=sys.stderr, flush=True)


def _table(chosen: list[Case], results: dict[Case, dict[str, Any]]) -> str:
    """A row for each client of each case; versions with the same outcome share one."""
    columns = CHECKS["PHP"]
    rows: dict[tuple[str, ...], list[str]] = {}
    for case in chosen:
        expected = case.expected()
        for client, outcome in results[case]["outcome"].items():
            cells = [
                _cell(outcome.get(check), expected[client][check]) if check in expected[client] else ""
                for check in columns
            ]
            key = (case.deployment, case.application, case.method, client, *cells)
            rows.setdefault(key, []).append(case.version)
    table = [("deployment", "application", "page presents", "client", *columns, "versions")]
    table += [(*key, " ".join(versions)) for key, versions in rows.items()]
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in table]
    reasons = {cell for row in table for cell in row} & set(REASONS)
    return "\n".join([*lines, "", *(f"{reason}: {text}" for reason, text in REASONS.items() if reason in reasons)])


def _cell(outcome: str | None, expected: str) -> str:
    if outcome == expected:
        return outcome
    return f"NOT {expected}" if expected == WORKS else f"NOT AS EXPECTED ({expected})"


if __name__ == "__main__":
    sys.exit(main())
