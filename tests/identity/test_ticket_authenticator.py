"""Tickets as clients present them: in the query string of the handshake, or after HELLO."""

from __future__ import annotations

import base64

import attrs
from twisted.internet.defer import Deferred
from twisted.trial.unittest import TestCase
from zope.interface.verify import verifyObject

from orosync.errors import ConfigError, Refused, Unavailable
from orosync.identity.rate_limit import FailureBuckets
from orosync.identity.ticket import date_c
from orosync.interfaces import AuthenticationStep, HelloDetails, IAuthenticator, IRecheck
from orosync.model import Principal, User
from orosync.testing import AuthenticatorContract, connection_facts
from tests.identity.authenticator_case import NOBODY, PEER, AuthenticatorCase
from tests.identity.fixtures import ANNA, GONE, NOW, OLD_SECRET, PUBLISHED, SECRET, USABLE, ticket_of


class Handshake(AuthenticatorCase):
    """A ticket in the query string."""

    def test_port(self) -> None:
        """It is an authenticator, for HELLO too."""
        verifyObject(IAuthenticator, self.authenticator)
        self.assertEqual(self.authenticator.methods, ("ticket",))

    def test_vectors_of_php(self) -> None:
        """Tickets that a real PHP made let in whom they name, on v1 and v2 alike."""
        self.assertEqual(len(USABLE), 5)
        for vector in USABLE:
            user = User(5, vector["username"] or "unused", vector["password_hash"] or "p")
            for subprotocol in ("wamp", "wamp.2.json"):
                self.build([user], [vector["secret"]])
                self.clock.rightNow = vector["created_unix"] + 0.0
                facts = connection_facts(query=vector["query_string"], subprotocols=(subprotocol,), origin="127.0.0.1")
                principal = self.successResultOf(self.authenticator.at_handshake(facts))
                self.assertEqual(principal.authid, vector["username"] or "backend")

    def test_vectors_with_any_one_field_changed(self) -> None:
        """The same tickets with another user, digest, nonce or date, or checked with another secret, do not."""
        for vector in USABLE:
            other = User(6, "other", "another password")
            user = User(5, vector["username"] or "unused", vector["password_hash"] or "p")
            digest = ("B" if vector["digest"][0] == "A" else "A") + vector["digest"][1:]
            for change in (
                {"username": "other"},
                {"username": "unknown"},
                {"digest": digest},
                {"nonce": vector["nonce"] + "0"},
                {"created": date_c(vector["created_unix"] + 1)},
                {"secret": vector["secret"] + "0"},
            ):
                fields = {**vector, **change}
                self.build([user, other], [fields["secret"]])
                self.clock.rightNow = vector["created_unix"] + 0.0
                raw = ";".join(fields[name] for name in ("digest", "username", "nonce", "created"))
                ticket = base64.b64encode(raw.encode()).decode().replace("+", "%2B")
                kind = "unknown_user" if fields["username"] == "unknown" else "bad_digest"
                self.refused(ticket, kind, peer="127.0.0.1")

    def test_principal(self) -> None:
        """A user's principal carries what the rules of topics are bound to."""
        self.build(role="staff")
        self.assertEqual(
            self.accepted(ticket_of(ANNA)),
            Principal("anna", "staff", "ticket", "oro", 1, ANNA.organizations, ANNA.roles, authenticated_at=float(NOW)),
        )

    def test_nothing_presented(self) -> None:
        """Without a ticket there is nothing to judge, and nothing was counted or looked up."""
        for query in ("", "a=b", "Ticket=x", "tickets=x"):
            fired = self.authenticator.at_handshake(connection_facts(query=query, origin="127.0.0.1"))
            self.assertIsNone(self.successResultOf(fired), query)
        self.assertEqual((self.directory.asked, self.journal.counts), ([], {}))

    def test_as_php_reads_the_query(self) -> None:
        """The last of two tickets decides; a list is none; an empty one is wrong, not absent."""
        good = ticket_of(ANNA)
        self.accepted(f"x&ticket={good}")
        self.refused(f"{good}&ticket=x", "malformed")
        self.refused(f"{good}&ticket[]={good}", "malformed")
        self.refused("", "malformed")

    def test_plus_that_became_a_blank(self) -> None:
        """A client that forgets to encode "+" gets in all the same."""
        user = User(5, "a~~~", "p")
        ticket = next(text for number in range(64) if "+" in (text := ticket_of(user, nonce="n" * number)))
        self.build([user])
        self.accepted(ticket)
        self.accepted(ticket.replace("+", "%2B"))
        self.accepted(ticket.replace("+", "%20"))

    def test_e_mail(self) -> None:
        """A ticket may name a user by e-mail, as Oro's look-up allows; the session then bears the user name."""
        ticket = ticket_of(User(1, "anna@example.com", ANNA.password_hash))
        self.assertEqual(self.accepted(ticket).authid, "anna")

    def test_published_secret(self) -> None:
        """With the publicly known secret it does not start."""
        error = self.assertRaises(ConfigError, self.build, secrets=[PUBLISHED])
        self.assertIn("[authenticator:oro]", error.faults[0])

    def test_published_secret_accepted(self) -> None:
        """Where it is said so, it does, beside a better one too; its users come from everywhere, a back end from this
        machine alone, whatever its listener grants."""
        for secrets in ([PUBLISHED], [SECRET, PUBLISHED]):
            self.build(secrets=secrets, accept_published=True)
            self.assertEqual(self.accepted(ticket_of(ANNA, PUBLISHED), peer="203.0.113.9").authid, "anna")
            self.assertTrue(self.accepted(ticket_of(None, PUBLISHED), listener="backend", peer="127.0.0.1").is_backend)
            self.refused(ticket_of(None, PUBLISHED), "no_publish_right", listener="backend", peer="203.0.113.9")
            self.refused(ticket_of(None, secrets[0]), "no_publish_right", listener="backend", peer="203.0.113.9")
        self.build(accept_published=True)
        self.assertTrue(self.accepted(ticket_of(None), listener="backend", peer="203.0.113.9").is_backend)


