"""The frame loop, against autobahn alone: the same bytes, cut anyhow, give the same messages and the same answers."""

import random
from sys import getsizeof
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from orosync.model import ConnectionPolicy
from orosync.transport import websocket
from orosync.transport.frames import data_frame_in_python
from orosync.transport.websocket import FRAGMENTS
from tests.support.streams import BAD, CLOSES, GOOD, T, stock
from tests.support.wires import MemoryListener, client_frame, close_code, server_frames


class ReadingTests(SynchronousTestCase):
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
            self.assertEqual(self.ours([stream])[:2], stock(stream)[:2], what)
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
        """A message of more pieces than any client needs, empty ones, is too big, though its bytes are few."""
        listener = MemoryListener()
        link, wire, session = listener.open()
        link.dataReceived(client_frame(b"", 2, fin=False) + client_frame(b"", 0, fin=False) * FRAGMENTS)
        listener.clock.advance(0)
        self.assertEqual((session.messages, close_code(wire.value())), ([], 1009))
        link, wire, session = listener.open()
        link.dataReceived(
            client_frame(b"a", 2, fin=False) + client_frame(b"", 0, fin=False) * (FRAGMENTS - 2) + client_frame(b"b", 0)
        )
        link.dataReceived(client_frame(b"a", 2, fin=False) + client_frame(b"b", 0))
        listener.clock.advance(0)
        self.assertEqual(session.messages, [(b"ab", True)] * 2)

    def test_fragments_of_a_large_message(self) -> None:
        """Where messages may be larger they may have more fragments, one for each 64 bytes, and take about their bytes
        until they are complete; empty ones are bounded as ever."""
        limit, mask = 1 << 19, b"\0\0\0\0"
        count = limit // 64
        first, more, last = (client_frame(b"x" * 64, *how, mask=mask) for how in ((2,), (0,), (0,)))
        first, more = bytes([2]) + first[1:], bytes([0]) + more[1:]
        short = client_frame(b"x", 0, fin=False, mask=mask)
        empty = client_frame(b"", 0, fin=False)
        rows = {
            "as many as there may be": (first + more * (count - 2), last, None),
            "one more": (client_frame(b"x", 2, fin=False) + short * (count - 1), short, 1009),
            "empty ones": (first + empty * FRAGMENTS, last, None),
            "one empty one more": (first + empty * FRAGMENTS, empty, 1009),
        }
        for name, (stream, end, code) in rows.items():
            listener = MemoryListener()
            link, wire, session = listener.open(ConnectionPolicy(message_limit=limit))
            link.set_authenticated(True)
            self.take(listener, link, stream)
            if name == "as many as there may be":
                (whole,) = link.message_data
                self.assertEqual(len(whole), 64 * (count - 1))
                self.assertLess(getsizeof(whole), 1.2 * limit)
            self.take(listener, link, end)
            self.assertEqual((len(session.messages), close_code(wire.value())), (0 if code else 1, code), name)

    def take(self, listener: MemoryListener, link: Any, stream: bytes) -> None:
        """Have all of it arrive and be handled, in as many turns as it takes."""
        for start in range(0, len(stream), 65536):
            link.dataReceived(stream[start : start + 65536])
            while any(call.getTime() <= listener.clock.seconds() for call in listener.clock.getDelayedCalls()):
                listener.clock.advance(0)

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
                link, wire, session = listener.open(ConnectionPolicy(message_limit=1 << 20))
                mask = b"\0\0\0\0"
                if fragmented:
                    link.dataReceived(
                        client_frame(b"x" * 10, 2, fin=False) + client_frame(b"x" * (size - 10), 0, mask=mask)
                    )
                else:
                    link.dataReceived(client_frame(b"x" * size, 2, mask=mask))
                self.assertEqual((len(session.messages), close_code(wire.value())), (0 if code else 1, code))


class ReadingInPythonTests(ReadingTests):
    """The same where frames are taken out in Python, though it was built in C."""

    def setUp(self) -> None:
        self.patch(websocket, "data_frame", data_frame_in_python)
