"""Resumed TLS sessions in the whole product: each transport of a listener, channel binding, a reload, and workers."""

from __future__ import annotations

import json
import socket
import ssl
from typing import Any

from nacl.signing import SigningKey
from twisted.trial.unittest import SynchronousTestCase

from orosync.transport.tls import self_signed
from tests.product.raw import RawClient
from tests.product.running_router import shared
from tests.product.test_workers import WorkersCase
from tests.support.ports import free_port
from tests.support.processes import server_of

SEED = bytes([7]) * 32
BOUND = {"pubkey": bytes(SigningKey(SEED).verify_key).hex(), "channel_binding": "tls-unique"}
MORE = """
[listen:all]
endpoint = tcp:{port}:interface=127.0.0.1
transport = universal
longpoll = /lp
certificate = own.pem
key = own.key
origins = localhost 127.0.0.1
origin = optional
realm = open
[realm:keys]
authenticators = keys
authorizers = roles
[authenticator:keys]
use = cryptosign
user.robot = robot {public}
[role:keys/robot]
permissions =
    any all
"""
VERSIONS = (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3)


def context(version: ssl.TLSVersion = ssl.TLSVersion.TLSv1_3) -> ssl.SSLContext:
    """A client's, that trusts everybody."""
    made = ssl.create_default_context()
    made.check_hostname, made.verify_mode = False, ssl.CERT_NONE
    made.maximum_version = version
    return made


class ListenerTests(SynchronousTestCase):
    """One listener with all transports."""

    def setUp(self) -> None:
        if not hasattr(type(self), "port"):
            type(self).port = free_port()
            type(self).files = {}
            for name in ("own", "next"):
                directory = self.mktemp()
                certificate, key = f"{directory}.pem", f"{directory}.key"
                self_signed(certificate, key)
                for path, kind in ((certificate, "pem"), (key, "key")):
                    with open(path) as file:
                        type(self).files[f"{name}.{kind}"] = file.read()
        more = MORE.format(port=self.port, public=BOUND["pubkey"])
        self.router = shared(more=more, files=self.files)
        self.router.child.wait_for_port(self.port)

    def connect(self, tls: ssl.SSLContext, session: Any = None) -> tuple[RawClient, Any]:
        """A client that speaks WebSocket, and its session, which was resumed if it had one."""
        client = RawClient(f"wss://127.0.0.1:{self.port}/ws", tls=tls, session=session)
        self.addCleanup(client.close)
        assert isinstance(client.socket, ssl.SSLSocket)
        self.assertEqual((client.status, client.socket.session_reused), (101, session is not None))
        return client, client.socket.session

    def ask(self, tls: ssl.SSLContext, session: Any, sent: bytes) -> bytes:
        """The beginning of an answer on a connection that resumes ``session``."""
        plain = socket.create_connection(("127.0.0.1", self.port), 10)
        with tls.wrap_socket(plain, session=session, server_hostname="127.0.0.1") as client:
            client.sendall(sent)
            answer = client.recv(65536)
            self.assertTrue(client.session_reused)
            return answer

    def test_transports(self) -> None:
        """A session that began with a WebSocket is resumed by one that joins and gets its events, by long-poll and by
        RawSocket."""
        for version in VERSIONS:
            tls = context(version)
            _, session = self.connect(tls)
            client, _ = self.connect(tls, session)
            client.join()
            client.send([32, 1, {}, "com.example.news"], [16, 2, {"exclude_me": False}, "com.example.news", [7]])
            self.assertEqual([client.read()[0], client.read()[4]], [33, [7]])
            body = json.dumps({"protocols": ["wamp.2.json"]})
            request = f"POST /lp/open HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n\r\n{body}".encode()
            self.assertTrue(self.ask(tls, session, request).startswith(b"HTTP/1.1 200 "))
            self.assertEqual(self.ask(tls, session, b"\x7f\xf1\0\0")[:1], b"\x7f")

    def test_channel_binding(self) -> None:
        """tls-unique serves a full handshake. After a resumed one the client is refused, and the log says why."""
        for version in VERSIONS:
            tls = context(version)
            client, session = self.connect(tls)
            hello = [1, "keys", {"roles": {"caller": {}}, "authmethods": ["cryptosign"], "authextra": BOUND}]
            client.send(hello)
            self.assertEqual(client.read()[:2], [4, "cryptosign"])
            self.router.child.forget()
            client, _ = self.connect(tls, session)
            client.send(hello)
            self.assertEqual(client.read()[::2], [3, "wamp.error.authentication_denied"])
            self.assertIn("no tls-unique to bind to: it is not TLS, or its TLS session was resumed", self.router.log)

    def test_a_reload(self) -> None:
        """One that changes nothing leaves sessions valid, and so does a new certificate, which others see."""
        tls = context()
        client, session = self.connect(tls)
        state = self.router.config.parent
        answers = []
        for name in ("own", "next"):
            for kind in ("pem", "key"):
                (state / f"own.{kind}").write_text(self.files[f"{name}.{kind}"] + "\n")
            self.router.child.process.send_signal(1)
            self.router.child.wait_for_line("[listen:all] certificate read anew")
            self.router.child.forget()
            self.connect(tls, session)
            answers.append(ssl.get_server_certificate(("127.0.0.1", self.port)).strip())
        self.assertEqual(answers, [self.files["own.pem"].strip(), self.files["next.pem"].strip()])
        client.join()


class WorkerTests(WorkersCase):
    def test_another_worker(self) -> None:
        """Each worker has a key of its own: at the worker that gave it a session is resumed, at the other one the
        handshake is a full one, and the client is served all the same."""
        pids = self.workers()
        tls = context()
        url = self.router.url(secure=True)

        def connect(session: Any = None) -> tuple[Any, bool, int | None]:
            client = RawClient(url, tls=tls, session=session)
            self.clients.append(client)
            client.join()
            assert isinstance(client.socket, ssl.SSLSocket)
            server = server_of(client.socket.getsockname()[1], pids.values())
            return client.socket.session, bool(client.socket.session_reused), server

        session, _, first = connect()
        seen = {(server == first, resumed) for _, resumed, server in (connect(session) for _ in range(24))}
        self.assertEqual(seen, {(True, True), (False, False)})
