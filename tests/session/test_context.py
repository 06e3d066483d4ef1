"""A listener: what its sessions share."""

from __future__ import annotations

import attrs
from twisted.trial.unittest import SynchronousTestCase

from orosync.errors import Refused
from orosync.identity.factory import AnonymousAuthenticator
from orosync.model import ConnectionPolicy
from orosync.router.realm import Realm
from orosync.session.hosts import SessionHost
from orosync.session.realm_context import RealmContext
from orosync.testing import connection_facts, principal
from tests.session.fixture import RealmFixture


class ListenerContextTests(SynchronousTestCase):
    def setUp(self):
        self.fixture = RealmFixture()
        self.context = self.fixture.context

    def test_method_choice(self):
        """The client's first method that can be done here, and all who can do it, in the realm's order; nobody where
        there is none."""
        able = self.context.able(self.fixture.realm_context, ["wampcra", "anonymous", "ticket"])
        self.assertEqual(able, ([self.fixture.anonymous], "anonymous"))
        second = AnonymousAuthenticator("second", "guest")
        self.fixture.realm_context.authenticators = [second, self.fixture.anonymous]
        able = self.context.able(self.fixture.realm_context, ["anonymous"])
        self.assertEqual(able, ([second, self.fixture.anonymous], "anonymous"))
        self.assertEqual(self.context.able(self.fixture.realm_context, ["wampcra"]), ((), ""))
        self.assertEqual(self.context.able(self.fixture.realm_context, []), ((), ""))

    def test_listener_admits_fewer(self):
        """An authenticator not named by the listener is not offered."""
        self.context.authenticators = ()
        self.assertEqual(self.context.able(self.fixture.realm_context, ["anonymous"]), ((), ""))

    def test_hidden_proxies(self):
        """Who is let in, by v1 or v2, is told to what looks for hidden proxies, with the connection's facts; once."""
        seen = []

        class Noticed:
            def admitted(self, facts, principal):
                seen.append((facts.listener, principal.authid))

        self.context.hidden_proxies = Noticed()
        anna = principal(authprovider="guests")
        self.fixture.v2(known=anna)
        self.assertEqual(seen, [("public", "anna")])
        self.fixture.v2(known=anna, join=False)
        self.assertEqual(len(seen), 1)
        host = SessionHost(self.context, self.fixture.realm_context, ConnectionPolicy(), ConnectionPolicy())
        self.fixture.realm_context.authenticators = [self.fixture.anonymous]
        host.admit(connection_facts(subprotocols=("wamp",)))
        self.assertEqual(len(seen), 2)

    def test_realm_of(self):
        """Who is sent elsewhere goes there, if that realm takes the word of who sent it and has room for the id."""
        anna = principal(authprovider="guests")
        there = RealmContext(
            Realm("there"),
            self.fixture.realm_context.chain,
            [self.fixture.anonymous],
            self.fixture.journal,
            self.fixture.realm_context.dispatcher,
            self.fixture.clock,
        )
        self.context.realms = {"oro": self.fixture.realm_context, "there": there}
        for who, led in (
            (anna, self.fixture.realm_context),
            (attrs.evolve(anna, realm="oro"), self.fixture.realm_context),
        ):
            self.assertIs(self.context.realm_of(who, self.fixture.realm_context, 5), led)
        sent = attrs.evolve(anna, realm="there")
        self.assertIs(self.context.realm_of(sent, self.fixture.realm_context, 5), there)
        there.realm.members[5] = None
        for who in (sent, attrs.evolve(sent, realm="nowhere"), attrs.evolve(sent, authprovider="others")):
            self.assertRaises(Refused, self.context.realm_of, who, self.fixture.realm_context, 5)

    def test_room(self):
        """Users are bounded; guests without a name and the back end are not."""
        self.context.user_limit = 1
        self.fixture.v1(principal("anna"))
        self.assertFalse(self.context.has_room(self.fixture.realm_context, principal("anna")))
        self.assertTrue(self.context.has_room(self.fixture.realm_context, principal("ben")))
        self.assertTrue(self.context.has_room(self.fixture.realm_context, principal("anna", is_backend=True)))
        self.assertTrue(self.context.has_room(self.fixture.realm_context, principal("anna", authmethod="anonymous")))

    def test_realm(self):
        """Realms are found by name."""
        self.assertIs(self.context.realm("oro"), self.fixture.realm_context)
        self.assertIsNone(self.context.realm("nowhere"))

    def test_sessions(self):
        """Who is here is known until it has left."""
        client = self.fixture.v2()
        self.assertEqual(self.context.sessions, {client.session})
        client.session.closed(True, 1000, "")
        self.assertEqual(self.context.sessions, set())
