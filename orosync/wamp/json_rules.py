"""What orosync takes for JSON: RFC 8259 within bounds, plus the one fault that browsers are forgiven.

A string that was cut in the middle of an emoji holds one half of a surrogate pair. JavaScript writes it as a
lone ``\\ud83d``; msgspec refuses it. Such a text is read with U+FFFD in the half's place, and stays as it was
for receivers of JSON. NaN, Infinity, numbers beyond a double and invalid UTF-8 are refused.

This file must not know messages.
"""

from __future__ import annotations

import binascii
import re
from typing import Any

import msgspec
from msgspec import Raw

from orosync.wamp.formats import MAX_DEPTH, UNREADABLE, refusal, too_deep

SHALLOW = 2 * MAX_DEPTH
"""No text up to this many bytes can nest too deep."""

SHALLOW_BRACKETS = MAX_DEPTH // 2
"""Nor can one with up to so many brackets of each kind."""

_decode = msgspec.json.Decoder().decode
_decode_array = msgspec.json.Decoder(list[Raw]).decode

_ESCAPE = re.compile(
    rb"\\(?:u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}"  # a whole pair
    rb"|(u[dD][89a-fA-F][0-9a-fA-F]{2})"  # one half
    rb"|.)",  # any other, so that an escaped backslash is stepped over
    re.DOTALL,
)
_OPENING = re.compile(rb"\s*\[")
_GAP = re.compile(rb"[\s,]*")
_STRING = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"', re.DOTALL)
_AS_ARRAYS = bytes.maketrans(b"{}", b"[]")
_NO_BRACKET = bytes(byte for byte in range(256) if byte not in b"[]{}")

check_value = _decode
"""Whether a text is one value without any slip; raises UNREADABLE if not."""

check_array = msgspec.json.Decoder(list[Any]).decode
"""Whether a text is an array without any slip; raises UNREADABLE if not."""


def read(text: bytes) -> Any:
    """The value of one JSON text; a lone surrogate is read as U+FFFD. Raises ProtocolViolation."""
    try:
        return _decode(text)
    except UNREADABLE as error:
        mended = mend(text)
        if mended == text:
            raise refusal(error) from None
    try:
        return _decode(mended)
    except UNREADABLE as error:
        raise refusal(error) from None


def kind(text: bytes) -> type:
    """Check one JSON text and tell what it holds: list, dict, bytes (binary as WAMP writes it) or another type."""
    value = read(text)
    return bytes if type(value) is str and binary(value) is not None else type(value)


def binary(text: str) -> bytes | None:
    """The binary that ``text`` stands for: NUL and Base64 (WAMP, section "Serializations"). None: it is text."""
    if text[:1] != "\0":
        return None
    try:
        return binascii.a2b_base64(text[1:].encode("ascii"), strict_mode=True)
    except ValueError:
        return None  # nobody can have meant it as binary


def elements(text: bytes) -> list[bytes]:
    """The elements of a JSON array, each as it stands in ``text``; read() them one by one. Raises ProtocolViolation."""
    try:
        return [bytes(element) for element in _decode_array(text)]
    except UNREADABLE as error:
        mended = mend(text)
        if mended == text:
            raise refusal(error) from None
    try:
        found = _decode_array(mended)
    except UNREADABLE as error:
        raise refusal(error) from None
    # Mending keeps every place in the text.
    parts = []
    place = _end(_OPENING, text, 0)
    for element in found:
        start = _end(_GAP, text, place)
        place = start + len(element)
        parts.append(text[start:place])
    return parts


def mend(text: bytes) -> bytes:
    """``text`` with U+FFFD for each lone surrogate escape. Its length stays the same."""
    return _ESCAPE.sub(_mended_escape, text) if b"\\u" in text else text


def check_depth(text: bytes) -> None:
    """Refuse well-formed JSON that nests too deep (ProtocolViolation)."""
    if len(text) <= SHALLOW or text.count(b"[") + text.count(b"{") <= MAX_DEPTH:
        return
    brackets = _STRING.sub(b"", text).translate(_AS_ARRAYS, _NO_BRACKET)
    for _level in range(MAX_DEPTH):
        if not brackets:
            return
        brackets = brackets.replace(b"[]", b"")  # peels the innermost level
    if brackets:
        raise too_deep()


def _end(pattern: re.Pattern[bytes], text: bytes, start: int) -> int:
    match = pattern.match(text, start)
    return start if match is None else match.end()


def _mended_escape(escape: re.Match[bytes]) -> bytes:
    return escape[0] if escape[1] is None else b"\\ufffd"
