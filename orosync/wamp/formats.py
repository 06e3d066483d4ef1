"""The three serializations of WAMP v2, and what is refused alike in all of them.

This file must not know messages or how any of the three is written.
"""

from __future__ import annotations

from enum import Enum

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

UNREADABLE = (ValueError, RecursionError)
"""What decoders raise on bad input (msgspec's errors and UnicodeDecodeError are ValueErrors)."""


def refusal(error: Exception) -> ProtocolViolation:
    """``error`` of a decoder as the peer's fault, without a byte of what the peer sent."""
    if isinstance(error, RecursionError):
        return ProtocolViolation(TOO_DEEP)
    if isinstance(error, UnicodeDecodeError):
        return ProtocolViolation("text is not UTF-8")
    if isinstance(error, msgspec.MsgspecError):
        return ProtocolViolation(str(error))  # says type and position, never a value of the payload
    return ProtocolViolation("the message cannot be decoded")
