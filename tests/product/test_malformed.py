"""Bad input costs its sender at most its own connection, and other clients nothing."""

from __future__ import annotations

import json

import cbor2
import msgpack
from twisted.trial.unittest import SynchronousTestCase

from tests.product.raw import Closed, RawClient
from tests.product.running_router import shared
from tests.product.uninvolved_clients import UninvolvedClients

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
    b"[" * 5000,
    b'[16,1,{},"a.b",{"k":1}]',
    b'[16,1,{},"a.b",' + b"[" * 2000 + b"]" * 1999 + b"]",
]
FOR_NOBODY = [
    b'[16,1,{},"a.b",[1e999]]',
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
    "ABORT": [3, {}, "a.b"],
    "EVENT_RECEIVED": [37, 1],
}
OPENING = {
    "HELLO": [1, "open", {"roles": {"caller": {}}, "authid": "anna", "authmethods": ["ticket"]}],
    "AUTHENTICATE": [5, "x", {}],
}
CHALLENGED = [1, "oro", {"roles": {"caller": {}}, "authid": "anna", "authmethods": ["ticket"]}]
DETAILS = {
    "SUBSCRIBE": {"match": str, "get_retained": bool},
    "PUBLISH": {"acknowledge": bool, "exclude_me": bool, "disclose_me": bool, "retain": bool, "exclude": list}
    | {"exclude_authid": list, "exclude_authrole": list, "eligible": list, "eligible_authrole": list},
    "CALL": {"timeout": int, "disclose_me": bool, "receive_progress": bool},
    "REGISTER": {"match": str, "invoke": str, "concurrency": int},
    "YIELD": {"progress": bool},
    "CANCEL": {"mode": str},
    "HELLO": {"roles": dict, "authid": str, "authmethods": list, "authextra": dict},
}
V1 = [
    ([1, "p", "u"], (1, 2)),
    ([2, "id", "proc"], (1, 2)),
    ([5, "oro/data/update"], (1,)),
    ([6, "oro/data/update"], (1,)),
    ([7, "oro/data/update", "forged"], (1,)),
]
SERIALIZERS = {
    "json": (lambda message: json.dumps(message).encode(), json.loads, 1),
    "msgpack": (msgpack.packb, msgpack.unpackb, 2),
    "cbor": (cbor2.dumps, cbor2.loads, 2),
}
WRONG = [None, True, "x", -1, 1.5, [], {}, [1], {"a": 1}, 2**70]


def wrong_types(messages):
    """Each message with each field replaced by values of other types (nil for a payload counts as none), and with
    each of its options so replaced (nil for an option is as if it were not there)."""
    for name, message in messages.items():
        for place in range(1, len(message)):
            for value in WRONG:
                payload = isinstance(message[place], list) or (place > 3 and isinstance(message[place], dict))
                if type(value) is not type(message[place]) and not (value is None and payload):
                    yield name, [*message[:place], value, *message[place + 1 :]]
        place = next((place for place, field in enumerate(message) if isinstance(field, dict)), 0)
        for option, kind in DETAILS.get(name, {}).items():
            for value in WRONG:
                if value is not None and type(value) is not kind:
                    yield name, [*message[:place], {**message[place], option: value}, *message[place + 1 :]]


def wrong_v1():
    """Each message of a v1 client with each field of another type; of exclude and eligible what Ratchet dies of."""
    for message, places in V1:
        for place in places:
            for value in WRONG:
                if not isinstance(value, str):
                    yield [*message[:place], value, *message[place + 1 :]]
    for tail in ([{}], [[1]], [{"a": 1}], *([[], value] for value in (None, True, "x", 1, 1.5, {}, [1]))):
        yield [7, "oro/data/update", "forged", *tail]


