"""Messages from and to bytes: the door that everything from outside comes through."""

from __future__ import annotations

import contextlib
import json
from typing import Any

import cbor2
import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from orosync.errors import NotCarriable, ProtocolViolation, Unfit
from orosync.wamp.codec import CODECS, Codec
from orosync.wamp.formats import Format
from orosync.wamp.messages import ABSENT, Error, Event, Message, Publish, Subscribe, Welcome
from orosync.wamp.payload import Payload
from tests.wamp.clients import CBOR, JSON, MSGPACK, MUTATIONS, WRITE, mutate

SEED = [16, 7, {"acknowledge": True, "exclude": [1, 2]}, "com.x", [1, "é", None, 1.5], {"a": {"b": [True]}}]


class Reading(SynchronousTestCase):
    """What a client may write."""

    def decode(self, value: Any) -> list[tuple[Message, Payload | None]]:
        return [codec.decode(write(value)) for codec, write in WRITE]

    def test_names(self) -> None:
        """Each codec stands under the name of its subprotocol, and says which frames carry it."""
        self.assertEqual(
            [(name, codec.subprotocol, codec.binary) for name, codec in CODECS.items()],
            [
                ("wamp.2.json", "wamp.2.json", False),
                ("wamp.2.msgpack", "wamp.2.msgpack", True),
                ("wamp.2.cbor", "wamp.2.cbor", True),
            ],
        )

    def test_absent_payload(self) -> None:
        """No payload, and nil in its place, are the same; an empty list is not."""
        for value in [[16, 7, {}, "t"], [16, 7, {}, "t", None], [16, 7, {}, "t", None, None]]:
            for message, payload in self.decode(value):
                self.assertEqual((message.head(), payload), ([16, 7, {}, "t"], None))
        for value, count in [
            ([16, 7, {}, "t", []], 1),
            ([16, 7, {}, "t", [], None], 1),
            ([16, 7, {}, "t", None, {"a": 1}], 2),
            ([16, 7, {}, "t", [], {}], 2),
        ]:
            for _, payload in self.decode(value):
                assert payload is not None
                self.assertEqual(payload.tail(payload.format)[0], count, value)

    def test_nil_options(self) -> None:
        """An option that is nil was not given (wampy.js sends them)."""
        for value in [{"match": None, "get_retained": None}, {}]:
            for message, _ in self.decode([32, 7, value, "t"]):
                self.assertEqual(message.head(), [32, 7, {}, "t"])
        for message, _ in self.decode([32, 7, {"match": None, "x": 0}, "t"]):
            self.assertEqual(message.head(), [32, 7, {"x": 0}, "t"])
        undefined = cbor2.dumps([32, 7, {"match": cbor2.undefined}, "t"])
        self.assertEqual(CBOR.decode(undefined)[0].head(), [32, 7, {}, "t"])

    def test_float_ids(self) -> None:
        """Ids that JavaScript wrote as floats are integers afterwards, in every field that holds one."""
        for value, names in [
            ([16, 7.0, {}, "t"], ["request"]),
            ([34, 7.0, 9007199254740992.0], ["request", "subscription"]),
            ([66, 7.0, 3.0], ["request", "registration"]),
            ([337, 5.0], ["publication"]),
            ([8, 68, 7.0, {}, "e"], ["request"]),
            ([49, 7.0, {}], ["request"]),
        ]:
            for message, _ in self.decode(value):
                for name in names:
                    self.assertIs(type(getattr(message, name)), int, value)

    def test_binary_in_json_options(self) -> None:
        """Binary in JSON's options is binary, as it is in the other serializations."""
        message, _ = JSON.decode(b'[16,1,{"key":"\\u0000AQI=","a":[{"b":"\\u0000eA=="}]},"t"]')
        self.assertEqual(message.head()[2], {"key": b"\1\2", "a": [{"b": b"x"}]})

    def test_unknown_options_pass(self) -> None:
        """What we do not know is not for us to refuse."""
        for message, _ in self.decode([16, 7, {"_my_option": {"a": [1]}}, "t"]):
            self.assertEqual(message.head()[2], {"_my_option": {"a": [1]}})

    def test_sealed(self) -> None:
        """An encrypted payload, one binary in the arguments' place, passes if the options say so."""
        for option in ["enc_algo", "ppt_scheme"]:
            for codec, write in WRITE:
                sealed = "\0AQI=" if codec is JSON else b"\1\2"
                message, payload = codec.decode(write([16, 7, {option: "x"}, "t", sealed]))
                assert payload is not None
                self.assertEqual(payload.values(), ([b"\1\2"], {}))
                self.assertEqual(codec.decode(codec.encode(message, payload))[0], message)
                self.assertRaises(ProtocolViolation, codec.decode, write([16, 7, {}, "t", sealed]))
                self.assertRaises(ProtocolViolation, codec.decode, write([16, 7, {option: "x"}, "t", 1]))
                self.assertRaises(ProtocolViolation, codec.decode, write([16, 7, {option: "x"}, "t", {}]))

    def test_spaces(self) -> None:
        """JSON may have spaces wherever it likes."""
        message, payload = JSON.decode(b' [ 16 , 7 , { } , "t" , [ ] , { } ] ')
        assert payload is not None
        self.assertEqual((message.head(), payload.args, payload.kwargs), ([16, 7, {}, "t"], b"[ ]", b"{ }"))


