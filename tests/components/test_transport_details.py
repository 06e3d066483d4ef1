"""What a router tells of a client's connection, as facts."""

from __future__ import annotations

from ipaddress import ip_network

from twisted.trial.unittest import SynchronousTestCase

from orosync.components.transport_details import connection_facts, peer_address

# As Crossbar.io 26.10.1 hands it to a dynamic authenticator, what does not matter here left out.
TOLD = {
    "channel_type": "tls",
    "channel_framing": "websocket",
    "peer": "tcp4:10.0.0.1:40000",
    "is_secure": True,
    "websocket_protocol": "wamp.2.json",
    "http_headers_received": {
        "host": "ws.example.com",
        "origin": "https://oro.example.com",
        "cookie": "BAPID=abc; a=b",
        "x-forwarded-for": "198.51.100.1",
    },
}


class Facts(SynchronousTestCase):
    """transport_details.connection_facts."""

    def test_everything_that_is_told(self) -> None:
        """Address, origin, cookies, headers and TLS are where our own authenticators look for them."""
        facts = connection_facts("attach", TOLD, [ip_network("10.0.0.0/8")])
        self.assertEqual((facts.listener, facts.peer, facts.address), ("attach", "10.0.0.1", "198.51.100.1"))
        self.assertEqual((facts.host, facts.origin), ("ws.example.com", "https://oro.example.com"))
        self.assertEqual((dict(facts.cookies), facts.tls), ({"BAPID": "abc", "a": "b"}, True))
        self.assertEqual((facts.subprotocols, facts.forwarded, facts.query), (("wamp.2.json",), True, ""))

    def test_a_proxy_that_nobody_trusts(self) -> None:
        """X-Forwarded-For of a stranger is a mark of forwarding and nothing else."""
        facts = connection_facts("attach", TOLD, ())
        self.assertEqual((facts.address, facts.forwarded), ("10.0.0.1", True))

    def test_names_of_headers(self) -> None:
        """A router that keeps the client's spelling hides no cookie and no proxy."""
        facts = connection_facts("attach", {"http_headers_received": {"Cookie": "BAPID=x", "Via": "1.1 a"}}, ())
        self.assertEqual((dict(facts.cookies), facts.forwarded), ({"BAPID": "x"}, True))

    def test_what_is_missing_or_of_another_shape(self) -> None:
        """Counts as not said, and nothing raises: no origin, no cookie, a peer that is in no network."""
        nothing = connection_facts("attach", None, [ip_network("0.0.0.0/0")])
        for told in [
            {},
            [],
            "x",
            {"peer": 5, "http_headers_received": [], "is_secure": 1, "websocket_protocol": 2},
            {"peer": "", "http_headers_received": {1: "a", "origin": 2, "cookie": ["BAPID=x"]}},
            {"http_headers_received": None},
        ]:
            self.assertEqual(connection_facts("attach", told, ()), nothing, told)
        self.assertEqual((nothing.peer, nothing.origin, dict(nothing.cookies)), ("unknown", None, {}))

    def test_peers(self) -> None:
        """Every way in which autobahn writes an address."""
        for told, address in [
            ("tcp4:127.0.0.1:51234", "127.0.0.1"),
            ("tcp6:::1:51234", "::1"),
            ("tcp6:2001:db8::5:443", "2001:db8::5"),
            ("tcp6:[2001:db8::5]:443", "2001:db8::5"),
            ("tcp6:::ffff:192.0.2.1:1", "192.0.2.1"),
            ("unix:/run/crossbar/socket", "unix"),
            ("unix", "unix"),
            ("process:17", "unknown"),
            ("tcp4:127.0.0.1", "127.0.0.1"),
            ("tcp6:2001:db8:0:0:0:0:0:5", "2001:db8::5"),
            ("tcp4:localhost:5", "unknown"),
            ("127.0.0.1:5", "unknown"),
            (None, "unknown"),
        ]:
            self.assertEqual(peer_address(told), address, told)
