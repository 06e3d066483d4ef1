"""Three nodes of one realm in memory, with clients on each: for the tests of registrations, calls and the meta API."""

from __future__ import annotations

from typing import Any

from twisted.internet.task import Clock

from orosync.testing import MemoryEngine
from tests.session.fixture import JsonClient, RealmFixture
from tests.session.nodes.joined_node import JoinedCase, JoinedNode

FEATURES = {
    "caller": {"features": {"progressive_call_invocations": True, "call_canceling": True}},
    "callee": {
        "features": {
            "call_canceling": True,
            "progressive_call_results": True,
            "progressive_call_invocations": True,
            "call_reroute": True,
            "registration_revocation": True,
        }
    },
    "publisher": {},
    "subscriber": {},
}
PLAIN: dict[str, Any] = {"caller": {}, "callee": {}, "publisher": {}, "subscriber": {}}


class Node(JoinedNode):
    """One node with the realm "oro"; ``context`` is what its sessions' ListenerContext has. It is started."""

    def __init__(self, engine: MemoryEngine, name: str, clock: Clock, **context: Any) -> None:
        super().__init__(engine, name, RealmFixture(clock, **context))
        self.dealer = self.realm.dealer
        self.calls, self.callees = self.shared.calls, self.shared.callees
        self.nodes.start()

    def client(self, roles: Any = FEATURES) -> JsonClient:
        """A WAMP v2 client that has joined here."""
        player = self.fixture.v2(join=False)
        player.say([1, "oro", {"roles": roles}])
        player.session_id = player.heard()[0][1]
        return player


class NodesCase(JoinedCase):
    """Nodes a, b and c, which know each other."""

    def setUp(self) -> None:
        super().setUp()
        self.a, self.b, self.c = self.all = [Node(self.engine, name, self.clock) for name in "abc"]
        self.settle()

    def callee(self, node: Node, procedure: str = "a.procedure", roles: Any = FEATURES, **options: Any) -> JsonClient:
        """A client of ``node`` that has registered a procedure, which all nodes know."""
        client = node.client(roles)
        (answer,) = self.ask(client, [64, 1, options, procedure])
        self.assertEqual(answer[:2], [65, 1])
        return client

    def kill(self, node: Node) -> None:
        """The process of a node ends, and the others have learnt it."""
        self.engine.kill(node.name)
        self.settle(11)
