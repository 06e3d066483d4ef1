"""Tests for orosync.router.deliveries."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from orosync.errors import RequestError
from orosync.model import Match
from orosync.router.deliveries import choice, flag, text_size
from orosync.wamp import uris

NOT_BOOLEAN = [0, 1, 1.0, "true", "", [], {}, [True]]
NOT_A_WORD = [0, 1.5, True, "", "Exact", "EXACT", "glob", [], ["exact"], {"exact": 1}]


class Flag(SynchronousTestCase):
    """Yes or no."""

    def test_values(self) -> None:
        """What is said counts; what is missing or null is the default."""
        for default in (True, False):
            self.assertIs(flag({}, "acknowledge", default), default)
            self.assertIs(flag({"acknowledge": None}, "acknowledge", default), default)
            for value in (True, False):
                self.assertIs(flag({"acknowledge": value}, "acknowledge", default), value)

    def test_wrong_types(self) -> None:
        """Anything but a boolean costs the request an ERROR that names the option."""
        for value in NOT_BOOLEAN:
            error = self.assertRaises(RequestError, flag, {"acknowledge": value}, "acknowledge")
            self.assertEqual(error.uri, uris.INVALID_ARGUMENT, value)
            self.assertIn("acknowledge", error.message)


class Choice(SynchronousTestCase):
    """One of several words."""

    def test_words(self) -> None:
        """Each word of the enumeration is understood; what is missing or null is the default."""
        for word in Match:
            self.assertIs(choice({"match": word.value}, "match", Match.EXACT), word)
            self.assertIs(choice({}, "match", word), word)
            self.assertIs(choice({"match": None}, "match", word), word)

    def test_wrong_words(self) -> None:
        """Any other value costs the request an ERROR that names the option and the words."""
        for value in NOT_A_WORD:
            error = self.assertRaises(RequestError, choice, {"match": value}, "match", Match.EXACT)
            self.assertEqual(error.uri, uris.INVALID_ARGUMENT, value)
            self.assertIn("match must be one of exact, prefix, wildcard", error.message)


class TextSize(SynchronousTestCase):
    """What is kept of details takes room."""

    def test_texts(self) -> None:
        """Only texts count: they alone can be long."""
        self.assertEqual(
            text_size({"ppt_scheme": "x" * 60, "transaction_hash": "abc", "publisher": 7, "retained": True}), 63
        )
        self.assertEqual(text_size({}), 0)
