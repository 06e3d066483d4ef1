"""What all kinds of databases share."""

from __future__ import annotations

import attrs
from twisted.trial.unittest import SynchronousTestCase

from orosync.config.sections import SqlDirectorySection
from orosync.identity.directories.sql import QueryLimits


class Shared(SynchronousTestCase):
    """Limits."""

    def test_longest_look_up(self) -> None:
        """A connection and a query, and a second more: a look-up that takes longer is cut off. With the pause that
        follows, a database that is back is in use again within ten seconds."""
        self.assertEqual(QueryLimits(connect=3, query=2, connections=4).look_up, 6)
        self.assertLess(attrs.fields(SqlDirectorySection).connect_timeout.default + 5, 10)
