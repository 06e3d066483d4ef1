"""PUBLISH.Options."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from orosync.errors import RequestError
from orosync.router.filters import Filters
from orosync.session.publication import Publication
from orosync.wamp import names


class Reading(SynchronousTestCase):
    def test_defaults(self) -> None:
        """Nothing said, or null: WAMP's defaults; what is unknown is nobody's business."""
        for options in ({}, {"acknowledge": None, "exclude_me": None, "eligible": None}, {"x_other": 7}):
            self.assertEqual(Publication.of(options), Publication(False, True, None, False, False), options)

    def test_said(self) -> None:
        """Each option is read."""
        options = {"acknowledge": True, "exclude_me": False, "eligible": [5.0], "disclose_me": True, "retain": True}
        expected = Publication(True, False, Filters(eligible=frozenset([5])), True, True)
        self.assertEqual(Publication.of(options), expected)

    def test_wrong(self) -> None:
        """An option of a wrong type is refused."""
        for options in (
            {"acknowledge": 1},
            {"exclude_me": "no"},
            {"eligible": "x"},
            {"disclose_me": []},
            {"retain": 1},
        ):
            self.assertEqual(self.assertRaises(RequestError, Publication.of, options).uri, names.INVALID_ARGUMENT)
