"""MessagePack as orosync accepts it: any well-formed input, of which some values are not delivered.

Not supported are extension types other than instants (-1) and undefined, keys of maps that are not text (the libraries
of some clients end a session over one) and nesting beyond MAX_DEPTH. All receivers get nil for undefined. Receivers of
MessagePack get instants unchanged, others as text.
"""

from __future__ import annotations

import re
from contextlib import suppress
from typing import Any

import msgspec

from orosync.errors import NotCarriable, ProtocolViolation
from orosync.wamp import msgpack_scan
from orosync.wamp.formats import KEYS, MAX_DEPTH, UNREADABLE, Scanner, UnsupportedValue, refusal, with_whole_text

SMALL = 1024
"""Up to so many bytes, a hash table with chosen keys is fast enough."""

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
    """Whether a message can be read without a scan, going by its bytes; malformed input may pass.

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
    """Check that an item is an array whose maps have text keys; raises UnsupportedValue or UNREADABLE if not."""
    check_keys(_decode_array(data))


def check_keys(values: Any) -> None:
    """Check that all maps in ``values``, a list or dict, have text keys. Raises UnsupportedValue."""
    inner = [values]
    for value in inner:
        if value.__class__ is dict:
            try:
                "".join(value)
            except TypeError:
                raise UnsupportedValue(KEYS) from None
            value = value.values()
        for each in value:
            if each.__class__ in _CONTAINERS:
                inner.append(each)


def kind(data: bytes) -> type:
    """Check one item and return its type: list, dict, bytes or another. Raises UnsupportedValue."""
    try:
        value = _decode(data)
    except UNREADABLE:
        unsupported = _items(data, 0, 1)[1]  # not well-formed, or with a key that Python cannot have
        if not unsupported:
            raise
        raise UnsupportedValue(unsupported[0]) from None
    if type(value) in _CONTAINERS:
        check_keys(value)
    return type(value)


def outer(data: bytes) -> type:
    """``kind`` by the first byte alone."""
    return list if data[0] in _ARRAYS else dict if data[0] in _MAPS else object


def parts(message: bytes) -> tuple[list[bytes], dict[int, str]]:
    """The elements of a message's array, with nil for undefined, and by index the reason why an element is not
    supported. Raises ProtocolViolation for input that is not well-formed."""
    if not message or message[0] not in _ARRAYS:
        raise ProtocolViolation("a message must be an array")
    start = {0xDC: 3, 0xDD: 5}.get(message[0], 1)
    return _items(message, start, int.from_bytes(message[1:start]) if start > 1 else message[0] - 0x90)


def element(data: bytes) -> Any:
    """``read`` for an element of a message's fixed part."""
    return read(data)


def entries(data: bytes) -> dict[str, Any]:
    """The supported entries of a map that holds unsupported ones. ProtocolViolation: it is no map."""
    if data[0] not in _MAPS:
        raise ProtocolViolation("an element of the message has a wrong type")
    data = with_whole_text(data)
    start = {0xDE: 3, 0xDF: 5}.get(data[0], 1)
    count = int.from_bytes(data[1:start]) if start > 1 else data[0] - 0x80
    items, unsupported = _items(data, start, 2 * count)
    found: dict[str, Any] = {}
    for place in range(0, len(items), 2):
        if place in unsupported or place + 1 in unsupported:
            continue
        with suppress(NotCarriable):
            key = read(items[place])
            if type(key) is str:
                found[key] = read(items[place + 1])
    return found


def _items(data: bytes, place: int, count: int) -> tuple[list[bytes], dict[int, str]]:
    """``count`` items from ``place`` to the end of ``data``. Raises ProtocolViolation."""
    items: list[bytes] = []
    unsupported: dict[int, str] = {}
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
        if found.unsupported:
            unsupported[len(items)] = min(found.unsupported)
        if found.undefined:
            items.append(msgpack_scan.with_nil(data[:end], found.undefined)[place:])
        else:
            items.append(data[place:end])
        place = end
    if place != len(data):
        raise ProtocolViolation("bytes follow the message")
    return items, unsupported
