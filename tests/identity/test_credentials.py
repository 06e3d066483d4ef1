"""Which of several credentials decides, and what a session rests on."""

from __future__ import annotations

from twisted.internet.defer import Deferred, fail, succeed
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase
from zope.interface import implementer

from orosync.errors import Refused, Unavailable
from orosync.identity.credentials import identify, identify_at_hello, suffices, watched_credentials
from orosync.identity.factory import AnonymousAuthenticator
from orosync.interfaces import AuthenticationStep, HelloDetails, IAmbientAuthenticator, IAuthenticator, IRecheck
from orosync.testing import connection_facts, principal

COOKIES = {"BAPID": "x"}


def answer(outcome):
    return fail(outcome) if isinstance(outcome, Exception) else succeed(outcome)


@implementer(IAuthenticator)
class Plain:
    """Fires with ``outcome``; cannot look again."""

    methods = ()
    recheck_interval = None

    def __init__(self, name, outcome, credential=None, watching=None):
        self.name = name
        self.outcome = outcome
        self.stands = credential
        self.watching = watching
        self.asked = 0

    def at_handshake(self, facts):
        self.asked += 1
        return answer(self.outcome)

    def at_hello(self, facts, hello, method, session_id):
        raise AssertionError("not asked")

    def credential(self, facts, who):
        return self.stands

    def recheck(self, credential):
        raise AssertionError("not asked")

    def watch(self, facts, who):
        return answer(self.watching)


@implementer(IRecheck)
class Ticket(Plain):
    """Looks again."""


@implementer(IAmbientAuthenticator)
class Cookie(Plain):
    """Reads a cookie."""


ANNA, BEN = principal("anna", authprovider="ticket"), principal("ben", authprovider="cookie", authmethod="cookie")
GUESTS = AnonymousAuthenticator("guests", "guest")


class IdentifyTests(SynchronousTestCase):
    def identify(self, *authenticators, cookies=COOKIES, **facts):
        return Deferred.fromCoroutine(identify(connection_facts(cookies=cookies, **facts), authenticators))

    def found(self, *authenticators, **facts):
        return self.successResultOf(self.identify(*authenticators, **facts))

    def test_first_word_decides(self):
        """The authenticator that finds its credential decides, for good or bad; later ones are not asked."""
        last = Plain("last", BEN)
        for cookies in ({}, COOKIES):
            self.assertEqual(self.found(Plain("a", None), Plain("b", ANNA), last, cookies=cookies), (ANNA, ()))
            self.assertEqual(self.found(Plain("a", None), cookies=cookies), (None, ()))
            refused = self.identify(Plain("a", Refused("bad", "no")), last, cookies=cookies)
            self.failureResultOf(refused, Refused)
        self.assertEqual(last.asked, 0)

    def test_ticket_without_any_cookie(self):
        """Who reads cookies is told of a ticket that came without one, and may refuse it; in whatever order."""
        for order in (lambda *them: them, lambda *them: them[::-1]):
            ticket = Ticket("ticket", ANNA, "hers")
            both = order(ticket, Cookie("cookie", None, watching=None))
            self.assertEqual(self.found(*both, cookies={}), (ANNA, ((ticket, "hers"),)))
            refusing = order(ticket, Cookie("cookie", None, watching=Refused("other_user", "no")))
            self.failureResultOf(self.identify(*refusing, cookies={}), Refused)

    def test_ticket_goes_before_cookie(self):
        """A presented ticket decides, in whatever order the realm names the two: also when it is refused."""
        for order in (lambda *them: them, lambda *them: them[::-1]):
            cookie = Cookie("cookie", BEN)
            self.assertEqual(self.found(*order(Ticket("ticket", ANNA), cookie))[0], ANNA)
            self.failureResultOf(self.identify(*order(Ticket("ticket", Refused("expired", "no")), cookie)), Refused)
            self.failureResultOf(self.identify(*order(Ticket("ticket", Unavailable("down", "")), cookie)), Unavailable)
            self.assertEqual(cookie.asked, 0)
            self.assertEqual(self.found(*order(Ticket("ticket", None), cookie))[0], BEN)

    def test_cookie_goes_before_nobody(self):
        """Anonymous is who presents nothing at all: neither a ticket nor a cookie, in whatever order they stand."""
        for order in (lambda *them: them, lambda *them: them[::-1]):
            for outcome in (Ticket("t", ANNA), Cookie("c", BEN)):
                who = self.found(*order(GUESTS, Cookie("c0", None), outcome), subprotocols=("wamp",))[0]
                self.assertIs(who, outcome.outcome)
            who = self.found(*order(GUESTS, Cookie("c", None)), subprotocols=("wamp",))[0]
            self.assertEqual(who.authrole, "guest")
            dead = self.identify(*order(GUESTS, Cookie("c", Refused("no_session", ""))), subprotocols=("wamp",))
            self.failureResultOf(dead, Refused)

    def test_standings(self):
        """A session depends on its credential and on the cookies beside it, where they can be revalidated."""
        ticket, cookie = Ticket("ticket", ANNA, "user 1"), Cookie("cookie", BEN, "session x", "watched x")
        self.assertEqual(self.found(ticket, cookie)[1], ((ticket, "user 1"), (cookie, "watched x")))
        self.assertEqual(self.found(ticket, Cookie("cookie", None), cookies={})[1], ((ticket, "user 1"),))
        self.assertEqual(self.found(cookie)[1], ((cookie, "session x"),))
        self.assertEqual(self.found(Ticket("ticket", ANNA, None), Cookie("cookie", BEN))[1], ())
        self.assertEqual(self.found(Plain("plain", ANNA, "unseen"), cookie)[1], ((cookie, "watched x"),))

    def test_two_users(self):
        """A ticket and a cookie of different users are refused, by the word of the cookie's authenticator."""
        cookie = Cookie("cookie", BEN, watching=Refused("other_user", "ben is not anna"))
        self.failureResultOf(self.identify(Ticket("ticket", ANNA), cookie), Refused)

    def test_own_cookie_is_not_watched_twice(self):
        """Whom a cookie let in is not watched by the same authenticator besides."""
        cookie = Cookie("cookie", BEN, watching="watched x")
        found = Deferred.fromCoroutine(watched_credentials(connection_facts(cookies=COOKIES), BEN, [cookie]))
        self.assertEqual(self.successResultOf(found), ())

    def test_what_a_client_offers_besides(self):
        """A cookie is enough for who offers it, or nothing; who offers a ticket has to show it. A ticket that came with
        the handshake is enough for everybody."""
        for offered, enough in [
            (["ticket"], False),
            (["wampcra", "ticket"], False),
            (["cookie"], True),
            (["ticket", "cookie"], True),
            (["anonymous"], True),
            (None, True),
        ]:
            hello = HelloDetails("oro", None, ("anonymous",) if offered is None else tuple(offered), {})
            self.assertIs(suffices(BEN, hello), enough, offered)
            self.assertTrue(suffices(ANNA, hello), offered)


