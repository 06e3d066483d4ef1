"""WebSocket frames as bytes (RFC 6455 section 5.2): framing what is sent, measuring and unmasking what arrives."""

from __future__ import annotations

from autobahn.websocket.xormasker import create_xor_masker  # type: ignore[attr-defined]

from orosync.transport import native

TEXT = 0x81
"""First byte of a complete, unfragmented text frame without extensions."""
BINARY = 0x82
"""First byte of a complete, unfragmented binary frame without extensions."""
PING, PONG = 0x89, 0x8A
"""First byte of a ping and of its answer."""

_SHORT = 512
"""Up to this size one XOR of two big integers is faster than setting up the native masker."""


def server_frame(payload: bytes, binary: bool) -> bytes:
    """One unmasked, unfragmented data frame around ``payload`` (``ILink.framer`` of a WebSocket connection without
    compression)."""
    size = len(payload)
    if size < _USUAL:
        return (_BINARY_HEADS if binary else _TEXT_HEADS)[size] + payload
    return _head(BINARY if binary else TEXT, size) + payload


def _head(first: int, size: int) -> bytes:
    if size < 126:
        return bytes((first, size))
    if size < 65536:
        return bytes((first, 126)) + size.to_bytes(2, "big")
    return bytes((first, 127)) + size.to_bytes(8, "big")


_USUAL = 1024
_TEXT_HEADS, _BINARY_HEADS = ([_head(first, size) for size in range(_USUAL)] for first in (TEXT, BINARY))
"""The head of a data frame by the size of its payload, for small ones."""


def control_frame(first: int, payload: bytes = b"") -> bytes:
    """An unmasked control frame; ``payload`` at most 125 bytes (RFC 6455 section 5.5)."""
    return bytes((first, len(payload))) + payload


def unmask(payload: bytes, mask: bytes) -> bytes:
    """Undo a client's four-byte ``mask`` (RFC 6455 section 5.3)."""
    size = len(payload)
    if size <= _SHORT:
        key = (mask * ((size >> 2) + 1))[:size]
        return (int.from_bytes(payload, "big") ^ int.from_bytes(key, "big")).to_bytes(size, "big")
    masked: bytes = create_xor_masker(mask, size).process(payload)
    return masked


def extent(data: bytes, position: int) -> int | None:
    """Where the frame that begins at ``position`` ends, valid or not, in ``data`` or beyond; None while its length is
    not known yet."""
    if len(data) - position < 2:
        return None
    second = data[position + 1]
    length, head = second & 0x7F, 2
    if length == 126:
        head = 4
    elif length == 127:
        head = 10
    if head > 2:
        if len(data) - position < head:
            return None
        length = int.from_bytes(data[position + 2 : position + head], "big")
    return position + head + (4 if second & 0x80 else 0) + length


def is_utf8(payload: bytes) -> bool:
    """Whether a text payload is valid UTF-8 (RFC 6455 section 8.1)."""
    try:
        payload.decode()
    except UnicodeDecodeError:
        return False
    return True


def data_frame_in_python(data: bytes, position: int, limit: int, alone: bool) -> tuple[bytes, int] | None:
    size = len(data)
    if size - position < 6 or ((first := data[position]) != TEXT and first != BINARY):
        return None
    # Two octets, the extended length in as few as hold it, the mask, the payload.
    head, length = position + 6, data[position + 1] - 0x80
    if length > 125:
        head, least = (head + 2, 126) if length == 126 else (head + 8, 65536)
        length = int.from_bytes(data[position + 2 : head - 4], "big")
        if length < least:
            return None
    end = head + length
    if end > size or length < 0 or length > limit or (alone and end != size):
        return None
    payload = unmask(data[head:end], data[head - 4 : head])
    if first == TEXT and not (payload.isascii() or is_utf8(payload)):
        return None
    return payload, end


data_frame = data_frame_in_python if native.built is None else native.built.data_frame
"""(data, position, limit, alone) to the unmasked payload of the frame that begins at ``position``, and where it ends.
None unless it is a whole data frame as nearly all are: masked, unfragmented and without reserved bits, with at most
``limit`` bytes of payload, and UTF-8 if it is text (RFC 6455 sections 5.2 and 8.1); ``alone``: with nothing behind."""
