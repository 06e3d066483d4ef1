"""RawSocket as bytes (WAMP, section "RawSocket Transport"): the handshake of four octets, and frames with a length in
front.

Pure functions and tables.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import IntEnum

import attrs

from orosync.errors import OrosyncError, ProtocolViolation, TooLong

MAGIC = 0x7F
"""The first octet of both handshakes; no HTTP request begins with it."""

SUBPROTOCOLS = {1: "wamp.2.json", 2: "wamp.2.msgpack", 3: "wamp.2.cbor"}
"""The WebSocket subprotocol with the serializer of each number."""

LEAST, MOST = 1 << 9, 1 << 24
"""The limits of message length that a peer can announce: powers of two between these."""

MESSAGE, PING, PONG = 0, 1, 2
_EXTRA = 1 << 27
"""The bit that stands for a length of exactly MOST."""


class Refusal(IntEnum):
    """The error code of a refused handshake."""

    SERIALIZER = 1
    LENGTH = 2
    RESERVED = 3
    CONNECTIONS = 4


class BadHandshake(OrosyncError):
    """A request that is refused with ``refusal``; None: it is no RawSocket handshake at all."""

    def __init__(self, refusal: Refusal | None, reason: str) -> None:
        super().__init__(reason)
        self.refusal = refusal
        self.reason = reason


@attrs.frozen
class HandshakeRequest:
    """A client's request: ``serializer`` by number, and ``limit``, the longest message that it takes (bytes)."""

    serializer: int
    limit: int


def read_request(octets: bytes) -> HandshakeRequest:
    """A client's four octets. Raises BadHandshake."""
    magic, second, *reserved = octets
    if magic != MAGIC:
        raise BadHandshake(None, "the first octet is not 0x7F")
    if any(reserved):
        raise BadHandshake(Refusal.RESERVED, "reserved octets of the handshake are set")
    serializer, limit = second & 0x0F, LEAST << (second >> 4)
    if serializer not in SUBPROTOCOLS:
        raise BadHandshake(Refusal.SERIALIZER, f"serializer {serializer} is not supported")
    return HandshakeRequest(serializer, limit)


def announced(limit: int) -> int:
    """The limit that can be announced for ``limit`` bytes: the largest power of two that is not above it (below LEAST
    there is none)."""
    return min(MOST, max(LEAST, 1 << (limit.bit_length() - 1)))


def accepted(serializer: int, limit: int) -> bytes:
    """The router's answer; ``limit`` is ``announced``."""
    return bytes((MAGIC, (limit.bit_length() - 10) << 4 | serializer, 0, 0))


def refused(refusal: Refusal) -> bytes:
    """The router's answer that refuses a handshake."""
    return bytes((MAGIC, refusal << 4, 0, 0))


def frame(kind: int, payload: bytes) -> bytes:
    """One frame; ``payload`` is at most MOST bytes long."""
    size = len(payload)
    return (kind << 24 | (size if size < MOST else _EXTRA)).to_bytes(4, "big") + payload


def measure(head: int) -> tuple[int, int]:
    """Kind and length of the frame that begins with ``head``, its first four octets as a number. Raises
    ProtocolViolation."""
    # WAMP, "RawSocket Transport": RRRRXTTT (reserved, 25th bit of the length, type), then 24 bits of length.
    if head >> 28:
        raise ProtocolViolation("reserved bits of a RawSocket frame are set")
    kind, length = head >> 24 & 7, head & 0xFFFFFF
    if kind > PONG:
        raise ProtocolViolation(f"RawSocket has no frames of type {kind}")
    if head & _EXTRA:
        if length:
            raise ProtocolViolation("a RawSocket frame is longer than 16 MiB")
        length = MOST
    return kind, length


def _framer(limit: int) -> Callable[[bytes, bool], bytes]:
    def message(payload: bytes, binary: bool) -> bytes:
        """A frame for a peer that takes ``limit`` bytes. Raises TooLong for one that is longer."""
        size = len(payload)
        if size > limit:
            raise TooLong(f"{size} bytes, the client takes {limit} at most")
        if size == MOST:
            return frame(MESSAGE, payload)
        return size.to_bytes(4, "big") + payload

    return message


FRAMERS: dict[int, Callable[[bytes, bool], bytes]] = {
    LEAST << exponent: _framer(LEAST << exponent) for exponent in range(16)
}
"""``ILink.framer`` by the length that the peer takes: one function for equal lengths, so that frames are shared."""
