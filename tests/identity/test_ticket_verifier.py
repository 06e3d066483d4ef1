"""The order in which a ticket is checked, and what is kept of the outcome."""

from __future__ import annotations

import attrs
from twisted.internet.defer import CancelledError

from orosync.errors import Refused, Unavailable
from orosync.identity.rate_limit import FailureBuckets
from orosync.identity.ticket import date_c, parse
from orosync.model import User
from tests.identity.authenticator_case import NOBODY, AuthenticatorCase
from tests.identity.fixtures import ANNA, GONE, NOW, OLD_SECRET, SECRET, ticket_of


class Order(AuthenticatorCase):
    """Cheap checks come first, and the expensive ones take the same time for all."""

    def test_nothing_is_looked_up_or_hashed_for_what_is_wrong_on_its_face(self) -> None:
        """Malformed, old and early tickets, and the back end's from elsewhere, cost neither a query nor a hash."""
        for ticket, kind in [
            ("x", "malformed"),
            ("A" * 513, "malformed"),
            (ticket_of(ANNA, nonce="x" * 65), "malformed"),
            (ticket_of(ANNA, created=date_c(NOW - 301)), "expired"),
            (ticket_of(ANNA, created=date_c(NOW + 31)), "future"),
            (ticket_of(None), "no_publish_right"),
        ]:
            self.refused(ticket, kind)
        self.assertEqual((self.directory.asked, self.hasher.asked), ([], []))

    def test_limits_are_settings(self) -> None:
        """Age, clock difference and length can be set."""
        self.build(ttl=10, future=0, ticket_limit=150)
        self.refused(ticket_of(ANNA), "malformed")
        self.build(ttl=10, future=0)
        self.accepted(ticket_of(ANNA, created=date_c(NOW - 10)))
        self.refused(ticket_of(ANNA, created=date_c(NOW - 11)), "expired")
        self.refused(ticket_of(ANNA, created=date_c(NOW + 1)), "future")

    def test_unknown_wrong_and_disabled_take_the_same_path(self) -> None:
        """Each costs one look-up and one digest of the same size: time does not tell which users there are."""
        for kind, ticket in [
            ("unknown_user", ticket_of(NOBODY)),
            ("bad_digest", ticket_of(ANNA, OLD_SECRET)),
            ("disabled", ticket_of(GONE)),
        ]:
            self.build()
            self.refused(ticket, kind)
            self.assertEqual(len(self.directory.asked), 1)
            self.assertEqual([len(pairs) for pairs, _, _ in self.hasher.asked], [1])
            self.assertEqual(len(self.hasher.asked[0][0][0][0]), 16 + 1 + 25 + 1 + 60, kind)

    def test_disabled_is_told_only_to_who_can_sign(self) -> None:
        """A wrong ticket of a disabled user is a wrong ticket."""
        self.refused(ticket_of(GONE, OLD_SECRET), "bad_digest")

    def test_a_password_that_was_reset(self) -> None:
        """Who has to choose a new password, or is locked, is told from a disabled user; accept_disabled admits them."""
        for code in ("password_reset", "locked"):
            barred = attrs.evolve(GONE, disabled_because=code)
            self.build(users=[barred])
            self.refused(ticket_of(barred), code)
            self.build(users=[barred], accept_disabled=True)
            self.assertEqual(self.accepted(ticket_of(barred)).authid, "gone")

    def test_disabled_users_can_be_accepted(self) -> None:
        """Where the administrator wants it as in stock, a disabled user gets in."""
        self.build(accept_disabled=True)
        self.assertEqual(self.accepted(ticket_of(GONE)).authid, "gone")

    def test_two_secrets(self) -> None:
        """While the secret is being changed, tickets of both are good."""
        self.build(secrets=[SECRET, OLD_SECRET])
        self.accepted(ticket_of(ANNA, SECRET))
        self.accepted(ticket_of(ANNA, OLD_SECRET))
        self.accepted(ticket_of(None, OLD_SECRET), listener="backend")


class BackEnd(AuthenticatorCase):
    """The ticket without a user."""

    def test_with_the_right(self) -> None:
        """PHP becomes the precious back end, without a look-up and in the urgent lane; "0" is no user either."""
        self.build(publisher_role="php")
        for ticket in (ticket_of(None), ticket_of(User(3, "0", "p"))):
            for facts in ({"peer": "127.0.0.1"}, {"listener": "backend"}):
                principal = self.accepted(ticket, **facts)
                self.assertEqual(
                    (principal.authid, principal.authrole, principal.user_id, principal.is_backend),
                    ("backend", "php", None, True),
                )
        self.assertEqual(self.directory.asked, [])
        self.assertTrue(all(urgent for _, _, urgent in self.hasher.asked))

    def test_without_the_right(self) -> None:
        """From elsewhere, through a proxy, with a cookie or on another listener, it is refused."""
        for facts in (
            {},
            {"peer": "127.0.0.1", "forwarded": True},
            {"peer": "127.0.0.1", "cookies": {"BAPID": "x"}},
            {"peer": "127.0.0.1", "listener": "other"},
        ):
            self.refused(ticket_of(None), "no_publish_right", **facts)
        self.assertEqual(self.hasher.asked, [])

    def test_wrong_secret(self) -> None:
        """The right does not stand in for the secret; and a user of an empty name does not exist."""
        self.build([User(1, "", "p")])
        self.refused(ticket_of(None, OLD_SECRET), "bad_digest", listener="backend")
        self.assertEqual(self.directory.asked, [])


