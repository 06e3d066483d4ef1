"""Another node as this one sees it: numbers, the ring of what it has not acknowledged, and what to do about gaps.

Each direction of a pair of nodes is a stream of messages with consecutive numbers, which begins with a snapshot. A
receiver takes what follows the last number that it has; it drops what it has already, and what comes too early, and
asks for the rest once more (go-back-N). A sender keeps what is not acknowledged in a ring, for a time and up to a size.
What it has no more cannot be repeated: then it begins a new stream, and the receiver counts the numbers in between as
lost. A receiver that has forgotten the stream gets a new one, in which the events that it has not received follow the
snapshot. No I/O and no timers here.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from enum import Enum

from orosync.backplane.envelope import ANEW, BEGIN, OVERHEAD, REPEAT, UNCOUNTED, Envelope, Envelopes, array

AGAIN = 0.5
"""Seconds after which the same is asked for again."""

NOTICED = 5.0
"""Seconds after the end of an interruption in which it is noticed: so much longer is everything kept. To a peer that is
heard more often it may still be repeated, however old it is."""

RESTARTS = 1.0
"""Seconds between two streams for the same peer at least."""

ACKNOWLEDGE = 1024 * 1024
"""Bytes that are received before they are acknowledged without waiting for a batch or sign of life."""

TOGETHER = 64 * 1024
"""Bytes of small batches that are repeated as one: its messages are handled in one turn of the receiver's reactor."""

PART = 16
"""Bytes that a part of a message has at most beside its data: so each part but the last one fills a batch."""

Events = Callable[[Iterable[memoryview]], list[bytes]]
"""The encoded events in the bodies of batches."""


class Counters:
    """What a node has sent and received, all peers together; each only grows. ``sent``, ``received``, ``resent``,
    ``duplicates`` and ``lost`` count messages, ``refused`` batches that were not taken and messages that were too
    large."""

    __slots__ = (
        "batches_received", "batches_sent", "bytes_received", "bytes_sent", "duplicates", "lost", "received", "refused",
        "resent", "sent",
    )  # fmt: skip

    def __init__(self) -> None:
        self.sent = self.received = self.batches_sent = self.batches_received = 0
        self.bytes_sent = self.bytes_received = 0
        self.resent = self.duplicates = self.lost = self.refused = 0


class Arrived(Enum):
    """What is to be done with a batch."""

    TAKE = "take"
    BEGIN = "begin"  # forget the peer, then take it
    DROP = "drop"


TAKE = Arrived.TAKE
"""Of each batch: a name of the module is found sooner than a member of an Enum."""


