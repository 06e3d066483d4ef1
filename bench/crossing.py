#!/usr/bin/env python3
"""What an event costs that crosses from one node to another: CPU time of both together, without an engine between.

    python bench/crossing.py [--rounds 40] [--payload 100] [--batch 100] [--check]

An event is encoded, put into a batch, signed, kept for resending, checked, decoded and handed to a handler: one event
in each turn of the reactor, then a batch of them in each. It prints microseconds for an event, the best of several
rounds. With ``--check`` the status is 1 if they exceed 15 and 4.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from twisted.internet.defer import Deferred, succeed

from orosync.backplane.messages import NodeEvent, PackedPayload
from orosync.backplane.nodes import Nodes
from orosync.testing import RecordingJournal

EVENTS = 2000
SINGLE, BATCHED = 15.0, 4.0


class Turns:
    """A clock that stands still; ``turn`` calls what waits for the next turn."""

    def __init__(self) -> None:
        self.waiting: list[Callable[[], None]] = []

    def seconds(self) -> float:
        return 0.0

    def callLater(self, seconds: float, call: Callable[..., None], *arguments: Any) -> Any:
        if not seconds:
            self.waiting.append(call)
        return self

    def active(self) -> bool:
        return False

    def turn(self) -> None:
        waiting, self.waiting = self.waiting, []
        for call in waiting:
            call()


class Wire:
    """A backplane whose batches are taken out by hand."""

    largest = 1024 * 1024
    available = True

    def __init__(self) -> None:
        self.batches: list[bytes] = []

    def start(self, user: Any) -> Deferred[None]:
        return succeed(None)

    def send(self, node: str, batch: bytes) -> None:
        self.batches.append(batch)

    def taken(self) -> list[bytes]:
        batches, self.batches = self.batches, []
        return batches


def measured(batch: int, payload: int) -> float:
    """Microseconds for an event when ``batch`` of them are published in each turn."""
    turns: Any = Turns()
    wires = Wire(), Wire()
    sender, receiver = (
        Nodes(wire, name, b"k" * 32, turns, RecordingJournal()) for wire, name in zip(wires, "ab", strict=True)
    )
    arrived: list[int] = []
    receiver.handle(NodeEvent, lambda peer, message: arrived.append(message.publication))
    sender.start()
    receiver.start()
    sender.node_joined("b", receiver.boot)
    receiver.node_joined("a", sender.boot)
    turns.turn()
    for one, other in ((wires[0], receiver), (wires[1], sender)):
        for first in one.taken():
            other.received(first)
    packed = PackedPayload("json", b"x" * payload)
    number = 0
    begun = time.process_time()
    while number < EVENTS:
        for _ in range(batch):
            number += 1
            sender.send_all(NodeEvent("oro", "oro/data/update", number, packed))
        turns.turn()
        for one in wires[0].taken():
            receiver.received(one)
    spent = time.process_time() - begun
    assert arrived == list(range(1, number + 1))
    return spent / number * 1e6


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rounds", type=int, default=40)
    parser.add_argument("--payload", type=int, default=100, help="bytes (100)")
    parser.add_argument("--batch", type=int, default=100, help="events in a batch (100)")
    parser.add_argument("--check", action="store_true")
    arguments = parser.parse_args()
    single, batched = (
        min(measured(batch, arguments.payload) for _ in range(arguments.rounds)) for batch in (1, arguments.batch)
    )
    print(f"one event in a turn: {single:.2f} us (at most {SINGLE:g})")
    print(f"{arguments.batch} events in a turn: {batched:.2f} us (at most {BATCHED:g})")
    return int(arguments.check and (single > SINGLE or batched > BATCHED))


if __name__ == "__main__":
    sys.exit(main())
