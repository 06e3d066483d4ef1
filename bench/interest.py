#!/usr/bin/env python3
"""What a publication of no interest to other nodes costs its publisher because there are other nodes.

    python bench/interest.py [--topics 10000] [--times 5000]

``Broker.publish`` to ten subscribers in a realm alone, and in one that two other nodes share, which have subscribers
for thousands of other topics; also with a pattern there that does not match, and with an event history. The two are
measured in turn, many times: it prints the best of each in nanoseconds, and the median of the differences.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from twisted.internet.task import Clock

from orosync.authz.chain import Chain
from orosync.backplane.nodes import Nodes
from orosync.backplane.questions import Questions
from orosync.model import Match, Principal
from orosync.router.broker import Broker
from orosync.router.deliveries import Member
from orosync.router.history import HistoryLimits
from orosync.router.realm import Realm
from orosync.session.dispatch import Dispatcher
from orosync.session.nodes.shared_realm import SharedRealm, SharedRealms
from orosync.session.realm_context import RealmContext
from orosync.testing import MemoryEngine, RecordingJournal
from orosync.wamp.payload import Payload

KEY = bytes(32)
TOPIC = "oro/data/update"
ROUNDS = 101


def realm(clock: Clock, engine: MemoryEngine | None, name: str, history: bool) -> Realm:
    """With ten subscribers of TOPIC where it is measured; without ``engine`` it is alone."""
    kept = [HistoryLimits(Match.PREFIX, "com.example.", 1000, 1_000_000)] if history else []
    made = Realm("oro", now=clock.seconds, seconds=clock.seconds, history=kept)
    journal = RecordingJournal()
    context = RealmContext(made, Chain([], journal, clock=clock), [], journal, Dispatcher(journal), clock)
    if engine is not None:
        nodes = Nodes(engine.adapter(), name, KEY, clock, journal)
        shared = SharedRealm(context, nodes, Questions(nodes, clock, journal), KEY, clock.seconds)
        SharedRealms(nodes, [shared], clock)
        nodes.start()
    return made


def subscriber(number: int) -> Member:
    return Member(number, Principal(f"user{number}", "user", "ticket", "bench"), push=lambda event: None)


def nanoseconds(broker: Broker, publisher: Member, times: int) -> float:
    """Of one publish."""
    payload, publish = Payload.of(["hello"]), broker.publish
    began = time.process_time()
    for _ in range(times):
        publish(TOPIC, payload, publisher, True, None, False)
    return (time.process_time() - began) / times * 1e9


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--topics", type=int, default=10_000)
    parser.add_argument("--times", type=int, default=5_000)
    asked = parser.parse_args()
    for title, pattern, history in [
        ("", False, False),
        ("a pattern elsewhere", True, False),
        ("a history", False, True),
    ]:
        clock = Clock()
        engine = MemoryEngine(clock)
        alone = realm(clock, None, "", history)
        shared, *others = [realm(clock, engine, name, history) for name in "abc"]
        for number in range(10):
            for each in (alone, shared):
                each.broker.subscribe(subscriber(number), TOPIC)
        for other in others:
            for number in range(asked.topics):
                other.broker.subscribe(subscriber(99), f"com.example.{number}")
            if pattern:
                other.broker.subscribe(subscriber(99), "com.other.", Match.PREFIX)
        for _ in range(50):
            clock.advance(0)
        brokers = [alone.broker, shared.broker]
        rounds = [[nanoseconds(each, subscriber(100), asked.times) for each in brokers] for _ in range(ROUNDS)]
        best = [min(one[at] for one in rounds) for at in (0, 1)]
        more = statistics.median(one[1] - one[0] for one in rounds)
        print(f"alone {best[0]:5.0f} ns   of three nodes {best[1]:5.0f} ns   difference {more:5.0f} ns   {title}")


if __name__ == "__main__":
    main()
