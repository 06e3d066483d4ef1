"""What a joined WAMP v2 client may ask, and how it is answered."""

from __future__ import annotations

from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase

from orosync.errors import TooLong
from orosync.model import Action, Decision, Match, Verdict
from orosync.testing import principal
from tests.session.fixture import HELLO, RealmFixture


class PubSubTests(SynchronousTestCase):
    def setUp(self):
        self.fixture = RealmFixture()
        self.publisher, self.listener = self.fixture.v2(), self.fixture.v2()

    def test_subscribe_publish_unsubscribe(self):
        """An event reaches who subscribed, verbatim, until it unsubscribes."""
        [[code, request, subscription]] = self.listener.ask([32, 7, {}, "a.b"])
        self.assertEqual((code, request), (33, 7))
        self.publisher.say([16, 1, {}, "a.b", [1, "two"], {"three": 3}])
        [event] = self.listener.heard()
        self.assertEqual((event[0], event[1], event[3:]), (36, subscription, [{}, [1, "two"], {"three": 3}]))
        self.assertEqual(self.listener.ask([34, 8, subscription]), [[35, 8]])
        self.publisher.say([16, 2, {}, "a.b"])
        self.assertEqual(self.listener.heard(), [])

    def test_acknowledge(self):
        """PUBLISHED comes only when asked for."""
        self.assertEqual(self.publisher.ask([16, 1, {}, "a.b"]), [])
        [[code, request, publication]] = self.publisher.ask([16, 2, {"acknowledge": True}, "a.b"])
        self.assertEqual((code, request), (17, 2))
        self.assertTrue(1 <= publication <= 2**53)

    def test_acknowledge_while_withholding(self):
        """A publication whose publisher would take it for delivered everywhere is refused; one that nobody answers is
        delivered here."""
        self.listener.ask([32, 1, {}, "a.b"])
        self.fixture.realm_context.withholding = True
        [error] = self.publisher.ask([16, 1, {"acknowledge": True}, "a.b", ["once"]])
        self.assertEqual(error[:3] + error[4:5], [8, 16, 1, "wamp.error.unavailable"])
        self.assertEqual(self.listener.heard(), [])
        self.publisher.say([16, 2, {}, "a.b", ["twice"]], [16, 3, {"exclude_me": False}, "a.b", ["thrice"]])
        self.assertEqual([event[4] for event in self.listener.heard()], [["twice"], ["thrice"]])
        self.fixture.realm_context.withholding = False
        self.assertEqual(self.publisher.ask([16, 4, {"acknowledge": True}, "a.b"])[0][0], 17)

    def test_publisher_exclusion(self):
        """A publisher hears itself only with exclude_me false."""
        self.publisher.ask([32, 1, {}, "a.b"])
        self.assertEqual(self.publisher.ask([16, 2, {}, "a.b"]), [])
        self.assertEqual(self.publisher.ask([16, 3, {"exclude_me": False}, "a.b", ["me"]])[0][4], ["me"])

    def test_pattern_subscriptions_name_the_topic(self):
        """Prefix and wildcard subscribers learn which topic it was."""
        self.listener.ask([32, 1, {"match": "prefix"}, "a."], [32, 2, {"match": "wildcard"}, "a..c"])
        self.publisher.say([16, 1, {}, "a.b.c", []])
        events = self.listener.heard()
        self.assertEqual([event[3] for event in events], [{"topic": "a.b.c"}] * 2)
        self.assertEqual(events[0][2], events[1][2], "one publication id for overlapping subscriptions")

    def test_disclosure(self):
        """With disclose_me the event says who published it."""
        self.listener.ask([32, 1, {}, "a.b"])
        self.publisher.say([16, 1, {"disclose_me": True}, "a.b"])
        self.assertEqual(self.listener.heard()[0][3]["publisher"], self.publisher.session_id)

    def test_forwarded(self):
        """Whom an event is published for is believed of forwarders alone. The hash is anybody's to have handed on; one
        that is a trail lets the event in once."""
        self.listener.ask([32, 1, {}, "a.b"])
        options = {"forward_for": [{"session": 7, "authid": "zoe", "authrole": "chief"}], "transaction_hash": "x"}
        self.publisher.say([16, 1, options, "a.b"])
        self.assertEqual(self.listener.heard()[0][3], {"transaction_hash": "x"})
        self.fixture.realm_context.forwarders = ("link",)
        self.fixture.v2(principal("router", authrole="link", authprovider="guests")).say([16, 1, options, "a.b"])
        self.publisher.say([16, 2, {"transaction_hash": "orosync:5:a"}, "a.b"])
        again = [16, 3, {"transaction_hash": "orosync:5:b.c", "acknowledge": True}, "a.b"]
        self.assertEqual(self.publisher.ask(again)[0][:2], [17, 3])
        zoe = {"publisher": 7, "publisher_authid": "zoe", "publisher_authrole": "chief", "transaction_hash": "x"}
        self.assertEqual([event[3] for event in self.listener.heard()], [zoe, {"transaction_hash": "orosync:5:a"}])
        self.assertEqual(self.fixture.journal.counts["uplink.dropped", "again"], 1)

    def test_eligible(self):
        """Only eligible sessions receive; an empty list means nobody."""
        other = self.fixture.v2()
        for client in (self.listener, other):
            client.ask([32, 1, {}, "a.b"])
        self.publisher.say([16, 1, {"eligible": [float(other.session_id)]}, "a.b"], [16, 2, {"eligible": []}, "a.b"])
        self.assertEqual((len(self.listener.heard()), len(other.heard())), (0, 1))

    def test_bad_requests_cost_one_error(self):
        """A bad URI, match or option is answered with its ERROR; the session lives on."""
        table = [
            ([32, 1, {}, "bad uri"], 32, "wamp.error.invalid_uri"),
            ([32, 1, {}, "a..b"], 32, "wamp.error.invalid_uri"),
            ([32, 1, {"match": "fuzzy"}, "a.b"], 32, "wamp.error.invalid_argument"),
            ([32, 1, {"match": 7}, "a.b"], 32, "wamp.error.invalid_argument"),
            ([34, 1, 99999], 34, "wamp.error.no_such_subscription"),
            ([16, 1, {"acknowledge": True}, "a#b"], 16, "wamp.error.invalid_uri"),
            ([16, 1, {"acknowledge": True, "exclude_me": "no"}, "a.b"], 16, "wamp.error.invalid_argument"),
            ([48, 1, {}, "no.such"], 48, "wamp.error.no_such_procedure"),
            ([48, 1, {}, "bad uri"], 48, "wamp.error.invalid_uri"),
            ([64, 1, {"invoke": 1}, "a.b"], 64, "wamp.error.invalid_argument"),
            ([66, 1, 99999], 66, "wamp.error.no_such_registration"),
        ]
        for message, code, uri in table:
            client = self.fixture.v2()
            [error] = client.ask(message)
            self.assertEqual((error[0], error[1], error[2], error[4]), (8, code, 1, uri), message)
            self.assertIsNone(client.link.ended)

    def test_unacknowledged_publish_is_refused_in_silence(self):
        """A PUBLISH that nobody asked an answer for gets none, whatever was wrong."""
        self.assertEqual(self.publisher.ask([16, 1, {}, "bad uri"]), [])
        self.assertIsNone(self.publisher.link.ended)

    def test_subscriptions_are_bounded(self):
        """The subscription over the limit is refused, the others stay."""
        self.fixture.context.subscription_limit = 3
        client = self.fixture.v2()
        for n in range(3):
            self.assertEqual(client.ask([32, n, {}, f"a.b{n}"])[0][0], 33)
        self.assertEqual(client.ask([32, 9, {}, "a.c"])[0][4], "wamp.error.unavailable")
        self.assertEqual(self.fixture.journal.counts["subscribe.refused", "limit"], 1)


