"""What an administrator finds in the log, and in the counts."""

from __future__ import annotations

from typing import Any

from twisted.internet.task import Clock
from twisted.logger import Logger, LogLevel, formatEvent
from twisted.trial.unittest import SynchronousTestCase
from zope.interface.verify import verifyObject

from orosync.interfaces import IJournal
from orosync.ops.journal import OTHER, RECENT, Journal


class JournalTests(SynchronousTestCase):
    """Journal"""

    def setUp(self) -> None:
        self.clock = Clock()
        self.events: list[Any] = []
        self.journal = self.open()

    def open(self, **settings: Any) -> Journal:
        log = Logger(namespace="orosync", observer=self.events.append)
        return Journal(self.clock, log=log, **settings)

    def lines(self) -> list[str]:
        return [formatEvent(event) for event in self.events]

    def test_interface(self) -> None:
        """It is a journal, and by itself writes where all of Twisted's logs go."""
        verifyObject(IJournal, self.journal)
        verifyObject(IJournal, Journal(self.clock))

    def test_one_line(self) -> None:
        """A note becomes one readable line with its fields in order, and is counted."""
        self.journal.note("ticket.refused", "expired", user="anna", peer="127.0.0.1", age=301)
        self.journal.note("drain", "begun")
        self.assertEqual(self.lines(), ["ticket.refused (expired): user=anna peer=127.0.0.1 age=301", "drain (begun)"])
        self.assertEqual(self.journal.counts, {("ticket.refused", "expired"): 1, ("drain", "begun"): 1})

    def test_observers(self) -> None:
        """They are told everything, also what is only counted and what is beyond a ration, with unescaped fields."""
        told: list[Any] = []
        self.journal.observers.append(lambda event, code, fields: told.append((event, code, dict(fields))))
        for _ in range(30):
            self.journal.note("topic.refused", "subscribe", uri="a\nb")
        self.journal.count("ticket", "accepted", user="anna")
        self.assertEqual(
            told, [("topic.refused", "subscribe", {"uri": "a\nb"})] * 30 + [("ticket", "accepted", {"user": "anna"})]
        )

    def test_recent(self) -> None:
        """The last lines are remembered, as many as were written, with escaped fields."""
        self.clock.advance(7)
        for number in range(RECENT + 30):
            self.journal.note(f"event{number % 100}", "code", number=number, text="a\nb")
        self.assertEqual(len(self.journal.recent), RECENT)
        last = self.journal.recent[-1]
        self.assertEqual((last.time, last.event, last.fields["text"]), (7, f"event{(RECENT + 29) % 100}", '"a\\x0ab"'))

    def test_structured(self) -> None:
        """Log collectors get each field by itself, escaped; names of the logger's own are kept apart."""
        self.journal.note("topic.refused", "subscribe", uri="a\nb", level="high", format="{uri}", log_time=1)
        self.assertEqual(self.events[0]["fields"]["uri"], "a\nb")
        (event,) = self.events
        self.assertEqual(event["log_namespace"], "orosync")
        self.assertEqual((event["event"], event["code"], event["uri"]), ("topic.refused", "subscribe", '"a\\x0ab"'))
        self.assertEqual((event["level_"], event["format_"], event["log_time_"]), ("high", '"{uri}"', "1"))
        self.assertEqual(
            self.lines(),
            ['topic.refused (subscribe): uri="a\\x0ab" level_=high format_="{uri}" log_time_=1'],
        )

    def test_no_forged_lines(self) -> None:
        """A client's text can neither start a line of its own, nor colour it, nor fill in another field."""
        self.journal.note("topic.refused", "publish", uri="x\n2026-01-01 [orosync] all is well {user}", user="\x1b[2Jz")
        (line,) = self.lines()
        self.assertTrue(line.isprintable())
        self.assertIn('uri="x\\x0a2026-01-01 [orosync] all is well {user}" user="\\x1b[2Jz"', line)
        self.journal.note("evil\nevent", "{kind}\x1b", x=1)
        self.assertEqual(self.lines()[1], '"evil\\x0aevent" ("{kind}\\x1b"): x=1')

    def test_lengths(self) -> None:
        """A rule's sentence is told longer than what else there is: its reason stands at the end."""
        self.journal.note("a", "b", uri="u" * 1000, rule="r" * 1000)
        (line,) = self.lines()
        self.assertIn("u" * 200 + '"... (800 more)', line)
        self.assertIn("r" * 800 + '"... (200 more)', line)

    def test_debug(self) -> None:
        """Clients that come and go are only counted, unless debug is wanted: then each of them has its line."""
        for _ in range(50):
            self.journal.note("session.joined", "ticket", user="anna")
        self.assertEqual((self.events, self.journal.counts["session.joined", "ticket"]), ([], 50))
        journal = self.open(debug=True)
        for _ in range(50):
            journal.note("session.joined", "ticket", user="anna")
        self.assertEqual(len(self.events), 50)
        self.assertEqual({event["log_level"] for event in self.events}, {LogLevel.debug})
        self.assertEqual(journal.counts["session.joined", "ticket"], 50)

    def test_levels(self) -> None:
        """What needs an administrator's eye is a warning, the rest is information, unless set otherwise."""
        for event in ("consumer.cut", "frame.skipped", "ticket.refused"):
            self.journal.note(event, "x")
        self.open(levels={"ticket.refused": LogLevel.error}).note("ticket.refused", "x")
        self.assertEqual(
            [event["log_level"] for event in self.events],
            [LogLevel.warn, LogLevel.warn, LogLevel.info, LogLevel.error],
        )

    def test_flood(self) -> None:
        """A flood of one kind costs a burst of lines, then a few a second, and one line for the rest; another kind is
        told all the while, and every note is counted."""
        for _ in range(1000):
            self.journal.note("ticket.refused", "digest")
        self.assertEqual(len(self.events), 20)
        self.journal.note("ticket.refused", "expired")
        self.assertEqual(len(self.events), 21)
        self.clock.advance(0.5)
        for _ in range(1000):
            self.journal.note("ticket.refused", "digest")
        self.assertEqual(len(self.events), 26)
        self.clock.advance(9.5)
        self.assertEqual(self.lines()[26:], ["ticket.refused (digest): 1975 more suppressed"])
        self.assertEqual(self.journal.counts["ticket.refused", "digest"], 2000)
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_after_a_flood(self) -> None:
        """When the flood is over lines come again, up to the burst, and nothing is summed up twice."""
        for _ in range(25):
            self.journal.note("a", "b")
        self.clock.advance(1000)
        self.events.clear()
        for _ in range(25):
            self.journal.note("a", "b")
        self.assertEqual(len(self.events), 20)
        self.clock.advance(10)
        self.assertEqual(self.lines()[20:], ["a (b): 5 more suppressed"])
        self.clock.advance(100)
        self.assertEqual(len(self.events), 21)

    def test_settings(self) -> None:
        """Rate, burst and window are the administrator's."""
        journal = self.open(rate=1.0, burst=2, window=3.0)
        for _ in range(5):
            journal.note("a", "b")
        self.assertEqual(len(self.events), 2)
        self.clock.advance(2)
        journal.note("a", "b")
        journal.note("a", "b")
        self.assertEqual(len(self.events), 4)
        self.clock.advance(1)
        self.assertEqual(self.lines()[4:], ["a (b): 3 more suppressed"])

    def test_clock_set_back(self) -> None:
        """A clock that is set back neither takes lines away nor grants any."""
        self.clock.advance(100)
        journal = self.open(burst=2)
        journal.note("a", "b")
        self.clock.rightNow -= 50
        journal.note("a", "b")
        journal.note("a", "b")
        self.assertEqual(len(self.events), 2)

    def test_count_only(self) -> None:
        """What is only worth counting is only counted."""
        self.journal.count("event.sent", "v1")
        self.journal.count("event.sent", "v1")
        self.assertEqual((self.journal.counts, self.events), ({("event.sent", "v1"): 2}, []))

    def test_bounded(self) -> None:
        """However many kinds somebody invents, the tables stay small; the rest shares one count and one ration."""
        journal = self.open(kinds=10)
        journal.note("a", "0")
        for number in range(1000):
            journal.note("a", str(number))
        self.assertEqual(len(journal.counts), 11)
        self.assertEqual((journal.counts["a", "0"], journal.counts[OTHER]), (2, 990))
        self.assertEqual(len(self.events), 11 + 20)

    def test_close(self) -> None:
        """At the end of the process what was left out is still told, and no timer stays behind."""
        self.journal.close()
        for _ in range(21):
            self.journal.note("a", "b")
        self.journal.close()
        self.assertEqual(self.lines()[20:], ["a (b): 1 more suppressed"])
        self.assertEqual(self.clock.getDelayedCalls(), [])
