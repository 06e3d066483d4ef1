"""The table of all metrics in the documentation."""

from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from orosync.app.metrics import METRICS
from orosync.app.metrics_page import main, sample_names, table, written_anew

PAGE = Path(__file__).resolve().parents[2] / "docs" / "monitoring.md"


class Page(SynchronousTestCase):
    """docs/monitoring.md."""

    def test_it_is_up_to_date(self):
        """``python -m orosync.app.metrics_page docs/monitoring.md`` writes it anew."""
        page = PAGE.read_text()
        self.assertIn(table(), page)
        self.assertEqual(written_anew(page), page)

    def test_it_is_written(self):
        """The text around the marks stays."""
        path = Path(self.mktemp())
        path.write_text("before\n<!-- metrics -->\nold\n<!-- end -->\nafter\n")
        main([str(path)])
        self.assertEqual(path.read_text(), f"before\n<!-- metrics -->\n{table()}<!-- end -->\nafter\n")

    def test_names_of_samples(self):
        """As Prometheus' client writes them."""
        for name, names in (
            ("refusals", ["orosync_refusals_total"]),
            ("sessions", ["orosync_sessions"]),
            ("call_seconds", [f"orosync_call_seconds_{part}" for part in ("bucket", "sum", "count")]),
        ):
            self.assertEqual(sample_names(METRICS[name]), names)
