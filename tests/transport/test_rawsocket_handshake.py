"""T2: from the first octet to the answer or the refusal, without sockets."""

from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectionDone
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from orosync.errors import ProtocolViolation, Refused, Unavailable
from orosync.interfaces import Admission
from orosync.model import EMPTY, ConnectionPolicy
from tests.support.raw_wires import HELLO, RawListener, raw_frame
from tests.support.wires import RecordingSession


class AcceptedTests(SynchronousTestCase):
    """T2."""

    def test_the_answer_says_how_much_we_take(self) -> None:
        """The session's limit as a power of two, not above it; the serializer is echoed."""
        for limit, serializer, answer in [
            (65536, 1, b"\x7f\x71\0\0"),
            (65536, 3, b"\x7f\x73\0\0"),
            (100_000, 2, b"\x7f\x72\0\0"),
            (1 << 20, 1, b"\x7f\xb1\0\0"),
            (1 << 30, 2, b"\x7f\xf2\0\0"),
            (100, 1, b"\x7f\x01\0\0"),
        ]:
            listener = RawListener()
            listener.host.make = lambda limit=limit: RecordingSession(ConnectionPolicy(message_limit=limit))
            link, wire = listener.connect()
            link.dataReceived(bytes((0x7F, 0xF0 | serializer, 0, 0)))
            self.assertEqual(wire.value(), answer)

    def test_in_any_pieces(self) -> None:
        """The octets may come one by one; what the client sends right behind them is not lost."""
        stream = HELLO + raw_frame(b"early") + raw_frame(b"bird")
        for step in (len(stream), 1, 3, 4, 5, 10):
            listener = RawListener()
            link, wire = listener.connect()
            for n in range(0, len(stream), step):
                link.dataReceived(stream[n : n + step])
            self.assertEqual(wire.value(), b"\x7f\x71\0\0")
            self.assertEqual(listener.host.sessions[0].messages, [(b"early", False), (b"bird", False)], step)

    def test_what_the_host_is_told(self) -> None:
        """Who it is by TCP, and nothing of what only HTTP tells: no cookie, no ticket, no page."""
        listener = RawListener()
        link, _ = listener.connect()
        link.dataReceived(b"\x7f\xf3\0\0")
        (facts,) = listener.host.facts
        self.assertEqual((facts.listener, facts.peer, facts.address), ("public", "192.0.2.7", "192.0.2.7"))
        self.assertEqual((facts.host, facts.path, facts.query, facts.origin), ("", "", "", None))
        self.assertEqual((facts.cookies, facts.headers, facts.forwarded), (EMPTY, EMPTY, False))
        self.assertEqual((facts.subprotocols, facts.client_certificate), (("wamp.2.cbor",), None))


class RefusedTests(SynchronousTestCase):
    """T2."""

    def test_each_cause_has_its_answer_and_its_note(self) -> None:
        """The numbers of the specification; a client that speaks something else gets no answer."""
        for stream, kind, answer in [
            (b"\x7f\xf4\0\0", "serializer", b"\x7f\x10\0\0"),
            (b"\x7f\xf0\0\0", "serializer", b"\x7f\x10\0\0"),
            (b"\x7f\x01\0\0", "length", b"\x7f\x20\0\0"),
            (b"\x7f\xf1\0\x01", "reserved", b"\x7f\x30\0\0"),
            (b"G", "not_rawsocket", b""),
            (b"GET / HTTP/1.1\r\n", "not_rawsocket", b""),
            (b"\x16\x03\x01\x02", "not_rawsocket", b""),
        ]:
            listener = RawListener()
            link, wire = listener.connect()
            link.dataReceived(stream)
            self.assertEqual((wire.value(), wire.disconnecting, listener.host.facts), (answer, True, []), stream)
            self.assertEqual(listener.journal.kinds("handshake.refused"), [kind])
            link.dataReceived(b"more")
            link.connectionLost(Failure(ConnectionDone()))
            self.assertEqual((listener.factory.connection_limit.inside, listener.journal.counts), (0, []))

    def test_the_hosts_refusals(self) -> None:
        """One answer for all causes but the serializer, which is the client's to choose; the log has the reason."""
        for fault, kind, answer in [
            (Refused("unknown_certificate", "why"), "unknown_certificate", b"\x7f\x40\0\0"),
            (Unavailable("draining", "why"), "draining", b"\x7f\x40\0\0"),
            (ProtocolViolation("why"), "subprotocol", b"\x7f\x10\0\0"),
        ]:
            listener = RawListener()
            listener.host.answer = fault
            link, wire = listener.connect()
            link.dataReceived(HELLO)
            self.assertEqual((wire.value(), wire.disconnecting), (answer, True))
            ((_, noted, fields),) = listener.journal.notes
            self.assertEqual((noted, fields["reason"]), (kind, "why"))

    def test_a_host_that_breaks(self) -> None:
        """A client that cannot be decided on is refused."""
        listener = RawListener()
        listener.host.answer = RuntimeError("bug")
        link, wire = listener.connect()
        link.dataReceived(HELLO)
        self.assertEqual(len(self.flushLoggedErrors(RuntimeError)), 1)
        self.assertEqual((wire.value(), listener.journal.kinds("handshake.refused")), (b"\x7f\x40\0\0", ["internal"]))


class WaitingTests(SynchronousTestCase):
    """T2: while identity is being found out."""

    def waiting(self, **settings: Any) -> Any:
        listener = RawListener(**settings)
        answer = listener.host.answer = Deferred()
        link, wire = listener.connect()
        link.dataReceived(HELLO)
        return listener, link, wire, answer

    def test_the_clock_stops_and_early_words_are_kept(self) -> None:
        """However long it takes; what was said meanwhile reaches the session in order."""
        listener, link, wire, answer = self.waiting()
        link.dataReceived(raw_frame(b"early"))
        listener.run(60)
        self.assertEqual((wire.value(), wire.aborted), (b"", False))
        session = RecordingSession()
        answer.callback(Admission("wamp.2.json", session))
        self.assertEqual((wire.value(), session.messages), (b"\x7f\x71\0\0", [(b"early", False)]))

    def test_talking_too_much_meanwhile(self) -> None:
        """What is kept is bounded."""
        listener, link, wire, _ = self.waiting(header_limit=100)
        link.dataReceived(b"x" * 101)
        self.assertEqual((wire.disconnecting, listener.journal.kinds("handshake.refused")), (True, ["early"]))

    def test_silence_is_timed_out(self) -> None:
        """Nothing, or half of the four octets."""
        for stream in (b"", HELLO[:3]):
            listener = RawListener()
            link, wire = listener.connect()
            if stream:
                link.dataReceived(stream)
            listener.run(6)
            self.assertTrue(wire.aborted)
            self.assertEqual(listener.journal.kinds("handshake.refused"), ["timeout"])

    def test_a_client_that_leaves_meanwhile(self) -> None:
        """The question is withdrawn, and no place is kept."""
        listener, link, _, answer = self.waiting()
        link.connectionLost(Failure(ConnectionDone()))
        self.assertTrue(answer.called)
        self.assertEqual((listener.factory.connection_limit.inside, listener.host.sessions), (0, []))
