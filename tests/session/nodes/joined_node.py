"""One realm on several nodes in memory: what each node of a test consists of, and how what they say gets through."""

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


class JoinedNode:
    """A node whose realm is that of ``fixture``, which has its sessions; not started."""

    def __init__(self, engine: MemoryEngine, name: str, fixture: RealmFixture) -> None:
        self.name = name
        self.fixture = fixture
        self.realm, self.realm_context = fixture.realm, fixture.realm_context
        self.journal, clock = fixture.journal, fixture.clock
        self.nodes = Nodes(engine.adapter(), name, KEY, clock, self.journal)
        questions = Questions(self.nodes, clock, self.journal)
        self.shared = SharedRealm(self.realm_context, self.nodes, questions, KEY, clock.seconds)
        self.realms = SharedRealms(self.nodes, [self.shared], clock)


class JoinedCase(SynchronousTestCase):
    """``engine`` joins the nodes of a test, whose time is that of ``clock``."""

    def setUp(self) -> None:
        self.clock = Clock()
        self.engine = MemoryEngine(self.clock)

    def settle(self, seconds: float = 0.0) -> None:
        """Let everything happen that is on its way, then time pass, and what is to happen then."""
        for step in [0.0] * 18 + [0.5] * round(seconds * 2) + [0.0] * 12:
            self.clock.advance(step)

    def ask(self, client: JsonClient, *messages: Any) -> list[Any]:
        """What a client hears when it has said something and everything has arrived."""
        client.say(*messages)
        self.settle()
        return client.heard()
