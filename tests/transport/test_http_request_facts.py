"""ConnectionFacts: what a request and its connection tell."""

from ipaddress import ip_network

from twisted.trial.unittest import SynchronousTestCase

from orosync.transport.http_request import connection_facts, parse
from tests.support.settings import listener_settings
from tests.support.wires import upgrade

PROXIES = (ip_network("10.0.0.0/8"), ip_network("::1/128"))


class FactsTests(SynchronousTestCase):
    def test_everything_that_a_request_tells(self) -> None:
        """The session learns listener, addresses, path, raw query, origin, cookies and headers from one value."""
        settings = listener_settings(trusted_proxies=PROXIES, tls=True)
        request = parse(upgrade("/ws?ticket=x", extra="Cookie: BAPID=1\r\nX-Forwarded-For: 198.51.100.1\r\n"))
        facts = connection_facts(settings, "10.0.0.1", request, "localhost", ("wamp",))
        self.assertEqual(
            (facts.listener, facts.peer, facts.address, facts.host, facts.path, facts.query, facts.origin),
            ("public", "10.0.0.1", "198.51.100.1", "localhost", "/ws", "ticket=x", "http://localhost"),
        )
        self.assertEqual(
            (facts.subprotocols, dict(facts.cookies), facts.tls, facts.forwarded),
            (("wamp",), {"BAPID": "1"}, True, True),
        )
        self.assertEqual(facts.headers["host"], "localhost:8080")

    def test_each_header_of_a_proxy(self) -> None:
        """The client's address stands in any of the three headers."""
        settings = listener_settings(trusted_proxies=PROXIES)
        for header in ("X-Forwarded-For: 198.51.100.1", "Forwarded: for=198.51.100.1", "X-Real-IP: 198.51.100.1"):
            request = parse(upgrade(extra=f"{header}\r\n"))
            facts = connection_facts(settings, "10.0.0.1", request, "localhost", ("wamp",))
            self.assertEqual((facts.peer, facts.address, facts.forwarded), ("10.0.0.1", "198.51.100.1", True), header)
