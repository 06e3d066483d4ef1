"""The life of a WAMP v2 client."""

from __future__ import annotations

import attrs
from twisted.internet.defer import Deferred, fail, succeed
from twisted.trial.unittest import SynchronousTestCase
from zope.interface.verify import verifyObject

from orosync.errors import NotCarriable, Refused, Unavailable
from orosync.interfaces import IDENTIFYING, AuthenticationStep, ISession
from orosync.model import Action, Decision, Verdict
from orosync.testing import principal
from orosync.wamp.payload import Payload
from tests.session.fixture import HELLO, RealmFixture
from tests.session.goodbyes import GoodbyeTests as GoodbyeTests
from tests.session.goodbyes import PasswordAuthenticator, hello


class JoiningTests(SynchronousTestCase):
    def setUp(self):
        self.fixture = RealmFixture()

    def test_session_interface(self):
        """A v2 session offers transports all that they expect of one."""
        verifyObject(ISession, self.fixture.v2(join=False).session)

    def test_welcome_tells_who_the_client_is(self):
        """HELLO is answered with WELCOME: a session id in range, the identity, and the features that work."""
        client = self.fixture.v2(join=False)
        [[code, session, details]] = client.ask(HELLO)
        self.assertEqual(code, 2)
        self.assertTrue(1 <= session <= 2**53)
        self.assertEqual(details["realm"], "oro")
        self.assertEqual((details["authrole"], details["authmethod"]), ("guest", "anonymous"))
        self.assertTrue(details["roles"]["broker"]["features"]["pattern_based_subscription"])
        self.assertIn(session, self.fixture.realm.members)

    def test_known_from_the_handshake(self):
        """Who presented a ticket in the query string is not asked again."""
        client = self.fixture.v2(known=principal("anna", authprovider="guests"), join=False)
        [[_, _, details]] = client.ask(hello(authmethods=["ticket"]))
        self.assertEqual((details["authid"], details["authmethod"]), ("anna", "ticket"))

    def test_what_oro_knows_of_the_user(self):
        """WELCOME has it in authextra; a client that takes short messages only is welcomed without it."""
        anna = principal("anna", authprovider="guests", organizations=frozenset({2, 1}), roles=frozenset({"ROLE_A"}))
        [[_, _, details]] = self.fixture.v2(known=anna, join=False).ask(hello(authmethods=["ticket"]))
        self.assertEqual(details["authextra"], {"user_id": 1, "organizations": [1, 2], "roles": ["ROLE_A"]})
        client = self.fixture.v2(known=attrs.evolve(anna, roles=frozenset({"R" * 900})), join=False)

        def framer(payload, binary):
            if len(payload) > 1024:
                raise NotCarriable("longer than the peer takes")
            return payload

        client.session._wire = self.fixture.context.wires.v2(client.session._codec, framer)
        [[code, _, details]] = client.ask(hello(authmethods=["ticket"]))
        self.assertEqual((code, details["authid"], details["authextra"]), (2, "anna", {}))
        self.assertEqual(client.ask([32, 1, {}, "com.x"])[0][:2], [33, 1])

    def test_identity_of_an_authenticator_the_realm_does_not_name_is_worth_nothing(self):
        """A principal vouched for by another realm's authenticator must identify anew."""
        client = self.fixture.v2(known=principal("anna", authprovider="elsewhere"), join=False)
        [[code, _, uri]] = client.ask(hello(authmethods=["ticket"]))
        self.assertEqual((code, uri), (3, "wamp.error.no_matching_auth_method"))

    def test_aborts_before_welcome(self):
        """Every HELLO that cannot be served is answered with ABORT and its reason, and the connection closed."""
        table = [
            ([1, "nowhere", {"roles": {"caller": {}}}], "wamp.error.no_such_realm"),
            ([1, "bad realm", {"roles": {"caller": {}}}], "wamp.error.invalid_uri"),
            ([1, "oro", {}], "wamp.error.protocol_violation"),
            ([1, "oro", {"roles": {}}], "wamp.error.protocol_violation"),
            ([1, "oro", {"roles": {"dealer": {}}}], "wamp.error.protocol_violation"),
            (hello(authmethods=["quantum"]), "wamp.error.no_matching_auth_method"),
            (hello(authmethods=[]), "wamp.error.no_matching_auth_method"),
            (hello(authmethods="anonymous"), "wamp.error.protocol_violation"),
            (hello(authid=7), "wamp.error.protocol_violation"),
            (hello(authextra=[]), "wamp.error.protocol_violation"),
            ([32, 1, {}, "a.b"], "wamp.error.protocol_violation"),
            ([6, {}, "wamp.close.normal"], "wamp.error.protocol_violation"),
            ([5, "x", {}], "wamp.error.protocol_violation"),
            ([2, 1, {}], "wamp.error.protocol_violation"),
            ([], "wamp.error.protocol_violation"),
            ({"not": "a list"}, "wamp.error.protocol_violation"),
            (b"\x00 no json", "wamp.error.protocol_violation"),
        ]
        for message, uri in table:
            client = self.fixture.v2(join=False)
            [[code, details, reason]] = client.ask(message)
            self.assertEqual((code, reason), (3, uri), message)
            self.assertTrue(details["message"])
            self.assertIn(self.fixture.journal.notes[-1][0], ("hello.refused", "session.violation"))
            self.assertEqual(client.link.ended[0], "close", message)
            client.say(HELLO)
            self.assertEqual(client.heard(), [], "nothing is served after an ABORT")
        self.assertEqual(self.fixture.realm.members, {})

    def test_text_in_a_binary_serializer_is_a_violation(self):
        """A frame of the wrong kind ends the session."""
        client = self.fixture.v2(join=False)
        client.session.received(b'[1,"oro",{"roles":{"caller":{}}}]', True)
        self.assertEqual(client.heard()[0][2], "wamp.error.protocol_violation")

    def test_first_offered_method_that_can_be_done(self):
        """Methods unknown here are skipped, the order of the client counts."""
        client = self.fixture.v2(join=False)
        [[code, _, details]] = client.ask(hello(authmethods=["quantum", "anonymous"]))
        self.assertEqual((code, details["authmethod"]), (2, "anonymous"))

    def test_hello_must_come_in_time(self):
        """A client that says nothing for 10 s is told so and closed; one that joined is left alone."""
        silent, joined = self.fixture.v2(join=False), self.fixture.v2()
        self.fixture.clock.advance(10)
        self.assertEqual(silent.heard()[0][2], "wamp.error.authentication_failed")
        self.assertEqual(silent.link.ended[0], "close")
        self.assertIsNone(joined.link.ended)


