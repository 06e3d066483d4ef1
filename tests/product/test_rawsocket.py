"""T2: RawSocket as a user has it: autobahn's clients and bad ones, beside WebSocket clients in one realm."""

from __future__ import annotations

import atexit
import functools
import os
import random
import shutil
import tempfile
import threading
import time
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from tests.product.clients import Client
from tests.product.raw import RawClient
from tests.product.raw_socket import Ended, RawSocketClient
from tests.product.running_router import shared
from tests.product.test_malformed import JSON
from tests.support.ports import free_port

LISTENERS = """
[listen:raw]
endpoint = tcp:{raw}:interface=127.0.0.1
goodbye_at_stop = yes
transport = rawsocket
realm = oro

[listen:hasty]
endpoint = tcp:{hasty}:interface=127.0.0.1
transport = rawsocket
handshake_timeout = 2s
frame_timeout = 2s

[listen:rawtls]
endpoint = tcp:{tls}:interface=127.0.0.1
transport = rawsocket
certificate = certificate.pem
key = key.pem

[listen:local]
endpoint = unix:{path}
transport = rawsocket

[listen:robots]
endpoint = tcp:{robots}:interface=127.0.0.1
transport = rawsocket
publisher = yes
"""

VALUES = [1, -1, 1.5, "äöü €", None, True, [1, [2]], {"a": {"b": 1}}]


@functools.cache
def endpoints() -> tuple[list[int], Path]:
    """Ports and a path of this run."""
    holder = tempfile.mkdtemp(prefix="raw-")
    atexit.register(shutil.rmtree, holder)
    return [free_port() for _ in range(4)], Path(holder) / "socket"


class RawSocketCase(SynchronousTestCase):
    """A router with RawSocket on every kind of endpoint, and WebSocket and RawSocket on one port."""

    def setUp(self) -> None:
        self.run_router()

    def run_router(self, anew: bool = False) -> None:
        (self.raw, self.hasty, self.tls, self.robots), self.path = endpoints()
        more = LISTENERS.format(raw=self.raw, hasty=self.hasty, tls=self.tls, path=self.path, robots=self.robots)
        self.router = shared(anew=anew, listen="transport = universal", more=more)
        for port in (self.raw, self.hasty, self.tls, self.robots):
            self.router.child.wait_for_port(port)

    def client(self, library: str, url: str, **options: object) -> Client:
        client = Client(library, url, **{"realm": "open", **options})
        self.addCleanup(client.end)
        return client

    def socket(self, port: int | None = None) -> RawSocketClient:
        client = RawSocketClient(port or self.raw)
        self.addCleanup(client.close)
        return client


