"""What orosync takes for MessagePack: anything well-formed; some of it reaches nobody.

Not carried are extension types but instants (-1) and undefined, keys of maps that are not text (the libraries of some
clients end a session over one) and nesting beyond MAX_DEPTH. Undefined is nil for everybody. Instants stay as they are
for receivers of MessagePack and are text for others.

This file must not know more of messages than that their first map is their options.
"""

from __future__ import annotations

import re
from contextlib import suppress
from typing import Any

import msgspec

from orosync.errors import NotCarriable, ProtocolViolation
from orosync.wamp import msgpack_scan
from orosync.wamp.formats import KEYS, MAX_DEPTH, UNREADABLE, Odd, Scanner, refusal, with_whole_text

SMALL = 1024
"""Up to so many bytes nobody minds how long a hash table takes."""

_MAPS = frozenset([*range(0x80, 0x90), 0xDE, 0xDF])
_ARRAYS = frozenset([*range(0x90, 0xA0), 0xDC, 0xDD])
_EXTENSIONS = frozenset([*range(0xC7, 0xCA), *range(0xD4, 0xD9)])
_REMARKABLE = _MAPS | _ARRAYS | _EXTENSIONS
_UNREMARKABLE = bytes(byte for byte in range(256) if byte not in _REMARKABLE)
_NO_EXTENSION = re.compile(rb"[\x80-\x9f\xdc-\xdf]*")
_PLAIN = re.compile(rb"[\x90-\x9f\xdc\xdd]*[\x80-\x8f\xde\xdf]?[\x90-\x9f\xdc\xdd]*[\x80-\x8f\xde\xdf]?")

_PATCHED = 1  # the extension type under which msgspec does not read an instant by itself, to the microsecond
_CONTAINERS = frozenset([list, dict])

_decode_array = msgspec.msgpack.Decoder(list[Any]).decode
_decode = msgspec.msgpack.Decoder(ext_hook=msgpack_scan.text_of).decode


def is_simple(message: bytes) -> bool:
    """Whether a message can be read without a scan, as its bytes tell; malformed input may pass.

    It holds no extension and is small, or its options are its only map, or the second map is the last container and so
    has none for a key.
    """
    remarkable = message.translate(None, _UNREMARKABLE)
    harmless = _NO_EXTENSION if len(message) <= SMALL else _PLAIN
    return len(remarkable) <= MAX_DEPTH and harmless.fullmatch(remarkable) is not None


def read(data: bytes) -> Any:
    """The value of one item that was scanned, or read before. Raises ProtocolViolation."""
    try:
        if b"\xff" in data:
            found = msgpack_scan.MsgpackFindings()
            msgpack_scan.skip(data, 0, found)
            if found.instants:
                patched = bytearray(data)
                for place in found.instants:
                    patched[place] = _PATCHED
                data = bytes(patched)
        return _decode(data)
    except (*UNREADABLE, IndexError) as error:
        raise refusal(error) from None


def check_array(data: bytes) -> None:
    """Whether an item is an array with nothing but text for keys; raises Odd or UNREADABLE if not."""
    check_keys(_decode_array(data))


def check_keys(values: Any) -> None:
    """Whether all maps in ``values``, a list or dict, have text for keys. Raises Odd."""
    inner = [values]
    for value in inner:
        if value.__class__ is dict:
            try:
                "".join(value)
            except TypeError:
                raise Odd(KEYS) from None
            value = value.values()
        for each in value:
            if each.__class__ in _CONTAINERS:
                inner.append(each)


def kind(data: bytes) -> type:
    """Check one item and tell what it holds: list, dict, bytes or another type. Raises Odd."""
    try:
        value = _decode(data)
    except UNREADABLE:
        odd = _items(data, 0, 1)[1]  # not well-formed, or with a key that Python cannot have
        if not odd:
            raise
        raise Odd(odd[0]) from None
    if type(value) in _CONTAINERS:
        check_keys(value)
    return type(value)


def outer(data: bytes) -> type:
    """``kind`` by the first byte alone."""
    return list if data[0] in _ARRAYS else dict if data[0] in _MAPS else object


def parts(message: bytes) -> tuple[list[bytes], dict[int, str]]:
    """The elements of a message's array, with nil for undefined, and of those that nobody can be given the place and
    the reason. Raises ProtocolViolation for what is not well-formed."""
    if not message or message[0] not in _ARRAYS:
        raise ProtocolViolation("a message must be an array")
    start = {0xDC: 3, 0xDD: 5}.get(message[0], 1)
    return _items(message, start, int.from_bytes(message[1:start]) if start > 1 else message[0] - 0x90)


def element(data: bytes) -> Any:
    """``read`` for an element of a message's fixed part."""
    return read(data)


def entries(data: bytes) -> dict[str, Any]:
    """Of a map that nobody can be given the entries that are not the reason. ProtocolViolation: it is no map."""
    if data[0] not in _MAPS:
        raise ProtocolViolation("an element of the message has a wrong type")
    data = with_whole_text(data)
    start = {0xDE: 3, 0xDF: 5}.get(data[0], 1)
    count = int.from_bytes(data[1:start]) if start > 1 else data[0] - 0x80
    items, odd = _items(data, start, 2 * count)
    found: dict[str, Any] = {}
    for place in range(0, len(items), 2):
        if place in odd or place + 1 in odd:
            continue
        with suppress(NotCarriable):
            key = read(items[place])
            if type(key) is str:
                found[key] = read(items[place + 1])
    return found


def _items(data: bytes, place: int, count: int) -> tuple[list[bytes], dict[int, str]]:
    """So many items, which reach to the end of ``data``. Raises ProtocolViolation."""
    items: list[bytes] = []
    odd: dict[int, str] = {}
    scanner = Scanner(data, msgpack_scan.skip, msgpack_scan.MsgpackFindings)
    while len(items) < count:
        try:
            end, found = scanner.item(place)
        except IndexError:
            end = len(data) + 1
        except ValueError as error:
            raise refusal(error) from None
        if end > len(data):
            raise ProtocolViolation("the message was truncated")
        if found.odd:
            odd[len(items)] = min(found.odd)
        if found.undefined:
            items.append(msgpack_scan.with_nil(data[:end], found.undefined)[place:])
        else:
            items.append(data[place:end])
        place = end
    if place != len(data):
        raise ProtocolViolation("bytes follow the message")
    return items, odd
