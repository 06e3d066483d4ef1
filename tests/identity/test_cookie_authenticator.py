"""The back office's cookie identifies its user, and ends the session at logout."""

from __future__ import annotations

import attrs
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase, TestCase
from zope.interface.verify import verifyObject

from orosync import testing
from orosync.errors import Refused, Unavailable
from orosync.identity.cookie_authenticator import CookieAuthenticator
from orosync.identity.rate_limit import FailureBuckets
from orosync.interfaces import HelloDetails, IAmbientAuthenticator
from orosync.model import AdminSession, User
from orosync.testing import MemoryDirectory, MemorySessionStore, RecordingJournal, connection_facts, principal
from tests.identity.fixtures import ANNA, GONE, NOW

COOKIE, BENS, GONES, STALE, VOUCHED, NOBODYS = (letter * 26 for letter in "abcdef")
BEN = User(5, "ben", "$2y$13$of-ben")
HELLO = HelloDetails("oro", None, ("cookie",), {})


class CookieCase(SynchronousTestCase):
    def setUp(self):
        self.build()

    def build(self, **settings):
        self.clock = Clock()
        self.clock.advance(NOW)
        self.journal = RecordingJournal()
        self.directory = MemoryDirectory(ANNA, BEN, GONE)
        self.store = MemorySessionStore(
            {
                COOKIE: AdminSession("anna", ANNA.id, ANNA.password_hash, 7),
                BENS: AdminSession("ben", BEN.id, BEN.password_hash),
                GONES: AdminSession("gone", GONE.id, GONE.password_hash),
                STALE: AdminSession("ben", BEN.id, "the password before"),
                VOUCHED: AdminSession("anna"),
                NOBODYS: None,
            }
        )
        self.authenticator = CookieAuthenticator(
            "office",
            self.store,
            self.directory,
            self.journal,
            self.clock,
            self.clock.seconds,
            **{"role": "user", **settings},
        )

    def facts(self, cookie=COOKIE, **changes):
        return connection_facts(**{"cookies": {"other": "x", "BAPID": cookie}, **changes})

    def accepted(self, cookie=COOKIE, **changes):
        return self.successResultOf(self.authenticator.at_handshake(self.facts(cookie, **changes)))

    def refused(self, kind, cookie=COOKIE, error=Refused, **changes):
        refusal = self.failureResultOf(self.authenticator.at_handshake(self.facts(cookie, **changes)), error).value
        self.assertEqual(refusal.code, kind)
        self.assertEqual(self.journal.counts["cookie", kind], 1)
        self.assertNotIn(cookie or "no cookie at all", refusal.reason)
        return refusal


