"""REGISTER where a realm is on several nodes: it waits for the engine, and is refused where another node has it."""

from __future__ import annotations

from typing import Any

from orosync.interfaces import Claim
from orosync.wamp import uris
from tests.session.fixture import JsonClient
from tests.session.nodes.calls_case import FEATURES, PLAIN, Node, NodesCase

TAKEN = uris.PROCEDURE_ALREADY_EXISTS
HOLDER = "oro exact a.procedure"


def errors(heard: list[Any]) -> list[str]:
    return [one[4] for one in heard if one[0] == 8]


class ClaimCase(NodesCase):
    def register(self, client: JsonClient, request: int = 1, **options: Any) -> str:
        """ "" if it is registered, else the error."""
        (answer,) = self.ask(client, [64, request, options, "a.procedure"])
        return "" if answer[0] == 65 else str(answer[4])

    def unregister(self, node: Node, client: JsonClient, request: int = 2) -> None:
        registration = node.dealer.lookup("a.procedure")
        assert registration is not None
        self.assertEqual(self.ask(client, [66, request, registration.id]), [[67, request]])

    def holders(self) -> list[str]:
        """The nodes that have the claim, as the engine knows."""
        return sorted(self.engine.state.holders(HOLDER))

    def callees(self) -> list[list[int]]:
        """The session ids of the callees, as each node knows them."""
        found = [node.dealer.lookup("a.procedure") for node in self.all]
        return [[] if one is None else sorted(callee.session for callee in one.callees) for one in found]


class Registering(ClaimCase):
    def test_waits(self) -> None:
        """REGISTERED comes when the engine has answered; what the client says meanwhile is handled afterwards."""
        client = self.a.client()
        client.say([64, 1, {}, "a.procedure"])
        self.assertEqual(client.heard(), [])
        self.assertTrue(client.link.paused)
        self.settle()
        self.assertFalse(client.link.paused)
        self.assertEqual([one[:2] for one in client.heard()], [[65, 1]])

    def test_policies(self) -> None:
        """(what a client of one node has, what a client of another asks for, the answer)."""
        for first, second, expected in (
            ("single", "single", TAKEN),
            ("single", "roundrobin", TAKEN),
            ("roundrobin", "single", TAKEN),
            ("roundrobin", "random", TAKEN),
            ("roundrobin", "roundrobin", ""),
            ("first", "first", ""),
            ("last", "last", ""),
            ("random", "random", ""),
        ):
            self.setUp()
            self.callee(self.a, invoke=first)
            self.assertEqual(self.register(self.b.client(), invoke=second), expected, (first, second))
            self.assertEqual(self.register(self.a.client(), invoke=second), expected, (first, second, "same node"))
            self.assertEqual(self.callees()[0], self.callees()[2])
            self.assertEqual(len(self.callees()[1]), 1 if expected else 3)

    def test_at_the_same_moment(self) -> None:
        """Of clients that ask for one procedure at once, on all nodes, one gets it."""
        clients = [node.client() for node in self.all for _ in range(2)]
        for client in clients:
            client.say([64, 1, {}, "a.procedure"])
        self.settle()
        answers = [client.heard()[0] for client in clients]
        self.assertEqual(sorted(one[0] for one in answers), [8] * 5 + [65])
        self.assertEqual({len(each) for each in self.callees()}, {1})

    def test_two_policies_at_the_same_moment(self) -> None:
        """Two clients of one node with different policies: the first one wins, and the claim says what it asked for."""
        first, second = self.a.client(), self.a.client()
        first.say([64, 1, {"invoke": "roundrobin"}, "a.procedure"])
        second.say([64, 1, {"invoke": "random"}, "a.procedure"])
        self.settle()
        self.assertEqual((first.heard()[0][0], errors(second.heard())), (65, [TAKEN]))
        self.assertEqual(self.register(self.b.client(), invoke="roundrobin"), "")

    def test_released(self) -> None:
        """The claim ends with the last callee of the node, however it goes."""
        for how in ("unregisters", "leaves", "dies"):
            self.setUp()
            one, other = (self.callee(self.a, invoke="roundrobin") for _ in range(2))
            self.callee(self.b, invoke="roundrobin")
            self.unregister(self.a, one)
            self.assertEqual(self.holders(), ["a", "b"])
            if how == "unregisters":
                self.unregister(self.a, other)
            elif how == "leaves":
                other.session.closed(True, 1000, "")
            else:
                self.kill(self.a)
            self.settle()
            self.assertEqual(self.holders(), ["b"], how)

    def test_client_leaves_meanwhile(self) -> None:
        """A client that leaves before the engine has answered gets nothing, and the claim is released."""
        client = self.a.client()
        client.say([64, 1, {}, "a.procedure"])
        client.session.closed(True, 1000, "")
        self.settle()
        self.assertEqual((client.heard(), self.holders(), self.callees()), ([], [], [[], [], []]))

    def test_refused_by_the_dealer(self) -> None:
        """What the node refuses by itself needs no engine, and leaves no claim."""
        client = self.a.client()
        self.engine.go_away()
        for options, procedure, error in (
            ({}, "wamp.procedure", uris.INVALID_URI),
            ({"invoke": "sometimes"}, "a.procedure", uris.INVALID_ARGUMENT),
            ({}, "a..procedure", uris.INVALID_URI),
        ):
            self.assertEqual(errors(self.ask(client, [64, 1, options, procedure])), [error])

    def test_second_of_a_node(self) -> None:
        """A node that has a shared claim asks nobody about one more callee."""
        self.callee(self.a, invoke="roundrobin")
        self.engine.go_away()
        self.assertEqual(self.register(self.a.client(), invoke="roundrobin"), "")

    def test_again_after_the_other(self) -> None:
        """A procedure goes from node to node as its callees go, at once."""
        for _ in range(3):
            for node in self.all:
                client = node.client()
                self.assertEqual(self.register(client), "")
                self.unregister(node, client)
                self.assertEqual(self.holders(), [])

    def test_news_overtaken(self) -> None:
        """The engine is faster than the news: a node that has been granted a procedure does not mind that it has still
        heard of an earlier callee."""
        client = self.callee(self.a)
        other = self.b.client()
        registration = self.a.dealer.lookup("a.procedure")
        assert registration is not None
        self.engine.part("a", "b")
        self.ask(client, [66, 2, registration.id])
        self.assertEqual(self.register(other), "")
        self.engine.mend("a", "b")
        self.settle(5)
        self.assertEqual(self.callees(), [[other.session_id]] * 3)


