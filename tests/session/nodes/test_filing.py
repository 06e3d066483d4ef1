"""Which callees of other nodes are filed, whatever has been told in what order."""

from __future__ import annotations

from itertools import permutations

from twisted.trial.unittest import SynchronousTestCase

from orosync.backplane.messages import CalleeAdded
from orosync.backplane.nodes import Nodes
from orosync.model import Match, Principal
from orosync.session.nodes.calls import RealmCalls, RemoteCallee
from orosync.session.nodes.claims import Procedure
from orosync.session.nodes.filing import Filing, Offer
from orosync.testing import MemoryEngine
from tests.session.fixture import RealmFixture
from tests.session.nodes.joined_node import KEY

A = Procedure("a", Match.EXACT)

# (offers of other nodes as (node, policy, since, inside), the nodes whose callees are filed)
OFFERS: list[tuple[list[tuple[str, str, float, bool]], str]] = [
    ([("b", "single", 5.0, False)], "b"),
    ([("b", "single", 5.0, False), ("c", "single", 4.0, False)], "c"),
    ([("b", "single", 5.0, False), ("c", "single", 5.0, False)], "b"),
    ([("b", "roundrobin", 5.0, False), ("c", "roundrobin", 4.0, False)], "bc"),
    ([("b", "roundrobin", 5.0, False), ("c", "random", 4.0, False), ("d", "roundrobin", 6.0, False)], "c"),
    ([("b", "random", 3.0, False), ("c", "single", 4.0, False), ("d", "random", 6.0, False)], "bd"),
    ([("b", "single", 5.0, False), ("c", "single", 0.0, True)], "c"),
    ([("b", "single", 0.0, True), ("c", "single", 0.0, True)], "b"),
    ([("b", "single", 0.0, True), ("c", "single", 1.0, False)], "b"),
]


class FilingTests(SynchronousTestCase):
    def setUp(self) -> None:
        fixture = RealmFixture()
        nodes = Nodes(MemoryEngine(fixture.clock).adapter(), "a", KEY, fixture.clock, fixture.journal)
        self.dealer = fixture.realm.dealer
        self.calls = RealmCalls(fixture.realm_context, nodes)
        self.filing = Filing(fixture.realm_context)

    def offer(self, node: str, invoke: str, since: float, inside: bool) -> Offer:
        session = ord(node)
        callee = RemoteCallee(node, session, Principal("x", "y", "", ""), frozenset(), True, self.calls)
        told = CalleeAdded("oro", "a", "exact", invoke, session, "x", "y", [], since=since, inside=inside)
        return Offer(callee, told)

    def filed(self) -> str:
        registration = self.dealer.lookup("a")
        return "" if registration is None else "".join(sorted(chr(one.session) for one in registration.callees))

    def test_rule(self) -> None:
        """The same callees are filed in the end, in whatever order they were told."""
        for offers, expected in OFFERS:
            for told in permutations(offers):
                self.setUp()
                for one in told:
                    self.filing.add(self.offer(*one))
                    self.filing.file(A)
                self.assertEqual(self.filed(), expected, told)

    def test_one_goes(self) -> None:
        """When the one that stood in the way has gone, the others are filed."""
        offers = [self.offer(node, "single", since, False) for node, since in (("b", 1.0), ("c", 2.0))]
        for offer in offers:
            self.filing.add(offer)
        self.filing.file(A)
        self.filing.remove(offers[0])
        self.filing.file(A)
        self.assertEqual(self.filed(), "c")
        self.filing.remove(offers[1])
        self.assertEqual((self.filed(), list(self.filing)), ("", []))

    def test_superseded(self) -> None:
        """A callee whose end is known is not filed any more, however old its claim."""
        older, younger = self.offer("b", "single", 1.0, False), self.offer("c", "single", 2.0, False)
        for offer in (older, younger):
            self.filing.add(offer)
        older.superseded = True
        self.filing.file(A)
        self.assertEqual(self.filed(), "c")

    def test_own_first(self) -> None:
        """This node's own callees stay until they go themselves."""
        own = RealmFixture().v2().session.joined().member
        registration, _ = self.dealer.register(own, "a")
        self.filing.add(self.offer("b", "single", 1.0, False))
        self.filing.file(A)
        self.assertEqual(self.filing.here(A), [own])
        self.dealer.unregister(own, registration.id)
        self.filing.file(A)
        self.assertEqual(self.filed(), "b")