def short(payload: bytes, binary: bool) -> bytes:
    """The framer of a client that takes little."""
    if len(payload) > 1024:
        raise TooLong("too long")
    return payload


class LengthTests(SynchronousTestCase):
    """T2: a client that takes only short messages."""

    def setUp(self):
        self.fixture = RealmFixture()
        self.large, self.small = self.fixture.v2(), self.fixture.v2(join=False)
        self.small.link.framer = short
        self.small.session.opened(self.small.link)
        self.small.say(HELLO).heard()

    def test_an_event_is_left_out(self):
        """It is counted; a shorter one arrives, and others get both."""
        other = self.fixture.v2()
        for client in (self.small, other):
            client.ask([32, 1, {}, "a.b"])
        self.large.say([16, 1, {}, "a.b", ["x" * 1024]], [16, 2, {}, "a.b", ["y"]])
        self.assertEqual([event[4] for event in self.small.heard()], [["y"]])
        self.assertEqual(len(other.heard()), 2)
        self.assertEqual(self.fixture.journal.counts["payload.undeliverable", "event"], 1)

    def test_whoever_waits_is_told(self):
        """The caller of what is too long for its callee, of a result or error too long for itself, and who asked
        for something with a name too long to be repeated."""
        exceeded = "wamp.error.payload_size_exceeded"
        self.small.ask([64, 1, {}, "small"])
        self.large.ask([64, 1, {}, "large"])
        [error] = self.large.ask([48, 2, {}, "small", ["x" * 1024]])
        self.assertEqual((error[:3], error[4]), ([8, 48, 2], exceeded))
        for request, answer in ((3, [70, None, {}, ["x" * 1024]]), (4, [8, 68, None, {}, "failed", ["x" * 1024]])):
            self.small.say([48, request, {}, "large"])
            [invocation] = self.large.heard()
            self.large.say([invocation[1] if part is None else part for part in answer])
            [error] = self.small.heard()
            self.assertEqual((error[:3], error[4]), ([8, 48, request], exceeded))
        [error] = self.small.ask([48, 5, {}, "nobody." + "x" * 1016])
        self.assertEqual((error[:3], error[4]), ([8, 48, 5], exceeded))
        self.fixture.authorizer.answers[Action.SUBSCRIBE, "x" * 1024] = Decision(Verdict.DENY, "rule 7")
        [error] = self.small.ask([32, 6, {}, "x" * 1024])
        self.assertEqual((error[:3], error[4]), ([8, 32, 6], exceeded))