class ClientTests(RawSocketCase):
    """T2."""

    def test_autobahn_on_every_endpoint_in_every_serializer(self) -> None:
        """Over TCP, TLS, a UNIX socket and a shared port, beside WebSocket: everybody hears and calls everybody."""
        clients = {
            "tcp json": self.client("autobahn-python", f"rs://127.0.0.1:{self.raw}"),
            "tcp msgpack": self.client("autobahn-python", f"rs://127.0.0.1:{self.raw}", serializer="msgpack"),
            "tls cbor": self.client("autobahn-python", f"rss://127.0.0.1:{self.tls}", serializer="cbor"),
            "unix msgpack": self.client("autobahn-python", f"rs://unix:{self.path}", serializer="msgpack"),
            "universal cbor": self.client("autobahn-python", f"rs://127.0.0.1:{self.router.public}", serializer="cbor"),
            "autobahn js": self.client("autobahn", f"rs://127.0.0.1:{self.raw}"),
            "websocket json": self.client("autobahn-python", self.router.url()),
            "wampy": self.client("wampy", self.router.url(), serializer="msgpack"),
        }
        for name, client in clients.items():
            client.ask("subscribe", "com.example.news")
            client.ask("register", f"com.example.{name.replace(' ', '_')}")
        for name, publisher in clients.items():
            publisher.ask("publish", "com.example.news", VALUES, {"from": name}, acknowledge=True)
            for other, client in clients.items():
                if other != name:
                    self.assertEqual(client.event(), ("com.example.news", VALUES, {"from": name}), (name, other))
                result = client.ask("call", f"com.example.{name.replace(' ', '_')}", VALUES, {"k": 1})
                self.assertEqual(result, {"args": VALUES, "kwargs": {"k": 1}}, (name, other))

    def test_a_ticket_after_hello(self) -> None:
        """A user logs in with WAMP's own ticket authentication and hears what PHP publishes."""
        client = self.client(
            "autobahn-python",
            f"rs://127.0.0.1:{self.raw}",
            realm="oro",
            ticket=self.router.ticket("anna"),
            authid="anna",
        )
        client.ask("subscribe", "oro/data/update")
        self.router.publish(port=self.router.backend, per_connection=3)
        self.router.publish(per_connection=3)  # to the port that RawSocket shares
        self.assertEqual([client.event()[1][0]["k"] for _ in range(6)], [0, 1, 2] * 2)

    def test_a_back_end(self) -> None:
        """On a listener of its own it may publish, and more at once than a user."""
        hearer = RawClient(self.router.url("anna"), "wamp")
        self.addCleanup(hearer.close)
        hearer.read()
        hearer.send([5, "oro/data/update"])
        robot = self.socket(self.robots)
        self.assertEqual(robot.greet()[1] >> 4, 15, "16 MiB")
        robot.send([1, "oro", {"roles": {"publisher": {}}, "authmethods": ["ticket"], "authid": ""}])
        self.assertEqual(robot.read()[0], 4)
        robot.send([5, self.router.ticket(""), {}])
        self.assertEqual(robot.read()[0], 2)
        robot.send([16, 1, {"acknowledge": True}, "oro/data/update", ["x" * 200_000]])
        self.assertEqual(robot.read()[0], 17)
        self.assertEqual(len(hearer.read()[2]), 200_000)


class LengthTests(RawSocketCase):
    """T2: nobody gets more than it takes."""

    def test_what_is_too_long(self) -> None:
        """An event is left out, a result and an invocation become ERROR payload_size_exceeded; the client lives on."""
        small, large = self.socket().join(length=1), self.socket().join()
        small.send([32, 1, {}, "com.example.news"], [64, 2, {}, "com.example.small"])
        self.assertEqual([small.read()[0], small.read()[0]], [33, 65])
        large.send([64, 1, {}, "com.example.large"])
        self.assertEqual(large.read()[0], 65)
        large.send([16, 2, {}, "com.example.news", ["x" * 2000]], [16, 3, {}, "com.example.news", ["short"]])
        self.assertEqual(small.read()[4], ["short"])
        large.send([48, 4, {}, "com.example.small", ["x" * 2000]])
        error = large.read()
        self.assertEqual((error[:3], error[4]), ([8, 48, 4], "wamp.error.payload_size_exceeded"))
        for answer in ([70, None, {}, ["x" * 2000]], [8, 68, None, {}, "com.example.failed", ["x" * 2000]]):
            small.send([48, answer[0] + 1, {}, "com.example.large"])
            invocation = large.read()
            large.send([invocation[1] if one is None else one for one in answer])
            error = small.read()
            self.assertEqual((error[:3], error[4]), ([8, 48, answer[0] + 1], "wamp.error.payload_size_exceeded"))
        small.send([48, 9, {}, "com.example.small", ["still here"]])
        self.assertEqual(small.read()[0], 68)


