#!/usr/bin/env python3
"""What an event costs that crosses from one node to others: real processes, the CPU seconds of all of them.

    python bench/backplane.py                        two workers of one machine, events one by one and in batches
    python bench/backplane.py --nodes 4 --reps 5
    python bench/backplane.py --redis redis://127.0.0.1:6379   nodes of two machines, which share this Redis

The first node sends events with a payload of 100 bytes to the others, a batch in a turn of its reactor: one turn after
another (busy), or with pauses of a millisecond in which all processes sleep (idle). The others check the batches and
decode the events. Nobody is subscribed: what a delivery costs is another figure. The turns themselves are measured by
runs that send nothing, and subtracted. Prints medians: CPU microseconds for an event and receiving node, all processes
together, the engine included. The figures for idle processes depend most on what else the machine does.
"""

from __future__ import annotations

import argparse
import re
import statistics
import sys
import time
from typing import Any

from twisted.internet import reactor as installed
from twisted.internet.defer import Deferred, ensureDeferred
from twisted.internet.protocol import ProcessProtocol
from twisted.internet.task import deferLater
from twisted.python.failure import Failure

from orosync.app.hub import Hub
from orosync.backplane.channel import ProcessChannel, connect, pair
from orosync.backplane.local import LocalBackplane
from orosync.backplane.messages import NodeEvent, PackedPayload
from orosync.backplane.nodes import Nodes
from orosync.backplane.redis import RedisBackplane
from orosync.config.redis_dsn import parse
from orosync.redis_connection import RedisLink
from orosync.testing import RecordingJournal

reactor: Any = installed
KEY = bytes(32)
PREFIX = "orosync-bench"
PAYLOAD = PackedPayload("json", b'["' + b"x" * 96 + b'"]')
CASES = ("busy", 0.0, 1), ("busy", 0.0, 16), ("idle", 0.001, 1), ("idle", 0.001, 16)
"""What it is called, seconds between two turns that send, events of a turn."""


class Node:
    """One process of the measurement: what it is asked over its channel, descriptor 3."""

    def __init__(self, name: str, dsn: str) -> None:
        self.channel = ProcessChannel(self.lost)
        self.backplane: Any = LocalBackplane(self.channel, reactor)
        if dsn:
            self.backplane = RedisBackplane(parse(dsn), PREFIX, reactor, RecordingJournal())
        self.nodes = Nodes(self.backplane, name, KEY, reactor, RecordingJournal())
        self.events = 0
        self.nodes.handle(NodeEvent, self.received)
        self.channel.on_question("bench.peers", lambda: len(self.nodes.peers))
        self.channel.on_question("bench.figures", lambda: (time.process_time(), self.events))
        self.channel.on_question("bench.send", self.send)
        connect(reactor, 3, self.channel)
        self.nodes.start()

    def lost(self, reason: str) -> None:
        if isinstance(self.backplane, LocalBackplane):
            self.backplane.lost(reason)
        if reactor.running:
            reactor.stop()

    def received(self, peer: object, event: NodeEvent) -> None:
        self.events += 1

    def send(self, turns: int, batch: int, pause: float) -> Deferred[None]:
        """In each turn ``batch`` events to each other node."""
        done: Deferred[None] = Deferred()
        left = turns
        # As the router does with what one message of a client causes that came alone.
        self.nodes.alone = lambda: batch == 1

        def turn() -> None:
            nonlocal left
            for number in range(batch):
                event = NodeEvent("oro", "oro/data/update/1", 2**50 + number, PAYLOAD)
                self.nodes.send_all(event)
            left -= 1
            if left:
                reactor.callLater(pause, turn)
            else:
                done.callback(None)

        reactor.callLater(pause, turn)
        return done


class Measurement:
    """The process that starts the nodes, and is their engine."""

    def __init__(self, count: int, dsn: str) -> None:
        self.redis = RedisLink(parse(dsn), reactor, 5.0, 100_000) if dsn else None
        self.hub = Hub(reactor, RecordingJournal())
        self.channels: list[ProcessChannel] = []
        for number in range(count):
            mine, its = pair()
            name = f"node-{number}"
            channel = ProcessChannel(lambda reason: None)
            self.hub.add(name, channel)
            command = [sys.executable, __file__, "--node", name, "--redis", dsn]
            reactor.spawnProcess(ProcessProtocol(), sys.executable, command, env=None, childFDs={1: 1, 2: 2, 3: its})
            connect(reactor, mine, channel)
            self.channels.append(channel)

    async def ready(self) -> None:
        for channel in self.channels:
            while await channel.ask("bench.peers") < len(self.channels) - 1:
                await deferLater(reactor, 0.02)

    async def figures(self) -> tuple[float, int]:
        """CPU seconds of all, and how many events have been received."""
        of_nodes = [await channel.ask("bench.figures") for channel in self.channels]
        cpu = time.process_time() + await self.engine() + sum(cpu for cpu, _ in of_nodes)
        return cpu, sum(events for _, events in of_nodes)

    async def engine(self) -> float:
        """CPU seconds of Redis."""
        if self.redis is None:
            return 0.0
        told = await (await self.redis.connection()).execute_command("INFO", "cpu")
        return sum(map(float, re.findall(rb"used_cpu_(?:sys|user):([0-9.]+)", told)))

    async def run(self, turns: int, batch: int, pause: float) -> float:
        """CPU seconds of so many turns."""
        cpu, events = await self.figures()
        await self.channels[0].ask("bench.send", turns, batch, pause)
        wanted = events + turns * batch * (len(self.channels) - 1)
        while (now := await self.figures())[1] < wanted:
            await deferLater(reactor, 0.01)
        if now[1] != wanted:
            raise SystemExit(f"{now[1] - events} events were received, {wanted - events} were sent")
        return now[0] - cpu


async def measure(arguments: argparse.Namespace) -> None:
    measurement = Measurement(arguments.nodes, arguments.redis)
    await measurement.ready()
    others, turns = arguments.nodes - 1, arguments.turns
    await measurement.run(100, 1, 0.0)
    print("| | events in a batch | µs an event and node | least | most |\n|---|---|---|---|---|")
    for name, pause, batch in CASES:
        costs = []
        for _ in range(arguments.reps):
            silent = await measurement.run(turns, 0, pause)
            costs.append((await measurement.run(turns, batch, pause) - silent) / (turns * batch * others) * 1e6)
        print(
            f"| {name} | {batch} | {statistics.median(costs):.2f} | {min(costs):.2f} | {max(costs):.2f} |", flush=True
        )


def main() -> None:
    parser = argparse.ArgumentParser(description="What an event costs that crosses from one node to others.")
    parser.add_argument("--nodes", type=int, default=2, metavar="N")
    parser.add_argument("--turns", type=int, default=2000, metavar="N", help="turns of the sender that are measured")
    parser.add_argument("--reps", type=int, default=3, metavar="N")
    parser.add_argument("--redis", default="", metavar="DSN", help="a Redis that does nothing else meanwhile")
    parser.add_argument("--node", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.node:
        Node(arguments.node, arguments.redis)
        reactor.run()
        return

    status = []

    def ended(result: Any) -> None:
        if isinstance(result, Failure):
            status.append(result.getTraceback())
        reactor.stop()

    reactor.callWhenRunning(lambda: ensureDeferred(measure(arguments)).addBoth(ended))
    reactor.run()
    sys.exit("".join(status) or 0)


if __name__ == "__main__":
    main()
