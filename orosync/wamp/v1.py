"""WAMP v1 (subprotocol "wamp"), the router's side: messages to values and values to messages.

Where Ratchet and the specification differ it follows Ratchet, for which Oro's clients were written: CURIEs are resolved
to prefix + "#" + rest, and PUBLISH reaches its own publisher unless excluded. Topics are opaque strings. Every event,
argument and result is one JSON value and stays encoded.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, NamedTuple

import msgspec
from msgspec import Raw, Struct

from orosync.errors import NotCarriable, ProtocolViolation, RequestError, Unfit
from orosync.wamp import json_rules, transcode
from orosync.wamp.formats import UNREADABLE, Format, UnsupportedValue
from orosync.wamp.payload import Payload
from orosync.wamp.uris import INVALID_URI, LONGEST, TOO_LONG

SUBPROTOCOL = "wamp"
NOT_ALLOWED = 'You are not allowed to subscribe on topic "{topic}".'
"""The answer to a refused SUBSCRIBE: a text message that is not JSON, with the text of Oro's own server."""

SERVER = "orosync"
MAX_PREFIXES = 100
"""CURIE prefixes that one session may declare; one more is a protocol violation."""

_new = tuple.__new__
"""Makes a request in half the time that the constructor of a NamedTuple takes."""

_encode = msgspec.json.Encoder().encode
_PUBLISH_BEGINS = re.compile(rb'\s*\[\s*7\s*,\s*("(?:[^"\\]|\\.)*")')
_WEB_ADDRESS = re.compile("https*://")
_NO_FILTERS = [b"[]", b"[]"]
_PHP_FALSE = (None, False, 0, 0.0, "", "0")


def published_topic(beginning: bytes) -> str:
    """The topic of a PUBLISH whose first bytes these are; "" if it is another message or the topic goes on behind
    them."""
    found = _PUBLISH_BEGINS.match(beginning)
    try:
        return msgspec.json.decode(found[1], type=str) if found else ""
    except (msgspec.DecodeError, UnicodeDecodeError):
        return ""


class Prefixes:
    """The CURIE prefixes that one session has declared."""

    __slots__ = ("_uris",)

    def __init__(self) -> None:
        self._uris: dict[str, str] = {}

    def declare(self, prefix: str, uri: str) -> None:
        """Remember ``prefix``; a later declaration replaces an earlier one. ProtocolViolation for one too many;
        RequestError INVALID_URI for a prefix or URI that is too long."""
        if len(prefix) > LONGEST or len(uri) > LONGEST:
            raise RequestError(INVALID_URI, TOO_LONG)
        if prefix not in self._uris and len(self._uris) >= MAX_PREFIXES:
            raise ProtocolViolation("too many prefixes")
        self._uris[prefix] = uri

    def resolve(self, uri: str) -> str:
        """``uri`` in full: a CURIE of a known prefix becomes that prefix's URI, "#" and the rest; others stay."""
        if self._uris and not _WEB_ADDRESS.search(uri):
            prefix, colon, rest = uri.partition(":")
            if colon and prefix in self._uris:
                return f"{self._uris[prefix]}#{rest}"
        return uri


class V1Prefix(NamedTuple):
    """[1, prefix, uri]; parse() has declared it already."""

    prefix: str
    uri: str


class V1Call(NamedTuple):
    """[2, call_id, procedure, ...]; a single argument that is an array has been spread."""

    call_id: str
    procedure: str
    payload: Payload


class V1Subscribe(NamedTuple):
    """[5, topic]."""

    topic: str


class V1Unsubscribe(NamedTuple):
    """[6, topic]."""

    topic: str


class V1Publish(NamedTuple):
    """[7, topic, event, exclude, eligible].

    ``exclude`` and ``eligible`` hold v1 session ids (WAMP ids in decimal); an empty ``eligible`` means all.
    """

    topic: str
    payload: Payload
    exclude_me: bool = False
    exclude: tuple[str, ...] = ()
    eligible: tuple[str, ...] = ()


Request = V1Prefix | V1Call | V1Subscribe | V1Unsubscribe | V1Publish


def parse(data: bytes, prefixes: Prefixes) -> Request:
    """The request in ``data``, a text or a binary message. CURIEs are resolved, a PREFIX is remembered.

    Surplus elements are ignored, as Ratchet does. Raises ProtocolViolation, RequestError for a PREFIX that is too long,
    and Unfit for a request with unsupported values.
    """
    if data.startswith(b"[7,"):
        publish = _usual_publish(data, prefixes)
        if publish is not None:
            return publish
    elements = json_rules.elements(data)
    reader = _READERS.get(elements[0]) if elements else None
    if reader is None:
        raise ProtocolViolation("the message has no known code")
    try:
        json_rules.check_depth(data)
        request = reader(elements, prefixes)
        if isinstance(request, V1Publish | V1Call):
            json_rules.check_binary(request.payload.args)
        return request
    except UnsupportedValue as unsupported:
        try:
            spared = reader(elements[: 2 if reader is _read_publish else 3], prefixes)
        except UnsupportedValue:  # in the place of a topic
            raise ProtocolViolation(str(unsupported)) from None
        raise Unfit(str(unsupported), spared) from None


_NO_FILTER = Raw(b"[]")


class _UsualPublish(Struct, array_like=True, tag_field="type", tag=7):
    topic: str
    event: Raw
    exclude: Raw = _NO_FILTER
    eligible: Raw = _NO_FILTER


