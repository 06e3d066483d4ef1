"""Messages of WAMP v2 from and to bytes, in JSON, MessagePack and CBOR.

Reading: a reader of each serialization checks the structure (bounds, and the types of a message's fields) and makes a
struct of ``messages``; ``args`` and ``kwargs`` stay encoded. ``Codec.decode`` checks the payload for all formats alike
and normalizes values: integral floats become ids, nil options and nil payload count as absent. Faults raise
ProtocolViolation, with a reason that quotes nothing of the message, and unsupported values of a well-formed message
Unfit. Each reader has a fast path for the usual messages.

Writing: the fixed part is serialized and the payload's bytes are put behind it. A struct is never encoded.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, Protocol

import cbor2
import msgspec
from msgspec import Raw

from orosync.errors import NotCarriable, ProtocolViolation, Unfit
from orosync.wamp import cbor_rules, cbor_scan, ids, json_rules, msgpack_rules, transcode
from orosync.wamp.cbor_scan import STEPS
from orosync.wamp.formats import HALF, UNREADABLE, Format, UnsupportedValue, refusal, with_whole_text
from orosync.wamp.messages import (
    ABSENT,
    AnyMessage,
    Call,
    Event,
    Invocation,
    Message,
    Publish,
    Result,
    Welcome,
    Yield,
)
from orosync.wamp.payload import Payload

SEALING = ("enc_algo", "ppt_scheme")
"""Options under which a message may carry one binary in the place of ``args`` (payload passthru)."""

_USUAL = frozenset([Publish, Call, Yield])
"""Most messages of clients. Each has a request, options and a payload."""

_PLAIN_IN_JSON = frozenset([Result, Invocation])
_JSON = Format.JSON

_encode_json = msgspec.json.Encoder().encode
_encode_msgpack = msgspec.msgpack.Encoder().encode
_decode_json = msgspec.json.Decoder(AnyMessage).decode
_decode_msgpack = msgspec.msgpack.Decoder(AnyMessage).decode


class SerializerRules(Protocol):
    """The functions of a serialization. ``check_array`` raises UNREADABLE, and has to be fast."""

    def check_array(self, data: bytes, /) -> object: ...
    def kind(self, data: bytes, /) -> type: ...
    def element(self, data: bytes, /) -> Any: ...
    def outer(self, data: bytes, /) -> type: ...
    def entries(self, data: bytes, /) -> dict[str, Any]: ...


class Codec:
    """One serialization of WAMP v2. ``binary``: whether binary or text WebSocket messages carry it."""

    def __init__(
        self,
        format: Format,
        nil: bytes,
        read: Callable[[bytes], Any],
        rules: SerializerRules,
        splice: Callable[[list[Any], int, bytes], bytes],
    ) -> None:
        self.format = format
        self.subprotocol = f"wamp.2.{format.value}"
        self.binary = format is not Format.JSON
        self._nil = nil
        self._read = read
        self._check_array = rules.check_array
        self._kind = rules.kind
        self._outer = rules.outer
        self._splice = splice

    def decode(self, data: bytes) -> tuple[Message, Payload | None]:
        """The message in ``data``, and its payload if it has one. Raises ProtocolViolation, and Unfit for a message
        with unsupported values."""
        try:
            message = self._read(data)
        except Unfit as unfit:
            self._regular(unfit.message, data)
            raise
        except UNREADABLE as error:
            raise refusal(error) from None
        options: dict[str, Any] = {}
        if message.__class__ in _USUAL and message.request.__class__ is int and not message.options:
            carries = True  # most messages, which have nothing to normalize
        else:
            options, carries = self._regular(message, data)
        if not carries or (raw := message.args) is ABSENT:
            return message, None
        args = bytes(raw)
        try:
            try:
                self._check_array(args)
            except UNREADABLE:
                args = self._no_array(args, options)
            kwargs = b"" if (raw := message.kwargs) is ABSENT else self._kwargs(bytes(raw))
        except UnsupportedValue as unsupported:
            message.args = message.kwargs = ABSENT
            raise Unfit(str(unsupported), message) from None
        if not (args or kwargs):
            return message, None
        return message, Payload(self.format, args, kwargs)

    def _regular(self, message: Any, data: bytes) -> tuple[dict[str, Any], bool]:
        """Make ids integers and drop nil options; returns the options, and whether a payload may follow."""
        names, mapping, carries, _ = SHAPES[message.__class__]
        for name in names:
            value = getattr(message, name)
            if value.__class__ is not int:
                setattr(message, name, ids.normalise(value))
        options: dict[str, Any] = {}
        if mapping is not None and (options := getattr(message, mapping)):
            if not self.binary and b"\\u0000" in data:
                options = transcode.binary_from_text(options)
            options = {key: value for key, value in options.items() if value is not None}
            setattr(message, mapping, options)
        return options, carries

    def _no_array(self, args: bytes, options: Mapping[str, Any]) -> bytes:
        """``args`` that are no plain array: absent, a faulty array, or one binary. Raises ProtocolViolation."""
        if args == self._nil:
            return b""
        try:
            kind = self._kind(args)
        except UnsupportedValue:
            if self._outer(args) is not list:
                raise ProtocolViolation("args must be an array") from None
            raise
        if kind is not list and not (kind is bytes and any(option in options for option in SEALING)):
            raise ProtocolViolation("args must be an array")
        return args

    def _kwargs(self, kwargs: bytes) -> bytes:
        if kwargs == self._nil:
            return b""
        if self._outer(kwargs) is not dict or self._kind(kwargs) is not dict:
            raise ProtocolViolation("kwargs must be a map")
        return kwargs

    def encode_event(self, event: Event, payload: Payload | None) -> bytes:
        """As ``encode``, for an EVENT. Without details, as nearly all of them are, it needs no serializer in JSON."""
        if (
            payload is not None
            and payload.format is _JSON
            and not self.binary
            and not event.details
            and payload.args
            and not payload.kwargs
        ):
            return b"[36,%d,%d,{},%b]" % (event.subscription, event.publication, payload.args)
        return self.encode(event, payload)

    def encode(self, message: Any, payload: Payload | None = None) -> bytes:
        """The bytes of ``message`` with ``payload`` behind it. Raises NotCarriable."""
        kind = message.__class__
        if (
            kind in _PLAIN_IN_JSON
            and not message.details
            and payload is not None
            and payload.format is _JSON
            and not self.binary
            and payload.args
            and not payload.kwargs
        ):
            # Without details, as nearly all of them are, these need no serializer at all.
            if kind is Result:
                return b"[50,%d,{},%b]" % (message.request, payload.args)
            return b"[68,%d,%d,{},%b]" % (message.request, message.registration, payload.args)
        head = message.head()
        mapping = SHAPES[kind][1]
        # WELCOME's details are the router's own, plain text and flags: they need no check.
        if mapping is not None and kind is not Welcome and getattr(message, mapping):
            head = transcode.prepared(head, self.format)
        count, tail = (0, b"") if payload is None else payload.tail(self.format)
        return self._splice(head, count, tail)


def _splice_json(head: list[Any], count: int, tail: bytes) -> bytes:
    return b"%b,%b]" % (_encode_json(head)[:-1], tail) if count else _encode_json(head)


def _splice_msgpack(head: list[Any], count: int, tail: bytes) -> bytes:
    return b"%c%b%b" % (0x90 + len(head) + count, _encode_msgpack(head)[1:], tail)


def _splice_cbor(head: list[Any], count: int, tail: bytes) -> bytes:
    return b"%c%b%b" % (0x80 + len(head) + count, cbor2.dumps(head)[1:], tail)


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


_BACKSLASH = 0x5C  # to look for a number in bytes is ten times faster than to look for bytes


def read_json(data: bytes) -> Any:
    """A message in JSON; a lone surrogate in its fixed part is read as U+FFFD."""
    try:
        message: Any = _decode_json(data)
    except UNREADABLE:
        return _built(json_rules, *json_rules.parts(data))
    if len(data) > json_rules.SHALLOW and (
        data.count(b"[") > json_rules.SHALLOW_BRACKETS or data.count(b"{") > json_rules.SHALLOW_BRACKETS
    ):
        try:
            json_rules.check_depth(data)
        except UnsupportedValue:
            return _built(json_rules, *json_rules.parts(data))
    if _BACKSLASH in data and b"\\u0000" in data and json_rules.may_be_no_binary(data):
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


CODECS: dict[str, Codec] = {
    codec.subprotocol: codec
    for codec in (
        Codec(Format.JSON, b"null", read_json, json_rules, _splice_json),
        Codec(Format.MSGPACK, b"\xc0", read_msgpack, msgpack_rules, _splice_msgpack),
        Codec(Format.CBOR, b"\xf6", read_cbor, cbor_rules, _splice_cbor),
    )
}
"""The codec of each WebSocket subprotocol of WAMP v2, by its name."""
