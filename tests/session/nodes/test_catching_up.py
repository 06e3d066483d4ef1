"""A CALL that is faster than the news of its procedure."""

from __future__ import annotations

from orosync.wamp import uris
from tests.session.fixture import JsonClient
from tests.session.nodes.calls_case import NodesCase


class Overtaking(NodesCase):
    def registered(self) -> JsonClient:
        """A client of node b that has just heard REGISTERED; node a has not heard the news: it has to come again."""
        callee = self.b.client()
        self.engine.spoil = lambda sender, receiver, batch: [] if (sender, receiver) == ("b", "a") else [batch]
        self.assertEqual([one[0] for one in self.ask(callee, [64, 1, {}, "a.procedure"])], [65])
        self.engine.spoil = None
        self.assertIsNone(self.a.dealer.lookup("a.procedure"))
        return callee

    def test_called(self) -> None:
        """Who calls at once reaches the callee, by both protocols, and by an authorizer that answers later."""
        for caller in (self.a.client(), self.a.fixture.v1()):
            callee = self.registered()
            caller.say([48, 1, {}, "a.procedure"] if caller.session.protocol == "v2" else [2, "x", "a.procedure"])
            self.settle()
            self.assertEqual([one[0] for one in callee.heard()], [68])
            callee.say([70, 1, {}, ["done"]])
            self.settle()
            self.assertEqual(
                [one[-1] for one in caller.heard()], [["done"] if caller.session.protocol == "v2" else "done"]
            )
            callee.session.closed(True, 1000, "")
            self.settle(1)

    def test_in_order(self) -> None:
        """What the caller says meanwhile is handled afterwards."""
        callee, caller = self.registered(), self.a.client()
        caller.say([48, 1, {}, "a.procedure"])
        self.assertTrue(caller.link.paused)
        self.settle()
        self.assertFalse(caller.link.paused)
        self.assertEqual([one[0] for one in callee.heard()], [68])

    def test_unknown(self) -> None:
        """An unknown procedure is unknown a moment later; many calls ask few questions."""
        caller = self.a.client()
        before = self.engine.batches
        heard = self.ask(caller, *([48, number, {}, "a.procedure"] for number in range(1, 101)))
        self.settle(1)
        heard += caller.heard()
        self.assertEqual([one[4] for one in heard], [uris.NO_SUCH_PROCEDURE] * 100)
        self.assertLess(self.engine.batches - before, 30)
        self.assertEqual(self.ask(self.a.fixture.v1(), [2, "x", "a.procedure"])[0][2], uris.NO_SUCH_PROCEDURE)

    def test_of_wamp(self) -> None:
        """What WAMP does not have is unknown at once."""
        heard = self.a.client().ask([48, 1, {}, "wamp.session.unknown"])
        self.assertEqual(heard[0][4], uris.NO_SUCH_PROCEDURE)

    def test_silent_node(self) -> None:
        """A node that does not answer delays the ERROR by half a second."""
        self.engine.part("a", "b")
        caller = self.a.client()
        self.assertEqual(self.ask(caller, [48, 1, {}, "a.procedure"]), [])
        self.settle(0.5)
        self.assertEqual([one[4] for one in caller.heard()], [uris.NO_SUCH_PROCEDURE])

    def test_caller_leaves(self) -> None:
        """Who has left meanwhile calls nobody."""
        for caller in (self.a.client(), self.a.fixture.v1()):
            callee = self.registered()
            caller.say([48, 1, {}, "a.procedure"] if caller.session.protocol == "v2" else [2, "x", "a.procedure"])
            caller.session.closed(True, 1000, "")
            self.settle()
            self.assertEqual((callee.heard(), caller.heard()), ([], []))
            callee.session.closed(True, 1000, "")
            self.settle(1)

    def test_alone(self) -> None:
        """Without other nodes the answer is there at once."""
        for node in (self.b, self.c):
            self.kill(node)
        self.assertEqual(self.a.client().ask([48, 1, {}, "a.procedure"])[0][4], uris.NO_SUCH_PROCEDURE)
