"""The way in: whole messages are taken out of the stream in place; every other shape is autobahn's.

Taken here: complete, masked, unfragmented text and binary frames without reserved bits, within the message limit,
text that is UTF-8; and pings and pongs, since a flood of them must not cost more than one of messages. Anything
else (fragments, CLOSE, violations, bad text, what is too large) is handed to autobahn, one frame at a time, so that
the loop goes on behind it and pausing holds between any two messages. After a violation nothing is parsed any more.
Nothing here knows what a message means.
"""

from __future__ import annotations

from typing import Any

from autobahn.websocket.utf8validator import Utf8Validator

from orosync.transport.frames import BINARY, PING, PONG, TEXT, control_frame, extent, unmask
from orosync.transport.quiet import CLOSED, OPEN, ConnectionFailed, QuietProtocol
from orosync.transport.read_turns import LEAST
from orosync.transport.stream import FEW, UNAUTHENTICATED_MESSAGE_LIMIT, Stream

FRAGMENTS = 4096
"""Fragments that one message may have, however small; empty ones that it may have, however large it may be."""

FRAGMENT = 64
"""Bytes of a fragment on average, of a message that is allowed more fragments than that because it may be larger."""

_GULP = 4096
"""A frame that autobahn assembles reaches it in pieces of at least this size, not in those of the network."""