class EngineAway(ClaimCase):
    def test_refused(self) -> None:
        """A new procedure cannot be registered, and the client is told why; what is registered stays callable."""
        callee, caller = self.callee(self.a, "other.procedure"), self.a.client()
        self.engine.go_away()
        client = self.a.client()
        (answer,) = self.ask(client, [64, 1, {}, "a.procedure"])
        self.assertEqual(answer[:5], [8, 64, 1, {}, uris.UNAVAILABLE])
        self.assertIn("cannot reach what it shares with the others", answer[5][0])
        self.ask(caller, [48, 1, {}, "other.procedure"])
        self.assertEqual(len(callee.heard()), 1)
        self.engine.come_back()
        self.settle()
        self.assertEqual(self.register(client, 2), "")

    def test_hanging(self) -> None:
        """An engine that does not answer counts as away after a while; a late claim is released."""
        client = self.a.client()
        backplane: Any = self.a.nodes.backplane
        asked = backplane.claim
        backplane.claim = lambda *arguments: (asked(*arguments), type(asked(*arguments))())[1]
        client.say([64, 1, {}, "a.procedure"])
        self.settle(6)
        self.assertEqual(errors(client.heard()), [uris.UNAVAILABLE])
        self.assertEqual(self.holders(), [])

    def test_released_while_away(self) -> None:
        """A callee that goes while the engine is away for a moment: another node may register its procedure then."""
        callee = self.callee(self.a)
        self.engine.go_away()
        callee.session.closed(True, 1000, "")
        self.settle(2)
        self.engine.come_back()
        self.settle(2)
        self.assertEqual(self.holders(), [])
        self.assertEqual(self.register(self.b.client()), "")

    def test_claimed_anew(self) -> None:
        """An engine that has forgotten everything knows the claims again when it is back, as old as they were."""
        self.callee(self.a)
        before = self.a.callees.claims.since(next(iter(self.a.callees._own)))
        self.settle(3)
        self.engine.go_away()
        self.settle(2)
        self.engine.come_back(empty=True)
        self.settle(2)
        self.assertEqual(self.engine.state.claim("b", HOLDER, ""), Claim("a", before))
        self.assertEqual(self.register(self.b.client()), TAKEN)
        self.assertEqual({len(each) for each in self.callees()}, {1})


