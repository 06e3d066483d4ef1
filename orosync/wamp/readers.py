"""From bytes to the structs of ``messages``, one reader for each serialization.

A reader checks structure: JSON, MessagePack or CBOR within bounds, and the types of a message's fields. ``args`` and
``kwargs`` stay encoded. Readers raise ProtocolViolation, or what msgspec raises (``formats.UNREADABLE``), and Unfit for
a well-formed message with unsupported values. Each has a fast path for the usual messages.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple, Protocol

import msgspec
from msgspec import Raw

from orosync.errors import NotCarriable, ProtocolViolation, Unfit
from orosync.wamp import cbor_rules, cbor_scan, json_rules, msgpack_rules
from orosync.wamp.cbor_scan import STEPS
from orosync.wamp.formats import HALF, UNREADABLE, UnsupportedValue, with_whole_text
from orosync.wamp.messages import ABSENT, AnyMessage, Message


class Shape(NamedTuple):
    """The fields of a message, as the codec needs them."""

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
    except UNREADABLE:
        return _built(json_rules, *json_rules.parts(data))
    if data.count(b"[") > json_rules.SHALLOW_BRACKETS or data.count(b"{") > json_rules.SHALLOW_BRACKETS:
        try:
            json_rules.check_depth(data)
        except UnsupportedValue:
            return _built(json_rules, *json_rules.parts(data))
    if b"\\u0000" in data and json_rules.may_be_no_binary(data):
        return _built(json_rules, *json_rules.parts(data))
    return message


def read_msgpack(data: bytes) -> Any:
    """A message in MessagePack, whose structure has been checked."""
    if msgpack_rules.is_simple(data):
        try:
            return _decode_msgpack(data)
        except UNREADABLE:
            pass  # the slow path decides whether it fails the request or the session
    return _built(msgpack_rules, *msgpack_rules.parts(data))


def read_cbor(data: bytes) -> Any:
    """A message in CBOR, whose payload has been checked as well."""
    try:
        usual = _usual_cbor(data)
    except (IndexError, ValueError, NotCarriable, ProtocolViolation):
        usual = None  # the slow path decides whether it fails the request or the session
    return _built(cbor_rules, *cbor_rules.parts(data)) if usual is None else usual


def _usual_cbor(data: bytes) -> Any:
    """A message without unusual values, read in one step; None where the slow path is needed."""
    count = data[0] - 0x80
    if not 0 < count < 0x18:
        return None
    code, place = (data[1], 2) if data[1] < 0x18 else (data[2], 3)
    kind = _KINDS.get(code) if place == 2 or data[1] == 0x18 else None
    if kind is None:
        return None
    _, _, carries, fixed = SHAPES[kind]
    values: list[Any] = [code]
    value: Any
    for _ in range(min(fixed, count) - 1):
        head = data[place]
        end = place + 1
        if head < 0x18:
            value = head
        elif head < 0x1C:
            end = place + STEPS[head]
            value = int.from_bytes(data[place + 1 : end])
        elif head == 0xA0:
            value = {}
        elif 0x5F < head < 0x78:
            end = place + head - 0x5F
            value = data[place + 1 : end].decode()
        else:
            found = cbor_scan.CborFindings()
            end = cbor_scan.skip(data, place, found)
            if found.unsupported:
                return None
            value = cbor_rules.element(data[place:end])
        values.append(value)
        place = end
    message: Any = msgspec.convert(values, kind)
    left = count - fixed
    if left <= 0:
        return message if place == len(data) else None
    if not carries or left > 2:
        return None
    if left == 2:
        found = cbor_scan.CborFindings()
        end = cbor_scan.skip(data, place, found)
        if found.unsupported or found.uint8:
            return None
        message.args, message.kwargs = Raw(data[place:end]), Raw(data[end:])
        return message if cbor_rules.is_plain(data[end:]) else None
    message.args = Raw(data[place:])
    return message if cbor_rules.is_plain(data[place:]) else None


class SerializerRules(Protocol):
    """The functions of a serialization. ``check_array`` raises UNREADABLE, and has to be fast."""

    def check_array(self, data: bytes, /) -> object: ...
    def kind(self, data: bytes, /) -> type: ...
    def element(self, data: bytes, /) -> Any: ...
    def outer(self, data: bytes, /) -> type: ...
    def entries(self, data: bytes, /) -> dict[str, Any]: ...


def _built(rules: SerializerRules, parts: list[bytes], unsupported: Mapping[int, str]) -> Any:
    """The message with these elements; ``unsupported``: by index the reasons why elements are not supported."""
    code = rules.element(parts[0]) if parts and 0 not in unsupported else None
    kind = _KINDS.get(code) if type(code) is int else None
    if kind is None:
        raise ProtocolViolation("the message has no known code")
    _, _, carries, fixed = SHAPES[kind]
    if len(parts) > fixed + 2 * carries:
        raise ProtocolViolation("the message has too many elements")
    values: list[Any] = [code]
    reason = ""
    for place in range(fixed, len(parts)):
        if place in unsupported:
            reason = unsupported[place]
            if rules.outer(parts[place]) is not (list, dict)[place - fixed]:
                raise ProtocolViolation("args must be an array, and kwargs a map")
    for place, part in enumerate(parts[1:fixed], 1):
        try:
            if unsupported.get(place) is HALF:
                part = with_whole_text(part)
            elif place in unsupported:
                raise NotCarriable(unsupported[place])
            values.append(rules.element(part))
        except NotCarriable as error:
            reason = str(error)
            values.append(rules.entries(part))
    message: Any = msgspec.convert(values, kind)
    if reason:
        raise Unfit(reason, message)
    if carries:
        message.args, message.kwargs = (*map(Raw, parts[fixed:]), ABSENT, ABSENT)[:2]
    return message