class ChallengeTests(SynchronousTestCase):
    def setUp(self):
        self.fixture = RealmFixture()
        self.doors = PasswordAuthenticator()
        self.fixture.realm_context.authenticators = [self.doors]

    def challenged(self):
        client = self.fixture.v2(join=False)
        self.assertEqual(client.ask(hello(authmethods=["ticket"], authid="ali")), [[4, "ticket", {}]])
        return client

    def test_right_answer(self):
        """CHALLENGE, AUTHENTICATE, WELCOME."""
        [[code, _, details]] = self.challenged().ask([5, "sesame", {}])
        self.assertEqual((code, details["authid"]), (2, "ali"))

    def test_wrong_answer(self):
        """A wrong signature is denied without a word about why; the log has the reason."""
        client = self.challenged()
        [[code, details, uri]] = client.ask([5, "barley", {}])
        self.assertEqual((code, uri), (3, "wamp.error.authentication_denied"))
        self.assertNotIn("wrong word", str(details))
        self.assertIn("wrong word", str(self.fixture.journal.notes))

    def test_another_authenticator_of_the_method(self):
        """One that abstains leaves the client to the next; what both know of it is the decider's word."""
        first = PasswordAuthenticator()
        first.name, first.outcome = "first", succeed(None)
        self.fixture.realm_context.authenticators = [first, self.doors]
        [[code, _, details]] = self.challenged().ask([5, "sesame", {}])
        self.assertEqual((code, details["authid"], details["authprovider"]), (2, "ali", "doors"))
        self.doors.outcome = succeed(None)
        client = self.fixture.v2(join=False)
        [[code, _, uri]] = client.ask(hello(authmethods=["ticket"], authid="ali"))
        self.assertEqual((code, uri), (3, "wamp.error.authentication_denied"))
        self.assertEqual(self.fixture.journal.notes[-1][:2], ("hello.refused", "unknown_user"))

    def test_only_an_answer_may_follow_a_challenge(self):
        """Anything but AUTHENTICATE or ABORT while challenged is a violation."""
        for message in ([32, 1, {}, "a.b"], [1, "oro", {"roles": {"caller": {}}}], [6, {}, "wamp.close.normal"]):
            client = self.challenged()
            self.assertEqual(client.ask(message)[0][2], "wamp.error.protocol_violation")
        client = self.challenged()
        client.say([3, {}, "wamp.close.normal"])
        self.assertEqual(client.link.ended[0], "close")

    def test_identity_cannot_be_checked(self):
        """A directory that is down refuses, and says that it is not the client's fault."""
        self.doors.outcome = fail(Unavailable("directory_down", "connection refused"))
        client = self.fixture.v2(join=False)
        [[_, details, uri]] = client.ask(hello(authmethods=["ticket"]))
        self.assertEqual(uri, "wamp.error.authentication_failed")
        self.assertNotIn("connection refused", str(details))

    def test_broken_authenticator_refuses(self):
        """An exception in an authenticator lets nobody in."""
        self.doors.outcome = fail(ZeroDivisionError("oops"))
        client = self.fixture.v2(join=False)
        self.assertEqual(client.ask(hello(authmethods=["ticket"]))[0][0], 3)
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)

    def test_a_client_that_goes_while_identity_is_found_out(self):
        """What a client sends meanwhile waits, and the connection is read on. A client that has gone is not joined,
        nobody is told of it, and the authenticator need not go on: after HELLO and after AUTHENTICATE."""
        watcher = self.fixture.v2(known=principal("watcher", authprovider="doors"))
        watcher.ask([32, 1, {"match": "prefix"}, "wamp.session."])
        for challenged in (False, True):
            cancelled = []
            thinking = Deferred(cancelled.append)
            self.doors.outcome = thinking
            if challenged:
                self.doors.outcome = succeed(AuthenticationStep("ticket", {}, lambda *_, it=thinking: it))
            client = self.fixture.v2(join=False)
            client.say(hello(authmethods=["ticket"]))
            if challenged:
                client.say([5, "sesame", {}])
            self.assertEqual(client.link._reasons, IDENTIFYING)
            client.session.closed(False, None, "gone")
            self.assertEqual(len(cancelled), 1)
            self.assertEqual(watcher.heard(), [])
            self.assertEqual(len(self.fixture.realm.members), 1)
        self.assertEqual(self.flushLoggedErrors(), [])
        self.doors.outcome = Deferred()  # one that answers all the same
        client = self.fixture.v2(join=False)
        client.say(hello(authmethods=["ticket"]))
        self.doors.outcome.addErrback(lambda _: principal("ali"))
        client.session.closed(False, None, "gone")
        self.assertEqual((watcher.heard(), len(self.fixture.realm.members)), ([], 1))

    def test_connections_of_one_user_are_bounded(self):
        """The user's 51st session is refused, another user's first is not."""
        self.fixture.context.user_limit = 2
        for _ in range(2):
            self.assertEqual(self.challenged().ask([5, "sesame", {}])[0][0], 2)
        self.assertEqual(self.challenged().ask([5, "sesame", {}])[0][0], 3)


