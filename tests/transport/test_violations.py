"""Whatever breaks the rules, whatever follows it, however it is cut and whoever sends it: the sender hears why, nothing
more of it is looked at, and its neighbours are served."""

from __future__ import annotations

import json
from typing import Any
from unittest.mock import patch

from twisted.internet.defer import Deferred, succeed
from twisted.internet.error import ConnectionDone
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase
from zope.interface import implementer

from orosync.interfaces import Admission, ISessionHost
from orosync.model import ConnectionFacts, ConnectionPolicy
from orosync.session.batched import BatchedSession
from orosync.session.v1 import V1Session
from orosync.session.v2 import V2Session
from orosync.testing import principal
from orosync.transport.autobahn_protocol import CLOSED, CLOSING
from orosync.transport.connection import DROPPED
from orosync.transport.websocket import WebSocketConnection
from orosync.wamp.codec import CODECS
from tests.session.fixture import HELLO, RealmFixture
from tests.support.violations import DEFLATE, FOLLOWING, FRAMING, LIMIT, UNAGREED
from tests.support.wires import MemoryListener, MemoryWire, client_frame, close_code, server_frames, upgrade

KINDS = {
    "v1": ("wamp", b""),
    "v2 before HELLO": ("wamp.2.json", b""),
    "v2 after HELLO": ("wamp.2.json", client_frame(json.dumps(HELLO).encode())),
    "batched before HELLO": ("wamp.2.json.batched", b""),
    "batched after HELLO": ("wamp.2.json.batched", client_frame(json.dumps(HELLO).encode() + b"\x1e")),
    "msgpack": ("wamp.2.msgpack", b""),
    "cbor, batched": ("wamp.2.cbor.batched", b""),
}
"""By name: the subprotocol, and what has been said before."""

STEPS = 5000
"""More pieces than any stream here has for autobahn."""


class Endless(BaseException):
    """The loop does not come to its end."""


@implementer(ISessionHost)
class RealHost:
    """Admits everybody with a real session."""

    def __init__(self, fixture: RealmFixture) -> None:
        self._fixture = fixture

    def admit(self, facts: ConnectionFacts) -> Deferred[Admission]:
        (chosen,) = facts.subprotocols
        fixture, policy = self._fixture, ConnectionPolicy(message_limit=LIMIT)
        if chosen == "wamp":
            return succeed(
                Admission(chosen, V1Session(fixture.context, fixture.realm_context, facts, principal(), policy))
            )
        codec = CODECS[chosen.removesuffix(".batched")]
        kind = BatchedSession if chosen.endswith(".batched") else V2Session
        return succeed(Admission(chosen, kind(fixture.context, facts, codec, None, policy)))


class Edge:
    """A listener with real sessions, a neighbour on it, and visitors who break rules."""

    def __init__(self) -> None:
        fixture = RealmFixture()
        self.listener = MemoryListener(RealHost(fixture), deflate=True)  # type: ignore[arg-type]
        self.neighbour, self._heard = self.visitor("v2 after HELLO", False)
        self._asked = 0

    def visitor(self, kind: str, deflate: bool) -> tuple[WebSocketConnection, MemoryWire]:
        subprotocol, said = KINDS[kind]
        link, wire = self.listener.connect()
        extra = "Sec-WebSocket-Extensions: permessage-deflate\r\n" if deflate else ""
        link.dataReceived(upgrade(subprotocol=subprotocol, extra=extra))
        if said:
            link.dataReceived(said)
        self.turn()
        wire.clear()
        return link, wire

    def turn(self) -> None:
        self.listener.clock.advance(0)

    def served(self) -> bool:
        """Whether the neighbour gets an answer."""
        self._asked += 1
        self._heard.clear()
        self.neighbour.dataReceived(client_frame(json.dumps([48, self._asked, {}, "no.such"]).encode()))
        self.turn()
        return self._heard.value().startswith(b"\x81") and str(self._asked).encode() in self._heard.value()


class ViolationsTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.edge = Edge()
        steps, passed_on = [0], WebSocketConnection._pass_on

        def counted(link: Any, data: bytes, position: int) -> int:
            steps[0] += 1
            if steps[0] > STEPS:
                raise Endless
            return passed_on(link, data, position)

        def begin() -> None:
            steps[0] = 0

        self.begin = begin
        patched = patch.object(WebSocketConnection, "_pass_on", counted)
        patched.start()
        self.addCleanup(patched.stop)

    def suffer(self, kind: str, deflate: bool, pieces: list[bytes], code: int | None, what: object) -> None:
        """One visitor sends ``pieces``; ``code``: what it has to be told (None: whatever ends it)."""
        link, wire = self.edge.visitor(kind, deflate)
        self.begin()
        for piece in pieces:
            link.dataReceived(piece)
            self.edge.turn()
        told = close_code(wire.value())
        self.assertTrue(told == code if code else told in (1002, 1007), (what, told, code))
        frames, rest = server_frames(wire.value())
        self.assertEqual((rest, [first for first, _ in frames].count(0x88)), (b"", 1), what)
        # Our side is ended, theirs is read on without being kept or looked at.
        self.assertEqual((link.state, wire.ended, wire.disconnecting), (CLOSED, True, False), what)
        self.assertEqual((wire.producerState, link._tail, link.data, link.message_data), ("producing", None, b"", []))
        for more in (FOLLOWING["a message"], FOLLOWING["a CLOSE"], FOLLOWING["garbage"]):
            link.dataReceived(more)
        self.edge.turn()
        self.assertEqual((link._tail, link.data, server_frames(wire.value())[0]), (None, b"", frames), what)
        link.connectionLost(Failure(ConnectionDone()))

    def violations(self, deflate: bool) -> dict[str, tuple[bytes, int]]:
        return {**FRAMING, **(DEFLATE if deflate else UNAGREED)}

    def test_whatever_follows(self) -> None:
        """Each violation, alone and before everything that may follow, in the same read or a later one."""
        for deflate in (True, False):
            for what, (stream, code) in self.violations(deflate).items():
                for then, following in FOLLOWING.items():
                    for pieces in ([stream + following], [stream, following]) if following else ([stream],):
                        self.suffer("v2 before HELLO", deflate, pieces, code, (what, then))
            self.assertTrue(self.edge.served())

    def test_whoever_sends_it(self) -> None:
        """To every kind of session, before and after HELLO; the neighbour is asked behind each."""
        for kind in KINDS:
            for deflate in (True, False):
                for what, (stream, code) in self.violations(deflate).items():
                    for following in ("a CLOSE", "a message", "another violation"):
                        self.suffer(kind, deflate, [stream + FOLLOWING[following]], code, (kind, what))
                    self.assertTrue(self.edge.served(), (kind, what))

    def test_cut_at_every_byte(self) -> None:
        """In two pieces, and byte by byte."""
        for deflate in (True, False):
            for what, (stream, code) in self.violations(deflate).items():
                whole = stream + FOLLOWING["a CLOSE"]
                if len(whole) < 300:
                    cuts = [[whole[:n], whole[n:]] for n in range(1, len(whole))]
                    cuts.append([whole[n : n + 1] for n in range(len(whole))])
                else:
                    cuts = [[whole[:n], whole[n:]] for n in (1, 2, 9, 14, 4095, 5000, len(whole) - 9, len(whole) - 8)]
                for pieces in cuts:
                    self.suffer("v2 before HELLO", deflate, pieces, code, (what, len(pieces[0])))
        self.assertTrue(self.edge.served())

    def test_in_pieces(self) -> None:
        """A bomb that arrives as the network has it."""
        for what in ("a bomb", "inflating beyond the limit", "inflating beyond the limit in fragments"):
            whole = DEFLATE[what][0] + FOLLOWING["a message"]
            for size in (1, 100, 1460, 3000):
                pieces = [whole[n : n + size] for n in range(0, len(whole), size)]
                self.suffer("v2 before HELLO", True, pieces, 1009, (what, size))
        self.assertTrue(self.edge.served())

    def test_what_the_session_refuses(self) -> None:
        """A session that ends itself for a violation of WAMP's is no different, whatever it was sent by."""
        for kind in KINDS:
            wrong = [client_frame(b"[1"), client_frame(b"[99,1]"), client_frame(b"\xc1", 2), client_frame(b"")]
            wrong.append(client_frame(b"[", fin=False) + client_frame(b"1", 0))
            for stream in wrong:
                for following in FOLLOWING.values():
                    for pieces in ([stream + following], [stream, following] if following else [stream]):
                        self.suffer(kind, False, pieces, None, (kind, stream))
            self.assertTrue(self.edge.served(), kind)

    def test_who_does_not_end(self) -> None:
        """A peer that goes on as if nothing had happened is cut when the time for closing is over; one that was paused
        when it failed is read on."""
        link, wire = self.edge.visitor("v2 before HELLO", False)
        link.pause()
        self.assertEqual(wire.producerState, "paused")
        link.close(1002, "failed elsewhere")
        self.assertEqual((wire.producerState, wire.ended, close_code(wire.value())), ("producing", True, 1002))
        for _ in range(8):
            link.dataReceived(FOLLOWING["a message"])
            self.edge.listener.run(0.2)
        self.assertFalse(wire.aborted)
        self.edge.listener.run(2)
        self.assertTrue(wire.aborted)

    def test_who_sends_and_sends(self) -> None:
        """A peer that does not listen is read no further than a message of some length, and cut then."""
        link, wire = self.edge.visitor("v2 before HELLO", False)
        link.dataReceived(FRAMING["garbage"][0])
        for sent in range(0, DROPPED + 1, 65536):
            self.assertEqual(wire.producerState, "producing", sent)
            link.dataReceived(bytes(65536))
        self.assertEqual((wire.producerState, link._tail, link._buffer), ("paused", None, b""))
        self.edge.listener.run(2.5)
        self.assertTrue(wire.aborted)
        self.assertTrue(self.edge.served())


