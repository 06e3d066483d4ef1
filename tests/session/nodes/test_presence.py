"""How many sessions a user has on all nodes."""

from __future__ import annotations

from orosync.testing import principal
from tests.router.members import member
from tests.session.nodes.shared_case import SharedCase


class PresenceTests(SharedCase):
    def counts(self, authid: str) -> list[int]:
        return [node.realm.sessions_of(authid) for node in (self.a, self.b, self.c)]

    def test_come_and_go(self) -> None:
        """Sessions are counted on all nodes, as they come and go; every node has the same number."""
        first = self.a.v2("anna")
        self.a.v2("anna")
        self.b.v2("anna")
        self.settle()
        self.assertEqual(self.counts("anna"), [3, 3, 3])
        first.session.closed(False, None, "")
        self.settle()
        self.assertEqual(self.counts("anna"), [2, 2, 2])
        self.assertEqual(self.counts("nobody"), [0, 0, 0])

    def test_limit(self) -> None:
        """``connections_per_user`` counts the sessions of all nodes."""
        self.a.fixture.context.user_limit = 2
        self.b.v2("anna")
        self.settle()
        anna = principal("anna")
        self.assertTrue(self.a.fixture.context.has_room(self.a.realm_context, anna))
        self.c.v2("anna")
        self.settle()
        self.assertFalse(self.a.fixture.context.has_room(self.a.realm_context, anna))

    def test_late_and_gone(self) -> None:
        """A node that comes later learns all users; those of a node that has gone do not count any more."""
        for number in range(3000):
            self.b.realm.join(member(number))
        late = self.start("d")
        self.settle()
        self.assertEqual([late.realm.sessions_of(f"user-{number}") for number in (1, 2999)], [1, 1])
        self.engine.kill("b")
        self.settle(11)
        self.assertEqual([late.realm.sessions_of(f"user-{number}") for number in (1, 2999)], [0, 0])
        self.assertEqual(late.realm.sessions_elsewhere, {})

    def test_not_counted(self) -> None:
        """Visits of the back end and anonymous clients are not told: nobody limits them."""
        self.a.v2("backend", is_backend=True)
        self.a.v2("somebody", authmethod="anonymous")
        self.settle()
        self.assertEqual(self.b.realm.sessions_elsewhere, {})
