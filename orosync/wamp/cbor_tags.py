"""The tags of CBOR that JavaScript and Python clients send, and their values (RFC 8949 3.4, RFC 8746).

Text and numbers for instants (0, 1), big integers (2, 3), decimals and bigfloats (4, 5), typed arrays (64 to 87), sets
(258) and maps (259). ``fits`` checks that the content of a tag is valid, so that no receiver's library fails on it;
``DECODERS`` and ``untagged`` give cbor2 the values that receivers of other serializations get.
"""

from __future__ import annotations

import struct
import sys
from array import array
from collections.abc import Callable
from decimal import Decimal
from fractions import Fraction
from math import ldexp
from typing import Any

import cbor2

from orosync.errors import NotCarriable
from orosync.wamp import instants
from orosync.wamp.formats import KEYS

SET, MAP = 258, 259

UINT8 = 64
"""A JavaScript Uint8Array. It becomes a CBOR byte string, which libraries know that do not know the tag."""

LARGEST_EXPONENT = 10_000
"""Largest absolute exponent of a decimal or a bigfloat: libraries compute the power."""

LONGEST_MANTISSA = 128
"""Bytes of a mantissa: libraries convert it to decimal digits, which takes quadratic time."""

_TYPED = range(64, 88)
_RESERVED = 76

_BYTES = (UINT8, 68)
_INTEGERS = {65: ">H", 66: ">I", 67: ">Q", 69: "<H", 70: "<I", 71: "<Q",
             72: "b", 73: ">h", 74: ">i", 75: ">q", 77: "<h", 78: "<i", 79: "<q"}  # fmt: skip
_FLOATS = {80: ">e", 81: ">f", 82: ">d", 84: "<e", 85: "<f", 86: "<d"}
_ELEMENTS = _INTEGERS | _FLOATS
_QUADRUPLES = {83: "big", 87: "little"}
_ONE_BYTE = (*_BYTES, 72, _RESERVED)
_SIZES = {**dict.fromkeys(_ONE_BYTE, 1), **dict.fromkeys(_QUADRUPLES, 16)} | {
    tag: struct.calcsize(element) for tag, element in _ELEMENTS.items() if tag != 72
}


def is_known(tag: int) -> bool:
    """Whether a tag other than SET and MAP is supported."""
    return tag <= 5 or tag in _TYPED


def majors(tag: int) -> tuple[int, ...]:
    """The major types that the content of such a tag may have."""
    if tag == 0:
        return (3,)
    if tag == 1:
        return 0, 1, 7
    return (4,) if tag in (4, 5) else (2,)


def fits(tag: int, content: bytes) -> bool:
    """Whether ``content``, one well-formed item of one of those types, is valid for the tag.

    Fast, since a message may have very many of them: cbor2 decodes rare ones only.
    """
    head = content[0]
    if tag in (2, 3):
        return True
    if tag in (4, 5):
        return _is_fraction(content)
    if tag == 1:
        if head & 0x1F < 0x1B and head < 0x40:
            return True  # up to four bytes: in range
        value = cbor2.loads(content)
        return type(value) in (int, float) and instants.in_range(value)
    info = head & 0x1F
    if info == 0x1F:
        pieces = cbor2.loads(content)
        return instants.is_instant(pieces) if tag == 0 else len(pieces) % _SIZES[tag] == 0
    start = 1 if info < 0x18 else 1 + (1 << info - 0x18)
    return instants.is_instant(content[start:].decode()) if tag == 0 else (len(content) - start) % _SIZES[tag] == 0


def _is_fraction(content: bytes) -> bool:
    if len(content) > LONGEST_MANTISSA + 32:
        return False
    try:
        exponent, mantissa = cbor2.loads(content, max_depth=2, tag_hook=_refused)
    except (cbor2.CBORDecodeError, ValueError, TypeError):
        return False
    return type(exponent) is int and type(mantissa) is int and abs(exponent) <= LARGEST_EXPONENT


def _refused(tag: cbor2.CBORTag, immutable: bool) -> None:
    raise ValueError("a tag inside a number")


