"""WAMP's own procedures over three nodes: the same answers as if all clients were on one."""

from __future__ import annotations

from typing import Any

from orosync.session.local import LocalMember
from orosync.session.replies import MOST
from orosync.wamp import uris
from tests.session.fixture import JsonClient
from tests.session.nodes.calls_case import Node, NodesCase


class MetaCase(NodesCase):
    def setUp(self) -> None:
        super().setUp()
        self.asker = self.a.client()
        self.request = 0

    def meta(self, procedure: str, *args: Any, asker: JsonClient | None = None, **kwargs: Any) -> Any:
        """The only argument of the RESULT, or the URI of the ERROR."""
        asker = asker or self.asker
        self.request += 1
        (answer,) = self.ask(asker, [48, 100 + self.request, {}, procedure, list(args), kwargs])
        if answer[0] == 8:
            return answer[4]
        return answer[3][0] if len(answer) > 3 else None

    def ids(self, *clients: JsonClient) -> list[int]:
        return sorted(client.session_id for client in clients)

    def authid(self, node: Node, client: JsonClient) -> str:
        return node.realm.members[client.session_id].principal.authid


class Sessions(MetaCase):
    def test_list_and_count(self) -> None:
        """Those of all nodes, each once; roles filter them everywhere."""
        everybody = [self.asker, self.b.client(), self.b.client(), self.c.fixture.v1()]
        self.assertEqual(sorted(self.meta("wamp.session.list")), sorted(int(one.session_id) for one in everybody))
        self.assertEqual(self.meta("wamp.session.count"), 4)
        self.assertEqual(self.meta("wamp.session.count", ["guest"]), 3)
        self.assertEqual(self.meta("wamp.session.list", ["nobody"]), [])

    def test_get(self) -> None:
        """The node that has the session tells of it; an unknown one is unknown to all."""
        for node in self.all:
            client = node.client()
            details = self.meta("wamp.session.get", client.session_id)
            self.assertEqual(details["authid"], self.authid(node, client))
        self.assertEqual(self.meta("wamp.session.get", 1), uris.NO_SUCH_SESSION)

    def test_kill(self) -> None:
        """A session of another node ends with the reason it is given."""
        victim = self.b.client()
        self.assertEqual(self.meta("wamp.session.kill", victim.session_id, reason="com.app.bye", message="why"), None)
        self.assertEqual(victim.heard(), [[6, {"message": "why"}, "com.app.bye"]])
        self.assertEqual(list(self.b.realm.members), [])
        for known in (victim.session_id, self.asker.session_id):
            self.assertEqual(self.meta("wamp.session.kill", known), uris.NO_SUCH_SESSION)

    def test_kill_several(self) -> None:
        """By authid, by role, all: on all nodes, and not the caller."""
        victim, other = self.b.client(), self.c.client()
        self.assertEqual(self.meta("wamp.session.kill_by_authid", self.authid(self.b, victim)), self.ids(victim))
        self.assertEqual(self.meta("wamp.session.kill_by_authrole", "nobody"), 0)
        self.assertEqual((victim.heard()[0][0], other.heard()), (6, []))
        more = [node.client() for node in self.all]
        self.assertEqual(self.meta("wamp.session.kill_by_authrole", "guest"), 4)
        self.assertEqual([one.heard()[0][0] for one in (other, *more)], [6] * 4)
        more = [node.client() for node in self.all]
        self.assertEqual(self.meta("wamp.session.kill_all"), 3)
        self.assertEqual([one.heard()[0][0] for one in more], [6] * 3)
        self.assertEqual(self.meta("wamp.session.count"), 1)

    def test_wrong_arguments(self) -> None:
        """They are refused at once, and no other node is asked."""
        self.engine.part("a", "b")
        for procedure, args, error in (
            ("wamp.session.get", ["x"], uris.INVALID_ARGUMENT),
            ("wamp.session.count", [1], uris.INVALID_ARGUMENT),
            ("wamp.session.kill_by_authid", [], uris.INVALID_ARGUMENT),
        ):
            self.assertEqual(self.meta(procedure, *args), error)
        self.assertEqual(self.meta("wamp.session.kill", 1, reason="no uri"), uris.INVALID_URI)

    def test_found_here(self) -> None:
        """What this node has needs no other node."""
        self.engine.part("a", "b")
        self.assertEqual(self.meta("wamp.session.get", self.asker.session_id)["session"], self.asker.session_id)

    def test_silent_node(self) -> None:
        """A node that does not answer is left out after two seconds, and counted."""
        self.b.client()
        self.c.client()
        self.engine.part("a", "b")
        self.asker.say([48, 1, {}, "wamp.session.count"], [48, 2, {}, "wamp.session.count", ["x"]])
        self.settle(1)
        self.assertEqual([one[:3] for one in self.asker.heard()], [[8, 48, 2]])  # it holds up nothing
        self.settle(2)
        self.assertEqual(self.asker.heard(), [[50, 1, {}, [2]]])
        self.assertEqual(self.a.journal.counts["backplane.unanswered", "left_out"], 1)

    def test_node_alone(self) -> None:
        """Without other nodes the answer is there at once."""
        for node in (self.b, self.c):
            self.kill(node)
        self.assertEqual(self.asker.ask([48, 1, {}, "wamp.session.count"]), [[50, 1, {}, [1]]])

    def test_asker_leaves(self) -> None:
        """Who has left is not told."""
        self.asker.say([48, 1, {}, "wamp.session.count"])
        self.asker.session.closed(True, 1000, "")
        self.settle()
        self.assertEqual(self.a.realm_context.dispatcher.awaited, {})

    def test_too_many(self) -> None:
        """A client that waits for many answers gets no more of them for the moment."""
        self.engine.part("a", "b")
        heard = self.ask(self.asker, *([48, number, {}, "wamp.session.count"] for number in range(1, MOST + 2)))
        self.assertEqual([one[:5] for one in heard], [[8, 48, MOST + 1, {}, uris.UNAVAILABLE]])

    def test_v1(self) -> None:
        """A WAMP v1 client gets its answer, too."""
        asker = self.a.fixture.v1()
        self.assertEqual(self.ask(asker, [2, "x", "wamp.session.count"]), [[3, "x", 2]])

    def test_by_orosync(self) -> None:
        """orosync itself asks, and is not counted."""
        self.b.client()
        answer = LocalMember(self.a.realm_context).call("wamp.session.count")
        self.settle()
        self.assertEqual(self.successResultOf(answer), ([2], {}))


