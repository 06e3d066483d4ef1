"""T2: RawSocket frames as they arrive, cut anywhere, against the table of what they mean."""

import random
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from orosync.model import ConnectionPolicy
from tests.support.raw_wires import RawListener, raw_frame

TEXT = b'[1,"realm1",{}]'

GOOD: dict[str, tuple[bytes, list[bytes], bytes]] = {
    "a message": (raw_frame(TEXT), [TEXT], b""),
    "an empty message": (raw_frame(b""), [b""], b""),
    "two messages": (raw_frame(b"one") + raw_frame(b"two"), [b"one", b"two"], b""),
    "the longest message": (raw_frame(b"x" * 4096), [b"x" * 4096], b""),
    "a ping": (raw_frame(b"are you there", 1), [], raw_frame(b"are you there", 2)),
    "an empty ping": (raw_frame(b"", 1), [], raw_frame(b"", 2)),
    "a pong": (raw_frame(b"unasked", 2), [], b""),
    "pings between messages": (
        raw_frame(b"a") + raw_frame(b"1", 1) + raw_frame(b"b") + raw_frame(b"2", 1),
        [b"a", b"b"],
        raw_frame(b"1", 2) + raw_frame(b"2", 2),
    ),
}

BAD: dict[str, bytes] = {
    **{f"type {kind}": raw_frame(b"x", kind) for kind in range(3, 8)},
    **{f"reserved bit {bit}": raw_frame(b"x", 1 << bit) for bit in range(4, 8)},
    "16 MiB": raw_frame(b"", 8),
    "more than 16 MiB": raw_frame(b"x", 8),
    "a message longer than announced": raw_frame(b"x" * 4097),
    "the head alone of a longer message": raw_frame(b"x" * 4097)[:4],
    "a ping longer than announced": raw_frame(b"x" * 4097, 1),
}


