"""Scans MessagePack without decoding it: whether it is well-formed, and where each item ends.

The scan finds values that are not supported (extension types other than instants and undefined, keys that are not text,
nesting beyond MAX_DEPTH), and the places of instants and undefined. A loop, not recursion, so that no depth exhausts
the stack.
"""

from __future__ import annotations

import msgspec

from orosync.wamp import formats, instants
from orosync.wamp.formats import KEYS, MAX_DEPTH, TOO_DEEP

EXTENSIONS = "a MessagePack extension type other than -1 (an instant) is not carried, nor one with another content"

UNDEFINED = b"\xd4\x00\x00"
"""Undefined as JavaScript's msgpackr, and so wampy.js, writes it: an extension, which is read as nil."""

_INSTANT = 0xFF
_NEVER_USED = 0xC1

_SIZES = (
    *((head, 1) for head in (*range(0x80), 0xC0, 0xC2, 0xC3, *range(0xE0, 0x100))),
    *((0xCA + width, (5, 9)[width]) for width in (0, 1)),
    *((first + width, 1 + (1 << width)) for first in (0xCC, 0xD0) for width in range(4)),
)
STEPS: list[int] = [dict(_SIZES).get(head, 0) for head in range(256)]
"""Bytes of an item whose head determines its size: nil, booleans, numbers. 0: other items."""

_ITEMS, _TEXT_KEYS = 0, 1


class MsgpackFindings(formats.Findings):
    """Also the places of undefined and of the types of instants."""

    __slots__ = ("instants", "undefined")

    def __init__(self) -> None:
        super().__init__()
        self.undefined: list[int] = []
        self.instants: list[int] = []


def skip(data: bytes, place: int, found: MsgpackFindings, level: int = 1) -> int:
    """Where the item at ``place`` ends, which stands inside ``level`` containers.

    Raises ValueError for input that is not well-formed; for truncated input IndexError, or an end beyond ``data``.
    """
    stack: list[int] = []  # for each enclosing container: items (pairs) left in it, times two, plus its kind
    left, kind = 1, _ITEMS
    deepest = MAX_DEPTH - level
    while True:  # the formats of MessagePack's specification, by their first byte
        if not left:
            if not stack:
                return place
            left = stack.pop()
            left, kind = left >> 1, left & 1
            continue
        left -= 1
        head = data[place]
        if kind:
            if 0x9F < head < 0xC0:
                end = place + head - 0x9F
                data[place + 1 : end].decode()
                place = end
                head = data[place]
            elif 0xD8 < head < 0xDC:
                place = _text(data, place)
                head = data[place]
            else:
                found.unsupported.add(KEYS)
                left, kind = left * 2 + 2, _ITEMS  # from here on its keys count as ordinary items
                continue
        if step := STEPS[head]:
            place += step
        elif 0x9F < head < 0xC0:
            end = place + head - 0x9F
            data[place + 1 : end].decode()
            place = end
        elif head < 0xA0 or head > 0xDB:
            stack.append(left << 1 | kind)
            if len(stack) > deepest:
                found.unsupported.add(TOO_DEEP)
            left, kind, place = _container(data, place)
        elif head > 0xD8:
            place = _text(data, place)
        elif 0xC3 < head < 0xC7:
            width = 1 << head - 0xC4
            place += 1 + width + int.from_bytes(data[place + 1 : place + 1 + width])
        elif head == _NEVER_USED:
            raise ValueError("the byte 0xC1, which MessagePack never uses")
        else:
            place = _extension(data, place, found)


def _container(data: bytes, place: int) -> tuple[int, int, int]:
    """The number of its items or pairs, their kind, and where they begin."""
    head = data[place]
    if head < 0x90:
        return head - 0x80, _TEXT_KEYS, place + 1
    if head < 0xA0:
        return head - 0x90, _ITEMS, place + 1
    end = place + (3 if head in (0xDC, 0xDE) else 5)
    return int.from_bytes(data[place + 1 : end]), _TEXT_KEYS if head > 0xDD else _ITEMS, end


def _text(data: bytes, place: int) -> int:
    start = place + 1 + (1 << data[place] - 0xD9)
    end = start + int.from_bytes(data[place + 1 : start])
    data[start:end].decode()
    return end


def _extension(data: bytes, place: int, found: MsgpackFindings) -> int:
    head = data[place]
    if head > 0xC9:
        kind, length = place + 1, 1 << head - 0xD4
    else:
        kind = place + 1 + (1 << head - 0xC7)
        length = int.from_bytes(data[place + 1 : kind])
    start, end = kind + 1, kind + 1 + length
    if end > len(data):
        raise IndexError
    if data[place:end] == UNDEFINED:
        found.undefined.append(place)
    elif data[kind] == _INSTANT and (parts := instant(data[start:end])) and instants.in_range(parts[0]):
        found.instants.append(kind)
    else:
        found.unsupported.add(EXTENSIONS)
    return end


def instant(content: bytes) -> tuple[int, int] | None:
    """Seconds since 1970 and nanoseconds of an extension of type -1; None where it is not one of its three forms."""
    if len(content) == 4:
        return int.from_bytes(content), 0
    if len(content) == 8:
        value = int.from_bytes(content)
        seconds, nanoseconds = value & (1 << 34) - 1, value >> 34
    elif len(content) == 12:
        seconds, nanoseconds = int.from_bytes(content[4:], signed=True), int.from_bytes(content[:4])
    else:
        return None
    return (seconds, nanoseconds) if nanoseconds < 1_000_000_000 else None


def with_nil(data: bytes, undefined: list[int]) -> bytes:
    """``data`` with nil in each place of undefined."""
    pieces: list[bytes] = []
    start = 0
    for place in undefined:
        pieces += (data[start:place], b"\xc0")
        start = place + len(UNDEFINED)
    return b"".join([*pieces, data[start:]])


def text_of(code: int, content: memoryview) -> str:
    """The text of an instant that was scanned, for receivers of other serializations."""
    parts = instant(bytes(content))
    if parts is None:
        raise msgspec.DecodeError(EXTENSIONS)
    return instants.text_of(*parts)
