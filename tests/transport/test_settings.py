"""ListenerSettings: defaults as promised, networks understood."""

from ipaddress import ip_network

from twisted.trial.unittest import SynchronousTestCase

from tests.support.settings import listener_settings


class ListenerSettingsTests(SynchronousTestCase):
    def test_limits_hold_without_being_configured(self) -> None:
        """Who configures nothing but a name still has every bound."""
        settings = listener_settings()
        self.assertEqual(
            (
                settings.header_limit,
                settings.handshake_timeout,
                settings.ping_interval,
                settings.ping_timeout,
                settings.send_buffer_limit,
                settings.send_timeout,
                settings.origin_required,
            ),
            (16384, 5.0, 25.0, 10.0, 1048576, 10.0, True),
        )

    def test_proxies_may_be_written_as_text(self) -> None:
        """A proxy's network is given as it stands in a configuration, or ready-made."""
        ready = ip_network("192.0.2.0/24")
        settings = listener_settings(trusted_proxies=["10.0.0.0/8", ready, "::1"])
        self.assertEqual(settings.trusted_proxies, (ip_network("10.0.0.0/8"), ready, ip_network("::1/128")))

    def test_a_network_that_is_none_is_an_error(self) -> None:
        """A misspelled proxy must not silently trust no proxy."""
        self.assertRaises(ValueError, listener_settings, trusted_proxies=["10.0.0.0/33"])

    def test_timers_are_fine_enough_for_the_shortest_time(self) -> None:
        """Half a second is fine enough for minutes, but not for a time-out of a tenth of a second."""
        self.assertEqual(listener_settings().tick, 0.25)
        self.assertEqual(listener_settings(close_timeout=60).tick, 0.5)
        self.assertEqual(listener_settings(ping_timeout=0.4).tick, 0.05)
        self.assertEqual(listener_settings(ping_timeout=0.001).tick, 0.01)