class AfterHello(AuthenticatorCase):
    """A ticket as WAMP's "ticket" authentication."""

    def challenged(self, authid: str | None, method: str = "ticket") -> AuthenticationStep:
        hello = HelloDetails("oro", authid, ("ticket",), {})
        facts = connection_facts(listener="backend", peer=PEER, address=PEER)
        challenge = self.successResultOf(self.authenticator.at_hello(facts, hello, method, 1))
        assert isinstance(challenge, AuthenticationStep)
        return challenge

    def answered(self, ticket: str, authid: str | None) -> Deferred[Principal]:
        return self.challenged(authid).answer(ticket, {})

    def test_challenge(self) -> None:
        """The client is asked for its ticket, with nothing besides, and nothing is looked up before it answers."""
        challenge = self.challenged("anna")
        self.assertEqual((challenge.method, challenge.extra), ("ticket", {}))
        self.assertEqual((self.directory.asked, self.hasher.asked), ([], []))

    def test_answer(self) -> None:
        """The ticket given as signature decides who it is; HELLO need not say, and may only say the same."""
        for authid in (None, "anna"):
            principal = self.successResultOf(self.answered(ticket_of(ANNA), authid))
            self.assertEqual((principal.authid, principal.authmethod, principal.user_id), ("anna", "ticket", 1))
        for authid in (None, "", "backend"):
            self.assertTrue(self.successResultOf(self.answered(ticket_of(None), authid)).is_backend)

    def test_another_name(self) -> None:
        """A client that names another user than the ticket does is refused, before anything is hashed."""
        for ticket, authid in [
            (ticket_of(ANNA), "admin"),
            (ticket_of(ANNA), "Anna"),
            (ticket_of(ANNA), ""),
            (ticket_of(ANNA), "backend"),
            (ticket_of(None), "anna"),
        ]:
            failure = self.failureResultOf(self.answered(ticket, authid), Refused)
            self.assertEqual(failure.value.code, "authid_mismatch")
        self.assertEqual(self.hasher.asked, [])

    def test_wrong_answers(self) -> None:
        """A signature that is no ticket, or not one as PHP writes it, is refused."""
        for ticket, kind in [
            ("", "malformed"),
            ("x" * 100_000, "malformed"),
            ("\ud800", "malformed"),
            (ticket_of(ANNA) + " ", "malformed"),
            (ticket_of(ANNA, OLD_SECRET), "bad_digest"),
            (ticket_of(ANNA, created=date_c(NOW - 301)), "expired"),
        ]:
            failure = self.failureResultOf(self.answered(ticket, None), Refused)
            self.assertEqual(failure.value.code, kind)

    def test_other_method(self) -> None:
        """A method that it cannot do is refused."""
        hello = HelloDetails("oro", "anna", ("wampcra",), {})
        fired = self.authenticator.at_hello(connection_facts(), hello, "wampcra", 1)
        self.assertEqual(self.failureResultOf(fired, Refused).value.code, "unknown_method")


