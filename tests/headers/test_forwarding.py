"""Addresses behind proxies, and the marks that those leave."""

from ipaddress import ip_network

from twisted.trial.unittest import SynchronousTestCase

from orosync.headers.forwarding import (
    NAMES,
    PREFIXES,
    address_group,
    client_address,
    forwarded,
    plain_address,
    within,
)

PROXIES = (ip_network("10.0.0.0/8"), ip_network("::1/128"))


class ClientAddressTests(SynchronousTestCase):
    def test_who_is_believed(self) -> None:
        """Only what a trusted proxy wrote counts, read from its own end of the list."""
        for what, peer, chain, address in [
            ("no header", "10.0.0.1", None, "10.0.0.1"),
            ("an untrusted peer", "192.0.2.9", "198.51.100.1", "192.0.2.9"),
            ("one proxy", "10.0.0.1", "198.51.100.1", "198.51.100.1"),
            ("a client that lies", "10.0.0.1", "127.0.0.1, 198.51.100.1", "198.51.100.1"),
            ("two proxies", "10.0.0.1", "198.51.100.1, 10.9.9.9", "198.51.100.1"),
            ("proxies all the way", "10.0.0.1", "10.0.0.3, 10.0.0.2", "10.0.0.3"),
            ("an IPv6 client", "::1", "2001:db8::5", "2001:db8::5"),
            ("with brackets and port", "10.0.0.1", "[2001:db8::5]:4711", "2001:db8::5"),
            ("with a port", "10.0.0.1", "198.51.100.1:4711", "198.51.100.1"),
            ("IPv4 in IPv6", "10.0.0.1", "::ffff:198.51.100.1", "198.51.100.1"),
            ("nonsense", "10.0.0.1", "unknown", "10.0.0.1"),
            ("nonsense behind a proxy", "10.0.0.1", "198.51.100.1, _x, 10.0.0.2", "10.0.0.2"),
            ("empty", "10.0.0.1", "", "10.0.0.1"),
            ("a trailing comma", "10.0.0.1", "198.51.100.1,", "10.0.0.1"),
            ("a UNIX socket", "unix", "198.51.100.1", "198.51.100.1"),
        ]:
            self.assertEqual(client_address(peer, chain, PROXIES), address, what)

    def test_nobody_is_believed_where_nobody_is_trusted(self) -> None:
        """Without configured proxies the header is worth nothing, on a UNIX socket neither."""
        self.assertEqual(client_address("127.0.0.1", "198.51.100.1", ()), "127.0.0.1")
        self.assertEqual(client_address("unix", "198.51.100.1", ()), "unix")

    def test_scoped_peers_are_understood(self) -> None:
        """A link-local peer carries its interface; that must not raise."""
        self.assertEqual(client_address("fe80::1%eth0", "198.51.100.1", PROXIES), "fe80::1%eth0")

    def test_ipv4_on_an_ipv6_socket_is_written_as_ipv4(self) -> None:
        """So that networks in a configuration match it."""
        self.assertEqual(plain_address("::ffff:192.0.2.1"), "192.0.2.1")
        self.assertEqual(plain_address("::FFFF:192.0.2.1"), "192.0.2.1")
        self.assertEqual(plain_address("2001:db8::1"), "2001:db8::1")


MARKS = """
forwarded via x-real-ip x-forwarded-for x-forwarded-proto x-forwarded-anything x-forwarded cf-connecting-ip
cf-ray cf-connecting-ipv6 cf-pseudo-ipv4 cdn-loop true-client-ip client-ip x-client-ip x-cluster-client-ip
fastly-client-ip fly-client-ip x-original-forwarded-for x-original-host x-original-uri x-proxyuser-ip
proxy-client-ip wl-proxy-client-ip forwarded-for x-envoy-external-address x-envoy-internal x-remote-addr
x-remote-ip x-originating-ip x-appengine-user-ip x-azure-clientip x-azure-socketip cloudfront-viewer-address
x-amz-cf-id x-amzn-trace-id x-arr-ssl x-varnish incap-client-ip ali-cdn-real-ip x-sucuri-clientip
x-vercel-forwarded-for x-nf-client-connection-ip do-connecting-ip x-scheme x-real-port
x-forwarded-client-cert front-end-https x_forwarded_for http-x-forwarded-for x.forwarded.for x-nginx-proxy
x-request-id x-request-start x-queue-start x-ssl x-ssl-client-verify x-tls-version x-accel-internal ns-client-ip
x-lb-forwarded x-b3-traceid traceparent x-kong-request-id remote-ip x-ip x-host x-server-name x-geoip-country
x-country-code x-client-port x-client-verify x-frontend-proto x-backend-server x-https x-port proxy-connection
"""
NO_MARKS = """
x-forward viable x-requested-with origin pragma cache-control upgrade connection user-agent
sec-websocket-key sec-websocket-protocol sec-websocket-version accept accept-encoding accept-language
sec-fetch-mode sec-fetch-site sec-ch-ua dnt cookie authorization referer te priority x-csrf-header sec-gpc
sec-websocket-extensions
"""


class MarkTests(SynchronousTestCase):
    def test_forwarding_marks(self) -> None:
        """Any mark of a proxy is noticed, believed or not, empty or not."""
        for name in (*MARKS.split(), *NAMES):
            for value in ("", "192.0.2.7"):
                self.assertTrue(forwarded({"host": "a", name: value}), name)
        for prefix in PREFIXES:
            self.assertTrue(forwarded({"host": "a", f"{prefix}anything": ""}), prefix)

    def test_no_marks(self) -> None:
        """What PHP, browsers and programs send by themselves is none."""
        for name in NO_MARKS.split():
            self.assertFalse(forwarded({"host": "a", name: "1"}), name)

    def test_within(self) -> None:
        """Whether an address is in a network; what is no address is in none."""
        for address, inside in [
            ("10.1.2.3", True),
            ("::ffff:10.1.2.3", True),
            ("::1", True),
            ("::1%lo", True),
            ("11.0.0.1", False),
            ("::2", False),
            ("unix", False),
            ("", False),
            ("/run/orosync.sock", False),
        ]:
            self.assertEqual(within(address, PROXIES), inside, address)


class Groups(SynchronousTestCase):
    """What counts as one address."""

    def test_table(self) -> None:
        """An IPv4 address however it is written, the /64 of an IPv6 one, anything else as it stands."""
        for address, group in [
            ("192.0.2.1", "192.0.2.1"),
            ("::ffff:192.0.2.1", "192.0.2.1"),
            ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
            ("2001:db8:1:2::", "2001:db8:1:2::/64"),
            ("2001:db8:1:3::1", "2001:db8:1:3::/64"),
            ("::1", "::/64"),
            ("fe80::1%eth0", "fe80::/64"),
            ("/run/orosync.sock", "/run/orosync.sock"),
            ("", ""),
        ]:
            self.assertEqual(address_group(address), group)
