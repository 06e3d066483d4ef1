"""Who is a callee on which node: clients, components of the router's process, orosync itself."""

from __future__ import annotations

import time
from typing import Any

from orosync.errors import RequestError
from orosync.model import Match
from orosync.session.local import LocalMember, LocalSession
from orosync.testing import principal
from orosync.wamp import uris
from orosync.wamp.messages import Invocation, Yield
from tests.session.fixture import JsonClient
from tests.session.nodes.calls_case import Node, NodesCase


class CalleeCase(NodesCase):
    def component(self, node: Node, **options: Any) -> JsonClient:
        """A component of ``node``'s process that has registered a.procedure."""
        node.fixture.context.inside = True
        client = node.client()
        (answer,) = client.ask([64, 1, options, "a.procedure"])  # it does not wait
        node.fixture.context.inside = False
        self.assertEqual(answer[0], 65)
        self.settle()
        return client

    def called(self, node: Node, *callees: JsonClient) -> list[int]:
        """Which of ``callees`` gets a call of a client of ``node``."""
        answers = self.ask(node.client(), [48, 1, {}, "a.procedure"])
        self.assertEqual(answers, [])
        return [place for place, one in enumerate(callees) if [each for each in one.heard() if each[0] == 68]]


class Told(CalleeCase):
    def test_newcomer(self) -> None:
        """A node that joins later knows all callees, with what they registered for."""
        self.callee(self.a, "a.", match="prefix", invoke="first", concurrency=3, disclose_caller=True)
        newcomer = Node(self.engine, "d", self.clock)
        self.settle(1)
        registration = newcomer.dealer.lookup("a.", Match.PREFIX)
        assert registration is not None and registration.capacity is not None
        ((callee,), capacity) = registration.callees, registration.capacity
        self.assertEqual((registration.invoke.value, registration.wants_caller), ("first", {callee.session}))
        self.assertEqual([slots.limit for slots in capacity._slots.values()], [3])
        self.assertIn("callee.call_reroute", callee.features)

    def test_nothing_is_left(self) -> None:
        """Of callees that have gone, and of a node that has gone, nothing is kept."""
        self.callee(self.a).session.closed(True, 1000, "")
        self.callee(self.b)
        self.settle()
        self.kill(self.b)
        for node in (self.a, self.c):
            self.assertEqual(list(node.dealer), [])
            self.assertEqual([dict(node.callees._filing._offers), node.callees._own], [{}, {}])
        self.assertEqual([bool(one) for one in self.c.callees._callees.values()], [False])

    def test_many(self) -> None:
        """A thousand callees of one procedure are told to a node that joins in a moment."""
        clients = [self.a.client() for _ in range(1000)]
        for client in clients:
            client.say([64, 1, {"invoke": "roundrobin"}, "a.procedure"])
        self.settle()
        began = time.process_time()
        newcomer = Node(self.engine, "d", self.clock)
        self.settle(1)
        registration = newcomer.dealer.lookup("a.procedure")
        assert registration is not None
        self.assertEqual(len(registration.callees), 1000)
        self.assertLess(time.process_time() - began, 2.0)

    def test_not_without_a_client(self) -> None:
        """What orosync registers for its own purposes is each node's own: others are not told."""
        for node in (self.a, self.b):
            LocalMember(node.realm_context).register("orosync.procedure", list)
        self.settle()
        self.assertEqual(self.ask(self.c.client(), [48, 1, {}, "orosync.procedure"])[0][4], uris.NO_SUCH_PROCEDURE)
        self.assertEqual(self.ask(self.a.client(), [48, 1, {}, "orosync.procedure"]), [[50, 1, {}, []]])

    def test_called_by_orosync(self) -> None:
        """orosync itself calls callees of other nodes; it can choose them by their role."""
        callee, caller = self.callee(self.b), LocalMember(self.a.realm_context)
        role = self.b.realm.members[callee.session_id].principal.authrole
        self.failureResultOf(caller.call("a.procedure", callee_roles=["another"]))
        answer = caller.call("a.procedure", callee_roles=[role])
        self.settle()
        callee.say([70, callee.heard()[0][1], {}, ["done"]])
        self.settle()
        self.assertEqual(self.successResultOf(answer), (["done"], {}))


