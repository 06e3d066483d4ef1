"""The metrics of a router: the table, and what its sources read."""

import os
import re
from pathlib import Path

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from orosync.app import metrics
from orosync.app.metrics import (
    METRICS,
    ProcessFigures,
    read_journal,
    read_lookups,
    read_sessions,
    subscriptions_by_route,
)
from orosync.authz.factory import ORO_CHANNELS
from orosync.authz.topics import TopicRules
from orosync.identity.single_flight import Lookups
from orosync.metrics import OTHER, Kind, Metrics
from orosync.model import Match
from orosync.router.realm import Realm
from orosync.testing import MemoryDirectory, RecordingJournal
from tests.router.members import member
from tests.session.fixture import RealmFixture

UNBOUNDED = {"user", "authid", "topic", "uri", "address", "session"}


class Table(SynchronousTestCase):
    """METRICS."""

    def test_names_and_labels(self):
        """Base units, counters without _total, which Prometheus' client adds; no label that clients can multiply."""
        for name, metric in METRICS.items():
            self.assertRegex(name, r"^[a-z][a-z0-9_]*$")
            self.assertNotRegex(name, r"_(total|ms|milliseconds|kilobytes|percent)$")
            self.assertTrue(metric.help.endswith("."), name)
            self.assertEqual(UNBOUNDED.intersection(metric.labels), set(), name)
            self.assertEqual(bool(metric.bounds), metric.kind is Kind.HISTOGRAM, name)

    def test_all_are_in_the_table(self):
        written = re.findall(r"^([A-Z_]+) = Metric\(", Path(metrics.__file__).read_text(), re.MULTILINE)
        self.assertEqual(len(written), len(METRICS))


class Journals(SynchronousTestCase):
    """read_journal."""

    def test_events_become_metrics(self):
        counts = {
            ("session.joined", "ticket"): 3,
            ("session.left", "ticket"): 1,
            ("handshake.refused", "bad_digest"): 2,
            ("hello.refused", "bad_digest"): 4,
            ("consumer.cut", "queue_full"): 5,
        }
        found = Metrics()
        found.add(lambda: read_journal(counts))
        snapshot = found.snapshot()
        self.assertEqual(snapshot["session_joins"], [[["ticket"], 3]])
        self.assertEqual(snapshot["session_leaves"], [[["ticket"], 1]])
        self.assertEqual(snapshot["refusals"], [[["bad_digest"], 6]])
        self.assertEqual(snapshot["cuts"], [[["consumer.cut", "queue_full"], 5]])
        self.assertEqual(len(snapshot["log_events"]), 5)


class Dependencies(SynchronousTestCase):
    """read_lookups."""

    def test_how_long_and_whether_it_is_down(self):
        clock = Clock()
        directory = MemoryDirectory()
        lookups = Lookups("people", directory, RecordingJournal(), clock, at_once=1)
        found = Metrics()
        found.add(lambda: read_lookups([lookups]))
        self.successResultOf(lookups.find("anna"))
        labels = ["directory:people"]
        snapshot = found.snapshot()
        self.assertEqual(snapshot["lookup_seconds"][0][0], labels)
        self.assertEqual(sum(snapshot["lookup_seconds"][0][1][0]), 1)
        self.assertEqual(snapshot["dependency_down"], [[labels, 0]])


class Routes(SynchronousTestCase):
    """subscriptions_by_route."""

    def setUp(self):
        self.realm = Realm("oro")
        self.broker = self.realm.broker
        self.members = [member(number) for number in range(3)]
        for one in self.members:
            self.realm.join(one)
            self.broker.subscribe(one, "oro/ping")
            self.broker.subscribe(one, f"oro/email_event/{one.session}/1")

    def test_by_pattern(self):
        """One for each member; what no channel declares, and patterns, are other."""
        self.broker.subscribe(self.members[0], "com.example.news")
        self.broker.subscribe(self.members[1], "oro/", Match.PREFIX)
        found = subscriptions_by_route(self.broker, (TopicRules([]), TopicRules(ORO_CHANNELS)))
        email = "oro/email_event/{user_id}/{organization_id}"
        self.assertEqual(found, {OTHER: 2, "oro/ping": 3, email: 3})
        self.assertEqual(subscriptions_by_route(self.broker, ()), {OTHER: 8})

    def test_each_topic_is_matched_once(self):
        """Until the rules are replaced; sessions that leave and come back cost nothing."""
        asked = []

        class Counting(TopicRules):
            def route(self, topic):
                asked.append(topic)
                return super().route(topic)

        rules = (Counting(ORO_CHANNELS),)
        for expected in (4, 4):
            subscriptions_by_route(self.broker, rules)
            self.assertEqual(len(asked), expected)
        self.realm.leave(self.members[0])
        self.assertEqual(subscriptions_by_route(self.broker, rules)["oro/ping"], 2)
        self.assertEqual(len(asked), 4)
        subscriptions_by_route(self.broker, (Counting([]),))
        self.assertEqual(len(asked), 7)


class Clients(SynchronousTestCase):
    """read_sessions."""

    def test_what_waits_for_slow_ones(self):
        """The sum of bytes, and how many sessions they wait for."""
        fixture = RealmFixture()
        fixture.v2()
        for slow in (fixture.v1(), fixture.v2()):
            slow.link.push(b"what the client does not read")
        found = Metrics()
        found.add(lambda: read_sessions(lambda: list(fixture.context.sessions)))
        snapshot = found.snapshot()
        self.assertEqual(snapshot["send_queue_bytes"], [[[], 2 * 29]])
        self.assertEqual(snapshot["slow_clients"], [[[], 2]])
        self.assertEqual(sum(count for _, count in snapshot["sessions"]), 3)


class Processes(SynchronousTestCase):
    """ProcessFigures."""

    def test_lag(self):
        """How late its own timer is."""
        clock = Clock()
        process = ProcessFigures(clock)
        process.start()
        self.addCleanup(process.stop)
        clock.advance(metrics.LAG_INTERVAL)
        self.assertEqual(process.lag.counts[0], 2)
        clock.advance(metrics.LAG_INTERVAL + 0.2)
        self.assertAlmostEqual(process.lag.sum, 0.2)

    def test_what_proc_tells(self):
        found = Metrics()
        found.add(ProcessFigures(Clock()).read)
        snapshot = found.snapshot()
        self.assertGreater(snapshot["process_resident_memory_bytes"][0][1], 1 << 20)
        self.assertGreater(snapshot["process_open_fds"][0][1], 2)
        self.assertGreaterEqual(snapshot["process_max_fds"][0][1], snapshot["process_open_fds"][0][1])

    def test_descriptors(self):
        """They are counted as they are, once a second at most; nine tenths are a fault."""
        clock = Clock()
        process = ProcessFigures(clock)
        self.assertEqual(process.descriptors_used_up(), "")
        before = process._open_descriptors()
        more = [os.open("/dev/null", os.O_RDONLY) for _ in range(5)]
        self.addCleanup(lambda: [os.close(one) for one in more])
        self.assertEqual(process._open_descriptors(), before)
        clock.advance(1.0)
        self.assertEqual(process._open_descriptors(), before + 5)
        self.patch(metrics, "_descriptor_limit", lambda: before + 5)
        self.assertRegex(process.descriptors_used_up(), r"^\d+ of \d+ file descriptors are open.*LimitNOFILE")
