"""Which credential decides who a client of another router is."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from orosync.errors import Refused
from orosync.identity.cookie_authenticator import CookieAuthenticator
from orosync.identity.credentials import identify_for_router
from orosync.identity.factory import AnonymousAuthenticator
from orosync.identity.ticket_authenticator import TicketAuthenticator
from orosync.identity.ticket_verifier import PublisherRight, TicketSettings
from orosync.interfaces import HelloDetails, IAuthenticator
from orosync.model import AdminSession, Principal, User
from orosync.testing import MemoryDirectory, MemorySessionStore, RecordingJournal, connection_facts
from tests.identity.fixtures import ANNA, NOW, SECRET, RecordingHasher, ticket_of

BEN = User(5, "ben", "$2y$13$" + "b" * 53)
ANNA_IN = "anna-is-logged-in-here-0"
BEN_IN = "ben-is-logged-in-here-00"


class IdentifyForRouter(SynchronousTestCase):
    """``identify_for_router``, with the authenticators that there are."""

    def setUp(self) -> None:
        clock = Clock()
        clock.advance(NOW)
        directory, journal = MemoryDirectory(ANNA, BEN), RecordingJournal()
        store = MemorySessionStore({ANNA_IN: AdminSession("anna", 1), BEN_IN: AdminSession("ben", 5)})
        self.tickets = TicketAuthenticator(
            TicketSettings(
                name="tickets",
                directory=directory,
                journal=journal,
                clock=clock,
                now=clock.seconds,
                publisher_right=PublisherRight(publisher_from={"attach": ["127.0.0.1"]}),
                role="user",
                publisher_role="backend",
                ttl=300,
                future=30,
            ),
            [SECRET],
            RecordingHasher(),
        )
        self.cookies = CookieAuthenticator("cookies", store, directory, journal, clock, clock.seconds, role="user")
        self.guests = AnonymousAuthenticator("guests", "guest")
        self.all: list[IAuthenticator] = [self.guests, self.tickets, self.cookies]

    def asking(
        self,
        method: str = "ticket",
        ticket: str = "",
        authid: str | None = None,
        cookie: str = "",
        authenticators: Sequence[IAuthenticator] | None = None,
        **facts: Any,
    ) -> Deferred[Principal]:
        cookies = {"BAPID": cookie} if cookie else {}
        there = connection_facts(listener="attach", cookies=cookies, **facts)
        hello = HelloDetails("oro", authid, (method,), {})
        asked = self.all if authenticators is None else authenticators
        return Deferred.fromCoroutine(identify_for_router(there, hello, method, ticket, asked, 7))

    def who(self, method: str = "ticket", **what: Any) -> Principal:
        return self.successResultOf(self.asking(method, **what))

    def refused(self, kind: str, **what: Any) -> None:
        refusal = self.failureResultOf(self.asking(**what), Refused).value
        assert isinstance(refusal, Refused)
        self.assertEqual(refusal.code, kind)

    def test_a_ticket(self) -> None:
        """It decides, whatever other authenticators there are."""
        self.assertEqual(self.who(ticket=ticket_of(ANNA), authid="anna").user_id, 1)
        self.assertEqual(self.who(ticket=ticket_of(ANNA)).authid, "anna")
        self.assertEqual(self.who(ticket=ticket_of(None), authid="backend", origin="127.0.0.1").authrole, "backend")

    def test_a_cookie(self) -> None:
        """It counts where nothing was presented, whichever way the router asks."""
        for method, authid in [("ticket", None), ("ticket", "anna"), ("anonymous", None)]:
            self.assertEqual(self.who(method, authid=authid, cookie=ANNA_IN).user_id, 1, method)

    def test_a_ticket_and_a_cookie(self) -> None:
        """Of one user they agree; of two, the client is refused."""
        self.assertEqual(self.who(ticket=ticket_of(ANNA), cookie=ANNA_IN).authid, "anna")
        self.assertEqual(self.who(ticket=ticket_of(ANNA), cookie="nobody-is-logged-in-here").authid, "anna")
        self.refused("other_user", ticket=ticket_of(ANNA), cookie=BEN_IN)

    def test_a_guest(self) -> None:
        """Where the realm admits guests, who asks for that is one; a wrong ticket does not make one, nor no ticket."""
        self.assertEqual(self.who("anonymous").authrole, "guest")
        self.refused("bad_digest", ticket=ticket_of(BEN, secret="f" * 32))
        self.refused("no_credentials", ticket="")
        self.refused("no_credentials", method="anonymous", authenticators=[self.tickets, self.cookies])

    def test_somebody_else(self) -> None:
        """Who HELLO names has to be whom the credential names."""
        self.refused("authid_mismatch", ticket=ticket_of(ANNA), authid="ben")
        self.refused("authid_mismatch", cookie=ANNA_IN, authid="ben")

    def test_a_wrong_cookie(self) -> None:
        """An unknown session is refused, and a cookie without an Origin; the client does not become a guest either."""
        self.refused("no_session", method="anonymous", cookie="nobody-is-logged-in-here")
        self.refused("no_origin", method="anonymous", cookie=ANNA_IN, origin=None)

    def test_the_publisher(self) -> None:
        """Its ticket counts where it may come from, and with neither a cookie nor a proxy."""
        self.refused("no_publish_right", ticket=ticket_of(None), peer="192.0.2.1")
        self.refused("no_publish_right", ticket=ticket_of(None), forwarded=True)
        self.refused("no_publish_right", ticket=ticket_of(None), cookie=ANNA_IN)

    def test_nobody_judges_tickets(self) -> None:
        """A ticket where the realm knows only cookies is refused, the cookie beside it notwithstanding."""
        self.refused("no_method", ticket=ticket_of(ANNA), cookie=ANNA_IN, authenticators=[self.cookies])
