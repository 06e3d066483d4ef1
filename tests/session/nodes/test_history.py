"""Event history on all nodes: a client that goes to another node gets exactly what it has missed."""

from __future__ import annotations

from typing import Any

from orosync.clocks import timestamp
from tests.session.fixture import JsonClient
from tests.session.nodes.shared_case import SharedCase, SharedNode

LOG = "history:oro:prefix:kept."


class HistoryTests(SharedCase):
    def read(self, client: JsonClient, subscription: int, **query: Any) -> list[Any]:
        """The values of the events that the answer holds."""
        answer = self.call(client, "wamp.subscription.get_events", subscription, **query)
        self.assertEqual(answer[0], 50, answer)
        return [one["args"][0] for one in answer[3]] if len(answer) > 3 else []

    def all(self, node: SharedNode) -> list[Any]:
        client = node.v2()
        return self.read(client, self.subscribe(client, "kept.", match="prefix")[0])

    def test_on_all_nodes(self) -> None:
        """Each node keeps all events in the order of their publishers, with the same ids and times."""
        one, other = self.a.v2(), self.b.v2()
        for number in range(10):
            self.publish(one, f"kept.{number}", number)
            self.publish(other, "kept.other", 100 + number)
            self.clock.advance(0.25)
        found = [
            [(past.publication, past.time) for past in next(iter(node.realm.history))] for node in (self.a, self.b)
        ]
        self.assertEqual(found[0], found[1])
        self.assertEqual(len(found[0]), 20)
        self.assertEqual(self.all(self.c), self.all(self.a))
        self.assertEqual(self.all(self.c)[:4], [0, 100, 1, 101])

    def test_missed_by_publication_id(self) -> None:
        """A client that comes back to another node asks for what came after its last event, and gets exactly that, by
        the same subscription id."""
        client, publisher = self.a.v2(), self.c.v2()
        (subscription,) = self.subscribe(client, "kept.", match="prefix")
        last = 0
        for number in range(5):
            last = self.publish(publisher, "kept.t", number)
        self.assertEqual(self.events(client), [0, 1, 2, 3, 4])
        self.engine.kill("a")
        for number in range(5, 8):
            self.publish(publisher, "kept.t", number)
        again = self.b.v2()
        self.assertEqual(self.subscribe(again, "kept.", match="prefix"), [subscription])
        self.assertEqual(self.read(again, subscription, after_publication=last), [5, 6, 7])

    def test_unknown_publication(self) -> None:
        """One that this node never had is taken for older than all: rather twice than not at all."""
        client = self.b.v2()
        (subscription,) = self.subscribe(client, "kept.", match="prefix")
        self.publish(self.a.v2(), "kept.t", 1)
        self.assertEqual(self.read(client, subscription, after_publication=12345), [1])

    def test_who_may_read(self) -> None:
        """Lists of users and roles apply to the reader on every node; an event for sessions is kept nowhere."""
        publisher = self.a.v2()
        self.publish(publisher, "kept.t", "anna", eligible_authid=["anna"])
        self.publish(publisher, "kept.t", "session", eligible=[self.b.v2().session_id])
        for name, expected in [("anna", ["anna"]), ("bert", [])]:
            client = self.b.v2(name)
            (subscription,) = self.subscribe(client, "kept.", match="prefix")
            self.assertEqual(self.read(client, subscription), expected)
        self.assertEqual(len(self.engine.state.read(LOG)), 1)

    def test_restart(self) -> None:
        """What the engine keeps survives all nodes: order, ids and times; what is too many is dropped there too."""
        publisher = self.a.v2()
        ids = [self.publish(publisher, "kept.t", number) for number in range(3)]
        for number in range(5):
            self.publish(publisher, "few", number)
        published = self.clock.seconds()
        self.assertEqual(len(self.engine.state.read("history:oro:exact:few")), 3)
        for name in "abc":
            self.engine.kill(name)
        self.settle(60)
        node = self.start("d")
        self.settle()
        client = node.v2()
        (subscription,) = self.subscribe(client, "kept.", match="prefix")
        answer = self.call(client, "wamp.subscription.get_events", subscription)
        self.assertEqual([one["publication"] for one in answer[3]], ids)
        self.assertEqual({one["timestamp"] for one in answer[3]}, {timestamp(published)})
        self.assertEqual(self.read(client, *self.subscribe(client, "few")), [2, 3, 4])
        another = self.start("e")
        self.settle()
        self.publish(another.v2(), "kept.t", 3)
        self.assertEqual(self.read(client, subscription), [0, 1, 2, 3])

    def test_while_it_reads(self) -> None:
        """An event that comes while a node reads what is kept is there once, and last."""
        self.publish(self.a.v2(), "kept.t", 1)
        node = self.start("d")
        for _ in range(3):
            self.clock.advance(0)
        self.publish(node.v2(), "kept.t", 2)
        self.assertEqual((self.all(node), self.all(self.b)), ([1, 2], [1, 2]))

    def test_engine_away(self) -> None:
        """What was published while the engine was away is added to what it keeps, once."""
        one, other = self.a.v2(), self.b.v2()
        self.publish(one, "kept.t", 0)
        self.engine.go_away()
        self.publish(one, "kept.t", 1)
        self.clock.advance(1)
        self.publish(other, "kept.t", 2)
        self.engine.come_back()
        self.settle(3)
        self.assertEqual(len(self.engine.state.read(LOG)), 3)
        self.assertEqual([sorted(self.all(node)) for node in (self.a, self.b, self.c)], [[0, 1, 2]] * 3)
        self.engine.go_away()
        self.settle(1)
        self.engine.come_back(empty=True)
        self.settle(3)
        self.assertEqual(len(self.engine.state.read(LOG)), 3)

    def test_apart(self) -> None:
        """What a node that was apart reads from the engine, and gets from the others as well, it has once."""
        one, other = self.a.v2(), self.b.v2()
        self.publish(one, "kept.t", 0)
        self.engine.go_away("b")
        for number in range(1, 4):
            self.publish(one, "kept.t", number)
            self.settle(5)
        self.publish(other, "kept.t", 4)
        self.engine.come_back("b")
        self.settle(5)
        self.publish(one, "kept.t", 5)
        for node in (self.a, self.b, self.c):
            self.assertEqual(sorted(self.all(node)), list(range(6)), node.name)
        self.assertEqual(len(self.engine.state.read(LOG)), 6)

    def test_not_again(self) -> None:
        """What the engine has dropped because it is too old is not added again."""
        publisher = self.a.v2()
        for number in range(3):
            self.publish(publisher, "few", number)
            self.clock.advance(1)
        log = "history:oro:exact:few"
        newest = self.engine.state.read(log)[-1]
        for _ in range(2):
            self.engine.state.append(log, newest, 3, 10_000)
        self.engine.go_away()
        self.settle(1)
        self.engine.come_back()
        self.settle(3)
        self.assertEqual(set(self.engine.state.read(log)), {newest})
        self.assertEqual(self.read(self.a.v2(), *self.subscribe(self.b.v2(), "few")), [0, 1, 2])

    def test_strange_values(self) -> None:
        """What is no event in the engine is left out."""
        self.publish(self.a.v2(), "kept.t", 1)
        self.engine.state.append(LOG, b"nonsense", 100, 10_000)
        node = self.start("d")
        self.settle()
        self.assertEqual(self.all(node), [1])
