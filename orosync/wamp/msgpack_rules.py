"""What orosync takes for MessagePack: WAMP's types within bounds.

Refused before anything is built of them: extension types but UNDEFINED, nesting beyond MAX_DEPTH, and in messages of
some size arrays as keys of a map (many can be chosen so that a hash table takes quadratic time). Other keys than text,
such as the integers of PHP's arrays, are let through to receivers of MessagePack; only ``kwargs`` and options must
have text.

This file must not know more of messages than that their first map is their options, whose keys are text.
"""

from __future__ import annotations

import re
from typing import Any

import msgspec
from msgspec import Raw

from orosync.errors import ProtocolViolation
from orosync.wamp.formats import MAX_DEPTH, UNREADABLE, refusal, too_deep

SMALL = 1024
"""Up to so many bytes nobody minds how long a hash table takes."""

UNDEFINED = b"\xd4\x00\x00"
"""How JavaScript's msgpackr, and so wampy.js, writes undefined: an extension that counts as nil."""

_MAPS = frozenset([*range(0x80, 0x90), 0xDE, 0xDF])
_ARRAYS = frozenset([*range(0x90, 0xA0), 0xDC, 0xDD])
_EXTENSIONS = frozenset([*range(0xC7, 0xCA), *range(0xD4, 0xD9)])

_REMARKABLE = _MAPS | _ARRAYS | _EXTENSIONS

_UNREMARKABLE = bytes(byte for byte in range(256) if byte not in _REMARKABLE)
_NO_EXTENSION = re.compile(rb"[\x80-\x9f\xdc-\xdf]*")
_PLAIN = re.compile(rb"[\x90-\x9f\xdc\xdd]*[\x80-\x8f\xde\xdf]?[\x90-\x9f\xdc\xdd]*[\x80-\x8f\xde\xdf]?")

_decode = msgspec.msgpack.Decoder().decode
_encode = msgspec.msgpack.Encoder().encode
_decode_array = msgspec.msgpack.Decoder(list[Raw]).decode

_decode_undefined = msgspec.msgpack.Decoder(ext_hook=lambda code, data: None).decode

check_array = msgspec.msgpack.Decoder(list[Any]).decode
"""Whether an item is an array; raises UNREADABLE if not."""


def read(data: bytes) -> Any:
    """The value of one MessagePack item whose structure has been checked. Raises ProtocolViolation."""
    try:
        return _decode(data)
    except UNREADABLE as error:
        raise refusal(error) from None


def kind(data: bytes) -> type:
    """Check one item and tell what it holds: list, dict (with text for all its keys), bytes or another type."""
    value = read(data)
    return object if type(value) is dict and any(type(key) is not str for key in value) else type(value)


def check_structure(message: bytes) -> bytes:
    """Refuse a message whose structure is out of bounds (ProtocolViolation); malformed input may pass.

    Gives the message back, written anew with nil where it had UNDEFINED.

    Most messages need no walk, as their bytes tell: they hold no extension and are small, or their options are their
    only map, or the second map is the last container and so has none for a key.
    """
    remarkable = message.translate(None, _UNREMARKABLE)
    harmless = _NO_EXTENSION if len(message) <= SMALL else _PLAIN
    if len(remarkable) <= MAX_DEPTH and harmless.fullmatch(remarkable):
        return message
    try:
        undefined = _walk(message)
        return _encode(_decode_undefined(message)) if undefined else message
    except UNREADABLE as error:
        raise refusal(error) from None


def _walk(message: bytes) -> bool:
    """Whether UNDEFINED is in it."""
    undefined = False
    level: list[bytes | Raw] = [message]
    for _depth in range(MAX_DEPTH + 1):
        inner: list[bytes | Raw] = []
        for item in level:
            first = memoryview(item)[0]
            if first in _ARRAYS:
                inner += _decode_array(item)
            elif first in _MAPS:
                content = _decode_array(_as_array(bytes(item)))
                if any(memoryview(key)[0] in _REMARKABLE for key in content[::2]):
                    raise ProtocolViolation("a key of a map must not be an array, a map or an extension")
                inner += content
            elif first in _EXTENSIONS:
                if bytes(item) != UNDEFINED:
                    raise ProtocolViolation("MessagePack extension types are not WAMP's")
                undefined = True
        if not inner:
            return undefined
        level = inner
    raise too_deep()


def _as_array(item: bytes) -> bytes:
    """A map as the array of its keys and values in turn: so it can be looked into without building a hash table."""
    first = item[0]
    start = {0xDE: 3, 0xDF: 5}.get(first, 1)
    count = int.from_bytes(item[1:start]) if start > 1 else first - 0x80
    if count > len(item):
        raise ProtocolViolation("the message was truncated")
    return b"\xdd" + (2 * count).to_bytes(4) + item[start:]
