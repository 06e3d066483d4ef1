"""The way in over RawSocket: whole messages are taken out of the stream in place, pings answered, violations told.

Frames are measured by ``wamp.rawsocket``. Nothing here knows what a message means.
"""

from __future__ import annotations

from orosync.errors import ProtocolViolation
from orosync.transport.quiet import OPEN
from orosync.transport.read_turns import LEAST
from orosync.transport.stream import FEW, Stream
from orosync.wamp.rawsocket import MESSAGE, MOST, PING, PONG, frame, measure


class RawReader(Stream):
    """Reads RawSocket frames (see Stream); ``binary`` tells the session which kind its messages are of, ``peer_limit``
    is the longest that the peer takes."""

    binary = False
    peer_limit = MOST

    def answering(self) -> None:
        """The peer knows pings: it has sent one, or answered one."""
        raise NotImplementedError

    def violated(self, reason: str) -> None:
        """The peer broke the rules of RawSocket: nothing more of it is read."""
        raise NotImplementedError

    def read_one(self, data: bytes) -> bool:
        """See Stream."""
        length = len(data) - 4
        if length < 0 or data[0] or int.from_bytes(data[:4], "big") != length or length > self.message_limit:
            return False
        if self.state != OPEN or (length > FEW and self.turns.full):
            return False
        left = self._left = self._left - (length if length > LEAST else LEAST)
        outbox = self.outbox
        self._reading = True
        outbox.alone = not outbox.dirty
        try:
            self.session.received(data[4:], self.binary)  # type: ignore[union-attr]
        except Exception:
            self._could_not_hand_over()
        outbox.alone = self._reading = False
        if left <= 0 or self._paused or self.state != OPEN:
            self._settle(b"", 0, 0, False)
        if length > FEW:
            self.turns.count(length)
        return True

    def _frames(self, data: bytes, position: int) -> tuple[int, int]:
        size, binary = len(data), self.binary
        session = self.session
        if self.state != OPEN or session is None:
            return size, 0  # it has been told goodbye
        received = session.received
        while size - position >= 4 and not self._paused and self._left > 0:
            length, kind = int.from_bytes(data[position : position + 4], "big"), MESSAGE
            if length >= MOST:
                try:
                    kind, length = measure(length)
                except ProtocolViolation as violation:
                    self.violated(str(violation))
                    return size, 0
            end = position + 4 + length
            if length > (limit := self.message_limit):  # a message before this one may have changed it
                if kind != MESSAGE or not self.skip_oversized:
                    self.violated(f"a RawSocket frame of {length} bytes, {limit} are taken at most")
                    return size, 0
                self.oversized(length)
                self._left -= LEAST
                self._skip = max(0, end - size)
                position = min(end, size)
            elif end > size:
                return position, end - position
            elif kind == MESSAGE:
                payload = data[position + 4 : end]
                position = end
                self._left -= length if length > LEAST else LEAST
                received(payload, binary)
            else:
                self._left -= max(LEAST, length)
                self._ping(kind, data[position + 4 : end])
                position = end
            if self.state != OPEN:
                return size, 0
        return position, 4

    def _ping(self, kind: int, payload: bytes) -> None:
        self.answering()
        if kind == PING:
            if len(payload) > self.peer_limit:
                self.violated("a PING is longer than the PONG that its sender takes")
            else:
                self.push(frame(PONG, payload))
                self.unasked()
        else:
            self.pong()