class EndingTests(SynchronousTestCase):
    def setUp(self):
        self.fixture = RealmFixture()

    def test_violation_frees_what_the_session_had(self):
        """A second HELLO ends the session with ABORT; its subscriptions are gone."""
        client = self.fixture.v2()
        client.ask([32, 1, {}, "a.b"])
        self.assertEqual(client.ask(HELLO)[0][2], "wamp.error.protocol_violation")
        self.assertEqual(client.link.ended[:2], ("close", 1002))
        other = self.fixture.v2()
        other.say([16, 1, {}, "a.b", ["x"]])
        self.assertEqual(client.heard(), [])
        self.assertEqual(len(self.fixture.realm.members), 1)

    def test_lost_connection_leaves(self):
        """A dropped connection leaves the realm and the lobby."""
        client = self.fixture.v2()
        client.session.closed(False, None, "lost")
        self.assertEqual(self.fixture.realm.members, {})
        self.assertEqual(self.fixture.context.sessions, set())

    def test_shutdown(self):
        """The router's end: GOODBYE system_shutdown, then CLOSE 1001; where the listener does not want that, what is
        queued and the end of the connection, also before HELLO and after GOODBYE."""
        client = self.fixture.v2()
        client.session.shutdown()
        self.assertEqual(client.heard()[0][2], "wamp.close.system_shutdown")
        self.assertEqual(client.link.ended[:2], ("close", 1001))
        self.fixture.context.goodbye = False
        for client in (
            self.fixture.v2(),
            self.fixture.v2(join=False),
            self.fixture.v2().say([6, {}, "wamp.close.normal"]),
        ):
            client.heard()
            client.session.shutdown()
            self.assertEqual((client.heard(), client.link.ended[0]), ([], "drop"))
            client.say(HELLO)
            client.session.shutdown()
        self.assertEqual(self.fixture.realm.members, {})

    def test_dismissed(self):
        """A login that is gone: GOODBYE wamp.close.killed and CLOSE, the reason stays in the log."""
        client = self.fixture.v2()
        client.session.dismiss(Refused("disabled", "anna is disabled"))
        [goodbye] = client.heard()
        self.assertEqual((goodbye[0], goodbye[2]), (6, "wamp.close.killed"))
        self.assertNotIn("disabled", str(goodbye))
        self.assertEqual(client.link.ended[:2], ("close", 1000))
        self.assertEqual(self.fixture.journal.notes[-1][:2], ("session.ended", "disabled"))
        client.session.dismiss(Refused("disabled", "again"))
        self.assertEqual(client.heard(), [])

    def test_shutdown_before_hello(self):
        """A client that has not joined yet gets ABORT instead."""
        client = self.fixture.v2(join=False)
        client.session.shutdown()
        self.assertEqual(client.heard()[0][0], 3)

    def test_what_the_transport_does_not_allow(self):
        """A transport without words of its own has the session say it: ABORT protocol_violation, and the end."""
        client = self.fixture.v2()
        client.session.violated("reserved bits are set")
        self.assertEqual(client.heard(), [[3, {"message": "reserved bits are set"}, "wamp.error.protocol_violation"]])
        self.assertEqual(client.link.ended[:2], ("close", 1002))

    def test_a_fault_of_ours_costs_that_client_only(self):
        """An exception while a message is handled is logged and ends that session alone."""
        client, other = self.fixture.v2(), self.fixture.v2()
        self.fixture.realm.broker.subscribe = lambda *a: 1 / 0
        self.assertEqual(client.ask([32, 1, {}, "a.b"])[0][0], 3)
        self.assertEqual(client.link.ended[:2], ("close", 1011))
        self.assertIsNone(other.link.ended)
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)

    def test_a_fault_of_ours_in_an_answer(self):
        """It ends the session of who is told, of WAMP v1 or v2, and not of the callee that answered."""
        for caller, call in ((self.fixture.v2(), [48, 1, {}, "a.b"]), (self.fixture.v1(), [2, "c", "a.b"])):
            callee = self.fixture.v2()
            callee.ask([64, 1, {}, "a.b"])
            caller.say(call)
            payload = self.patch(Payload, "tail", lambda *a: 1 / 0)
            callee.say([70, callee.heard()[0][1], {}, [1], {"k": 2}])
            payload.restore()
            self.assertEqual(caller.link.ended[:2], ("close", 1011))
            self.assertIsNone(callee.link.ended)
            self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)
            callee.session.closed(True, None, "")


class OrderTests(SynchronousTestCase):
    def test_late_authorizer_keeps_the_order(self):
        """While one request waits for its authorizer nothing more is read, so order is kept."""
        fixture = RealmFixture()
        client, listener = fixture.v2(), fixture.v2()
        listener.ask([32, 1, {}, "news"])
        answer = Deferred()
        fixture.authorizer.answers[Action.PUBLISH, "news"] = answer
        client.say([16, 1, {}, "news", ["first"]])
        self.assertTrue(client.link.paused)
        self.assertEqual(listener.heard(), [])
        answer.callback(Decision(Verdict.ALLOW))
        self.assertFalse(client.link.paused)
        self.assertEqual(listener.heard()[0][4], ["first"])

    def test_client_that_left_meanwhile(self):
        """A decision that comes after its client has gone does nothing."""
        fixture = RealmFixture()
        client, listener = fixture.v2(), fixture.v2()
        listener.ask([32, 1, {}, "news"])
        answer = Deferred()
        fixture.authorizer.answers[Action.PUBLISH, "news"] = answer
        client.say([16, 1, {}, "news", ["late"]])
        client.session.closed(False, None, "gone")
        answer.callback(Decision(Verdict.ALLOW))
        self.assertEqual(listener.heard(), [])