class LifeAfterLogin(AuthenticatorCase):
    def test_interface(self) -> None:
        """It can look again at those whom it let in."""
        verifyObject(IRecheck, self.authenticator)

    def test_user_changed(self) -> None:
        """A user of a ticket stays as long as password and rights stay, however old the ticket is by then."""
        who = self.accepted(ticket_of(ANNA))
        credential = self.authenticator.credential(self.facts(""), who)
        self.assertEqual(credential, self.authenticator.credential(self.facts(""), self.accepted(ticket_of(ANNA))))
        self.clock.advance(86400)
        self.successResultOf(self.authenticator.recheck(credential))
        table = [
            ({"password_hash": "other"}, "password_changed"),
            ({"enabled": False}, "disabled"),
        ]
        for change, kind in table:
            self.directory.__init__([attrs.evolve(ANNA, **change)])
            refusal = self.failureResultOf(self.authenticator.recheck(credential), Refused).value
            self.assertEqual(refusal.code, kind)
        self.directory.fail_with = Unavailable("directory_down", "it is down")
        self.failureResultOf(self.authenticator.recheck(credential), Unavailable)

    def test_back_end(self) -> None:
        """The back end's sessions rest on the secret alone, and are not looked at again."""
        who = self.accepted(ticket_of(None), peer="127.0.0.1", address="127.0.0.1")
        self.assertIsNone(self.authenticator.credential(self.facts(""), who))


class Own(AuthenticatorCase):
    """Tickets that orosync itself asked the application for."""

    def verified(self, ticket: str) -> str:
        """The user of a ticket, or the kind of its refusal."""
        answer = self.authenticator.verify(ticket).addCallback(lambda principal: principal.authid)
        answer.addErrback(lambda failure: failure.trap(Refused) and failure.value.code)
        kind: str = self.successResultOf(answer)
        return kind

    def test_judged_like_others(self) -> None:
        """What is wrong with any other ticket is wrong with these; they never make a back end."""
        table = [
            (ticket_of(ANNA), "anna"),
            (ticket_of(ANNA, OLD_SECRET), "bad_digest"),
            (ticket_of(GONE), "disabled"),
            (ticket_of(NOBODY), "unknown_user"),
            (ticket_of(ANNA, created=date_c(NOW - 301)), "expired"),
            (ticket_of(None), "no_publish_right"),
            ("x", "malformed"),
        ]
        for ticket, outcome in table:
            self.assertEqual(self.verified(ticket), outcome)

    def test_nobodys_failure(self) -> None:
        """However many are wrong, no address is shut out for them, and their digests wait in a lane of their own."""
        self.build(failures=FailureBuckets(0.001, 1))
        for _ in range(5):
            self.verified(ticket_of(ANNA, OLD_SECRET, nonce=f"{_:016}"))
        self.accepted(ticket_of(ANNA))
        self.assertEqual({lane for _, lane, _ in self.hasher.asked[:-1]}, {"own"})


class Contract(AuthenticatorContract, TestCase):
    WRONG = ticket_of(ANNA, OLD_SECRET)
    credentials = (SECRET, OLD_SECRET, ANNA.password_hash, WRONG)

    def make_authenticator(self) -> IAuthenticator:
        case = AuthenticatorCase()
        case.build()
        return case.authenticator

    def wrong_attempt(self, authenticator: IAuthenticator) -> Deferred[Principal | None]:
        return authenticator.at_handshake(connection_facts(query=f"ticket={self.WRONG}"))
