"""JSON as orosync accepts it: RFC 8259 within bounds, plus halves of surrogate pairs, which browsers send.

A string that was cut in the middle of an emoji holds one half of a surrogate pair. JavaScript writes it as a
lone ``\\ud83d``; msgspec refuses it. Such a text is read with U+FFFD in the half's place, and stays unchanged
for receivers of JSON. NaN, Infinity and invalid UTF-8 are refused. Numbers beyond a double (integers of some hundred
digits too), nesting beyond MAX_DEPTH and text that only begins like binary are well-formed but not supported.
"""

from __future__ import annotations

import binascii
import json
import re
from contextlib import suppress
from itertools import accumulate
from typing import Any

import msgspec
from msgspec import Raw

from orosync.errors import ProtocolViolation
from orosync.wamp.formats import MAX_DEPTH, TOO_DEEP, UNREADABLE, UnsupportedValue, refusal

SHALLOW = 2 * MAX_DEPTH
"""No text up to this many bytes can nest too deep."""

SHALLOW_BRACKETS = MAX_DEPTH // 2
"""No text with up to so many brackets of each kind can nest too deep."""

_decode = msgspec.json.Decoder().decode
_decode_array = msgspec.json.Decoder(list[Raw]).decode

_ESCAPE = re.compile(
    rb"\\(?:u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}"  # a whole pair
    rb"|(u[dD][89a-fA-F][0-9a-fA-F]{2})"  # one half
    rb"|.)",  # any other, so that an escaped backslash is stepped over
    re.DOTALL,
)
_STRING = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"', re.DOTALL)
_JOINT = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"|[\[{]+|[\]}]+|,', re.DOTALL)
_KEY = re.compile(rb'\s*("[^"\\]*(?:\\.[^"\\]*)*")\s*:', re.DOTALL)
_NO_BINARY = re.compile(rb'"\\u0000(?!(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?")')
NO_BINARY = "text begins with NUL, as binary does in JSON, and is no Base64"
_SPACE = b" \t\r\n"
_AS_ARRAYS = bytes.maketrans(b"{}", b"[]")
_STEPS = [1 if byte == 0x5B else -1 for byte in range(256)]
_QUICK_LEVELS = 16
_NO_BRACKET = bytes(byte for byte in range(256) if byte not in b"[]{}")

check_value = _decode
"""Check that a text is one value that needs no mending; raises UNREADABLE if not."""

check_array = msgspec.json.Decoder(list[Any]).decode
"""Check that a text is an array that needs no mending; raises UNREADABLE if not."""


def read(text: bytes) -> Any:
    """The value of one JSON text; a lone surrogate is read as U+FFFD. Raises ProtocolViolation, and UnsupportedValue
    for a number that is out of range or too many levels."""
    try:
        return _decode(text)
    except UNREADABLE as error:
        mended = mend(text)
        if mended == text:
            raise _fault(text, error) from None
    try:
        return _decode(mended)
    except UNREADABLE as error:
        raise _fault(mended, error) from None


def _fault(text: bytes, error: Exception) -> Exception:
    """The exception for a text that msgspec does not decode."""
    if isinstance(error, RecursionError):
        split(text)
        return UnsupportedValue(TOO_DEEP)  # nothing of it is read at such a depth
    if "out of range" not in str(error):
        return refusal(error)
    try:
        json.loads(text, parse_int=len, parse_float=len, parse_constant=_refuse)
    except UNREADABLE:
        return refusal(error)
    return UnsupportedValue("a number is out of range")


def _refuse(constant: str) -> None:
    raise ValueError(constant)


def kind(text: bytes) -> type:
    """Check one JSON text and return its type: list, dict, bytes (binary as WAMP writes it) or another."""
    value = read(text)
    return bytes if type(value) is str and binary(value) is not None else type(value)


def binary(text: str) -> bytes | None:
    """The binary that ``text`` stands for: NUL and Base64 (WAMP, section "Serializations"). None: it is text."""
    if text[:1] != "\0":
        return None
    try:
        return binascii.a2b_base64(text[1:].encode("ascii"), strict_mode=True)
    except ValueError:
        return None  # not meant as binary


def may_be_no_binary(text: bytes) -> bool:
    """Whether a string may begin with NUL and continue with anything but Base64."""
    return _NO_BINARY.search(text) is not None


