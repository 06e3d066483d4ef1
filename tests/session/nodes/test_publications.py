"""Events from node to node: who gets them, what they say, and that each comes once and in order."""

from __future__ import annotations

from typing import Any

from hypothesis import settings
from hypothesis.stateful import run_state_machine_as_test
from twisted.trial.unittest import SynchronousTestCase

from orosync.backplane.nodes import RESEND_BYTES, RINGS
from orosync.model import Match
from orosync.session.local import LocalMember
from orosync.wamp.meta_topics import ON_JOIN, SUBSCRIBED, SUBSCRIPTION_CREATED, SUBSCRIPTION_DELETED
from tests.session.nodes.events_machine import EventsMachine
from tests.session.nodes.shared_case import SharedCase

EXAMPLES = 40


class Receivers(SharedCase):
    """Every subscriber of every node gets an event once."""

    def test_once_everywhere(self) -> None:
        """By topic and by pattern, WAMP v1 and v2, with one publication id; a node without subscribers gets nothing."""
        old = self.b.fixture.v1()
        old.ask([5, "com.news"])
        new = self.b.v2()
        self.subscribe(new, "com.news")
        self.subscribe(new, "com.", match="prefix")
        here = self.a.v2()
        self.subscribe(here, "com.news")
        self.settle(3)
        publisher = self.a.v2()
        arrived = self.c.nodes.counters.batches_received
        number = self.publish(publisher, "com.news", "hello", key=1)
        self.assertEqual(old.heard(), [[8, "com.news", "hello"]])
        heard = new.heard()
        self.assertEqual([(one[2], one[3], one[4]) for one in heard], [
            (number, {}, ["hello"]), (number, {"topic": "com.news"}, ["hello"]),
        ])  # fmt: skip
        self.assertEqual([one[2] for one in here.heard()], [number])
        self.assertEqual((publisher.heard(), self.c.nodes.counters.batches_received), ([], arrived))

    def test_subscription_id(self) -> None:
        """A subscription has the same id on all nodes."""
        ids = [self.subscribe(node.v2(), "com.news", "kept.x")[0] for node in (self.a, self.b, self.c)]
        self.assertEqual(len(set(ids)), 1)
        patterns = [node.broker.keep("kept.", Match.PREFIX).id for node in (self.a, self.b, self.c)]
        self.assertEqual(len(set(patterns)), 1)

    def test_payloads(self) -> None:
        """A payload comes as it was published, whatever the serializers: nothing is decoded between nodes."""
        receiver, publisher = self.b.v2(), self.a.v2()
        self.subscribe(receiver, "t")
        table: list[list[Any]] = [
            [],
            [[]],
            [[1, "two", None, [3.5], "\0AQI="]],
            [[], {"key": {"deep": [True]}}],
            [[1], {"key": "1"}],
        ]
        for arguments in table:
            self.ask(publisher, [16, 1, {}, "t", *arguments])
            (event,) = receiver.heard()
            self.assertEqual(event[4:], arguments)

    def test_filters(self) -> None:
        """Sessions, users and roles are chosen and excluded on all nodes alike."""
        anna, bert = self.b.v2("anna"), self.b.v2("bert", authrole="guest")
        carl, dora = self.c.v2("carl", authrole="guest"), self.a.v2("dora")
        clients = {"anna": anna, "bert": bert, "carl": carl, "dora": dora}
        for client in clients.values():
            self.subscribe(client, "t")
        publisher = self.a.v2("peter", authrole="backend")
        self.subscribe(publisher, "t")
        table: list[tuple[dict[str, Any], str]] = [
            ({}, "anna bert carl dora"),
            ({"exclude": [anna.session_id, dora.session_id]}, "bert carl"),
            ({"eligible": [bert.session_id, dora.session_id, 12345]}, "bert dora"),
            ({"eligible": []}, ""),
            ({"exclude_authid": ["anna", "carl"]}, "bert dora"),
            ({"eligible_authid": ["anna"]}, "anna"),
            ({"exclude_authrole": ["guest"]}, "anna dora"),
            ({"eligible_authrole": ["guest"], "exclude_authid": ["bert"]}, "carl"),
        ]
        for options, expected in table:
            self.publish(publisher, "t", "x", **options)
            got = [name for name, client in clients.items() if self.events(client)]
            self.assertEqual(" ".join(got), expected, options)
            self.assertEqual(self.events(publisher), [])
        self.publish(publisher, "t", "x", exclude_me=False)
        self.assertEqual(self.events(publisher), ["x"])

    def test_details(self) -> None:
        """Disclosure, trust level and trail are as the publisher's node made them."""
        self.a.realm.set_trust_levels({"backend": 5})
        self.a.fixture.realm_context.forwarders = ("backend",)
        receiver, publisher = self.b.v2(), self.a.v2("peter", authrole="backend")
        self.subscribe(receiver, "t")
        trail = "orosync:77:abc"
        self.publish(publisher, "t", "x", disclose_me=True, transaction_hash=trail)
        (event,) = receiver.heard()
        self.assertEqual(event[3], {
            "publisher": publisher.session_id, "publisher_authid": "peter", "publisher_authrole": "backend",
            "trustlevel": 5, "transaction_hash": trail,
        })  # fmt: skip

    def test_from_two_uplinks(self) -> None:
        """What another router sends to two nodes is delivered once: its trail is known."""
        receivers = [node.v2() for node in (self.a, self.b)]
        for one in receivers:
            self.subscribe(one, "t")
        for node in (self.a, self.b):
            node.fixture.realm_context.forwarders = ("backend",)
        links = [node.v2("uplink", authrole="backend") for node in (self.a, self.b)]
        for number in (1, 2):
            for link in links if number == 1 else reversed(links):
                self.publish(link, "t", number, transaction_hash=f"orosync:{number}:abc")
        self.assertEqual([self.events(one) for one in receivers], [[1, 2], [1, 2]])
        self.assertEqual(self.a.realm_context.mark, self.b.realm_context.mark)

    def test_order(self) -> None:
        """The events of one publisher come in its order on every node."""
        receivers = [node.v2() for node in (self.a, self.b, self.c)]
        for one in receivers:
            self.subscribe(one, "t")
            self.subscribe(one, "t", match="prefix")
        publishers = [self.a.v2(), self.b.v2()]
        for number in range(50):
            for name, publisher in zip("xy", publishers, strict=True):
                publisher.say([16, 1, {}, "t", [name, number]])
            if number % 7 == 0:
                self.clock.advance(0)
        self.settle()
        for one in receivers:
            events = self.events(one)
            for name in "xy":
                self.assertEqual([event[1] for event in events if event[0] == name], [n // 2 for n in range(100)])


class OfOrosync(SharedCase):
    """What orosync itself publishes."""

    def test_everywhere(self) -> None:
        """What an administrator publishes reaches all nodes."""
        receiver = self.b.v2()
        self.subscribe(receiver, "t")
        self.assertEqual(LocalMember(self.a.realm_context).publish("t", ["x"]), 0)
        self.settle()
        self.assertEqual(self.events(receiver), ["x"])

    def test_for_a_user(self) -> None:
        """Also what is for one user, wherever it is."""
        anna, bert = self.b.v2("anna"), self.b.v2("bert")
        for client in (anna, bert):
            self.subscribe(client, "t")
        LocalMember(self.a.realm_context).publish("t", ["x"], user="anna")
        self.settle()
        self.assertEqual((self.events(anna), self.events(bert)), (["x"], []))

    def test_here(self) -> None:
        """What every node tells its own subscribers does not come again from others."""
        receiver = self.b.v2()
        self.subscribe(receiver, "oro/ping")
        for node in (self.a, self.b):
            LocalMember(node.realm_context, here=True).publish("oro/ping", [node.name])
        self.settle()
        self.assertEqual(self.events(receiver), ["b"])

    def test_testaments(self) -> None:
        """The testament of a session is published once, by its node, for all."""
        receivers = [node.v2() for node in (self.a, self.b)]
        for one in receivers:
            self.subscribe(one, "gone")
        client = self.a.v2()
        self.ask(client, [48, 1, {}, "wamp.session.add_testament", ["gone", ["farewell"], {}]])
        client.session.closed(False, None, "")
        self.settle()
        self.assertEqual([self.events(one) for one in receivers], [["farewell"], ["farewell"]])


class MetaEvents(SharedCase):
    """WAMP's own topics tell of all nodes."""

    def test_sessions_and_subscriptions(self) -> None:
        """A session and a subscription of another node are told once."""
        listener = self.b.v2()
        self.subscribe(listener, ON_JOIN, SUBSCRIBED)
        client = self.a.v2()
        (number,) = self.subscribe(client, "t")
        events = self.events(listener)
        self.assertEqual([events[0]["session"], events[1]], [client.session_id, [client.session_id, number]])
        self.assertEqual(len(events), 2)

    def test_registrations(self) -> None:
        """Those of registrations are made by each node itself, since it knows them all: each comes once."""
        listener = self.b.v2()
        self.subscribe(listener, "wamp.registration.", match="prefix")
        self.ask(self.a.v2(), [64, 1, {}, "a.procedure"])
        self.assertEqual(len(self.events(listener)), 2)

    def test_first_and_last(self) -> None:
        """on_create is for the first subscriber of all nodes, on_delete for the last one."""
        listener = self.c.v2()
        self.subscribe(listener, SUBSCRIPTION_CREATED, SUBSCRIPTION_DELETED)
        here, there = self.a.v2(), self.b.v2()
        (number,) = self.subscribe(here, "t")
        self.subscribe(there, "t")
        created = self.events(listener)
        self.assertEqual([(one[0], one[1]["id"]) for one in created], [(here.session_id, number)])
        self.ask(here, [34, 5, number])
        self.assertEqual(self.events(listener), [])
        self.ask(there, [34, 5, number])
        self.assertEqual(self.events(listener), [[there.session_id, number]])


class Faults(SharedCase):
    """When the engine is away, nodes go or batches are lost."""

    def test_engine_away(self) -> None:
        """Subscribers of the publisher's node get everything at once, those of others when the engine is back; in
        order, and nothing twice."""
        here, there = self.a.v2(), self.b.v2()
        for one in (here, there):
            self.subscribe(one, "t")
        publisher = self.a.v2()
        self.publish(publisher, "t", 0)
        self.engine.go_away()
        for number in range(1, 20):
            self.publish(publisher, "t", number)
            self.clock.advance(0.2)
        self.assertEqual(self.events(here), list(range(20)))
        self.assertEqual(self.events(there), [0])
        self.engine.come_back()
        self.settle(2)
        self.publish(publisher, "t", 20)
        self.assertEqual(self.events(there), list(range(1, 21)))
        self.assertEqual(self.events(here), [20])

    def test_lost_and_repeated_batches(self) -> None:
        """Batches that the engine loses or repeats cost nothing."""
        receivers = [node.v2() for node in (self.a, self.b, self.c)]
        for one in receivers:
            self.subscribe(one, "t")
        publisher = self.a.v2()
        count = 0

        def spoil(sender: str, receiver: str, batch: bytes) -> list[bytes]:
            nonlocal count
            count += 1
            return [[batch], [batch, batch], []][count % 3]

        self.engine.spoil = spoil
        for number in range(60):
            self.publish(publisher, "t", number)
        self.engine.spoil = None
        self.settle(5)
        self.assertEqual([self.events(one) for one in receivers], [list(range(60))] * 3)

    def test_restart(self) -> None:
        """What a node told is forgotten when it has gone; when it comes again, it tells and learns everything anew."""
        self.subscribe(self.b.v2(), "t")
        self.engine.kill("b")
        self.settle(11)
        publisher = self.a.v2()
        self.publish(publisher, "t", "nobody")
        again = self.start("b")
        self.settle()
        receiver = again.v2()
        self.publish(publisher, "t", "still nobody")
        self.subscribe(receiver, "t")
        self.publish(publisher, "t", "x")
        self.assertEqual(self.events(receiver), ["x"])
        self.publish(again.v2("x"), "kept.t", "y")
        self.assertEqual(set(again.shared.interest.peers_of("kept.t")), {"a", "c"})

    def test_too_large(self) -> None:
        """An event that fits into no batch arrives, too; one that is larger than other nodes take is delivered at its
        own node only, and that is logged."""
        self.engine.largest = 64 * 1024
        small = self.start("small")
        self.settle()
        here, there = small.v2(), self.b.v2()
        for one in (here, there):
            self.subscribe(one, "t")
        self.publish(small.v2("peter"), "t", "x" * 70_000)
        self.assertEqual([len(self.events(one)) for one in (here, there)], [1, 1])
        self.publish(small.v2("peter"), "t", "x" * (RESEND_BYTES // RINGS))
        self.assertEqual((len(self.events(here)), self.events(there)), (1, []))
        self.assertEqual(small.journal.counts["backplane.refused", "too_large"], 1)


class AnyLife(SynchronousTestCase):
    """Subscribers and publishers on three nodes, and every fault, at random."""

    def test_machine(self) -> None:
        """No event without a subscription, none twice, those of a publisher in order, none missing that was due."""
        run_state_machine_as_test(  # type: ignore[no-untyped-call]
            EventsMachine,
            settings=settings(max_examples=EXAMPLES, stateful_step_count=30, deadline=None, database=None),
        )
