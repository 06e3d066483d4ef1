"""The procedure that a router calls to ask who a client is."""

from __future__ import annotations

from ipaddress import ip_network
from typing import Any

from autobahn.wamp.exception import ApplicationError
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from orosync.attached.authentication import DENIED, MOST_AT_ONCE, Authentication
from orosync.errors import Unavailable
from orosync.headers import OriginRule
from orosync.identity.cookie_authenticator import CookieAuthenticator
from orosync.identity.factory import AnonymousAuthenticator
from orosync.identity.ticket_authenticator import TicketAuthenticator
from orosync.identity.ticket_verifier import PublisherRight, TicketSettings
from orosync.model import AdminSession
from orosync.testing import MemoryDirectory, MemorySessionStore, RecordingJournal
from tests.identity.fixtures import ANNA, NOW, SECRET, RecordingHasher, ticket_of

OFFICE = "https://oro.example.com"
ANNA_IN = "anna-is-logged-in-here-0"


def details(ticket: str | None = None, *, peer: str = "tcp4:127.0.0.1:5", **headers: str) -> dict[str, Any]:
    """What Crossbar.io hands to a dynamic authenticator, for ``ticket`` or (None) for ``anonymous``."""
    told = {name.replace("_", "-"): value for name, value in headers.items()}
    method = {"authmethod": "anonymous"} if ticket is None else {"authmethod": "ticket", "ticket": ticket}
    transport = {"peer": peer, "http_headers_received": told, "is_secure": False}
    return {"transport": transport, "session": 7, "authextra": {"user_id": 99}, **method}


