"""A ticket is good once, where the administrator wants it so."""

from __future__ import annotations

import base64
from itertools import permutations

import attrs

from orosync.errors import Refused, Unavailable
from orosync.identity.ticket import ReplayCache, date_c, parse
from orosync.interfaces import AuthenticationStep, HelloDetails
from orosync.model import User
from tests.identity.authenticator_case import AuthenticatorCase
from tests.identity.fixtures import ANNA, NOW, OLD_SECRET, SECRET, ticket_of

NAMES_OF_ANNA = ("anna", "Anna@Example.com", "anna@example.com", "ANNA@EXAMPLE.COM")


class Once(AuthenticatorCase):
    """Where a ticket is good for one connection only."""

    def setUp(self) -> None:
        self.build(used=ReplayCache())

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

    def test_clock_set_back(self) -> None:
        """Its age is judged by the new time of day, and that it was used is remembered beyond any age."""
        ticket = ticket_of(ANNA)
        self.accepted(ticket)
        self.clock.advance(600)
        self.refused(ticket, "expired")
        self.set = -600.0
        self.refused(ticket, "used")
        self.clock.advance(300)
        self.refused(ticket, "used")

    def test_clock_set_forwards_and_back(self) -> None:
        """While it was too old others came and went; young again, it is still used."""
        ticket = ticket_of(ANNA)
        self.accepted(ticket)
        self.set = 3600.0
        self.accepted(ticket_of(ANNA, created=date_c(NOW + 3600)))
        self.set = 0.0
        self.refused(ticket, "used")

    def test_at_the_same_time(self) -> None:
        """Two that come together with one ticket: one gets in."""
        self.hasher.held = True
        first, second = self.present(ticket_of(ANNA)), self.present(ticket_of(ANNA))
        self.hasher.release()
        principal = self.successResultOf(first)
        self.assertEqual(principal and principal.authid, "anna")
        self.assertEqual(self.failureResultOf(second, Refused).value.code, "used")

    def test_what_was_refused_is_not_used(self) -> None:
        """A router that was too busy to look has not taken the ticket away."""
        self.hasher.fail_with = Unavailable("hash_queue_full", "full")
        self.refused(ticket_of(ANNA), "hash_queue_full")
        self.hasher.fail_with = None
        self.accepted(ticket_of(ANNA))

    def test_back_end_comes_back(self) -> None:
        """PHP reconnects with the ticket that it has; from another address the same ticket is refused."""
        for _ in range(3):
            self.accepted(ticket_of(None), listener="backend")
        self.refused(ticket_of(None), "used", listener="backend", address="192.0.2.2")
        self.accepted(ticket_of(None, nonce="another"), listener="backend", address="192.0.2.2")

    def test_not_unless_wanted(self) -> None:
        """As in stock, a ticket is good until it expires."""
        self.build()
        for _ in range(3):
            self.accepted(ticket_of(ANNA))

    def test_other_names(self) -> None:
        """The digest does not sign the name: a ticket that has been used is so under every name that finds its user."""
        named = {name: ticket_of(attrs.evolve(ANNA, username=name)) for name in NAMES_OF_ANNA}
        for first, second in permutations(named, 2):
            self.build(used=ReplayCache())
            self.accepted(named[first])
            self.refused(named[second], "used")
        for first, second in permutations(("", "0"), 2):
            self.build(used=ReplayCache())
            self.accepted(ticket_of(User(3, first, "p")), listener="backend")
            ticket = ticket_of(User(3, second, "p"))
            self.refused(ticket, "used", listener="backend", address="192.0.2.2")
            self.refused(ticket, "used", listener="backend")
            self.accepted(ticket_of(User(3, first, "p")), listener="backend")

    def test_one_password_hash(self) -> None:
        """Where two users have one hash, the ticket of one is not good again as the other's."""
        ben = User(4, "ben", ANNA.password_hash)
        self.build([ANNA, ben], used=ReplayCache())
        self.accepted(ticket_of(ANNA))
        self.refused(ticket_of(ben), "used")

    def test_several_authenticators(self) -> None:
        """What one authenticator has taken, another one with the same memory does not take, in either order."""
        used = ReplayCache()
        self.build(used=used)
        first = self.authenticator
        self.build(used=used)
        self.accepted(ticket_of(ANNA))
        self.authenticator = first
        self.refused(ticket_of(ANNA), "used")
        self.accepted(ticket_of(ANNA, nonce="another"))

    def test_while_the_secret_is_changed(self) -> None:
        """A ticket of the secret that goes out is used once, as one of the new secret is."""
        self.build(secrets=(SECRET, OLD_SECRET), used=ReplayCache())
        for secret in (SECRET, OLD_SECRET):
            self.accepted(ticket_of(ANNA, secret))
            self.refused(ticket_of(attrs.evolve(ANNA, username=ANNA.email.upper()), secret), "used")

    def test_other_spellings(self) -> None:
        """A ticket has one spelling: others of its base64, or with more fields, are refused as no tickets."""
        ticket = ticket_of(ANNA)
        self.accepted(ticket)
        raw = base64.b64decode(ticket)
        for spelt in (
            ticket.rstrip("="), ticket + "=", ticket[:8] + "%0A" + ticket[8:], ticket + "%20", "%09" + ticket,
            ticket.replace("=", "%3D") + "%00", base64.b64encode(raw + b";more").decode(),
            base64.b64encode(raw + b" ").decode(), base64.b64encode(b" " + raw).decode(),
        ):  # fmt: skip
            if base64.b64encode(raw).decode() != spelt:
                self.refused(spelt, "malformed")
        self.refused("".join(f"%{ord(letter):02x}" for letter in ticket), "used")

    def test_after_hello(self) -> None:
        """The handshake and AUTHENTICATE share the memory."""
        self.accepted(ticket_of(ANNA))
        hello = HelloDetails("oro", None, ("ticket",), {})
        asked = self.authenticator.at_hello(self.facts(""), hello, "ticket", 1)
        challenge = self.successResultOf(asked)
        assert isinstance(challenge, AuthenticationStep)
        answer = challenge.answer(ticket_of(attrs.evolve(ANNA, username=ANNA.email)), {})
        self.assertEqual(self.failureResultOf(answer, Refused).value.code, "used")

    def test_bounded(self) -> None:
        """A flood of good tickets takes no more room than there is; the newest are known."""
        used = ReplayCache(2)
        tickets = [parse(ticket_of(ANNA, nonce=f"{number}")) for number in range(3)]
        for ticket in tickets:
            used.use(ticket, "192.0.2.1")
        for ticket in tickets[1:]:
            self.assertRaises(Refused, used.use, ticket, "192.0.2.1")
        used.use(tickets[0], "192.0.2.1")