class Subscriptions(MetaCase):
    def subscribed(self, node: Node, topic: str, **options: Any) -> tuple[JsonClient, int]:
        client = node.client()
        (answer,) = self.ask(client, [32, 1, options, topic])
        return client, answer[2]

    def test_list(self) -> None:
        """Each once, whatever the number of nodes that have it."""
        _, here = self.subscribed(self.a, "here")
        self.assertEqual(self.subscribed(self.b, "here")[1], here)
        _, there = self.subscribed(self.b, "there")
        _, prefix = self.subscribed(self.c, "the", match="prefix")
        listed = self.meta("wamp.subscription.list")
        found = {match: sorted(ids) for match, ids in listed.items()}
        self.assertEqual(found, {"exact": sorted([here, there]), "prefix": [prefix], "wildcard": []})
        self.assertEqual(sorted(self.meta("wamp.subscription.match", "there")), sorted([there, prefix]))
        self.assertEqual(self.meta("wamp.subscription.match", "nothing"), None)
        self.assertEqual(self.meta("wamp.subscription.lookup", "there"), there)
        self.assertEqual(self.meta("wamp.subscription.lookup", "the", {"match": "prefix"}), prefix)
        self.assertEqual(self.meta("wamp.subscription.lookup", "nothing"), None)

    def test_subscribers(self) -> None:
        """Those of all nodes; a subscription of other nodes is found."""
        (one, number), (other, _), (third, _) = (self.subscribed(node, "here") for node in (self.b, self.b, self.c))
        self.assertEqual(sorted(self.meta("wamp.subscription.list_subscribers", number)), self.ids(one, other, third))
        self.assertEqual(self.meta("wamp.subscription.count_subscribers", number), 3)
        self.assertEqual(self.meta("wamp.subscription.get", number)["uri"], "here")
        for procedure in ("get", "list_subscribers", "count_subscribers"):
            self.assertEqual(self.meta(f"wamp.subscription.{procedure}", 99), uris.NO_SUCH_SUBSCRIPTION)

    def test_remove(self) -> None:
        """A subscriber of another node is removed there, and told."""
        self.subscribed(self.a, "here")
        client, number = self.subscribed(self.b, "here")
        self.assertEqual(self.meta("wamp.subscription.remove_subscriber", number, client.session_id), None)
        self.assertEqual(self.meta("wamp.subscription.count_subscribers", number), 1)
        again = self.meta("wamp.subscription.remove_subscriber", number, client.session_id)
        self.assertEqual(again, uris.NO_SUCH_SESSION)


