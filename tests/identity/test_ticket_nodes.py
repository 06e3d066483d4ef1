"""A ticket is good once on all nodes of a router."""

from __future__ import annotations

from twisted.internet.defer import Deferred, fail, succeed

from orosync.errors import Refused, Unavailable
from orosync.identity.ticket import ASKED_FOR, ReplayCache
from orosync.identity.ticket_authenticator import TicketAuthenticator
from tests.identity.authenticator_case import AuthenticatorCase
from tests.identity.fixtures import ANNA, ticket_of

ELSEWHERE = "192.0.2.2"


class Engine:
    """What IBackplane.once says; ``away``: it cannot be asked, ``held``: it takes its time."""

    def __init__(self) -> None:
        self.asked: dict[str, str] = {}
        self.seconds: set[float] = set()
        self.away = self.held = False
        self.waiting: list[tuple[Deferred[bool], bool]] = []

    def once(self, key: str, seconds: float, by: str = "") -> Deferred[bool]:
        if self.away:
            return fail(Unavailable("redis_away", "127.0.0.1:6379: connection refused"))
        self.seconds.add(seconds)
        first = key not in self.asked or self.asked[key] == by != ""
        self.asked.setdefault(key, by)
        if not self.held:
            return succeed(first)
        self.waiting.append((Deferred(), first))
        return self.waiting[-1][0]

    def answer(self) -> None:
        for asked, first in self.waiting:
            asked.callback(first)


class Nodes(AuthenticatorCase):
    """Two authenticators, as two nodes have them, with one engine."""

    def setUp(self) -> None:
        self.engine = Engine()
        self.nodes: list[TicketAuthenticator] = []
        for _ in range(2):
            self.build(used=ReplayCache(once=self.engine.once))
            self.nodes.append(self.authenticator)

    def at(self, node: int) -> None:
        """From now on clients come to that node."""
        self.authenticator = self.nodes[node]

    def test_users(self) -> None:
        """What one node has let in, no other lets in again; the next ticket is good there."""
        ticket = ticket_of(ANNA)
        self.at(0)
        self.accepted(ticket)
        self.refused(ticket, "used")
        self.at(1)
        self.assertIn("at another node", self.refused(ticket, "used").reason)
        self.accepted(ticket_of(ANNA, nonce="another"))

    def test_how_long(self) -> None:
        """The engine remembers a ticket for as long as it can live, whatever the clocks of nodes say."""
        self.accepted(ticket_of(ANNA))
        self.assertEqual(self.engine.seconds, {300 + 30 + ASKED_FOR})

    def test_only_good_tickets_are_asked_about(self) -> None:
        """Nobody fills the engine with tickets of their own making."""
        self.refused(ticket_of(ANNA, "another secret of Oro"), "bad_digest")
        self.assertEqual(self.engine.asked, {})

    def test_back_end_comes_back(self) -> None:
        """PHP reconnects with its ticket, to whatever node; another address does not get in with it."""
        ticket = ticket_of(None)
        for node in (0, 1, 0, 1):
            self.at(node)
            self.accepted(ticket, listener="backend")
        self.at(0)
        self.refused(ticket, "used", listener="backend", address=ELSEWHERE)
        self.nodes.append(self.authenticator)
        self.build(used=ReplayCache(once=self.engine.once))  # a node that has not seen it
        refusal = self.refused(ticket, "used", listener="backend", address=ELSEWHERE)
        self.assertIn("at another node", refusal.reason)

    def test_engine_away(self) -> None:
        """A user is refused as unavailable, and the ticket is not used up; the back end goes on publishing here."""
        ticket, php = ticket_of(ANNA), ticket_of(None)
        self.engine.away = True
        refusal = self.refused(ticket, "backplane_down")
        self.assertIsInstance(refusal, Unavailable)
        self.assertIn("connection refused", refusal.reason)
        self.accepted(php, listener="backend")
        self.refused(php, "used", listener="backend", address=ELSEWHERE)
        self.engine.away = False
        self.accepted(ticket)
        self.refused(ticket, "used")

    def test_away_counts_against_nobody(self) -> None:
        """A page that tries again and again is not slowed down for it afterwards."""
        self.engine.away = True
        for _ in range(200):
            self.refused(ticket_of(ANNA), "backplane_down")
        self.engine.away = False
        self.accepted(ticket_of(ANNA))

    def test_at_the_same_time(self) -> None:
        """Of those that come with one ticket before the engine has answered, one gets in."""
        self.engine.held = True
        asked = []
        for node in (0, 1, 0):
            self.at(node)
            asked.append(self.present(ticket_of(ANNA)))
        self.engine.answer()
        principal = self.successResultOf(asked[0])
        self.assertEqual(principal and principal.authid, "anna")
        for one in asked[1:]:
            self.assertEqual(self.failureResultOf(one, Refused).value.code, "used")
