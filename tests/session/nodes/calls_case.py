"""Three nodes of one realm in memory, with clients on each: for the tests of registrations, calls and the meta API."""

from __future__ import annotations

from typing import Any

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from orosync.backplane.nodes import Nodes
from orosync.backplane.questions import Questions
from orosync.session.nodes.shared_realm import SharedRealm, SharedRealms
from orosync.testing import MemoryEngine
from tests.session.fixture import JsonClient, RealmFixture

KEY = b"the key of all nodes"
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


class Node:
    """One node with the realm "oro"; ``fixture`` has its sessions, ``context`` what their ListenerContext has."""

    def __init__(self, engine: MemoryEngine, name: str, clock: Clock, **context: Any) -> None:
        self.name = name
        self.fixture = fixture = RealmFixture(clock, **context)
        self.journal = fixture.journal
        self.realm, self.realm_context = fixture.realm, fixture.realm_context
        self.dealer = fixture.realm.dealer
        self.nodes = Nodes(engine.adapter(), name, KEY, clock, fixture.journal)
        questions = Questions(self.nodes, clock, fixture.journal)
        self.shared = SharedRealm(self.realm_context, self.nodes, questions, KEY, clock.seconds)
        self.calls, self.callees = self.shared.calls, self.shared.callees
        SharedRealms(self.nodes, [self.shared], clock)
        self.nodes.start()

    def client(self, roles: Any = FEATURES) -> JsonClient:
        """A WAMP v2 client that has joined here."""
        player = self.fixture.v2(join=False)
        player.say([1, "oro", {"roles": roles}])
        player.session_id = player.heard()[0][1]
        return player


class NodesCase(SynchronousTestCase):
    """Nodes a, b and c, which know each other."""

    def setUp(self) -> None:
        self.clock = Clock()
        self.engine = MemoryEngine(self.clock)
        self.a, self.b, self.c = self.all = [Node(self.engine, name, self.clock) for name in "abc"]
        self.settle()

    def settle(self, seconds: float = 0.0) -> None:
        """Let everything happen that is on its way, then time pass."""
        for step in [0.0] * 30 + [0.5] * round(seconds * 2):
            self.clock.advance(step)

    def ask(self, client: JsonClient, *messages: Any) -> list[Any]:
        """What a client hears when it has said something and everything has arrived."""
        client.say(*messages)
        self.settle()
        return client.heard()

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