class ClosingTests(SynchronousTestCase):
    """What is no failure goes on to be a proper closing handshake."""

    def test_the_peers_close_is_waited_for(self) -> None:
        """Messages and pings before it are dropped; a violation before it is one."""
        edge = Edge()
        for code in (1000, 1001, 3000):
            link, wire = edge.visitor("v2 after HELLO", False)
            link.close(code, "bye")
            link.dataReceived(FOLLOWING["a message"] + FOLLOWING["a ping"])
            self.assertEqual((link.state, wire.ended, wire.disconnecting), (CLOSING, False, False))
            link.dataReceived(FOLLOWING["a CLOSE"])
            self.assertEqual((link.state, link.wasClean, wire.ended, wire.disconnecting), (CLOSED, True, False, True))
            link, wire = edge.visitor("v2 after HELLO", False)
            link.close(code, "bye")
            wire.clear()
            link.dataReceived(FOLLOWING["another violation"] + FOLLOWING["a CLOSE"])
            self.assertEqual((link.state, link.wasClean, wire.ended, wire.value()), (CLOSED, False, True, b""))

    def test_a_fault_of_ours(self) -> None:
        """Also while closing: it is logged once, and nothing is read again and again."""
        edge = Edge()
        for closing in (False, True):
            link, wire = edge.visitor("v2 after HELLO", False)
            if closing:
                link.close(1000, "bye")
            with patch.object(WebSocketConnection, "consumeData", side_effect=RuntimeError("bug")):
                for _ in range(3):
                    link.dataReceived(FOLLOWING["fragments"])
            self.assertEqual(len(self.flushLoggedErrors(RuntimeError)), 1, closing)
            self.assertEqual((link.state, wire.ended, link._tail), (CLOSED, True, None))

    def test_a_parser_that_stands_still(self) -> None:
        """A loop that would not advance is left, and logged: whatever brought autobahn there."""
        edge = Edge()
        link, wire = edge.visitor("v2 after HELLO", False)
        link.dataReceived(client_frame(b"", fin=False))
        link.dataReceived(client_frame(b"x" * 10, 0)[:8])
        link.current_frame.length = 2
        link.dataReceived(bytes(10))
        self.assertEqual(len(self.flushLoggedErrors(RuntimeError)), 1)
        self.assertEqual((close_code(wire.value()), link.state), (1011, CLOSED))
        self.assertTrue(edge.served())
