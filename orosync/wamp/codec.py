"""Messages of WAMP v2 from and to bytes, in JSON, MessagePack and CBOR.

Reading: a reader makes a struct (``readers``), then one door for all formats checks the payload and makes values
regular: integral floats become ids, nil options and nil payload count as absent. Whatever is wrong raises
ProtocolViolation, with a reason that quotes nothing of the message.

Writing: the fixed part is serialised and the payload's bytes are put behind it. A struct is never encoded.

This file must not know what is legal when, or what a message means.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import cbor2
import msgspec

from orosync.errors import ProtocolViolation, Unfit
from orosync.wamp import cbor_rules, ids, json_rules, msgpack_rules, transcode
from orosync.wamp.formats import UNREADABLE, Format, Odd, refusal
from orosync.wamp.messages import ABSENT, Call, Event, Invocation, Message, Publish, Result, Welcome, Yield
from orosync.wamp.payload import Payload
from orosync.wamp.readers import SHAPES, Rules, read_cbor, read_json, read_msgpack

SEALING = ("enc_algo", "ppt_scheme")
"""Options under which a message may carry one binary in the place of ``args`` (payload passthru)."""

_USUAL = frozenset([Publish, Call, Yield])
"""What most messages of clients are. Each has a request, options and a payload."""

_PLAIN_IN_JSON = frozenset([Event, Result, Invocation])

_encode_json = msgspec.json.Encoder().encode
_encode_msgpack = msgspec.msgpack.Encoder().encode


class Codec:
    """One serialization of WAMP v2. ``binary`` tells which kind of WebSocket message carries it."""

    def __init__(
        self,
        format: Format,
        nils: tuple[bytes, ...],
        read: Callable[[bytes], Any],
        rules: Rules,
        splice: Callable[[list[Any], int, bytes], bytes],
    ) -> None:
        self.format = format
        self.subprotocol = f"wamp.2.{format.value}"
        self.binary = format is not Format.JSON
        self._nils = nils
        self._read = read
        self._check_array = rules.check_array
        self._kind = rules.kind
        self._outer = rules.outer
        self._splice = splice

    def decode(self, data: bytes) -> tuple[Message, Payload | None]:
        """The message in ``data``, and its payload if it has one. Raises ProtocolViolation, and Unfit for a message
        whose values nobody can be given."""
        try:
            message = self._read(data)
        except Unfit as unfit:
            self._regular(unfit.message, data)
            raise
        except UNREADABLE as error:
            raise refusal(error) from None
        options: dict[str, Any] = {}
        if message.__class__ in _USUAL and message.request.__class__ is int and not message.options:
            carries = True  # what most messages are, and then there is nothing to be made regular
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
        except Odd as odd:
            message.args = message.kwargs = ABSENT
            raise Unfit(str(odd), message) from None
        if not (args or kwargs):
            return message, None
        return message, Payload(self.format, args, kwargs)

    def _regular(self, message: Any, data: bytes) -> tuple[dict[str, Any], bool]:
        """Make ids integers and drop nil options; gives the options, and whether a payload may follow."""
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
        """What stands in place of an array: nothing, an array with a slip, or one binary. Raises ProtocolViolation."""
        if args in self._nils:
            return b""
        try:
            kind = self._kind(args)
        except Odd:
            if self._outer(args) is not list:
                raise ProtocolViolation("args must be an array") from None
            raise
        if kind is not list and not (kind is bytes and any(option in options for option in SEALING)):
            raise self._other("args must be an array", args)
        return args

    def _kwargs(self, kwargs: bytes) -> bytes:
        if kwargs in self._nils:
            return b""
        if self._outer(kwargs) is not dict or self._kind(kwargs) is not dict:
            raise self._other("kwargs must be a map", kwargs)
        return kwargs

    def _other(self, reason: str, part: bytes) -> Exception:
        """A Set, a Map or a typed array of JavaScript, which CBOR writes with a tag, costs the request alone."""
        tagged = self.format is Format.CBOR and part[0] >> 5 == 6
        return Odd(reason) if tagged else ProtocolViolation(reason)

    def encode(self, message: Any, payload: Payload | None = None) -> bytes:
        """The bytes of ``message`` with ``payload`` behind it. Raises NotCarriable."""
        kind = message.__class__
        if (
            kind in _PLAIN_IN_JSON
            and not message.details
            and payload is not None
            and payload.format is Format.JSON
            and not self.binary
            and payload.args
            and not payload.kwargs
        ):
            # Without details, as nearly all of them are, these need no serializer at all.
            if kind is Event:
                return b"[36,%d,%d,{},%b]" % (message.subscription, message.publication, payload.args)
            if kind is Result:
                return b"[50,%d,{},%b]" % (message.request, payload.args)
            return b"[68,%d,%d,{},%b]" % (message.request, message.registration, payload.args)
        head = message.head()
        mapping = SHAPES[kind][1]
        # WELCOME's details are the router's own, plain text and flags: not worth a walk at every join.
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


CODECS: dict[str, Codec] = {
    codec.subprotocol: codec
    for codec in (
        Codec(Format.JSON, (b"null",), read_json, json_rules, _splice_json),
        Codec(Format.MSGPACK, (b"\xc0",), read_msgpack, msgpack_rules, _splice_msgpack),
        Codec(Format.CBOR, (b"\xf6", b"\xf7"), read_cbor, cbor_rules, _splice_cbor),
    )
}
"""The codec of each WebSocket subprotocol of WAMP v2, by its name."""
