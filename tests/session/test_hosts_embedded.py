"""Components of this process are admitted."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase
from zope.interface.verify import verifyObject

from orosync.errors import Unavailable
from orosync.interfaces import ISessionHost
from orosync.model import ConnectionPolicy, Principal
from orosync.session.hosts import EmbeddedSessionHost
from orosync.testing import connection_facts
from tests.session.fixture import HELLO, JsonClient, RealmFixture

FEED = Principal("feed", "feeder", "component", "component")


class EmbeddedTests(SynchronousTestCase):
    def host(self, inside=True):
        self.fixture = RealmFixture(inside=inside)
        return EmbeddedSessionHost(self.fixture.context, FEED, ConnectionPolicy(message_limit=7))

    def admitted(self, host):
        return host.admit(connection_facts())

    def test_known(self):
        """Who comes in here needs no authenticator: WELCOME follows HELLO, with the name that the host was given."""
        host = self.host()
        verifyObject(ISessionHost, host)
        admission = self.admitted(host)
        self.assertEqual(admission.session.policy.message_limit, 7)
        welcome = JsonClient(admission.session).ask(HELLO)[0]
        self.assertEqual((welcome[0], welcome[2]["authid"], welcome[2]["authrole"]), (2, "feed", "feeder"))

    def test_only_here(self):
        """Elsewhere the same principal is nobody: the realm has no authenticator of that name."""
        answer = JsonClient(self.admitted(self.host(inside=False)).session).ask(HELLO)[0]
        self.assertEqual((answer[0], answer[2].get("authid")), (2, self.stage_authid()))

    def stage_authid(self):
        """Of whoever the anonymous authenticator has let in."""
        (member,) = self.fixture.realm.members.values()
        self.assertEqual(member.principal.authrole, "guest")
        return member.principal.authid

    def test_its_procedures_stay(self):
        """Nobody takes over what a component of the router's process has registered."""
        component = JsonClient(self.admitted(self.host()).session)
        component.ask(HELLO, [64, 1, {"invoke": "roundrobin"}, "a.b"])
        self.fixture.context.inside = False
        answer = self.fixture.v2().ask([64, 1, {"force_reregister": True}, "a.b"])[0]
        self.assertEqual(answer[4], "wamp.error.procedure_already_exists")

    def test_its_own_realm(self):
        """No other realm can be had from here."""
        answer = JsonClient(self.admitted(self.host()).session).ask([1, "other", HELLO[2]])[0]
        self.assertEqual((answer[0], answer[2]), (3, "wamp.error.no_such_realm"))

    def test_closing(self):
        """Nobody comes in once the router goes down."""
        host = self.host()
        host.closing = True
        self.assertRaises(Unavailable, host.admit, connection_facts())