class Refusing(SynchronousTestCase):
    """What costs a client its session."""

    def test_bad_text_in_binary_formats(self) -> None:
        """Text that is no UTF-8 never reaches a receiver, be it payload, key, option or URI."""
        for codec, write in WRITE[1:]:
            for value in [
                [16, 7, {}, "t", ["xyz"]], [16, 7, {}, "t", [{"xyz": 1}]], [16, 7, {}, "t", [], {"xyz": 1}],
                [16, 7, {}, "xyz"], [16, 7, {"xyz": 1}, "t"], [16, 7, {"a": ["xyz"]}, "t"],
            ]:  # fmt: skip
                data = write(value)
                codec.decode(data)
                for bad in [b"\xff\xff\xff", b"x\xc3z"]:
                    self.assertRaises(ProtocolViolation, codec.decode, data.replace(b"xyz", bad))

    def test_half_an_emoji_in_binary_formats(self) -> None:
        """JavaScript's libraries write it as UTF-8 has none: in a payload it costs the request, elsewhere it is read
        as a replacement character."""
        for codec, write in WRITE[1:]:
            for payload in [[["xyz"]], [[{"xyz": 1}]], [[], {"xyz": 1}], [[b"xyz", "xyz"]], [[["xyz"] * 50]]]:
                data = write([16, 7, {"acknowledge": True}, "t", *payload]).replace(b"xyz", b"\xed\xa0\xbd")
                error = self.assertRaises(Unfit, codec.decode, data)
                self.assertEqual(error.message.head(), [16, 7, {"acknowledge": True}, "t"])
            for value, head in [
                ([16, 7, {}, "xyz"], [16, 7, {}, "\ufffd"]),
                ([16, 7, {"a": "xyz"}, "t"], [16, 7, {"a": "\ufffd"}, "t"]),
            ]:
                message, _ = codec.decode(write(value).replace(b"xyz", b"\xed\xa0\xbd"))
                self.assertEqual(message.head(), head)
            data = write([16, 7, {}, "t", [b"xyz"]]).replace(b"xyz", b"\xed\xa0\xbd")
            self.assertEqual(codec.decode(data)[1].values(), ([b"\xed\xa0\xbd"], {}))

    def test_reasons_quote_nothing(self) -> None:
        """What is logged of a bad message does not hold what was in it."""
        for value in [
            [16, "secret", {}, "t"], [16, 7, "secret", "t"], [16, 7, {"secret": 1}, 5], [16, 7, {}, "t", "secret"],
            [16, 7, {}, "t", [], "secret"], ["secret"], {"secret": 1}, [16, 7, {}, "t", [], {}, "secret"],
        ]:  # fmt: skip
            for codec, write in WRITE:
                error = self.assertRaises(ProtocolViolation, codec.decode, write(value))
                self.assertTrue(str(error))
                self.assertNotIn("secret", str(error))


