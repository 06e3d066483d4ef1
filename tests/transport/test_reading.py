"""The frame loop, against autobahn alone: the same bytes, cut anyhow, give the same messages and the same answers."""

import random
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from orosync.model import Traits
from orosync.transport.reading import FRAGMENTS
from tests.support.streams import BAD, CLOSES, GOOD, T, stock
from tests.support.wires import MemoryListener, client_frame, close_code, server_frames


class FrameReaderTests(SynchronousTestCase):
    def ours(self, chunks: list[bytes]) -> tuple[list[tuple[bytes, bool]], bytes, bool]:
        """What a link makes of the same."""
        listener = MemoryListener()
        link, wire, session = listener.open()
        for chunk in chunks:
            if wire.disconnecting:
                break
            link.dataReceived(chunk)
        listener.clock.advance(0)
        return session.messages, wire.value(), wire.disconnecting

    def compare(self, what: str, stream: bytes, chunks: list[bytes]) -> None:
        self.assertEqual(self.ours(chunks), stock(stream), what)

    def test_whole(self) -> None:
        """Each stream in one piece, alone and with a message behind it."""
        for what, stream in GOOD.items():
            self.compare(what, stream, [stream])
            self.compare(what, stream + client_frame(T), [stream + client_frame(T)])

    def test_violations(self) -> None:
        """Each costs its sender the connection with the right code; messages before it arrive, none behind it."""
        for what, (bad, code) in BAD.items():
            stream = client_frame(b"before") + bad
            self.compare(what, stream, [stream])
            messages, answer, _ = self.ours([stream + client_frame(b"behind")])
            self.assertEqual(messages, [(b"before", False)], what)
            self.assertEqual(close_code(answer), code, what)

    def test_closing(self) -> None:
        """A CLOSE is answered, the connection ended, and nothing behind it is read."""
        for what, (close, code) in CLOSES.items():
            stream = client_frame(T) + close + client_frame(b"behind")
            self.compare(what, stream, [stream])
            messages, answer, ended = self.ours([stream])
            self.assertEqual((messages, close_code(answer), ended), ([(T, False)], code, True), what)

    def test_byte_by_byte(self) -> None:
        """The network may deliver a byte at a time."""
        for what, stream in GOOD.items():
            self.compare(what, stream, [stream[n : n + 1] for n in range(len(stream))])
        for what, (stream, _) in {**BAD, **CLOSES}.items():
            if len(stream) < 1000:
                # Of a head that trickles in, autobahn complains again at each byte, and so ends the connection sooner.
                self.assertEqual(
                    self.ours([stream[n : n + 1] for n in range(len(stream))])[:2], stock(stream)[:2], what
                )

    def test_cut_at_every_byte(self) -> None:
        """In two pieces, wherever the cut is; a frame of the cut's neighbours included."""
        for what, stream in [*GOOD.items(), *((what, bad) for what, (bad, _) in {**BAD, **CLOSES}.items())]:
            stream = client_frame(b"x") + stream
            if len(stream) > 1000:
                cuts: Any = [*range(30), *range(len(stream) - 30, len(stream))]
            else:
                cuts = range(len(stream))
            expected = stock(stream)[:2]
            for cut in cuts:
                self.assertEqual(self.ours([stream[:cut], stream[cut:]])[:2], expected, (what, cut))

    def test_every_size(self) -> None:
        """Messages of all sizes at which anything changes, text and binary, whole and in pieces."""
        for size in (*range(9), 124, 125, 126, 127, 128, 511, 512, 513, 4095, 4096, 4097, 65534, 65535, 65536):
            for opcode in (1, 2):
                payload = (b"0123456789\xc3\xa4" * (size // 12 + 1))[:size]
                if opcode == 1:
                    payload = payload.replace(b"\xc3", b"-").replace(b"\xa4", b"-")
                stream = client_frame(payload, opcode) + client_frame(b"end")
                expected = ([(payload, opcode == 2), (b"end", False)], b"", False)
                self.assertEqual(self.ours([stream]), expected, size)
                pieces = [stream[n : n + 1460] for n in range(0, len(stream), 1460)]
                self.assertEqual(self.ours(pieces), expected, size)

    def test_many_at_once_cut_anyhow(self) -> None:
        """Hundreds of frames of all kinds in one stream, in random pieces."""
        chance = random.Random(6455)
        for _ in range(20):
            names = [chance.choice(list(GOOD)) for _ in range(100)]
            stream = b"".join(GOOD[name] for name in names)
            chunks, rest = [], stream
            while rest:
                size = chance.choice((1, 2, 3, 5, 8, 50, 500, 5000))
                chunks.append(rest[:size])
                rest = rest[size:]
            messages, answer, ended = stock(stream)
            got, answered, _ = self.ours(chunks)
            self.assertEqual(got, messages)
            self.assertEqual(server_frames(answered), server_frames(answer))
            self.assertFalse(ended)

    def test_nothing_is_read_after_our_own_close(self) -> None:
        """A session that has said goodbye gets no message any more, and the peer's CLOSE ends it cleanly."""
        for chunks in ([b"both"], [client_frame(b"late"), client_frame(b"\x03\xe9", 8)]):
            listener = MemoryListener()
            link, wire, session = listener.open()
            link.close(1001, "bye")
            stream = client_frame(b"late") + client_frame(b"\x03\xe9", 8)
            for chunk in [stream] if chunks == [b"both"] else chunks:
                link.dataReceived(chunk)
            self.assertEqual((session.messages, wire.disconnecting, wire.aborted), ([], True, False))

    def test_endless_fragments_are_bounded(self) -> None:
        """A message of more pieces than anybody needs, empty ones, is too big, though its bytes are few."""
        listener = MemoryListener()
        link, wire, session = listener.open()
        link.dataReceived(client_frame(b"", 2, fin=False) + client_frame(b"", 0, fin=False) * FRAGMENTS)
        self.assertEqual((session.messages, close_code(wire.value())), ([], 1009))
        link, wire, session = listener.open()
        link.dataReceived(
            client_frame(b"a", 2, fin=False) + client_frame(b"", 0, fin=False) * (FRAGMENTS - 2) + client_frame(b"b", 0)
        )
        link.dataReceived(client_frame(b"a", 2, fin=False) + client_frame(b"b", 0))
        self.assertEqual(session.messages, [(b"ab", True)] * 2)

    def test_a_message_arriving_byte_by_byte_costs_no_more_memory_than_its_size(self) -> None:
        """A fragment that trickles in is gathered before it is handed on."""
        listener = MemoryListener()
        link, _, session = listener.open()
        stream = client_frame(b"x" * 20000, 2, fin=False)
        for n in range(len(stream)):
            link.dataReceived(stream[n : n + 1])
        self.assertLess(len(link.message_data) + len(getattr(link, "frame_data", None) or ()), 10)
        link.dataReceived(client_frame(b"", 0))
        self.assertEqual(session.messages, [(b"x" * 20000, True)])

    def test_the_limit_is_the_sessions(self) -> None:
        """A publisher may send more than a browser: exactly its limit, in one frame or in fragments."""
        for size, code in ((1 << 20, None), ((1 << 20) + 1, 1009)):
            for fragmented in (False, True):
                listener = MemoryListener()
                link, wire, session = listener.open(Traits(message_limit=1 << 20))
                mask = b"\0\0\0\0"
                if fragmented:
                    link.dataReceived(
                        client_frame(b"x" * 10, 2, fin=False) + client_frame(b"x" * (size - 10), 0, mask=mask)
                    )
                else:
                    link.dataReceived(client_frame(b"x" * size, 2, mask=mask))
                self.assertEqual((len(session.messages), close_code(wire.value())), (0 if code else 1, code))


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
