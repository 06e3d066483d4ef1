"""The summary of each minute."""

from __future__ import annotations

from typing import Any, cast

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from orosync.app.summary import INTERVAL, MOST_CODES, Summary
from orosync.session.context import ListenerSession
from orosync.testing import RecordingJournal
from tests.session.fixture import RealmFixture


class SummaryTests(SynchronousTestCase):
    """Summary"""

    def setUp(self) -> None:
        self.journal, self.clock = RecordingJournal(), Clock()
        self.sessions: list[ListenerSession] = []
        self.summary = Summary(self.journal.counts, lambda: self.sessions, self.journal, self.clock)
        self.journal.count("session.joined", "ticket")  # before the start: none of it is told
        self.summary.start()

    def told(self) -> list[dict[str, Any]]:
        self.clock.advance(INTERVAL)
        found = [fields for event, code, fields in self.journal.notes if (event, code) == ("clients", "minute")]
        self.journal.notes.clear()
        return found

    def test_a_minute(self) -> None:
        """How many joined, left, were refused and cut in it, and for what; a minute without any is passed over."""
        self.assertEqual(self.told(), [])
        for _ in range(3):
            self.journal.count("session.joined", "ticket")
        self.journal.count("session.joined", "cookie")
        self.journal.count("session.left", "ticket")
        self.journal.note("handshake.refused", "bad_digest")
        self.journal.note("hello.refused", "bad_digest")
        self.journal.note("handshake.refused", "origin")
        self.journal.note("consumer.cut", "stalled")
        self.journal.note("subscribe.refused", "denied")  # of a client, which stays
        client = RealmFixture().v2()
        self.sessions.append(cast(ListenerSession, client.session))
        self.assertEqual(
            self.told(),
            [
                {
                    "sessions": 1,
                    "joined": 4,
                    "left": 1,
                    "refused": 3,
                    "cut": 1,
                    "refused_for": "bad_digest:2,origin:1",
                    "cut_for": "stalled:1",
                }
            ],
        )
        self.assertEqual(self.told(), [])
        self.journal.count("session.left", "ticket")
        self.assertEqual(self.told(), [{"sessions": 1, "joined": 0, "left": 1, "refused": 0, "cut": 0}])

    def test_waiting_sessions(self) -> None:
        """A client that has not joined yet, or no longer, is no session."""
        client = RealmFixture().v2()
        self.sessions.append(cast(ListenerSession, client.session))
        client.session.closed(True, 1000, "")
        self.journal.count("session.left", "anonymous")
        self.assertEqual(self.told()[0]["sessions"], 0)

    def test_many_codes(self) -> None:
        """The most frequent codes are named, all are counted."""
        for number in range(MOST_CODES + 3):
            for _ in range(number + 1):
                self.journal.count("handshake.refused", f"c{number}")
        (told,) = self.told()
        self.assertEqual(told["refused"], sum(range(MOST_CODES + 4)))
        self.assertEqual(told["refused_for"].split(",")[0], f"c{MOST_CODES + 2}:{MOST_CODES + 3}")
        self.assertEqual(len(told["refused_for"].split(",")), MOST_CODES)

    def test_stop(self) -> None:
        """After the stop nothing is told; a second stop does nothing."""
        self.summary.stop()
        self.summary.stop()
        self.journal.count("session.joined", "ticket")
        self.assertEqual(self.told(), [])
