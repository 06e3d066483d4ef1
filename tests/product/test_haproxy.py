"""Behind a HAProxy that passes on TCP as it is, with the PROXY protocol in both versions, in front of TLS too."""

from __future__ import annotations

import socket
import tempfile
import time
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from tests.product.clients import Client
from tests.product.running_router import RunningRouter
from tests.support.ports import free_port
from tests.support.processes import Child
from tests.support.wires import upgrade

LISTENERS = """
[listen:balanced]
endpoint = tcp:{balanced}:interface=127.0.0.1
origins = localhost 127.0.0.1
origin = optional
trusted_proxies = 127.0.0.1
proxy_protocol = yes
publisher_from = 127.0.0.1
realm = oro

[listen:balanced_tls]
endpoint = tcp:{balanced_tls}:interface=127.0.0.1
certificate = certificate.pem
key = key.pem
origins = localhost 127.0.0.1
origin = optional
trusted_proxies = 127.0.0.1
proxy_protocol = yes
realm = oro
"""

HAPROXY = """
global
    maxconn 200
defaults
    mode tcp
    timeout connect 5s
    timeout client 60s
    timeout server 60s
listen first
    bind 127.0.0.1:{first}
    server one 127.0.0.1:{balanced} send-proxy check inter 100ms
listen second
    bind 127.0.0.1:{second}
    server one 127.0.0.1:{balanced} send-proxy-v2 check check-send-proxy inter 100ms
listen secure
    bind 127.0.0.1:{secure}
    server one 127.0.0.1:{balanced_tls} send-proxy-v2-ssl check inter 100ms
"""


class HAProxyTests(SynchronousTestCase):
    def setUp(self):
        names = ("balanced", "balanced_tls", "first", "second", "secure")
        self.ports = {name: free_port() for name in names}
        self.router = RunningRouter(more=LISTENERS.format(**self.ports))
        self.addCleanup(self.router.close)
        self.router.child.wait_for_port(self.ports["balanced"])
        directory = tempfile.TemporaryDirectory(prefix="haproxy-")
        self.addCleanup(directory.cleanup)
        path = Path(directory.name) / "haproxy.cfg"
        path.write_text(HAPROXY.format(**self.ports))
        self.haproxy = Child(["/usr/sbin/haproxy", "-db", "-f", str(path)])
        self.addCleanup(self.haproxy.end)
        for name in ("first", "second", "secure"):
            self.haproxy.wait_for_port(self.ports[name])

    def said(self, port: str, data: bytes, source: str = "127.0.0.5") -> bytes:
        """What one gets who connects from ``source`` and sends ``data``; b"" if the connection is ended."""
        try:
            with socket.create_connection(("127.0.0.1", self.ports[port]), 10, (source, 0)) as client:
                client.sendall(data)
                return client.recv(4096)
        except (ConnectionResetError, BrokenPipeError):
            return b""

    def logged(self, *words: str) -> bool:
        """Whether a line with all of them comes into the log before long."""
        for _ in range(100):
            if any(all(word in line for word in words) for line in self.router.log.splitlines()):
                return True
            time.sleep(0.05)
        return False

    def test_both_versions_and_tls(self):
        """Pages come in and hear what PHP publishes the same way; the log has the client's address."""
        anna = Client("wamp1", self.router.url("anna", port=self.ports["first"]))
        self.addCleanup(anna.end)
        ben = Client("autobahn-python", self.router.url("ben", port=self.ports["second"]))
        self.addCleanup(ben.end)
        secure = Client("wamp1", self.router.url("ben", secure=True, port=self.ports["secure"]))
        self.addCleanup(secure.end)
        for client in (anna, ben, secure):
            client.ask("subscribe", "oro/data/update")
        for name in ("first", "second"):
            done = self.router.publish(port=self.ports[name], payload=[name])
            self.assertEqual((done["published"], done["errors"]), (1, []))
            for client in (anna, ben, secure):
                self.assertEqual(client.event()[1], [[name]])
        for name in ("first", "second"):
            request = upgrade(origin=f"https://{name}.example")
            self.assertIn(b" 403 ", self.said(name, request))
            self.assertTrue(self.logged("handshake.refused (origin)", "address=127.0.0.5", f"{name}.example"))

    def test_publishing_goes_by_the_clients_address(self):
        """The balancer's own is in publisher_from, the client's is not."""
        ticket = self.router.url("").partition("?")[2]
        request = upgrade(f"/?{ticket}", origin="127.0.0.1")
        self.assertIn(b" 403 ", self.said("first", request))
        self.assertTrue(self.logged("no_publish_right", "address=127.0.0.5"))
        self.assertIn(b" 101 ", self.said("first", request, "127.0.0.1"))

    def test_past_the_balancer(self):
        """Without a header, and from an address that is no proxy's, nobody is served; health checks are not told."""
        time.sleep(0.5)
        self.assertNotIn("proxy.refused", self.router.log)
        self.assertEqual(self.said("balanced", upgrade(), "127.0.0.1"), b"")
        self.assertTrue(self.logged("proxy.refused (no_header)", "address=127.0.0.1"))
        header = b"PROXY TCP4 127.0.0.1 127.0.0.1 1 2\r\n"
        self.assertEqual(self.said("balanced", header + upgrade()), b"")
        self.assertTrue(self.logged("proxy.refused (not_a_proxy)", "address=127.0.0.5"))
