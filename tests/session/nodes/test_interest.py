"""Which topics have subscribers on which node."""

from __future__ import annotations

from orosync.backplane.messages import Interest
from orosync.model import Match
from orosync.session.nodes.part import PORTION
from orosync.session.nodes.publications import MOST_UNWANTED
from orosync.wamp.meta_topics import ON_JOIN
from tests.session.nodes.shared_case import SharedCase, SharedNode


class InterestTests(SharedCase):
    def peers(self, node: SharedNode, topic: str) -> set[str]:
        return set(node.shared.interest.peers_of(topic))

    def test_first_and_last(self) -> None:
        """A topic is known elsewhere from its first subscriber to its last, whichever way they go."""
        one, other = self.b.v2(), self.b.v2()
        (number,) = self.subscribe(one, "a")
        self.subscribe(other, "a")
        self.assertEqual([self.peers(node, "a") for node in (self.a, self.b, self.c)], [{"b"}, set(), {"b"}])
        self.ask(one, [34, 5, number])
        self.assertEqual(self.peers(self.a, "a"), {"b"})
        other.session.closed(False, None, "")
        self.settle()
        self.assertEqual((self.peers(self.a, "a"), self.peers(self.c, "a")), (set(), set()))

    def test_patterns(self) -> None:
        """Patterns are known as such: a topic has the nodes of all that match it."""
        self.subscribe(self.b.v2(), "a.", match="prefix")
        self.subscribe(self.c.v2(), "a..c", match="wildcard")
        self.subscribe(self.c.v2(), "a.", match="prefix")
        self.subscribe(self.b.v2(), "x.y")
        for topic, expected in [("a.b.c", {"b", "c"}), ("a.b", {"b", "c"}), ("x.y", {"b"}), ("x.z", set())]:
            self.assertEqual(self.peers(self.a, topic), expected, topic)
        for client in list(self.c.fixture.context.sessions):
            client.closed(False, None, "")  # type: ignore[attr-defined]
        self.settle()
        self.assertEqual(self.peers(self.a, "a.b.c"), {"b"})

    def test_many(self) -> None:
        """One set of names stands for all topics that have the same nodes."""
        client = self.b.v2()
        self.subscribe(client, *[f"topic.{number}" for number in range(100)])
        index = self.a.shared.interest.index
        self.assertEqual(len({id(peers) for topic, peers in index.exact.items() if topic.startswith("topic.")}), 1)

    def test_snapshot(self) -> None:
        """A node that comes later learns everything, in messages that fit into the smallest batch; one that has gone is
        forgotten."""
        client = self.b.v2()
        topics = [f"{number}.{'x' * 900}" for number in range(100)]
        self.subscribe(client, *topics)
        messages = list(self.b.shared.interest.snapshot())
        sizes = [sum(len(uri) for _, uri in one.added) for one in messages if isinstance(one, Interest)]
        self.assertTrue(len(sizes) > 1 and max(sizes) < PORTION + 2000, sizes)
        late = self.start("d")
        self.settle()
        self.assertEqual(self.peers(late, topics[0]), {"b"})
        self.assertEqual(self.peers(late, topics[-1]), {"b"})
        self.engine.kill("b")
        self.settle(11)
        self.assertEqual(self.peers(late, topics[0]), {"b"}, "it is still waited for")
        self.settle(20)
        self.assertEqual(self.peers(late, topics[0]), set())
        self.assertFalse(late.shared.interest.index.exact.keys() & set(topics))

    def test_apart(self) -> None:
        """What a node that is apart had told holds until it has told everything anew: what has ended meanwhile is over
        then, what is new is known."""
        stays, goes = self.b.v2(), self.b.v2()
        self.subscribe(stays, "stays", "a.", match="prefix")
        self.subscribe(goes, "goes", "a.", match="prefix")
        self.engine.go_away("b")
        self.settle(12)
        self.assertEqual(self.a.nodes.peers.keys(), {"c"})
        self.subscribe(stays, "new")
        goes.session.closed(False, None, "")
        topics = ("stays", "goes", "a.b", "new")
        self.assertEqual([self.peers(self.a, topic) for topic in topics], [{"b"}, {"b"}, {"b"}, set()])
        self.engine.come_back("b")
        self.settle(3)
        self.assertEqual([self.peers(self.a, topic) for topic in topics], [{"b"}, set(), {"b"}, {"b"}])

    def test_histories(self) -> None:
        """What a node keeps a history of is wanted there, also while nobody is subscribed."""
        self.assertEqual(self.peers(self.a, "kept.topic"), {"b", "c"})

    def test_meta_topics(self) -> None:
        """Meta events are made while any node has a subscriber for them, by topic or pattern."""
        self.assertEqual(self.a.broker.meta_listeners, frozenset())
        client = self.b.v2()
        number, pattern = self.subscribe(client, ON_JOIN)[0], self.subscribe(client, "wamp.session.", match="prefix")[0]
        self.assertIn(ON_JOIN, self.a.broker.meta_listeners)
        self.assertEqual(len(self.a.broker.meta_listeners), 2)
        self.ask(client, [34, 5, pattern])
        self.assertEqual(self.a.broker.meta_listeners, frozenset([ON_JOIN]))
        self.ask(client, [34, 6, number])
        self.assertEqual(self.a.broker.meta_listeners, frozenset())

    def test_meta_topics_of_a_node_that_has_gone(self) -> None:
        """They are not made for it any more; own subscribers stay."""
        self.subscribe(self.b.v2(), ON_JOIN)
        self.subscribe(self.a.v2(), "wamp.subscription.on_create")
        self.engine.kill("b")
        self.settle(31)
        self.assertEqual(self.a.broker.meta_listeners, frozenset(["wamp.subscription.on_create"]))

    def test_subscribed(self) -> None:
        """Whether clients elsewhere have the same subscription; what every node keeps for itself does not tell."""
        self.subscribe(self.b.v2(), "a", "kept.")
        kept = self.a.broker.lookup("kept.", Match.PREFIX)
        mine = self.a.broker.find(self.subscribe(self.a.v2(), "a")[0])
        assert kept is not None and mine is not None
        self.assertTrue(self.a.shared.interest.subscribed(mine))
        self.assertFalse(self.a.shared.interest.subscribed(kept))

    def test_unwanted(self) -> None:
        """A topic that nobody wants elsewhere is asked about once, until that changes; what may have to be kept is
        asked about each time."""
        publisher, unwanted = self.a.v2(), self.a.shared.interest.unwanted
        for topic, match in [("com.a", "exact"), ("com.b", "prefix")]:
            self.publish(publisher, topic, 1)
            self.assertIn(topic, unwanted)
            receiver = self.b.v2()
            self.subscribe(receiver, topic, match=match)
            self.assertNotIn(topic, unwanted)
            self.publish(publisher, topic, 2)
            self.assertEqual(self.events(receiver), [2])
            receiver.session.closed(False, None, "")
            self.settle()
        for node in ("b", "c"):
            self.engine.kill(node)
        self.settle(31)
        self.publish(publisher, "kept.t", "for nobody", eligible=[])
        self.publish(publisher, "t", 3, retain=True)
        self.publish(publisher, "kept.t", 4)
        self.assertFalse({"kept.t", "t"} & unwanted)
        self.assertEqual(len(self.engine.state.read("history:oro:prefix:kept.")), 1)

    def test_many_unwanted(self) -> None:
        """Their number is bounded."""
        publisher = self.a.v2()
        for number in range(MOST_UNWANTED + 5):
            publisher.say([16, 1, {}, f"topic.{number}"])
        self.assertEqual(len(self.a.shared.interest.unwanted), 5)
