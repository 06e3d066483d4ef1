"""A stream of frames coming in: what is incomplete waits, what is paused waits, what is more than a turn's work waits
for its turn, and messages are given over in order.

How a frame looks is known by whoever reads them (``reading`` for WebSocket, ``raw_reading`` for RawSocket); nothing
here knows what a message means.
"""

from __future__ import annotations

from typing import Any

from twisted.logger import Logger

from orosync.interfaces import RATE, TURN, WAITING, ISession
from orosync.model import ConnectionFacts
from orosync.transport.half_frames import HalfFrames
from orosync.transport.keepalive import Wheel
from orosync.transport.message_rates import NO_LIMIT, TokenBucket
from orosync.transport.outbox import Outbox
from orosync.transport.quiet import CLOSED, OPEN
from orosync.transport.read_turns import AT_ONCE, LEAST, TurnTaker

_log = Logger()

SCRAP = 64
"""Bytes of an incomplete frame that are work however few they are, where one read holds many such pieces."""

FEW = 4 * LEAST
"""What a read may cost without being counted: a few messages."""

UNAUTHENTICATED_MESSAGE_LIMIT = 8192
"""Bytes of a message of a client that has not joined yet: HELLO and AUTHENTICATE are shorter by far, and thousands of
unfinished ones must fit into memory."""


