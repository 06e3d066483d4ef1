"""The metrics of a router: the table, and what its sources read."""

import re
from pathlib import Path

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from orosync.app import metrics
from orosync.app.metrics import METRICS, ProcessFigures, read_journal, read_lookups
from orosync.identity.single_flight import Lookups
from orosync.metrics import Kind, Metrics
from orosync.testing import MemoryDirectory, RecordingJournal

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
