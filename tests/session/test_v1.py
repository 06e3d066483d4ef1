"""The life of a WAMP v1 client, with the habits of the server that Oro's clients were written for."""

from __future__ import annotations

import math

import cbor2
from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase
from zope.interface.verify import verifyObject

from orosync.errors import Refused
from orosync.interfaces import ISession
from orosync.model import Action, Decision, Verdict
from orosync.testing import principal
from tests.session.stage import Stage

TOPIC = "oro/data/update"


class V1Tests(SynchronousTestCase):
    def setUp(self):
        self.stage = Stage()
        self.client, self.other = self.stage.v1(), self.stage.v1(principal("ben", user_id=2))

    def refuse(self, action, uri, **how):
        self.stage.authorizer.answers[action, uri] = Decision(Verdict.DENY, "rule 7", **how)

    def test_welcome_is_all_that_is_said(self):
        """Right after opening, WELCOME and nothing else: Oro's PHP reads no further byte."""
        verifyObject(ISession, self.client.session)
        self.assertIsInstance(self.client.session_id, str)
        self.assertEqual((self.client.heard(), self.client.link.authenticated), ([], True))

    def test_subscribe_and_publish(self):
        """No acknowledgement; the event comes with its topic, also back to the publisher."""
        self.assertEqual(self.client.ask([5, TOPIC], [5, TOPIC]), [])
        self.other.ask([5, TOPIC])
        self.assertEqual(self.other.ask([7, TOPIC, {"a": []}]), [[8, TOPIC, {"a": []}]])
        self.assertEqual(self.client.heard(), [[8, TOPIC, {"a": []}]])

    def test_unsubscribe(self):
        """After UNSUBSCRIBE nothing comes; unsubscribing twice or from nothing is ignored."""
        self.client.ask([5, TOPIC], [6, TOPIC], [6, TOPIC], [6, "never/was"])
        self.other.ask([7, TOPIC, 1])
        self.assertEqual((self.client.heard(), self.client.link.ended), ([], None))

    def test_exclude_and_eligible(self):
        """exclude true or a list of session ids, eligible with "empty means everybody"."""
        me, them = self.client.session_id, self.other.session_id
        table = [
            ([], (1, 1)),
            ([True], (0, 1)),
            ([False], (1, 1)),
            ([[], []], (1, 1)),
            ([[me], []], (0, 1)),
            ([[them]], (1, 0)),
            ([[], [them]], (0, 1)),
            ([[them], [them]], (0, 0)),
            ([None, [me]], (1, 0)),
        ]
        for player in (self.client, self.other):
            player.ask([5, TOPIC])
        for tail, expected in table:
            self.client.say([7, TOPIC, "x", *tail])
            self.assertEqual((len(self.client.heard()), len(self.other.heard())), expected, tail)

    def test_v1_and_v2_meet_in_one_realm(self):
        """An event of one protocol reaches subscribers of the other."""
        modern = self.stage.v2()
        modern.ask([32, 1, {}, TOPIC])
        self.client.ask([5, TOPIC])
        self.other.say([7, TOPIC, {"isOn": True}])
        self.assertEqual(modern.heard()[0][4], [{"isOn": True}])
        modern.say([16, 2, {}, TOPIC, [1]], [16, 3, {}, TOPIC, [1], {"k": 2}], [16, 4, {}, TOPIC, [], {"k": 2}])
        events = [[8, TOPIC, {"isOn": True}], [8, TOPIC, 1], [8, TOPIC, {"args": [1], "kwargs": {"k": 2}}]]
        self.assertEqual(self.client.heard(), [*events, [8, TOPIC, {"k": 2}]])

    def test_prefix(self):
        """A known prefix is expanded as stock does, with a #."""
        self.client.ask([1, "news", "http://example.com/news"], [5, "news:sport"])
        self.other.say([7, "http://example.com/news#sport", "goal"])
        self.assertEqual(self.client.heard(), [[8, "http://example.com/news#sport", "goal"]])

    def test_refused_subscription(self):
        """The literal text that stock answers with, no event later, the connection stays."""
        self.refuse(Action.SUBSCRIBE, "oro/email_event/1/1")
        text = 'You are not allowed to subscribe on topic "oro/email_event/1/1".'
        self.assertEqual(self.client.ask([5, "oro/email_event/1/1"]), [text])
        self.other.say([7, "oro/email_event/1/1", "secret"])
        self.assertEqual((self.client.heard(), self.client.link.ended), ([], None))
        self.assertIn(("subscribe.refused", "denied"), self.stage.journal.counts)

    def test_unknown_topic_is_ignored(self):
        """Nobody declared it: no answer, no close, one line in the log for the connection and a count of all."""
        for topic in ("a/b", "c/d"):
            self.refuse(Action.SUBSCRIBE, topic, declared=False)
        self.assertEqual(self.client.ask([5, "a/b"], [5, "c/d"]), [])
        self.assertIsNone(self.client.link.ended)
        self.assertEqual([n[0] for n in self.stage.journal.notes], ["topic.unknown"])
        self.assertEqual(self.stage.journal.counts["topic.unknown", "subscribe"], 2)

    def test_refused_publish(self):
        """A user's PUBLISH reaches nobody and is answered with nothing."""
        self.refuse(Action.PUBLISH, TOPIC)
        self.other.ask([5, TOPIC])
        self.assertEqual(self.client.ask([7, TOPIC, "fake"]), [])
        self.assertEqual(self.other.heard(), [])

    def test_malformed_messages_close_with_1007(self):
        """Each costs its sender its connection, and nobody else anything."""
        table = [b"no json", b"null", b"7", b"{}", b'"x"', b"[]", b"[99]", b"[5]", b"[5,7]", b"[7,{}]", b"[8,1,2]",
                 b'[7,"t","e",[],"admin"]', b'[7,"t","e",[],7]', b"\xff"]  # fmt: skip
        self.other.ask([5, TOPIC])
        for message in table:
            client = self.stage.v1()
            self.assertEqual(client.ask(message), [], message)
            self.assertEqual(client.link.ended[:2], ("close", 1007), message)
            client.say([7, TOPIC, "after the end"])
        self.assertEqual((self.other.heard(), self.other.link.ended), ([], None))
        self.assertEqual(len(self.stage.realm.members), 2)

    def test_call(self):
        """CALL reaches a v2 procedure, and its one result comes back."""
        callee = self.stage.v2()
        callee.ask([64, 1, {}, "sum.up"])
        self.client.say([2, "call-1", "sum.up", 1, 2])
        [invocation] = callee.heard()
        self.assertEqual(invocation[4], [1, 2])
        callee.say([70, invocation[1], {}, [3]])
        self.assertEqual(self.client.heard(), [[3, "call-1", 3]])

    def test_call_errors(self):
        """CALLERROR carries the URI, for an unknown procedure, a failing one and a forbidden one."""
        [error] = self.client.ask([2, "c1", "no.such"])
        self.assertEqual(error[:3], [4, "c1", "wamp.error.no_such_procedure"])
        callee = self.stage.v2()
        callee.ask([64, 1, {}, "sum.up"])
        self.client.say([2, "c2", "sum.up"])
        callee.say([8, 68, callee.heard()[0][1], {}, "com.my.error", ["why", 7]])
        self.assertEqual(self.client.heard(), [[4, "c2", "com.my.error", "why", [7]]])
        self.refuse(Action.CALL, "sum.up")
        self.assertEqual(self.client.ask([2, "c3", "sum.up"])[0][:3], [4, "c3", "wamp.error.not_authorized"])

    def test_answers_that_it_cannot_be_told(self):
        """What JSON has no form for costs the caller the answer's values, and the callee nothing."""
        callee = self.stage.v2(join=False, serializer="cbor")

        def say(*message):
            callee.session.received(cbor2.dumps(list(message)), True)
            return [cbor2.loads(frame) for frame in callee.link.take()]

        say(1, "oro", {"roles": {"callee": {}}})
        say(64, 1, {}, "sum.up")
        for value in (math.nan, "\0text", 2**2000):
            for answer, uri in [
                ([70, {}, [value]], "wamp.error.invalid_argument"),
                ([70, {}, [], {"k": value}], "wamp.error.invalid_argument"),
                ([8, {}, "com.my.error", ["why", value]], "com.my.error"),
                ([8, {}, "com.my.error", [], {"k": [value]}], "com.my.error"),
            ]:
                self.client.say([2, "c", "sum.up"])
                (invocation,) = [cbor2.loads(frame) for frame in callee.link.take()]
                code, *rest = answer
                self.assertEqual(say(code, *([68] if code == 8 else []), invocation[1], *rest), [])
                self.assertEqual([one[:3] for one in self.client.heard()], [[4, "c", uri]], answer)
                self.assertIsNone(callee.link.ended, answer)
        self.assertEqual(say(64, 2, {}, "any.more")[0][:2], [65, 2])

    def test_subscriptions_are_bounded(self):
        """One over the limit is refused as any other."""
        self.stage.lobby.subscription_limit = 1
        answers = self.client.ask([5, "a"], [5, "b"])
        self.assertEqual(answers, ['You are not allowed to subscribe on topic "b".'])

    def test_what_it_has_is_no_new_subscription(self):
        """At the limit what the session has is no subscription too many; what it has no more makes room."""
        self.stage.lobby.subscription_limit = 1
        self.assertEqual(self.client.ask([5, "a"], [5, "a"]), [])
        self.assertEqual(self.client.ask([6, "a"], [5, "b"], [5, "b"]), [])
        self.assertEqual(len(self.client.ask([5, "a"])), 1)

    def test_long_uris(self):
        """What is too long is refused in v1's words, also when it becomes so by its prefix; the session stays."""
        long = "x" * 1025
        self.assertEqual(self.client.ask([5, long]), [f'You are not allowed to subscribe on topic "{long}".'])
        self.assertEqual(self.client.ask([7, long, 1], [6, long], [1, "p", long], [1, long, "u"]), [])
        self.client.say([1, "p", "x" * 1020])
        self.assertEqual(self.client.ask([5, "p:abc"]), [])
        self.assertEqual(len(self.client.ask([5, "p:abcd"])), 1)
        for call_id, procedure in (("c1", long), ("c2", "p:abcd"), (long, "no.such")):
            [error] = self.client.ask([2, call_id, procedure])
            self.assertEqual(error[:3], [4, call_id, "wamp.error.invalid_uri"])
        self.assertIsNone(self.client.link.ended)
        self.assertEqual(len(self.stage.realm.broker._index.exact), 1)

    def test_calls_are_bounded(self):
        """A call over the limit is refused, and no more is remembered of it."""
        self.stage.lobby.call_limit = 2
        client, callee = self.stage.v1(), self.stage.v2()
        callee.ask([64, 1, {}, "a.b"])
        self.assertEqual(client.ask([2, "c1", "a.b"], [2, "c2", "a.b"]), [])
        self.assertEqual(client.ask([2, "c3", "a.b"])[0][:3], [4, "c3", "wamp.error.unavailable"])
        callee.say([70, 1, {}])
        self.assertEqual(client.heard(), [[3, "c1", None]])
        self.assertEqual(client.ask([2, "c4", "a.b"]), [])

    def test_late_authorizer_keeps_the_order(self):
        """Nothing more is read until the authorizer has answered."""
        answer = Deferred()
        self.stage.authorizer.answers[Action.SUBSCRIBE, TOPIC] = answer
        self.client.say([5, TOPIC])
        self.assertTrue(self.client.link.paused)
        answer.callback(Decision(Verdict.ALLOW))
        self.assertFalse(self.client.link.paused)
        self.other.say([7, TOPIC, 1])
        self.assertEqual(len(self.client.heard()), 1)

    def test_shutdown_drops_without_close(self):
        """A clean close would keep Oro's browser code from coming back, so TCP is dropped."""
        self.client.session.shutdown()
        self.assertEqual(self.client.link.ended[0], "drop")
        self.assertEqual(len(self.stage.realm.members), 1)

    def test_dismissed(self):
        """A login that is gone costs the connection, in a way that makes Oro's page come back for a new ticket."""
        self.client.session.dismiss(Refused("disabled", "anna is disabled"))
        self.assertEqual(self.client.link.ended[0], "drop")
        self.assertEqual(len(self.stage.realm.members), 1)
        note = ("session.ended", "disabled", {"user": "anna", "reason": "anna is disabled"})
        self.assertEqual(self.stage.journal.notes[-1], note)
        self.client.say([5, "a"])
        self.assertEqual(self.client.heard(), [])

    def test_lost_connection_leaves(self):
        """Whoever is gone is forgotten."""
        self.client.session.closed(False, None, "lost")
        self.assertEqual(len(self.stage.realm.members), 1)
        self.assertEqual(len(self.stage.lobby.guests), 1)

    def test_what_the_transport_does_not_allow(self):
        """It ends the connection, like any other violation."""
        self.client.session.violated("why")
        self.assertEqual(self.client.link.ended[:2], ("close", 1007))

    def test_a_fault_of_ours_costs_that_client_only(self):
        """An exception is logged and ends that connection alone."""
        self.stage.realm.broker.subscribe = lambda *a: 1 / 0
        self.client.say([5, TOPIC])
        self.assertEqual(self.client.link.ended[:2], ("close", 1011))
        self.assertIsNone(self.other.link.ended)
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)
