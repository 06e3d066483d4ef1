"""Looks over CBOR without decoding it: is it well-formed (RFC 8949, appendix C), and where does what end?

Found on the way is what nobody can be given: tags but those of ``cbor_tags``, simple values, keys that are not text,
nesting beyond MAX_DEPTH. A loop, not recursion, so that no depth is too much for it. What most payloads are is told
more quickly by ``cbor_rules.is_plain``. This file must not know messages.
"""

from __future__ import annotations

from orosync.wamp import cbor_tags, formats
from orosync.wamp.formats import KEYS, MAX_DEPTH, TOO_DEEP

TAGS = "a CBOR tag other than 0 to 5, 64 to 87, 258 and 259 is not carried, nor one of those with other content"
SIMPLE = "a CBOR simple value is not carried"
_BREAK = 0xFF

_SIZES = (
    *((head, 1) for head in (*range(0x18), *range(0x20, 0x38), *range(0xF4, 0xF8))),
    *((major + 0x18 + width, 1 + (1 << width)) for major in (0x00, 0x20) for width in range(4)),
    *((0xF8 + width, 1 + (1 << width)) for width in (1, 2, 3)),
)
STEPS: list[int] = [dict(_SIZES).get(head, 0) for head in range(256)]
"""How many bytes an item has whose head says it all: integers, floats, false, true, null, undefined. 0: other items."""


class Findings(formats.Findings):
    """Also where the heads of the tag UINT8 begin and end."""

    __slots__ = ("uint8",)

    def __init__(self) -> None:
        super().__init__()
        self.uint8: list[tuple[int, int]] = []


_TAGGED = {cbor_tags.SET: 4, cbor_tags.MAP: 5}
"""Of which major type their content is."""

# What the containers on the stack are: the entries of a map are read in pairs.
_ITEMS, _TEXT_KEYS, _UNPAIRED, _ANY_KEYS = 0, 1, 2, 3


def skip(data: bytes, place: int, found: Findings, level: int = 1) -> int:
    """Where the item at ``place`` ends, which stands inside ``level`` containers.

    Raises ValueError for what is not well-formed; IndexError, or an
    end behind that of ``data``, for what is cut.
    """
    stack: list[int] = []  # of each container around: how many items are left in it, times four, and its kind
    left, kind = 1, _ITEMS  # a container that says where it ends has fewer than none left
    deepest = MAX_DEPTH - level
    while True:
        if not left:
            if not stack:
                return place
            left = stack.pop()
            left, kind = left >> 2, left & 3
            continue
        left -= 1
        head = data[place]
        if kind & 1:
            if 0x5F < head < 0x78:
                end = place + head - 0x5F
                data[place + 1 : end].decode()
                place = end
            elif 0x77 < head < 0x80:
                place = _string(data, place)
            elif head == _BREAK and left < 0:
                left = 0
                place += 1
                continue
            elif kind == _ANY_KEYS and (step := STEPS[head]):
                place += step
            else:
                found.odd.add(KEYS)
                # From here on its keys are items like any other.
                left, kind = (left * 2 + 2, _ITEMS) if left >= 0 else (-1, _UNPAIRED)
                continue
            head = data[place]
        if step := STEPS[head]:
            place += step
            continue
        if 0x5F < head < 0x78:
            end = place + head - 0x5F
            data[place + 1 : end].decode()
            place = end
            continue
        following = _ITEMS
        while 0xBF < head < 0xE0:
            tagged = place
            tag, place = _argument(data, place)
            head = data[place]
            if head == _BREAK:
                raise ValueError("a tag of nothing")
            if head >> 5 == _TAGGED.get(tag):
                stack.append(left << 2 | kind)
                left, kind = 0, _ITEMS  # a level of its own, as libraries count
                following = _ANY_KEYS if tag == cbor_tags.MAP else _ITEMS
                break
            end = _content(data, place, tag)
            if end:
                if tag == cbor_tags.UINT8:
                    found.uint8.append((tagged, place))
                place = end
                head = -1  # nothing of it is left
            else:
                found.odd.add(TAGS)
        major = head >> 5
        if head < 0:
            pass
        elif major == 4 or major == 5:
            stack.append(left << 2 | kind)
            if len(stack) > deepest:
                found.odd.add(TOO_DEEP)
            kind = following or (_TEXT_KEYS if major == 5 else _ITEMS)
            if head & 31 == 31:
                left = -1
                place += 1
            else:
                left, place = _argument(data, place)
        elif major == 7:
            if head != _BREAK:
                place = _simple(data, place, found)
            elif left < 0 and (kind == _ITEMS or (kind == _UNPAIRED and not left & 1)):
                left = 0
                place += 1
            else:
                raise ValueError("a break where nothing is to be ended")
        elif step := STEPS[head]:  # behind a tag
            place += step
        else:
            place = _string(data, place)


def head_end(data: bytes, place: int) -> int:
    """Where the head of an item ends."""
    return place + 1 if data[place] & 31 == 31 else _argument(data, place)[1]


def _argument(data: bytes, place: int) -> tuple[int, int]:
    """The number in the head of an item, and where what follows begins."""
    info = data[place] & 31
    if info < 24:
        return info, place + 1
    if info > 27:
        raise ValueError("a reserved length")
    end = place + 1 + (1 << info - 24)
    return int.from_bytes(data[place + 1 : end]), end


def _string(data: bytes, place: int) -> int:
    """Where a string ends, of text or bytes. ValueError for anything else, and text that is not UTF-8."""
    head = data[place]
    major = head >> 5
    if not 2 <= major <= 3:
        raise ValueError("a reserved head")
    if head & 31 != 31:
        length, place = _argument(data, place)
        if major == 3:
            data[place : place + length].decode()
        return place + length
    place += 1
    while (head := data[place]) != _BREAK:
        if head >> 5 != major or head & 31 == 31:
            raise ValueError("a string of other things than pieces")
        place = _string(data, place)
    return place + 1


def _simple(data: bytes, place: int, found: Findings) -> int:
    head = data[place]
    if step := STEPS[head]:
        return place + step
    if head > 0xF8 or (head == 0xF8 and data[place + 1] < 32):
        raise ValueError("a reserved simple value")
    found.odd.add(SIMPLE)
    return place + (2 if head == 0xF8 else 1)


def _content(data: bytes, place: int, tag: int) -> int:
    """Where the content of a tag ends, 0 where this is no tag that is carried, or not with that content."""
    major = data[place] >> 5
    if not cbor_tags.is_known(tag) or major not in cbor_tags.majors(tag):
        return 0
    if major == 4:
        end = _number(data, _number(data, place + 1)) if data[place] == 0x82 else 0
    elif step := STEPS[data[place]]:
        end = place + step
    elif major == 7:
        return 0
    else:
        end = _string(data, place)
    if end > len(data):
        raise IndexError
    return end if end and cbor_tags.fits(tag, data[place:end]) else 0


def _number(data: bytes, place: int) -> int:
    """Where an integer of any size ends; 0 for anything else, and at 0."""
    if not place:
        return 0
    head = data[place]
    if head < 0x40:
        step = STEPS[head]
        return step and place + step
    return _string(data, place + 1) if head in (0xC2, 0xC3) and data[place + 1] >> 5 == 2 else 0


def with_bytes(data: bytes, uint8: list[tuple[int, int]]) -> bytes:
    """``data`` without those heads: of each the byte string is left."""
    pieces: list[bytes] = []
    start = 0
    for tagged, content in uint8:
        pieces.append(data[start:tagged])
        start = content
    return b"".join([*pieces, data[start:]])
