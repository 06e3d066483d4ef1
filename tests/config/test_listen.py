"""Tests of orosync.config.listen."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from orosync.config.endpoints import Reach
from orosync.config.listen import ListenSection
from tests.config.files import SOUND, FilesCase

LISTEN = "[listen:public]\nendpoint = tcp:8080:interface=127.0.0.1\n"


class Listen(SynchronousTestCase):
    """[listen:NAME]."""

    def test_bounds(self) -> None:
        """Every queue and wait has its bound without a word in the file."""
        section = ListenSection(name="x", endpoint="tcp:1")
        self.assertEqual((section.header_limit, section.message_limit), (16 * 1024, 64 * 1024))
        self.assertEqual((section.publisher_message_limit, section.send_buffer_limit), (16 * 1024**2, 1024**2))
        self.assertEqual((section.handshake_timeout, section.hello_timeout, section.send_timeout), (5.0, 10.0, 10.0))
        self.assertEqual((section.ping_interval, section.ping_timeout), (25.0, 10.0))
        self.assertEqual(
            (section.max_connections, section.connections_per_user, section.subscriptions_per_connection),
            (10000, 200, 128),
        )
        self.assertEqual((section.registrations_per_connection, section.calls_per_connection), (128, 1000))
        self.assertEqual(
            (section.unauthenticated_per_address, section.connection_rate, section.connection_burst),
            (256, 200, 2000),
        )
        self.assertEqual(section.backend_places, 16)
        self.assertEqual((section.message_rate, section.message_burst, section.message_rate_cut), (1000, 2000, None))

    def test_closed_by_default(self) -> None:
        """Without a word in the file an Origin is required, no client may publish, no proxy is trusted."""
        section = ListenSection(name="x", endpoint="tcp:1")
        self.assertEqual((section.origin, section.origins, section.trusted_proxies), ("required", (), ()))
        self.assertEqual((section.publisher, section.publisher_from), (False, ()))

    def test_reach(self) -> None:
        """A listener knows who can connect."""
        self.assertIs(ListenSection(name="x", endpoint="tcp:1").reach, Reach.OTHER_MACHINES)
        self.assertIs(ListenSection(name="x", endpoint="tcp:1:interface=127.0.0.1").reach, Reach.LOOPBACK)
        self.assertIs(ListenSection(name="x", endpoint="unix:/run/x").reach, Reach.LOCAL_FILE)


class Rates(FilesCase):
    """How many messages a client may send."""

    def test_as_written(self) -> None:
        """Numbers and a duration."""
        keys = "message_rate = 50\nmessage_burst = 100\nmessage_rate_cut = 2m\n"
        section = self.load(SOUND.replace(LISTEN, LISTEN + keys)).listeners["public"]
        self.assertEqual((section.message_rate, section.message_burst, section.message_rate_cut), (50, 100, 120.0))

    def test_nonsense(self) -> None:
        """None at all is no rate, and at once is no duration."""
        keys = "message_rate = 0\nmessage_burst = many\nmessage_rate_cut = 0s\n"
        faults = self.faults(SOUND.replace(LISTEN, LISTEN + keys))
        found = [fault.split()[1] for fault in faults]
        self.assertEqual(found, ["message_rate:", "message_burst:", "message_rate_cut:"])


class RawSocketListeners(FilesCase):
    """T2: what a listener without HTTP may say of itself."""

    def listener(self, lines: str) -> list[str]:
        return self.faults(SOUND.replace(LISTEN, "[listen:public]\n" + lines))

    def test_rawsocket(self) -> None:
        """T2: no page ever comes, so that none has to be listed; what only HTTP has is refused."""
        raw = "endpoint = tcp:8080\ntransport = rawsocket\n"
        text = SOUND.replace(LISTEN, f"[listen:public]\n{raw}publisher_from = loopback\n")
        self.assertEqual([one for one in self.load(text).warnings if "unencrypted" not in one], [])
        advice = "is for WebSocket alone, remove the line or write transport = universal"
        self.assertEqual(
            self.listener(raw + "path = /ws\ntrusted_proxies = loopback\nlongpoll = /lp\ncompression = deflate\n"),
            [
                f"[listen:public] path: {advice} (line 4)",
                f"[listen:public] trusted_proxies: {advice} (line 5)",
                f"[listen:public] longpoll: {advice} (line 6)",
                f"[listen:public] compression: {advice} (line 7)",
            ],
        )
        self.assertEqual(len(self.listener(raw.replace("rawsocket", "universal"))), 1, "origins")

    def test_health(self) -> None:
        """Load balancers ask by HTTP, at a path that means nothing else."""
        head = "endpoint = tcp:8080:interface=127.0.0.1\nhealth = /health\n"
        text = SOUND.replace(LISTEN, f"[listen:public]\n{head}path = /ws\nlongpoll = /lp\n")
        self.assertEqual(self.load(text).listeners["public"].health, "/health")
        for key in ("path", "longpoll"):
            (fault,) = self.listener(f"{head}{key} = /health\n")
            self.assertIn(f"[listen:public] health: is the same as {key}, write another path (line 3)", fault)
        (fault,) = self.listener(f"{head}transport = rawsocket\n")
        self.assertIn("[listen:public] health: is for WebSocket alone", fault)


class Places(FilesCase):
    """How many may be unauthenticated."""

    def test_more_unauthenticated_than_all(self) -> None:
        """A number that could never be reached is a mistake."""
        text = SOUND.replace("endpoint", "max_connections = 300\nmax_unauthenticated = 301\nendpoint")
        fault = "max_unauthenticated: is more than max_connections (300), lower it or raise that"
        self.assertEqual(self.faults(text), [f"[listen:public] {fault} (line 3)"])
