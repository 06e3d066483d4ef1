"""The page for Prometheus, as prometheus_client's own parser reads it."""

from prometheus_client.parser import text_string_to_metric_families
from twisted.trial.unittest import SynchronousTestCase

from orosync.metrics import Histogram, Kind, Metric, Metrics
from orosync.ops.exposition import exposition


class Page(SynchronousTestCase):
    """exposition."""

    def test_every_kind(self):
        """Names with the prefix, counters with _total, buckets cumulative with +Inf, labels escaped."""
        hits = Metric("hits", Kind.COUNTER, "Hits.", ("place",))
        depth = Metric("depth", Kind.GAUGE, "Depth.")
        spans = Metric("spans", Kind.HISTOGRAM, "Spans.", ("name",), bounds=(0.1, 1.0))
        histogram = Histogram((0.1, 1.0))
        for seconds in (0.05, 0.5, 5.0):
            histogram.observe(seconds)
        metrics = Metrics()
        metrics.add(lambda: [(hits, ('a "b"\n',), 2), (depth, (), 3), (spans, ("x",), histogram)])
        page = exposition(metrics.snapshot(), {one.name: one for one in (hits, depth, spans)}).decode()
        families = {family.name: family for family in text_string_to_metric_families(page)}
        self.assertEqual(set(families), {"orosync_hits", "orosync_depth", "orosync_spans"})
        (hit,) = families["orosync_hits"].samples
        self.assertEqual((hit.name, hit.labels, hit.value), ("orosync_hits_total", {"place": 'a "b"\n'}, 2.0))
        self.assertEqual(families["orosync_depth"].samples[0].value, 3.0)
        found = {one.labels.get("le", one.name): one.value for one in families["orosync_spans"].samples}
        self.assertEqual(found["0.1"], 1.0)
        self.assertEqual(found["1.0"], 2.0)
        self.assertEqual(found["+Inf"], 3.0)
        self.assertEqual(found["orosync_spans_count"], 3.0)
        self.assertAlmostEqual(found["orosync_spans_sum"], 5.55)
