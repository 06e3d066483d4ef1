"""Handshakes of clients are admitted or refused."""

from __future__ import annotations

from twisted.internet.defer import fail, maybeDeferred, succeed
from twisted.trial.unittest import SynchronousTestCase
from zope.interface import implementer
from zope.interface.verify import verifyObject

from orosync.errors import ProtocolViolation, Refused, Unavailable
from orosync.identity.cookie_authenticator import CookieAuthenticator
from orosync.interfaces import IAuthenticator, ISessionHost
from orosync.model import AdminSession, ConnectionPolicy, User
from orosync.session.batched import BatchedSession
from orosync.session.hosts import SessionHost
from orosync.session.v1 import V1Session
from orosync.session.v2 import V2Session
from orosync.testing import MemoryDirectory, MemoryLink, MemorySessionStore, connection_facts, principal
from tests.session.fixture import HELLO, JsonClient, RealmFixture

CLIENT, PUBLISHER = ConnectionPolicy(), ConnectionPolicy(message_limit=2**20, skip_oversized=True, pinged=False)


@implementer(IAuthenticator)
class Doorman:
    """Fires with what it is told to."""

    methods = ()

    def __init__(self, name, outcome):
        self.name = name
        self.outcome = outcome

    def at_handshake(self, facts):
        return fail(self.outcome) if isinstance(self.outcome, Exception) else succeed(self.outcome)

    def at_hello(self, facts, hello, method, session_id):
        raise AssertionError("not asked at HELLO")


class HostTests(SynchronousTestCase):
    def setUp(self):
        self.fixture = RealmFixture()
        self.host = SessionHost(self.fixture.context, self.fixture.realm_context, CLIENT, PUBLISHER)

    def admit(self, *outcomes, **facts):
        self.fixture.realm_context.authenticators = [Doorman(f"door-{n}", o) for n, o in enumerate(outcomes)]
        return maybeDeferred(self.host.admit, connection_facts(**facts))

    def test_interface(self):
        """Transports find in it all that they expect of a host."""
        verifyObject(ISessionHost, self.host)

    def test_subprotocols(self):
        """The first offered one that is spoken here; none offered is v1, only unknown ones are refused."""
        table = [
            ((), None, V1Session),
            (("wamp",), "wamp", V1Session),
            (("soap", "wamp"), "wamp", V1Session),
            (("wamp.2.cbor", "wamp"), "wamp.2.cbor", V2Session),
            (("wamp.2.json",), "wamp.2.json", V2Session),
            (("wamp.2.json.batched", "wamp.2.json"), "wamp.2.json.batched", BatchedSession),
            (("wamp.2.cbor.batched",), "wamp.2.cbor.batched", BatchedSession),
            (("wamp.2.msgpack",), "wamp.2.msgpack", V2Session),
        ]
        for offered, answered, kind in table:
            admission = self.successResultOf(self.admit(principal(), subprotocols=offered))
            self.assertEqual(admission.subprotocol, answered)
            self.assertIsInstance(admission.session, kind)
        self.failureResultOf(self.admit(principal(), subprotocols=("soap",)), ProtocolViolation)

    def test_v1_needs_an_identity(self):
        """A v1 client cannot be asked later, so without credentials it is refused."""
        refusal = self.failureResultOf(self.admit(None, subprotocols=("wamp",)), Refused)
        self.assertEqual(refusal.value.code, "no_credentials")

    def test_v2_may_identify_later(self):
        """A v2 client without credentials is let in as far as HELLO."""
        admission = self.successResultOf(self.admit(None))
        self.assertIsInstance(admission.session, V2Session)

    def test_first_word_decides(self):
        """Whoever finds its credential decides; a refusal is not healed by a later authenticator."""
        self.failureResultOf(self.admit(None, Refused("bad_digest", "no"), principal()), Refused)
        self.successResultOf(self.admit(principal(), Refused("bad_digest", "no")))
        self.failureResultOf(self.admit(Unavailable("down", "no"), principal()), Unavailable)

    def test_listener_may_admit_fewer_authenticators(self):
        """An authenticator that the listener does not name is not asked."""
        self.fixture.context.authenticators = {"door-1"}
        refusal = self.failureResultOf(self.admit(principal(), None, subprotocols=("wamp",)), Refused)
        self.assertEqual(refusal.value.code, "no_credentials")

    def test_traits(self):
        """The back end's publisher is treated as such, everybody else as a client."""
        self.assertIs(self.successResultOf(self.admit(principal())).session.policy, CLIENT)
        precious = self.admit(principal(is_backend=True), subprotocols=("wamp",))
        self.assertIs(self.successResultOf(precious).session.policy, PUBLISHER)

    def test_connections_of_one_user(self):
        """Over the limit a user is refused; the publisher is not counted."""
        self.fixture.context.user_limit = 1
        first = self.successResultOf(self.admit(principal(), subprotocols=("wamp",)))
        first.session.opened(MemoryLink())
        self.failureResultOf(self.admit(principal(), subprotocols=("wamp",)), Unavailable)
        self.successResultOf(self.admit(principal("ben"), subprotocols=("wamp",)))
        self.successResultOf(self.admit(principal(is_backend=True), subprotocols=("wamp",)))

    def test_closing(self):
        """While the router drains nobody new is let in."""
        self.host.closing = True
        self.failureResultOf(self.admit(principal()), Unavailable)

    def test_listener_without_v1(self):
        """A listener that has no realm for v1 says so."""
        self.host = SessionHost(self.fixture.context, None, CLIENT, PUBLISHER)
        self.failureResultOf(self.admit(principal(), subprotocols=("wamp",)), ProtocolViolation)