class MalformedTests(SynchronousTestCase):
    def setUp(self):
        self.router = shared(listen="message_limit = 64KiB\nmax_connections = 4000")
        self.uninvolved = UninvolvedClients(self.router)
        self.addCleanup(self.uninvolved.stop)
        self.addCleanup(self.others_are_served)

    def others_are_served(self):
        """The uninvolved client received its own events, all, in time, and nothing else."""
        delays = self.uninvolved.finish()
        self.assertGreaterEqual(len(delays), 50)
        self.assertEqual(self.uninvolved.strange, [])
        self.assertLess(sorted(delays)[int(len(delays) * 0.99)], 0.1)
        self.assertNotIn("Traceback", self.router.log)

    def offer(self, payload, subprotocol="wamp.2.json", opcode=1, **frame):
        """A joined client sends one thing; then it is either still served or has been closed properly."""
        with RawClient(self.router.url("anna" if subprotocol == "wamp" else None), subprotocol) as client:
            encode = {"wamp.2.msgpack": msgpack.packb, "wamp.2.cbor": cbor2.dumps}.get(subprotocol)
            if encode is None and subprotocol != "wamp":
                client.join()
            elif encode is not None:
                client.send_frame(encode([1, "open", {"roles": {"publisher": {}, "subscriber": {}}}]), 2)
            client.read_frame() if encode or subprotocol == "wamp" else None
            return self.outcome(client, payload, opcode, **frame)

    def outcome(self, client, payload, opcode, **frame):
        """What sending this ends in: the code of a CLOSE, or "alive"."""
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
        for payload in FOR_NOBODY:
            self.assertEqual(self.offer(payload), "alive", payload[:40])

    def test_wrong_types(self):
        """Each field of each message with values of other types, in each serializer: refused or harmless, never worse;
        what opens a session is tried where it may come."""
        for serializer, (write, read, opcode) in SERIALIZERS.items():
            for name, message in wrong_types(FIELDS | OPENING):
                try:
                    data = write(message)
                except OverflowError:  # MessagePack has no integers of that size
                    continue
                before = {"HELLO": [], "AUTHENTICATE": [CHALLENGED]}.get(name, [[1, "open", {"roles": {"caller": {}}}]])
                with RawClient(self.router.url(), f"wamp.2.{serializer}") as client:
                    for opening in before:
                        client.send_frame(write(opening), opcode)
                        self.assertIn(read(client.read_frame()[1])[0], (2, 4), "WELCOME or CHALLENGE")
                    outcome = self.outcome(client, data, opcode)
                self.assertIn(outcome, ("alive", 1000, 1002, 1007), (serializer, message))

    def test_binary_serializers(self):
        """The same over MessagePack and CBOR, with their own ways of being wrong."""
        packed = [
            b"",
            b"\xc1",
            b"\x91",
            b"\xdd\xff\xff\xff\xff",
            b"\x95\x10\x01\x80\xa3a.b\x91\xa1\xff",
            b"\x90",
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
            cbor2.dumps([16, 1, {}, "a.b"]) + b"\x00",
            b"\x9b\xff\xff\xff\xff\xff\xff\xff\xff",
            b"\x81" * 3000,
        ]
        fine = [
            ("wamp.2.msgpack", msgpack.packb([16, 1, {}, "a.b", [msgpack.ExtType(5, b"x")]])),
            ("wamp.2.cbor", cbor2.dumps([16, 1, {}, "a.b", [cbor2.CBORTag(999, 1)]])),
            ("wamp.2.cbor", cbor2.dumps([16, 1, {}, "a.b", [{7: 2**70}]])),
        ]
        for subprotocol, payload in fine:
            self.assertEqual(self.offer(payload, subprotocol, 2), "alive", payload)
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

    def test_v1_wrong_types(self):
        """Each field of each v1 message with values of other types; from the back end too, which may publish: nobody
        hears of it."""
        listener = RawClient(self.router.url("ben"), "wamp")
        self.addCleanup(listener.close)
        self.assertEqual(listener.read()[0], 0)
        listener.send([5, "oro/data/update"])
        for user, origin in (("anna", "http://127.0.0.1"), ("", "127.0.0.1")):
            for message in wrong_v1():
                with RawClient(self.router.url(user), "wamp", origin) as client:
                    client.read()
                    self.assertEqual(self.outcome(client, json.dumps(message).encode(), 1), 1007, (user, message))
        self.assertTrue(listener.silent())
        self.router.publish()
        self.assertEqual(listener.read()[:2], [8, "oro/data/update"])
