"""What orosync takes for CBOR (RFC 8949): anything well-formed; some of it reaches nobody.

What was scanned (``cbor_scan``) stays as it is for receivers of CBOR, but that a Uint8Array is plain binary. Others get
values of WAMP's types: what the tags of ``cbor_tags`` stand for, and null for undefined, which JavaScript clients send.

This file must not know messages.
"""

from __future__ import annotations

from contextlib import suppress
from secrets import token_hex
from typing import Any, NoReturn

import cbor2
import msgspec

from orosync.errors import NotCarriable, ProtocolViolation
from orosync.wamp import cbor_scan, cbor_tags
from orosync.wamp.formats import KEYS, MAX_DEPTH, Odd, Scanner, refusal, with_whole_text

_TAGS_OF_CBOR2 = (0, 1, 2, 3, 4, 5, 25, 28, 29, 30, 35, 36, 37, 52, 54, 100, 256, 258, 260, 261, 1004, 43000, 55799)
_encode_json = msgspec.json.Encoder().encode
_SCALARS = frozenset([str, int, float, bool, bytes, type(None)])
_BREAK = 0xFF
_KINDS: dict[int, type] = {2: bytes, 4: list, 5: dict}


def _refused(value: object, immutable: bool) -> NoReturn:
    raise ValueError("a tag")


def _text_keys(entries: dict[Any, Any], immutable: bool) -> dict[Any, Any]:
    "".join(entries)
    return entries


def _other_tag(value: object, immutable: bool) -> NoReturn:
    raise NotCarriable(cbor_scan.TAGS)


_MARK = token_hex(8)
_END = cbor2.dumps(_MARK)
"""No client can know it, so what ends in it has been read up to there."""

_NO_TAG = bytes(byte for byte in range(256) if not 0xC0 <= byte < 0xDC)
_QUICK_PROBE: dict[str, Any] = {
    "max_depth": MAX_DEPTH - 1,  # cbor2 does not count an empty one at the bottom
    "allow_duplicate_keys": False,  # the second would hide what the first had
    "strict_hashable_types": True,
    "object_hook": _text_keys,
    "tag_hook": _refused,
}
"""Where no byte can be the head of a tag."""

_PROBE: dict[str, Any] = {**_QUICK_PROBE, "semantic_decoders": dict.fromkeys(_TAGS_OF_CBOR2, _refused)}


_BOUNDS: dict[str, Any] = {
    "max_depth": MAX_DEPTH + 4,  # a decimal of big integers at the bottom
    "strict_hashable_types": True,  # so that no one can choose keys on which a hash table takes quadratic time
    "tag_hook": cbor_tags.untagged,
    "semantic_decoders": dict.fromkeys(_TAGS_OF_CBOR2, _other_tag) | cbor_tags.DECODERS,
}


def is_plain(item: bytes) -> bool:
    """Whether the bytes are one item of WAMP's types within bounds, and nothing else; False may be said of others that
    are. Quicker than a scan: cbor2 decodes, and msgspec, which writes nothing else, tells the types.
    """
    try:
        values = cbor2.loads(b"\x82%b%b" % (item, _END), **(_PROBE if item.translate(None, _NO_TAG) else _QUICK_PROBE))
        _encode_json(values)
    except (cbor2.CBORDecodeError, ValueError, TypeError, RecursionError):
        return False
    return bool(values[1] == _MARK)  # cbor2 does not tell where it stopped


def read(data: bytes) -> Any:
    """The value of one item that has been scanned. Raises NotCarriable for what has no value of WAMP's types, and
    ProtocolViolation for what no scan lets through."""
    try:
        value = cbor2.loads(data, **_BOUNDS)
        return value if type(value) in _SCALARS else _plain(value)
    except (cbor2.CBORDecodeError, ValueError, RecursionError) as error:
        raise _refusal(error) from None


def kind(data: bytes) -> type:
    """What an item taken from parts() holds: list, dict, bytes or another type, by its major type alone."""
    return _KINDS.get(data[0] >> 5, object)


