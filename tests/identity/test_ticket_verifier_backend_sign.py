"""What looks like the back end, before anything has been verified."""

from __future__ import annotations

import base64
from typing import Any
from urllib.parse import quote

from twisted.trial.unittest import SynchronousTestCase

from orosync.identity.ticket import date_c, make_ticket
from orosync.identity.ticket_verifier import ListenerBackEnd, PublisherRight
from orosync.testing import connection_facts

TICKETS = {name: make_ticket(name, "hash", "secret", "0123456789abcdef", date_c(0)) for name in ("", "0", "anna")}


class SignTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.right = PublisherRight(["backend", "narrow"], {"public": ["10.1.0.0/16"], "narrow": ["10.0.0.0/8"]})

    def shown(self, listener: str, ticket: str | None = None, **facts: Any) -> bool:
        query = "" if ticket is None else f"ticket={quote(ticket, safe='')}"
        sign = ListenerBackEnd(self.right, listener, alone=listener != "public")
        given = {"peer": "10.1.2.3", "origin": "127.0.0.1", "query": query, **facts}
        return sign.is_shown_by(connection_facts(listener=listener, **given))

    def test_a_shared_port(self) -> None:
        """From where PHP runs, by no proxy, without a cookie, and with a ticket that names no user."""
        self.assertEqual([self.shown("public", TICKETS[name]) for name in ("", "0", "anna")], [True, True, False])
        for facts in ({"peer": "192.0.2.1"}, {"forwarded": True}, {"cookies": {"BAPID": "x"}}):
            self.assertFalse(self.shown("public", TICKETS[""], **facts), facts)
        for ticket in (None, "", "no ticket", base64.b64encode(b";;;").decode(), "%"):
            self.assertFalse(self.shown("public", ticket), ticket)
        for query in ("ticket=%ff", "ticket=a&ticket", "x=1"):
            self.assertFalse(self.shown("public", query=query), query)

    def test_a_ticket_with_plus_signs(self) -> None:
        """Blanks were plus signs that were not encoded."""
        self.assertTrue(self.shown("public", query="ticket=" + TICKETS[""]))

    def test_a_listener_of_its_own(self) -> None:
        """Every connection there, from its networks if there are any."""
        self.assertTrue(self.shown("backend"))
        self.assertTrue(self.shown("narrow"))
        self.assertFalse(self.shown("narrow", peer="192.0.2.1"))

    def test_where_it_may_come_from(self) -> None:
        """Known before anything is read."""
        for listener, peer, may in [
            ("public", "10.1.2.3", True),
            ("public", "::ffff:10.1.2.3", True),
            ("public", "10.2.0.1", False),
            ("public", "unix", False),
            ("backend", "192.0.2.1", True),
            ("backend", "unix", True),
            ("narrow", "10.9.9.9", True),
            ("narrow", "192.0.2.1", False),
            ("other", "127.0.0.1", False),
        ]:
            sign = ListenerBackEnd(self.right, listener, alone=False)
            self.assertEqual(sign.may_come_from(peer), may, (listener, peer))
