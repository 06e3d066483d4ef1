"""Routers joined in a ring: everybody hears everything once, and nothing goes round."""

from __future__ import annotations

import time

from twisted.trial.unittest import SynchronousTestCase

from tests.product.clients import Client, Refused
from tests.product.running_router import RunningRouter

JOINED = """
[realm:ring]
authenticators = guests
authorizers = roles
uplink = ws://127.0.0.1:{port}/ws

[uplink:ring]
publish = prefix com.
subscribe = prefix com., exact com.news
call = prefix com.theirs.
register = prefix com.
retry = 300ms

[role:ring/guest]
permissions =
    any all
[role:ring/uplink]
permissions =
    any all
"""


class RingTests(SynchronousTestCase):
    def ring(self, size: int) -> list[Client]:
        """So many routers, each joined to the next one for all topics in both directions; a client of each."""
        routers: list[RunningRouter] = []
        for _ in range(size):
            router = RunningRouter(more=JOINED.format(port=routers[-1].public if routers else 1))
            self.addCleanup(router.close)
            routers.append(router)
        first, last = routers[0], routers[-1]
        first.child.end()
        first.config.write_text(
            first.config.read_text().replace("ws://127.0.0.1:1/ws", f"ws://127.0.0.1:{last.public}/ws")
        )
        first.start()
        deadline = time.monotonic() + 20
        while not all(_settled(router) for router in routers):
            self.assertLess(time.monotonic(), deadline, [router.log for router in routers])
            time.sleep(0.05)
        clients = []
        for router in routers:
            client = Client("autobahn-python", router.url(), realm="ring")
            self.addCleanup(client.end)
            client.ask("subscribe", "com.news")
            clients.append(client)
        time.sleep(0.3)
        return clients

    def heard(self, clients: list[Client]) -> list[list[int]]:
        """What each has heard after everybody published once, and once more."""
        for number, client in enumerate(clients):
            client.ask("publish", "com.news", [number])
            client.ask("publish", "com.news", [number + 10])
        time.sleep(1.0)
        return [sorted(client.heard()) for client in clients]

    def test_two(self) -> None:
        """Two that are joined to each other, twice as it were."""
        clients = self.ring(2)
        self.assertEqual(self.heard(clients), [[1, 11], [0, 10]])
        with self.assertRaises(Refused) as refused:
            clients[0].ask("call", "com.theirs.nothing", [])
        self.assertEqual(refused.exception.uri, "wamp.error.no_such_procedure")

    def test_three(self) -> None:
        """Three in a triangle: what comes by both ways comes once."""
        self.assertEqual(self.heard(self.ring(3)), [[1, 2, 11, 12], [0, 2, 10, 12], [0, 1, 10, 11]])

    def test_one(self) -> None:
        """A realm that is joined to itself, by mistake, is left alone, and the log says why."""
        router = RunningRouter(more=JOINED.format(port=1))
        self.addCleanup(router.close)
        router.child.end()
        router.config.write_text(router.config.read_text().replace(":1/ws", f":{router.public}/ws"))
        router.start()
        self.assertIn("it leads back to this very realm", router.child.wait_for_line("uplink.failed (refused)"))


def _settled(router: RunningRouter) -> bool:
    """Whether the last that is said of its uplink is that it is joined, and to a router that is there for good."""
    said = [line for line in router.log.splitlines() if "uplink." in line]
    return bool(said) and "uplink.joined" in said[-1] and router.child.process.poll() is None