class ReadingTests(SynchronousTestCase):
    """T2."""

    def read(self, chunks: list[bytes], policy: ConnectionPolicy | None = None) -> tuple[Any, bytes, Any]:
        """The session, what the peer was sent, and the listener."""
        listener = RawListener()
        link, wire, session = listener.open(policy or ConnectionPolicy(message_limit=4096))
        for chunk in chunks:
            link.dataReceived(chunk)
        listener.clock.advance(0)
        return session, wire.value(), listener

    def test_cut_at_every_byte(self) -> None:
        """In two pieces wherever the cut is, whole, byte by byte, and with a neighbour: the same messages in order."""
        for what, (stream, messages, answer) in GOOD.items():
            for before, expected in ((b"", messages), (raw_frame(b"x"), [b"x", *messages])):
                whole = before + stream
                cuts: Any = range(len(whole) + 1) if len(whole) < 100 else [0, 1, 3, 4, 5, 9, 50, len(whole) - 1]
                for cut in cuts:
                    session, answered, _ = self.read([whole[:cut], whole[cut:]])
                    self.assertEqual([m for m, _ in session.messages], expected, (what, cut))
                    self.assertEqual(answered, answer, (what, cut))
            session, answered, _ = self.read([stream[n : n + 1] for n in range(len(stream))])
            self.assertEqual(([m for m, _ in session.messages], answered), (messages, answer), what)

    def test_many_at_once_cut_anyhow(self) -> None:
        """Hundreds of frames in one stream, in random pieces."""
        chance = random.Random(127)
        for _ in range(20):
            chosen = [GOOD[chance.choice(list(GOOD))] for _ in range(100)]
            rest, chunks = b"".join(stream for stream, _, _ in chosen), []
            while rest:
                size = chance.choice((1, 2, 3, 4, 5, 8, 50, 500, 5000))
                chunks.append(rest[:size])
                rest = rest[size:]
            session, answered, _ = self.read(chunks)
            self.assertEqual([m for m, _ in session.messages], [m for _, messages, _ in chosen for m in messages])
            self.assertEqual(answered, b"".join(answer for _, _, answer in chosen))
            self.assertEqual(session.violations, [])

    def test_sixteen_mebibytes(self) -> None:
        """Where that much is taken the extra bit of the length is understood, and so is one byte less."""
        for size, head in ((1 << 24, b"\x08\0\0\0"), ((1 << 24) - 1, b"\0\xff\xff\xff")):
            listener = RawListener()
            link, _, session = listener.open(ConnectionPolicy(message_limit=1 << 24))
            link.dataReceived(head)
            for _ in range(size >> 20):
                link.dataReceived(bytes(1 << 20))
            link.dataReceived(bytes(size & 0xFFFFF) + raw_frame(b"next"))
            listener.clock.advance(0)
            self.assertEqual([len(m) for m, _ in session.messages], [size, 4])
            self.assertEqual(link.framer(bytes(size), True)[:4], head)

    def test_violations(self) -> None:
        """Each is told to the session, once; what came before arrived, nothing behind it does."""
        for what, bad in BAD.items():
            stream = raw_frame(b"before") + bad + raw_frame(b"behind")
            for chunks in ([stream], [stream[n : n + 1] for n in range(len(stream))]):
                if len(chunks) > 100:
                    continue
                session, _, _ = self.read(chunks)
                self.assertEqual([m for m, _ in session.messages], [b"before"], what)
                self.assertEqual(len(session.violations), 1, what)

    def test_the_sessions_bytes_are_of_its_kind(self) -> None:
        """JSON counts as text, MessagePack and CBOR as binary."""
        for serializer, binary in ((1, False), (2, True), (3, True)):
            listener = RawListener()
            link, _, session = listener.open(serializer=serializer)
            link.dataReceived(raw_frame(b"x"))
            link.dataReceived(raw_frame(b"x") * 2)
            self.assertEqual(session.messages, [(b"x", binary)] * 3)

    def test_a_publisher_is_not_cut_for_a_message_too_large(self) -> None:
        """It is skipped as it streams in, and noted; what comes behind arrives."""
        policy = ConnectionPolicy(message_limit=4096, skip_oversized=True)
        large = b'[7,"oro/data/update","' + b"x" * 100_000 + b'"]'
        stream = raw_frame(b"before") + raw_frame(large) + raw_frame(b"behind")
        for step in (len(stream), 1000, 7):
            session, _, listener = self.read([stream[n : n + step] for n in range(0, len(stream), step)], policy)
            self.assertEqual([m for m, _ in session.messages], [b"before", b"behind"])
            self.assertEqual(listener.journal.kinds("frame.skipped"), ["too_large"])
            self.assertEqual(listener.journal.notes[-1][2]["topic"], "oro/data/update")
            self.assertEqual(session.violations, [])

    def test_pausing(self) -> None:
        """A paused session gets nothing more, then everything in order."""
        listener = RawListener()
        link, wire, session = listener.open()
        session.on_message = lambda data, binary: link.pause()
        link.dataReceived(raw_frame(b"0"))
        link.dataReceived(raw_frame(b"1") + raw_frame(b"2")[:2])
        link.dataReceived(raw_frame(b"2")[2:])
        self.assertEqual(([m for m, _ in session.messages], wire.producerState), ([b"0"], "paused"))
        link.resume()
        self.assertEqual([m for m, _ in session.messages], [b"0", b"1"])
        session.on_message = lambda data, binary: None
        link.resume()
        self.assertEqual(([m for m, _ in session.messages], wire.producerState), ([b"0", b"1", b"2"], "producing"))

    def test_a_bug_costs_one_connection(self) -> None:
        """A session that raises, at a message alone or among others, is ended and noted."""
        for stream in (raw_frame(b"one"), raw_frame(b"one") + raw_frame(b"two")):
            listener = RawListener()
            link, wire, session = listener.open()

            def on_message(data: bytes, binary: bool) -> None:
                raise RuntimeError("bug")

            session.on_message = on_message
            link.dataReceived(stream)
            self.assertEqual(len(self.flushLoggedErrors(RuntimeError)), 1)
            self.assertEqual((len(session.messages), wire.ended), (1, True))
            self.assertEqual(listener.journal.kinds("link.failed"), ["internal"])
