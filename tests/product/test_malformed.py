"""Bad input costs its sender at most its own connection, and its neighbours nothing."""

from __future__ import annotations

import threading
import time

import cbor2
import msgpack
from twisted.trial.unittest import SynchronousTestCase

from tests.product.house import House
from tests.product.raw import Closed, RawClient

JSON = [
    b"",
    b"no json",
    b"null",
    b"7",
    b'"x"',
    b"{}",
    b"[]",
    b"[[]]",
    b"[99]",
    b"[-1]",
    b'["1"]',
    b"[1.5]",
    b"[16]",
    b"[16,1]",
    b'[16,1,{},"a.b",[NaN]]',
    b'[16,1,{},"a.b",[1e999]]',
    b"[" * 5000,
    b'[16,1,{},"a.b",{"k":1}]',
    b'[16,1,{},"a.b",' + b"[" * 2000 + b"]" * 2000 + b"]",
]

FIELDS = {
    "SUBSCRIBE": [32, 1, {}, "a.b"],
    "UNSUBSCRIBE": [34, 1, 1],
    "PUBLISH": [16, 1, {}, "a.b", [], {}],
    "CALL": [48, 1, {}, "a.b", [], {}],
    "REGISTER": [64, 1, {}, "a.b"],
    "UNREGISTER": [66, 1, 1],
    "YIELD": [70, 1, {}, [], {}],
    "ERROR": [8, 68, 1, {}, "a.b", [], {}],
    "CANCEL": [49, 1, {}],
    "GOODBYE": [6, {}, "wamp.close.normal"],
    "AUTHENTICATE": [5, "x", {}],
    "HELLO": [1, "open", {"roles": {"caller": {}}}],
}
WRONG = [None, True, "x", -1, 1.5, [], {}, [1], {"a": 1}, 2**70]


def wrong_types():
    """Each message with each field replaced by values of other types (nil for a payload counts as none)."""
    for message in FIELDS.values():
        for place in range(1, len(message)):
            for value in WRONG:
                payload = isinstance(message[place], list) or (place > 3 and isinstance(message[place], dict))
                if type(value) is not type(message[place]) and not (value is None and payload):
                    yield [*message[:place], value, *message[place + 1 :]]


