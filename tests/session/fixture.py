"""A whole realm in memory for the tests of sessions: real wamp, router and authz; links and journal are doubles."""

from __future__ import annotations

import json
from typing import Any

from twisted.internet.task import Clock

from orosync.authz.chain import Chain
from orosync.identity.factory import AnonymousAuthenticator
from orosync.model import ConnectionPolicy, Principal
from orosync.router.realm import Realm
from orosync.session.context import ListenerContext
from orosync.session.dispatch import Dispatcher, Wires
from orosync.session.realm_context import RealmContext
from orosync.session.reauthorization import Reauthorization
from orosync.session.revalidation import Revalidation
from orosync.session.timers import Deadlines
from orosync.session.v1 import V1Session
from orosync.session.v2 import V2Session
from orosync.testing import MemoryLink, RecordingJournal, ScriptedAuthorizer, connection_facts, principal
from orosync.wamp.codec import CODECS

HELLO = [1, "oro", {"roles": {"publisher": {}, "subscriber": {}, "caller": {}, "callee": {}}}]


class RealmFixture:
    """``realm`` "oro" (or another one) with an anonymous authenticator and one scripted authorizer that allows."""

    def __init__(self, clock: Clock | None = None, realm: Realm | None = None, **context: Any) -> None:
        self.clock = clock or Clock()
        self.journal = RecordingJournal()
        self.authorizer = ScriptedAuthorizer()
        self.realm = realm or Realm("oro", now=self.clock.seconds, seconds=self.clock.seconds)
        self.anonymous = AnonymousAuthenticator("guests", "guest")
        self.realm_context = RealmContext(
            self.realm,
            Chain([self.authorizer], self.journal, clock=self.clock),
            [self.anonymous],
            self.journal,
            Dispatcher(self.journal),
            self.clock,
        )
        self.reauthorization = Reauthorization(self.clock, self.journal)
        self.context = ListenerContext(
            realms={"oro": self.realm_context},
            journal=self.journal,
            wires=Wires(),
            deadlines=Deadlines(self.clock, 10.0),
            revalidation=Revalidation(self.clock, self.journal, 300.0, self.reauthorization.renew),
            sessions=set(),
            **context,
        )

    def v2(self, known: Principal | None = None, join: bool = True, serializer: str = "json") -> JsonClient:
        """A v2 client; joined already unless ``join`` is False."""
        session = V2Session(self.context, connection_facts(), CODECS[f"wamp.2.{serializer}"], known, ConnectionPolicy())
        player = JsonClient(session)
        if join:
            player.say(HELLO)
            player.session_id = player.heard()[0][1]
        return player

    def v1(self, who: Principal | None = None) -> JsonClient:
        """A v1 client, joined; its WELCOME has been read."""
        session = V1Session(
            self.context, self.realm_context, connection_facts(), who or principal(), ConnectionPolicy()
        )
        player = JsonClient(session)
        player.session_id = player.heard()[0][1]
        return player


class JsonClient:
    """A JSON client at the other end of a MemoryLink."""

    def __init__(self, session: Any) -> None:
        self.session = session
        self.link = MemoryLink()
        self.session_id: Any = None
        session.opened(self.link)

    def say(self, *messages: Any) -> JsonClient:
        for message in messages:
            data = message if isinstance(message, bytes) else json.dumps(message).encode()
            self.session.received(data, False)
        return self

    def heard(self) -> list[Any]:
        """Messages since the last call; text that is no JSON as a string."""
        return [_read(frame) for frame in self.link.take()]

    def ask(self, *messages: Any) -> list[Any]:
        return self.say(*messages).heard()


def _read(frame: bytes) -> Any:
    try:
        return json.loads(frame)
    except ValueError:
        return frame.decode()