class Asked(Plain):
    """Answers HELLO with ``outcome``."""

    def at_hello(self, facts, hello, method, session_id):
        self.asked += 1
        return answer(self.outcome)


def question(decoy):
    return AuthenticationStep("ticket", {}, lambda signature, extra: fail(Refused("bad", "")), decoy)


class AtHelloTests(SynchronousTestCase):
    def found(self, *outcomes):
        """The name of who decides with its outcome, or the reason code, and how many were asked."""
        them = [Asked(str(number), outcome) for number, outcome in enumerate(outcomes)]
        hello = HelloDetails("oro", "anna", ("ticket",), {})
        done = Deferred.fromCoroutine(identify_at_hello(connection_facts(), hello, "ticket", them, 1))
        results = []
        done.addBoth(results.append)
        (found,) = results
        found = found.value.code if isinstance(found, Failure) else (found[0].name, found[1])
        return found, sum(each.asked for each in them)

    def test_order(self):
        """The first that does not abstain decides, for good or bad; later ones are not asked."""
        question_, last = question(False), principal("ben")
        self.assertEqual(self.found(None, None, ANNA, last), (("2", ANNA), 3))
        self.assertEqual(self.found(None, question_, last), (("1", question_), 2))
        self.assertEqual(self.found(None, Refused("bad_key", ""), last), ("bad_key", 2))
        self.assertEqual(self.found(question(True), Unavailable("down", ""), last), ("down", 2))

    def test_decoys(self):
        """A decoy is asked only when nobody knows the client, the first one; without one the client is refused."""
        decoy = question(True)
        self.assertEqual(self.found(decoy, ANNA), (("1", ANNA), 2))
        self.assertEqual(self.found(None, decoy, question(True), None), (("1", decoy), 4))
        self.assertEqual(self.found(None, None), ("unknown_user", 2))
