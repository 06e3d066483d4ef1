"""Queries of a history."""

from __future__ import annotations

from typing import Any

import attrs
from twisted.trial.unittest import SynchronousTestCase

from orosync.errors import RequestError
from orosync.router.queries import Query
from orosync.wamp import uris

SECOND = 1_000_000


@attrs.frozen
class Happened:
    time: int
    publication: int
    topic: str


EVENTS = [Happened(second * SECOND, 900 - second, "ab"[second % 2]) for second in range(1, 6)]
"""At second 1 to 5, with publication ids that are not in order."""


def moment(second: float) -> str:
    return f"1970-01-01T00:00:{second:06.3f}Z"


class Selecting(SynchronousTestCase):
    def found(self, has_dropped: bool = False, **options: Any) -> list[int]:
        """The seconds of what is found."""
        return [event.time // SECOND for event in Query.of(options).select(EVENTS, has_dropped)]

    def test_conditions(self) -> None:
        """Each condition alone, and several together."""
        table: list[tuple[dict[str, Any], list[int]]] = [
            ({}, [1, 2, 3, 4, 5]),
            ({"topic": None, "limit": None, "from_time": None}, [1, 2, 3, 4, 5]),
            ({"topic": "a"}, [2, 4]),
            ({"topic": "c"}, []),
            ({"from_time": moment(3)}, [3, 4, 5]),
            ({"after_time": moment(3)}, [4, 5]),
            ({"before_time": moment(3)}, [1, 2]),
            ({"until_time": moment(3)}, [1, 2, 3]),
            ({"from_time": "1970-01-01T02:00:03+02:00"}, [3, 4, 5]),
            ({"from_time": moment(2.5), "until_time": moment(4.5)}, [3, 4]),
            ({"from_publication": 897}, [3, 4, 5]),
            ({"after_publication": 897.0}, [4, 5]),
            ({"before_publication": 897}, [1, 2]),
            ({"until_publication": 897}, [1, 2, 3]),
            ({"after_publication": 899, "before_publication": 895}, [2, 3, 4]),
            ({"after_publication": 895}, []),
            ({"before_publication": 899}, []),
            ({"from_publication": 898, "topic": "b", "until_time": moment(4)}, [3]),
        ]
        for options, expected in table:
            self.assertEqual(self.found(**options), expected, options)

    def test_unknown_publication(self) -> None:
        """One that never was here leads to nothing; where some have gone, it is older than all that are left."""
        for side, gone in (("from", [1, 2, 3, 4, 5]), ("after", [1, 2, 3, 4, 5]), ("before", []), ("until", [])):
            options = {f"{side}_publication": 7}
            self.assertEqual((self.found(**options), self.found(True, **options)), ([], gone), side)

    def test_bad_arguments(self) -> None:
        """What cannot be understood is refused, not passed over."""
        bad = {
            "limit": (0, -1, 1.5, "5", True),
            "reverse": (1, "yes"),
            "topic": (7, []),
            "from_time": (7, "yesterday", "2026-07-23", "2026-07-23T14:00:00", ""),
            "until_publication": ("x", -1, 1.5),
        }
        for name, values in bad.items():
            for value in values:
                error = self.assertRaises(RequestError, Query.of, {name: value})
                self.assertEqual(error.uri, uris.INVALID_ARGUMENT, (name, value))

    def test_order(self) -> None:
        """Limit and direction are read, integral floats too."""
        query = Query.of({"limit": 2.0, "reverse": True})
        self.assertEqual((query.limit, query.reverse), (2, True))
        self.assertEqual(self.found(reverse=True, from_time=moment(3)), [5, 4, 3])
