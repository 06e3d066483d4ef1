"""A realm in memory with a host for components; autobahn's sessions are the components."""

from __future__ import annotations

from typing import Any

from autobahn.twisted.wamp import ApplicationSession
from autobahn.wamp.types import ComponentConfig

from orosync.embedded.component import HostedComponent
from orosync.embedded.connection import Embedding, component_facts
from orosync.model import ConnectionPolicy, Principal
from orosync.session.hosts import EmbeddedSessionHost
from tests.session.fixture import RealmFixture

FEED = Principal("feed", "feeder", "component", "component")


class Component(ApplicationSession):
    """Records what it receives."""

    def __init__(self, config: ComponentConfig | None = None) -> None:
        super().__init__(config or ComponentConfig("oro", {}))
        self.told: list[Any] = []

    async def onJoin(self, details: Any) -> None:
        self.told.append(("joined", details.authid, details.authrole, details.authmethod))

    def onLeave(self, details: Any) -> Any:
        self.told.append(("left", details.reason))
        return super().onLeave(details)

    def onDisconnect(self) -> None:
        self.told.append("disconnected")
        super().onDisconnect()

    def take(self) -> list[Any]:
        told, self.told = self.told, []
        return told


class EmbeddedFixture(RealmFixture):
    """``fixture.embed(component)`` joins one; ``fixture.turns()`` lets the reactor turn."""

    def __init__(self, message_limit: int = 65536) -> None:
        super().__init__(inside=True)
        self.host = EmbeddedSessionHost(self.context, FEED, ConnectionPolicy(message_limit=message_limit))
        self.ends: list[tuple[bool, str]] = []

    def turns(self, seconds: float = 0.0) -> None:
        """Everything that is due within ``seconds`` happens, and what follows from it at once."""
        self.clock.advance(seconds)
        for _ in range(20):
            self.clock.advance(0)

    def embed(self, component: ApplicationSession, **options: Any) -> Embedding:
        facts = component_facts("feed")
        session: Any = self.host.admit(facts).session
        embedding = Embedding(
            component, session, facts, self.journal, self.clock, lambda *end: self.ends.append(end), **options
        )
        embedding.start()
        self.turns()
        return embedding

    def component(self, make: Any, **options: Any) -> HostedComponent:
        return HostedComponent("feed", make, self.host, self.journal, self.clock, **options)
