#!/usr/bin/env python3
"""What a second worker brings: the same load over one process and over two workers, in turns.

    python bench/workers.py                          fan1000 and 1,000 logins by ticket, three paired runs
    python bench/workers.py --reps 1 --load fan1000  a short run

Capacity is what was done, divided by the CPU seconds of the busiest process, the supervisor and the ticket processes
included: what limits a machine that has a core for each. All is counted in CPU time, so two busy cores hardly spoil it.
fan1000: 1,000 subscribers of one topic, ten publications a second (wampload.c). Prints how many clients each worker
had, medians and the ratio, and ends with 1 where two workers have less than 1.8 times the capacity of one process.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import time
from pathlib import Path

import attrs
from own_router import OwnRouter, cpu_seconds, descriptors, family, request
from storm import storm

CONFIGURATION = """
[router]
state = .
drain = 0s
workers = {workers}

[listen:bench]
endpoint = tcp:{port}:interface=127.0.0.1
origins = localhost 127.0.0.1
origin = optional
realm = realm1
max_connections = 20000
max_unauthenticated = 20000
connection_rate = 20000
connections_per_user = 20000
[realm:realm1]
authenticators = tickets anyone
authorizers = roles
[authenticator:anyone]
use = anonymous
role = anonymous
[authenticator:tickets]
use = ticket
secret = env:STORM_SECRET
directory = people
[directory:people]
use = static
user.anna = 1 env:STORM_HASH
[role:realm1/anonymous]
permissions =
    any all
unlimited = yes
[role:realm1/user]
permissions =
    any all
"""

HERE = Path(__file__).resolve().parent
WANTED = 1.8
LOGINS = 1000
LEAST_CLIENTS = 10


@attrs.frozen
class Measurement:
    """How much was done, the CPU seconds of each process for it, and the clients of each that had some."""

    done: float
    spent: list[float]
    clients: list[int]

    @property
    def capacity(self) -> float:
        """So much could be done in a second with a core for each process."""
        return self.done / max(self.spent)


def measured(router: OwnRouter, load: str) -> Measurement:
    """One run."""
    processes = list(family(router.pid))
    opened = {pid: descriptors(pid) for pid in processes}

    def clients() -> list[int]:
        found = (descriptors(pid) - opened[pid] for pid in processes)
        return [count for count in found if count >= LEAST_CLIENTS]

    if load == "logins":
        openings = iter([request(router.port, one) for one in router.tickets(LOGINS)])
        before = {pid: cpu_seconds(pid) for pid in processes}
        results, links = storm(
            router.port, openings, lambda elapsed, opened, waiting: elapsed if waiting < 32 else None
        )
        spent = [cpu_seconds(pid) - before[pid] for pid in processes]
        done = float(sum(outcome == "welcome" for outcome, _ in results))
        assert done == LOGINS, results[:5]
        divided = clients()
        for link in links:
            link.close()
        return Measurement(done, spent, divided)
    command = [str(HERE / "wampload"), "--name", "orosync", "--port", str(router.port), "--path", "/", "--v", "2"]
    command += ["--scenario", "fanout", "--subs", "1000", "--rate", "10", "--nap", "1000", "--secs", "5"]
    command += ["--pid", str(router.pid)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    divided: list[int] = []
    while sum(divided) < 1000 and process.poll() is None:
        time.sleep(0.2)
        divided = clients()
    said = json.loads(process.communicate(timeout=120)[0])
    assert said["ok"], said
    return Measurement(float(said["delivered"]), list(said["cpu_of"].values()), divided)


def main() -> int:
    """The exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--reps", type=int, default=3)
    parser.add_argument("--load", action="append", choices=("fan1000", "logins"))
    options = parser.parse_args()
    if not (HERE / "wampload").exists():
        raise SystemExit("make bench/wampload first: the load generator is missing")
    good = True
    for load in options.load or ("fan1000", "logins"):
        found: dict[int, list[float]] = {1: [], 2: []}
        for _ in range(options.reps):
            for workers in (1, 2):
                with OwnRouter(configuration=CONFIGURATION, workers=workers) as router:
                    time.sleep(1)
                    one = measured(router, load)
                found[workers].append(one.capacity)
                shares = ", ".join(f"{spent:.3f}" for spent in sorted(one.spent, reverse=True) if spent > 0.001)
                divided = " + ".join(map(str, one.clients))
                print(
                    f"{load}: workers {workers}, clients {divided}, CPU seconds {shares}: {one.capacity:.0f} a second"
                )
        ratios = [two / one for one, two in zip(found[1], found[2], strict=True)]
        ratio = statistics.median(ratios)
        good = good and ratio >= WANTED
        print(
            f"{load}: one process {statistics.median(found[1]):.0f} a second, two workers "
            f"{statistics.median(found[2]):.0f}: {ratio:.2f} times ({', '.join(f'{one:.2f}' for one in ratios)})"
        )
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