class HandshakeTests(CookieCase):
    def test_interface(self):
        """It is an authenticator, one that can look again, and one that only reads cookies."""
        verifyObject(IAmbientAuthenticator, self.authenticator)

    def test_logged_in(self):
        """The cookie alone gives the user, on v1 and v2."""
        for subprotocols in ((), ("wamp",), ("wamp.2.json",)):
            who = self.accepted(subprotocols=subprotocols)
            self.assertEqual((who.authid, who.authrole, who.authmethod), ("anna", "user", "cookie"))
            self.assertEqual((who.authprovider, who.user_id, who.organizations), ("office", 1, ANNA.organizations))
            self.assertEqual((who.roles, who.authenticated_at, who.is_backend), (ANNA.roles, NOW, False))
        self.assertEqual(self.journal.counts["cookie", "accepted"], 3)

    def test_no_cookie(self):
        """Without the cookie of that name there is nothing to say, whatever other cookies there are."""
        for cookies in ({}, {"OROSFID": COOKIE}, {"bapid": COOKIE}):
            self.assertIsNone(self.accepted(cookies=cookies))
        self.assertEqual(self.store.asked, [])

    def test_other_name_and_role(self):
        """Both can be configured."""
        self.build(cookie="CRMID", role="staff")
        self.assertIsNone(self.accepted())
        self.assertEqual(self.accepted(cookies={"CRMID": COOKIE}).authrole, "staff")

    def test_origin(self):
        """No Origin, no entry, and nothing is looked up, even where the listener lets others in without one."""
        self.refused("no_origin", origin=None)
        self.assertEqual((self.store.asked, self.directory.asked), ([], []))

    def test_refusals(self):
        """Unknown, logged out, malformed, of another password, disabled: each has its kind."""
        missing, unread = ("u" * 26, NOBODYS), ("../../etc/passwd", "")
        table = [("disabled", GONES), ("password_changed", STALE)]
        table += [("no_session", cookie) for cookie in missing] + [("malformed_session", cookie) for cookie in unread]
        for kind, cookie in table:
            self.journal.counts.clear()
            self.refused(kind, cookie)

    def test_symfony_logs_out(self):
        """Another name, another id, another password, disabled: Oro would ask to log in again, and so do we."""
        table = [
            ("unknown_user", None),
            ("unknown_user", attrs.evolve(ANNA, id=99)),
            ("password_changed", attrs.evolve(ANNA, password_hash=ANNA.password_hash + "x")),
            ("password_changed", attrs.evolve(ANNA, password_hash="")),
            ("disabled", attrs.evolve(ANNA, enabled=False)),
            ("password_reset", attrs.evolve(ANNA, enabled=False, disabled_because="password_reset")),
            ("locked", attrs.evolve(ANNA, enabled=False, disabled_because="locked")),
        ]
        for kind, user in table:
            self.build()
            del self.directory.users["anna"]
            if user is not None:
                self.directory.put(user)
            self.refused(kind)

    def test_the_sessions_own_reason(self):
        """Why the store refuses a session is told as it says, not as an unknown session."""
        for code in ("not_logged_in", "unknown_token", "switched_user", "second_factor", "unknown_user_class"):
            self.build()
            self.store.failure = Refused(code, "[sessions:office] the reason")
            self.assertEqual(self.refused(code).reason, "[sessions:office] the reason")

    def test_renamed(self):
        """A session names its user, not one who has that name as e-mail address."""
        del self.directory.users["anna"]
        self.directory.put(attrs.evolve(ANNA, username="annabel", email="anna"))
        self.refused("unknown_user")

    def test_store_that_vouches(self):
        """A store that cannot tell the password has asked the application; the user must still be enabled."""
        self.assertEqual(self.accepted(VOUCHED).user_id, 1)
        self.directory.put(attrs.evolve(ANNA, enabled=False))
        self.refused("disabled", VOUCHED)

    def test_users_without_a_password(self) -> None:
        """The application says who they are, so neither the want of a hash nor one in common is in the way."""
        for password in ("", BEN.password_hash):
            self.directory.put(attrs.evolve(ANNA, password_hash=password))
            self.store.sessions[COOKIE] = AdminSession("anna", ANNA.id, password)
            self.assertEqual(self.accepted().authid, "anna")

    def test_odd_passwords(self):
        """What is no text in a session or a database is compared all the same."""
        self.directory.put(attrs.evolve(ANNA, password_hash="\udcff"))
        self.refused("password_changed")
        self.store.sessions[COOKIE] = AdminSession("anna", 1, "\udcff")
        self.accepted()

    def test_down(self):
        """When store or directory cannot answer, the client is refused."""
        for part in ("store", "directory"):
            self.build()
            getattr(self, part).failure = Unavailable(f"{part}_down", "it is down")
            self.refused(f"{part}_down", error=Unavailable)
        self.build()
        self.store.failure = ValueError(COOKIE)
        self.refused("sessions_down", error=Unavailable)

    def test_guessing(self):
        """An address that shows too many wrong cookies is not even looked up for a while; others are."""
        self.build(failures=FailureBuckets(rate=1.0, burst=2))
        for _ in range(2):
            self.failureResultOf(self.authenticator.at_handshake(self.facts("u" * 26)), Refused)
        asked = len(self.store.asked)
        self.refused("too_many_failures", error=Unavailable)
        self.assertEqual(len(self.store.asked), asked)
        self.accepted(address="192.0.2.9")
        self.clock.advance(2)
        self.accepted()

    def test_nothing_leaks(self):
        """What is kept of a session shows neither the cookie nor the password."""
        who = self.accepted()
        credential = self.authenticator.credential(self.facts(), who)
        self.assertNotIn(COOKIE, repr((who, credential)))
        self.assertNotIn(ANNA.password_hash, repr((who, credential)))
        self.assertEqual(dict(who.extra), {})


