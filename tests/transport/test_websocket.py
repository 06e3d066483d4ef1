"""The link as its peer and its session see it, on real sockets and, where time matters, on a clock of our own."""

from typing import Any

from twisted.internet.address import UNIXAddress
from twisted.internet.error import ConnectionDone, ConnectionLost
from twisted.internet.testing import StringTransport
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase
from zope.interface.verify import verifyObject

from orosync.interfaces import ILink
from orosync.transport.frames import server_frame
from tests.support.wires import MemoryListener, client_frame, close_code, server_frames, upgrade

PING, PONG = b"\x89\x00", client_frame(b"", 10)


class InterfaceTests(SynchronousTestCase):
    def test_a_link_is_an_ilink(self) -> None:
        """What sessions rely on is there, and the framer is the same object for every link."""
        listener = MemoryListener()
        link, _, _ = listener.open()
        verifyObject(ILink, link)
        self.assertIs(link.framer, server_frame)
        self.assertIs(MemoryListener().open()[0].framer, link.framer)

    def test_a_peer_on_a_unix_socket(self) -> None:
        """It has no address and no Nagle to switch off; both are no trouble."""
        listener = MemoryListener()
        link: Any = listener.factory.buildProtocol(UNIXAddress(None))

        class UnixWire(StringTransport):
            def setTcpNoDelay(self, enabled: bool) -> None:
                raise OSError(95, "Operation not supported")

        link.makeConnection(UnixWire())
        link.dataReceived(upgrade())
        self.assertEqual((listener.host.facts[0].peer, listener.host.facts[0].address), ("unix", "unix"))


class EndTests(SynchronousTestCase):
    def test_the_session_hears_of_each_kind_of_end_once(self) -> None:
        """Clean with the peer's code, or not and why."""
        lost, done = Failure(ConnectionLost()), Failure(ConnectionDone())
        for what, stream, reason, expected in [
            ("a proper end", client_frame(b"\x03\xe8ttfn", 8), done, (True, 1000, "ttfn")),
            ("without a code", client_frame(b"", 8), done, (True, None, "")),
            ("hung up", b"", done, (False, None, "peer ended the TCP connection without a goodbye")),
            (
                "a lost connection",
                b"",
                lost,
                (False, None, "Connection to the other side was lost in a non-clean fashion."),
            ),
        ]:
            listener = MemoryListener()
            link, _, session = listener.open()
            if stream:
                link.dataReceived(stream)
            link.connectionLost(reason)
            self.assertEqual(session.ends, [expected], what)
            self.assertIsNone(link.session)

    def test_our_own_close(self) -> None:
        """Clean if the peer answers; if it does not, it is torn down, and the reason says who closed."""
        listener = MemoryListener()
        link, wire, session = listener.open()
        link.close(1001, "restarting")
        link.dataReceived(client_frame(b"\x03\xe9", 8))
        self.assertEqual((wire.disconnecting, wire.aborted), (True, False))
        link.connectionLost(Failure(ConnectionDone()))
        self.assertEqual(session.ends, [(True, 1001, "")])
        link, wire, session = listener.open()
        link.close(1001, "restarting")
        listener.run(1.9)
        self.assertFalse(wire.aborted)
        listener.run(1)
        self.assertTrue(wire.aborted)
        link.connectionLost(Failure(ConnectionLost()))
        self.assertEqual(session.ends, [(False, None, "closed by us with 1001: restarting")])

    def test_a_long_reason_is_cut_between_letters(self) -> None:
        """A CLOSE frame has room for 123 bytes of it."""
        link, wire, _ = MemoryListener().open()
        link.close(1008, "\u00e4" * 100)
        ((first, payload),) = server_frames(wire.value())[0]
        self.assertEqual((first, payload), (0x88, b"\x03\xf0" + ("\u00e4" * 61).encode()))

    def test_dropping(self) -> None:
        """No CLOSE frame, so that a browser returns; what was queued before is still sent."""
        listener = MemoryListener()
        link, wire, session = listener.open()
        link.push(server_frame(b"event", False))
        link.drop("the router is shutting down")
        link.push(server_frame(b"late", False))
        listener.clock.advance(0)
        self.assertEqual((server_frames(wire.value())[0], wire.disconnecting), ([(0x81, b"event")], True))
        listener.run(3)
        self.assertTrue(wire.aborted)
        link.connectionLost(Failure(ConnectionDone()))
        self.assertEqual(session.ends, [(False, None, "the router is shutting down")])

    def test_a_session_that_fails_at_its_end(self) -> None:
        """Its bug is logged; the listener's books stay right."""
        listener = MemoryListener()
        link, _, session = listener.open()
        session.ended.callback(session)
        link.connectionLost(Failure(ConnectionDone()))
        self.assertEqual(len(self.flushLoggedErrors()), 1)
        self.assertEqual(listener.factory.connection_limit.inside, 0)


class RefusedFrameTests(SynchronousTestCase):
    def test_the_log_says_why(self) -> None:
        """Whoever breaks RFC 6455 or goes beyond the limit is closed, once, and one line says who and why."""
        for frame, code in [
            (client_frame(b"x" * 65537), "1009"),
            (client_frame(b"\xff"), "1007"),
            (client_frame(b"x", rsv=4), "1002"),
            (client_frame(b"x", masked=False), "1002"),
        ]:
            listener = MemoryListener()
            link, wire, _ = listener.open()
            link.dataReceived(frame * 2)
            self.assertEqual(close_code(wire.value()), int(code))
            ((event, kind, fields),) = listener.journal.notes
            self.assertEqual((event, kind, fields["address"]), ("frame.refused", code, "192.0.2.7"))
            self.assertTrue(fields["reason"])