class AuthorizationTests(SynchronousTestCase):
    def setUp(self):
        self.fixture = RealmFixture()
        self.client = self.fixture.v2()

    def refuse(self, action, uri, **how):
        self.fixture.authorizer.answers[action, uri] = Decision(Verdict.DENY, "rule 7", **how)

    def test_each_action_is_refused_with_its_error(self):
        """What is not allowed is answered with not_authorized, and the log has the rule."""
        table = [
            (Action.SUBSCRIBE, [32, 1, {}, "x.y"]),
            (Action.PUBLISH, [16, 1, {"acknowledge": True}, "x.y"]),
            (Action.CALL, [48, 1, {}, "x.y"]),
            (Action.REGISTER, [64, 1, {}, "x.y"]),
        ]
        for action, message in table:
            self.refuse(action, "x.y")
            [error] = self.client.ask(message)
            self.assertEqual(error[4], "wamp.error.not_authorized")
            event, kind, fields = self.fixture.journal.notes[-1]
            self.assertEqual((event, kind, fields["rule"]), (f"{action.value}.refused", "denied", "rule 7"))
            self.assertNotIn("rule 7", str(error), "rules are the administrator's business")

    def test_refused_publish_reaches_nobody(self):
        """A PUBLISH without the right yields no event and, unacknowledged, no answer."""
        listener = self.fixture.v2()
        listener.ask([32, 1, {}, "x.y"])
        self.refuse(Action.PUBLISH, "x.y")
        self.assertEqual(self.client.ask([16, 1, {}, "x.y", ["fake"]]), [])
        self.assertEqual(listener.heard(), [])

    def test_broken_authorizer_says_so(self):
        """authorization_failed tells a broken authorizer from a no."""
        self.refuse(Action.CALL, "x.y", failed=True)
        self.assertEqual(self.client.ask([48, 1, {}, "x.y"])[0][4], "wamp.error.authorization_failed")

    def test_late_refusal(self):
        """A refusal that comes later is answered all the same."""
        answer = Deferred()
        self.fixture.authorizer.answers[Action.SUBSCRIBE, "x.y"] = answer
        self.assertEqual(self.client.ask([32, 5, {}, "x.y"]), [])
        answer.callback(Decision(Verdict.DENY))
        self.assertEqual(self.client.heard()[0][:3], [8, 32, 5])

    def test_pattern_is_judged_as_a_pattern(self):
        """Authorizers are told the match policy."""
        self.client.ask([32, 1, {"match": "prefix"}, "x."])
        self.assertEqual(self.fixture.authorizer.asked[-1][1:], (Action.SUBSCRIBE, "x.", Match.PREFIX))