class FrameReader(Stream, QuietProtocol):
    """Reads WebSocket frames (see Stream). Of messages that are too large only unfragmented ones can be skipped."""

    peer: str
    maxFramePayloadSize = maxMessagePayloadSize = Stream.message_limit
    utf8validator: Any = None
    _isMessageCompressed = False
    _fragments = _empty = 0
    message_data: Any

    def read_one(self, data: bytes) -> bool:
        """Whether ``data`` was one whole message and nothing else, as nearly always; then it has been handed over.

        For connections on which nothing is half done (not ``_odd``). The same as ``read`` would do, written out: every
        message pays for each call on its way.
        """
        size = len(data)
        if size < 6 or ((first := data[0]) != TEXT and first != BINARY):
            return False
        head, length = 6, data[1] - 0x80
        if length == 126:
            head, length = 8, data[2] << 8 | data[3]
            if length > FEW and self.turns.full:
                return False
        if head + length != size or (length > 125) is (head == 6) or length > self.message_limit:
            return False
        payload = unmask(data[head:], data[head - 4 : head])
        if first == TEXT and not (payload.isascii() or _is_utf8(payload)):
            return False
        left = self._left = self._left - (size if size > LEAST else LEAST)
        outbox = self.outbox
        self._reading = True
        outbox.alone = not outbox.dirty
        try:
            self.session.received(payload, first == BINARY)  # type: ignore[union-attr]
        except Exception:
            self._could_not_hand_over()
        outbox.alone = self._reading = False
        if left <= 0 or self._paused or self.state != OPEN:
            self._foreign = self.state != OPEN
            self._settle(b"", 0, 0, False)
        if size > FEW:
            self.turns.count(size)
        return True

    def _frames(self, data: bytes, position: int) -> tuple[int, int]:
        """See Stream. Every way through the loop leaves it or moves ``position``."""
        size = len(data)
        session = self.session
        assert session is not None
        received = session.received
        frame = self.current_frame
        if frame is not None and size > position:
            worth = min(frame.length - self.current_frame_masker.pointer(), _GULP)
            if size - position < worth:
                return position, worth
            position = self._pass_on(data, position)
        while size - position >= 2 and not self._paused and self._left > 0:
            first, length = data[position], data[position + 1] - 0x80
            if (first != TEXT and first != BINARY) or length < 0 or self._foreign:
                if first in (PING, PONG) and 0 <= length <= 125 and self.state == OPEN:
                    end = position + 6 + length
                    if end > size:
                        return position, end - position
                    self._left -= LEAST
                    if first == PING:
                        self.push(
                            control_frame(PONG, unmask(data[position + 6 : end], data[position + 2 : position + 6]))
                        )
                        self.unasked()
                    else:
                        self.pong()
                    if self.state == CLOSED:
                        return size, 0
                    position = end
                    continue
                position = self._pass_on(data, position)
            else:
                head = position + 6
                if length > 125:
                    head += 2 if length == 126 else 8
                    if head > size:
                        return position, head - position
                    least = 126 if length == 126 else 65536
                    length = int.from_bytes(data[position + 2 : head - 4], "big")
                    if length < least:
                        position = self._pass_on(data, position)
                        continue
                end = head + length
                if length > self.message_limit:  # a message before this one may have changed it
                    position = self._too_large(data, position, length, end)
                elif end > size:
                    return position, end - position
                else:
                    payload = unmask(data[head:end], data[head - 4 : head])
                    if first == TEXT and not (payload.isascii() or _is_utf8(payload)):
                        position = self._pass_on(data, position)
                    else:
                        cost = end - position
                        self._left -= cost if cost > LEAST else LEAST
                        position = end
                        received(payload, first == BINARY)
            if self.state != OPEN:
                if self.state == CLOSED:
                    return size, 0
                self._foreign = True
        return position, 2

    def _too_large(self, data: bytes, position: int, length: int, end: int) -> int:
        if not self.skip_oversized:
            return self._pass_on(data, position)
        self.oversized(length)
        self._left -= LEAST
        self._skip = max(0, end - len(data))
        return min(end, len(data))

    def _pass_on(self, data: bytes, position: int) -> int:
        """Give autobahn the rest of its frame, or the frame that begins at ``position``. Returns where that ends, which
        is behind ``position``, and the end of ``data`` once nothing more is to be read. Raises RuntimeError when
        autobahn's idea of where it is cannot be true."""
        if self.utf8validator is None:
            self.utf8validator = Utf8Validator()
        frame = self.current_frame
        end = extent(data, position) if frame is None else position + frame.length - self.current_frame_masker.pointer()
        end = len(data) if end is None else min(end, len(data))
        if end <= position:
            raise RuntimeError("autobahn holds a frame that is complete")
        self._left -= max(LEAST, end - position)
        self.data = data[position:end]
        try:
            self.consumeData()
        except ConnectionFailed:
            return len(data)
        self._foreign = self.state != OPEN or self.inside_message or self.current_frame is not None
        return len(data) if self.state == CLOSED else end

    def _fail_connection(self, code: int = 1002, reason: str = "") -> None:
        """autobahn found what RFC 6455 or 7692 forbids, or a message beyond the limit."""
        self._left = 0  # how much has been inflated until then is not known
        self.refused(code, reason)
        raise ConnectionFailed

    def _forget(self) -> None:
        super()._forget()
        self.current_frame = self._perMessageCompress = None
        self.message_data, self.frame_data, self.control_frame_data = [], [], []

    def refused(self, code: int, reason: str) -> None:
        """The peer broke the rules of WebSocket: it is told ``code``, the log why, and nothing more of it is read."""
        raise NotImplementedError

    def onMessageFrameBegin(self, length: int) -> None:
        super().onMessageFrameBegin(length)
        self._fragments += 1
        if not (self.bucket.joined or self.current_frame.fin):
            self.unasked()  # the last one, which makes it a message, is the session's
        self._empty += not length
        most = max(FRAGMENTS, self.message_limit // FRAGMENT)
        if self._fragments > most:
            self._max_message_size_exceeded(self._fragments, most, f"message in more than {most} fragments")
        elif self._empty > FRAGMENTS:
            what = f"message with more than {FRAGMENTS} empty fragments"
            self._max_message_size_exceeded(self._empty, FRAGMENTS, what)

    def onMessageFrameData(self, payload: bytes) -> None:
        if payload:
            if self._isMessageCompressed:
                self._left -= len(payload)  # what comes out is work as well
            super().onMessageFrameData(payload)

    def onMessageBegin(self, is_binary: bool) -> None:
        super().onMessageBegin(is_binary)
        self.message_data = [bytearray()]  # very many small pieces would take several times their bytes

    def onMessageFrame(self, pieces: Any) -> None:
        (whole,) = self.message_data
        if len(whole) < UNAUTHENTICATED_MESSAGE_LIMIT:
            # Of thousands that wait for their rest before they have joined, each takes what it has and no more.
            self.message_data = [bytearray().join((whole, *pieces))]
            return
        for piece in pieces:
            whole += piece

    def onMessageEnd(self) -> None:
        """A message that autobahn assembled; what arrives after our own CLOSE is not given to anybody."""
        self._fragments = self._empty = 0
        whole, self.message_data = self.message_data, []
        if self.state == OPEN and self.session is not None:
            self.session.received(b"".join(whole), self.message_is_binary)


def _is_utf8(payload: bytes) -> bool:
    try:
        payload.decode()
    except UnicodeDecodeError:
        return False
    return True
