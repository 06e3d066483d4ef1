"""The language of histories."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from orosync.config.readers import BUILTIN
from orosync.config.realms import HistoryLine, histories
from orosync.model import Match


class Lines(SynchronousTestCase):
    def test_lines(self) -> None:
        """A pattern with limits, each of them only if wanted."""
        text = "exact com.a\n\nprefix com.b. events=5 age=24h\nwildcard com..c bytes=2KiB"
        expected = (
            HistoryLine(Match.EXACT, "com.a", 1000, 1024 * 1024, None),
            HistoryLine(Match.PREFIX, "com.b.", 5, 1024 * 1024, 86400.0),
            HistoryLine(Match.WILDCARD, "com..c", 1000, 2048, None),
        )
        self.assertEqual(histories(text, BUILTIN), expected)

    def test_faults(self) -> None:
        """Each faulty line is told, and what to do about it."""
        for text, told in (
            ("com.a", "write it like"),
            ("fuzzy com.a", "write it like"),
            ("exact wamp.session.on_join", "topics of your own"),
            ("exact com.a event=5", "did you mean events?"),
            ("exact com.a events", "none of events="),
            ("exact com.a events=0", "not a number from 1"),
            ("exact com.a age=5", "for seconds"),
            ("exact com.a events=5 events=6", "said twice"),
            ("exact com.a\nexact com.a events=5", "join the two"),
        ):
            error = self.assertRaises(ValueError, histories, text, BUILTIN)
            self.assertIn(told, str(error), text)
        error = self.assertRaises(ValueError, histories, "x\ny", BUILTIN)
        self.assertEqual(str(error).count("is no history"), 2)
