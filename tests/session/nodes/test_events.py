"""Publications as values of the router and as messages of nodes."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from orosync.backplane.messages import Interest, NodeEvent, PackedPayload, encode
from orosync.errors import ProtocolViolation
from orosync.router.filters import Filters
from orosync.session.nodes.events import packed_filters, relayed, restored, stored, unpacked_filters


class Conversions(SynchronousTestCase):
    def test_filters(self) -> None:
        """All six lists, empty ones and none at all, come back as they were."""
        table = [
            None,
            Filters(exclude=frozenset([1, 2])),
            Filters(eligible=frozenset()),
            Filters(exclude_authid=frozenset(["a"]), eligible_authid=frozenset(["b", "c"])),
            Filters(exclude_authrole=frozenset(["a"]), eligible_authrole=frozenset()),
        ]
        for filters in table:
            self.assertEqual(unpacked_filters(packed_filters(filters)), filters)

    def test_relayed(self) -> None:
        """Nobody excluded is None; the node is named."""
        one = relayed(NodeEvent("oro", "t", 5, None, publisher=7, time=1.5, retained_at=2.5, excluded=7), "web1")
        self.assertEqual((one.topic, one.publication, one.payload, one.filters), ("t", 5, None, None))
        self.assertEqual((one.node, one.publisher, one.excluded, one.time, one.retained_at), ("web1", 7, 7, 1.5, 2.5))
        self.assertIsNone(relayed(NodeEvent("oro", "t", 5), "web1").excluded)
        self.assertRaises(ProtocolViolation, relayed, NodeEvent("oro", "t", 5, PackedPayload("xml")), "web1")

    def test_restored(self) -> None:
        """What is stored comes back; anything else is None."""
        event = NodeEvent("oro", "t", 5, PackedPayload("json", b"[1]"))
        self.assertEqual(restored(stored(event)), event)
        unreadable = stored(NodeEvent("oro", "t", 5, PackedPayload("xml")))
        for strange in (unreadable, b"", b"x", encode([]), encode([event, event]), encode([Interest("oro", [])])):
            self.assertIsNone(restored(strange), strange)
