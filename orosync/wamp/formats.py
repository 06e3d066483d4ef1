"""The three serializations of WAMP v2, and the rules that they share: nesting, text, unsupported values."""

from __future__ import annotations

import re
from collections.abc import Callable
from enum import Enum
from typing import Generic, TypeVar

import msgspec

from orosync.errors import ProtocolViolation

MAX_DEPTH = 256
"""How deep arrays and maps of one message may nest, the message's own array included. Recursion over values takes two
of Python's thousand frames for each level; cbor2 and msgspec go deeper."""


class Format(Enum):
    """A serialization: the last part of its WebSocket subprotocol's name."""

    JSON = "json"
    MSGPACK = "msgpack"
    CBOR = "cbor"


class UnsupportedValue(ValueError):
    """Well-formed input with a value that orosync does not deliver: the request fails, the session goes on."""


KEYS = "keys of maps must be text"
TOO_DEEP = f"arrays and maps nest deeper than {MAX_DEPTH} levels"

HALF = "text holds half of a surrogate pair"
_HALF = re.compile(rb"\xed[\xa0-\xbf][\x80-\xbf]")

UNREADABLE = (ValueError, RecursionError)
"""The exceptions of decoders on bad input (msgspec's errors and UnicodeDecodeError are ValueErrors)."""


def with_whole_text(data: bytes) -> bytes:
    """``data`` with U+FFFD for each half of a surrogate pair: JavaScript's libraries write them (of an emoji that was
    cut), though UTF-8 does not allow them. The length stays the same."""
    return _HALF.sub(b"\xef\xbf\xbd", data)


_Findings = TypeVar("_Findings", bound="Findings")


class Findings:
    """The result of a scan. ``unsupported``: the reasons why the item is not supported."""

    __slots__ = ("unsupported",)

    def __init__(self) -> None:
        self.unsupported: set[str] = set()


class Scanner(Generic[_Findings]):
    """Scans the items of ``data`` one after the other with ``skip``; halves of surrogate pairs are unsupported."""

    def __init__(self, data: bytes, skip: Callable[[bytes, int, _Findings], int], findings: type[_Findings]) -> None:
        self._data = self._whole = data
        self._skip = skip
        self._findings = findings

    def item(self, place: int) -> tuple[int, _Findings]:
        """Where the item at ``place`` ends, and what the scan found. Raises as ``skip`` does."""
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
            found.unsupported.add(HALF)
        return end, found


def refusal(error: Exception) -> ProtocolViolation:
    """The ProtocolViolation for an ``error`` of a decoder; its text quotes nothing that the peer sent."""
    if isinstance(error, RecursionError):
        return ProtocolViolation(TOO_DEEP)
    if isinstance(error, UnicodeDecodeError):
        return ProtocolViolation("text is not UTF-8")
    if isinstance(error, msgspec.MsgspecError):
        return ProtocolViolation(str(error))  # names type and position, never a value of the payload
    return ProtocolViolation("the message cannot be decoded")
