"""The three serializations of WAMP v2, and what is refused alike in all of them.

This file must not know messages or how any of the three is written.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from enum import Enum
from typing import Generic, TypeVar

import msgspec

from orosync.errors import ProtocolViolation

MAX_DEPTH = 256
"""How deep arrays and maps of one message may nest, the message's own array included. What recurses over values takes
two frames of Python's thousand for each level; cbor2 and msgspec go deeper."""


class Format(Enum):
    """A serialization: the last part of its WebSocket subprotocol's name."""

    JSON = "json"
    MSGPACK = "msgpack"
    CBOR = "cbor"


class Odd(ValueError):
    """Input that is well-formed and holds what nobody can be given: it costs one request, no session."""


KEYS = "keys of maps must be text"
TOO_DEEP = f"arrays and maps nest deeper than {MAX_DEPTH} levels"

HALF = "text holds half of a surrogate pair"
_HALF = re.compile(rb"\xed[\xa0-\xbf][\x80-\xbf]")

UNREADABLE = (ValueError, RecursionError)
"""What decoders raise on bad input (msgspec's errors and UnicodeDecodeError are ValueErrors)."""


def with_whole_text(data: bytes) -> bytes:
    """``data`` with U+FFFD for each half of a surrogate pair: JavaScript's libraries write such (of an emoji that was
    cut), though UTF-8 has none. Every place stays where it was."""
    return _HALF.sub(b"\xef\xbf\xbd", data)


_Findings = TypeVar("_Findings", bound="Findings")


class Findings:
    """What a scan came across: ``odd`` has the reasons why nobody can be given it."""

    __slots__ = ("odd",)

    def __init__(self) -> None:
        self.odd: set[str] = set()


class Scanner(Generic[_Findings]):
    """Scans the items of ``data`` one after the other, by ``skip``; halves of surrogate pairs are odd."""

    def __init__(self, data: bytes, skip: Callable[[bytes, int, _Findings], int], findings: type[_Findings]) -> None:
        self._data = self._whole = data
        self._skip = skip
        self._findings = findings

    def item(self, place: int) -> tuple[int, _Findings]:
        """Where the item at ``place`` ends, and what is in it. Raises as ``skip`` does."""
        found = self._findings()
        try:
            end = self._skip(self._whole, place, found)
        except UnicodeDecodeError:
            if self._whole is not self._data:
                raise
            self._whole = with_whole_text(self._data)
            found = self._findings()
            end = self._skip(self._whole, place, found)
        if self._whole is not self._data and self._whole[place:end] != self._data[place:end]:
            found.odd.add(HALF)
        return end, found


def refusal(error: Exception) -> ProtocolViolation:
    """``error`` of a decoder as the peer's fault, without a byte of what the peer sent."""
    if isinstance(error, RecursionError):
        return ProtocolViolation(TOO_DEEP)
    if isinstance(error, UnicodeDecodeError):
        return ProtocolViolation("text is not UTF-8")
    if isinstance(error, msgspec.MsgspecError):
        return ProtocolViolation(str(error))  # says type and position, never a value of the payload
    return ProtocolViolation("the message cannot be decoded")
