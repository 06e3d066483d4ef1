"""The messages of WAMP v2 as values (WAMP, section "Messages").

One struct for each message, fields in wire order, distinguished by the integer at index 0. ``args`` and
``kwargs`` stay encoded (``Raw``) when a message is read, and are never written: encoding goes through
``orosync.wamp.codec``, which splices a Payload behind the fixed part. Ids may arrive as integral floats
(JavaScript's MessagePack and CBOR clients send them); the codec normalises them. Ids out of WAMP's range and
elements beyond the last field are refused while decoding.
"""

from __future__ import annotations

from typing import Annotated, Any

from msgspec import Meta, Raw, Struct

ABSENT = Raw(b"")
"""What ``args`` or ``kwargs`` hold when the message had none."""

Id = Annotated[int, Meta(ge=0, le=2**53)] | Annotated[float, Meta(ge=0, le=2**53)]


class Message(Struct, array_like=True, tag_field="type", forbid_unknown_fields=True):
    """What all messages have in common: ``head()``, the fixed part as plain values, code first."""

    def head(self) -> list[Any]:
        raise TypeError(f"{type(self).__name__} has no wire form")


class Hello(Message, tag=1):
    realm: str
    details: dict[str, Any]

    def head(self) -> list[Any]:
        return [1, self.realm, self.details]


class Welcome(Message, tag=2):
    session: Id
    details: dict[str, Any]

    def head(self) -> list[Any]:
        return [2, self.session, self.details]


class Abort(Message, tag=3):
    details: dict[str, Any]
    reason: str

    def head(self) -> list[Any]:
        return [3, self.details, self.reason]


class Challenge(Message, tag=4):
    method: str
    extra: dict[str, Any]

    def head(self) -> list[Any]:
        return [4, self.method, self.extra]


class Authenticate(Message, tag=5):
    signature: str
    extra: dict[str, Any]

    def head(self) -> list[Any]:
        return [5, self.signature, self.extra]


class Goodbye(Message, tag=6):
    details: dict[str, Any]
    reason: str

    def head(self) -> list[Any]:
        return [6, self.details, self.reason]


class Error(Message, tag=8):
    request_type: int
    request: Id
    details: dict[str, Any]
    error: str
    args: Raw = ABSENT
    kwargs: Raw = ABSENT

    def head(self) -> list[Any]:
        return [8, self.request_type, self.request, self.details, self.error]


class Publish(Message, tag=16):
    request: Id
    options: dict[str, Any]
    topic: str
    args: Raw = ABSENT
    kwargs: Raw = ABSENT

    def head(self) -> list[Any]:
        return [16, self.request, self.options, self.topic]


class Published(Message, tag=17):
    request: Id
    publication: Id

    def head(self) -> list[Any]:
        return [17, self.request, self.publication]


class Subscribe(Message, tag=32):
    request: Id
    options: dict[str, Any]
    topic: str

    def head(self) -> list[Any]:
        return [32, self.request, self.options, self.topic]


class Subscribed(Message, tag=33):
    request: Id
    subscription: Id

    def head(self) -> list[Any]:
        return [33, self.request, self.subscription]


class Unsubscribe(Message, tag=34):
    request: Id
    subscription: Id

    def head(self) -> list[Any]:
        return [34, self.request, self.subscription]


class Unsubscribed(Message, tag=35):
    """``details`` only where a subscription was revoked (request 0)."""

    request: Id
    details: dict[str, Any] | None = None

    def head(self) -> list[Any]:
        return [35, self.request] if self.details is None else [35, self.request, self.details]


class Event(Message, tag=36):
    subscription: Id
    publication: Id
    details: dict[str, Any]
    args: Raw = ABSENT
    kwargs: Raw = ABSENT

    def head(self) -> list[Any]:
        return [36, self.subscription, self.publication, self.details]


class EventReceived(Message, tag=337):
    publication: Id

    def head(self) -> list[Any]:
        return [337, self.publication]


class Call(Message, tag=48):
    request: Id
    options: dict[str, Any]
    procedure: str
    args: Raw = ABSENT
    kwargs: Raw = ABSENT

    def head(self) -> list[Any]:
        return [48, self.request, self.options, self.procedure]


class Cancel(Message, tag=49):
    request: Id
    options: dict[str, Any]

    def head(self) -> list[Any]:
        return [49, self.request, self.options]


class Result(Message, tag=50):
    request: Id
    details: dict[str, Any]
    args: Raw = ABSENT
    kwargs: Raw = ABSENT

    def head(self) -> list[Any]:
        return [50, self.request, self.details]


class Register(Message, tag=64):
    request: Id
    options: dict[str, Any]
    procedure: str

    def head(self) -> list[Any]:
        return [64, self.request, self.options, self.procedure]


class Registered(Message, tag=65):
    request: Id
    registration: Id

    def head(self) -> list[Any]:
        return [65, self.request, self.registration]


class Unregister(Message, tag=66):
    request: Id
    registration: Id

    def head(self) -> list[Any]:
        return [66, self.request, self.registration]


class Unregistered(Message, tag=67):
    """``details`` only where a registration was revoked (request 0)."""

    request: Id
    details: dict[str, Any] | None = None

    def head(self) -> list[Any]:
        return [67, self.request] if self.details is None else [67, self.request, self.details]


class Invocation(Message, tag=68):
    request: Id
    registration: Id
    details: dict[str, Any]
    args: Raw = ABSENT
    kwargs: Raw = ABSENT

    def head(self) -> list[Any]:
        return [68, self.request, self.registration, self.details]


class Interrupt(Message, tag=69):
    request: Id
    options: dict[str, Any]

    def head(self) -> list[Any]:
        return [69, self.request, self.options]


class Yield(Message, tag=70):
    request: Id
    options: dict[str, Any]
    args: Raw = ABSENT
    kwargs: Raw = ABSENT

    def head(self) -> list[Any]:
        return [70, self.request, self.options]


AnyMessage = (
    Hello | Welcome | Abort | Challenge | Authenticate | Goodbye | Error | Publish | Published
    | Subscribe | Subscribed | Unsubscribe | Unsubscribed | Event | EventReceived
    | Call | Cancel | Result | Register | Registered | Unregister | Unregistered
    | Invocation | Interrupt | Yield
)  # fmt: skip