class AttackTests(RawSocketCase):
    """T2: bad input costs its sender its connection, and other clients nothing."""

    BROKEN = (
        b"\x10\0\0\x01x",
        b"\x80\0\0\x01x",
        b"\x03\0\0\x01x",
        b"\x07\0\0\0",
        b"\x08\0\0\x01x",
        b"\x09\0\0\0",
        b"\0\x01\0\x01",
        b"\xff" * 100,
        b"\0\0\0\x02{}",
        b"\0\0\0\0",
        b"GET / HTTP/1.1\r\n\r\n",
    )

    def test_violations_are_told(self) -> None:
        """ABORT protocol_violation, then the end; after HELLO and before."""
        self.run_router(anew=True)  # other tests use up the journal's ration of these lines
        for joined in (True, False):
            for stream in self.BROKEN:
                client = self.socket()
                if joined:
                    client.join()
                else:
                    client.greet()
                client.socket.sendall(stream)
                (abort,) = client.ended()
                self.assertEqual((abort[0], abort[2]), (3, "wamp.error.protocol_violation"), stream)
        self.assertGreaterEqual(self.router.log.count("session.violation (v2)"), 20, "the journal's ration of lines")
        self.assertNotIn("Traceback", self.router.log)

    def test_malformed_messages(self) -> None:
        """What costs a WebSocket client its session costs a RawSocket client the same, with the same word."""
        for payload in JSON:
            client = self.socket().join()
            client.send_frame(payload)
            (abort,) = client.ended()
            self.assertEqual((abort[0], abort[2]), (3, "wamp.error.protocol_violation"), payload[:40])
        self.assertNotIn("Traceback", self.router.log)

    def test_others_are_served_meanwhile(self) -> None:
        """Bad handshakes, random bytes, half frames, floods and hang-ups, while events go on between two others."""
        publisher, hearer = self.socket().join(), self.socket().join()
        hearer.send([32, 1, {}, "com.example.news"])
        self.assertEqual(hearer.read()[0], 33)
        done = threading.Event()

        def attack() -> None:
            chance = random.Random(127)
            halves = []
            while not done.is_set():
                client = RawSocketClient(self.hasty)
                what = chance.randrange(6)
                try:
                    if what == 0:
                        client.socket.sendall(os.urandom(chance.randrange(1, 2000)))
                    elif what == 1:
                        client.greet(chance.randrange(16), chance.randrange(16))
                    else:
                        client.join()
                        if what == 2:
                            client.socket.sendall(os.urandom(1000))
                        elif what == 3:
                            client.socket.sendall(b"\0\0\xff\0half")
                            halves.append(client)
                            continue
                        elif what == 4:
                            for _ in range(200):
                                client.send_frame(b"p" * 1000, 1)
                except (OSError, Ended, AssertionError, ValueError):
                    pass
                client.close()
            for client in halves:
                client.close()

        attacker = threading.Thread(target=attack)
        attacker.start()
        try:
            for number in range(300):
                publisher.send([16, number + 1, {}, "com.example.news", [number]])
                self.assertEqual(hearer.read()[4], [number])
                time.sleep(0.005)
        finally:
            done.set()
            attacker.join()
        self.assertNotIn("Traceback", self.router.log)

    def test_half_a_frame(self) -> None:
        """Its time is bounded, and so is that of half a handshake."""
        client = self.socket(self.hasty).join()
        client.socket.sendall(b"\0\0\0\x10half")
        self.assertEqual(client.ended(), [])
        half = self.socket(self.hasty)
        half.socket.sendall(b"\x7f\xf1")
        self.assertEqual(half.ended(), [])
        self.router.child.wait_for_line("frame.cut (incomplete)")
        self.router.child.wait_for_line("handshake.refused (timeout)")


class ShutdownTests(RawSocketCase):
    """T2."""

    def test_sigterm(self) -> None:
        """GOODBYE, then the end of TCP; whoever has not joined is told ABORT. Neither, unless the listener says so."""
        joined = [self.socket().join() for _ in range(10)]
        waiting = self.socket()
        waiting.greet()
        without = self.socket(self.robots).join()
        self.assertEqual(self.router.child.end(), 0)
        for client in joined:
            (goodbye,) = client.ended()
            self.assertEqual((goodbye[0], goodbye[2]), (6, "wamp.close.system_shutdown"))
        self.assertEqual([message[0] for message in waiting.ended()], [3])
        self.assertEqual(without.ended(), [])
        self.assertNotIn("Traceback", self.router.log)