class LifeTests(SynchronousTestCase):
    """From the cookie at the door to the logout in another tab."""

    COOKIE = "c" * 26

    def setUp(self):
        self.fixture = fixture = RealmFixture()
        self.store = MemorySessionStore({self.COOKIE: AdminSession("anna", 1, "hash")})
        self.directory = MemoryDirectory(User(1, "anna", "hash"), User(2, "ben", "hash"))
        cookie = CookieAuthenticator(
            "cookie", self.store, self.directory, fixture.journal, fixture.clock, fixture.clock.seconds, role="user"
        )
        self.door = Doorman("door", None)
        fixture.realm_context.authenticators = [cookie, self.door, fixture.anonymous]
        self.host = SessionHost(fixture.context, fixture.realm_context, CLIENT, PUBLISHER)

    def enter(self, subprotocol="wamp.2.json", **facts):
        facts = connection_facts(**{"subprotocols": (subprotocol,), "cookies": {"BAPID": self.COOKIE}, **facts})
        player = JsonClient(self.successResultOf(maybeDeferred(self.host.admit, facts)).session)
        if subprotocol != "wamp":
            player.say(HELLO)
        self.welcome = player.heard()[0]
        return player

    def test_logout(self):
        """Both kinds of clients come in by cookie, and are told in their way when its session is gone."""
        old, new = self.enter("wamp"), self.enter()
        self.assertEqual((self.welcome[2]["authid"], self.welcome[2]["authmethod"]), ("anna", "cookie"))
        self.assertNotIn(self.COOKIE, str(self.welcome))
        self.fixture.clock.pump([1.0] * 300)
        self.assertEqual((old.link.ended, new.link.ended), (None, None))
        self.store.sessions.clear()
        self.fixture.clock.pump([1.0] * 300)
        self.assertEqual((old.link.ended[0], new.link.ended[0]), ("drop", "close"))
        self.assertEqual([message[2] for message in new.heard()], ["wamp.close.killed"])
        self.assertEqual(self.fixture.realm.members, {})
        for player in (old, new):
            player.session.closed(True, 1000, "")
        self.fixture.clock.pump([1.0] * 300)
        self.assertEqual(self.fixture.clock.getDelayedCalls(), [])

    def test_cookie_beside_another_credential(self):
        """With a ticket the cookie's end ends the session too; a dead cookie does no harm; another's is refused."""
        self.door.outcome = principal("anna", authprovider="door")
        bound = self.enter("wamp")
        free = self.enter("wamp", cookies={"BAPID": "d" * 26})
        self.store.sessions.clear()
        self.fixture.clock.pump([1.0] * 300)
        self.assertEqual((bound.link.ended[0], free.link.ended), ("drop", None))
        self.store.sessions[self.COOKIE] = AdminSession("ben", 2, "hash")
        facts = connection_facts(cookies={"BAPID": self.COOKIE})
        refusal = self.failureResultOf(maybeDeferred(self.host.admit, facts), Refused).value
        self.assertEqual(refusal.code, "other_user")

    def test_dead_cookie(self):
        """A cookie that names nobody is refused, also where guests without any are welcome."""
        facts = connection_facts(cookies={"BAPID": "d" * 26}, subprotocols=("wamp",))
        self.assertEqual(self.failureResultOf(maybeDeferred(self.host.admit, facts), Refused).value.code, "no_session")
        self.enter("wamp", cookies={})

    def test_second_hello(self):
        """After GOODBYE the same connection may say HELLO by cookie; what it then rests on is looked at again."""
        player = self.enter()
        self.assertEqual(player.ask([6, {}, "wamp.close.normal"])[0][0], 6)
        [welcome] = player.ask([1, "oro", {**HELLO[2], "authmethods": ["cookie"]}])
        self.assertEqual((welcome[0], welcome[2]["authid"]), (2, "anna"))
        self.store.sessions.clear()
        self.fixture.clock.pump([1.0] * 300)
        self.assertEqual(player.link.ended[0], "close")

    def test_second_hello_in_another_way(self):
        """Somebody else's cookie is found out after HELLO too; nothing is read while the store is asked."""
        self.door.methods = ("ticket",)
        self.door.at_hello = lambda *args: succeed(principal("ben", user_id=2, authprovider="door"))
        player = self.enter()
        player.ask([6, {}, "wamp.close.normal"])
        self.store.pending = []
        player.say([1, "oro", {**HELLO[2], "authmethods": ["ticket"]}])
        self.assertTrue(player.link.paused)
        self.store.pending.pop().callback(AdminSession("anna", 1, "hash"))
        self.assertEqual(player.heard()[0][2], "wamp.error.authentication_denied")
        self.assertFalse(player.link.paused)
        self.assertEqual(self.fixture.journal.notes[-1][1], "other_user")

    def test_a_leave_is_no_end(self):
        """Whoever leaves by itself is not looked at again."""
        player = self.enter()
        player.session.closed(True, 1000, "")
        asked = len(self.store.asked)
        self.fixture.clock.pump([1.0] * 600)
        self.assertEqual(len(self.store.asked), asked)
