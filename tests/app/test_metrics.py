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
    SubscriptionRoutes,
    read_backlogs,
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
from orosync.session.local import LocalSession
from orosync.testing import MemoryDirectory, RecordingJournal, principal
from tests.router.members import member
from tests.session.fixture import RealmFixture
from tests.support.wires import MemoryListener

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

    def test_how_often_they_are_counted(self):
        """A count that takes long is not repeated soon, so that it costs a small part of the time."""
        clock = Clock()

        class Slow(TopicRules):
            def route(self, topic):
                clock.advance(0.01)
                return super().route(topic)

        rules = (Slow(ORO_CHANNELS),)
        routes = SubscriptionRoutes(lambda name: rules, clock.seconds)
        self.assertEqual(routes.of(self.realm)["oro/ping"], 3)
        self.realm.leave(self.members[0])
        clock.advance(0.04 * SubscriptionRoutes.PAUSE - 0.1)
        self.assertEqual(routes.of(self.realm)["oro/ping"], 3)
        clock.advance(0.2)
        self.assertEqual(routes.of(self.realm)["oro/ping"], 2)
        self.assertEqual(routes.of(Realm("another")), {OTHER: 0})


class Clients(SynchronousTestCase):
    """read_sessions, read_backlogs."""

    def test_who_is_connected(self):
        """By realm, protocol and role, without orosync's own sessions; nothing is left of those that have gone."""
        fixture = RealmFixture()
        clients = [fixture.v1(), fixture.v2(), fixture.v2()]
        LocalSession(fixture.realm_context, principal("uplink:oro"), frozenset(), lambda *args: None)
        found = Metrics()
        found.add(lambda: read_sessions({"oro": fixture.realm_context}))
        counted = {tuple(labels): count for labels, count in found.snapshot()["sessions"]}
        self.assertEqual(counted, {("oro", "v1", "user"): 1, ("oro", "v2", "guest"): 2})
        for client in clients:
            client.session.closed(True, None, "gone")
        self.assertNotIn("sessions", found.snapshot())
        self.assertEqual([protocol for protocol, _ in fixture.realm_context.present], ["local"])

    def test_what_waits_for_slow_ones(self):
        """The sum of bytes, and how many sessions they wait for."""
        listener = MemoryListener()
        opened = [listener.open() for _ in range(3)]
        for link, wire, _ in opened[1:]:
            wire.dataBuffer, wire.offset, wire._tempDataLen = b"what the client does not read", 0, 0
            link.slow_consumers.watch(link)
        found = Metrics()
        found.add(lambda: read_backlogs([listener.factory]))
        snapshot = found.snapshot()
        self.assertEqual(snapshot["send_queue_bytes"], [[[], 2 * 29]])
        self.assertEqual(snapshot["slow_clients"], [[[], 2]])


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
