"""What pages were told of maintenance, on all nodes."""

from __future__ import annotations

from orosync.model import Match
from orosync.notifications.maintenance import TOPIC, MaintenanceState, event
from orosync.session.local import LocalMember
from orosync.session.nodes.maintenance import AREA
from tests.session.nodes.shared_case import SharedCase, SharedNode


class MaintenanceTests(SharedCase):
    def setUp(self) -> None:
        super().setUp()
        self.states = [self.state(node) for node in (self.a, self.b)]
        self.settle()

    def state(self, node: SharedNode) -> MaintenanceState:
        """The state of a node, as its control socket has it."""
        state = MaintenanceState(self.clock.seconds)
        LocalMember(node.realm_context).subscribe(TOPIC, Match.EXACT, state.told)
        node.shared.share_maintenance(state)
        node.realms.load()
        return state

    def known(self) -> list[tuple[bool | None, int | None]]:
        return [(state.on, state.user_id) for state in self.states]

    def test_all_nodes(self) -> None:
        """Each node knows, wherever pages were told; what a single page is told when it subscribes does not count."""
        self.publish(self.c.v2(), TOPIC, event(True, 7))
        self.assertEqual(self.known(), [(True, 7)] * 2)
        LocalMember(self.a.realm_context, here=True).publish(TOPIC, [event(False)], eligible=[1])
        self.settle()
        self.assertEqual(self.known(), [(True, 7)] * 2)
        self.publish(self.a.v2(), TOPIC, event(False))
        self.assertEqual(self.known(), [(False, None)] * 2)

    def test_restart(self) -> None:
        """A node that starts later knows it too, with its time."""
        self.publish(self.a.v2(), TOPIC, event(True, 7))
        told = self.clock.seconds()
        for name in "abc":
            self.engine.kill(name)
        self.settle(11)
        self.states = [self.state(self.start("d"))]
        self.settle()
        self.assertEqual((self.known(), self.states[0].time), ([(True, 7)], told))

    def test_engine_away(self) -> None:
        """What is told while the engine is away is kept when it is back; the older one does not return."""
        self.publish(self.a.v2(), TOPIC, event(True))
        self.engine.go_away()
        self.clock.advance(1)
        self.publish(self.a.v2(), TOPIC, event(False))
        self.engine.come_back()
        self.settle(3)
        self.assertEqual(self.known(), [(False, None)] * 2)
        self.states = [self.state(self.start("d"))]
        self.settle()
        self.assertEqual(self.known(), [(False, None)])

    def test_strange_value(self) -> None:
        """A value that somebody else wrote is nothing."""
        self.engine.state.put(AREA, "oro", b"nonsense")
        self.states = [self.state(self.start("d"))]
        self.settle()
        self.assertEqual(self.known(), [(None, None)])