def check_binary(text: bytes) -> None:
    """Refuse a well-formed text with a string that begins with NUL and stands for no binary (UnsupportedValue), over
    which autobahn-python ends its session."""
    if b"\\u0000" in text and may_be_no_binary(text):
        _check_binary(read(text))


def _check_binary(value: Any) -> None:
    if type(value) is str:
        if value[:1] == "\0" and binary(value) is None:
            raise UnsupportedValue(NO_BINARY)
    elif type(value) is list:
        for item in value:
            _check_binary(item)
    elif type(value) is dict:
        for item in value.values():
            _check_binary(item)


def elements(text: bytes) -> list[bytes]:
    """The elements of a JSON array, each as it stands in ``text``; read() them one by one. Raises ProtocolViolation."""
    try:
        return [bytes(element) for element in _decode_array(text)]
    except UNREADABLE:
        return parts(text)[0]


def parts(message: bytes) -> tuple[list[bytes], dict[int, str]]:
    """The elements of a message's array, and by index the reason why an element is not supported. Raises
    ProtocolViolation for input that is not JSON."""
    if message.lstrip(_SPACE)[:1] != b"[":
        raise ProtocolViolation("a message must be an array")
    found = split(message)
    unsupported: dict[int, str] = {}
    for place, part in enumerate(found):
        try:
            value = read(part)
            check_depth(part, 1)
            if b"\\u0000" in part and part[:1] != b'"':
                _check_binary(value)
        except UnsupportedValue as why:
            unsupported[place] = str(why)
    return found, unsupported


def outer(text: bytes) -> type:
    """``kind`` by the first character alone."""
    return {b"[": list, b"{": dict}.get(text[:1], object)


def element(text: bytes) -> Any:
    """``read`` for an element of a message's fixed part."""
    return read(text)


def entries(text: bytes) -> dict[str, Any]:
    """The supported entries of an object that holds unsupported ones. ProtocolViolation: it is no object."""
    if text.lstrip(_SPACE)[:1] != b"{":
        raise ProtocolViolation("an element of the message has a wrong type")
    found: dict[str, Any] = {}
    for entry in split(text):
        key = _KEY.match(entry)
        if key is not None:
            with suppress(UnsupportedValue):
                check_depth(entry, 2)
                value = read(entry[key.end() :])
                _check_binary(value)
                found[read(key[1])] = value
    return found


def split(text: bytes) -> list[bytes]:
    """The texts between the commas of an array or object of any depth. Raises ProtocolViolation where the numbers of
    brackets differ; nothing else is checked."""
    text = text.strip(_SPACE)
    found: list[bytes] = []
    depth = 0
    start = 1
    for joint in _JOINT.finditer(text):
        first = text[joint.start()]
        if first in b"[{":
            depth += joint.end() - joint.start()
        elif first in b"]}":
            depth -= joint.end() - joint.start()
            if depth <= 0:
                break
        elif first == 0x2C and depth == 1:
            found.append(text[start : joint.start()].strip(_SPACE))
            start = joint.end()
    if depth or not text or joint.end() != len(text):
        raise ProtocolViolation("the message is not JSON, or was truncated")
    last = text[start:-1].strip(_SPACE)
    return [*found, last] if found or last else []


def mend(text: bytes) -> bytes:
    """``text`` with U+FFFD for each lone surrogate escape. Its length stays the same."""
    return _ESCAPE.sub(_mended_escape, text) if b"\\u" in text else text


def check_depth(text: bytes, level: int = 0) -> None:
    """Refuse well-formed JSON that nests too deep, inside ``level`` containers (UnsupportedValue)."""
    if len(text) <= SHALLOW - 2 * level or text.count(b"[") + text.count(b"{") <= MAX_DEPTH - level:
        return
    brackets = _STRING.sub(b"", text).translate(_AS_ARRAYS, _NO_BRACKET)
    for _level in range(_QUICK_LEVELS):
        if not brackets:
            return
        brackets = brackets.replace(b"[]", b"")  # peels the innermost level
    if brackets and max(accumulate(map(_STEPS.__getitem__, brackets))) > MAX_DEPTH - level - _QUICK_LEVELS:
        raise UnsupportedValue(TOO_DEEP)


def _mended_escape(escape: re.Match[bytes]) -> bytes:
    return escape[0] if escape[1] is None else b"\\ufffd"
