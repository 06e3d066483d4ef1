"""What arrives of a stream and cannot be handed over yet: in pieces, paused, too large, or for a session that fails."""

from twisted.trial.unittest import SynchronousTestCase

from orosync.model import Traits
from tests.support.wires import MemoryListener, client_frame, close_code


class SkippingTests(SynchronousTestCase):
    """Traits.skip_oversized: the frame is lost, the connection lives."""

    def test_skipped_wherever_it_is_cut(self) -> None:
        """What came before and what comes behind arrives; what is too large is noted, never kept."""
        traits = Traits(message_limit=1000, skip_oversized=True)
        for size in (1001, 65535, 65536, 200000):
            stream = client_frame(b"before") + client_frame(b"x" * size, mask=b"\0\0\0\0") + client_frame(b"behind")
            for step in (len(stream), 1, 7, 65536, size):
                if step == 1 and size > 1001:
                    continue
                listener = MemoryListener()
                link, wire, session = listener.open(traits)
                for n in range(0, len(stream), step):
                    link.dataReceived(stream[n : n + step])
                    self.assertLess(len(link._tail or b""), 1100)
                self.assertEqual(session.messages, [(b"before", False), (b"behind", False)], (size, step))
                self.assertEqual(wire.value(), b"")
                ((event, kind, fields),) = listener.journal.notes
                self.assertEqual((event, kind, fields["size"]), ("frame.skipped", "too_large", size))

    def test_two_in_a_row(self) -> None:
        """Each is skipped and noted."""
        listener = MemoryListener()
        link, _, session = listener.open(Traits(message_limit=10, skip_oversized=True))
        link.dataReceived((client_frame(b"x" * 300) + client_frame(b"ok")) * 2)
        self.assertEqual(session.messages, [(b"ok", False)] * 2)
        self.assertEqual(listener.journal.kinds("frame.skipped"), ["too_large"] * 2)


class PauseTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.listener = MemoryListener()
        self.link, self.wire, self.session = self.listener.open()

    def texts(self) -> list[bytes]:
        return [message for message, _ in self.session.messages]

    def test_a_paused_session_gets_nothing_more(self) -> None:
        """Not even what has arrived already; the socket is not read either."""
        self.session.on_message = lambda data, binary: self.link.pause()
        self.link.dataReceived(b"".join(client_frame(b"%d" % n) for n in range(5)))
        self.assertEqual(self.texts(), [b"0"])
        self.assertEqual(self.wire.producerState, "paused")
        self.link.dataReceived(client_frame(b"5"))
        self.assertEqual(self.texts(), [b"0"])

    def test_resuming_goes_on_in_order(self) -> None:
        """One message for each resume while the session pauses at each; then everything."""
        self.session.on_message = lambda data, binary: self.link.pause()
        stream = b"".join(client_frame(b"%d" % n) for n in range(6))
        self.link.dataReceived(stream[:20])
        self.link.dataReceived(stream[20:])
        for n in range(1, 4):
            self.link.resume()
            self.assertEqual(self.texts(), [b"%d" % m for m in range(n + 1)])
            self.assertEqual(self.wire.producerState, "paused")
        self.session.on_message = lambda data, binary: None
        self.link.resume()
        self.assertEqual(self.texts(), [b"0", b"1", b"2", b"3", b"4", b"5"])
        self.assertEqual(self.wire.producerState, "producing")

    def test_pausing_and_resuming_at_once_costs_nothing(self) -> None:
        """A decision that is there immediately does not disturb the socket, nor the order."""

        def on_message(data: bytes, binary: bool) -> None:
            self.link.pause()
            self.link.resume()

        self.session.on_message = on_message
        self.wire.pauseProducing = None  # type: ignore[method-assign]
        self.link.dataReceived(b"".join(client_frame(b"%d" % n) for n in range(5)))
        self.assertEqual(self.texts(), [b"0", b"1", b"2", b"3", b"4"])

    def test_pausing_between_fragments(self) -> None:
        """A fragmented message, assembled by autobahn, obeys as well."""
        self.session.on_message = lambda data, binary: self.link.pause()
        whole = client_frame(b"a", fin=False) + client_frame(b"b", 0)
        self.link.dataReceived(whole + whole + client_frame(b"x"))
        self.assertEqual(self.texts(), [b"ab"])
        self.link.resume()
        self.assertEqual(self.texts(), [b"ab", b"ab"])
        self.link.resume()
        self.assertEqual(self.texts(), [b"ab", b"ab", b"x"])

    def test_pausing_from_outside(self) -> None:
        """A session may pause at any time, and twice."""
        self.link.pause()
        self.link.pause()
        self.assertEqual(self.wire.producerState, "paused")
        self.link.dataReceived(client_frame(b"x")[:3])
        self.link.dataReceived(client_frame(b"x")[3:])
        self.assertEqual(self.texts(), [])
        self.link.resume()
        self.link.resume()
        self.assertEqual((self.texts(), self.wire.producerState), ([b"x"], "producing"))

    def test_closing_while_paused(self) -> None:
        """What waits is not given to a session that closes; the peer's CLOSE behind it is still understood."""
        self.link.pause()
        self.link.dataReceived(client_frame(b"late") + client_frame(b"\x03\xe8", 8))
        self.link.close(1000, "done")
        self.assertEqual((self.texts(), self.wire.disconnecting, self.link.wasClean), ([], True, True))


class FailingSessionTests(SynchronousTestCase):
    def test_a_bug_costs_one_connection(self) -> None:
        """A session that raises is ended with 1011, noted, and gets nothing more."""
        listener = MemoryListener()
        link, wire, session = listener.open()

        def on_message(data: bytes, binary: bool) -> None:
            raise RuntimeError("bug")

        session.on_message = on_message
        link.dataReceived(client_frame(b"one") + client_frame(b"two"))
        self.assertEqual(len(self.flushLoggedErrors(RuntimeError)), 1)
        self.assertEqual((len(session.messages), close_code(wire.value())), (1, 1011))
        self.assertEqual(listener.journal.kinds("link.failed"), ["internal"])
