"""One peer: numbers, the ring, what is asked for again. Two of them, each the other's, without engine and timers."""

from __future__ import annotations

from typing import Any

from msgspec.msgpack import decode
from twisted.trial.unittest import SynchronousTestCase

from orosync.backplane.envelope import ANEW, BEGIN, OVERHEAD, REPEAT, Envelopes
from orosync.backplane.peer import ACKNOWLEDGE, AGAIN, PART, RESTARTS, Arrived, Counters, Peer

KEY, ANNA, BEN = b"k" * 32, "a" * 16, "b" * 16


class Side:
    """A node that knows one peer; ``out`` is what it has sent to it."""

    def __init__(self, boot: str, peer_boot: str, **changes: Any) -> None:
        self.envelopes = Envelopes(KEY, boot, boot)
        self.out: list[bytes] = []
        self.counters = Counters()
        limits = {"resend_seconds": 30.0, "resend_bytes": 10_000} | changes
        send = lambda node, batch: self.out.append(batch)  # noqa: E731
        self.peer = Peer(peer_boot, peer_boot, self.envelopes, send, 65536, self.counters, 0.0, **limits)

    def sent(self) -> list[bytes]:
        """What it has sent since this was asked last."""
        out, self.out[:] = list(self.out), []
        return out

    def takes(self, batch: bytes, now: float = 0.0) -> tuple[Arrived, bool]:
        """What it does with a batch, and whether it can repeat what the batch asks for."""
        envelope = self.envelopes.open(batch)
        arrived = self.peer.arrived(envelope, len(batch), now)
        if arrived is Arrived.BEGIN:
            self.peer.begins(envelope)
        asks = envelope.flags & REPEAT
        return arrived, not asks or self.peer.repeat(envelope.wanted_after, bool(envelope.flags & ANEW), now)


