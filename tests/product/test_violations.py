"""Who breaks the rules hears why, over plain TCP and TLS, whatever else it sends; and all that many small pieces hold
arrives in order. The table of all violations is in tests/transport/test_violations.py."""

from __future__ import annotations

import json
import ssl

from twisted.trial.unittest import SynchronousTestCase

from tests.product.raw import Closed, RawClient
from tests.product.raw_socket import Ended, RawSocketClient
from tests.product.running_router import shared
from tests.support.violations import DEFLATE, FRAMING

OFFER = ("Sec-WebSocket-Extensions: permessage-deflate",)
CLOSE = b"\x88\x82\0\0\0\0\x03\xe8"
GARBAGE = b"\xff\x00\x81\xfe" * 50000


class ViolationsTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.router = shared(listen="compression = deflate\ntransport = universal\nlongpoll = /lp")
        self.uninvolved = RawClient(self.router.url()).join()
        self.addCleanup(self.uninvolved.close)
        self.asked = 0

    def served(self) -> None:
        """The uninvolved client gets an answer to a question of its own."""
        self.asked += 1
        self.uninvolved.send([48, self.asked, {}, "no.such"])
        self.assertEqual(self.uninvolved.read()[:3], [8, 48, self.asked])

    def visitor(self, secure: bool = False, subprotocol: str = "wamp.2.json") -> RawClient:
        client = RawClient(self.router.url(secure=secure), subprotocol, headers=() if secure else OFFER)
        self.addCleanup(client.close)
        return client

    def test_compressed(self) -> None:
        """Before HELLO and after it, followed by an ordinary client's CLOSE, or by more of the same."""
        for what in (
            "corrupt",
            "cut within a block",
            "inflating to bad text",
            "a bomb",
            "corrupt in its last fragment",
        ):
            stream, code = DEFLATE[what]
            for following in (b"", CLOSE, stream + CLOSE, GARBAGE):
                for joined in (False, True):
                    client = self.visitor()
                    if joined:
                        client.send([1, "open", {"roles": {"caller": {}}}])
                        client.read_frame()  # WELCOME, compressed
                    client.socket.sendall(stream + following)
                    self.assertEqual(client.ended(), code, (what, following[:8], joined))
            self.served()

    def test_too_large(self) -> None:
        """A client of anybody's that says more than it may, and answers our CLOSE as it should."""
        client = RawClient(self.router.url()).join()
        self.addCleanup(client.close)
        client.send_frame(b"x" * 70000)
        self.assertEqual(self.code(client), 1009)
        client.send_frame(b"\x03\xe8", 8)
        self.assertEqual(client.ended(), None)
        self.served()

    def test_framing(self) -> None:
        """Plain and over TLS: the CLOSE is read though much lies behind the violation, and the end comes by itself."""
        for secure in (False, True):
            for what in (
                "an unmasked text",
                "opcode 11",
                "a continuation of nothing",
                "text that is not UTF-8",
                "garbage",
            ):
                stream, code = FRAMING[what]
                for following in (b"", CLOSE, GARBAGE):
                    client = self.visitor(secure)
                    for start in range(0, len(stream + following), 4096):  # no longer a record than a message may be
                        client.socket.sendall((stream + following)[start : start + 4096])
                    self.assertEqual(client.ended(), code, (what, secure))
            self.served()

    def test_what_sessions_refuse(self) -> None:
        """ABORT or not, the code, the end; v1, v2 and batches."""
        for subprotocol, wrong, code in (
            ("wamp.2.json", b"[99]", 1002),
            ("wamp.2.json.batched", b"[99]\x1e[99]\x1e", 1002),
            ("wamp.2.cbor", b"\xff", 1002),
        ):
            client = self.visitor(subprotocol=subprotocol)
            client.send_frame(wrong, 2 if "cbor" in subprotocol else 1)
            client.socket.sendall(CLOSE + GARBAGE)
            self.assertEqual(client.ended(), code, subprotocol)
        client = RawClient(self.router.url("anna"), "wamp")
        self.addCleanup(client.close)
        client.read()
        client.send_frame(b"[99]")
        client.socket.sendall(GARBAGE)
        self.assertEqual(client.ended(), 1007)
        self.served()

    def test_rawsocket(self) -> None:
        """ABORT and the end, whatever follows."""
        client = RawSocketClient(self.router.public).join()
        self.addCleanup(client.socket.close)
        client.socket.sendall(b"\x07\0\0\0" + GARBAGE)
        self.assertEqual(client.read()[0], 3)
        self.assertRaises(Ended, client.read)
        self.served()

    def test_http(self) -> None:
        """A refused request is the last one of its connection."""
        for head, status in (
            (b"POST /lp/open HTTP/1.1\r\nHost: a\r\nContent-Length: 9999999\r\n\r\n", b"413"),
            (b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", b"426"),
        ):
            client = RawSocketClient(self.router.public)
            self.addCleanup(client.socket.close)
            client.socket.sendall(head + b"POST /lp/open HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n" * 500)
            answer = b""
            while chunk := self.received(client):
                answer += chunk
            self.assertEqual((answer[:12], answer.count(b"HTTP/1.1 ")), (b"HTTP/1.1 " + status, 1))
        self.served()

    def test_a_read_full_of_small_records(self) -> None:
        """Over TLS one read holds hundreds of messages, each in a record of its own: all are answered, in order."""
        context = ssl.create_default_context()
        client = RawClient(self.router.url(secure=True), "wamp.2.json", tls=context)
        self.addCleanup(client.close)
        client.join()
        for n in range(1, 801):
            client.send_frame(json.dumps([48, n, {}, "no.such"]).encode())
            if n % 10 == 0:
                client.send_frame(b"%d" % n, 9)
        answers = [client.read_frame() for _ in range(880)]
        self.assertEqual([json.loads(said)[2] for opcode, said in answers if opcode == 1], list(range(1, 801)))
        self.assertEqual([int(said) for opcode, said in answers if opcode == 10], list(range(10, 801, 10)))
        self.served()

    def code(self, client: RawClient) -> int | None:
        with self.assertRaises(Closed) as closed:
            client.read_frame()
        return closed.exception.code

    @staticmethod
    def received(client: RawSocketClient) -> bytes:
        try:
            return client.socket.recv(65536)
        except ConnectionError:
            return b""
