"""What nodes tell each other by way of Redis, while it fails: nothing is lost, repeated or in another order."""

from __future__ import annotations

import time
from typing import Any

from twisted.internet import reactor
from twisted.internet.task import deferLater

from orosync.backplane.messages import NodeEvent
from orosync.backplane.nodes import Nodes
from tests.backplane.nodes import until
from tests.backplane.test_redis import USER, NodesCase
from tests.support.redis import Redis
from tests.support.redis_cases import SentinelsCase

KEY = bytes(range(32))


class TrafficCase(NodesCase):
    """Three nodes; two of them send all the time."""

    lease = 3.0

    def setUp(self) -> None:
        super().setUp()
        self.sent = dict.fromkeys("ab", 0)
        self.received: dict[tuple[str, str], list[int]] = {}
        self.forgotten: list[str] = []
        self.nodes: dict[str, Nodes] = {}

    async def begin(self, dsn: str) -> None:
        """All know each other."""
        for name in "abc":
            nodes = self.nodes[name] = Nodes(self.made(dsn=dsn), name, KEY, reactor, self.journal)  # type: ignore[arg-type]
            nodes.handle(NodeEvent, lambda peer, event, to=name: self.received[peer.node, to].append(event.publication))
            nodes.on_left(lambda peer: self.forgotten.append(peer.node))
            for other in "ab":
                self.received[other, name] = []
            await nodes.start()
            self.addCleanup(nodes.stop)
        await until(lambda: all(len(nodes.peers) == 2 for nodes in self.nodes.values()))

    async def traffic(self, seconds: float) -> None:
        """Events of both senders."""
        ends = time.monotonic() + seconds
        while time.monotonic() < ends:
            for name in self.sent:
                for _ in range(4):
                    self.sent[name] += 1
                    self.nodes[name].send_all(NodeEvent("realm", "topic", self.sent[name]))
            await deferLater(reactor, 0.004)  # type: ignore[arg-type]

    async def check(self) -> None:
        """Everybody has everything, once, in order; no node was taken for gone."""

        def all_there() -> Any:
            return all(
                self.received[sender, name][-1:] == [self.sent[sender]]
                for sender in self.sent
                for name in self.nodes
                if name != sender
            )

        await until(all_there, 20)
        gone = [(code, fields) for event, code, fields in self.journal.notes if code in ("left", "lost", "silent")]
        self.assertEqual((gone, self.forgotten), ([], []))
        for sender, last in self.sent.items():
            for name in self.nodes:
                if name != sender:
                    self.assertEqual(self.received[sender, name], list(range(1, last + 1)), f"{sender} to {name}")
        self.assertGreater(sum(nodes.counters.resent for nodes in self.nodes.values()), 0, "no fault has cost anything")


class Faults(TrafficCase):
    """One server."""

    async def test_nothing_is_lost(self) -> None:
        """Connections are killed, the server stands still, all keys are removed, the server is killed."""
        server = Redis(users=[USER])
        self.addCleanup(server.end)
        server.start()
        await self.begin(f"redis://orosync:secret@127.0.0.1:{server.port}")
        await self.traffic(0.5)
        for _ in range(3):
            server.ask("CLIENT", "KILL", "TYPE", "normal")
            await self.traffic(0.4)
        server.freeze(True)
        await self.traffic(2.0)
        server.freeze(False)
        await self.traffic(2.0)
        server.ask("FLUSHALL")
        await self.traffic(2.0)
        server.kill()
        await self.traffic(1.0)
        server.start()
        await self.traffic(1.0)
        await self.check()


class Failover(SentinelsCase, TrafficCase):
    """The master is killed."""

    def setUp(self) -> None:
        TrafficCase.setUp(self)
        SentinelsCase.setUp(self)

    async def test_nothing_is_lost(self) -> None:
        """Nodes go on with the replica that the Sentinels promote."""
        await self.begin(self.dsn)
        await self.traffic(0.5)
        self.settled("orosync:nodes")
        self.master.kill()
        await self.traffic(4.0)
        await self.check()
        self.assertEqual(self.replica.ask("ROLE")[0], b"master")
