"""T4: long-poll as a user has it: our own client, autobahn's in JavaScript, and everybody else in the same realm."""

from __future__ import annotations

import json
from urllib.parse import quote

import msgpack
from twisted.trial.unittest import SynchronousTestCase

from tests.product.clients import Client
from tests.product.poller import Poller, Refused
from tests.product.raw import RawClient
from tests.product.running_router import shared

VALUES = [1, -1, 1.5, "äöü €", None, True, [1, [2]], {"a": {"b": 1}}]


class LongPollCase(SynchronousTestCase):
    """A router that serves long-poll, plainly and over TLS."""

    def setUp(self) -> None:
        self.router = shared(listen="longpoll = /lp\nping_timeout = 1s\ngoodbye_at_stop = yes")

    def poller(self, *protocols: str, **options: object) -> Poller:
        poller = Poller(self.router.public, *protocols, **options)  # type: ignore[arg-type]
        self.addCleanup(poller.leave)
        return poller


class ClientTests(LongPollCase):
    """T4."""

    def test_a_life(self) -> None:
        """HELLO, WELCOME, a subscription, events from a WebSocket and to it, a call, GOODBYE, close."""
        web = RawClient(self.router.url()).join()
        self.addCleanup(web.close)
        web.send([32, 1, {}, "com.example.news"], [64, 2, {}, "com.example.echo"])
        self.assertEqual([web.read()[0], web.read()[0]], [33, 65])
        poller = self.poller().join()
        poller.send([32, 1, {}, "com.example.news"])
        self.assertEqual(poller.read()[0], 33)
        for n in range(50):
            web.send([16, n + 3, {}, "com.example.news", [n]])
        self.assertEqual([poller.read()[4] for _ in range(50)], [[n] for n in range(50)])
        poller.send([16, 2, {}, "com.example.news", VALUES], [48, 3, {}, "com.example.echo", VALUES])
        self.assertEqual(web.read()[4], VALUES)
        invocation = web.read()
        web.send([70, invocation[1], {}, invocation[4]])
        self.assertEqual(poller.read(), [50, 3, {}, VALUES])
        poller.send([6, {}, "wamp.close.normal"])
        self.assertEqual(poller.read()[0], 6)
        self.assertEqual((poller.close(), poller.close()), (204, 404))

    def test_batches(self) -> None:
        """T3 over T4: several messages in a request and in an answer, JSON and MessagePack."""
        plain = self.poller().join()
        for protocol in ("wamp.2.json.batched", "wamp.2.msgpack.batched"):
            poller = self.poller(protocol)
            messages = [[1, "open", {"roles": {"subscriber": {}}}], [32, 1, {}, "com.example.news"]]
            packed = [msgpack.packb(one) for one in messages]
            if "json" in protocol:
                poller.send_body(b"".join(json.dumps(one).encode() + b"\x1e" for one in messages))
                answers = [json.loads(one) for one in poller.receive().split(b"\x1e")[:-1]]
            else:
                poller.send_body(b"".join(len(one).to_bytes(4, "big") + one for one in packed))
                body, answers = poller.receive(), []
                while body:
                    end = 4 + int.from_bytes(body[:4], "big")
                    answers.append(msgpack.unpackb(body[4:end]))
                    body = body[end:]
            self.assertEqual([one[0] for one in answers], [2, 33])
            plain.send([16, 1, {}, "com.example.news", ["hello"]])
            self.assertIn(b"hello", poller.receive())
            self.assertEqual(poller.close(), 204)

    def test_autobahn_js(self) -> None:
        """autobahn's own long-poll client, beside WebSocket clients of two libraries."""
        clients = {
            "longpoll": Client("autobahn", f"http://127.0.0.1:{self.router.public}/lp", realm="open"),
            "autobahn-python": Client("autobahn-python", self.router.url(), realm="open", serializer="cbor"),
            "wampy": Client("wampy", self.router.url(), realm="open"),
        }
        for name, client in clients.items():
            self.addCleanup(client.end)
            client.ask("subscribe", "com.example.news")
            client.ask("register", f"com.example.{name.replace('-', '_')}")
        for name, publisher in clients.items():
            publisher.ask("publish", "com.example.news", VALUES, {"from": name}, acknowledge=True)
            for other, client in clients.items():
                if other != name:
                    self.assertEqual(client.event(), ("com.example.news", VALUES, {"from": name}), (name, other))
                result = client.ask("call", f"com.example.{name.replace('-', '_')}", VALUES, {"k": 1})
                self.assertEqual(result, {"args": VALUES, "kwargs": {"k": 1}}, (name, other))

    def test_a_ticket_in_the_url(self) -> None:
        """A user of Oro comes in as over WebSocket, and hears what PHP publishes; a wrong ticket does not."""
        ticket = self.router.ticket("anna")
        poller = self.poller(query=f"?ticket={quote(ticket, safe='')}").join("oro")
        poller.send([32, 1, {}, "oro/data/update"], [32, 2, {}, "oro/email_event/2/1"])
        self.assertEqual(poller.read()[0], 33)
        self.assertEqual(poller.read()[4], "wamp.error.not_authorized")
        self.router.publish(port=self.router.backend, per_connection=3)
        self.assertEqual([poller.read()[4][0]["k"] for _ in range(3)], [0, 1, 2])
        wrong = ticket[:-8] + "AAAAAAA="
        with self.assertRaises(Refused) as caught:
            self.poller(query=f"?ticket={quote(wrong, safe='')}")
        self.assertEqual(caught.exception.status, 403)
        self.assertNotIn(poller.path.rpartition("/")[2], self.router.log)

    def test_pages(self) -> None:
        """A page that is not listed may not even ask; one that is sees the answers."""
        with self.assertRaises(Refused) as caught:
            self.poller(origin="http://evil.example")
        self.assertEqual(caught.exception.status, 403)
        poller = self.poller()
        self.assertEqual(poller.last.getheader("Access-Control-Allow-Origin"), "http://127.0.0.1")


