"""T2: the link as its peer and its session see it, on a clock of our own."""

from twisted.internet.error import ConnectionDone, ConnectionLost
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase
from zope.interface.verify import verifyObject

from orosync.errors import TooLong
from orosync.interfaces import ILink
from orosync.model import ConnectionPolicy
from tests.support.raw_wires import RawListener, raw_frame

PING, PONG = raw_frame(b"", 1), raw_frame(b"", 2)


class InterfaceTests(SynchronousTestCase):
    """T2."""

    def test_a_link_is_an_ilink(self) -> None:
        """What sessions rely on is there; those who take the same length share a framer, whatever they speak."""
        listener = RawListener()
        link, _, _ = listener.open()
        verifyObject(ILink, link)
        self.assertIs(listener.open(serializer=2)[0].framer, link.framer)
        self.assertIsNot(listener.open(length=5)[0].framer, link.framer)

    def test_never_more_than_the_peer_takes(self) -> None:
        """The framer refuses, so that the sender can tell the client that waits."""
        link, _, _ = RawListener().open(length=2)
        self.assertEqual(link.framer(b"x" * 2048, False), raw_frame(b"x" * 2048))
        self.assertRaises(TooLong, link.framer, b"x" * 2049, False)


class EndTests(SynchronousTestCase):
    """T2."""

    def test_our_own_close(self) -> None:
        """What is queued is sent, our side ended, what still comes dropped; clean once the peer has ended too."""
        listener = RawListener()
        link, wire, session = listener.open()
        link.push(link.framer(b"goodbye", False))
        link.close(1001, "restarting")
        link.push(link.framer(b"late", False))
        link.dataReceived(raw_frame(b"still") + b"\xff" * 100)
        link.dataReceived(raw_frame(b"talking"))
        listener.clock.advance(0)
        self.assertEqual((wire.value(), wire.ended, session.messages), (raw_frame(b"goodbye"), True, []))
        link.connectionLost(Failure(ConnectionDone()))
        self.assertEqual(session.ends, [(True, None, "closed by us with 1001: restarting")])
        self.assertEqual(session.violations, [])

    def test_a_peer_that_does_not_end(self) -> None:
        """It has the listener's closing time."""
        listener = RawListener()
        link, wire, session = listener.open()
        link.close(1001, "restarting")
        listener.run(1.9)
        self.assertFalse(wire.aborted)
        listener.run(1)
        self.assertTrue(wire.aborted)
        link.connectionLost(Failure(ConnectionLost()))
        self.assertEqual(session.ends, [(False, None, "closed by us with 1001: restarting")])

    def test_the_peers_end(self) -> None:
        """RawSocket has no closing handshake: the end is not a clean one."""
        listener = RawListener()
        link, _, session = listener.open()
        link.connectionLost(Failure(ConnectionDone()))
        self.assertEqual(session.ends, [(False, None, "peer ended the TCP connection without a goodbye")])
        listener.run(1)
        self.assertEqual((listener.factory.connection_limit.inside, listener.clock.getDelayedCalls()), (0, []))

    def test_closing_while_paused(self) -> None:
        """What waits is not given to a session that closes, and the peer's end is seen."""
        link, wire, session = RawListener().open()
        link.pause()
        link.dataReceived(raw_frame(b"late"))
        link.close(1000, "done")
        self.assertEqual((session.messages, wire.producerState, wire.ended), ([], "producing", True))

    def test_a_violation_ends_the_link_even_if_the_session_does_not(self) -> None:
        """The session says it in its own words; the end comes in any case."""
        listener = RawListener()
        link, wire, session = listener.open()
        session_words = link.framer(b"[3]", False)
        session.on_message = lambda data, binary: link.push(session_words)
        link.dataReceived(raw_frame(b"x") + b"\xff\0\0\0")
        self.assertEqual((len(session.violations), wire.value(), wire.ended), (1, session_words, True))


class KeepAliveTests(SynchronousTestCase):
    """T2: pings for those who know them."""

    def test_who_has_never_pinged_is_never_pinged(self) -> None:
        """autobahn would take a ping for the head of a message of 16 MiB and never hear anything again."""
        listener = RawListener()
        _, wire, session = listener.open()
        listener.run(3600, 1)
        self.assertEqual((wire.value(), wire.aborted, session.ends), (b"", False, []))

    def test_who_knows_pings_is_asked_and_cut(self) -> None:
        """One PING or PONG of its own shows that it does."""
        for first, answer in ((PING, PONG), (PONG, b"")):
            listener = RawListener()
            link, wire, session = listener.open()
            link.dataReceived(first)
            listener.run(27)
            self.assertEqual(wire.value(), answer + PING)
            link.dataReceived(PONG)
            listener.run(27)
            self.assertEqual((wire.value(), wire.aborted), (answer + PING + PING, False))
            listener.run(12)
            self.assertTrue(wire.aborted)
            self.assertEqual(listener.journal.kinds("consumer.cut"), ["ping_timeout"])
            link.connectionLost(Failure(ConnectionLost()))
            self.assertEqual(session.ends, [(False, None, "cut: ping_timeout")])

    def test_the_publisher_is_never_asked(self) -> None:
        """Even if it pings us."""
        listener = RawListener()
        link, wire, _ = listener.open(ConnectionPolicy(pinged=False))
        link.dataReceived(PING)
        listener.run(3600, 1)
        self.assertEqual((wire.value(), wire.aborted), (PONG, False))

    def test_a_ping_that_its_sender_could_not_take_back(self) -> None:
        """Its PONG would be longer than the peer takes: a violation."""
        link, _, session = RawListener().open(length=1)
        link.dataReceived(raw_frame(b"x" * 1024, 1))
        self.assertEqual(session.violations, [])
        link.dataReceived(raw_frame(b"x" * 1025, 1))
        self.assertEqual(len(session.violations), 1)

    def test_half_a_frame(self) -> None:
        """It is cut after frame_timeout."""
        listener = RawListener(frame_timeout=3)
        link, wire, _ = listener.open()
        link.dataReceived(raw_frame(b"hello")[:6])
        listener.run(4)
        self.assertEqual((wire.aborted, listener.journal.kinds("frame.cut")), (True, ["incomplete"]))