class CallTests(SynchronousTestCase):
    def setUp(self):
        self.fixture = RealmFixture()
        self.callee, self.caller = self.fixture.v2(), self.fixture.v2()
        [[_, _, self.registration]] = self.callee.ask([64, 1, {}, "sum.up"])

    def test_call_and_result(self):
        """Arguments and result pass verbatim; INVOCATION ids count up from 1."""
        self.caller.say([48, 41, {}, "sum.up", [1, 2], {"k": None}], [48, 42, {}, "sum.up"])
        invocations = self.callee.heard()
        self.assertEqual([i[1] for i in invocations], [1, 2])
        self.assertEqual(invocations[0][2:], [self.registration, {}, [1, 2], {"k": None}])
        self.callee.say([70, 2, {}], [70, 1, {}, [3]])
        self.assertEqual(self.caller.heard(), [[50, 42, {}], [50, 41, {}, [3]]])

    def test_error_from_the_callee(self):
        """An ERROR goes back to the caller with URI and payload."""
        self.caller.say([48, 5, {}, "sum.up"])
        self.callee.heard()
        self.callee.say([8, 68, 1, {}, "com.my.error", ["why"], {"deep": {}}])
        self.assertEqual(self.caller.heard(), [[8, 48, 5, {}, "com.my.error", ["why"], {"deep": {}}]])

    def test_unregister(self):
        """After UNREGISTER the procedure is unknown."""
        self.assertEqual(self.callee.ask([66, 2, self.registration]), [[67, 2]])
        self.assertEqual(self.caller.ask([48, 1, {}, "sum.up"])[0][4], "wamp.error.no_such_procedure")

    def test_second_registration(self):
        """One procedure, one callee, unless both ask to share."""
        self.assertEqual(self.caller.ask([64, 1, {}, "sum.up"])[0][4], "wamp.error.procedure_already_exists")

    def test_cancel(self):
        """CANCEL with mode skip answers at once; the late RESULT is swallowed."""
        self.caller.say([48, 5, {}, "sum.up"], [49, 5, {"mode": "skip"}])
        self.assertEqual(self.caller.heard()[0][4], "wamp.error.canceled")
        self.callee.heard()
        self.callee.say([70, 1, {}, [3]])
        self.assertEqual((self.caller.heard(), self.callee.link.ended), ([], None))

    def test_callee_leaves(self):
        """Whoever waits for a callee that has gone is told so."""
        self.caller.say([48, 5, {}, "sum.up"])
        self.callee.session.closed(False, None, "gone")
        self.assertEqual(self.caller.heard()[0][4], "wamp.error.canceled")

    def test_yield_for_nothing_is_a_violation(self):
        """A YIELD for an invocation that never was ends the session."""
        self.assertEqual(self.callee.ask([70, 77, {}])[0][2], "wamp.error.protocol_violation")

    def test_result_that_the_caller_cannot_carry(self):
        """A result with no form in the caller's serializer is answered with an ERROR, not with silence."""
        packer = self.fixture.v2(join=False, serializer="msgpack")
        from orosync.wamp.codec import CODECS
        from orosync.wamp.messages import Call, Hello
        from orosync.wamp.payload import Payload

        codec = CODECS["wamp.2.msgpack"]
        packer.session.received(codec.encode(Hello("oro", {"roles": {"caller": {}}})), True)
        packer.session.received(codec.encode(Call(1, {}, "sum.up"), Payload.of([], None)), True)
        packer.link.take()
        self.callee.heard()
        self.callee.say([70, 1, {}, [2**80]])
        message, _ = codec.decode(packer.link.take()[0])
        self.assertEqual((message.head()[0], message.error), (8, "wamp.error.invalid_argument"))
