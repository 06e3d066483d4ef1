"""Calls between nodes that one Redis joins, each a process of its own, with clients that are told what to say."""

from __future__ import annotations

import time
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from tests.product.node_cluster import shared
from tests.product.raw import RawClient

REVOCABLE = {"callee": {"features": {"registration_revocation": True}}, "caller": {}}


class NodeCalls(SynchronousTestCase):
    """One cluster for all tests."""

    def setUp(self) -> None:
        self.cluster = shared()

    def client(self, node: Any, roles: Any = None) -> RawClient:
        """A WAMP v2 client in the realm "open"."""
        client = RawClient(node.programs).join("open", **({} if roles is None else {"roles": roles}))
        self.addCleanup(client.close)
        return client

    def callee(self, node: Any, procedure: str, roles: Any = None, **options: Any) -> RawClient:
        client = self.client(node, roles)
        client.send([64, 1, options, procedure])
        self.assertEqual(client.read()[0], 65)
        return client

    def answer(self, callee: RawClient, *args: Any) -> Any:
        """Answer the next call; its arguments."""
        kind, invocation, _, _, *payload = callee.read()
        self.assertEqual(kind, 68)
        callee.send([70, invocation, {}, list(args)])
        return payload[0] if payload else []

    def test_called_at_once(self) -> None:
        """From REGISTERED on a procedure is called from every node, without a pause."""
        caller = self.client(self.cluster.c)
        for number in range(20):
            callee = self.callee(self.cluster.a, f"com.example.at_once.{number}")
            caller.send([48, number + 1, {}, f"com.example.at_once.{number}", [number]])
            self.assertEqual(self.answer(callee, "done"), [number])
            self.assertEqual(caller.read(), [50, number + 1, {}, ["done"]])

    def test_taken_over(self) -> None:
        """A callee of another node takes the procedure over: the former one is told, calls go to the new one."""
        former = self.callee(self.cluster.a, "com.example.taken", REVOCABLE)
        taker = self.callee(self.cluster.b, "com.example.taken", force_reregister=True)
        told = former.read()
        self.assertEqual((told[0], told[1], told[2]["reason"]), (67, 0, "wamp.error.unregistered"))
        for node in self.cluster.nodes:
            caller = self.client(node)
            caller.send([48, 1, {}, "com.example.taken"])
            self.answer(taker, node.name)
            self.assertEqual(caller.read(), [50, 1, {}, [node.name]])

    def test_concurrency(self) -> None:
        """A callee that takes one call at a time gets one at a time, from whatever nodes; each is answered."""
        callee = self.callee(self.cluster.a, "com.example.busy", concurrency=1, invoke="roundrobin")
        callers = [self.client(node) for node in self.cluster.nodes]
        for caller in callers:
            caller.send(*([48, number, {}, "com.example.busy", [number]] for number in range(1, 6)))
        for _ in range(15):
            message = callee.read()
            self.assertTrue(callee.silent(0.05), "a second call at the same time")
            callee.send([70, message[1], {}, message[4]])
        for caller in callers:
            answers = sorted((caller.read() for _ in range(5)), key=lambda answer: answer[1])
            self.assertEqual(answers, [[50, number, {}, [number]] for number in range(1, 6)])

    def test_redis_away(self) -> None:
        """While Redis is away local calls go on, others wait, and nothing new is registered; afterwards each call has
        been answered once, and the procedures belong to whom they belonged."""
        callee = self.callee(self.cluster.b, "com.example.away")
        near, far, other = self.client(self.cluster.b), self.client(self.cluster.a), self.client(self.cluster.a)
        far.send([48, 1, {}, "com.example.away", ["before"]])
        self.assertEqual(self.answer(callee, "known"), ["before"])
        self.assertEqual(far.read(), [50, 1, {}, ["known"]])
        self.cluster.redis.kill()
        for node in self.cluster.nodes:
            node.child.wait_for_line("backplane.away")
        near.send([48, 1, {}, "com.example.away", ["near"]])
        self.assertEqual(self.answer(callee, "at once"), ["near"])
        self.assertEqual(near.read(), [50, 1, {}, ["at once"]])
        far.send(*([48, number, {}, "com.example.away", [number]] for number in range(2, 12)))
        other.send([64, 1, {}, "com.example.new"])
        self.assertEqual(other.read()[:5:4], [8, "wamp.error.unavailable"])
        self.assertTrue(callee.silent())
        self.cluster.redis.start()
        for number in range(2, 12):
            self.assertEqual(self.answer(callee, number), [number])
        self.assertEqual([far.read() for _ in range(10)], [[50, number, {}, [number]] for number in range(2, 12)])
        self.assertTrue(far.silent())
        for request in (2, 3):
            time.sleep(0.5)  # the claims are made anew
            other.send([64, request, {}, "com.example.away"])
            self.assertEqual(other.read()[:5:4], [8, "wamp.error.procedure_already_exists"])
        other.send([64, 4, {}, "com.example.new"])
        self.assertEqual(other.read()[0], 65)