class Peer:
    """The node ``node`` in the life ``boot``. ``transmit``: takes a batch for it; ``largest``: the most bytes of one.

    ``resend_seconds`` and ``resend_bytes`` bound the ring. ``sent`` and ``received`` are the numbers of the last
    messages: when the same life of the node was known before, those of then are given, so that none occurs twice.
    """

    __slots__ = (
        "_acknowledged", "_asked", "_asked_after", "_before_batch", "_before_parts", "_began", "_beginning",
        "_counters", "_envelopes", "_first_of_stream", "_parts", "_quiet", "_repeated", "_repeated_after",
        "_resend_bytes", "_resend_seconds", "_ring", "_ring_bytes", "_room", "_transmit", "_unacknowledged",
        "_uncounted", "_waiting", "_waiting_bytes", "alive", "begun", "boot", "heard", "identity", "left", "node",
        "received", "sent", "streaming", "whole",
    )  # fmt: skip

    def __init__(
        self,
        node: str,
        boot: str,
        envelopes: Envelopes,
        transmit: Callable[[str, bytes], None],
        largest: int,
        counters: Counters,
        now: float,
        *,
        resend_seconds: float,
        resend_bytes: int,
        sent: int = 0,
        received: int = 0,
    ) -> None:
        self.node, self.boot, self.identity = node, boot, bytes.fromhex(boot)
        self.sent, self.received = sent, received
        self.heard = now
        self.alive = True
        """False while it is apart: it gets nothing but signs of life, and the rest is kept for it in the ring."""
        self.left = False
        """The engine says that its lease has ended: nothing reaches it."""
        self.streaming = False
        """A stream to it has begun."""
        self.begun = False
        """Its stream has begun here."""
        self.whole = False
        """And the snapshot has come whole."""
        self._envelopes, self._transmit, self._counters = envelopes, transmit, counters
        self._room = largest - OVERHEAD - PART
        self._resend_seconds, self._resend_bytes = resend_seconds, resend_bytes
        self._waiting, self._waiting_bytes = list[bytes](), 0
        self._ring, self._ring_bytes = deque[tuple[int, int, float, bytes]](), 0  # first, count, when, batch
        self._acknowledged = 0
        self._unacknowledged = 0  # bytes received since it was last told so
        self._parts = list[bytes]()  # of a message that is not whole yet
        self._before_batch = self._before_parts = received  # the numbers that came before these
        self._first_of_stream, self._began, self._beginning = 0, now - RESTARTS, False
        self._asked, self._asked_after = now - AGAIN, -1
        self._repeated, self._repeated_after = now - AGAIN, -1
        self._quiet = True
        self._uncounted = sent > 0  # it was removed, and is back

    @property
    def lag(self) -> int:
        """Messages that it was sent, or will be, and has not acknowledged."""
        return self.sent - max(self._acknowledged, self._first_of_stream - 1) + len(self._waiting)

    # -- to the peer

    def begin(self, snapshot: list[bytes], now: float) -> None:
        """Begin a new stream with ``snapshot``, which is not empty. What the peer has not acknowledged is lost."""
        self.flush(now)
        self._begin(snapshot, now)

    def begin_after(self, number: int, snapshot: list[bytes], now: float, events: Events) -> None:
        """The same, for a peer that has forgotten the stream and received up to ``number`` of it: the ``events`` in
        what it has not received follow the snapshot. Their numbers are given once more, as it has taken none of them,
        and takes nothing before the new stream: so it counts as lost what is in the ring no more, and nothing else."""
        self.flush(now)
        self._shorten(now)
        left = [(first, batch) for first, _, _, batch in self._ring if first > number]
        again = events(self._envelopes.body(batch) for _, batch in left)
        if left:
            self.sent = left[0][0] - 1
        self._counters.resent += len(again)
        self._begin(snapshot + again, now)

    def _begin(self, snapshot: list[bytes], now: float) -> None:
        self._forget_sent()
        self.streaming = self._beginning = True
        self._first_of_stream, self._began = self.sent + 1, now
        for message in snapshot:
            self.queue(message, now)

    def may_begin(self, now: float) -> bool:
        """Whether the last stream began long enough ago."""
        return now - self._began >= RESTARTS

    def end_stream(self) -> None:
        """Send it no messages any more."""
        self._forget_sent()
        self._waiting, self._waiting_bytes = [], 0
        self.streaming, self._uncounted = False, True

    def queue(self, message: bytes, now: float) -> None:
        """Send an encoded message with the next batch; it fits one. What fills one, as a part does, begins one."""
        self._waiting_bytes += len(message)
        if self._waiting_bytes > self._room:
            self.flush(now)
            self._waiting_bytes = len(message)
        self._waiting.append(message)

    def flush(self, now: float) -> None:
        """Send what waits, if anything, as one batch; keep it for a peer that is apart."""
        waiting = self._waiting
        if not waiting:
            return
        self._waiting, self._waiting_bytes = [], 0
        count, first, flags = len(waiting), self.sent + 1, 0
        if self._beginning:
            self._beginning = False
            flags = BEGIN | UNCOUNTED if self._uncounted else BEGIN
        self.sent += count
        batch = self._envelopes.seal(self.identity, flags, first, self._whole_received, count, array(waiting))
        self._ring.append((first, count, now, batch))
        self._ring_bytes += len(batch)
        if self._ring_bytes > self._resend_bytes:
            self._shorten(now)
        self._counters.sent += count
        if self.alive:
            self._send(batch)

    def acknowledge(self) -> None:
        """Tell it what was received, unless a batch has done so meanwhile."""
        if self._unacknowledged:
            self._tell(0)

    def sign_of_life(self, now: float) -> None:
        """Once in a while: say that this node lives, what it has sent and received, unless a batch has just done so."""
        self._shorten(now)
        if self._quiet and (self.alive or not self.left):
            self._tell(0 if self.begun or not self.alive else REPEAT | ANEW)
        self._quiet = True

    def ask(self, now: float) -> None:
        """Ask for everything that follows the last number received."""
        self._asked, self._asked_after = now, self.received
        parts = self.received - self._whole_received
        self._tell(REPEAT if self.begun else REPEAT | ANEW, parts.to_bytes(4, "big") if parts else b"")

    def _tell(self, flags: int, body: bytes = b"") -> None:
        self._send(self._envelopes.seal(self.identity, flags, self.sent + 1, self._whole_received, 0, body))

    def _send(self, batch: bytes) -> None:
        self._quiet = False
        self._unacknowledged = 0
        self._counters.batches_sent += 1
        self._counters.bytes_sent += len(batch)
        self._transmit(self.node, batch)

    def _shorten(self, now: float) -> None:
        ring = self._ring
        oldest = now - self._resend_seconds - NOTICED if now - self.heard >= NOTICED else 0.0
        while ring and (self._ring_bytes > self._resend_bytes or ring[0][2] < oldest):
            self._ring_bytes -= len(ring.popleft()[3])

    def _forget_sent(self) -> None:
        self._ring.clear()
        self._ring_bytes = 0

    # -- from the peer

    def arrived(self, envelope: Envelope, size: int, now: float) -> Arrived:
        """A batch has come, of ``size`` bytes. Numbers are counted; its messages are the caller's to take."""
        count, first, flags = envelope.count, envelope.first, envelope.flags
        self.heard = now
        if envelope.received > self._acknowledged:
            self._acknowledge(envelope.received)
        follows = first == self.received + 1
        if flags & BEGIN:
            if first <= self.received:
                self._counters.duplicates += count
                return Arrived.DROP
        elif not follows or not self.begun:
            if self.begun and first <= self.received:
                self._counters.duplicates += count
            elif now - self._asked >= AGAIN or self._asked_after != self.received:
                self.ask(now)
            return Arrived.DROP
        elif not count:
            return Arrived.DROP
        self._unacknowledged += size
        self._counters.received += count
        if not flags & BEGIN:
            self._before_batch = self.received
            self.received += count
            return TAKE
        return Arrived.BEGIN

    def begins(self, envelope: Envelope) -> int:
        """Its stream begins (anew) with this batch, which was BEGIN. Returns how many messages before it are lost."""
        lost = envelope.first - self.received - 1 if self.received else 0
        self._counters.lost += lost
        self._before_batch = envelope.first - 1
        self.received = self._before_batch + envelope.count
        self.begun, self.whole = True, False
        return lost

    def forget(self) -> None:
        """Its messages are of no use until its stream begins anew."""
        self.begun = self.whole = False
        self.received = self._whole_received
        self._parts = []

    def part(self, data: bytes, last: bool) -> bytes:
        """A part of a message has come. Returns the message when it is whole."""
        if not self._parts:
            self._before_parts = self._before_batch
        self._parts.append(data)
        if not last:
            return b""
        whole, self._parts = b"".join(self._parts), []
        return whole

    @property
    def _whole_received(self) -> int:
        """The number that is acknowledged: not that of a part whose message may still have to be sent once more."""
        return self._before_parts if self._parts else self.received

    @property
    def owes_acknowledgement(self) -> bool:
        """It has sent so much that it should be told what has come."""
        return self._unacknowledged >= ACKNOWLEDGE

    def _acknowledge(self, number: int) -> None:
        self._acknowledged = min(number, self.sent)
        if number >= self._first_of_stream:
            self._uncounted = False
        ring = self._ring
        while ring and ring[0][0] + ring[0][1] - 1 <= number:
            self._ring_bytes -= len(ring.popleft()[3])

    def repeat(self, after: int, anew: bool, now: float) -> bool:
        """It asks for what follows the number ``after``; ``anew``: from the beginning of a stream on.

        False if that is not in the ring: a new stream must begin."""
        if after < self._acknowledged:
            return True  # it has got more since: the request was overtaken
        if after == self._repeated_after and now - self._repeated < AGAIN:
            return True
        self._repeated, self._repeated_after = now, after
        if anew and self._first_of_stream <= after:
            return False
        wanted, ring = max(after + 1, self._first_of_stream), self._ring
        if wanted > self.sent:
            return True
        if not ring or ring[0][0] > wanted:
            return False
        most = min(TOGETHER, self._room)
        together, size = list[bytes](), 0
        for first, count, _, batch in list(ring):
            if first >= wanted:
                self._counters.resent += count
                if size + len(batch) > most or len(batch) > most // 2:  # a part begins a batch
                    self._send_joined(together)
                    together, size = [], 0
                together.append(batch)
                size += len(batch)
        self._send_joined(together)
        return True

    def _send_joined(self, batches: list[bytes]) -> None:
        """Send several batches as one: there may be thousands of small ones."""
        if len(batches) > 1:
            self._send(self._envelopes.join(self.identity, batches, self._whole_received))
        elif batches:
            self._send(batches[0])