class HelloTests(CookieCase):
    def hello(self, method="cookie", **facts):
        return self.authenticator.at_hello(self.facts(**facts), HELLO, method, 1)

    def test_second_hello(self):
        """Who has said GOODBYE may say HELLO again, and is judged anew."""
        self.assertEqual(self.successResultOf(self.hello()).authid, "anna")
        self.store.sessions[COOKIE] = None
        self.assertEqual(self.failureResultOf(self.hello(), Refused).value.code, "no_session")

    def test_refusals(self):
        """No cookie came along, or another method is meant."""
        self.assertEqual(self.failureResultOf(self.hello(cookies={}), Refused).value.code, "no_cookie")
        self.assertEqual(self.failureResultOf(self.hello("ticket"), Refused).value.code, "unknown_method")


class WatchTests(CookieCase):
    """A cookie beside a ticket."""

    WHO = principal(user_id=ANNA.id)

    def watch(self, cookie=COOKIE, who=WHO, **changes):
        return self.authenticator.watch(self.facts(cookie, **changes), who)

    def test_same_user(self):
        """The session is bound to the cookie: it ends at the logout."""
        credential = self.successResultOf(self.watch())
        self.successResultOf(self.authenticator.recheck(credential))
        self.store.sessions[COOKIE] = None
        refusal = self.failureResultOf(self.authenticator.recheck(credential), Refused).value
        self.assertEqual(refusal.code, "logged_out")
        self.assertEqual(self.directory.asked, [], "the ticket's authenticator looks after the user")

    def test_names_nobody(self):
        """No cookie, an unknown, dead or malformed one: the ticket alone counts."""
        for cookie in ("u" * 26, NOBODYS, "nonsense", ""):
            self.assertIsNone(self.successResultOf(self.watch(cookie)), cookie)
        self.assertIsNone(self.successResultOf(self.watch(cookies={})))
        self.assertIsNone(self.successResultOf(self.watch(BENS, principal("backend", user_id=None))))

    def test_somebody_else(self):
        """A ticket and a cookie of different users are refused."""
        refusal = self.failureResultOf(self.watch(BENS), Refused).value
        self.assertEqual(refusal.code, "other_user")
        self.assertNotIsInstance(refusal, Unavailable)

    def test_somebody_else_whom_symfony_would_log_out(self):
        """Another user's ended session has no user; whether it has ended must be known."""
        for cookie in (GONES, STALE):
            self.assertIsNone(self.successResultOf(self.watch(cookie)))
        self.directory.failure = Unavailable("directory_down", "it is down")
        self.failureResultOf(self.watch(BENS), Unavailable)

    def test_store_down(self):
        """The ticket is enough while the store is down; once it answers, the session is held to the cookie."""
        self.store.failure = Unavailable("sessions_down", "it is down")
        credential = self.successResultOf(self.watch())
        self.failureResultOf(self.authenticator.recheck(credential), Unavailable)
        self.store.failure = None
        self.successResultOf(self.authenticator.recheck(credential))
        self.store.sessions[COOKIE] = self.store.sessions[BENS]
        refusal = self.failureResultOf(self.authenticator.recheck(credential), Refused).value
        self.assertEqual(refusal.code, "other_user")


