"""Calls between nodes: the caller is a client of one node, the callee of another."""

from __future__ import annotations

from typing import Any

from orosync.backplane.nodes import RESEND_BYTES, RINGS
from orosync.model import Decision, Verdict
from orosync.wamp import uris
from tests.session.fixture import JsonClient
from tests.session.nodes.calls_case import FEATURES, PLAIN, Node, NodesCase

MORE = {"progress": True}
CANCELED = "wamp.error.canceled"

# (features of the callee, mode, INTERRUPT or None, is the caller answered before the callee is)
CANCELLING: list[tuple[Any, str | None, str | None, bool]] = [
    (FEATURES, "skip", None, True),
    (FEATURES, "kill", "kill", False),
    (FEATURES, "killnowait", "killnowait", True),
    (FEATURES, None, "killnowait", True),
    (PLAIN, "skip", None, True),
    (PLAIN, "kill", None, True),
    (PLAIN, "killnowait", None, True),
    (PLAIN, None, None, True),
]


class Calls(NodesCase):
    def call(self, caller: JsonClient, callee: JsonClient, request: int = 1, **options: Any) -> int:
        """Have ``caller`` call; the id of the INVOCATION that ``callee`` alone has heard."""
        self.assertEqual(self.ask(caller, [48, request, options, "a.procedure", ["an argument"]]), [])
        ((kind, invocation, _, self.details, args),) = callee.heard()
        self.assertEqual((kind, args), (68, ["an argument"]))
        return int(invocation)

    def answer(self, callee: JsonClient, invocation: int, *answer: Any) -> None:
        callee.say([70, invocation, *(answer or ({},))])
        self.settle()

    def pairs(self) -> list[tuple[Node, Node]]:
        """(of the caller, of the callee), in both directions."""
        return [(self.a, self.b), (self.b, self.a), (self.c, self.b)]

    def test_answered(self) -> None:
        """Arguments, keywords and the answer arrive as they were; each session has its own ids."""
        for caller_node, callee_node in self.pairs():
            callee, caller = self.callee(callee_node), caller_node.client()
            for request in (1, 2):
                self.ask(caller, [48, request, {}, "a.procedure", [1], {"x": "ü"}])
                ((kind, invocation, _, details, args, kwargs),) = callee.heard()
                self.assertEqual((kind, invocation, details), (68, request, {}))
                self.assertEqual((args, kwargs), ([1], {"x": "ü"}))
                self.answer(callee, invocation, {}, ["done"], {"y": None})
                self.assertEqual(caller.heard(), [[50, request, {}, ["done"], {"y": None}]])
            self.ask(callee, [66, 2, self.ask_registration(callee_node)])

    def ask_registration(self, node: Node) -> int:
        found = node.dealer.lookup("a.procedure")
        assert found is not None
        return found.id

    def test_same_id_everywhere(self) -> None:
        """The registration has one id on all nodes, and a pattern is a registration of its own."""
        self.callee(self.b)
        self.callee(self.a, "a.procedure", match="prefix")
        self.assertEqual(len({self.ask_registration(node) for node in self.all}), 1)
        self.assertEqual([len(list(node.dealer)) for node in self.all], [2, 2, 2])

    def test_failed(self) -> None:
        """An ERROR of the callee is the caller's."""
        callee, caller = self.callee(self.b), self.a.client()
        callee.say([8, 68, self.call(caller, callee), {}, "com.app.error", ["why"], {"k": 1}])
        self.settle()
        self.assertEqual(caller.heard(), [[8, 48, 1, {}, "com.app.error", ["why"], {"k": 1}]])

    def test_progressive_results(self) -> None:
        """They come in order, and end with the last."""
        callee, caller = self.callee(self.b), self.a.client()
        invocation = self.call(caller, callee, receive_progress=True)
        self.assertEqual(self.details, {"receive_progress": True})
        callee.say(*([70, invocation, MORE, [number]] for number in range(20)), [70, invocation, {}, ["end"]])
        self.settle()
        heard = caller.heard()
        self.assertEqual(heard, [*([50, 1, MORE, [number]] for number in range(20)), [50, 1, {}, ["end"]]])

    def test_parts(self) -> None:
        """Progressive call invocations: all parts go to one callee, whoever's turn it is; late ones nowhere."""
        callees = [self.callee(node, invoke="roundrobin") for node in (self.b, self.c)]
        caller = self.a.client()
        self.ask(caller, *([48, 1, MORE, "a.procedure", [number]] for number in range(3)))
        (callee,) = [one for one in callees if [part[4] for part in one.heard()] == [[0], [1], [2]]]
        self.ask(caller, [48, 1, {}, "a.procedure", ["end"]])
        self.assertEqual([one[3:] for one in callee.heard()], [[{}, ["end"]]])
        self.answer(callee, 1)
        self.assertEqual(caller.heard(), [[50, 1, {}]])
        self.ask(caller, [48, 2, MORE, "a.procedure"])
        other = next(one for one in callees if one is not callee)
        other.heard()
        other.say([8, 68, 1, {}, "com.app.error"])
        caller.say([48, 2, MORE, "a.procedure"])  # on its way while the answer is
        self.settle()
        self.assertEqual(caller.heard(), [[8, 48, 2, {}, "com.app.error"]])
        self.assertEqual(other.heard() + self.ask(caller, [48, 2, {}, "a.procedure"]) + other.heard(), [])

    def test_cancelling(self) -> None:
        """Each mode does what it does on one node."""
        for roles, mode, interrupt, at_once in CANCELLING:
            self.setUp()
            callee, caller = self.callee(self.b, roles=roles), self.a.client()
            invocation = self.call(caller, callee)
            heard = self.ask(caller, [49, 1, {} if mode is None else {"mode": mode}])
            self.assertEqual([one[4] for one in heard], [CANCELED] * at_once, (mode, at_once))
            told = callee.heard()
            self.assertEqual(told, [] if interrupt is None else [[69, invocation, {"mode": interrupt}]])
            self.answer(callee, invocation)
            self.assertEqual(caller.heard(), [] if at_once else [[50, 1, {}]])

    def test_time_limit(self) -> None:
        """The caller's node keeps it; a callee that keeps it itself is told."""
        for forward in (False, True):
            self.setUp()
            callee, caller = self.callee(self.b, forward_timeout=forward, invoke="single"), self.a.client()
            self.call(caller, callee, timeout=300)
            self.assertEqual(self.details, {"timeout": 300} if forward else {})
            self.settle(1)
            # It has announced call_reroute: should it give the call back, its caller's node has to know the limit.
            self.assertEqual([one[4] for one in caller.heard()], [] if forward else [uris.TIMEOUT])
            self.assertEqual([one[0] for one in callee.heard()], [] if forward else [69])

    def test_rerouted(self) -> None:
        """A callee that is not available: another one gets the call, on whatever node; when none is left, an ERROR."""
        callees = [self.callee(node, invoke="roundrobin") for node in (self.a, self.b, self.c)]
        caller = self.a.client()
        self.ask(caller, [48, 1, {}, "a.procedure", ["kept"]])
        asked = []
        for _ in callees:
            (callee,) = [one for one in callees if (heard := one.heard()) and heard[0][4] == ["kept"]]
            asked.append(callee)
            callee.say([8, 68, 1, {}, uris.UNAVAILABLE])
            self.settle()
        self.assertCountEqual(asked, callees)
        self.assertEqual([one[4] for one in caller.heard()], [uris.NO_AVAILABLE_CALLEE])

    def test_disclosed(self) -> None:
        """Who calls is told as the caller's node says: to callees that want it, and where the rules or the call do."""
        for how in ("callee", "caller", "rules", "nobody"):
            self.setUp()
            callee, caller = self.callee(self.b, disclose_caller=how == "callee"), self.a.client()
            if how == "rules":
                self.a.fixture.authorizer.default = Decision(Verdict.ALLOW, "a rule", disclose=True)
            self.call(caller, callee, **({"disclose_me": True} if how == "caller" else {}))
            self.assertEqual(self.details.get("caller"), None if how == "nobody" else caller.session_id, how)

    def test_pattern(self) -> None:
        """A callee of a pattern is told the procedure."""
        callee = self.callee(self.b, "a.", match="prefix")
        self.call(self.a.client(), callee)
        self.assertEqual(self.details, {"procedure": "a.procedure"})

    def test_own_before_claimed_pattern(self) -> None:
        """The best match counts, on whatever node its callee is."""
        pattern, exact = self.callee(self.a, "a.", match="prefix"), self.callee(self.b)
        self.call(self.a.client(), exact)
        self.assertEqual(pattern.heard(), [])

    def test_sealed(self) -> None:
        """A payload that only the callee can read passes through two nodes; a callee that cannot is not asked."""
        sealing = {role: {"features": {"payload_passthru_mode": True}} for role in ("caller", "callee")}
        sealed = {"ppt_scheme": "x_my_scheme", "ppt_serializer": "cbor"}
        callee, caller = self.callee(self.b, roles=sealing), self.a.client(sealing)
        self.ask(caller, [48, 1, sealed, "a.procedure", ["\0c2VjcmV0"]])
        ((_, invocation, _, details, args),) = callee.heard()
        self.assertEqual((details, args), (sealed, ["\0c2VjcmV0"]))
        self.answer(callee, invocation, sealed, ["\0YW5zd2Vy"])
        self.assertEqual(caller.heard(), [[50, 1, sealed, ["\0YW5zd2Vy"]]])
        self.callee(self.b, "plain.procedure")
        heard = self.ask(caller, [48, 2, sealed, "plain.procedure", ["\0c2VjcmV0"]])
        self.assertEqual(heard[0][4], uris.FEATURE_NOT_SUPPORTED)

    def test_sealed_answer_for_who_cannot_read_it(self) -> None:
        """The caller's node knows that it has not announced that."""
        sealing = {"callee": {"features": {"payload_passthru_mode": True}}}
        callee, caller = self.callee(self.b, roles=sealing), self.a.client()
        self.answer(callee, self.call(caller, callee), {"ppt_scheme": "x_my_scheme"}, ["\0YW5zd2Vy"])
        self.assertEqual([one[:5] for one in caller.heard()], [[8, 48, 1, {}, uris.FEATURE_NOT_SUPPORTED]])

    def test_v1_caller(self) -> None:
        """A WAMP v1 client calls what is registered elsewhere."""
        callee, caller = self.callee(self.b), self.a.fixture.v1()
        self.ask(caller, [2, "call-7", "a.procedure", "one"])
        ((_, invocation, _, _, args),) = callee.heard()
        self.assertEqual(args, ["one"])
        self.answer(callee, invocation, {}, ["done"])
        self.assertEqual(caller.heard(), [[3, "call-7", "done"]])

    def test_own_limit_of_each_caller(self) -> None:
        """A caller that has too many calls in progress is refused; another client of its node is not."""
        self.callee(self.b)
        node = Node(self.engine, "d", self.clock, call_limit=2)
        self.settle()
        other, caller = node.client(), node.client()
        self.assertEqual(self.ask(other, *([48, request, {}, "a.procedure"] for request in (1, 2))), [])
        heard = self.ask(caller, *([48, request, {}, "a.procedure"] for request in (1, 2, 3)))
        self.assertEqual([one[:5] for one in heard], [[8, 48, 3, {}, uris.UNAVAILABLE]])

    def test_too_large(self) -> None:
        """What is too large for other nodes costs its call an ERROR, and no other; so does an answer."""
        callee, caller = self.callee(self.b), self.a.client()
        large = "x" * (RESEND_BYTES // RINGS)
        heard = self.ask(caller, [48, 1, {}, "a.procedure", [large]])
        self.assertEqual([one[:5] for one in heard], [[8, 48, 1, {}, uris.PAYLOAD_SIZE_EXCEEDED]])
        self.answer(callee, self.call(caller, callee, 2), {}, [large])
        self.assertEqual([one[:5] for one in caller.heard()], [[8, 48, 2, {}, uris.PAYLOAD_SIZE_EXCEEDED]])
        invocation = self.call(caller, callee, 3, receive_progress=True)
        self.answer(callee, invocation, MORE, [large])
        self.assertEqual([one[:5] for one in caller.heard()], [[8, 48, 3, {}, uris.PAYLOAD_SIZE_EXCEEDED]])
        self.assertEqual(callee.heard(), [[69, invocation, {"mode": "killnowait"}]])
        self.answer(callee, invocation)
        self.answer(callee, self.call(caller, callee, 4))
        self.assertEqual(caller.heard(), [[50, 4, {}]])

    def test_nothing_is_left(self) -> None:
        """Calls that are over are forgotten at both nodes, however they ended."""
        callee, caller = self.callee(self.b), self.a.client()
        self.answer(callee, self.call(caller, callee, 1))
        caller.heard()
        self.ask(callee, [8, 68, self.call(caller, callee, 2), {}, "com.app.error"])
        caller.heard()
        for request, mode in ((3, "skip"), (4, "killnowait"), (5, "kill")):
            invocation = self.call(caller, callee, request)
            self.ask(caller, [49, request, {"mode": mode}])
            if mode == "kill":
                self.answer(callee, invocation)
            callee.heard()
            caller.heard()
        self.settle()
        for node in self.all:
            self.assertEqual(len(node.dealer.pending), 0)
            self.assertFalse(any(node.calls._made.values()))


class Ends(NodesCase):
    """Who goes while a call is in progress."""

    def start(self, roles: Any = FEATURES, **options: Any) -> tuple[JsonClient, JsonClient]:
        callee, caller = self.callee(self.b, roles=roles, **options), self.a.client()
        self.ask(caller, [48, 1, {}, "a.procedure"])
        self.assertEqual(len(callee.heard()), 1)
        return callee, caller

    def test_callee_leaves(self) -> None:
        """Its callers are answered, once; the procedure is unknown from then on."""
        callee, caller = self.start()
        callee.session.closed(True, 1000, "")
        self.settle()
        self.assertEqual([one[:5] for one in caller.heard()], [[8, 48, 1, {}, CANCELED]])
        self.assertEqual(self.ask(caller, [48, 2, {}, "a.procedure"])[0][4], uris.NO_SUCH_PROCEDURE)

    def test_callee_unregisters(self) -> None:
        """The calls that it works on go on."""
        callee, caller = self.start()
        registration = self.b.dealer.lookup("a.procedure")
        assert registration is not None
        self.ask(callee, [66, 2, registration.id])
        self.assertEqual(self.ask(caller, [48, 2, {}, "a.procedure"])[0][4], uris.NO_SUCH_PROCEDURE)
        callee.say([70, 1, {}])
        self.settle()
        self.assertEqual(caller.heard(), [[50, 1, {}]])

    def test_caller_leaves(self) -> None:
        """The callee is interrupted if it announced that; its answer goes nowhere."""
        for roles, interrupted in ((FEATURES, [[69, 1, {"mode": "killnowait"}]]), (PLAIN, [])):
            self.setUp()
            callee, caller = self.start(roles)
            caller.session.closed(True, 1000, "")
            self.settle()
            self.assertEqual(callee.heard(), interrupted)
            self.assertEqual(self.ask(callee, [70, 1, {}]), [])
            self.assertEqual(len(self.b.dealer.pending), 0)

    def test_node_of_the_callee_dies(self) -> None:
        """Its callers are answered, its callees are forgotten, and another client may register the procedure."""
        _, caller = self.start()
        self.kill(self.b)
        self.assertEqual([one[:5] for one in caller.heard()], [[8, 48, 1, {}, CANCELED]])
        self.assertEqual(self.ask(caller, [48, 2, {}, "a.procedure"])[0][4], uris.NO_SUCH_PROCEDURE)
        callee = self.callee(self.c)
        self.ask(caller, [48, 3, {}, "a.procedure"])
        self.assertEqual(len(callee.heard()), 1)

    def test_node_of_the_caller_dies(self) -> None:
        """Its calls are interrupted and forgotten."""
        callee, _ = self.start()
        self.kill(self.a)
        self.assertEqual(callee.heard(), [[69, 1, {"mode": "killnowait"}]])
        self.assertEqual(len(self.b.dealer.pending), 0)
        self.assertEqual(self.ask(callee, [70, 1, {}]), [])

    def test_node_comes_again(self) -> None:
        """A node that begins anew under the same name has no callees of its earlier life."""
        _, caller = self.start()
        self.engine.kill("b")
        again = Node(self.engine, "b", self.clock)
        self.settle(11)
        again = Node(self.engine, "b", self.clock) if not again.nodes.available else again
        self.settle(1)
        self.assertEqual([one[4] for one in caller.heard()], [CANCELED])
        callee = self.callee(again)
        self.ask(caller, [48, 2, {}, "a.procedure"])
        self.assertEqual([one[:2] for one in callee.heard()], [[68, 1]])

    def test_apart(self) -> None:
        """While a node is taken for gone, the calls between it and others end for both, and none is answered twice; it
        need not have noticed anything. What calls it made meanwhile end when it is back."""
        for lost in ("a", "b", ""):  # the sender whose batches are lost, or both
            self.setUp()
            callee, caller = self.start()
            self.engine.spoil = lambda sender, receiver, batch, lost=lost: (  # type: ignore[misc]
                [] if lost in (sender, "") and "c" not in (sender, receiver) else [batch]
            )
            self.settle(14)
            self.engine.spoil = None
            self.settle(3)
            self.assertEqual([(one[2], one[4]) for one in caller.heard()], [(1, CANCELED)], lost)
            self.assertEqual([(one[0], one[1]) for one in callee.heard()], [(69, 1)], lost)
            self.assertEqual([len(node.dealer.pending) for node in self.all], [0, 0, 0], lost)
            callee.say([8, 68, 1, {}, CANCELED])
            self.ask(caller, [48, 2, {}, "a.procedure"])
            ((kind, invocation, *_),) = callee.heard()
            self.assertEqual(self.ask(callee, [70, invocation, {}]), [])
            self.assertEqual((kind, caller.heard()), (68, [[50, 2, {}]]), lost)

    def test_gap(self) -> None:
        """What a node missed beyond what is kept is answered once: calls that never came, and answers."""
        for lost, answered in (("a", (1, 50)), ("b", (1, 8))):  # ``lost``: the sender whose batches are lost
            self.setUp()
            callee, caller = self.start()
            self.engine.spoil = lambda sender, receiver, batch, lost=lost: [] if sender == lost else [batch]  # type: ignore[misc]
            self.ask(caller, [48, 2, {}, "a.procedure"])
            callee.say([70, 1, {}])
            self.settle(40)
            self.engine.spoil = None
            self.settle(10)
            heard = caller.heard()
            told = sorted((one[2], 8) if one[0] == 8 else (one[1], one[0]) for one in heard)
            self.assertEqual(told, [answered, (2, 8)], lost)
            self.settle(5)
            callee.heard()
            self.ask(caller, [48, 3, {}, "a.procedure"])
            ((kind, invocation, *_),) = callee.heard()
            self.assertEqual(kind, 68)
            callee.say([70, invocation, {}])
            self.settle()
            self.assertEqual(caller.heard(), [[50, 3, {}]])


class Shared(NodesCase):
    """Several callees of one procedure, on several nodes."""

    def calls(self, callees: list[JsonClient], caller: JsonClient, count: int) -> list[int]:
        """The places of the callees that got ``count`` calls, one after the other."""
        got = []
        for _ in range(count):
            self.request = getattr(self, "request", 0) + 1
            self.assertEqual(self.ask(caller, [48, self.request, {}, "a.procedure"]), [])
            ((place, heard),) = [(place, one.heard()) for place, one in enumerate(callees) if one.link.pushed]
            got.append(place)
            callees[place].say([70, heard[0][1], {}])
            self.settle()
            self.assertEqual(caller.heard(), [[50, self.request, {}]])
        return got

    def test_policies(self) -> None:
        """``first`` and ``last`` mean the same callee on all nodes, ``roundrobin`` takes turns at each."""
        for invoke, expected in (("first", [0, 0]), ("last", [2, 2])):
            self.setUp()
            callees = [self.callee_later(node, invoke) for node in (self.b, self.c, self.a)]
            for node in self.all:
                self.assertEqual(self.calls(callees, node.client(), 2), expected, (invoke, node.name))
        self.setUp()
        callees = [self.callee_later(node, "roundrobin") for node in (self.b, self.c, self.a)]
        for node in self.all:
            turns = self.calls(callees, node.client(), 6)
            self.assertEqual((sorted(turns[:3]), turns[3:]), ([0, 1, 2], turns[:3]), node.name)
        self.setUp()
        callees = [self.callee_later(node, "random") for node in (self.b, self.c, self.a)]
        self.assertEqual(set(self.calls(callees, self.a.client(), 60)), {0, 1, 2})

    def callee_later(self, node: Node, invoke: str, **options: Any) -> JsonClient:
        self.clock.advance(1)
        return self.callee(node, invoke=invoke, **options)

    def test_same_order_for_who_comes_later(self) -> None:
        """A node that learns of all callees at once has them in the order in which they registered."""
        callees = [self.callee_later(node, "first") for node in (self.c, self.a, self.b)]
        newcomer = Node(self.engine, "d", self.clock)
        self.settle(1)
        self.assertEqual(self.calls(callees, newcomer.client(), 1), [0])

    def test_concurrency(self) -> None:
        """A callee never has more calls at once than it takes, whatever nodes they come from; the others wait, and none
        is lost."""
        callee = self.callee(self.b, invoke="roundrobin", concurrency=1)
        callers = [node.client() for node in self.all for _ in range(2)]
        for caller in callers:
            self.ask(caller, [48, 1, {}, "a.procedure"])
        for _ in callers:
            ((kind, invocation, *_rest),) = callee.heard()
            self.assertEqual(kind, 68)
            callee.say([70, invocation, {}])
            self.settle()
        self.assertEqual([caller.heard() for caller in callers], [[[50, 1, {}]]] * 6)
        self.assertEqual(callee.heard(), [])

    def test_cancelled_in_the_queue_of_another_node(self) -> None:
        """A call that waits at the callee's node and is ended by its caller is not made."""
        for mode in ("skip", "kill", "killnowait"):
            self.setUp()
            callee = self.callee(self.b, invoke="roundrobin", concurrency=1)
            first, second = self.a.client(), self.c.client()
            self.ask(first, [48, 1, {}, "a.procedure"])
            self.ask(second, [48, 1, {}, "a.procedure"])
            self.assertEqual([one[4] for one in self.ask(second, [49, 1, {"mode": mode}])], [CANCELED], mode)
            callee.heard()
            self.ask(callee, [70, 1, {}])
            self.assertEqual((callee.heard(), first.heard()), ([], [[50, 1, {}]]))

    def test_waiting_when_the_callee_goes(self) -> None:
        """A call that waits for a callee of another node goes on to the next callee when that one goes."""
        callee = self.callee(self.b, invoke="first", concurrency=1)
        first, second = self.a.client(), self.c.client()
        self.ask(first, [48, 1, {}, "a.procedure"])
        self.ask(second, [48, 1, {}, "a.procedure"])
        substitute = self.callee_later(self.a, "first")
        registration = self.b.dealer.lookup("a.procedure")
        assert registration is not None
        self.ask(callee, [66, 2, registration.id])
        self.assertEqual([one[0] for one in substitute.heard()], [68])
        substitute.say([70, 1, {}])
        self.settle()
        self.assertEqual((first.heard(), second.heard()), ([], [[50, 1, {}]]))