class Failures(AuthenticatorCase):
    """An address that keeps failing."""

    def setUp(self) -> None:
        self.build(failures=FailureBuckets(rate=1.0, burst=3))

    def test_too_many(self) -> None:
        """It is not heard any more, not even with a good ticket, and costs no look-up and no hash; others are."""
        for number in range(3):
            self.refused(ticket_of(ANNA, OLD_SECRET, nonce=f"{number}"), "bad_digest")
        asked = len(self.hasher.asked), len(self.directory.asked)
        for ticket in (ticket_of(ANNA), ticket_of(NOBODY)):
            self.assertIsInstance(self.refused(ticket, "too_many_failures"), Unavailable)
        self.assertEqual((len(self.hasher.asked), len(self.directory.asked)), asked)
        self.accepted(ticket_of(ANNA), address="192.0.2.2")
        self.clock.advance(1)
        self.accepted(ticket_of(ANNA))

    def test_clock_set(self) -> None:
        """Failures are forgiven by the time that has passed, whatever the time of day was set to."""
        for number in range(3):
            self.refused(ticket_of(ANNA, OLD_SECRET, nonce=f"{number}"), "bad_digest")
        self.set = 600.0
        self.refused(ticket_of(ANNA, created=date_c(NOW + 600)), "too_many_failures")
        self.set = -600.0
        self.clock.advance(1)
        self.assertEqual(self.accepted(ticket_of(ANNA, created=date_c(NOW - 600))).authenticated_at, NOW - 599)

    def test_every_kind_of_failure_counts(self) -> None:
        """A malformed ticket, an old one, a list or another user's counts as much as a wrong digest."""
        for ticket, kind in [
            ("x", "malformed"),
            (f"x&ticket[]={ticket_of(ANNA)}", "malformed"),
            (ticket_of(ANNA, created=date_c(NOW - 301)), "expired"),
            (ticket_of(None), "no_publish_right"),
            (ticket_of(NOBODY), "unknown_user"),
            (ticket_of(GONE), "disabled"),
        ]:
            self.setUp()
            for _ in range(3):
                self.refused(ticket, kind)
            self.refused(ticket_of(ANNA), "too_many_failures")

    def test_what_is_not_its_fault_does_not_count(self) -> None:
        """A directory that is down counts against no address."""
        self.directory.fail_with = Unavailable("directory_down", "no connection")
        for _ in range(10):
            refusal = self.refused(ticket_of(ANNA), "directory_down")
            self.assertEqual(refusal.reason, f"ticket of {ANNA.username!r}: no connection", "whose it is, is told once")
        self.directory.fail_with = None
        self.accepted(ticket_of(ANNA))

    def test_back_end_is_exempt(self) -> None:
        """PHP shares its address with others that fail: it is heard, and its own failures count against no address."""
        for _ in range(3):
            self.refused("x", "malformed", address="127.0.0.1")
        self.refused(ticket_of(ANNA), "too_many_failures", address="127.0.0.1")
        self.accepted(ticket_of(None), peer="127.0.0.1", address="127.0.0.1")
        self.setUp()
        for number in range(9):
            wrong = ticket_of(None, OLD_SECRET, nonce=f"{number}")
            self.refused(wrong, "bad_digest", peer="127.0.0.1", address="127.0.0.1")
        self.accepted(ticket_of(ANNA), address="127.0.0.1")


