"""Tests of orosync.embedded.connection."""

from __future__ import annotations

from datetime import UTC, datetime
from fractions import Fraction
from uuid import UUID

from autobahn.exception import PayloadExceededError
from autobahn.wamp.exception import SerializationError, TransportLost
from autobahn.wamp.interfaces import ITransport
from autobahn.wamp.message import Event
from autobahn.wamp.types import PublishOptions, RegisterOptions, SubscribeOptions
from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase
from zope.interface.verify import verifyObject

from orosync.embedded.connection import ComponentEnd, RouterEnd, component_facts
from orosync.interfaces import ILink
from orosync.model import Action, Decision, Verdict
from tests.embedded.fixture import Component, EmbeddedFixture

ALLOWED, DENIED = Decision(Verdict.ALLOW, "yes"), Decision(Verdict.DENY, "no")


class EmbeddingTests(SynchronousTestCase):
    def setUp(self):
        self.fixture = EmbeddedFixture()
        self.component = Component()

    def embed(self, **options):
        self.embedding = self.fixture.embed(self.component, **options)
        self.component.take()
        return self.embedding

    def subscribed(self, topic="news"):
        self.component.subscribe(lambda *args, **kwargs: self.component.told.append((args, kwargs)), topic)
        self.fixture.turns()

    def test_interfaces(self):
        """Each end implements the interface of its side."""
        embedding = self.embed()
        verifyObject(ILink, RouterEnd(embedding, component_facts("feed")))
        self.assertIsInstance(ComponentEnd(embedding), ITransport)

    def test_joined(self):
        """It joins at once, under the name and role that it was given, as a member like any other."""
        self.fixture.embed(self.component)
        self.assertEqual(self.component.take(), [("joined", "feed", "feeder", "component")])
        (member,) = self.fixture.realm.members.values()
        self.assertEqual(member.principal.authid, "feed")
        self.assertEqual(len(self.fixture.context.sessions), 1)

    def test_events_and_calls(self):
        """It publishes to clients, is published to, is called and calls, with payloads of every kind."""
        self.embed()
        client = self.fixture.v2()
        client.ask([32, 1, {}, "prices"])
        self.component.publish("prices", 1.5, [None, True], ä={"x": -1})
        self.assertEqual(client.heard()[0][4:], [[1.5, [None, True]], {"ä": {"x": -1}}])
        self.subscribed()
        client.say([16, 2, {}, "news", ["\0AAEC", "text"], {"k": 1}])
        self.fixture.turns()
        self.assertEqual(self.component.take(), [((b"\0\1\2", "text"), {"k": 1})])
        self.component.register(lambda a, b: a + b, "add")
        self.fixture.turns()
        client.say([48, 3, {}, "add", [2, 3]])
        self.fixture.turns()
        self.assertEqual(client.heard(), [[50, 3, {}, [5]]])
        called = self.component.call("add", 4, 5)
        self.fixture.turns()
        self.assertEqual(self.successResultOf(called), 9)

    def test_values_of_python(self):
        """What CBOR has tags for goes both ways: as it is to the component and to clients of CBOR, as text, numbers and
        lists to others."""
        self.embed()
        self.subscribed()
        client = self.fixture.v2()
        client.ask([32, 1, {}, "news"])
        when = datetime(2026, 12, 1, tzinfo=UTC)
        self.component.publish("news", when, {1}, 1 << 70, b"x", options=PublishOptions(exclude_me=False))
        self.fixture.turns()
        self.assertEqual(self.component.take(), [((when, {1}, 1 << 70, b"x"), {})])
        self.assertEqual(client.heard()[0][4], ["2026-12-01T00:00:00Z", [1], 1 << 70, "\0eA=="])

    def test_authorised(self):
        """It may do what its role may, and nothing else."""
        self.embed()
        self.fixture.authorizer.answers[Action.SUBSCRIBE, "secret"] = DENIED
        refused = self.component.subscribe(print, "secret")
        self.fixture.turns()
        self.assertEqual(self.failureResultOf(refused).value.error, "wamp.error.not_authorized")
        self.assertEqual(self.fixture.authorizer.asked[-1][:3], ("feed", Action.SUBSCRIBE, "secret"))

    def test_nothing_is_shared(self):
        """What one side changes afterwards, the other does not see."""
        self.embed()
        self.subscribed()
        said = [1, [2]]
        self.component.publish("news", said, options=PublishOptions(exclude_me=False))
        said[1].append(3)
        self.fixture.turns()
        self.assertEqual(self.component.take(), [(([1, [2]],), {})])

    def test_later(self):
        """What the router says comes in another turn, and what is said then in the one after that: no handler runs
        inside a publish, and two that send to each other without end delay no other client."""
        self.embed()
        turns = []

        def endless(number):
            turns.append(number)
            self.component.publish("news", number + 1, options=PublishOptions(exclude_me=False))

        self.component.subscribe(endless, "news")
        self.fixture.turns()
        client = self.fixture.v2()
        for _ in range(3):
            client.say([16, 1, {}, "news", [0]])
        self.assertEqual(turns, [])
        seen = []
        self.fixture.clock.callLater(0, lambda: seen.append(list(turns)))
        self.fixture.clock.callLater(0, self.embedding._end.abort)
        self.fixture.clock.advance(0)
        self.assertEqual(seen, [[0, 0, 0]], "others have their turn")

    def test_order(self):
        """While an authorizer decides, messages of the component wait, and keep their order."""
        self.embed()
        client = self.fixture.v2()
        client.ask([32, 1, {}, "slow"], [32, 2, {}, "quick"])
        thinking = self.fixture.authorizer.answers[Action.PUBLISH, "slow"] = Deferred()
        self.component.publish("slow", 1)
        self.component.publish("quick", 2)
        self.fixture.turns()
        self.assertEqual(client.heard(), [])
        thinking.callback(ALLOWED)
        self.component.publish("quick", 3)
        self.fixture.turns()
        self.assertEqual([message[4] for message in client.heard()], [[1], [2], [3]])

    def test_too_much_at_once(self):
        """Beyond the limit of what may wait, either way, the connection ends, and the journal has the reason."""
        for way in ("inward", "outward"):
            with self.subTest(way):
                self.setUp()
                self.embed(limit=1000)
                self.subscribed()
                if way == "inward":
                    client = self.fixture.v2()
                    for number in range(11):
                        client.say([16, number + 1, {}, "news", ["x" * 100]])
                else:
                    self.fixture.authorizer.answers[Action.PUBLISH, "slow"] = Deferred()
                    self.component.publish("slow")
                    for _ in range(11):
                        self.component.publish("quick", "x" * 100)
                self.fixture.turns()
                self.assertEqual(self.fixture.ends, [(False, "more than 1000 bytes waited")])
                self.assertEqual(self.component.take()[-1], "disconnected")
                self.assertNotIn("feed", [m.principal.authid for m in self.fixture.realm.members.values()])
                event, kind, fields = self.fixture.journal.notes[0]
                self.assertEqual((event, kind, fields["address"]), ("consumer.cut", "queue_full", "component:feed"))

    def test_what_cannot_be_sent(self):
        """A value that WAMP cannot express, or a message that is too large, fails that one request."""
        self.embed()
        for value in (UUID(int=1), {1: 2}, Fraction(1, 3), object(), "\ud800"):
            with self.assertRaises(SerializationError):
                self.component.publish("news", value)
        with self.assertRaises(PayloadExceededError):
            self.component.publish("news", "x" * 65536)
        client = self.fixture.v2()
        client.ask([32, 1, {}, "news"])
        self.component.publish("news", 1)
        self.assertEqual(client.heard()[0][4], [1])

    def test_handler_that_answers_nonsense(self):
        """A procedure that returns what cannot be sent, or raises, gives its caller an ERROR and lives on."""
        self.embed()
        answers = iter([UUID(int=1), "x" * 70000, 5])
        self.component.register(lambda: next(answers), "ask")
        self.fixture.turns()
        client = self.fixture.v2()
        for expected in (8, 8, 50, 8):
            client.say([48, 1, {}, "ask"])
            self.fixture.turns()
            self.assertEqual(client.heard()[0][0], expected)
        self.assertTrue(self.embedding.open)

    def test_hostile_clients(self):
        """Nothing in an event or a call of a client ends the component, or leaves a caller without an answer."""
        self.embed()
        self.component.subscribe(lambda *args, **kwargs: self.component.told.append(args), "news", None)
        self.component.subscribe(
            lambda *args, **kwargs: self.component.told.append(args),
            "all.",
            SubscribeOptions(match="prefix", details_arg="details"),
        )
        self.component.register(lambda *args, **kwargs: None, "ask")
        self.component.register(
            lambda *args, **kwargs: None, "any.", RegisterOptions(match="prefix", details_arg="details")
        )
        self.fixture.turns()
        deep = "[" * 55 + "]" * 55
        payloads = [
            '["\\u0000"]', '["\\u0000!!!!"]', '["\\u0000A"]', '["\\ud800"]', "[18446744073709551615]", "[1e308,-0.0]",
            "[9223372036854775808123]", '[{"":null}]', deep, '[],{"details":1,"self":2,"a b":[],"\\u0000":0}',
            '["x"],{"details":{}}',
        ]  # fmt: skip
        topics = ["news", "all.x", "all.a.b/c{}*%20", "all.\u00e4\u0131\U0001f600", "all." + "x" * 3000]
        client, packed = self.fixture.v2(), self.fixture.v2(serializer="json")
        for payload in payloads:
            for topic in topics:
                client.say(f'[16,1,{{"enc_algo":"x","disclose_me":true}},"{topic}",{payload}]'.encode())
                client.say(f'[16,1,{{}},"{topic}",{payload}]'.encode())
            for procedure in ("ask", "any.\u00e4"):
                for options in ("{}", '{"receive_progress":true,"disclose_me":true,"timeout":5}'):
                    packed.say(f'[48,7,{options},"{procedure}",{payload}]'.encode())
                    self.fixture.turns()
                    ((kind, *_),) = packed.heard()
                    self.assertIn(kind, (8, 50), (procedure, payload))
        self.fixture.turns()
        self.assertTrue(self.embedding.open, self.fixture.ends)
        self.assertGreater(len(self.component.told), 50)
        self.flushLoggedErrors()

    def test_router_goes_down(self):
        """The component gets GOODBYE before the end, and answers it."""
        self.embed()
        (guest,) = self.fixture.context.sessions
        guest.shutdown()
        self.assertEqual(self.component.told, [])
        self.fixture.turns()
        self.assertEqual(self.component.take(), [("left", "wamp.close.system_shutdown"), "disconnected"])
        self.assertEqual(len(self.fixture.ends), 1)
        self.assertEqual((self.fixture.realm.members, self.fixture.context.sessions), ({}, set()))

    def test_component_leaves(self):
        """leave() ends the session properly; what comes after the end is an error of the component's own."""
        embedding = self.embed()
        transport = self.component.transport_end = embedding._end
        closed = self.component.leave()
        self.fixture.turns()
        self.assertIs(self.successResultOf(closed), transport)
        self.assertEqual(self.component.take(), [("left", "wamp.close.goodbye_and_out"), "disconnected"])
        self.assertEqual(self.fixture.ends, [(True, "closed by the component")])
        with self.assertRaises(TransportLost):
            self.component.publish("news")
        with self.assertRaises(TransportLost):
            transport.send(Event(1, 2))
        self.assertFalse(transport.isOpen())
        embedding.end(True, 1000, "again")
        embedding.over(True, 1000, "again")
        self.assertEqual(len(self.fixture.ends), 1)

    def test_trouble_of_the_component(self):
        """abort() and drop() end it at once, and unclean."""
        self.embed()._end.abort()
        self.setUp()
        RouterEnd(self.embed(), component_facts("feed")).drop("away")
        self.fixture.turns()
        self.assertEqual(self.fixture.ends, [(False, "away")])
        self.assertEqual(self.component.take(), [("left", "wamp.close.transport_lost"), "disconnected"])

    def test_protocol(self):
        """What autobahn does not understand ends that run, with a traceback in the log."""
        embedding = self.embed()
        embedding.hear(b"\x81\x01")
        self.fixture.turns()
        self.assertFalse(embedding.open)
        self.assertEqual(len(self.flushLoggedErrors()), 1)
        self.assertEqual(len(self.fixture.ends), 1)

    def test_component_that_cannot_be_told(self):
        """A component that raises in onClose is reported as ended all the same, and the router's side is clean."""
        self.component.onClose = lambda clean: 1 / 0
        self.embed().over(False, None, "away")
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)
        self.assertEqual((self.fixture.ends, self.fixture.realm.members), ([(False, "away")], {}))
