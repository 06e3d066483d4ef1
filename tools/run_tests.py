#!/usr/bin/env python3
"""run_tests.py [--jobs N] [NAME ...]: runs tests with Twisted's trial in several processes at the same time.

NAME is a package, module, class or method of tests (tests.router), or the path of a file; left out: ``tests``. Each
process takes the next module when it is done with one: most of the time a test of the product waits for a program that
starts, and one core is idle. Modules of one line of TOGETHER go to the same process, which starts what they share once.

Prints each module when it is done, with its time and with what failed in it; then the slowest modules, those that
failed, and the closing lines of trial. The exit code is 0 if every module was run and no test failed.
"""

from __future__ import annotations

import argparse
import fnmatch
import io
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from twisted.python import log
from twisted.trial import reporter
from twisted.trial.itrial import ITestCase
from twisted.trial.runner import TestLoader, TestSuite, TrialRunner
from twisted.trial.unittest import decorate

TOGETHER = (
    "tests.product.test_interop_*",
    "tests.product.test_keys",
    "tests.identity.directories.*",
)
"""Modules that share a server or clients which take long to start."""

FIRST = ("tests.product.*", "tests.test_*")
"""The slow modules: if one of them began at the end, a single process would work on it alone."""

SLOWEST = 10
"""How many of the slowest modules are named at the end."""

OUTCOMES = ("skips", "expectedFailures", "failures", "errors", "unexpectedSuccesses", "successes")
"""What trial counts, in the order in which it prints that."""

FAULTS = ("failures", "errors", "unexpectedSuccesses")
"""Those that make the run fail."""


@dataclass
class Result:
    """Of one module."""

    name: str
    seconds: float
    ran: int
    counts: dict[str, int]

    @property
    def failed(self) -> bool:
        return any(self.counts[name] for name in FAULTS)


def modules(name: str, top: Path) -> list[str]:
    """The test modules that ``name`` means, by their dotted names; a class or a method stands for itself."""
    if name.endswith(".py"):
        return [".".join(Path(name).resolve().relative_to(top).with_suffix("").parts)]
    folder = top.joinpath(*name.split("."))
    if not folder.is_dir():
        return [name]
    found = (path.relative_to(top) for path in folder.rglob("test_*.py") if "node_modules" not in path.parts)
    return sorted(".".join(path.with_suffix("").parts) for path in found)


def batches(names: list[str]) -> list[list[str]]:
    """What a process takes at a time: a module, or several that belong together; the slow ones first."""
    found: dict[str, list[str]] = {}
    for name in dict.fromkeys(names):
        key = next((pattern for pattern in TOGETHER if fnmatch.fnmatch(name, pattern)), name)
        found.setdefault(key, []).append(name)
    return sorted(found.values(), key=lambda batch: not any(fnmatch.fnmatch(batch[0], slow) for slow in FIRST))


class Share(TestSuite):
    """The modules that this process gets: it goes through all, and claims those that no other process has claimed."""

    def __init__(self, place: Path, number: int) -> None:
        super().__init__()
        self.place = place
        self.results = place / f"results-{number}"

    def _claimed(self) -> Iterator[str]:
        for number, batch in enumerate(json.loads((self.place / "batches").read_text())):
            try:
                os.close(os.open(self.place / f"claim-{number}", os.O_CREAT | os.O_EXCL))
            except FileExistsError:
                continue
            yield from batch

    def run(self, result: Any, debug: bool = False) -> Any:
        """Prints each module, and adds its result as a line to a file of this process."""
        for name in self._claimed():
            done, told = run_module(name)
            # One write for each module: the processes share their standard output.
            end = f": failed\n{told}" if done.failed else f"\n{told}"
            print(f"{done.seconds:8.1f} s {done.ran:5d}  {name}{end}", end="", flush=True)
            with self.results.open("a") as file:
                file.write(json.dumps(asdict(done)) + "\n")
        return result


def run_module(name: str) -> tuple[Result, str]:
    """Its result, and what trial has to say of it: why tests failed or were skipped, and warnings."""
    began, stream = time.monotonic(), io.StringIO()
    result: Any = reporter.Reporter(stream, publisher=log)
    decorate(TestLoader().loadByName(name, recurse=True), ITestCase).run(result)
    result.done()
    counts = {outcome: _count(getattr(result, outcome)) for outcome in OUTCOMES}
    told = stream.getvalue().rpartition("-" * 79 + "\n")[0].strip()
    return Result(name, time.monotonic() - began, result.testsRun, counts), told and f"{told}\n\n"


def _count(outcome: Any) -> int:
    return outcome if isinstance(outcome, int) else len(outcome)


def summary(results: list[Result], wanted: list[str], seconds: float) -> tuple[str, bool]:
    """The closing lines, as trial writes them for one process, and whether all is well."""
    lines = ["", f"The slowest of {len(results)} modules:"]
    slowest = sorted(results, key=lambda one: -one.seconds)[:SLOWEST]
    lines += [f"{one.seconds:8.1f} s  {one.name}" for one in slowest]
    lines += [f"failed: {one.name}" for one in results if one.failed]
    finished = {one.name for one in results}
    missing = [name for name in wanted if name not in finished]
    lines += [f"not finished: {name}" for name in missing]
    counts = {name: sum(one.counts[name] for one in results) for name in OUTCOMES}
    counts["errors"] += len(missing)
    bad = any(counts[name] for name in FAULTS)
    told = ", ".join(f"{name}={count}" for name, count in counts.items() if count)
    ran = sum(one.ran for one in results)
    lines += ["-" * 79, f"Ran {ran} tests in {seconds:.3f}s", "", f"{'FAILED' if bad else 'PASSED'} ({told})"]
    return "\n".join(lines), not bad and ran > 0


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="run_tests.py", description=(__doc__ or "").split(":", 1)[1])
    parser.add_argument(
        "--jobs", type=int, default=len(os.sched_getaffinity(0)), help="processes (default: one per core)"
    )
    parser.add_argument("names", metavar="NAME", nargs="*", default=["tests"])
    options = parser.parse_args(arguments)
    wanted = [name for given in options.names for name in modules(given, Path.cwd())]
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="orosync-tests-") as holder:
        place = Path(holder)
        (place / "batches").write_text(json.dumps(batches(wanted)))
        command = [sys.executable, str(Path(__file__).resolve()), "--worker", holder]
        # Tests start the product more than a hundred times; without bytecode every start compiles it again.
        environ = {key: value for key, value in os.environ.items() if key != "PYTHONDONTWRITEBYTECODE"}
        workers = [subprocess.Popen([*command, str(number)], env=environ) for number in range(max(1, options.jobs))]
        try:
            for number, worker in enumerate(workers):
                if code := worker.wait():
                    print(f"process {number} ended with {code}")
        finally:
            for worker in workers:
                worker.terminate()
        lines = [line for file in sorted(place.glob("results-*")) for line in file.read_text().splitlines()]
        results = [Result(**json.loads(line)) for line in lines]
    text, well = summary(results, wanted, time.monotonic() - began)
    print(text)
    return 0 if well else 1


if __name__ == "__main__":
    sys.path.insert(0, os.getcwd())
    if sys.argv[1:2] == ["--worker"]:
        TrialRunner(reporter.Reporter, stream=io.StringIO()).run(Share(Path(sys.argv[2]), int(sys.argv[3])))
    else:
        sys.exit(main(sys.argv[1:]))
