"""Realms of a process joined to the other nodes."""

from __future__ import annotations

from twisted.internet.defer import Deferred, fail
from twisted.python.failure import Failure

from orosync.backplane.messages import Interest
from orosync.session.nodes.part import RealmPart
from tests.session.nodes.shared_case import SharedCase


class SharedRealmTests(SharedCase):
    def test_other_realm(self) -> None:
        """A message about a realm that this node does not have changes nothing and costs no one anything."""
        self.b.nodes.send_all(Interest("other", [("exact", "t")]))
        self.settle()
        self.assertEqual(self.a.shared.interest.peers_of("t"), frozenset())
        self.assertEqual(self.a.nodes.counters.refused, 0)

    def test_start_without_engine(self) -> None:
        """Loading ends also while the engine is away, and happens when it is there."""
        self.publish(self.a.v2(), "t", 1, retain=True)
        self.engine.go_away()
        self.assertIsNone(self.successResultOf(self._loaded(self.a)))
        node = self.start("d")
        self.settle(1)
        self.assertEqual(len(node.realm.retention), 0)
        self.engine.come_back()
        self.settle(3)
        self.assertEqual(len(node.realm.retention), 1)

    def _loaded(self, node: object) -> Deferred[None]:
        loading = self.a.realms.load()
        self.settle()
        return loading

    def test_failing_part(self) -> None:
        """A fault in one subject is logged, and others are loaded all the same."""

        class Failing(RealmPart):
            def load(self) -> Deferred[None]:
                return fail(Failure(ZeroDivisionError()))

        self.a.shared.parts.insert(0, Failing())
        self.successResultOf(self._loaded(self.a))
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)

    def test_told_of_the_engine(self) -> None:
        """Each subject is told when the engine goes and comes."""
        told: list[bool] = []
        self.a.shared.presence.engine = told.append  # type: ignore[method-assign, assignment]
        self.engine.go_away()
        self.settle(1)
        self.engine.come_back()
        self.settle(1)
        self.assertEqual(told, [False, True])
