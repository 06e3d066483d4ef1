"""What is told of a connection, and what never is."""

from __future__ import annotations

import json
from ipaddress import ip_network

from twisted.trial.unittest import SynchronousTestCase

from orosync.testing import connection_facts
from orosync.transport_details import certificate_details, transport_details
from orosync.transport_details import connection_facts as read_facts

KEYS = {
    "channel_type", "channel_framing", "channel_serializer", "own", "peer", "is_server", "is_secure", "channel_id",
    "peer_cert", "websocket_protocol", "websocket_extensions_in_use", "http_headers_received", "http_headers_sent",
    "http_cbtid",
}  # fmt: skip


class TransportDetailsTests(SynchronousTestCase):
    def test_crossbars_keys(self):
        """Components written for Crossbar.io find every key that they may look for; all of it goes into JSON."""
        told = transport_details(connection_facts())
        self.assertEqual(set(told), KEYS)
        self.assertEqual(
            (told["channel_type"], told["channel_framing"], told["is_secure"]), ("tcp", "websocket", False)
        )
        self.assertEqual(told["websocket_protocol"], "wamp.2.json")
        self.assertEqual(json.loads(json.dumps(told)), told)

    def test_nothing_secret(self):
        """Cookies, credentials, tickets in the query or in a Referer, proxies' and unknown headers: none of it."""
        secret = "hush-hush"
        headers = {
            "cookie": f"BAPID={secret}", "authorization": f"Basic {secret}", "referer": f"https://a/?ticket={secret}",
            "sec-websocket-protocol": secret, "x-api-key": secret, "sec-websocket-key": secret, "user-agent": "Firefox",
            "host": "oro.example.com", "origin": "https://oro.example.com", "accept-language": "uk",
        }  # fmt: skip
        facts = connection_facts(
            query=f"ticket={secret}", cookies={"BAPID": secret}, headers=headers, subprotocols=(secret, "wamp")
        )
        told = transport_details(facts)
        self.assertNotIn(secret, json.dumps(told))
        self.assertEqual(set(told["http_headers_received"]), {"accept-language", "host", "origin", "user-agent"})
        self.assertEqual(told["websocket_protocol"], "wamp")

    def test_proxies(self):
        """That there was a proxy is told, as who asks will read it; what it said is not."""
        facts = connection_facts(forwarded=True, headers={"x-forwarded-for": "198.51.100.1", "via": "1.1 secret"})
        told = transport_details(facts)
        self.assertEqual(told["http_headers_received"], {"forwarded": "for=unknown"})
        there = read_facts("attach", told, [ip_network("0.0.0.0/0")])
        self.assertEqual((there.forwarded, there.address), (True, "127.0.0.1"))
        self.assertFalse(read_facts("attach", transport_details(connection_facts()), ()).forwarded)

    def test_long_headers(self):
        """A header of a size that nobody needs is not carried from session to session."""
        self.assertEqual(
            transport_details(connection_facts(headers={"user-agent": "x" * 5000}))["http_headers_received"], {}
        )

    def test_peer(self):
        """The client's address, not the proxy's; by kind, as Twisted writes it."""
        for address, peer in (
            ("203.0.113.9", "tcp4:203.0.113.9:0"),
            ("2001:db8::1", "tcp6:2001:db8::1:0"),
            ("unix", "unix"),
        ):
            self.assertEqual(transport_details(connection_facts(address=address))["peer"], peer)

    def test_kinds_of_transport(self):
        """TLS, RawSocket, and what has no transport at all."""
        told = transport_details(connection_facts(tls=True, path="", subprotocols=("wamp.2.cbor",)))
        self.assertEqual((told["channel_type"], told["channel_framing"], told["is_secure"]), ("tls", "rawsocket", True))
        self.assertIsNone(told["websocket_protocol"])
        self.assertEqual(transport_details(connection_facts(peer="")), {"type": "stdio"})
        self.assertEqual(transport_details(None), {"type": "stdio"})

    def test_certificate(self):
        """Its fingerprints, as OpenSSL prints them."""
        told = certificate_details(b"certificate")
        self.assertEqual(
            told,
            {
                "sha1": "73:5A:D5:71:C1:89:D7:BA:84:46:4B:F4:A9:F1:D2:28:01:75:B1:28",
                "sha256": told["sha256"],
            },
        )
        self.assertRegex(told["sha256"], r"\A([0-9A-F]{2}:){31}[0-9A-F]{2}\Z")
        self.assertIsNone(certificate_details(None))
        self.assertEqual(transport_details(connection_facts(client_certificate=b"certificate"))["peer_cert"], told)
