"""What nodes tell each other: structs, written as MessagePack arrays that begin with a number for the class.

Payloads are carried as they came and are never decoded. Who sends what is checked by the envelope (``envelope``): here
a node trusts another one, and only the shape is checked. A field may be added at the end, with a default; any other
change needs a new ``envelope.VERSION``.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import chain
from typing import Any

import msgspec
from msgspec import Struct

from orosync.errors import ProtocolViolation
from orosync.wamp.formats import Format
from orosync.wamp.payload import Payload


class PackedPayload(Struct, array_like=True, gc=False):
    """A Payload: the name of its serializer, and the encoded arguments."""

    format: str
    args: bytes = b""
    kwargs: bytes = b""


class PackedFilters(Struct, array_like=True, gc=False):
    """The six lists of ``router.filters.Filters``; None where the publisher gave none."""

    exclude: list[int] | None = None
    exclude_authid: list[str] | None = None
    exclude_authrole: list[str] | None = None
    eligible: list[int] | None = None
    eligible_authid: list[str] | None = None
    eligible_authrole: list[str] | None = None


class NodeMessage(Struct, array_like=True, gc=False):
    """The base of all of them."""


class SnapshotEnd(NodeMessage, tag=0):
    """Everything that a new peer has to know was told."""


class Part(NodeMessage, tag=30):
    """A part of a message that is too large for one batch; the parts follow each other. ``last``: it is whole now."""

    data: bytes
    last: bool = False


# -- publications


class NodeEvent(NodeMessage, tag=1):
    """A publication with its id, made at ``time`` (seconds since 1970). ``publisher``: session id, 0 for orosync;
    ``details``: further keys of EVENT.Details. ``excluded``: the session id that a receiver must not have, 0 for none.
    ``retained_at``: it is retained for later subscribers, and this is its place in the order of those; 0.0: it is not
    retained."""

    realm: str
    topic: str
    publication: int
    payload: PackedPayload | None = None
    filters: PackedFilters | None = None
    details: dict[str, Any] | None = None
    publisher: int = 0
    time: float = 0.0
    retained_at: float = 0.0
    excluded: int = 0


class Interest(NodeMessage, tag=2):
    """Topics and patterns, as (match, URI), that have subscribers here from now on, and those that have none any
    more."""

    realm: str
    added: list[tuple[str, str]]
    removed: list[tuple[str, str]] = []


# -- sessions


class Presence(NodeMessage, tag=3):
    """How many sessions each authid has at this node; 0: none any more."""

    realm: str
    sessions: dict[str, int]


class Failures(NodeMessage, tag=4):
    """Failed authentications by address group since the last of these messages, of one authenticator."""

    authenticator: str
    counts: dict[str, int]


# -- registrations and calls


class CalleeAdded(NodeMessage, tag=10):
    """A callee of this node. ``features`` as it announced them; ``since``: of the claim, in seconds of the engine.

    ``inside``: it belongs to the router's own process. ``forced``: it has just taken the procedure over from all
    others. ``registered``: when it registered, in seconds since 1970. ``own``: it is a session of orosync's own, which
    is not shown."""

    realm: str
    procedure: str
    match: str
    invoke: str
    session: int
    authid: str
    authrole: str
    features: list[str]
    disclose_caller: bool = False
    forward_timeout: bool = False
    concurrency: int = 0
    since: float = 0.0
    inside: bool = False
    forced: bool = False
    registered: float = 0.0
    own: bool = False


class CalleeRemoved(NodeMessage, tag=11):
    """It is a callee of that procedure no more."""

    realm: str
    procedure: str
    match: str
    session: int


class CalleeLeft(NodeMessage, tag=15):
    """The session has left, with all its registrations and calls."""

    realm: str
    session: int


class NodeCall(NodeMessage, tag=12):
    """An INVOCATION for a callee of the receiving node, with its details. ``call``: a number of the sender's, greater
    than all before, which the answers repeat; one that has been sent already: the next part of that call."""

    realm: str
    call: int
    session: int
    procedure: str
    match: str
    details: dict[str, Any]
    payload: PackedPayload | None = None


class NodeAnswer(NodeMessage, tag=13):
    """A result for a NodeCall (``error`` "") or its ERROR."""

    realm: str
    call: int
    details: dict[str, Any]
    error: str = ""
    payload: PackedPayload | None = None


class NodeInterrupt(NodeMessage, tag=14):
    """An INTERRUPT for a NodeCall. ``mode``: of WAMP, "Call Canceling"."""

    realm: str
    call: int
    mode: str


class CallsFrom(NodeMessage, tag=16):
    """The calls of the sender have this number and greater ones from now on. It begins anew: it waits for no answer to
    those that arrived, earlier ones may have been lost, and it is to be told which of them will not be answered."""

    realm: str
    number: int


class CallsForgotten(NodeMessage, tag=17):
    """Calls of the receiver with lower numbers than this are answered no more."""

    realm: str
    number: int


# -- questions


class NodeQuestion(NodeMessage, tag=20):
    """What every node is asked. ``subject``: who answers there; ``data``: the question, in its form. ``number``: the
    sender's, which the reply repeats."""

    number: int
    subject: str
    data: bytes


class NodeReply(NodeMessage, tag=21):
    """The answer; ``error``: there is none, and why."""

    number: int
    data: bytes
    error: str = ""


AnyMessage = (
    SnapshotEnd
    | Part
    | NodeEvent
    | Interest
    | Presence
    | Failures
    | CalleeAdded
    | CalleeRemoved
    | CalleeLeft
    | NodeCall
    | NodeAnswer
    | NodeInterrupt
    | CallsFrom
    | CallsForgotten
    | NodeQuestion
    | NodeReply
)

encode = msgspec.msgpack.Encoder().encode
"""A message, or a list of them, as bytes."""

_decode = msgspec.msgpack.Decoder(list[AnyMessage]).decode


def decode(data: bytes | memoryview) -> list[AnyMessage]:
    """The messages of a list. ProtocolViolation for anything else."""
    try:
        return _decode(data)
    except msgspec.MsgspecError as error:
        raise ProtocolViolation(f"no messages of a node: {error}") from None


def events_in(bodies: Iterable[bytes | memoryview]) -> list[bytes]:
    """The encoded events in lists of messages, those in parts too, if all parts are there."""
    found: list[bytes] = []
    parts: list[Part] = []
    for message in chain.from_iterable(map(decode, bodies)):
        if isinstance(message, NodeEvent):
            found.append(encode(message))
        elif isinstance(message, Part):
            parts.append(message)
            if message.last:
                if _is_event(parts):
                    found += map(encode, parts)
                parts = []
    return found


def _is_event(parts: list[Part]) -> bool:
    try:
        return all(isinstance(one, NodeEvent) for one in decode(b"".join(part.data for part in parts)))
    except ProtocolViolation:
        return False


_FORMATS = {format.value: format for format in Format}
"""The look-up that Format does, in a fraction of the time: it is done for every event."""


def packed(payload: Payload | None) -> PackedPayload | None:
    """A payload for another node."""
    return None if payload is None else PackedPayload(payload.format._value_, payload.args, payload.kwargs)


def unpacked(payload: PackedPayload | None) -> Payload | None:
    """A payload of another node. ProtocolViolation for an unknown serializer."""
    if payload is None:
        return None
    format = _FORMATS.get(payload.format)
    if format is None:
        raise ProtocolViolation(f"a payload in an unknown serializer: {payload.format!r}")
    return Payload(format, payload.args, payload.kwargs)
