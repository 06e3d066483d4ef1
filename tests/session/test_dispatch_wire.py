"""From messages to frames."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from orosync.session.dispatch import LocalWire, V1Wire, V2Wire, Wires
from orosync.wamp.codec import CODECS
from orosync.wamp.messages import Event, Goodbye
from orosync.wamp.payload import Format, Payload


def framer(payload: bytes, binary: bool) -> bytes:
    return (b"B" if binary else b"T") + payload


def other_framer(payload: bytes, binary: bool) -> bytes:
    return payload


class WireTests(SynchronousTestCase):
    def test_event_in_each_protocol(self):
        """v2 gets [36, ...] in its serializer's kind of frame, v1 gets [8, topic, event]."""
        event, payload = Event(3, 5, {}), Payload.of(["x"], None)
        self.assertEqual(V2Wire(CODECS["wamp.2.json"], framer).event(event, payload, "t"), b'T[36,3,5,{},["x"]]')
        self.assertEqual(V2Wire(CODECS["wamp.2.msgpack"], framer).event(event, payload, "t")[:3], b"B\x95\x24")
        self.assertEqual(V1Wire(framer).event(event, payload, "t"), b'T[8,"t","x"]')

    def test_what_cannot_be_carried_is_none(self):
        """A payload without a form in the receiver's serializer is not sent."""
        payload = Payload(Format.JSON, b"[%d]" % 2**80, b"")
        self.assertIsNone(V2Wire(CODECS["wamp.2.msgpack"], framer).event(Event(3, 5, {}), payload, "t"))

    def test_local(self):
        """Members inside the process get the event as it is."""
        event, payload = Event(3, 5, {}), Payload.of(["x"], None)
        self.assertEqual(LocalWire().event(event, payload, "t"), (event, payload, "t"))

    def test_other_messages(self):
        """Any message can be framed; v1 text is framed as it is."""
        self.assertEqual(V2Wire(CODECS["wamp.2.json"], framer).frame(Goodbye({}, "a.b")), b'T[6,{},"a.b"]')
        self.assertEqual(V1Wire(framer).frame(b"hello"), b"Thello")

    def test_wires_are_shared(self):
        """One wire for each way of speaking, so that a frame is made once."""
        wires, json, cbor = Wires(), CODECS["wamp.2.json"], CODECS["wamp.2.cbor"]
        self.assertIs(wires.v2(json, framer), wires.v2(json, framer))
        self.assertIsNot(wires.v2(json, framer), wires.v2(cbor, framer))
        self.assertIsNot(wires.v2(json, framer), wires.v2(json, other_framer))
        self.assertIs(wires.v1(framer), wires.v1(framer))
        self.assertIsNot(wires.v1(framer), wires.v1(other_framer))
