"""Metrics: what sources give becomes a snapshot of plain values, and snapshots of several processes become one."""

import json

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from orosync.metrics import MOST_SERIES, OTHER, Histogram, Kind, Metric, Metrics, Total, add_up

HITS = Metric("hits", Kind.COUNTER, "Hits.", ("place",))
DEPTH = Metric("depth", Kind.GAUGE, "Depth.", total=Total.MOST)
LEFT = Metric("left", Kind.GAUGE, "Left.", total=Total.LEAST)
SPANS = Metric("spans", Kind.HISTOGRAM, "Spans.", bounds=(0.1, 1.0))
ALL = {one.name: one for one in (HITS, DEPTH, LEFT, SPANS)}


class Snapshots(SynchronousTestCase):
    """Metrics.snapshot."""

    def test_values_of_all_sources(self):
        """Equal labels of several sources are one series: sums, the most, the least, or counts of each bucket."""
        metrics = Metrics()
        one, other = Histogram((0.1, 1.0)), Histogram((0.1, 1.0))
        for histogram, seconds in ((one, 0.05), (one, 0.1), (other, 0.2), (other, 7.0)):
            histogram.observe(seconds)
        metrics.add(lambda: [(HITS, ("a",), 2), (DEPTH, (), 3), (LEFT, (), 9), (SPANS, (), one)])
        metrics.add(lambda: [(HITS, ("a",), 1), (HITS, ("b",), 5), (DEPTH, (), 2), (LEFT, (), 4), (SPANS, (), other)])
        snapshot = metrics.snapshot()
        self.assertEqual(snapshot["hits"], [[["a"], 3], [["b"], 5]])
        self.assertEqual(snapshot["depth"], [[[], 3]])
        self.assertEqual(snapshot["left"], [[[], 4]])
        self.assertEqual(snapshot["spans"][0][1][0], [2, 1, 1])
        self.assertAlmostEqual(snapshot["spans"][0][1][1], 7.35)
        self.assertEqual(json.loads(json.dumps(snapshot)), snapshot, "it travels between processes")
        one.observe(0.5)
        self.assertEqual(snapshot["spans"][0][1][0], [2, 1, 1], "what is counted later does not change it")

    def test_a_source_that_raises(self):
        """It is logged and missing; the others are there."""
        metrics = Metrics()
        metrics.add(lambda: [(HITS, ("a",), 1 // 0)])
        metrics.add(lambda: [(HITS, ("b",), 1)])
        self.assertEqual(metrics.snapshot(), {"hits": [[["b"], 1]]})
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)
        metrics.snapshot()
        self.assertEqual(self.flushLoggedErrors(ZeroDivisionError), [], "a scrape a second must not fill the log")

    def test_series_are_bounded(self):
        """However many label values a source gives: the rest is one series, and nothing is lost."""
        metrics = Metrics()
        metrics.add(lambda: [(HITS, (str(number),), 1) for number in range(MOST_SERIES + 100)])
        series = {labels[0]: value for labels, value in metrics.snapshot()["hits"]}
        self.assertEqual(len(series), MOST_SERIES + 1)
        self.assertEqual(series[OTHER], 100)


class Totals(SynchronousTestCase):
    """add_up."""

    @given(st.lists(st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 99))), max_size=4))
    def test_as_if_one_process_had_counted(self, processes):
        """Adding up is the same as one process with all sources."""
        apart = []
        together = Metrics()
        for hits in processes:
            alone = Metrics()
            samples = [(HITS, (place,), count) for place, count in hits]
            for metrics in (alone, together):
                metrics.add(lambda samples=samples: samples)
            apart.append(alone.snapshot())
        self.assertEqual(add_up(apart, ALL), together.snapshot())

    def test_of_every_kind(self):
        """Histograms by bucket, the most and the least; unknown names of a newer process are left out."""
        one = {"depth": [[[], 3]], "left": [[[], 1]], "spans": [[[], [[1, 0, 2], 5.0]]], "newer": [[[], 1]]}
        other = {"depth": [[[], 8]], "left": [[[], 4]], "spans": [[[], [[1, 1, 0], 0.5]]]}
        total = {"depth": [[[], 8]], "left": [[[], 1]], "spans": [[[], [[2, 1, 2], 5.5]]]}
        self.assertEqual(add_up([one, other], ALL), total)