def untagged(tag: cbor2.CBORTag, immutable: bool = False) -> Any:
    """The value of a tag that ``fits`` for receivers of other serializations. Raises NotCarriable."""
    content: Any = tag.value
    number = tag.tag
    if number in _BYTES:
        return content
    if number in _ELEMENTS:
        return _numbers(_ELEMENTS[number], content)
    if number in _QUADRUPLES:
        return [_of_quadruple(content[place : place + 16], number) for place in range(0, len(content), 16)]
    if number == MAP:
        return _map(content, False)
    raise NotCarriable("a CBOR tag has no form elsewhere")


def _numbers(element: str, content: bytes) -> list[Any]:
    code = element[-1]
    if code == "e":
        order = element[0]
        return list(struct.unpack(f"{order}{len(content) // 2}e", content))
    values = array(_ARRAY_CODES[code], content)
    if element[0] == (">" if sys.byteorder == "little" else "<"):
        values.byteswap()
    return values.tolist()


_ARRAY_CODES = {"b": "b", "h": "h", "i": "i", "q": "q", "H": "H", "I": "I", "Q": "Q", "f": "f", "d": "d"}


def _of_quadruple(content: bytes, number: int) -> float:
    """The value of an IEEE 754 binary128 number, where a double has the same value."""
    bits = int.from_bytes(content, "big" if number == 83 else "little")
    negative, exponent, fraction = bits >> 127, bits >> 112 & 0x7FFF, bits & (1 << 112) - 1
    if exponent == 0x7FFF:
        value = float("nan") if fraction else float("inf")
    else:
        shift = max(exponent, 1) - 16383 - 112
        value = _as_float(Fraction(fraction | (1 << 112 if exponent else 0)) * Fraction(2) ** shift)
    return -value if negative else value


def _as_float(exact: Fraction) -> float:
    try:
        value = float(exact)
    except OverflowError:
        raise NotCarriable("a number is beyond a double's range") from None
    if Fraction(value) != exact:
        raise NotCarriable("a number is more exact than a double")
    return value


def _instant_of_text(text: Any, immutable: bool) -> Any:
    return text


def _instant_of_seconds(seconds: Any, immutable: bool) -> Any:
    return instants.text_of(seconds)


def _positive(content: Any, immutable: bool) -> int:
    return int.from_bytes(content)


def _negative(content: Any, immutable: bool) -> int:
    return -1 - int.from_bytes(content)


def _decimal(parts: Any, immutable: bool) -> int | float | Decimal:
    exponent, mantissa = parts
    if mantissa == 0:
        return 0
    digits = mantissa.bit_length() * 0.30103 + exponent
    if not -400 < digits < 400:
        raise NotCarriable("a number is beyond a double's range")
    exact = Decimal(f"{mantissa}e{exponent}")
    if exponent >= 0:
        return int(exact)
    value = float(exact)
    if Decimal(value) != exact:
        return exact
    return int(value) if value.is_integer() else value


def _bigfloat(parts: Any, immutable: bool) -> int | float:
    exponent, mantissa = parts
    zeros = (mantissa & -mantissa).bit_length() - 1
    if zeros > 0:
        mantissa, exponent = mantissa >> zeros, exponent + zeros
    if mantissa.bit_length() + exponent > 1024:
        raise NotCarriable("a number is beyond a double's range")
    if exponent >= 0:
        return int(mantissa << exponent)
    if mantissa.bit_length() > 53 or exponent < -1074:
        raise NotCarriable("a number is more exact than a double")
    return ldexp(mantissa, exponent) if mantissa else 0


def _set(members: Any, immutable: bool) -> list[Any]:
    return list(members)


def _map(entries: Any, immutable: bool) -> dict[str, Any]:
    if any(type(key) is not str for key in entries):
        raise NotCarriable(KEYS)
    return dict(entries)


DECODERS: dict[int, Callable[[Any, bool], Any]] = {
    0: _instant_of_text,
    1: _instant_of_seconds,
    2: _positive,
    3: _negative,
    4: _decimal,
    5: _bigfloat,
    SET: _set,
    MAP: _map,
}
"""For cbor2, in place of its own decoders."""
