"""Points in time as text."""

from __future__ import annotations

from datetime import UTC, datetime

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from orosync.wamp import instants


class Text(SynchronousTestCase):
    """RFC 3339, in UTC."""

    def test_examples(self) -> None:
        """Whole and broken seconds, before and after 1970, at both ends of time."""
        for seconds, nanoseconds, text in [
            (0, 0, "1970-01-01T00:00:00Z"),
            (1363896240, 0, "2013-03-21T20:04:00Z"),
            (1363896240.5, 0, "2013-03-21T20:04:00.5Z"),
            (-0.25, 0, "1969-12-31T23:59:59.75Z"),
            (1, 1, "1970-01-01T00:00:01.000000001Z"),
            (-1, 999_999_999, "1969-12-31T23:59:59.999999999Z"),
            (0.9999999, 0, "1970-01-01T00:00:01Z"),
            (-62135596800, 0, "0001-01-01T00:00:00Z"),
            (253402300799, 999_999_999, "9999-12-31T23:59:59.999999999Z"),
        ]:
            self.assertEqual(instants.text_of(seconds, nanoseconds), text)
            self.assertTrue(instants.is_instant(text))

    def test_range(self) -> None:
        """What has no text is known before."""
        for seconds in (-62135596800, 0, 1.5, 253402300799):
            self.assertTrue(instants.in_range(seconds))
        for seconds in (-62135596801, 253402300800, 2**63, -1e300, float("nan"), float("inf")):
            self.assertFalse(instants.in_range(seconds))

    def test_no_instants(self) -> None:
        """Other forms of ISO 8601, and days that do not exist."""
        for text in [
            "",
            "2013",
            "2013-03-21",
            "2013-03-21T20:04:00",
            "2013-03-21 20:04:00Z",
            "2013-02-30T00:00:00Z",
            "2013-03-21T24:04:00Z",
            "20130321T200400Z",
            "2013-03-21T20:04:00+0100",
            "2013-03-21T20:04:00Z ",
        ]:
            self.assertFalse(instants.is_instant(text), text)

    @settings(max_examples=150, deadline=None, database=None)
    @given(st.datetimes(timezones=st.just(UTC)))
    def test_python_reads_it(self, when: datetime) -> None:
        """Python's own reading of the text is the instant that went in."""
        since = when - datetime(1970, 1, 1, tzinfo=UTC)
        text = instants.text_of(since.days * 86400 + since.seconds, since.microseconds * 1000)
        self.assertEqual(datetime.fromisoformat(text), when)
