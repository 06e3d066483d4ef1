#!/usr/bin/env python3
"""What pattern subscriptions of other topics cost a publish that none of them matches.

    python bench/patterns.py [--patterns 10000] [--times 20000]

Half of the patterns are prefixes of many lengths, half are wildcards; topics are far from all of them, or share all but
the end with many. It prints nanoseconds of ``Broker.publish`` to ten subscribers without patterns and with them, the
best of several rounds each.
"""

from __future__ import annotations

import argparse
import sys
import time
import timeit
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from orosync.model import Match, Principal
from orosync.router.broker import Broker
from orosync.router.deliveries import Member
from orosync.wamp.payload import Payload

TOPICS = {
    "far": "com.example.orders.changed",
    "a channel of Oro's": "oro/data/update",
    "long, near": "org.other." + "x" * 120 + ".changed.by.somebody",
    "deep, near": "org." + ".".join("abcdefgh") + ".x",
}


def broker(patterns: int) -> Broker:
    """Ten subscribers of each topic, and ``patterns`` patterns of somebody else's."""
    made = Broker()
    for number in range(10):
        for topic in TOPICS.values():
            made.subscribe(_member(number), topic)
    for number in range(patterns // 2):
        made.subscribe(_member(99), f"org.other.{'x' * (number % 200)}.{number}.", Match.PREFIX)
        gaps = "." * (number % 6 + 1)
        made.subscribe(_member(99), f"org.t{number}{gaps}y", Match.WILDCARD)
    return made


def _member(number: int) -> Member:
    return Member(number, Principal(f"user{number}", "user", "ticket", "bench"))


def nanoseconds(made: Broker, topic: str, times: int) -> float:
    """Of one publish, the best of seven rounds."""
    payload, publisher = Payload.of(["hello"]), _member(100)
    rounds = timeit.repeat(
        lambda: made.publish(topic, payload, publisher), number=times, repeat=7, timer=time.process_time
    )
    return min(rounds) / times * 1e9


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--patterns", type=int, default=10_000)
    parser.add_argument("--times", type=int, default=20_000)
    options = parser.parse_args()
    wanted, times = options.patterns, options.times
    bare, full = broker(0), broker(wanted)
    print(f"{'topic':>20} {'without':>9} {f'{wanted} patterns':>16} {'more':>8}   (ns)")
    for name, topic in TOPICS.items():
        without, having = nanoseconds(bare, topic, times), nanoseconds(full, topic, times)
        print(f"{name:>20} {without:>9.0f} {having:>16.0f} {having - without:>8.0f}")


if __name__ == "__main__":
    main()
