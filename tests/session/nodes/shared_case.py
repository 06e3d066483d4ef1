"""Three nodes of one realm in memory, joined as a process joins them, with clients of both protocols on each."""

from __future__ import annotations

from typing import Any

from twisted.internet.task import Clock

from orosync.model import Match
from orosync.router.history import HistoryLimits
from orosync.router.realm import Realm
from orosync.testing import MemoryEngine, principal
from tests.session.fixture import HELLO, JsonClient, RealmFixture
from tests.session.nodes.joined_node import JoinedCase, JoinedNode

HISTORIES = (HistoryLimits(Match.PREFIX, "kept.", 100, 100_000), HistoryLimits(Match.EXACT, "few", 3, 100_000))


class SharedNode(JoinedNode):
    """One node with the realm "oro" and its histories. It is started, and has loaded what is kept."""

    def __init__(self, engine: MemoryEngine, name: str, clock: Clock, retained_events: int = 1000) -> None:
        realm = Realm(
            "oro", now=clock.seconds, retained_events=retained_events, history=HISTORIES, seconds=clock.seconds
        )
        super().__init__(engine, name, RealmFixture(clock, realm))
        self.broker = realm.broker
        self.nodes.start().addCallback(lambda _: self.realms.load())

    def v2(self, authid: str = "", **more: Any) -> JsonClient:
        """A WAMP v2 client that has joined, anonymous or with this authid."""
        who = principal(authid, authprovider="guests", **more) if authid else None
        player = self.fixture.v2(who, join=False)
        player.say(HELLO)
        player.session_id = player.heard()[0][1]
        return player


class SharedCase(JoinedCase):
    """Nodes a, b and c, which know each other."""

    def setUp(self) -> None:
        super().setUp()
        self.clock.advance(1_000_000)
        self.early: dict[JsonClient, list[Any]] = {}  # events that came before an answer
        self.a, self.b, self.c = [self.start(name) for name in "abc"]
        self.settle()

    def start(self, name: str, **more: Any) -> SharedNode:
        return SharedNode(self.engine, name, self.clock, **more)

    def subscribe(self, client: JsonClient, *topics: str, **options: Any) -> list[int]:
        """The ids of the subscriptions; all nodes know of them."""
        heard = self.ask(client, *[[32, number, options, topic] for number, topic in enumerate(topics, 1)])
        return [one[2] for one in heard if one[0] == 33]

    def publish(self, client: JsonClient, topic: str, *args: Any, **options: Any) -> int:
        """Publish, and let it arrive everywhere; the publication's id."""
        heard = self.ask(client, [16, 7, {**options, "acknowledge": True}, topic, list(args)])
        (answer,) = [one for one in heard if one[0] == 17]
        self.early.setdefault(client, []).extend(one for one in heard if one[0] == 36)
        number: int = answer[2]
        return number

    def events(self, client: JsonClient) -> list[Any]:
        """The arguments of the EVENTs that it has got since it was asked last; one alone as it is."""
        heard = [*self.early.pop(client, []), *client.heard()]
        found = [one[4] if len(one) > 4 else [] for one in heard if one[0] == 36]
        return [one[0] if len(one) == 1 else one for one in found]

    def call(self, client: JsonClient, procedure: str, *args: Any, **kwargs: Any) -> list[Any]:
        """The RESULT or ERROR of a call."""
        (answer,) = [one for one in self.ask(client, [48, 9, {}, procedure, list(args), kwargs]) if one[0] in (50, 8)]
        return list(answer)
