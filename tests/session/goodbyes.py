"""What comes after GOODBYE; run by test_v2."""

from __future__ import annotations

from twisted.internet.defer import fail, succeed
from twisted.trial.unittest import SynchronousTestCase
from zope.interface import implementer

from orosync.errors import Refused
from orosync.interfaces import AuthenticationStep, IAuthenticator
from orosync.testing import principal
from tests.session.fixture import HELLO, RealmFixture


def hello(**details):
    return [1, "oro", {"roles": {"subscriber": {}}, **details}]


@implementer(IAuthenticator)
class PasswordAuthenticator:
    """Does "ticket" with a question, answered right by "sesame"."""

    name = "doors"
    methods = ("ticket",)

    def __init__(self):
        self.outcome = None

    def at_handshake(self, facts):
        return succeed(None)

    def at_hello(self, facts, hello, method, session_id):
        return self.outcome or succeed(AuthenticationStep("ticket", {}, self._answer))

    def _answer(self, signature, extra):
        if signature == "sesame":
            return succeed(principal("ali", authprovider="doors"))
        return fail(Refused("bad_digest", "wrong word"))


class GoodbyeTests(SynchronousTestCase):
    def setUp(self):
        self.fixture = RealmFixture()

    def test_goodbye_is_answered_and_the_connection_may_be_used_again(self):
        """GOODBYE gets goodbye_and_out, the realm forgets the session, and a new HELLO joins anew."""
        client = self.fixture.v2(join=False)
        self.assertFalse(client.link.authenticated)
        client.ask(HELLO)
        self.assertTrue(client.link.authenticated)
        self.assertEqual(client.ask([6, {}, "wamp.close.normal"]), [[6, {}, "wamp.close.goodbye_and_out"]])
        self.assertEqual((self.fixture.realm.members, client.link.authenticated), ({}, False))
        self.assertIsNone(client.link.ended)
        self.assertEqual(client.ask(HELLO)[0][0], 2)
        self.assertTrue(client.link.authenticated)

    def test_request_after_goodbye_is_a_violation(self):
        """After GOODBYE only HELLO may come."""
        client = self.fixture.v2()
        client.ask([6, {}, "wamp.close.normal"])
        self.assertEqual(client.ask([32, 1, {}, "a.b"])[0][2], "wamp.error.protocol_violation")

    def test_goodbye_and_an_open_connection(self):
        """A client that leaves its connection open after GOODBYE is disconnected in time, without a word to it or to
        the administrator; so is one that does it again."""
        client = self.fixture.v2()
        client.ask([6, {}, "wamp.close.normal"])
        self.fixture.clock.advance(9)
        client.ask(HELLO, [6, {}, "wamp.close.normal"])
        self.fixture.clock.advance(9.9)
        self.assertIsNone(client.link.ended)
        self.fixture.clock.advance(0.1)
        self.assertEqual((client.link.ended[:2], client.heard()), (("close", 1000), []))
        self.assertEqual(self.fixture.journal.notes, [])

    def test_goodbye_to_our_goodbye(self):
        """A client that answers our answer to its GOODBYE is let alone; before any session a GOODBYE is a violation."""
        client = self.fixture.v2()
        client.ask([6, {}, "wamp.close.normal"])
        self.assertEqual((client.ask([6, {}, "wamp.close.goodbye_and_out"]), client.link.ended), ([], None))
        self.assertEqual(client.ask(HELLO)[0][0], 2)
        first = self.fixture.v2(join=False)
        self.assertEqual(first.ask([6, {}, "wamp.close.normal"])[0][2], "wamp.error.protocol_violation")

    def test_hello_after_goodbye_is_as_the_first(self):
        """A second session that is not established in time is told so, and the administrator too."""
        self.fixture.realm_context.authenticators = [PasswordAuthenticator()]
        client = self.fixture.v2(join=False)
        client.ask(hello(authmethods=["ticket"]), [5, "sesame", {}], [6, {}, "wamp.close.normal"])
        self.assertEqual(client.ask(hello(authmethods=["ticket"]))[0][0], 4)
        self.fixture.clock.advance(10)
        self.assertEqual([one[2] for one in client.heard()], ["wamp.error.authentication_failed"])
        self.assertEqual([note[:2] for note in self.fixture.journal.notes], [("session.overdue", "v2")])

    def test_shutdown_after_goodbye(self):
        """A client that has said GOODBYE has no session that could be aborted: its connection is closed."""
        client = self.fixture.v2()
        client.ask([6, {}, "wamp.close.normal"])
        client.session.shutdown()
        self.assertEqual((client.heard(), client.link.ended[0]), ([], "close"))