class Memory(AuthenticatorCase):
    """A ticket presented again."""

    def test_accepted(self) -> None:
        """A good one costs a look-up and no hash; its age, its user and its right are looked at each time."""
        self.accepted(ticket_of(ANNA))
        self.clock.advance(300)
        self.accepted(ticket_of(ANNA))
        self.assertEqual((len(self.hasher.asked), len(self.directory.asked)), (1, 2))
        self.clock.advance(1)
        self.refused(ticket_of(ANNA), "expired")
        self.build()
        self.accepted(ticket_of(None), peer="127.0.0.1")
        self.refused(ticket_of(None), "no_publish_right", peer="127.0.0.1", forwarded=True)

    def test_clock_set(self) -> None:
        """The age of a ticket is judged by the new time of day; what was found true lasts as long as it would have."""
        ticket = ticket_of(ANNA)
        self.accepted(ticket)
        self.set = 301.0
        self.refused(ticket, "expired")
        self.set = -31.0
        self.refused(ticket, "future")
        self.set = -30.0
        self.accepted(ticket)
        self.assertEqual(len(self.hasher.asked), 1)
        self.clock.advance(301)
        self.accepted(ticket)
        self.assertEqual(len(self.hasher.asked), 2)

    def test_user_changed_meanwhile(self) -> None:
        """A user who was disabled, deleted or given another password since is refused, ticket or not."""
        for users, kind in [
            ([User(1, "anna", ANNA.password_hash, enabled=False)], "disabled"),
            ([], "unknown_user"),
            ([User(1, "anna", "another")], "bad_digest"),
        ]:
            self.build()
            self.accepted(ticket_of(ANNA))
            self.directory.__init__(users)  # type: ignore[misc]
            self.refused(ticket_of(ANNA), kind)

    def test_disabled_is_hashed_each_time(self) -> None:
        """That a disabled user's ticket was true shows in no shorter time when it comes again."""
        for _ in range(3):
            self.refused(ticket_of(GONE), "disabled")
            self.clock.advance(11)
        self.assertEqual(len(self.hasher.asked), 3)

    def test_refused(self) -> None:
        """A wrong one is refused for ten seconds without a look-up or a hash, for the same reason; then judged anew."""
        for ticket, kind in [
            (ticket_of(ANNA, OLD_SECRET), "bad_digest"),
            (ticket_of(NOBODY), "unknown_user"),
            (ticket_of(GONE), "disabled"),
        ]:
            self.build()
            reasons = {self.refused(ticket, kind).reason for _ in range(5)}
            self.clock.advance(9)
            reasons.add(self.refused(ticket, kind).reason)
            self.assertEqual((len(self.hasher.asked), len(self.directory.asked), len(reasons)), (1, 1, 1))
            self.clock.advance(1)
            self.refused(ticket, kind)
            self.assertEqual(len(self.directory.asked), 2)


class Down(AuthenticatorCase):
    """When something that is needed does not answer."""

    def test_directory(self) -> None:
        """Whatever a directory fails with, the client is refused, and what was looked up is not logged."""
        self.directory.fail_with = RuntimeError("SELECT * FROM oro_user WHERE username = anna")
        refusal = self.refused(ticket_of(ANNA), "directory_down")
        self.assertIsInstance(refusal, Unavailable)
        self.assertIn("RuntimeError", refusal.reason)
        self.assertNotIn("SELECT", refusal.reason)
        self.directory.fail_with = Unavailable("pool_empty", "too many queries")
        self.refused(ticket_of(ANNA), "pool_empty")
        self.assertEqual(self.hasher.asked, [])

    def test_hasher(self) -> None:
        """A full queue is no judgement: the same ticket is good a moment later."""
        self.hasher.fail_with = Unavailable("hash_queue_full", "full")
        self.assertIsInstance(self.refused(ticket_of(ANNA), "hash_queue_full"), Unavailable)
        self.hasher.fail_with = None
        self.accepted(ticket_of(ANNA))

    def test_client_gone(self) -> None:
        """A client that leaves while its ticket waits takes its job along, and has not failed."""
        self.build(failures=FailureBuckets(burst=1))
        self.hasher.held = True
        fired = self.present(ticket_of(ANNA))
        self.assertNoResult(fired)
        fired.cancel()
        self.failureResultOf(fired, CancelledError)
        self.assertEqual(len(self.hasher.given_up), 1)
        self.hasher.held = False
        self.accepted(ticket_of(ANNA))


class Discretion(AuthenticatorCase):
    """What the administrator gets to read."""

    def test_no_credential_in_any_reason(self) -> None:
        """One clear line that names the user and never the ticket, its digest or nonce, nor a password or secret."""
        for ticket in (
            ticket_of(ANNA, OLD_SECRET),
            ticket_of(NOBODY),
            ticket_of(GONE),
            ticket_of(ANNA, created=date_c(NOW - 400)),
            ticket_of(ANNA, created=date_c(NOW + 400)),
            ticket_of(None),
        ):
            refusal = self.failureResultOf(self.present(ticket), Refused).value
            parts = parse(ticket)
            for hidden in (ticket, parts.digest, parts.nonce.decode(), SECRET, ANNA.password_hash):
                self.assertNotIn(hidden, refusal.reason + repr(refusal))
            self.assertIn(parts.username or "back end", refusal.reason)
            self.assertNotIn("\n", refusal.reason)

    def test_counted(self) -> None:
        """Every outcome is counted under its kind, and the caller logs it."""
        self.accepted(ticket_of(ANNA))
        self.refused("x", "malformed")
        self.refused("&ticket[]=x", "malformed")
        self.refused(ticket_of(NOBODY), "unknown_user")
        self.assertEqual(
            self.journal.counts,
            {("ticket", "accepted"): 1, ("ticket", "malformed"): 2, ("ticket", "unknown_user"): 1},
        )
        self.assertEqual(self.journal.notes, [])
