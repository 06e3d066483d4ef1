"""An authenticator with doubles around it, for the tests of its parts."""

from __future__ import annotations

from typing import Any

from twisted.internet import defer
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from orosync.errors import Refused
from orosync.identity.directories.static import StaticDirectory
from orosync.identity.ticket_authenticator import TicketAuthenticator
from orosync.identity.ticket_verifier import PublisherRight, TicketSettings
from orosync.model import ConnectionFacts, Principal, User
from orosync.testing import RecordingJournal, connection_facts
from tests.identity.fixtures import ANNA, GONE, NOW, SECRET, RecordingHasher

NOBODY = User(9, "nobody", "x" * 60)
PEER = "192.0.2.1"


class ScriptedDirectory(StaticDirectory):
    """Keeps what was looked up; fails with ``fail_with`` if that is set."""

    def __init__(self, users: list[User]) -> None:
        super().__init__(users)
        self.asked: list[str] = []
        self.fail_with: Exception | None = None

    def find(self, login: str) -> Deferred[User | None]:
        self.asked.append(login)
        return super().find(login) if self.fail_with is None else defer.fail(self.fail_with)


class AuthenticatorCase(SynchronousTestCase):
    """An authenticator of two users and one shared listener, "public", where PHP is on loopback."""

    def setUp(self) -> None:
        self.build()

    def build(
        self, users: Any = (ANNA, GONE), secrets: Any = (SECRET,), accept_published: bool = False, **settings: Any
    ) -> None:
        self.clock = Clock()
        self.clock.advance(NOW)
        self.set = 0.0  # by how much the time of day was set
        self.hasher = RecordingHasher()
        self.journal = RecordingJournal()
        self.directory = ScriptedDirectory(list(users))
        self.right = PublisherRight(["backend"], {"public": ["127.0.0.1"]})
        rules = {"role": "user", "publisher_role": "backend", "ttl": 300, "future": 30, **settings}
        self.authenticator = TicketAuthenticator(
            TicketSettings(
                name="oro",
                directory=self.directory,
                journal=self.journal,
                clock=self.clock,
                now=lambda: self.clock.seconds() + self.set,
                publisher_right=self.right,
                **rules,
            ),
            secrets,
            self.hasher,
            accept_published=accept_published,
        )

    def facts(self, ticket: str, **changes: Any) -> ConnectionFacts:
        return connection_facts(
            query=f"ticket={ticket}", **{"peer": PEER, "address": PEER, "origin": "127.0.0.1", **changes}
        )

    def present(self, ticket: str, **changes: Any) -> Deferred[Principal | None]:
        return self.authenticator.at_handshake(self.facts(ticket, **changes))

    def accepted(self, ticket: str, **changes: Any) -> Principal:
        principal = self.successResultOf(self.present(ticket, **changes))
        assert principal is not None
        return principal

    def refused(self, ticket: str, kind: str, **changes: Any) -> Refused:
        refusal: Refused = self.failureResultOf(self.present(ticket, **changes), Refused).value
        self.assertEqual(refusal.code, kind, refusal.reason)
        return refusal
