"""Networks of trusted machines: those that hold more of the public internet are warned about."""

from __future__ import annotations

from ipaddress import ip_network

import attrs
from twisted.trial.unittest import SynchronousTestCase

from orosync.config.readers import BUILTIN, LOOPBACK, MOST_PUBLIC, trusted
from tests.config.files import SOUND, FilesCase

BROAD = (
    "0.0.0.0/0", "::/0", "0.0.0.0/1 128.0.0.0/1", "::/1", "2000::/3", "8.0.0.0/6", "64.0.0.0/8", "10.0.0.0/7",
    "loopback 0.0.0.0/0", "192.0.0.0/4", "2600::/12", "172.0.0.0/8", "2000::/20", "1.0.0.0/11",
    " ".join(f"{first}.0.0.0/12" for first in range(20, 40)),
)  # fmt: skip
NARROW = (
    "loopback", "127.0.0.1", "::1", "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "fc00::/7",
    "fe80::/10", "203.0.113.7", "2001:db8::/32", "173.245.48.0/20 104.16.0.0/13 172.64.0.0/13 162.158.0.0/15",
    "2a06:98c0::/29 2400:cb00::/32", "10.0.0.0/8 172.16.0.0/12 192.168.0.0/16 fc00::/7",
)  # fmt: skip


class Trusted(SynchronousTestCase):
    """The reader."""

    def read(self, text: str) -> list[str]:
        found: list[str] = []
        self.networks = trusted("they can lie")(text, attrs.evolve(BUILTIN, warn=found.append))
        return found

    def test_broad(self) -> None:
        """All addresses, in any notation, and large parts of the public internet."""
        for text in BROAD:
            self.assertEqual(len(self.read(text)), 1, text)
        (warning,) = self.read("10.0.0.0/8 0.0.0.0/0")
        self.assertEqual(
            warning, "0.0.0.0/0: machines of third parties are among them, they can lie: name your own machines alone"
        )

    def test_narrow(self) -> None:
        """Private networks of any size, single addresses, and the networks that content networks publish."""
        for text in NARROW:
            self.assertEqual(self.read(text), [], text)
        self.read("loopback")
        self.assertEqual(self.networks, LOOPBACK)
        self.assertLess(ip_network("104.16.0.0/13").num_addresses * 4, MOST_PUBLIC)

    def test_no_network(self) -> None:
        """What is none is a fault as everywhere."""
        self.assertRaises(ValueError, self.read, "10.0.0.1/8")


class Keys(FilesCase):
    """The keys that are read so."""

    def test_listener(self) -> None:
        """Whose headers are believed, and who may publish; with the line."""
        lines = "trusted_proxies = 0.0.0.0/0\npublisher_from = 0.0.0.0/1 128.0.0.0/1\norigins = a.example 127.0.0.1\n"
        text = SOUND.replace("endpoint", f"{lines}endpoint")
        proxies, publishers = self.load(text).warnings
        self.assertTrue(
            proxies.startswith("[listen:public] trusted_proxies: 0.0.0.0/0: machines of third parties"), proxies
        )
        self.assertTrue(proxies.endswith("(line 2)"), proxies)
        self.assertTrue(publishers.startswith("[listen:public] publisher_from: 0.0.0.0/1, 128.0.0.0/1: "), publishers)

    def test_attach(self) -> None:
        """The same of a router that asks."""
        text = SOUND + "[attach]\nurl = ws://127.0.0.1/ws\nticket = env:ORO_SECRET\ntrusted_proxies = ::/0\n"
        (warning,) = [one for one in self.load(text).warnings if "trusted_proxies" in one]
        self.assertTrue(warning.startswith("[attach] trusted_proxies: ::/0: "), warning)