class Registrations(MetaCase):
    def test_everywhere(self) -> None:
        """Each node tells of the registrations and callees of all, in the same words."""
        callees = [self.callee(node, invoke="roundrobin") for node in self.all]
        number = self.meta("wamp.registration.lookup", "a.procedure")
        for node in self.all:
            asker = node.client()
            self.assertEqual(self.meta("wamp.registration.match", "a.procedure", asker=asker), number)
            listed = self.meta("wamp.registration.list", asker=asker)
            self.assertEqual(listed, {"exact": [number], "prefix": [], "wildcard": []})
            found = self.meta("wamp.registration.list_callees", number, asker=asker)
            self.assertEqual(sorted(found), self.ids(*callees))
            self.assertEqual(self.meta("wamp.registration.count_callees", number, asker=asker), 3)
            details = self.meta("wamp.registration.get", number, asker=asker)
            self.assertEqual((details["uri"], details["invoke"]), ("a.procedure", "roundrobin"))

    def test_remove_callee(self) -> None:
        """A callee of another node is removed there, told, and gone everywhere."""
        callee = self.callee(self.b)
        number = self.meta("wamp.registration.lookup", "a.procedure")
        removed = self.meta("wamp.registration.remove_callee", number, callee.session_id, "com.app.why")
        self.assertEqual(removed, None)
        self.assertEqual(callee.heard(), [[67, 0, {"registration": number, "reason": "com.app.why"}]])
        self.assertEqual([list(node.dealer) for node in self.all], [[], [], []])
        again = self.meta("wamp.registration.remove_callee", number, callee.session_id)
        self.assertEqual(again, uris.NO_SUCH_REGISTRATION)

    def test_events(self) -> None:
        """Each node tells its own subscribers of what is registered anywhere, each event once."""
        topics = ("on_create", "on_register", "on_unregister", "on_delete")
        listeners = []
        for node in self.all:
            client = node.client()
            self.ask(client, *([32, place, {}, f"wamp.registration.{topic}"] for place, topic in enumerate(topics, 1)))
            listeners.append(client)
        callees = [self.callee(self.b, invoke="roundrobin"), self.callee(self.c, invoke="roundrobin")]
        number = self.meta("wamp.registration.lookup", "a.procedure")
        for callee in callees:
            callee.session.closed(True, 1000, "")
        self.settle()
        for client in listeners:
            events = [event[4] for event in client.heard()]
            created = events[0][1]
            self.assertEqual((created["id"], created["uri"]), (number, "a.procedure"))
            sessions = [callee.session_id for callee in callees]
            self.assertCountEqual(
                events[1:],
                [[one, number] for one in sessions] * 2 + [[events[-1][0], number]],
            )
            self.assertEqual(len(events), 6)