class IgnoredTests(CookieCase):
    """A ticket's connection that no logout ends is told to the administrator."""

    def watch(self, who=None, **facts):
        watching = self.authenticator.watch(self.facts(**facts), who or principal("anna", user_id=1))
        self.assertIsNone(self.successResultOf(watching))

    def ignored(self):
        return [(code, fields) for event, code, fields in self.journal.notes if event == "cookie.ignored"]

    def test_not_sent(self):
        """A page without the cookie: the line has its name, the path and what to do; there is one line in an hour, and
        every such page is counted."""
        for seconds, lines in ((0, 1), (1800, 1), (1799, 1), (1, 2)):
            self.clock.advance(seconds)
            self.watch(cookies={"other": "x"}, path="/ws", listener="shared")
            self.assertEqual(len(self.ignored()), lines, seconds)
        code, fields = self.ignored()[0]
        self.assertEqual(code, "not_sent")
        self.assertEqual((fields["cookie"], fields["path"], fields["user"]), ("BAPID", "/ws", "anna"))
        self.assertIn("(OroCRM: CRMID)", fields["remedy"])
        self.assertIn("(OroCommerce: /admin/ws)", fields["remedy"])
        self.assertEqual(self.authenticator.without_cookie, 4)
        self.assertEqual(self.journal.counts["cookie.ignored", "not_sent"], 4)

    def test_not_a_page(self):
        """Programs (no Origin), back ends and users who logged in otherwise are expected to have no cookie."""
        self.watch(cookies={}, origin=None)
        self.watch(principal("backend", user_id=None), cookies={})
        self.watch(principal("anna", user_id=1, authmethod="wampcra"), cookies={})
        self.assertEqual((self.ignored(), self.authenticator.without_cookie), ([], 0))

    def test_without_a_user(self):
        """A cookie whose session is unknown or cannot be used: the reason is the store's."""
        self.watch(cookie="u" * 26)
        self.store.failure = Refused("unknown_token", "[sessions:office] tokens of class SamlToken are not accepted")
        self.watch()
        self.assertEqual([code for code, _ in self.ignored()], ["no_session", "unknown_token"])
        self.assertIn("another store", self.ignored()[0][1]["remedy"])
        self.assertIn("SamlToken are not accepted", self.ignored()[1][1]["remedy"])
        self.assertEqual(self.authenticator.without_cookie, 0)

    def test_watched(self):
        """Where a logout ends the connection there is nothing to tell."""
        watching = self.authenticator.watch(self.facts(), principal("anna", user_id=1))
        self.assertIsNotNone(self.successResultOf(watching))
        self.assertEqual(self.ignored(), [])


class RecheckTests(CookieCase):
    """Those who came in by the cookie alone."""

    def setUp(self):
        super().setUp()
        self.credential = self.authenticator.credential(self.facts(), self.accepted())

    def fallen(self):
        return self.failureResultOf(self.authenticator.recheck(self.credential), Refused).value.code

    def test_stands(self):
        """Nothing has changed."""
        self.successResultOf(self.authenticator.recheck(self.credential))

    def test_logged_out(self):
        """The session is gone, or cannot be read any more."""
        self.store.sessions[COOKIE] = None
        self.assertEqual(self.fallen(), "logged_out")
        self.store.failure = Refused("not_logged_in", "no user is logged in")
        self.assertEqual(self.fallen(), "logged_out")

    def test_another_login(self):
        """The session has another kind of login now: its own reason is told."""
        self.store.failure = Refused("switched_user", "the user acts as another one")
        self.assertEqual(self.fallen(), "switched_user")

    def test_user_changed(self):
        """The session is there, its user is not the same any more."""
        self.directory.put(attrs.evolve(ANNA, password_hash="new"))
        self.assertEqual(self.fallen(), "password_changed")
        self.directory.put(attrs.evolve(ANNA, enabled=False))
        self.assertEqual(self.fallen(), "disabled")

    def test_down(self):
        """Store or directory down tells nothing."""
        for part in (self.store, self.directory):
            part.failure = Unavailable("down", "it is down")
            self.failureResultOf(self.authenticator.recheck(self.credential), Unavailable)
            part.failure = None

    def test_tabs_share(self):
        """All tabs of a browser rest on one credential; those of another browser do not."""
        self.assertEqual(self.credential, self.authenticator.credential(self.facts(), self.accepted()))
        self.store.sessions["g" * 26] = self.store.sessions[COOKIE]
        self.assertNotEqual(self.credential, self.authenticator.credential(self.facts("g" * 26), self.accepted()))

    def test_store_that_prolongs(self):
        """A store whose look-ups keep sessions alive is not asked again: only the user is."""
        self.build(prolongs=True)
        self.credential = self.authenticator.credential(self.facts(), self.accepted())
        watched = self.successResultOf(self.authenticator.watch(self.facts(), principal(user_id=1)))
        asked = len(self.store.asked)
        self.successResultOf(self.authenticator.recheck(watched))
        self.successResultOf(self.authenticator.recheck(self.credential))
        self.assertEqual(len(self.store.asked), asked)
        self.directory.put(attrs.evolve(ANNA, enabled=False))
        self.assertEqual(self.fallen(), "disabled")


class Contract(testing.AuthenticatorContract, TestCase):
    credentials = (COOKIE, STALE, BEN.password_hash)

    def make_authenticator(self):
        case = CookieCase()
        case.build()
        return case.authenticator

    def wrong_attempt(self, authenticator):
        return authenticator.at_handshake(connection_facts(cookies={"BAPID": STALE}))