outer = kind


def check_array(data: bytes) -> None:
    """Whether an item taken from parts() is an array; raises ValueError if not."""
    if data[0] >> 5 != 4:
        raise ValueError("no array")


def check(data: bytes) -> None:
    """Refuse one item that is not well-formed (ProtocolViolation) or that nobody can be given (Odd)."""
    found = cbor_scan.Findings()
    try:
        if cbor_scan.skip(data, 0, found, 0) != len(data):
            raise ProtocolViolation("the message was truncated, or bytes follow it")
    except (ValueError, IndexError) as error:
        raise _refusal(error) from None
    if found.odd:
        raise Odd(min(found.odd))


def parts(message: bytes) -> tuple[list[bytes], dict[int, str]]:
    """The elements of a message's array, with byte strings for tagged ones of a Uint8Array, and of those that nobody
    can be given the place and the reason.

    Raises ProtocolViolation for what is not well-formed.
    """
    found: list[bytes] = []
    odd: dict[int, str] = {}
    try:
        head = message[0]
        if 0x80 <= head < 0x98:
            count = head - 0x80
        elif head == 0x9F:
            count = -1
        else:
            raise ProtocolViolation("a message must be an array of a few elements")
        place = 1
        scanner = Scanner(message, cbor_scan.skip, cbor_scan.Findings)
        while len(found) != count:
            if count < 0 and message[place] == _BREAK:
                place += 1
                break
            end, strange = scanner.item(place)
            if strange.odd:
                odd[len(found)] = min(strange.odd)
            if strange.uint8:
                found.append(cbor_scan.with_bytes(message[:end], strange.uint8)[place:])
            else:
                found.append(message[place:end])
            place = end
    except (ValueError, IndexError) as error:
        raise _refusal(error) from None
    if place != len(message):
        raise ProtocolViolation("the message was truncated" if place > len(message) else "bytes follow the message")
    return found, odd


def element(data: bytes) -> Any:
    """``read`` for an element of a message's fixed part; those are plain and short, as a rule."""
    head = data[0]
    if head < 0x18:
        return head
    if head < 0x20:
        return int.from_bytes(data[1:])
    if head == 0xA0:
        return {}
    if 0x5F < head < 0x78:
        return data[1:].decode()
    return read(data)


def entries(data: bytes) -> dict[str, Any]:
    """Of a map that nobody can be given the entries that are not the reason. ProtocolViolation: it is no map."""
    if data[0] >> 5 != 5:
        raise ProtocolViolation("an element of the message has a wrong type")
    data = with_whole_text(data)
    # As an array it can be taken apart.
    items, odd = parts(b"\x9f%b%b" % (data[cbor_scan.head_end(data, 0) :], b"" if data[0] == 0xBF else b"\xff"))
    found: dict[str, Any] = {}
    for place in range(0, len(items), 2):
        if place in odd or place + 1 in odd or items[place][0] >> 5 != 3:
            continue
        with suppress(NotCarriable):
            found[read(items[place])] = read(items[place + 1])
    return found


def _plain(value: Any) -> Any:
    """``value`` if it is made of WAMP's types, with None for undefined."""
    kind = type(value)
    if kind in _SCALARS:
        return value
    if kind is list:
        return [_plain(item) for item in value]
    if kind is dict:
        if any(type(key) is not str for key in value):
            raise NotCarriable(KEYS)
        return {key: _plain(item) for key, item in value.items()}
    if value is cbor2.undefined:
        return None
    if kind is cbor2.CBORSimpleValue:
        raise NotCarriable(cbor_scan.SIMPLE)
    return value  # a decimal


def _refusal(error: Exception) -> Exception:
    cause = error.__cause__
    if isinstance(cause, NotCarriable):
        return cause
    if "map key must be" in str(error):
        return NotCarriable(KEYS)
    if isinstance(error, cbor2.CBORDecodeEOF | IndexError):
        return ProtocolViolation("the message was truncated")
    return refusal(cause if isinstance(cause, UnicodeDecodeError) else error)