class Answers(SynchronousTestCase):
    """authentication.Authentication, with the authenticators that there are."""

    def setUp(self) -> None:
        clock = Clock()
        clock.advance(NOW)
        self.directory, self.journal = MemoryDirectory(ANNA), RecordingJournal()
        self.hasher = RecordingHasher()
        right = PublisherRight(publisher_from={"[attach]": ["127.0.0.1"]})
        tickets = TicketAuthenticator(
            TicketSettings(
                name="tickets",
                directory=self.directory,
                journal=self.journal,
                clock=clock,
                now=clock.seconds,
                publisher_right=right,
                role="user",
                publisher_role="backend",
                ttl=300,
                future=30,
            ),
            [SECRET],
            self.hasher,
        )
        store = MemorySessionStore({ANNA_IN: AdminSession("anna", 1)})
        cookies = CookieAuthenticator("cookies", store, self.directory, self.journal, clock, clock.seconds, role="user")
        self.authentication = Authentication(
            {"oro": [tickets, cookies], "almighty": [AnonymousAuthenticator("all", "trusted")]},
            "oro",
            OriginRule([OFFICE], required=False),
            [ip_network("10.0.0.0/8")],
            self.journal,
            "[attach]",
        )

    def asking(self, *asked: Any) -> Deferred[dict[str, Any]]:
        return Deferred.fromCoroutine(self.authentication.answer(*asked))

    def refused(self, kind: str, *asked: Any) -> None:
        """One answer for everything; the journal has the kind."""
        error = self.failureResultOf(self.asking(*asked), ApplicationError).value
        assert isinstance(error, ApplicationError)
        self.assertEqual((error.error, error.args), (DENIED, ("authentication denied",)))
        self.assertEqual([(event, found) for event, found, _ in self.journal.notes], [("hello.refused", kind)])
        self.journal.notes.clear()

    def test_a_user(self) -> None:
        """The whole answer, as Crossbar.io wants it, by ticket or cookie; ``extra`` has what Oro knows of the user."""
        known = {"user_id": 1, "organizations": [7], "roles": ["ROLE_ADMINISTRATOR"]}
        whole = {"role": "user", "authid": "anna", "extra": known}
        self.assertEqual(self.successResultOf(self.asking("oro", "anna", details(ticket_of(ANNA)))), whole)
        with_cookie = details(cookie=f"BAPID={ANNA_IN}", origin=OFFICE)
        self.assertEqual(self.successResultOf(self.asking("oro", "QX3K-MADE-UP", with_cookie)), whole)
        empty = details("", cookie=f"BAPID={ANNA_IN}", origin=OFFICE)
        self.assertEqual(self.successResultOf(self.asking("oro", None, empty)), whole)
        self.assertEqual(self.successResultOf(self.asking("oro", "", empty)), whole)

    def test_no_realm(self) -> None:
        """Who names no realm is told which one it is let into."""
        answer = self.successResultOf(self.asking(None, None, details(ticket_of(ANNA))))
        self.assertEqual((answer["realm"], answer["authid"]), ("oro", "anna"))

    def test_the_back_end(self) -> None:
        """From where it may come, and not through a proxy."""
        answer = self.successResultOf(self.asking("oro", "backend", details(ticket_of(None))))
        self.assertEqual((answer["role"], answer["extra"]["user_id"]), ("backend", None))
        self.refused("no_publish_right", "oro", "backend", details(ticket_of(None), peer="tcp4:192.0.2.1:5"))
        self.refused("no_publish_right", "oro", "backend", details(ticket_of(None), via="1.1 proxy"))
        self.refused("no_publish_right", "oro", "backend", details(ticket_of(None), cookie="a=b"))

    def test_foreign_pages(self) -> None:
        """A page that is not listed may not come at all; without a page a cookie is worth nothing."""
        self.refused("origin", "oro", "anna", details(ticket_of(ANNA), origin="https://evil.example"))
        self.refused("origin", "oro", "x", details(cookie=f"BAPID={ANNA_IN}", origin="https://evil.example"))
        self.refused("no_origin", "oro", "x", details(cookie=f"BAPID={ANNA_IN}"))

    def test_the_clients_address(self) -> None:
        """Behind a trusted proxy it is the client's own that is told."""
        wrong = details("rubbish", peer="tcp4:10.0.0.9:5", x_forwarded_for="203.0.113.9")
        self.failureResultOf(self.asking("oro", "anna", wrong), ApplicationError)
        self.assertEqual(self.journal.notes[0][2]["address"], "203.0.113.9")

    def test_refusals(self) -> None:
        """Each has its kind, and nothing but that tells them apart."""
        self.refused("malformed", "oro", "anna", details("rubbish"))
        self.refused("authid_mismatch", "oro", "ben", details(ticket_of(ANNA)))
        self.refused("no_such_realm", "other", "anna", details(ticket_of(ANNA)))
        self.refused("no_credentials", "oro", None, details(""))
        self.refused("reserved_role", "almighty", "x", details())

    def test_what_is_no_question(self) -> None:
        """Of another shape than the contract's: refused, whatever it is."""
        for asked in [
            (),
            ("oro",),
            (5, "anna", details(ticket_of(ANNA))),
            ("oro", ["anna"], details(ticket_of(ANNA))),
            ("oro", "anna", []),
            ("oro", "anna", {"authmethod": 1}),
            ("oro", "anna", {"authmethod": "ticket", "ticket": b"x"}),
        ]:
            self.refused("malformed", *asked)

    def test_what_is_down(self) -> None:
        """Nobody comes in while something cannot be asked, nor when something breaks; the client is told the same."""
        self.directory.failure = Unavailable("directory_down", "gone")
        self.refused("directory_down", "oro", "anna", details(ticket_of(ANNA)))
        self.authentication._realms = {"oro": [None]}  # type: ignore[list-item]
        self.failureResultOf(self.asking("oro", "anna", details(ticket_of(ANNA))), ApplicationError)
        self.assertEqual(len(self.flushLoggedErrors(AttributeError)), 1)

    def test_too_many_at_once(self) -> None:
        """A bound on what may be outstanding, and room again afterwards."""
        self.authentication._outstanding = MOST_AT_ONCE
        self.refused("too_many_at_once", "oro", "anna", details(ticket_of(ANNA)))
        self.authentication._outstanding = 0
        self.hasher.held = True
        waiting = self.asking("oro", "anna", details(ticket_of(ANNA)))
        self.assertEqual(self.authentication._outstanding, 1)
        self.hasher.release()
        self.successResultOf(waiting)
        self.assertEqual(self.authentication._outstanding, 0)

    def test_nothing_secret_is_told(self) -> None:
        """Neither a ticket nor a session's id is in what the journal gets."""
        ticket = ticket_of(ANNA, secret="f" * 32)
        self.failureResultOf(self.asking("oro", "anna", details(ticket)), ApplicationError)
        self.failureResultOf(self.asking("oro", "x", details(cookie="BAPID=" + "z" * 26, origin=OFFICE)))
        self.assertEqual(len(self.journal.notes), 2)
        self.assertNotIn(ticket, repr(self.journal.notes))
        self.assertNotIn("z" * 26, repr(self.journal.notes))
