#!/usr/bin/env python3
"""Whether the time of a refusal tells why: an unknown user, a wrong digest, a disabled user with a true one.

    python bench/timing.py [--tries 2000] [--url ws://127.0.0.1:8080/ws]

One connection after the other, the kinds in random order. For each pair of kinds it prints the area under the ROC
curve: the chance that a refusal of the first took longer than one of the second, 0.5 where time tells nothing. Ends
with 1 when one is not within 0.45 and 0.55. ``failure_burst`` must not be in the way; by default a router is started
without.
"""

from __future__ import annotations

import argparse
import itertools
import json
import random
import socket
import statistics
import sys
import time

from own_router import OwnRouter, request, ticket

KINDS = ("unknown", "wrong", "disabled")
LOWEST, HIGHEST = 0.45, 0.55
WITHOUT_LIMIT = "failure_burst = 999999999"


def opening(router: OwnRouter, kind: str) -> bytes:
    """The request of one kind, with a ticket that was never seen before. Making one is the same work for each kind."""
    name = {"unknown": f"user{random.randrange(10**6)}", "wrong": "anna", "disabled": "gone"}[kind]
    password_hash = router.hash if kind == "disabled" else "$2y$13$" + "x" * 53
    return request(router.port, ticket(name, password_hash, router.secret))


def refusal(port: int, sent: bytes) -> float:
    """Seconds from the request to its answer, which has to be a 403."""
    with socket.create_connection(("127.0.0.1", port), 10) as link:
        link.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        begun = time.perf_counter()
        link.sendall(sent)
        answer = link.recv(4096)
        taken = time.perf_counter() - begun
    if not answer.startswith(b"HTTP/1.1 403"):
        raise SystemExit(f"not refused with 403 but: {answer[:60]!r}")
    return taken


def area(first: list[float], second: list[float]) -> float:
    """The area under the ROC curve (Mann and Whitney's U over its most); ties count half."""
    ranked = sorted([(value, 0) for value in first] + [(value, 1) for value in second])
    below, total = 0, 0.0
    for _, tied in itertools.groupby(ranked, key=lambda pair: pair[0]):
        sides = [side for _, side in tied]
        seconds = sum(sides)
        total += (len(sides) - seconds) * (below + seconds / 2)
        below += seconds
    return total / (len(first) * len(second))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--url", help="a router of this machine that runs already; it needs a disabled user gone")
    parser.add_argument("--tries", type=int, default=2000, help="of each kind")
    asked = parser.parse_args()
    order = [kind for kind in KINDS for _ in range(asked.tries)]
    random.shuffle(order)
    times: dict[str, list[float]] = {kind: [] for kind in KINDS}
    with OwnRouter(asked.url, WITHOUT_LIMIT) as router:
        for kind in random.choices(KINDS, k=100):
            refusal(router.port, opening(router, kind))  # until everything has its warmth
        for kind in order:
            times[kind].append(refusal(router.port, opening(router, kind)))
    areas = {f"{one}, {two}": round(area(times[one], times[two]), 3) for one, two in itertools.combinations(KINDS, 2)}
    medians = {kind: round(statistics.median(taken) * 1000, 3) for kind, taken in times.items()}
    print(json.dumps({"tries": asked.tries, "median_ms": medians, "area": areas}, indent=2))
    return 0 if all(LOWEST <= one <= HIGHEST for one in areas.values()) else 1


if __name__ == "__main__":
    sys.exit(main())
