"""A connection that waits for identity, or leaves meanwhile."""

from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectionDone
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from orosync.errors import Refused
from orosync.transport.upgrade import accepted
from tests.support.wires import ANSWERS, KEY, MemoryListener, MemoryWire, client_frame, upgrade

GONE = Failure(ConnectionDone())


class WaitingTests(SynchronousTestCase):
    """While identity is being found out."""

    def waiting(self) -> tuple[MemoryListener, Any, MemoryWire, Any]:
        listener = MemoryListener()
        answer = listener.host.answer = Deferred()
        link, wire = listener.connect()
        link.dataReceived(upgrade())
        return listener, link, wire, answer

    def test_the_handshakes_clock_stops(self) -> None:
        """A slow directory is not the client's fault."""
        listener, _link, wire, answer = self.waiting()
        listener.run(60, 1)
        self.assertFalse(wire.disconnecting)
        answer.callback(listener.host.admission(listener.host.facts[0]))
        self.assertEqual(wire.value(), accepted(KEY, "wamp"))

    def test_silence_before_that_is_timed_out(self) -> None:
        """A client that sends half a request, or nothing, has five seconds."""
        for begun in (b"", upgrade()[:-1]):
            listener = MemoryListener()
            link, wire = listener.connect()
            listener.run(2.5)
            if begun:
                link.dataReceived(begun)
            listener.run(2.4)
            self.assertFalse(wire.aborted)
            listener.run(1)
            self.assertTrue(wire.aborted)
            self.assertEqual(listener.journal.kinds("handshake.refused"), ["timeout"])
            link.dataReceived(b"\r\n\r\n")
            self.assertEqual(wire.value(), b"")

    def test_a_client_that_leaves_meanwhile(self) -> None:
        """The question is cancelled, nothing is answered or noted, and nothing remains."""
        cancelled: list[object] = []
        listener = MemoryListener()
        listener.host.answer = Deferred(cancelled.append)
        link, wire = listener.connect()
        link.dataReceived(upgrade())
        link.connectionLost(GONE)
        self.assertEqual(cancelled, [listener.host.answer])
        self.assertEqual((wire.value(), listener.journal.notes, listener.factory.connection_limit.inside), (b"", [], 0))

    def test_answers_for_a_client_that_has_left(self) -> None:
        """A decision that comes too late is ignored, whatever it is; a bug is still logged."""
        for late in ("yes", Refused("late", "late"), RuntimeError("bug")):
            listener, link, wire, answer = self.waiting()
            answer.cancel = lambda: None
            link.connectionLost(GONE)
            if late == "yes":
                answer.callback(listener.host.admission(listener.host.facts[0]))
                self.assertIsNone(listener.host.sessions[0].link)
            else:
                answer.errback(late)
            self.assertEqual((wire.value(), listener.journal.notes), (b"", []))
        self.assertEqual(len(self.flushLoggedErrors(RuntimeError)), 1)

    def test_talking_before_the_answer(self) -> None:
        """What comes early is kept for the session, but not without end."""
        listener, link, wire, answer = self.waiting()
        link.dataReceived(client_frame(b"early"))
        answer.callback(listener.host.admission(listener.host.facts[0]))
        self.assertEqual(listener.host.sessions[0].messages, [(b"early", False)])
        listener, link, wire, answer = self.waiting()
        link.dataReceived(b"x" * 16385)
        self.assertEqual(wire.value(), ANSWERS[431])
        answer.callback(listener.host.admission(listener.host.facts[0]))
        self.assertEqual((wire.value(), listener.host.sessions[0].link), (ANSWERS[431], None))

    def test_losses_before_a_request_are_only_counted(self) -> None:
        """Health checks and scanners connect and leave; that is no line in a log."""
        listener = MemoryListener()
        link, _ = listener.connect()
        link.connectionLost(GONE)
        link, _ = listener.connect()
        link.dataReceived(b"GET ")
        link.connectionLost(GONE)
        self.assertEqual(listener.journal.notes, [])
        self.assertEqual(listener.journal.counts, [("handshake.lost", "silent"), ("handshake.lost", "partial")])
