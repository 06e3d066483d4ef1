"""Every row of docs/limits.md is driven beyond its bound, and says what comes of it."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from tests.limits import nodes as nodes
from tests.limits import services as services
from tests.limits import sessions as sessions
from tests.limits import transport as transport
from tests.limits.table import BOUNDS, DRIVES, NOTHING, default_of, rows


class Limits(SynchronousTestCase):
    """Row by row: its bound, its key, what the client is told, whether it is ended, and where that is logged."""

    def test_rows(self) -> None:
        """Each row is driven by something, and each drive has its row."""
        self.assertEqual(sorted(row.what for row in rows()), sorted(DRIVES))

    def test_bounds(self) -> None:
        """A row's key and default are those of the configuration; its constant is that of the code."""
        for row in rows():
            if row.key != NOTHING:
                default = default_of(row.key)
                self.assertEqual(BOUNDS.get(row.what, default), row.bound, row)
            else:
                self.assertEqual(BOUNDS[row.what], row.bound, row)

    def test_beyond(self) -> None:
        """One more than there may be."""
        wrong = []
        for row in rows():
            outcome = DRIVES[row.what]()
            log = NOTHING if outcome.log is None else "`{} ({})`".format(*outcome.log)
            fitting = (
                (outcome.told or NOTHING) in row.told,
                ("ends" in row.told) is not outcome.lives,
                row.log.removesuffix(" (counted)") == log,
            )
            if not all(fitting):
                wrong.append((row, outcome))
        self.assertEqual(wrong, [])
