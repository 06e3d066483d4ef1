"""What orosync takes for CBOR: WAMP's types within bounds.

Refused: every tag (so no bignums, dates, shared or string references), simple values but false, true, null and
undefined, keys that are not text, nesting beyond MAX_DEPTH, bytes behind the message. Undefined, which JavaScript
clients send, is read as null.

This file must not know messages.
"""

from __future__ import annotations

from io import BytesIO
from typing import Any, NoReturn

import cbor2

from orosync.errors import ProtocolViolation
from orosync.wamp.formats import MAX_DEPTH, refusal, too_deep

_TAGS_OF_CBOR2 = (0, 1, 2, 3, 4, 5, 25, 28, 29, 30, 35, 36, 37, 52, 54, 100, 256, 258, 260, 261, 1004, 43000, 55799)
_SCALARS = frozenset([str, int, float, bool, bytes, type(None)])
_BREAK = 0xFF
_KINDS: dict[int, type] = {2: bytes, 4: list, 5: dict}


def _refuse_tag(*decoder_and_tag: object) -> NoReturn:
    raise ProtocolViolation("CBOR tags are not WAMP's")


_BOUNDS: dict[str, Any] = {
    "max_depth": MAX_DEPTH,
    "strict_hashable_types": True,
    "tag_hook": _refuse_tag,
    "semantic_decoders": dict.fromkeys(_TAGS_OF_CBOR2, _refuse_tag),
}
_BOUNDS_OF_ELEMENTS = {**_BOUNDS, "max_depth": MAX_DEPTH - 1}


def read(data: bytes) -> Any:
    """The value of one CBOR item. Raises ProtocolViolation."""
    try:
        return _plain(cbor2.loads(data, **_BOUNDS))
    except (cbor2.CBORDecodeError, ValueError, RecursionError) as error:
        raise _refusal(error) from None


def kind(data: bytes) -> type:
    """What an item taken from elements() holds: list, dict, bytes or another type, by its major type alone."""
    return _KINDS.get(data[0] >> 5, object)


def check_array(data: bytes) -> None:
    """Whether an item taken from elements() is an array; raises ValueError if not."""
    if data[0] >> 5 != 4:
        raise ValueError("no array")


def elements(message: bytes) -> tuple[list[Any], list[int]]:
    """The elements of a message's array, and where each ends in ``message``. Raises ProtocolViolation."""
    stream = BytesIO(message)
    stream.seek(1)
    values: list[Any] = []
    ends: list[int] = []
    try:
        count = _count(message)
        decode = cbor2.CBORDecoder(stream, **_BOUNDS_OF_ELEMENTS).decode
        while len(values) != count:
            if count is None and message[stream.tell()] == _BREAK:
                stream.seek(1, 1)
                break
            value = decode()
            values.append(value if type(value) in _SCALARS else _plain(value))
            ends.append(stream.tell())
    except (cbor2.CBORDecodeError, ValueError, RecursionError, IndexError) as error:
        raise _refusal(error) from None
    if stream.tell() != len(message):
        raise ProtocolViolation("bytes follow the message")
    return values, ends


def _count(message: bytes) -> int | None:
    """How many elements the array at the beginning has; None if it says where it ends instead."""
    if 0x80 <= message[0] < 0x98:
        return message[0] - 0x80
    if message[0] == 0x9F:
        return None
    if 0x98 <= message[0] < 0x9C:
        raise ProtocolViolation("no message has so many elements")
    raise ProtocolViolation("a message must be an array")


def _plain(value: Any) -> Any:
    """``value`` if it is made of WAMP's types, with None for undefined."""
    kind = type(value)
    if kind in _SCALARS:
        return value
    if kind is list:
        return [_plain(item) for item in value]
    if kind is dict:
        if any(type(key) is not str for key in value):
            raise ProtocolViolation("keys of maps must be text")
        return {key: _plain(item) for key, item in value.items()}
    if value is cbor2.undefined:
        return None
    raise ProtocolViolation("a CBOR simple value is not WAMP's")


def _refusal(error: Exception) -> ProtocolViolation:
    cause = error.__cause__
    if isinstance(cause, ProtocolViolation):
        return cause
    if isinstance(error, cbor2.CBORDecodeEOF | IndexError):
        return ProtocolViolation("the message was truncated")
    if "nesting depth" in str(error):
        return too_deep()
    return refusal(cause if isinstance(cause, UnicodeDecodeError) else error)
