#!/usr/bin/env python3
"""What the static rules cost each publish: the chain with Oro's channels against one that allows everything.

    python bench/rules.py [--repeats 7] [--count 200000]

For each case the least time of one decision over the repeats, in nanoseconds, and what it is more than the least that
a chain of authorizers can take. Cases: the back end publishes to a broadcast channel, and to users' own channels, the
same topic again and 4,000 different ones; a user's PUBLISH is refused; a user subscribes. Nothing runs but the rules.
"""

from __future__ import annotations

import argparse
import json
import platform
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any
from unittest.mock import Mock

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from twisted.internet.task import Clock

from orosync.authz.chain import Chain
from orosync.authz.factory import ORO_CHANNELS
from orosync.authz.topics import TopicRules
from orosync.model import Action, Decision, Match, Principal, Verdict

BACK_END = Principal("backend", "backend", "ticket", "tickets", is_backend=True)
USER = Principal("anna", "user", "ticket", "tickets", user_id=7)
MANY = tuple(f"oro/email_event/{number}/1" for number in range(1, 4001))
CASES: dict[str, tuple[Principal, Action, Sequence[str]]] = {
    "back end publishes, broadcast": (BACK_END, Action.PUBLISH, ("oro/data/update",)),
    "back end publishes, a user's own": (BACK_END, Action.PUBLISH, ("oro/email_event/7/1",)),
    "back end publishes, 4,000 users' own": (BACK_END, Action.PUBLISH, MANY),
    "user publishes, refused": (USER, Action.PUBLISH, ("oro/data/update",)),
    "user subscribes, broadcast": (USER, Action.SUBSCRIBE, ("oro/data/update",)),
    "user subscribes, own": (USER, Action.SUBSCRIBE, ("oro/email_event/7/1",)),
}


class AllowAll:
    """The least that an authorizer can do."""

    constant = True
    answer = Decision(Verdict.ALLOW, "everything")

    def authorize(self, principal: Principal, action: Action, uri: str, match: Match, options: Any) -> Decision:
        return self.answer


def nanoseconds(decide: Callable[..., Any], case: tuple[Principal, Action, Sequence[str]], count: int) -> float:
    """One decision of a chain."""
    principal, action, topics = case
    asked = [topics[number % len(topics)] for number in range(count)]
    exact, options = Match.EXACT, {}
    begun = time.perf_counter_ns()
    for topic in asked:
        decide(principal, action, topic, exact, options)
    return (time.perf_counter_ns() - begun) / count


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--count", type=int, default=200_000, help="decisions in each repeat")
    asked = parser.parse_args()
    journal, clock = Mock(), Clock()
    rules, least = (Chain([one], journal, clock=clock) for one in (TopicRules(ORO_CHANNELS), AllowAll()))
    shown = {}
    for name, case in CASES.items():
        taken = [nanoseconds(rules.decide, case, asked.count) for _ in range(asked.repeats)]
        floor = [nanoseconds(least.decide, case, asked.count) for _ in range(asked.repeats)]
        cost, bare = min(taken), min(floor)
        shown[name] = {"ns": round(cost), "allow-all": round(bare), "more": round(cost - bare)}
    print(json.dumps({"python": platform.python_version(), "decisions": shown}, indent=2))


if __name__ == "__main__":
    main()