class Inside(CalleeCase):
    """Components that run in the process of each node."""

    def test_each_node_its_own(self) -> None:
        """A component of the caller's node answers; where there is none, one of another node does."""
        first, second = self.component(self.a), self.component(self.b)
        self.assertEqual([self.called(node, first, second) for node in self.all], [[0], [1], [0]])

    def test_stands_in(self) -> None:
        """A component that has ended is replaced by another node's until it is there again."""
        first, second = self.component(self.a), self.component(self.b)
        first.session.closed(True, 1000, "")
        self.settle()
        self.assertEqual([self.called(node, second) for node in self.all], [[0], [0], [0]])
        again = self.component(self.a)
        self.assertEqual([self.called(node, again, second) for node in self.all], [[0], [1], [0]])

    def test_without_the_engine(self) -> None:
        """It needs no claim."""
        self.engine.go_away()
        self.component(self.a)

    def test_not_taken_over(self) -> None:
        """No client of any node has its procedure."""
        for invoke in ("single", "roundrobin"):
            self.setUp()
            self.component(self.a, invoke=invoke)
            for node in self.all:
                client = node.client()
                for request, options in ((1, {}), (2, {"force_reregister": True, "invoke": invoke})):
                    (answer,) = self.ask(client, [64, request, options, "a.procedure"])
                    self.assertEqual(answer[4], uris.PROCEDURE_ALREADY_EXISTS, (node.name, options))

    def test_comes_after_a_client(self) -> None:
        """A client of another node that has the procedure loses it when a component registers it."""
        client = self.callee(self.b)
        component = self.component(self.a)
        self.settle(3)
        self.assertEqual([one[0] for one in client.heard()], [67])
        self.assertEqual([self.called(node, component) for node in self.all], [[0], [0], [0]])

    def test_shared_with_clients(self) -> None:
        """Where it shares the procedure, clients of all nodes share it with it."""
        component, client = self.component(self.a, invoke="roundrobin"), self.callee(self.b, invoke="roundrobin")
        for node in self.all:
            turns = self.called(node, component, client) + self.called(node, component, client)
            self.assertEqual(sorted(turns), [0, 1], node.name)


class Links(CalleeCase):
    """Sessions of orosync's own, such as an uplink's."""

    def join(self, node: Node) -> LocalSession:
        who = principal("link", authrole="uplink", authmethod="uplink", authprovider="uplink")
        told: list[Any] = []

        def receive(message: Any, payload: Any, topic: str) -> None:
            told.append(message)
            if isinstance(message, Invocation):
                session.send(Yield(message.request, {}), payload)

        session = LocalSession(node.realm_context, who, frozenset(), receive)
        return session

    def test_serves_all_nodes(self) -> None:
        """What one node's uplink serves is called from all; it is not shown as a session."""
        session = self.join(self.a)
        session.register("remote.", Match.PREFIX)
        self.settle()
        for node in self.all:
            answer = self.ask(node.client(), [48, 1, {}, "remote.procedure", ["x"]])
            self.assertEqual(answer, [[50, 1, {}, ["x"]]])
            registration = node.dealer.lookup("remote.", Match.PREFIX)
            assert registration is not None
            count = self.ask(node.client(), [48, 1, {}, "wamp.registration.count_callees", [registration.id]])
            self.assertEqual(count, [[50, 1, {}, [0]]])

    def test_each_node_its_own(self) -> None:
        """Where each node has the uplink, each uses its own."""
        for node in self.all:
            self.join(node).register("remote.", Match.PREFIX)
        self.settle()
        for node in self.all:
            registration = node.dealer.lookup("remote.", Match.PREFIX)
            assert registration is not None
            self.assertEqual([callee.elsewhere for callee in registration.callees], [False])

    def test_taken(self) -> None:
        """A procedure that a client of the same node has is refused, as on one node."""
        self.callee(self.a)
        self.assertRaises(RequestError, self.join(self.a).register, "a.procedure", Match.EXACT)