_decode_usual_publish = msgspec.json.Decoder(_UsualPublish).decode


def _usual_publish(data: bytes, prefixes: Prefixes) -> V1Publish | None:
    """A PUBLISH without filters, as Oro's back end sends it, read in one step; None where the slow path is needed."""
    try:
        publish = _decode_usual_publish(data)
        for filter in (publish.exclude, publish.eligible):
            if filter is not _NO_FILTER and bytes(filter) != b"[]":
                return None
        event = bytes(publish.event)
        json_rules.check_value(event)
        json_rules.check_depth(data)
        if 0x5C in event:  # a backslash
            json_rules.check_binary(event)
    except UNREADABLE:
        return None
    return _new(V1Publish, (prefixes.resolve(publish.topic), Payload.from_v1(event), False, (), ()))


def _read_prefix(elements: list[bytes], prefixes: Prefixes) -> V1Prefix:
    prefix = V1Prefix(_text(elements, 1), _text(elements, 2))
    prefixes.declare(prefix.prefix, prefix.uri)
    return prefix


def _read_call(elements: list[bytes], prefixes: Prefixes) -> V1Call:
    call_id, procedure = _text(elements, 1), prefixes.resolve(_text(elements, 2))
    arguments = elements[3:]
    for argument in arguments:
        json_rules.read(argument)
    spread = len(arguments) == 1 and arguments[0].startswith(b"[")
    return V1Call(call_id, procedure, Payload(Format.JSON, arguments[0] if spread else b"[%b]" % b",".join(arguments)))


def _read_subscribe(elements: list[bytes], prefixes: Prefixes) -> V1Subscribe:
    return V1Subscribe(prefixes.resolve(_text(elements, 1)))


def _read_unsubscribe(elements: list[bytes], prefixes: Prefixes) -> V1Unsubscribe:
    return V1Unsubscribe(prefixes.resolve(_text(elements, 1)))


def _read_publish(elements: list[bytes], prefixes: Prefixes) -> V1Publish:
    topic = prefixes.resolve(_text(elements, 1))
    event = elements[2] if len(elements) > 2 else b"null"
    json_rules.read(event)
    if len(elements) < 4 or elements[3:] == _NO_FILTERS:  # what browsers and Oro's back end send
        return V1Publish(topic, Payload.from_v1(event))
    exclude = json_rules.read(elements[3])
    eligible = json_rules.read(elements[4]) if len(elements) > 4 else []
    if type(exclude) is list:
        return V1Publish(topic, Payload.from_v1(event), False, _session_ids(exclude), _session_ids(eligible))
    if type(exclude) is dict:
        raise ProtocolViolation("exclude must be an array or a flag")
    return V1Publish(topic, Payload.from_v1(event), exclude not in _PHP_FALSE, (), _session_ids(eligible))


_READERS: dict[bytes, Callable[[list[bytes], Prefixes], Request]] = {
    b"1": _read_prefix,
    b"2": _read_call,
    b"5": _read_subscribe,
    b"6": _read_unsubscribe,
    b"7": _read_publish,
}


def _text(elements: list[bytes], place: int) -> str:
    value = json_rules.read(elements[place]) if len(elements) > place else None
    if type(value) is not str:
        raise ProtocolViolation(f"element {place} must be text")
    return value


def _session_ids(value: Any) -> tuple[str, ...]:
    if type(value) is not list or any(type(item) is not str for item in value):
        raise ProtocolViolation("exclude and eligible must be arrays of session ids")
    return tuple(value)


def encode_welcome(session_id: int) -> bytes:
    """WELCOME of protocol version 1: short, ASCII and without an inner bracket, which Oro's PHP client needs.

    (It reads from the first "[" of what arrives with the handshake, so a length of 91 or 347 would end it too.)
    """
    return b'[0,"%d",1,"%b"]' % (session_id, SERVER.encode())


def encode_event(topic: str, payload: Payload | None) -> bytes:
    """EVENT for subscribers of ``topic``. Raises NotCarriable."""
    return b"[8,%b,%b]" % (_encode(topic), _value(payload))


def encode_result(call_id: str, payload: Payload | None) -> bytes:
    """CALLRESULT: one value, null if the result is empty. Raises NotCarriable."""
    empty = payload is None or payload.values() == ([], {})
    return b"[3,%b,%b]" % (_encode(call_id), b"null" if empty else _value(payload))


def encode_error(call_id: str, uri: str, description: str, details: Any = None) -> bytes:
    """CALLERROR, with ``details`` (WAMP values) unless None. Raises NotCarriable."""
    error = b"[4,%b,%b,%b" % (_encode(call_id), _encode(uri), _encode(description))
    return error + b"]" if details is None else b"%b,%b]" % (error, transcode.write(details, Format.JSON))


def description_of(payload: Payload | None) -> tuple[str, Any]:
    """The description and details of a CALLERROR, from a v2 ERROR's payload."""
    try:
        args, kwargs = payload.values() if payload is not None else ([], {})
    except NotCarriable:
        args, kwargs = [], {}
    description = args[0] if args and isinstance(args[0], str) else ""
    return description, (kwargs or args[1:] or None)


def not_allowed(topic: str) -> bytes:
    """The text message that answers a refused SUBSCRIBE."""
    return NOT_ALLOWED.format(topic=topic).encode("utf-8", "replace")


def _value(payload: Payload | None) -> bytes:
    return b"null" if payload is None else payload.as_v1()
