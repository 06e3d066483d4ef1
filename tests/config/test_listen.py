"""Tests of orosync.config.listen."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from orosync.config.endpoints import Reach
from orosync.config.listen import ListenSection


class Listen(SynchronousTestCase):
    """[listen:NAME]."""

    def test_bounds(self) -> None:
        """Every queue and wait has its bound without a word in the file."""
        section = ListenSection(name="x", endpoint="tcp:1")
        self.assertEqual((section.header_limit, section.message_limit), (16 * 1024, 64 * 1024))
        self.assertEqual((section.publisher_message_limit, section.output_limit), (1024**2, 1024**2))
        self.assertEqual((section.handshake_timeout, section.hello_timeout, section.output_stall), (5.0, 10.0, 10.0))
        self.assertEqual((section.ping_interval, section.ping_timeout), (25.0, 10.0))
        self.assertEqual(
            (section.max_connections, section.connections_per_user, section.subscriptions_per_connection),
            (10000, 50, 128),
        )

    def test_closed_by_default(self) -> None:
        """Without a word in the file an Origin is required, nobody publishes, no proxy is believed."""
        section = ListenSection(name="x", endpoint="tcp:1")
        self.assertEqual((section.origin, section.origins, section.proxies), ("required", (), ()))
        self.assertEqual((section.publisher, section.publisher_from), (False, ()))

    def test_reach(self) -> None:
        """A listener knows who can connect."""
        self.assertIs(ListenSection(name="x", endpoint="tcp:1").reach, Reach.ANYBODY)
        self.assertIs(ListenSection(name="x", endpoint="tcp:1:interface=127.0.0.1").reach, Reach.LOOPBACK)
        self.assertIs(ListenSection(name="x", endpoint="unix:/run/x").reach, Reach.LOCAL_FILE)