class Streams(SynchronousTestCase):
    """Anna sends, Ben receives."""

    def setUp(self) -> None:
        self.anna, self.ben = Side(ANNA, BEN), Side(BEN, ANNA)
        self.anna.peer.begun = True  # nothing is missing in the other direction

    def begun(self) -> None:
        """A stream from Anna to Ben, with one message."""
        self.anna.peer.begin([b"\x01"], 0.0)
        self.anna.peer.flush(0.0)
        (batch,) = self.anna.sent()
        self.assertEqual(self.ben.takes(batch), (Arrived.BEGIN, True))

    def message(self, now: float = 0.0, size: int = 0) -> bytes:
        """A batch with one message."""
        self.anna.peer.queue(b"\xc5" + size.to_bytes(2, "big") + b"x" * size, now)
        self.anna.peer.flush(now)
        (batch,) = self.anna.sent()
        return batch

    def test_in_order(self) -> None:
        """Batches that follow are taken; what the receiver says later empties the ring."""
        self.begun()
        for number in range(2, 5):
            self.assertEqual(self.ben.takes(self.message())[0], Arrived.TAKE)
            self.assertEqual(self.ben.peer.received, number)
        self.assertEqual(self.anna.peer.lag, 4)
        self.ben.peer.sign_of_life(1.0)
        self.anna.takes(self.ben.sent()[0], 1.0)
        self.assertEqual(self.anna.peer.lag, 0)

    def test_gap(self) -> None:
        """Behind a gap nothing is taken; one request brings everything, in one batch, also twice."""
        self.begun()
        _, *early = [self.message() for _ in range(4)]
        for batch in early:
            self.assertEqual(self.ben.takes(batch)[0], Arrived.DROP)
        (asked,) = self.ben.sent()
        self.anna.takes(asked)
        again = self.anna.sent()
        self.assertEqual([self.ben.envelopes.open(batch).count for batch in again], [4])
        self.assertEqual([self.ben.takes(batch)[0] for batch in again + again], [Arrived.TAKE, Arrived.DROP])
        self.assertEqual((self.anna.counters.resent, self.ben.counters.duplicates), (4, 4))

    def test_asked_again(self) -> None:
        """The same is asked for again after a while only; it is repeated after a while only."""
        self.begun()
        self.message()
        early = self.message()
        self.ben.takes(early)
        (asked,) = self.ben.sent()
        self.ben.takes(early, AGAIN / 2)
        self.assertEqual(self.ben.sent(), [])
        self.ben.takes(early, AGAIN)
        self.assertEqual(len(self.ben.sent()), 1)
        for now, repeated in ((0.0, 1), (AGAIN / 2, 0), (AGAIN, 1)):
            self.anna.takes(asked, now)
            self.assertEqual(len(self.anna.sent()), repeated)

    def test_overtaken_request(self) -> None:
        """A request that arrives after its sender has got everything is passed over."""
        self.begun()
        lost, early = self.message(), self.message()
        self.ben.takes(early)
        (asked,) = self.ben.sent()
        for batch in (lost, early):
            self.ben.takes(batch)
        self.ben.peer.sign_of_life(1.0)
        self.ben.peer.sign_of_life(2.0)
        self.anna.takes(self.ben.sent()[0], 2.0)
        self.assertEqual(self.anna.takes(asked, 3.0), (Arrived.DROP, True))
        self.assertEqual(self.anna.sent(), [])

    def test_begin_was_lost(self) -> None:
        """Without its beginning nothing of a stream is taken; it is repeated from there."""
        self.anna.peer.begin([b"\x01"], 0.0)
        self.anna.peer.flush(0.0)
        self.anna.sent()
        self.assertEqual(self.ben.takes(self.message())[0], Arrived.DROP)
        self.anna.takes(self.ben.sent()[0])
        (batch,) = self.anna.sent()
        self.assertEqual((self.ben.takes(batch)[0], self.ben.peer.received), (Arrived.BEGIN, 2))

    def test_forgotten_by_the_receiver(self) -> None:
        """A receiver that has forgotten the stream needs a new one."""
        self.begun()
        self.ben.peer.forget()
        self.ben.peer.sign_of_life(1.0)
        self.assertEqual(self.anna.takes(self.ben.sent()[0], 1.0), (Arrived.DROP, False))
        self.assertFalse(self.anna.peer.may_begin(RESTARTS / 2))
        self.assertTrue(self.anna.peer.may_begin(RESTARTS))
        self.anna.peer.begin([b"\x01"], 1.0)
        self.anna.peer.flush(1.0)
        self.assertEqual(self.ben.takes(self.anna.sent()[0], 1.0)[0], Arrived.BEGIN)
        self.assertEqual(self.ben.counters.lost, 0)

    def test_events_for_a_receiver_that_has_forgotten(self) -> None:
        """They follow the snapshot of the new stream; what the ring has no more is lost, and nothing else is."""
        for silence, lost in ((1.0, 0), (34.0, 0), (36.0, 1)):
            self.setUp()
            self.begun()
            self.ben.takes(self.message())
            self.ben.peer.forget()
            for now in (0.0, 30.0):
                self.ben.takes(self.message(now), now)
            self.ben.sent()
            self.anna.peer.sign_of_life(silence)
            self.anna.sent()
            self.ben.peer.ask(silence)
            self.assertEqual(self.anna.takes(self.ben.sent()[0], silence), (Arrived.DROP, False))
            self.anna.peer.begin_after(2, [b"\x01"], silence, lambda bodies: [bytes(one[1:]) for one in bodies])
            self.anna.peer.flush(silence)
            (batch,) = self.anna.sent()
            self.assertEqual(bytes(self.ben.envelopes.open(batch).body), b"\x93\x01" + b"\xc5\0\0" * 2 if not lost
                             else b"\x92\x01\xc5\0\0")  # fmt: skip
            self.assertEqual(self.ben.takes(batch, silence)[0], Arrived.BEGIN)
            self.assertEqual((self.ben.counters.lost, self.ben.peer.received), (lost, 5))
            self.assertEqual(self.ben.takes(self.message(silence), silence)[0], Arrived.TAKE)

    def test_ring_is_bounded(self) -> None:
        """By bytes and by time: what is left out cannot be repeated, a new stream says how much is lost."""
        for size, now in ((3000, 0.0), (10, 36.0)):
            self.setUp()
            self.begun()
            for _ in range(5):
                self.message(size=size)
            self.anna.peer.sign_of_life(now)
            self.anna.sent()
            last = self.message(now, size)
            self.assertEqual(self.ben.takes(last, now)[0], Arrived.DROP)
            self.assertEqual(self.anna.takes(self.ben.sent()[0], now), (Arrived.DROP, False))
            self.anna.peer.begin([b"\x01"], now)
            self.anna.peer.flush(now)
            self.assertEqual(self.ben.takes(self.anna.sent()[0], now)[0], Arrived.BEGIN)
            self.assertEqual(self.ben.counters.lost, 6)

    def test_slow_repetition(self) -> None:
        """Once the peer is heard, nothing becomes too old before it has arrived."""
        self.begun()
        for number in range(3):
            self.message(float(number))
        self.anna.takes(self.ben.envelopes.seal(bytes.fromhex(ANNA), 0, 1, 1, 0, b""), 34.0)
        for now in range(35, 70):
            self.anna.peer.sign_of_life(float(now))
            self.anna.sent()
            self.anna.takes(self.ben.envelopes.seal(bytes.fromhex(ANNA), 0, 1, 1, 0, b""), float(now))
        self.ben.peer.ask(70.0)
        self.assertEqual(self.anna.takes(self.ben.sent()[0], 70.0), (Arrived.DROP, True))
        self.assertEqual([self.ben.takes(batch, 70.0)[0] for batch in self.anna.sent()], [Arrived.TAKE])
        self.assertEqual(self.ben.peer.received, 4)

    def test_old_stream(self) -> None:
        """Batches of an earlier stream, its beginning too, are not taken."""
        self.anna.peer.begin([b"\x01"], 0.0)
        self.anna.peer.flush(0.0)
        (begin,) = self.anna.sent()
        self.ben.takes(begin)
        old = self.message()
        self.anna.peer.begin([b"\x01"], 2.0)
        self.anna.peer.flush(2.0)
        self.assertEqual(self.ben.takes(self.anna.sent()[0])[0], Arrived.BEGIN)
        for batch in (begin, old):
            self.assertEqual(self.ben.takes(batch), (Arrived.DROP, True))
        self.assertEqual(BEGIN & self.ben.envelopes.open(begin).flags, BEGIN)

    def test_acknowledged_in_time(self) -> None:
        """Who receives much says so without waiting for the sign of life."""
        self.begun()
        for _ in range(ACKNOWLEDGE // 50_000 + 1):
            self.assertFalse(self.ben.peer.owes_acknowledgement)
            self.ben.takes(self.message(size=50_000))
        self.assertTrue(self.ben.peer.owes_acknowledgement)
        self.ben.peer.acknowledge()
        self.anna.takes(self.ben.sent()[0])
        self.assertEqual(self.anna.peer.lag, 0)
        self.assertFalse(self.ben.peer.owes_acknowledgement)

    def test_large_messages_of_a_turn(self) -> None:
        """What does not fit one batch leaves with the next one."""
        self.begun()
        for _ in range(3):
            self.anna.peer.queue(b"\xc5" + (40_000).to_bytes(2, "big") + b"x" * 40_000, 0.0)
        self.anna.peer.flush(0.0)
        batches = self.anna.sent()
        self.assertEqual(len(batches), 3)
        self.assertTrue(all(len(batch) <= 65536 for batch in batches))

    def test_silent(self) -> None:
        """After the end of a stream only signs of life are sent."""
        self.begun()
        self.anna.peer.end_stream()
        self.assertFalse(self.anna.peer.streaming)
        self.anna.peer.sign_of_life(1.0)
        self.anna.sent()
        self.anna.peer.sign_of_life(2.0)
        (batch,) = self.anna.sent()
        self.assertEqual(self.ben.envelopes.open(batch).count, 0)

    def test_apart(self) -> None:
        """What is sent to a peer that is apart is numbered and kept; it gets that when it asks."""
        self.begun()
        peer = self.anna.peer
        peer.alive = False
        for _ in range(3):
            peer.queue(b"\x01", 1.0)
            peer.flush(1.0)
        self.assertEqual((self.anna.sent(), peer.sent), ([], 4))
        for now in (1.0, 2.0):
            peer.sign_of_life(now)
        self.assertEqual(len(self.anna.sent()), 1)
        peer.left = True
        for now in (3.0, 4.0):
            peer.sign_of_life(now)
        self.assertEqual(self.anna.sent(), [])
        peer.alive = True
        self.ben.peer.ask(5.0)
        self.anna.takes(self.ben.sent()[0], 5.0)
        self.assertEqual([self.ben.takes(batch, 5.0)[0] for batch in self.anna.sent()], [Arrived.TAKE])
        self.assertEqual(self.ben.peer.received, 4)

    def test_repeated_together(self) -> None:
        """Small batches are repeated as few large ones. One that is large begins one, as a part of a message has to."""
        self.begun()
        self.anna.peer = Side(ANNA, BEN, resend_bytes=1_000_000).peer
        self.anna.peer._transmit = lambda node, batch: self.anna.out.append(batch)
        self.anna.peer.begin([b"\x01"], 0.0)
        self.anna.peer.begun = True
        for size in [*([10] * 100), 40_000, *([10] * 5_000)]:
            self.anna.peer.queue(b"\xc5" + size.to_bytes(2, "big") + b"x" * size, 0.0)
            self.anna.peer.flush(0.0)
        self.anna.sent()
        self.ben.peer.forget()
        self.ben.peer.received = 0
        self.ben.peer.ask(1.0)
        self.anna.takes(self.ben.sent()[0], 1.0)
        batches = self.anna.sent()
        self.assertLess(len(batches), 20)
        self.assertLessEqual(max(map(len, batches)), 65536)
        found = [self.ben.envelopes.open(batch) for batch in batches]
        self.assertEqual(found[0].count, 101)
        self.assertEqual([self.ben.takes(batch, 1.0)[0] for batch in batches[:3]], [
            Arrived.BEGIN, Arrived.TAKE, Arrived.TAKE
        ])  # fmt: skip
        for one in found:
            self.assertEqual(len(decode(bytes(one.body))), one.count)

    def test_parts(self) -> None:
        """A message in parts is acknowledged when it is whole: one that is forgotten with its sender comes again."""
        self.begun()
        parts = [self.message(size=100) for _ in range(3)]
        for batch, last in zip(parts, (False, False, True), strict=True):
            self.ben.takes(batch)
            whole = self.ben.peer.part(b"x", last)
            self.ben.peer.sign_of_life(0.0)
            (said,) = self.ben.sent()
            self.assertEqual(self.anna.envelopes.open(said).received, 4 if last else 1)
            self.anna.takes(said)
        self.assertEqual(whole, b"xxx")
        self.ben.takes(self.message())
        self.ben.peer.part(b"x", False)
        self.ben.peer.forget()
        self.assertEqual(self.ben.peer.received, 4)

    def test_missing_part(self) -> None:
        """The parts that have come are not repeated."""
        self.begun()
        first, _, early = [self.message(size=100) for _ in range(3)]
        self.ben.takes(first)
        self.ben.peer.part(b"x", False)
        self.ben.takes(early)
        (asked,) = self.ben.sent()
        self.anna.takes(asked)
        self.assertEqual([self.ben.takes(batch)[0] for batch in self.anna.sent()], [Arrived.TAKE])
        self.assertEqual(self.ben.peer.received, 4)

    def test_a_part_begins_a_batch(self) -> None:
        """What fills a batch does not share it with what was there before, however small."""
        self.begun()
        for size in (1, 65536 - OVERHEAD - PART + 1, 1):
            self.anna.peer.queue(b"\x01" * size, 0.0)
        self.anna.peer.flush(0.0)
        self.assertEqual([self.ben.envelopes.open(batch).count for batch in self.anna.sent()], [1, 1, 1])
