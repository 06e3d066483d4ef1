"""A ticket is good once, where the administrator wants it so."""

from __future__ import annotations

from orosync.errors import Refused, Unavailable
from orosync.identity.tickets import date_c, parse
from orosync.identity.used import UsedTickets
from tests.identity.authenticator_case import AuthenticatorCase
from tests.identity.stage import ANNA, NOW, ticket_of


class Once(AuthenticatorCase):
    """Where a ticket is good for one connection only."""

    def setUp(self) -> None:
        self.build(once=True)

    def test_users(self) -> None:
        """The second time it is refused, wherever it comes from and as long as it lives; the next one is good."""
        early = ticket_of(ANNA, created=date_c(NOW + 30))
        self.accepted(early)
        self.refused(early, "used", address="192.0.2.2")
        self.clock.advance(330)
        self.refused(early, "used")
        self.clock.advance(1)
        self.refused(early, "expired")
        self.accepted(ticket_of(ANNA, created=date_c(NOW + 330)))

    def test_at_the_same_time(self) -> None:
        """Two that come together with one ticket: one gets in."""
        self.hasher.held = True
        first, second = self.present(ticket_of(ANNA)), self.present(ticket_of(ANNA))
        self.hasher.release()
        principal = self.successResultOf(first)
        self.assertEqual(principal and principal.authid, "anna")
        self.assertEqual(self.failureResultOf(second, Refused).value.kind, "used")

    def test_what_was_refused_is_not_used(self) -> None:
        """A router that was too busy to look has not taken the ticket away."""
        self.hasher.fail_with = Unavailable("hash_queue_full", "full")
        self.refused(ticket_of(ANNA), "hash_queue_full")
        self.hasher.fail_with = None
        self.accepted(ticket_of(ANNA))

    def test_back_end_comes_back(self) -> None:
        """PHP reconnects with the ticket that it has; from another address the same ticket is somebody else's."""
        for _ in range(3):
            self.accepted(ticket_of(None), listener="backend")
        self.refused(ticket_of(None), "used", listener="backend", address="192.0.2.2")
        self.accepted(ticket_of(None, nonce="another"), listener="backend", address="192.0.2.2")

    def test_not_unless_wanted(self) -> None:
        """As in stock, a ticket is good until it expires."""
        self.build()
        for _ in range(3):
            self.accepted(ticket_of(ANNA))

    def test_bounded(self) -> None:
        """A flood of good tickets takes no more room than there is; the newest are known."""
        used = UsedTickets(2)
        tickets = [parse(ticket_of(ANNA, nonce=f"{number}")) for number in range(3)]
        for ticket in tickets:
            used.use(ticket, "192.0.2.1", NOW, NOW + 300)
        for ticket in tickets[1:]:
            self.assertRaises(Refused, used.use, ticket, "192.0.2.1", NOW, NOW + 300)
        used.use(tickets[0], "192.0.2.1", NOW, NOW + 300)
