"""Ids that all nodes know without asking."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from orosync.model import Match
from orosync.session.nodes.ids import SharedIds
from orosync.wamp.ids import LARGEST


class SharedIdsTests(SynchronousTestCase):
    def test_the_same_on_all_nodes(self) -> None:
        """Who has the same key and realm has the same ids; another key, realm, match, URI or kind gives another id."""
        one, other = SharedIds(b"k" * 16, "oro"), SharedIds(b"k" * 16, "oro")
        self.assertEqual(one.subscription("a.b", Match.EXACT), other.subscription("a.b", Match.EXACT))
        self.assertEqual(one.mark, other.mark)
        different = {
            one.subscription("a.b", Match.EXACT),
            one.subscription("a.b", Match.PREFIX),
            one.subscription("a.c", Match.EXACT),
            one.registration("a.b", Match.EXACT),
            SharedIds(b"j" * 16, "oro").subscription("a.b", Match.EXACT),
            SharedIds(b"k" * 16, "other").subscription("a.b", Match.EXACT),
        }
        self.assertEqual(len(different), 6)

    def test_range(self) -> None:
        """Every id is one of WAMP's; a mark is what a trail takes; any topic that a serializer lets through has one."""
        ids = SharedIds(b"k" * 16, "oro")
        found = {ids.subscription(f"topic.{number}", Match.EXACT) for number in range(1000)}
        self.assertEqual(len(found), 1000)
        self.assertTrue(all(1 <= one <= LARGEST for one in found))
        self.assertTrue(ids.mark.isalnum() and len(ids.mark) <= 32)
        self.assertTrue(1 <= ids.subscription("half \ud800 pair", Match.EXACT) <= LARGEST)
