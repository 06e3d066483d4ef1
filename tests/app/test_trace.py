"""A trace: what it says of the past, and how it is bounded. What it says of events is tested in test_trace_verb."""

from __future__ import annotations

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from orosync.app.trace import MOST_LINES, MOST_PAST, MOST_RECEIVERS, MOST_SESSIONS, Trace, TraceQuery
from orosync.app.trace_rows import Publication
from orosync.ops.journal import Journal
from orosync.testing import principal
from orosync.wamp.payload import Payload
from tests.session.fixture import RealmFixture


class TraceTests(SynchronousTestCase):
    """Trace, without a control socket."""

    def setUp(self):
        self.fixture = RealmFixture()
        self.context = self.fixture.realm_context
        self.journal = Journal(self.fixture.clock)
        self.rows, self.ended = [], []

    def begin(self, **wanted):
        """A trace that has told the state."""
        query, clock = TraceQuery.of(wanted), self.fixture.clock
        trace = Trace(query, self.journal, clock, clock.seconds, self.rows.append, lambda: self.ended.append(True))
        trace.begin([self.context], self.fixture.context.sessions)
        self.addCleanup(trace.stop)
        return trace

    def said(self, event):
        return [row for row in self.rows if row["event"] == event]

    def delivered(self):
        """Events that left for a client; these clients have not read them yet."""
        return self.said("queued") + self.said("sent")

    def publish(self, trace, topic, payload=None):
        trace.published(self.context, Publication(1, topic, payload, None, True, None, None))

    def test_time(self):
        """It ends by itself, says so, and leaves no timer."""
        self.begin(user="anna", seconds=60)
        self.fixture.clock.advance(59)
        self.assertEqual(self.ended, [])
        self.fixture.clock.advance(1)
        self.assertEqual((self.rows[-1]["event"], self.rows[-1]["why"], self.ended), ("end", "60 s are over", [True]))
        self.assertEqual(self.fixture.clock.getDelayedCalls(), [])
        self.assertEqual(self.rows[-1]["time"], "1970-01-01T00:01:00.000Z")

    def test_lines(self):
        """So many about publications in a second, and as many about everything else; what is left out is counted."""
        client = self.fixture.v1()
        client.ask([5, "news"])
        trace = self.begin(user="anna")
        for _ in range(MOST_LINES + 30):
            self.publish(trace, "news")
        trace.logged("subscribe.refused", "denied", {"user": "anna"})
        self.fixture.clock.pump([0, 0])
        self.assertEqual(len(self.delivered()), MOST_LINES)
        self.assertEqual(len(self.said("subscribe.refused")), 1)
        self.assertEqual([row["lines"] for row in self.said("left_out")], [30])
        self.fixture.clock.advance(1)
        self.publish(trace, "news")
        self.fixture.clock.pump([0, 0])
        self.assertEqual(len(self.delivered()), MOST_LINES + 1)

    def test_sessions(self):
        """Of a user, or an address, with very many."""
        for _ in range(MOST_SESSIONS + 5):
            self.fixture.v1()
        trace = self.begin(user="anna")
        self.assertEqual(sum(map(len, trace._followed.values())), MOST_SESSIONS)
        self.assertEqual(sum(row["lines"] for row in self.said("left_out")) + trace._left_out, 5 + MOST_SESSIONS - 49)

    def test_receivers(self):
        """Of a topic with thousands of subscribers the first ones have a line, the others are counted."""
        for _ in range(MOST_RECEIVERS + 7):
            self.fixture.v1().ask([5, "news"])
        trace = self.begin(topic="news")
        self.assertEqual(self.said("left_out")[0]["sessions"], 7)
        self.publish(trace, "news")
        self.fixture.clock.pump([0, 0])
        self.assertEqual(self.said("published")[0]["subscribers"], MOST_RECEIVERS + 7)
        self.assertEqual(len(self.delivered()), MOST_RECEIVERS)
        self.assertEqual(trace._left_out + sum(row.get("lines", 0) for row in self.said("left_out")), 7)

    def test_past(self):
        """The last lines of the log about it, and no others; how long ago each was."""
        self.fixture.v1()
        for number in range(MOST_PAST + 3):
            self.journal.note("subscribe.refused", str(number), user="anna", uri="news")
            self.journal.note("subscribe.refused", str(number), user="ben", uri="news")
        self.journal.note("handshake.refused", "bad_digest", address="10.0.0.1", reason="ticket of 'anna': wrong")
        self.journal.note("handshake.refused", "bad_digest", address="10.0.0.1", reason="ticket of 'annabel': wrong")
        self.journal.note("control", "act", user="anna")
        self.fixture.clock.advance(12)
        self.begin(user="anna")
        past = [row for row in self.rows if "ago" in row]
        self.assertEqual(len(past), MOST_PAST)
        self.assertEqual((past[-1]["event"], past[-1]["ago"]), ("handshake.refused", 12.0))
        self.assertEqual({row.get("user", "anna") for row in past}, {"anna"})
        self.rows.clear()
        self.begin(address="10.0.0.1")
        self.assertEqual(len([row for row in self.rows if "ago" in row]), 2)

    def test_names(self):
        """A name that the log has to quote is found in it all the same."""
        who = principal(authid='an "na')
        self.journal.note("subscribe.refused", "denied", user=who.authid, uri="news")
        trace = self.begin(user=who.authid)
        trace.logged("publish.refused", "denied", {"user": who.authid, "uri": "x", "rule": None})
        self.assertEqual([len(self.said(event)) for event in ("subscribe.refused", "publish.refused")], [1, 1])
        self.assertNotIn("rule", self.said("publish.refused")[0])

    def test_dropped(self):
        """A session that ends before its event has left."""
        client = self.fixture.v1()
        client.ask([5, "news"])
        trace = self.begin(user="anna")
        self.publish(trace, "news", Payload.of(["x"]))
        client.session.closed(False, None, "cut: stalled")
        trace.changed(self.context, "wamp.session.on_leave", [int(client.session_id), "anna", "user"])
        (row,) = self.said("dropped")
        self.assertEqual(row["why"], "cut: stalled")
        self.assertEqual(self.rows[-1]["event"], "left")
        self.fixture.clock.pump([0, 0])
        self.assertEqual(self.delivered(), [])

    def test_no_session_of_an_address(self):
        """No user is named where none is asked for."""
        trace = self.begin(address="192.0.2.99", topic="news")
        self.publish(trace, "news")
        (row,) = self.said("not_sent")
        self.assertEqual((row["code"], row["realm"], "user" in row), ("no_session", "oro", False))


class Clocks(SynchronousTestCase):
    """Which clock a trace is told of."""

    def test_journal(self):
        """The journal's lines and sessions that have left are aged by the same clock."""
        clock = Clock()
        journal = Journal(clock)
        clock.advance(5)
        journal.note("drain", "begun")
        self.assertEqual(journal.recent[-1].time, 5)
