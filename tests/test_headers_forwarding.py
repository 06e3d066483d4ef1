"""Addresses behind proxies, and the marks that those leave."""

from ipaddress import ip_network

from twisted.trial.unittest import SynchronousTestCase

from orosync.headers import NAMES, PREFIXES, address_group, client_address, forwarded, plain_address, within

PROXIES = (ip_network("10.0.0.0/8"), ip_network("::1/128"))

PEER, CLIENT = "10.0.0.1", "198.51.100.1"


def headers(*told: str | None) -> dict[str, str]:
    """X-Forwarded-For, Forwarded and X-Real-IP, without those that are None."""
    names = ("x-forwarded-for", "forwarded", "x-real-ip")
    return {name: value for name, value in zip(names, told, strict=True) if value is not None}


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
            self.assertEqual(client_address(peer, headers(chain, None, None), PROXIES), address, what)

    def test_no_header_is_believed_without_trusted_proxies(self) -> None:
        """Without configured proxies no header is worth anything, on a UNIX socket neither."""
        for name, value in (("x-forwarded-for", CLIENT), ("forwarded", f"for={CLIENT}"), ("x-real-ip", CLIENT)):
            for peer in ("127.0.0.1", "unix"):
                self.assertEqual(client_address(peer, {name: value}, ()), peer)
            self.assertEqual(client_address("192.0.2.9", {name: value}, PROXIES), "192.0.2.9")
            self.assertEqual(client_address("unix", {name: value}, PROXIES), CLIENT)

    def test_forwarded(self) -> None:
        """RFC 7239, its own examples among others; read from the right end, as X-Forwarded-For."""
        for chain, address in [
            (f"for={CLIENT}", CLIENT),
            (f"For={CLIENT};proto=https;by=203.0.113.43", CLIENT),
            (f"proto=https;by=203.0.113.43 ; FOR={CLIENT}", CLIENT),
            ('for="[2001:db8:cafe::17]:4711"', "2001:db8:cafe::17"),
            ('for="[2001:db8:cafe::17]"', "2001:db8:cafe::17"),
            (f'for="{CLIENT}:47011"', CLIENT),
            (f'for="{CLIENT}:_port"', CLIENT),
            (f"for=192.0.2.43, for={CLIENT}", CLIENT),
            (f"for={CLIENT}, for=10.9.9.9;proto=http", CLIENT),
            (f"for={CLIENT}, for=unknown, for=10.9.9.9", "10.9.9.9"),
            (f"for={CLIENT}, for=_hidden", PEER),
            (f"for={CLIENT}, proto=http", PEER),
            (f"for={CLIENT};for=192.0.2.43", PEER),
            (f"for={CLIENT},", PEER),
            ("for=", PEER),
            ('for="', PEER),
            (CLIENT, PEER),
        ]:
            self.assertEqual(client_address(PEER, {"forwarded": chain}, PROXIES), address, chain)

    def test_forwarded_that_quotes_what_comes_behind(self) -> None:
        """A client opens a quotation that the proxy's own element would close; that element counts all the same."""
        for sent in ('for="192.0.2.1', 'for=192.0.2.1;x="', '"', 'for="192.0.2.1", x="', "for=192.0.2.1;x=\\"):
            for added in (f"for={CLIENT}", f'for="{CLIENT}:4711";by="[2001:db8::1]"'):
                self.assertEqual(client_address(PEER, {"forwarded": f"{sent}, {added}"}, PROXIES), CLIENT, sent)

    def test_real_ip(self) -> None:
        """One address, as nginx writes it; anything else says nothing."""
        for text, address in [
            (CLIENT, CLIENT),
            (f" {CLIENT} ", CLIENT),
            ("2001:DB8::5", "2001:db8::5"),
            ("::ffff:198.51.100.1", CLIENT),
            ("10.0.0.7", "10.0.0.7"),
            (f"{CLIENT}, 192.0.2.1", PEER),
            ("unix:", PEER),
            ("", PEER),
        ]:
            self.assertEqual(client_address(PEER, {"x-real-ip": text}, PROXIES), address, text)

    def test_several_headers(self) -> None:
        """Those that agree are believed; one that leads to a proxy is silent; two clients are none."""
        for told, address in [
            ((CLIENT, None, CLIENT), CLIENT),
            ((CLIENT, f"for={CLIENT}", CLIENT), CLIENT),
            (("2001:db8::5", 'for="[2001:DB8:0::5]:80"', None), "2001:db8::5"),
            ((f"{CLIENT}, 10.0.0.2", None, "10.0.0.2"), CLIENT),
            (("unknown", f"for={CLIENT}", None), CLIENT),
            (("10.0.0.3, 10.0.0.2", None, "10.0.0.2"), "10.0.0.3"),
            ((None, "for=10.0.0.3", "10.0.0.2"), "10.0.0.3"),
            ((CLIENT, None, "192.0.2.1"), PEER),
            ((CLIENT, "for=192.0.2.1", None), PEER),
            ((None, "for=192.0.2.1", CLIENT), PEER),
            ((CLIENT, f"for={CLIENT}", "192.0.2.1"), PEER),
        ]:
            self.assertEqual(client_address(PEER, headers(*told), PROXIES), address, told)

    def test_a_client_cannot_pass_for_another(self) -> None:
        """Whichever header the proxy writes: with anything in the others, the address is the client's own or the
        proxy's."""
        for written in ("x-forwarded-for", "forwarded", "x-real-ip"):
            for lie in ("192.0.2.1", CLIENT, "10.0.0.2", "127.0.0.1", "::1", "unknown", ""):
                sent = {"x-forwarded-for": lie, "forwarded": f"for={lie}", "x-real-ip": lie}
                own = f"for={CLIENT}" if written == "forwarded" else CLIENT
                sent[written] = own if written == "x-real-ip" else f"{sent[written]}, {own}"
                self.assertIn(client_address(PEER, sent, PROXIES), (CLIENT, PEER), (written, lie))

    def test_scoped_peers_are_understood(self) -> None:
        """A link-local peer carries its interface; that must not raise."""
        for header in ("x-forwarded-for", "x-real-ip"):
            self.assertEqual(client_address("fe80::1%eth0", {header: CLIENT}, PROXIES), "fe80::1%eth0")

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