class Stream(TurnTaker):
    """Takes bytes for ``session``. ``message_limit`` in bytes; with ``skip_oversized`` a larger message is skipped as
    it streams in, and told to ``oversized``. ``half_frames`` ends who never completes one."""

    transport: Any
    outbox: Outbox
    facts: ConnectionFacts
    half_frames: HalfFrames
    wheel: Wheel
    bucket: TokenBucket = NO_LIMIT
    session: ISession | None = None
    message_limit = UNAUTHENTICATED_MESSAGE_LIMIT
    skip_oversized = False
    state: int
    heard = 0
    """When anything arrived last, in ticks of the wheel; -1 from a ping until anything arrives."""
    owed = False
    """The peer has been pinged, and has not answered yet."""

    data = b""
    """The head of a frame that somebody else's parser holds (autobahn's); elsewhere always empty."""

    # At rest all of these have their class's value and _odd is False. While _paused is not 0, _buffer from _offset on
    # is what could not be handled yet, and _tail what has arrived since; otherwise _tail is an incomplete frame, looked
    # at when there are _need bytes of it. _skip: bytes still to be dropped. _foreign: the next frame is somebody
    # else's. _held: the transport has been told to stop, which TLS does only with the next read.
    _odd = _foreign = _held = _reading = False
    _buffer = b""
    _offset = 0
    _tail: bytearray | None = None
    _need = 0
    _skip = 0
    frame_count = 0
    """Counts the frames that did not arrive whole."""

    def read(self, data: bytes) -> None:
        """Take what arrived on an open or closing connection."""
        if self._odd:
            whole = self._rejoin(data)
            if whole is None:
                if len(data) <= SCRAP:
                    self.scrap()
                return
            data = whole
        turns = self.turns
        if turns.full and len(data) > AT_ONCE:
            self._buffer, self._offset, self._odd = data, 0, True
            self._wait()
            self._hold()
            return
        left = self._left
        self._read(data, 0)
        if (cost := left - self._left) > FEW:
            turns.count(cost)

    def read_one(self, data: bytes) -> bool:
        """Whether ``data`` was one whole message and nothing else, as nearly always; then it has been handed over.

        For connections on which nothing is half done (not ``_odd``).
        """
        raise NotImplementedError

    def pause(self, reason: int = WAITING) -> None:
        """See ILink: no further message is given to the session, even if it has arrived already."""
        if self.state == CLOSED:
            return
        self._paused |= reason
        self._odd = True
        if not self._reading:
            self._hold()

    def resume(self, reason: int = WAITING) -> None:
        """See ILink: go on with what has arrived, in order, then with the socket."""
        if not self._paused & reason:
            return
        if reason == RATE:
            self._wait()
        self._paused &= ~reason
        if self._paused or self._reading or self.state == CLOSED:
            return
        self.heard = self.wheel.now  # what arrived meanwhile had not been listened to
        buffer, offset, tail = self._buffer, self._offset, self._tail
        self._buffer, self._tail = b"", None
        if tail:
            buffer, offset = buffer[offset:] + tail, 0
        self._read(buffer, offset)
        if self._held and not self._paused and self.state != CLOSED:
            self._held = False
            self.transport.resumeProducing()

    def unasked(self) -> None:
        """The peer sent something that nobody asked for and that is no message: it costs a token."""
        bucket = self.bucket
        bucket.left -= 1
        if bucket.left < 0:
            bucket.spent(self)

    def pong(self) -> None:
        """A PONG arrived. The one that we wanted costs nothing."""
        if self.owed:
            self.owed = False
        else:
            self.unasked()

    def awaited(self) -> bool | None:
        """See half_frames.Half."""
        if self.state != OPEN or not self._odd:
            return False
        return None if self._paused else True

    def drop_now(self, reason: str) -> None:
        """End the TCP connection at once."""
        raise NotImplementedError

    def drop(self, reason: str, linger: bool = False) -> None:
        """See ILink."""
        raise NotImplementedError

    def push(self, frame: bytes) -> None:
        """Queue a frame to be sent."""
        raise NotImplementedError

    def scrap(self) -> None:
        """A few bytes have arrived of a frame that is still incomplete."""
        raise NotImplementedError

    def oversized(self, size: int) -> None:
        """A message of ``size`` bytes is being skipped."""
        raise NotImplementedError

    def failed(self) -> None:
        """The session, or this room, raised while a message was being given over; the failure is being handled."""
        raise NotImplementedError

    def _frames(self, data: bytes, position: int) -> tuple[int, int]:
        """Handle frame after frame, from ``position`` on, until one is incomplete, there is a reason to pause, or the
        quantum is used up. Returns (where it stopped, how many bytes from there make it worth going on)."""
        raise NotImplementedError

    def _kept(self) -> bool:
        return bool(self._buffer or self._tail)

    def _forget(self) -> None:
        """The connection is ending: what has arrived is not kept."""
        self._leave_turns()
        self._buffer, self._offset, self._tail = b"", 0, None
        self.data = b""
        self._skip = 0

    def _hold(self) -> None:
        if not self._held:
            self._held = True
            self.transport.pauseProducing()

    def _rejoin(self, data: bytes) -> bytes | None:
        """Put ``data`` behind what waits already; None while there is nothing to do with it yet."""
        if self._skip:
            if len(data) < self._skip:
                self._skip -= len(data)
                return None
            data = data[self._skip :]
            self._skip = 0
        tail = self._tail
        if tail is None:
            if not self._paused:
                return data
            tail = self._tail = bytearray()
        tail += data
        if self._paused:
            self._hold()
            return None
        if len(tail) < self._need:
            return None
        self._tail = None
        return bytes(tail)

    def _read(self, data: bytes, start: int) -> None:
        if self.data:
            # autobahn keeps the head of a frame whose length is still unknown.
            data, start, self.data = self.data + data[start:], 0, b""
        self._reading = True
        position, need = start, 0
        try:
            position, need = self._frames(data, start)
        except Exception:
            self._could_not_hand_over()
        self._reading = False
        self._settle(data, position, need, position > start)

    def _could_not_hand_over(self) -> None:
        _log.failure("a message could not be handed over")
        self.failed()

    def _settle(self, data: bytes, position: int, need: int, moved: bool) -> None:
        """Keep what is left of ``data`` from ``position`` on, and note what state that leaves the connection in."""
        if self.state == CLOSED:
            self._forget()
            self._odd = False
            return
        if self._left <= 0:
            self._wait()
        left = position < len(data)
        if left:
            if self._paused:
                if self._paused != TURN and position > len(data) // 2:
                    data, position = data[position:], 0  # it may be kept for long
                self._buffer, self._offset = data, position
            else:
                self._tail, self._need = bytearray(data[position:]), need
        was_odd = self._odd
        self._odd = bool(self._paused or self._tail or self._skip or self.data or self._foreign)
        if self._odd:
            if moved or not was_odd:
                self.frame_count += 1
            if self._paused != TURN:
                self.half_frames.watch(self)
            if self._paused and (left or self._paused != TURN):
                self._hold()
