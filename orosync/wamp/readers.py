"""From bytes to the structs of ``messages``, one reader for each serialization.

A reader checks structure: JSON, MessagePack or CBOR within bounds, and the types of a message's fields. ``args`` and
``kwargs`` stay encoded. Readers raise ProtocolViolation, or what msgspec raises (``formats.UNREADABLE``).

This file must not know what a payload holds, or what a message means.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import msgspec
from msgspec import Raw

from orosync.errors import ProtocolViolation
from orosync.wamp import cbor_rules, json_rules, msgpack_rules
from orosync.wamp.formats import UNREADABLE, refusal
from orosync.wamp.messages import ABSENT, AnyMessage, Message


class Shape(NamedTuple):
    """What is to be known of a message's fields."""

    ids: tuple[str, ...]
    mapping: str | None
    carries: bool  # whether a payload may follow
    fixed: int  # elements before the payload, the code included


def _shape(kind: type[Message]) -> Shape:
    fields = kind.__struct_fields__
    carries = "args" in fields
    return Shape(
        tuple(name for name in fields if name in ("request", "session", "publication", "subscription", "registration")),
        next((name for name in fields if name in ("options", "details", "extra")), None),
        carries,
        1 + len(fields) - 2 * carries,
    )


SHAPES: dict[type[Message], Shape] = {kind: _shape(kind) for kind in AnyMessage.__args__}
_KINDS: dict[object, type[Message]] = {kind.__struct_config__.tag: kind for kind in SHAPES}

_decode_json = msgspec.json.Decoder(AnyMessage).decode
_decode_msgpack = msgspec.msgpack.Decoder(AnyMessage).decode


def read_json(data: bytes) -> Any:
    """A message in JSON; a lone surrogate in its fixed part is read as U+FFFD."""
    try:
        message: Any = _decode_json(data)
    except UNREADABLE as error:
        mended = json_rules.mend(data)
        if mended == data:
            raise refusal(error) from None
        return _read_mended(data, mended)
    if data.count(b"[") > json_rules.SHALLOW_BRACKETS or data.count(b"{") > json_rules.SHALLOW_BRACKETS:
        json_rules.check_depth(data)
    return message


def _read_mended(data: bytes, mended: bytes) -> Any:
    """A message that reads well once lone surrogates are mended; its payload stays as it came."""
    message = read_json(mended)
    _, _, carries, fixed = SHAPES[type(message)]
    if carries:
        message.args, message.kwargs = _payload_of(json_rules.elements(data)[fixed:])
    return message


def read_msgpack(data: bytes) -> Any:
    """A message in MessagePack."""
    return _decode_msgpack(msgpack_rules.check_structure(data))


def read_cbor(data: bytes) -> Any:
    """A message in CBOR, whose payload has been checked as well."""
    values, ends = cbor_rules.elements(data)
    kind = _KINDS.get(values[0]) if values and type(values[0]) is int else None
    if kind is None:
        raise ProtocolViolation("the message has no known code")
    _, _, carries, fixed = SHAPES[kind]
    if len(values) > fixed + 2 * carries:
        raise ProtocolViolation("the message has too many elements")
    message: Any = msgspec.convert(values[:fixed], kind)
    if carries:
        message.args, message.kwargs = _payload_of([data[ends[i - 1] : ends[i]] for i in range(fixed, len(values))])
    return message


def _payload_of(parts: list[bytes]) -> tuple[Raw, Raw]:
    args, kwargs = (*map(Raw, parts), ABSENT, ABSENT)[:2]
    return args, kwargs
