"""Who the demonstration answers."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from orosync.demo.loopback import is_loopback_host, is_loopback_request, refusal
from orosync.headers import NAMES, PREFIXES

OURS = ["localhost", "LOCALHOST:8443", "127.0.0.1", "127.0.0.1:8443", "127.9.8.7:1", "[::1]", "[::1]:8443"]
FOREIGN = [
    "",
    " ",
    "localhost.",
    "localhost.example.org",
    "notlocalhost",
    "127.0.0.1.example.org",
    "127.0.0.1, shop.example.org",
    "127.0.0.1 ",
    "127.0.0.1\n",
    "127.0.0.1:",
    "127.0.0.1:x",
    "127.0.0.1:123456",
    "127.0.0.1@shop.example.org",
    "127.1",
    "127.0.0.256",
    "0x7f.0.0.1",
    "\uff11\uff12\uff17.0.0.1",
    "0.0.0.0",
    "10.0.0.1",
    "128.0.0.1",
    "::1",
    "[::2]",
    "[::ffff:127.0.0.1]",
    "[::1",
    "shop.example.org",
    "user@localhost",
]


class Rule(SynchronousTestCase):
    """Somebody puts a proxy in front of the demonstration, or points a name of theirs at this machine."""

    def test_hosts(self) -> None:
        """A browser on this machine is answered under every name that means this machine, and under no other."""
        for host in OURS:
            self.assertTrue(is_loopback_host(host), host)
            self.assertTrue(is_loopback_request({"host": host}), host)
        for host in FOREIGN:
            self.assertFalse(is_loopback_host(host), host)
            self.assertIn("only on this machine", refusal({"host": host}) or "", host)

    def test_no_host(self) -> None:
        """A request that does not say whom it is for is not answered."""
        self.assertFalse(is_loopback_request({}))

    def test_forwarded(self) -> None:
        """Any trace of a proxy, in any spelling, empty or not, ends it: a proxy would let the world in."""
        names = [*NAMES, *(f"{prefix}x" for prefix in PREFIXES), "X-Real-IP", "VIA", "X_Forwarded_For"]
        for name in names:
            for value in ("192.0.2.7", "127.0.0.1", ""):
                self.assertIn("forwarding", refusal({"Host": "localhost", name: value}) or "", name)

    def test_ordinary_headers(self) -> None:
        """What browsers send anyway is no trace of a proxy."""
        headers = {
            "Host": "localhost:8443",
            "Origin": "https://localhost:8443",
            "Cookie": "a=b",
            "X-Requested-With": "x",
        }
        self.assertEqual(refusal(headers), None)