class Forced(ClaimCase):
    """force_reregister, from another node."""

    def test_taken_over(self) -> None:
        """The callees of all nodes lose the procedure, and those that announced revocation are told."""
        told, untold = self.callee(self.a, invoke="roundrobin"), self.callee(self.b, roles=PLAIN, invoke="roundrobin")
        taker = self.c.client()
        self.assertEqual(self.register(taker, force_reregister=True), "")
        self.settle(3)
        self.assertEqual(self.callees(), [[taker.session_id]] * 3)
        self.assertEqual(self.holders(), ["c"])
        ((kind, request, details),) = told.heard()
        self.assertEqual((kind, request, details["reason"]), (67, 0, uris.UNREGISTERED))
        self.assertEqual((untold.heard(), untold.link.ended), ([], None))
        self.assertIn(("registration.taken_over", "forced"), [note[:2] for note in self.a.journal.notes])

    def test_waiting_calls(self) -> None:
        """Calls that wait at another node go to the callee that has taken over."""
        callee, caller = self.callee(self.a, concurrency=1), self.a.client()
        self.ask(caller, [48, 1, {}, "a.procedure"], [48, 2, {}, "a.procedure"])
        taker = self.c.client()
        heard = self.ask(taker, [64, 1, {"force_reregister": True}, "a.procedure"])
        self.assertEqual([one[:2] for one in heard], [[65, 1], [68, 1]])
        taker.say([70, 1, {}])
        callee.say([70, 1, {}])
        self.settle()
        self.assertCountEqual(caller.heard(), [[50, 1, {}], [50, 2, {}]])

    def test_to_and_fro(self) -> None:
        """Each of several takers has it in the end if it was the last, and all nodes know."""
        for number in range(6):
            self.clock.advance(0.001)
            taker = self.all[number % 3].client()
            self.assertEqual(self.register(taker, force_reregister=True), "")
        self.settle(3)
        self.assertEqual(self.callees(), [[taker.session_id]] * 3)

    def test_at_the_same_moment(self) -> None:
        """Several take it over at once: all nodes agree who has it."""
        takers = [node.client() for node in self.all]
        for taker in takers:
            taker.say([64, 1, {"force_reregister": True}, "a.procedure"])
        self.settle(5)
        (first, *others) = self.callees()
        self.assertEqual(len(first), 1)
        self.assertEqual(others, [first, first])

    def test_by_the_older_claim(self) -> None:
        """A client of a node that has shared the procedure for longer takes it over like any other."""
        for node in self.all:
            self.callee(node, invoke="roundrobin")
            self.settle(1)
        taker = self.a.client()
        self.assertEqual(self.register(taker, force_reregister=True), "")
        self.settle(3)
        self.assertEqual((self.callees(), self.holders()), ([[taker.session_id]] * 3, ["a"]))

    def test_refused_while_away(self) -> None:
        """Without the engine nobody takes anything over, and what is registered stays so."""
        callees = [self.callee(node, invoke="roundrobin") for node in (self.a, self.b)]
        self.engine.go_away()
        self.assertEqual(self.register(self.a.client(), force_reregister=True), uris.UNAVAILABLE)
        self.engine.come_back()
        self.settle(3)
        self.assertEqual(self.callees(), [sorted(one.session_id for one in callees)] * 3)
        self.assertEqual(self.holders(), ["a", "b"])

    def test_ones_own(self) -> None:
        """A client that takes over what it has keeps it."""
        client = self.callee(self.a)
        self.assertEqual(self.register(client, 2, force_reregister=True), "")
        self.assertEqual(self.callees(), [[client.session_id]] * 3)
        self.assertEqual(client.heard(), [])


