"""The arguments of a message, kept encoded as they came and transcoded once for each other serialization.

The content of a Payload was checked on receipt (``orosync.wamp.codec``) or made here. A sealed payload can be read only
by its sender and its receiver (WAMP, "Payload Passthru Mode"); options of the message describe it and are passed on.
``enc_*`` are options of autobahn that are older than WAMP's.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from msgspec import Struct

from orosync.errors import NotCarriable, ProtocolViolation
from orosync.wamp import cbor_rules, json_rules, msgpack_rules, transcode
from orosync.wamp.formats import Format

FEATURE = "payload_passthru_mode"

_SCHEME, _OLD_SCHEME = "ppt_scheme", "enc_algo"
_OPTIONS = (_SCHEME, "ppt_serializer", "ppt_cipher", "ppt_keyid")
_OLD_OPTIONS = (_OLD_SCHEME, "enc_serializer", "enc_key")
SEALS = (*_OPTIONS, *_OLD_OPTIONS)
"""The keys of options and details that describe a sealed payload."""

_JSON = Format.JSON
_EMPTY_ARRAY = {Format.JSON: b"[]", Format.MSGPACK: b"\x90", Format.CBOR: b"\x80"}
_NIL = (b"null", b"\xc0", b"\xf6", b"\xf7")
_RULES: dict[Format, Any] = {Format.JSON: json_rules, Format.MSGPACK: msgpack_rules, Format.CBOR: cbor_rules}


class Payload(Struct, gc=False, eq=False):
    """``args`` and ``kwargs`` encoded in ``format``; b"" where there are none. Immutable.

    ``args`` is an encoded array; a sealed payload (WAMP, payload passthru) has an encoded binary in its place.
    A msgspec Struct because it is fast to create: there is one for every message.
    """

    format: Format
    args: bytes = b""
    kwargs: bytes = b""
    _tails: dict[str, tuple[int, bytes] | str] | None = None
    _v1: bytes | None = None

    @classmethod
    def of(cls, args: Sequence[Any] | None = None, kwargs: Mapping[str, Any] | None = None) -> Payload:
        """A payload of Python values (binary: bytes). None: absent.

        Raises NotCarriable if no serialization can express it, TypeError for values that are not WAMP's.
        """
        for format in (Format.JSON, Format.MSGPACK):
            try:
                return cls._written(format, args, kwargs)
            except NotCarriable:
                continue
        return cls._written(Format.CBOR, args, kwargs)

    @classmethod
    def _written(cls, format: Format, args: Sequence[Any] | None, kwargs: Mapping[str, Any] | None) -> Payload:
        return cls(
            format,
            b"" if args is None else transcode.write(list(args), format),
            b"" if kwargs is None else transcode.write(dict(kwargs), format),
        )

    @classmethod
    def from_v1(cls, event: bytes) -> Payload:
        """The payload of a WAMP v1 event, one JSON value that has been checked: its only argument."""
        return cls(_JSON, b"[%b]" % event, b"", None, event)

    @property
    def size(self) -> int:
        """Bytes of the arguments as they came."""
        return len(self.args) + len(self.kwargs)

    def values(self) -> tuple[list[Any], dict[str, Any]]:
        """``args`` and ``kwargs`` as Python values (binary: bytes; half a surrogate pair: U+FFFD)."""
        args = transcode.read(self.args, self.format) if self.args else []
        kwargs = transcode.read(self.kwargs, self.format) if self.kwargs else {}
        return (args if type(args) is list else [args]), kwargs

    def inner(self, args: int, kwargs: int) -> Payload | None:
        """A payload of two of the arguments, an array and a map, as they came; None where something else stands there.
        Either may be nil or missing."""
        rules = _RULES[self.format]
        try:
            parts = rules.parts(self.args)[0] if self.args else []
        except ProtocolViolation:  # more elements than a message can have
            return None
        found = []
        for place, kind in ((args, list), (kwargs, dict)):
            part = parts[place] if place < len(parts) else b""
            if part and rules.outer(part) is not kind:
                if part not in _NIL:
                    return None
                part = b""
            found.append(part)
        return Payload(self.format, found[0], found[1])

    def tail(self, format: Format) -> tuple[int, bytes]:
        """How many elements follow a message's fixed part (0 to 2), and their bytes (JSON: with a comma between).

        Payload of the same format comes back byte for byte. Raises NotCarriable.
        """
        if format is self.format:
            return _joined(format, self.args, self.kwargs) if self.kwargs or not self.args else (1, self.args)
        tails = self._tails or {}
        tail = tails.get(format.value)
        if tail is None:
            try:
                tail = _joined(
                    format, *(part and transcode.carry(part, self.format, format) for part in (self.args, self.kwargs))
                )
            except NotCarriable as error:
                tail = str(error)
            self._tails = {**tails, format.value: tail}
        if isinstance(tail, str):
            raise NotCarriable(tail)
        return tail

    def as_v1(self) -> bytes:
        """The payload as the one JSON value that a WAMP v1 message holds. Raises NotCarriable.

        One argument and no keywords: that value. Keywords only: the object. Otherwise
        ``{"args": [...], "kwargs": {...}}``.
        """
        if self._v1 is None:
            self._v1 = self._made_v1()
        return self._v1

    def _made_v1(self) -> bytes:
        count, tail = self.tail(_JSON)
        if count == 0:
            return b'{"args":[],"kwargs":{}}'
        if self.format is Format.JSON:
            args, kwargs = self.args or b"[]", self.kwargs or b"{}"
        else:
            args, kwargs = (*json_rules.elements(b"[%b]" % tail), b"{}")[:2]
        if not args.startswith(b"["):
            return args
        positional = json_rules.elements(args)
        if kwargs == b"{}" or not json_rules.read(kwargs):
            if len(positional) == 1:
                return positional[0]
        elif not positional:
            return kwargs
        return b'{"args":%b,"kwargs":%b}' % (args, kwargs)

    def __repr__(self) -> str:
        return f"<Payload {self.format.value}: {len(self.args)} + {len(self.kwargs)} bytes>"


def _joined(format: Format, args: bytes, kwargs: bytes) -> tuple[int, bytes]:
    if not kwargs:
        return (1, args) if args else (0, b"")
    separator = b"," if format is Format.JSON else b""
    return 2, b"%b%b%b" % (args or _EMPTY_ARRAY[format], separator, kwargs)


# -- sealed payloads: WAMP, "Payload Passthru Mode"


def described(options: Mapping[str, Any], features: frozenset[str], role: str) -> dict[str, Any] | None:
    """The options of a sealed payload, to be passed on unchanged; None for an ordinary payload.

    ProtocolViolation when the sender, in its ``role``, has not announced the feature, or for an option that is not a
    string. The older options need no announcement: clients never announced them.
    """
    if options.get(_SCHEME):
        if f"{role}.{FEATURE}" not in features:
            raise ProtocolViolation(f"ppt_scheme without having announced {FEATURE} as {role}")
        return _texts(options, _OPTIONS)
    return _texts(options, _OLD_OPTIONS) if options.get(_OLD_SCHEME) else None


def is_sealed(details: Mapping[str, Any]) -> bool:
    """Whether a message with these details carries a sealed payload."""
    return _SCHEME in details or _OLD_SCHEME in details


def understood(sealed: Mapping[str, Any], features: frozenset[str], role: str) -> bool:
    """Whether the receiver, in its ``role``, announced that it can read sealed payloads."""
    return _SCHEME not in sealed or f"{role}.{FEATURE}" in features


def _texts(options: Mapping[str, Any], names: tuple[str, ...]) -> dict[str, Any]:
    found = {name: options[name] for name in names if options.get(name) is not None}
    for name, value in found.items():
        if not isinstance(value, str):
            raise ProtocolViolation(f"{name} must be a string")
    return found