class MalformedTests(SynchronousTestCase):
    def setUp(self):
        self.house = House(listen="message_limit = 64KiB\nmax_connections = 4000")
        self.addCleanup(self.house.close)
        self.neighbour = Neighbour(self.house)
        self.addCleanup(self.neighbour.stop)
        self.addCleanup(self.neighbour_is_well)

    def neighbour_is_well(self):
        """The neighbour heard its own events, all, in time, and nothing else."""
        delays = self.neighbour.finish()
        self.assertGreaterEqual(len(delays), 50)
        self.assertEqual(self.neighbour.strange, [])
        self.assertLess(sorted(delays)[int(len(delays) * 0.99)], 0.1)
        self.assertNotIn("Traceback", self.house.log)

    def offer(self, payload, subprotocol="wamp.2.json", opcode=1, **frame):
        """A joined client sends one thing; then it is either still served or has been closed properly."""
        with RawClient(self.house.url("anna" if subprotocol == "wamp" else None), subprotocol) as client:
            encode = {"wamp.2.msgpack": msgpack.packb, "wamp.2.cbor": cbor2.dumps}.get(subprotocol)
            if encode is None and subprotocol != "wamp":
                client.join()
            elif encode is not None:
                client.send_frame(encode([1, "open", {"roles": {"publisher": {}, "subscriber": {}}}]), 2)
            client.read_frame() if encode or subprotocol == "wamp" else None
            client.send_frame(payload, opcode, **frame)
            client.send_frame(b"probe", 9)
            try:
                while client.read_frame()[0] != 10:
                    continue
            except Closed as closed:
                return closed.code
            return "alive"

    def test_frames(self):
        """Frames that RFC 6455 forbids are answered with its codes."""
        table = [
            ((b"x", 3, {}), 1002),
            ((b"x", 11, {}), 1002),
            ((b"x" * 126, 9, {}), 1002),
            ((b"x", 9, {"fin": False}), 1002),
            ((b"x", 0, {}), 1002),
            ((b"[]", 1, {"rsv": 4}), 1002),
            ((b"[]", 1, {"rsv": 1}), 1002),
            ((b"[]", 1, {"masked": False}), 1002),
            ((b"\xff\xfe", 1, {}), 1007),
            ((b"\x03", 8, {}), 1002),
            ((b"x" * 70000, 1, {}), 1009),
            ((b"x" * 70000, 1, {"fin": False}), 1009),
        ]
        for (payload, opcode, frame), code in table:
            self.assertEqual(self.offer(payload, opcode=opcode, **frame), code, (payload[:5], opcode, frame))

    def test_json(self):
        """No JSON, no WAMP: ABORT, and the connection closed."""
        for payload in JSON:
            self.assertIn(self.offer(payload), (1002, 1009), payload[:40])

    def test_wrong_types(self):
        """Each field of each message with values of other types: refused or harmless, never worse."""
        import json

        for message in wrong_types():
            self.assertIn(self.offer(json.dumps(message).encode()), ("alive", 1000, 1002, 1007), message)

    def test_binary_serializers(self):
        """The same over MessagePack and CBOR, with their own ways of being wrong."""
        packed = [
            b"",
            b"\xc1",
            b"\x91",
            b"\xdd\xff\xff\xff\xff",
            b"\x95\x10\x01\x80\xa3a.b\x91\xa1\xff",
            b"\x90",
            msgpack.packb([16, 1, {}, "a.b", [msgpack.ExtType(5, b"x")]]),
            b"\x94\x10\x01\x80\xa3a.b\x00",
            b"\x91" * 3000,
        ]
        coded = [
            b"",
            b"\xff",
            b"\x9f",
            b"\x84\x10\x01\xa0",
            b"\x85\x10\x01\xa0\x63a.b\x81\x61\xff",
            b"\x80",
            cbor2.dumps([16, 1, {}, "a.b", [cbor2.CBORTag(999, 1)]]),
            cbor2.dumps([16, 1, {}, "a.b"]) + b"\x00",
            b"\x9b\xff\xff\xff\xff\xff\xff\xff\xff",
            b"\x81" * 3000,
            cbor2.dumps([16, 1, {}, "a.b", [2**70]]),
        ]
        for subprotocol, payloads in (("wamp.2.msgpack", packed), ("wamp.2.cbor", coded)):
            for payload in payloads:
                self.assertIn(self.offer(payload, subprotocol, 2), (1002, 1009), payload[:40])
            self.assertEqual(self.offer(b"[]", subprotocol, 1), 1002, "a text frame")

    def test_v1(self):
        """WAMP v1: closed with 1007, as the stock server does."""
        payloads = [
            b"no json",
            b"null",
            b"7",
            b"[]",
            b"[99]",
            b"[5]",
            b"[5,7]",
            b"[5,null]",
            b"[7]",
            b"[7,{}]",
            b"[8,1,2]",
            b'[7,"oro/ping","e",[],"x"]',
            b'[7,"oro/ping","e",[],7]',
            b"[2]",
            b"[1,2]",
            b"[" * 5000,
        ]
        for payload in payloads:
            self.assertEqual(self.offer(payload, "wamp"), 1007, payload[:40])


class Neighbour:
    """A publisher and a subscriber of their own topic, five events a second hundred ways apart, timed."""

    def __init__(self, house):
        self.delays, self.strange = [], []
        self._stop = threading.Event()
        self._subscriber = RawClient(house.url()).join()
        self._publisher = RawClient(house.url()).join()
        self._subscriber.send([32, 1, {"match": "prefix"}, ""])
        assert self._subscriber.read()[0] == 33
        self._threads = [threading.Thread(target=work, daemon=True) for work in (self._publish, self._listen)]
        for thread in self._threads:
            thread.start()

    def _publish(self):
        request = 0
        while not self._stop.is_set():
            request += 1
            self._publisher.send([16, request, {}, "neighbour.news", [time.monotonic()]])
            time.sleep(0.02)
        time.sleep(0.3)
        self._publisher.send([16, request + 1, {}, "neighbour.news", ["end"]])

    def _listen(self):
        while True:
            message = self._subscriber.read()
            if message[0] == 36 and message[3].get("topic", "").startswith("wamp."):
                continue  # the router's own word on who subscribes to what
            if message[0] != 36 or message[3].get("topic") != "neighbour.news":
                self.strange.append(message)
            elif message[4] == ["end"]:
                return
            else:
                self.delays.append(time.monotonic() - message[4][0])

    def finish(self):
        """The delays, of at least a second's events."""
        for _ in range(500):
            if len(self.delays) >= 50:
                break
            time.sleep(0.02)
        self._stop.set()
        for thread in self._threads:
            thread.join(10)
        return self.delays

    def stop(self):
        self._stop.set()
        self._subscriber.close()
        self._publisher.close()