class Apart(ClaimCase):
    """A node that cannot reach the engine for longer than its lease: another one may claim what it has."""

    def part(self) -> None:
        self.engine.go_away("a")
        self.settle(11)

    def test_older_claim_wins(self) -> None:
        """When both are back, the one that claimed first keeps it; the other is told, or its session ends."""
        for roles, told in ((FEATURES, 67), (PLAIN, 6)):
            self.setUp()
            older = self.callee(self.a)
            self.part()
            younger = self.callee(self.b, roles=roles)
            self.assertEqual(self.callees(), [[older.session_id], [younger.session_id], [younger.session_id]])
            self.engine.come_back("a")
            self.settle(5)
            self.assertEqual(self.callees(), [[older.session_id]] * 3)
            self.assertEqual(self.holders(), ["a"])
            (heard,) = younger.heard()
            self.assertEqual((heard[0], heard[2] if told == 6 else heard[2]["reason"]), (told, TAKEN))
            self.assertEqual((older.heard(), older.link.ended), ([], None))
            self.assertIn(("registration.lost", "older_claim"), [note[:2] for note in self.b.journal.notes])

    def test_callable_all_the_time(self) -> None:
        """While they are apart each calls its own; afterwards there is one callee, and every call is answered."""
        older = self.callee(self.a)
        self.part()
        younger = self.callee(self.b)
        for node, callee in ((self.a, older), (self.b, younger), (self.c, younger)):
            self.ask(node.client(), [48, 1, {}, "a.procedure"])
            self.assertEqual(len(callee.heard()), 1, node.name)
        self.engine.come_back("a")
        self.settle(5)
        for node in self.all:
            self.ask(node.client(), [48, 1, {}, "a.procedure"])
            self.assertEqual(len([one for one in older.heard() if one[0] == 68]), 1, node.name)

    def test_shared(self) -> None:
        """What may have several callees has those of both sides afterwards."""
        one = self.callee(self.a, invoke="roundrobin")
        self.part()
        other = self.callee(self.b, invoke="roundrobin")
        self.engine.come_back("a")
        self.settle(5)
        self.assertEqual(self.callees(), [sorted([one.session_id, other.session_id])] * 3)

    def test_taken_over_by_force(self) -> None:
        """Who has taken a procedure over from a node that was apart keeps it, also in the engine."""
        older = self.callee(self.a)
        self.part()
        younger = self.callee(self.b, force_reregister=True)
        self.engine.come_back("a")
        self.settle(5)
        self.assertEqual(self.callees(), [[younger.session_id]] * 3)
        self.assertEqual((self.holders(), [one[0] for one in older.heard()], younger.heard()), (["b"], [67], []))
        self.unregister(self.b, younger)
        self.assertEqual((self.holders(), self.register(older, 2)), ([], ""))

    def test_nodes_that_cannot_hear_each_other(self) -> None:
        """Both reach the engine, their batches do not arrive: the engine still lets one of them have it."""
        self.engine.part("a", "b")
        self.settle(15)
        self.callee(self.a)
        self.assertEqual(self.register(self.b.client()), TAKEN)

    def test_engine_forgets_while_apart(self) -> None:
        """The engine has forgotten the claims, and the younger one is made anew first: still the older one wins."""
        older = self.callee(self.a)
        self.part()
        younger = self.callee(self.b)
        self.engine.go_away()
        self.settle(2)
        self.engine.come_back("b", "c", empty=True)
        self.settle(2)
        self.engine.come_back("a")
        self.settle(5)
        self.assertEqual(self.callees(), [[older.session_id]] * 3)
        self.assertEqual([one[0] for one in younger.heard()], [67])
        self.assertEqual(self.holders(), ["a"])


class RulesChange(ClaimCase):
    def test_meanwhile(self) -> None:
        """Rules that are replaced while the engine is asked have not allowed this: the client may ask again."""
        client = self.a.client()
        client.say([64, 1, {}, "a.procedure"])
        self.a.realm_context.chain.replace([self.a.fixture.authorizer])
        self.settle()
        self.assertEqual(errors(client.heard()), [uris.UNAVAILABLE])
        self.assertEqual((self.holders(), self.register(client, 2)), ([], ""))