class Writing(SynchronousTestCase):
    """What clients get."""

    def test_what_is_written_can_be_read(self) -> None:
        """Any client's library reads what we wrote, with or without payload and keywords."""
        for message in [
            Event(1, 2**53, {"topic": "a"}),
            Welcome(5, {"roles": {"broker": {}}}),
            Error(48, 3, {}, "e.x"),
        ]:
            for payload, tail in [
                (None, []),
                (Payload.of(), []),
                (Payload.of([]), [[]]),
                (Payload.of([1, "é"]), [[1, "é"]]),
                (Payload.of(None, {"a": 1}), [[], {"a": 1}]),
                (Payload.of(["x"], {"a": None}), [["x"], {"a": None}]),
            ]:
                expected = message.head() + tail
                self.assertEqual(json.loads(JSON.encode(message, payload)), expected)
                self.assertEqual(msgspec.msgpack.decode(MSGPACK.encode(message, payload)), expected)
                self.assertEqual(cbor2.loads(CBOR.encode(message, payload)), expected)

    def test_payload_is_spliced(self) -> None:
        """A receiver of the sender's serialization gets the sender's own bytes."""
        _, payload = JSON.decode(rb'[16,1,{},"t",[ 1e2, "\u00e9\/" ],{ "a":1.0}]')
        self.assertEqual(JSON.encode(Event(1, 2, {}), payload), rb'[36,1,2,{},[ 1e2, "\u00e9\/" ],{ "a":1.0}]')
        _, payload = CBOR.decode(bytes.fromhex("861001a061749ff93c00ffbf6161fa3f800000ff"))
        self.assertEqual(CBOR.encode(Event(1, 2, {}), payload).hex(), "8618240102a09ff93c00ffbf6161fa3f800000ff")
        _, payload = MSGPACK.decode(
            bytes.fromhex("961001 80 a174 dc0001 cc01 de0001 a161 cb3ff0000000000000".replace(" ", ""))
        )
        self.assertEqual(
            MSGPACK.encode(Event(1, 2, {}), payload).hex(), "9624010280dc0001cc01de0001a161cb3ff0000000000000"
        )

    def test_events(self) -> None:
        """An EVENT is the same by its own way, with and without details, arguments, keywords, and across formats."""
        payloads = [None, Payload.of([], None), Payload.of(None, {"a": 1}), Payload.of([1, "\u00e4"], {"a": 1})]
        payloads += [Payload.of([1, "\u00e4"]), Payload(Format.MSGPACK, b"\x91\x01"), Payload(Format.CBOR, b"\x81\x01")]
        for codec in (JSON, MSGPACK, CBOR):
            for details in ({}, {"topic": "a.b"}, {"publisher": 7}):
                for payload in payloads:
                    event = Event(1, 2**53, details)
                    self.assertEqual(codec.encode_event(event, payload), codec.encode(event, payload))
        self.assertRaises(NotCarriable, JSON.encode_event, Event(1, 2, {"k": float("nan")}), None)

    def test_options_follow_wamps_rules(self) -> None:
        """Binary in details is written as each serialization has it; what it cannot carry is refused."""
        self.assertEqual(JSON.encode(Event(1, 2, {"k": b"x"})), b'[36,1,2,{"k":"\\u0000eA=="}]')
        self.assertEqual(cbor2.loads(CBOR.encode(Event(1, 2, {"k": b"x"}))), [36, 1, 2, {"k": b"x"}])
        self.assertRaises(NotCarriable, JSON.encode, Event(1, 2, {"k": float("nan")}))
        self.assertRaises(NotCarriable, MSGPACK.encode, Event(1, 2, {"k": 2**64}))
        for codec in (JSON, CBOR):
            self.assertRaises(NotCarriable, JSON.encode, Event(1, 2, {"k": 2**1024}))
            self.assertIn("k", str(codec.encode(Event(1, 2, {"k": 2**64}))))

    def test_no_struct_is_ever_encoded(self) -> None:
        """A struct's empty payload would break its output silently; the head never holds one."""
        message = Publish(1, {}, "t")
        self.assertIs(message.args, ABSENT)
        self.assertEqual(JSON.encode(message), b'[16,1,{},"t"]')


class Fuzz(SynchronousTestCase):
    """Nothing that anybody sends raises anything but ProtocolViolation and Unfit."""

    def survive(self, codec: Codec, data: bytes) -> None:
        try:
            message, payload = codec.decode(data)
        except ProtocolViolation:
            return
        except Unfit as unfit:
            self.assertIsInstance(unfit.message, Message)
            return
        # What was let in can be read, and carried to everybody whose serialization has a way to say it.
        if payload is not None:
            with contextlib.suppress(NotCarriable):
                args, kwargs = payload.values()
                self.assertIs(type(args), list)
                self.assertIs(type(kwargs), dict)
        for other in CODECS.values():
            try:
                written = other.encode(message, payload)
            except NotCarriable:
                continue
            self.assertEqual(other.decode(written)[0].head(), message.head())

    @settings(max_examples=200, deadline=None, database=None)
    @given(st.binary(max_size=60))
    def test_random_bytes(self, data: bytes) -> None:
        """Noise."""
        for codec in CODECS.values():
            self.survive(codec, data)
            self.survive(codec, codec.encode(Subscribe(1, {}, "t"))[:-1] + data)

    @settings(max_examples=300, deadline=None, database=None)
    @given(MUTATIONS)
    def test_mutations(self, changes: list[tuple[int, int, str]]) -> None:
        """Messages with some bytes changed, added or gone."""
        for codec, write in WRITE:
            self.survive(codec, mutate(write(SEED), changes))

    JUNK = st.recursive(
        st.none()
        | st.booleans()
        | st.integers(-(2**64), 2**64)
        | st.floats()
        | st.text(max_size=5)
        | st.binary(max_size=5),
        lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
        max_leaves=8,
    )  # fmt: skip
    CODES = st.sampled_from(
        [1, 2, 3, 4, 5, 6, 8, 16, 17, 32, 33, 34, 35, 36, 48, 49, 50, 64, 65, 66, 67, 68, 69, 70, 337]
    )

    @settings(max_examples=200, deadline=None, database=None)
    @given(CODES, st.lists(JUNK, max_size=6))
    def test_any_value_in_any_field(self, code: int, rest: list[Any]) -> None:
        """Well-formed arrays with anything in their fields."""
        for codec, write in WRITE:
            try:
                data = write([code, *rest])
            except (TypeError, ValueError, OverflowError, cbor2.CBOREncodeError):
                continue  # the library that plays the client cannot write it
            self.survive(codec, data)