class EndTests(LongPollCase):
    """T4."""

    def test_violations(self) -> None:
        """400, ABORT for whoever fetches it, and the end; another client notices nothing."""
        uninvolved = self.poller().join()
        for body in (b"", b"no json", b"[99]", b"\xff", b'[1,"open",{}]'):
            poller = self.poller().join()
            with self.assertRaises(Refused) as caught:
                poller.send_body(body)
            self.assertEqual(caught.exception.status, 400)
            self.assertEqual(poller.read()[2], "wamp.error.protocol_violation")
            with self.assertRaises(Refused) as caught:
                poller.read()
            self.assertEqual(caught.exception.status, 404)
        uninvolved.send([32, 1, {}, "com.example.news"])
        self.assertEqual(uninvolved.read()[0], 33)
        self.assertNotIn("Traceback", self.router.log)

    def test_a_client_that_vanishes(self) -> None:
        """Its session ends when it has not asked for longer than ping_timeout."""
        poller = self.poller().join()
        poller.disconnect()
        self.router.child.wait_for_line("consumer.cut (poll_timeout)")

    def test_a_message_too_large(self) -> None:
        """It costs the request alone."""
        poller = self.poller().join()
        body = json.dumps([16, 1, {}, "com.example.news", ["x" * 70_000]]).encode()
        with self.assertRaises((Refused, ConnectionError)):
            poller.send_body(body)
        poller.disconnect()
        poller.send([32, 1, {}, "com.example.news"])
        self.assertEqual(poller.read()[0], 33)

    def test_sigterm(self) -> None:
        """Whoever waits for a message gets GOODBYE, where the listener says so."""
        poller = self.poller().join()
        poller._ways[1].request("POST", f"{poller.path}/receive", b"", {"Origin": "http://127.0.0.1"})
        poller.send([32, 1, {}, "com.example.news"])
        answer = poller._ways[1].getresponse()
        self.assertEqual(json.loads(answer.read())[0], 33)
        poller._ways[1].request("POST", f"{poller.path}/receive", b"", {"Origin": "http://127.0.0.1"})
        poller.send([34, 2, 99])
        self.assertEqual(json.loads(poller._ways[1].getresponse().read())[0], 8)
        poller._ways[1].request("POST", f"{poller.path}/receive", b"", {"Origin": "http://127.0.0.1"})
        poller.send([16, 3, {}, "com.example.nobody"])
        self.assertEqual(self.router.child.end(), 0)
        goodbye = json.loads(poller._ways[1].getresponse().read())
        self.assertEqual((goodbye[0], goodbye[2]), (6, "wamp.close.system_shutdown"))
        self.assertNotIn("Traceback", self.router.log)
