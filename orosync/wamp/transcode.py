"""Values of WAMP payloads on their way from one serialization to another (WAMP, section "Serializations").

Values are Python's: binary is bytes, maps are dicts, an instant is its text and a set a list; a decimal that no double
equals is a Decimal. JSON writes binary as a string of NUL and Base64, in both directions. What a serialization has no
way to say raises NotCarriable: for JSON, NaN, infinities, text that begins with NUL, and numbers beyond a double's
range or, with a fraction, precision; for MessagePack, integers outside [-2**63, 2**64 - 1] and Decimals;
for all, keys that are not text, and half a surrogate pair.

This file must not know messages, nor in which order ``args`` and ``kwargs`` stand.
"""

from __future__ import annotations

import binascii
from collections.abc import Mapping
from decimal import Decimal
from math import isfinite
from typing import Any

import cbor2
import msgspec

from orosync.errors import NotCarriable, ProtocolViolation
from orosync.wamp import cbor_rules, json_rules, msgpack_rules
from orosync.wamp.formats import Format

SMALLEST_INTEGER = -(2**63)
LARGEST_INTEGER = 2**64 - 1

BEYOND_DOUBLES = 2**1024
"""JSON's readers take a number of this size for infinity, or refuse it."""

EXACT_DIGITS = 15
"""A decimal with so many digits comes back from a double as it was."""

_SCALARS = frozenset([str, int, float, bool, type(None)])

_encode_json = msgspec.json.Encoder(decimal_format="number").encode
_encode_msgpack = msgspec.msgpack.Encoder().encode


def read(data: bytes, source: Format) -> Any:
    """The value encoded in ``data``, which has been checked on receipt; JSON's binary strings become bytes. Raises
    NotCarriable for what has no value here, such as a CBOR map (259) with other keys than text."""
    if source is Format.JSON:
        value = json_rules.read(data)
        return binary_from_text(value) if b"\\u0000" in data else value
    try:
        return msgpack_rules.read(data) if source is Format.MSGPACK else cbor_rules.read(data)
    except ProtocolViolation as fault:  # of nobody whom it could be told
        raise NotCarriable(str(fault)) from None


def write(value: Any, target: Format) -> bytes:
    """``value`` encoded for ``target``. Raises NotCarriable; TypeError for what is not a WAMP value."""
    try:
        if target is Format.JSON:
            return _encode_json(_for_json(value))
        value = _for_binary(value, target)
        return _encode_msgpack(value) if target is Format.MSGPACK else cbor2.dumps(value)
    except UnicodeEncodeError:
        raise NotCarriable("text holds half of a surrogate pair") from None
    except RecursionError:
        raise NotCarriable("the payload nests too deep") from None


def carry(data: bytes, source: Format, target: Format) -> bytes:
    """``data`` of one serialization in another. Raises NotCarriable."""
    if source is Format.JSON and json_rules.mend(data) != data:
        raise NotCarriable("text holds half of a surrogate pair")
    return write(read(data, source), target)


def prepared(head: list[Any], target: Format) -> list[Any]:
    """The fixed part of a message in values that ``target``'s encoder writes by WAMP's rules. Raises NotCarriable."""
    try:
        return [_for_json(item) if target is Format.JSON else _for_binary(item, target) for item in head]
    except RecursionError:
        raise NotCarriable("options nest too deep") from None


def binary_from_text(value: Any) -> Any:
    """``value`` as JSON gave it, with bytes for each string that stands for binary."""
    if type(value) is str:
        found = json_rules.binary(value)
        return value if found is None else found
    if type(value) is list:
        return [binary_from_text(item) for item in value]
    if type(value) is dict:
        return {key: binary_from_text(item) for key, item in value.items()}
    return value


def _for_json(value: Any) -> Any:
    kind = type(value)
    if kind is str:
        if value[:1] == "\0":
            raise NotCarriable("JSON takes text that begins with NUL for binary")
        return value
    if kind is bytes:
        return "\0" + binascii.b2a_base64(value, newline=False).decode("ascii")
    if kind is float and not isfinite(value):
        raise NotCarriable("JSON has no NaN and no infinities")
    if isinstance(value, Mapping):
        return {_key(key): _for_json(item) for key, item in value.items()}
    if kind is list or kind is tuple:
        return [_for_json(item) for item in value]
    if kind is int and not -BEYOND_DOUBLES < value < BEYOND_DOUBLES:
        raise NotCarriable("an integer is out of range")
    if kind is Decimal:
        if len(value.as_tuple().digits) > EXACT_DIGITS or not -300 < value.adjusted() < 300:
            raise NotCarriable("a number is more exact than a double")
        return value
    return _scalar(value)


def _for_binary(value: Any, target: Format) -> Any:
    kind = type(value)
    if kind is str or kind is bytes:
        return value
    if isinstance(value, Mapping):
        return {_key(key): _for_binary(item, target) for key, item in value.items()}
    if kind is list or kind is tuple:
        return [_for_binary(item, target) for item in value]
    if kind is int and target is Format.MSGPACK and not SMALLEST_INTEGER <= value <= LARGEST_INTEGER:
        raise NotCarriable("an integer is out of range")
    if kind is Decimal:
        if target is Format.MSGPACK:
            raise NotCarriable("a number is more exact than a double")
        return value
    return _scalar(value)


def _key(key: object) -> str:
    if type(key) is not str:
        raise NotCarriable("keys of maps are text")
    return key


def _scalar(value: Any) -> Any:
    if type(value) not in _SCALARS:
        raise TypeError(f"{type(value).__name__} is not a type of WAMP")
    return value
