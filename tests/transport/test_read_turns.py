"""What one connection may do in one turn of the reactor, exactly, for everything that it may speak; and who is next."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from orosync.model import ConnectionPolicy
from orosync.session.batched import BatchedSession
from orosync.testing import connection_facts
from orosync.transport.read_turns import LEAST, MOST, QUANTUM, READERS, TIME, ReadTurns
from orosync.wamp.codec import CODECS
from tests.session.fixture import HELLO, RealmFixture
from tests.support.raw_wires import RawListener, raw_frame
from tests.support.violations import squeezed
from tests.support.wires import MemoryListener, client_frame, one_turn, server_frames, upgrade

FULL = QUANTUM // LEAST


class Work:
    """A Reader with so much to do, which costs ``each`` a piece."""

    def __init__(self, turns: ReadTurns, name: str, pieces: int, log: list[str], each: int = LEAST) -> None:
        self.turns, self.name, self.pieces, self.log, self.each = turns, name, pieces, log, each
        self.renewed = self.failures = 0
        self.left = QUANTUM
        self.then: Callable[[], object] = lambda: None

    def renew(self) -> bool:
        self.renewed += 1
        self.left = QUANTUM
        return self.pieces > 0

    def take_turn(self) -> int:
        before = self.left
        while self.pieces and self.left > 0:
            self.pieces -= 1
            self.left -= self.each
            self.log.append(self.name)
        self.then()
        if self.left <= 0:
            self.turns.enter(self)
        return before - self.left

    def failed(self) -> None:
        self.failures += 1


class ReadTurnsTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.clock = Clock()
        self.turns = ReadTurns(self.clock)
        self.log: list[str] = []

    def work(self, name: str, pieces: int, **options: Any) -> Work:
        work = Work(self.turns, name, pieces, self.log, **options)
        self.turns.enter(work)
        return work

    def turn(self) -> list[str]:
        self.log.clear()
        one_turn(self.clock)
        return list(self.log)

    def test_round_robin(self) -> None:
        """Each gets one quantum, in order, and stands behind the others again."""
        self.work("a", 3 * FULL)
        self.work("b", FULL)
        self.assertEqual(self.turn(), ["a"] * FULL + ["b"] * FULL)
        self.work("c", 1)
        self.assertEqual(self.turn(), ["a"] * FULL + ["c"])
        self.assertEqual(self.turn(), ["a"] * FULL)
        self.turn()
        self.assertEqual((len(self.turns), self.clock.getDelayedCalls()), (0, []))

    def test_a_turn_is_bounded(self) -> None:
        """By what it costs together, and by how many have one; all get theirs."""
        flooders = [self.work(str(n), 100 * FULL) for n in range(250)]
        served = [self.turn() for _ in range(32)]
        self.assertEqual({len(turn) for turn in served}, {8 * FULL})
        order = [name for turn in served for name in turn[::FULL]]
        self.assertEqual(order, [str(n % 250) for n in range(256)])
        for flooder in flooders:
            self.turns.leave(flooder)
        little = [self.work(str(n), 1) for n in range(40)]
        self.assertEqual([len(self.turn()) for _ in range(3)], [READERS, READERS, 40 - 2 * READERS])
        self.assertEqual({one.renewed for one in little}, {1})

    def test_one_that_costs_much_is_alone(self) -> None:
        """A single message cannot be divided, but it counts."""
        self.work("large", 1, each=MOST)
        self.work("small", 1)
        self.assertEqual([self.turn(), self.turn()], [["large"], ["small"]])

    def test_what_takes_long(self) -> None:
        """No more of the queue is served in a turn that has lasted long enough."""
        for name in ("a", "b", "c"):
            self.work(name, 1).then = lambda: setattr(self.clock, "rightNow", self.clock.rightNow + 0.6 * TIME)
        self.assertEqual([self.turn(), self.turn()], [["a", "b"], ["c"]])

    def test_a_reader_without_input_does_not_wait(self) -> None:
        """Its quantum begins anew with the next turn, however many stand in the queue."""
        for n in range(50):
            self.work(str(n), 100 * FULL)
        self.turn()
        steady = self.work("steady", 0)
        self.turn()
        self.assertEqual((steady.renewed, "steady" in self.log), (1, False))

    def test_leaving(self) -> None:
        """A reader that is gone gets no turn, wherever it stood, also while others have theirs; no timer is left."""
        first, second, third = (self.work(name, 2 * FULL) for name in ("a", "b", "c"))
        self.turns.leave(first)
        second.then = lambda: self.turns.leave(third)
        self.assertEqual(self.turn(), ["b"] * FULL)
        self.turns.leave(second)
        self.turns.leave(second)
        self.assertEqual((self.clock.getDelayedCalls(), len(self.turns)), ([], 0))

    def test_one_that_raises(self) -> None:
        """It is told so; the others have their turn, whatever it was that raised."""

        def fail() -> Any:
            raise ZeroDivisionError

        for broken in (("take_turn",), ("renew",), ("take_turn", "failed"), ("renew", "failed")):
            bad = self.work("bad", FULL)
            for name in broken:
                setattr(bad, name, fail)
            self.work("good", 1)
            self.assertEqual(self.turn(), ["good"])
            self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), len(broken))
            self.assertEqual((bad.failures, len(self.turns)), (2 - len(broken), 0))

    def test_entering_twice(self) -> None:
        """It is one turn."""
        work = self.work("a", 1)
        self.turns.enter(work)
        self.assertEqual((self.turn(), work.renewed), (["a"], 1))


TEXT = client_frame(b"[1]")
ODD = b"\x81\xfe"
"""Malformed JSON."""


def texts(count: int, size: int = 3) -> bytes:
    return client_frame(b"x" * size, mask=b"\0\0\0\0") * count


class OneTurnTests(SynchronousTestCase):
    """Twenty times as much as a turn's work in one read, then turn by turn."""

    def progress(self, listener: MemoryListener, count: Callable[[], int], turns: int = 4) -> list[int]:
        """How much was handled in each turn, beginning with the read that has happened."""
        seen = [count()]
        for _ in range(turns):
            listener.turn()
            seen.append(count())
        return [after - before for before, after in zip([0, *seen], seen, strict=False)]

    def test_websocket(self) -> None:
        """Messages, pings, pongs, fragments, and messages of more than LEAST; what is left is kept once."""
        mebibyte = ConnectionPolicy(message_limit=1 << 20)
        for what, stream, expected in [
            ("messages", texts(20 * FULL), FULL),
            ("messages and pings", (TEXT + client_frame(b"", 9)) * 10 * FULL, FULL // 2),
            ("messages and pongs", (TEXT + client_frame(b"", 10)) * 10 * FULL, FULL // 2),
            ("fragments", (client_frame(b"a", fin=False) + client_frame(b"b", 0)) * 10 * FULL, FULL // 2),
            ("messages of 4 KiB", texts(20 * FULL, 4096 - 8), FULL // 4),
            ("messages of 60 KiB", texts(20, 60 << 10), 2),
            ("messages of 100 KiB", texts(20, 100 << 10), 1),
        ]:
            listener = MemoryListener()
            link, wire, session = listener.open(mebibyte)
            link.set_authenticated(True)
            link.dataReceived(stream)
            self.assertIs(link._buffer, stream, what)
            self.assertEqual((wire.producerState, link.frame_complete()), ("paused", False), what)
            self.assertIsNone(link.frame_progress(), what)
            handled = self.progress(listener, lambda session=session: len(session.messages))  # type: ignore[misc]
            self.assertEqual(handled, [expected] * 5, what)
            self.assertIs(link._buffer, stream, what)
            listener.clock.advance(0)
            self.assertEqual((link._buffer, link._tail, wire.producerState), (b"", None, "producing"), what)
            self.assertEqual(listener.clock.getDelayedCalls()[1:], [], what)

    def test_pings_alone(self) -> None:
        """As many are answered as messages would be handled."""
        listener = MemoryListener()
        link, wire, _ = listener.open()
        link.dataReceived(client_frame(b"", 9) * 20 * FULL)

        def pongs() -> int:
            link.flush()
            return len(server_frames(wire.value())[0])

        self.assertEqual(self.progress(listener, pongs), [FULL] * 5)

    def test_continuations(self) -> None:
        """Each is a frame, empty or not."""
        listener = MemoryListener()
        link, _, _ = listener.open()
        link.dataReceived(client_frame(b"", fin=False) + client_frame(b"", 0, fin=False) * 2000)
        self.assertEqual(self.progress(listener, lambda: link._fragments), [FULL] * 5)

    def test_a_read_in_a_thousand_pieces(self) -> None:
        """TLS goes on delivering what it has decrypted: it is kept behind the rest, and the order holds."""
        listener = MemoryListener()
        link, wire, session = listener.open()
        for n in range(1000):
            link.dataReceived(client_frame(b"%d" % n))
        self.assertEqual((len(session.messages), wire.producerState), (FULL, "paused"))
        self.assertEqual(self.progress(listener, lambda: len(session.messages)), [FULL] * 5)
        listener.clock.advance(0)
        self.assertEqual([int(message) for message, _ in session.messages], list(range(1000)))

    def test_what_comes_out_of_compression(self) -> None:
        """Counts as if it had come as it is."""
        listener = MemoryListener(deflate=True)
        link, _, session = listener.open(
            ConnectionPolicy(message_limit=1 << 20), extra="Sec-WebSocket-Extensions: permessage-deflate\r\n"
        )
        link.set_authenticated(True)
        link.dataReceived(client_frame(squeezed(b"x" * (30 << 10)), 2, rsv=4) * 20)
        self.assertEqual(self.progress(listener, lambda: len(session.messages)), [3] * 5)

    def test_rawsocket(self) -> None:
        """Messages and pings."""
        for stream, expected in ((raw_frame(b"[1]") * 20 * FULL, FULL), (raw_frame(b"", 1) * 20 * FULL, 0)):
            listener = RawListener()
            link, wire, session = listener.open()
            link.dataReceived(stream)
            handled = self.progress(listener, lambda session=session: len(session.messages))  # type: ignore[misc]
            self.assertEqual(handled, [expected] * 5)
            link.flush()
            self.assertEqual(len(wire.value()), 0 if expected else 5 * FULL * 4)

    def test_early_data(self) -> None:
        """What follows the handshake in the same read is no different."""
        listener = MemoryListener()
        link, _ = listener.connect()
        link.dataReceived(upgrade() + TEXT * 200)
        (session,) = listener.host.sessions
        self.assertEqual(self.progress(listener, lambda: len(session.messages), 3), [FULL, FULL, FULL, 8])

    def test_batches(self) -> None:
        """A message in a batch is a message: of one large batch, of many small ones."""
        for batches, expected in (
            ([[[48, n, {}, "no.such"] for n in range(1, 1001)]], [FULL - 23, FULL, FULL, FULL]),
            ([[[48, 4 * n + m, {}, "no.such"] for m in range(1, 5)] for n in range(100)], [FULL] * 4),
        ):
            fixture = RealmFixture()
            listener = MemoryListener()
            session = BatchedSession(
                fixture.context, connection_facts(), CODECS["wamp.2.json"], None, ConnectionPolicy()
            )
            listener.host.make = lambda session=session: session  # type: ignore[misc,assignment]
            link, wire = listener.connect()
            packed = [b"".join(json.dumps(one).encode() + b"\x1e" for one in batch) for batch in [[HELLO], *batches]]
            link.dataReceived(upgrade(subprotocol="wamp.2.json.batched") + client_frame(packed[0]))
            listener.turn()
            listener.turn()
            wire.clear()
            link._quantum_left = QUANTUM
            link.dataReceived(b"".join(client_frame(one) for one in packed[1:]))
            handled = []
            for _ in expected:
                link.flush()
                handled.append(len(server_frames(wire.value())[0]))
                wire.clear()
                listener.turn()
            self.assertEqual(handled, expected)
            listener.clock.advance(0)
            link.flush()
            total = sum(map(len, batches)) - sum(expected)
            answers = [json.loads(payload[:-1]) for _, payload in server_frames(wire.value())[0]]
            self.assertEqual((len(answers), answers[-1][2]), (total, batches[-1][-1][1]))

    def test_long_poll(self) -> None:
        """Requests in one read, and the messages in the body of one."""
        fixture = RealmFixture()
        listener = MemoryListener(longpoll="/lp")
        codec = CODECS["wamp.2.json"]
        session = BatchedSession(fixture.context, connection_facts(), codec, None, ConnectionPolicy())
        listener.host.make = lambda: session  # type: ignore[assignment,return-value]

        def post(verb: str, body: bytes) -> bytes:
            head = f"POST /lp/{verb} HTTP/1.1\r\nHost: localhost\r\nOrigin: http://localhost\r\n"
            return f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body

        def packed(*messages: Any) -> bytes:
            return b"".join(json.dumps(one).encode() + b"\x1e" for one in messages)

        client, wire = listener.connect()
        client.dataReceived(post("open", b'{"protocols": ["wamp.2.json.batched"]}'))
        name = json.loads(wire.value().rpartition(b"\r\n\r\n")[2])["transport"]
        (link,) = client.longpoll._links.values()  # type: ignore[union-attr]
        client.dataReceived(post(f"{name}/send", packed(HELLO)))
        listener.clock.advance(0)
        link._queue.clear()
        link._quantum_left = QUANTUM
        client.dataReceived(post(f"{name}/send", packed(*([48, n, {}, "no.such"] for n in range(1, 301)))))
        handled = self.progress(listener, lambda: len(link._queue), 5)
        self.assertEqual((handled[2:5], max(handled), sum(handled)), ([FULL] * 3, FULL, 300))
        wire.clear()
        many = b"".join(post(f"{name}/send", packed([48, n, {}, "no.such"])) for n in range(301, 341))
        client.dataReceived(many)
        answers = self.progress(listener, lambda: wire.value().count(b"HTTP/1.1 204"), 6)
        self.assertLessEqual(max(answers), 8 + 1, "and the one that had waited for the link")
        self.assertEqual((sum(answers), len(link._queue)), (40, 340))
