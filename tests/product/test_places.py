"""Many clients that have not joined: other clients and PHP are admitted, and each refusal is reported."""

from __future__ import annotations

import contextlib
import json
import socket
from urllib.parse import urlsplit

from twisted.trial.unittest import SynchronousTestCase

from tests.product.raw import Closed, RawClient
from tests.product.running_router import RunningRouter
from tests.support.ports import free_port

SMALL = """
[listen:small]
endpoint = tcp:{port}:interface=127.0.0.1
origins = localhost 127.0.0.1
origin = optional
publisher_from = 127.0.0.1
realm = oro
authenticators = tickets guests
longpoll = /lp
handshake_timeout = 60s
hello_timeout = 60s
max_connections = 24
max_unauthenticated = 20
unauthenticated_per_address = 5
"""


class PlacesTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.port = free_port()
        self.router = RunningRouter(more=SMALL.format(port=self.port))
        self.addCleanup(self.router.close)
        self.router.child.wait_for_port(self.port)

    def connection(self, address: str) -> socket.socket:
        """A connection from an address of loopback."""
        client = socket.socket()
        self.addCleanup(client.close)
        client.settimeout(10)
        client.bind((address, 0))
        client.connect(("127.0.0.1", self.port))
        return client

    def status(self, address: str, user: str) -> int:
        """What a page of ``user`` gets that comes from ``address``; it stays."""
        client, parts = self.connection(address), urlsplit(self.router.url(user, port=self.port))
        client.sendall(
            f"GET {parts.path}?{parts.query} HTTP/1.1\r\nHost: localhost\r\n"
            "Upgrade: websocket\r\nConnection: Upgrade\r\n"
            "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\nOrigin: http://localhost\r\n"
            "Sec-WebSocket-Protocol: wamp\r\n\r\n".encode()
        )
        answer = b""
        with contextlib.suppress(ConnectionResetError):
            while b"\r\n\r\n" not in answer and (piece := client.recv(4096)):
                answer += piece
        return int(answer.split()[1])

    def test_silent_sockets(self) -> None:
        """Those of one address take half of the places; when many addresses take all, PHP comes in all the same, and
        when clients who have joined take all."""
        silent = [self.connection("127.0.0.2") for _ in range(30)]
        self.router.child.wait_for_line("connection.refused (too_many_of_address): listener=small address=127.0.0.2")
        self.assertEqual(self.status("127.0.0.3", "anna"), 101)
        self.assertEqual(self.router.publish(port=self.port, times=2)["connected"], 2)
        silent += [self.connection(f"127.0.0.{4 + number // 4}") for number in range(20)]
        self.router.child.wait_for_line("connection.refused (too_many_unauthenticated): listener=small")
        self.assertEqual(self.status("127.0.0.20", "anna"), 503)
        self.assertEqual(self.router.publish(port=self.port, times=5)["connected"], 5)
        for one in silent:
            one.close()
        self.assertEqual([self.status("127.0.0.1", "ben") for _ in range(23)], [101] * 23)
        self.assertEqual([self.status(address, "ben") for address in ("127.0.0.1", "127.0.0.9")], [503, 503])
        self.router.child.wait_for_line("connection.refused (too_many): listener=small")
        self.assertEqual(self.router.publish(port=self.port, times=5)["connected"], 5)

    def test_transports_over_one_connection(self) -> None:
        """Each counts; others come in, and when they are closed there is room again."""
        client = self.connection("127.0.0.2")
        body = json.dumps({"protocols": ["wamp.2.json"]}).encode()

        def request(path: str, body: bytes = b"") -> tuple[int, bytes]:
            client.sendall(
                f"POST /lp/{path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body
            )
            answer = b""
            while b"\r\n\r\n" not in answer:
                answer += client.recv(65536)
            head, _, rest = answer.partition(b"\r\n\r\n")
            length = next((int(line[15:]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-le")), 0)
            while len(rest) < length:
                rest += client.recv(65536)
            return int(head.split()[1]), rest

        answers = [request("open", body) for _ in range(15)]
        self.assertEqual([status for status, _ in answers], [200] * 10 + [503] * 5)
        self.assertEqual(self.status("127.0.0.3", "anna"), 101)
        for _, told in answers[:5]:
            self.assertEqual(request(f"{json.loads(told)['transport']}/close")[0], 204)
        self.assertEqual(request("open", body)[0], 200)

    def test_long_messages_before_hello(self) -> None:
        """64 KiB, and a byte more than 8, are too large; after WELCOME they are not."""
        url = self.router.url(port=self.port)
        for size in (65536, 8193):
            client = RawClient(url)
            self.addCleanup(client.close)
            client.send_frame(b'[1,"open",{"x":"' + b"x" * size)
            with self.assertRaises(Closed) as caught:
                client.read()
            self.assertEqual(caught.exception.code, 1009)
        client = RawClient(url)
        self.addCleanup(client.close)
        client.join("open").send([16, 1, {"acknowledge": True}, "a.b", ["x" * 60_000]])
        self.assertEqual(client.read()[0], 17)
