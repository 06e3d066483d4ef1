"""What nodes tell each other: each message comes back as it was, and what is none is refused."""

from __future__ import annotations

import typing

import msgspec
from twisted.trial.unittest import SynchronousTestCase

from orosync.backplane import messages
from orosync.backplane.messages import (
    CalleeAdded,
    Failures,
    Interest,
    NodeAnswer,
    NodeCall,
    NodeEvent,
    NodeReply,
    PackedFilters,
    PackedPayload,
    Presence,
)
from orosync.errors import ProtocolViolation
from orosync.wamp.formats import Format
from orosync.wamp.payload import Payload

PAYLOAD = PackedPayload("json", b"[1]", b'{"a":2}')

MESSAGES = (
    messages.SnapshotEnd(),
    messages.Part(b"x", True),
    NodeEvent("oro", "oro/ping", 2**53, PAYLOAD, PackedFilters(exclude=[1]), {"publisher": 7}, 7, 1.5, 2.5, 7),
    NodeEvent("oro", "oro/ping", 1),
    Interest("oro", [("exact", "a")], [("prefix", "b")]),
    Presence("oro", {"anna": 2, "ben": 0}),
    Failures("ticket", {"192.0.2.0/24": 3}),
    CalleeAdded("oro", "p", "exact", "single", 5, "anna", "admin", ["callee.call_canceling"], True, True, 3, 0.5),
    messages.CalleeRemoved("oro", "p", "exact", 5),
    NodeCall("oro", 1, 5, "p", "exact", {"receive_progress": True}, PAYLOAD),
    NodeAnswer("oro", 1, {"progress": True}, "", PAYLOAD),
    messages.NodeInterrupt("oro", 1, "kill"),
    messages.CalleeLeft("oro", 5),
    messages.CallsFrom("oro", 7),
    messages.CallsForgotten("oro", 7),
    messages.NodeQuestion(1, "meta oro", b"question"),
    NodeReply(1, b"", "not served"),
)


class Messages(SynchronousTestCase):
    """Over every class."""

    def test_there_and_back(self) -> None:
        """Each is the same after it was written and read, alone and among others."""
        self.assertEqual({type(one) for one in MESSAGES}, set(typing.get_args(messages.AnyMessage)))
        for message in MESSAGES:
            self.assertEqual(messages.decode(messages.encode([message])), [message])
        self.assertEqual(messages.decode(messages.encode(MESSAGES)), list(MESSAGES))

    def test_refused(self) -> None:
        """What is no list of messages is a violation, cut at every byte too."""
        whole = messages.encode(MESSAGES)
        wrong = [whole[:cut] for cut in range(len(whole))]
        wrong += [whole + b"\x00", msgspec.msgpack.encode([[99, "oro"]]), msgspec.msgpack.encode([[1, "oro", 5, 6]])]
        for data in wrong:
            self.assertRaises(ProtocolViolation, messages.decode, data)

    def test_events(self) -> None:
        """Events are found among other messages, in parts too if all of these are there; nothing else is."""
        event, other = NodeEvent("oro", "a", 1), Interest("oro", [("exact", "a")])
        large, question = (messages.encode([one]) for one in (NodeEvent("oro", "b", 2), other))
        parts = [messages.Part(large[:5]), messages.Part(large[5:], True)]
        for bodies, expected in (
            ([[event, other], [event]], [event, event]),
            ([[parts[0]], [parts[1], event]], [*parts, event]),
            ([[parts[1], event]], [event]),
            ([[messages.Part(question[:5])], [messages.Part(question[5:], True), event, parts[0]]], [event]),
        ):
            found = messages.events_in([messages.encode(body) for body in bodies])
            self.assertEqual(found, [messages.encode(one) for one in expected])


class Payloads(SynchronousTestCase):
    """Payloads are carried as they came."""

    def test_there_and_back(self) -> None:
        """Serializer and bytes are kept."""
        for payload in (Payload(Format.JSON, b"[1]"), Payload(Format.CBOR, b"\x80", b"\xa0"), Payload(Format.MSGPACK)):
            found = messages.unpacked(messages.packed(payload))
            assert found is not None
            self.assertEqual((found.format, found.args, found.kwargs), (payload.format, payload.args, payload.kwargs))
        self.assertIs(messages.unpacked(messages.packed(None)), None)

    def test_unknown_serializer(self) -> None:
        """A node that speaks of another serializer is not understood."""
        self.assertRaises(ProtocolViolation, messages.unpacked, PackedPayload("xml"))
