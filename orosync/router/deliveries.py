"""What the router takes and returns: members, deliveries as values, and the options of requests.

The router never sends anything: broker and dealer return deliveries, and the session that joined a member knows how a
message reaches it.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from enum import Enum
from typing import Any, NamedTuple, TypeVar

from orosync.errors import RequestError
from orosync.model import Principal
from orosync.wamp import uris
from orosync.wamp.messages import Goodbye, Message
from orosync.wamp.payload import Payload

Word = TypeVar("Word", bound=Enum)

_LARGEST = 2**53

ExtraDetails = Mapping[str, Any]
"""Keys that a session adds to EVENT.Details of a publication or to INVOCATION.Details of a call. They overrule the
router's own:

``publisher``, ``publisher_authid``, ``publisher_authrole``   who published, where a trusted client forwards an event
``caller``, ``caller_authid``, ``caller_authrole``            who called, where a trusted client forwards a call
``transaction_hash``                                          the trail of a forwarded message (``wamp.forwarding``)
``ppt_scheme``, ``ppt_serializer``, ``ppt_cipher``, ``ppt_keyid``, ``enc_algo``, ``enc_serializer``, ``enc_key``
                                                              of a sealed payload (``wamp.payload``)

The broker adds ``trustlevel`` and the publisher to those that are retained or kept as history."""


class Member:
    """A session as its realm sees it.

    ``session`` is its WAMP id, random in [1, 2**53]; a v1 client's session id is the same number in decimal.
    ``features`` holds what the client announced, as "role.feature" ("callee.call_canceling").
    ``subscriptions`` and ``registrations`` (by id) belong to broker and dealer, so that the cost of leaving depends on
    what the member had. ``call_limit`` bounds the calls that it may have in progress (None: the limit of its realm).

    ``wire``, ``push`` and ``tell`` belong to the session that joined the member; the router does not use them. An EVENT
    is encoded once for each distinct ``wire`` and given to ``push``; any other message is given to ``tell``. ``expel``
    ends the session with a GOODBYE, after the realm has removed the member. None: a session of orosync's own, which the
    meta API neither shows nor ends.

    ``joined``: when it joined its realm, in seconds since 1970; ``since`` the same by the monotonic clock.

    ``inside``: it belongs to the router's own process; no other callee can take its procedures over. ``elsewhere``: it
    stands for a callee of another node, which always takes an INTERRUPT, or for the callers of one.
    """

    elsewhere = False

    __slots__ = (
        "__weakref__", "call_limit", "expel", "features", "inside", "joined", "principal", "push", "registrations",
        "session", "since", "subscriptions", "tell", "wire",
    )  # fmt: skip

    def __init__(
        self,
        session: int,
        principal: Principal,
        features: frozenset[str] = frozenset(),
        wire: Any = None,
        push: Callable[[Any], None] | None = None,
        tell: Callable[[Message, Payload | None], None] | None = None,
        expel: Callable[[Goodbye], None] | None = None,
        inside: bool = False,
        call_limit: int | None = None,
    ) -> None:
        self.session = session
        self.principal = principal
        self.features = features
        self.wire = wire
        self.push = push or _unreachable
        self.tell = tell or _unreachable
        self.expel = expel
        self.inside = inside or expel is None
        self.call_limit = call_limit
        self.joined = self.since = 0.0
        self.subscriptions: dict[int, Any] = {}  # Subscription, below Registration: those modules import this
        self.registrations: dict[int, Any] = {}


class Audience(tuple[Member, ...]):
    """The members of a subscription, as an immutable value.

    ``groups`` is the dispatcher's: receivers by wire, computed once and not for every event.
    """

    groups: Any = None


class Delivery(NamedTuple):
    """``message`` with ``payload`` goes to each of ``receivers``; ``topic`` is set for an EVENT."""

    receivers: Collection[Member]
    message: Message
    payload: Payload | None = None
    topic: str = ""


def _unreachable(*args: object) -> None:
    raise TypeError("this member was joined without a way to reach it")


# -- options of requests
#
# A missing option and a null one are the same; unknown options are ignored. No serializer has checked their types: an
# option of a wrong type or an unknown word fails the request with ``wamp.error.invalid_argument``.


def flag(options: Mapping[str, Any], name: str, default: bool = False) -> bool:
    """A boolean. RequestError INVALID_ARGUMENT for anything else."""
    value = options.get(name)
    if value is None:
        return default
    if value is True or value is False:
        return bool(value)
    raise RequestError(uris.INVALID_ARGUMENT, f"{name} must be true or false")


def choice(options: Mapping[str, Any], name: str, default: Word) -> Word:
    """One word of the enumeration that ``default`` belongs to. RequestError INVALID_ARGUMENT for any other value."""
    value = options.get(name)
    if value is None:
        return default
    words = type(default)
    if isinstance(value, str):
        try:
            return words(value)
        except ValueError:
            pass
    raise RequestError(uris.INVALID_ARGUMENT, f"{name} must be one of {', '.join(word.value for word in words)}")


def text_size(details: Mapping[str, Any]) -> int:
    """The characters of all texts among ``details``: what keeping them costs."""
    return sum(len(value) for value in details.values() if isinstance(value, str))


def whole(options: Mapping[str, Any], name: str, least: int = 0) -> int | None:
    """A whole number that is at least ``least`` (integral floats too), None where there is none. RequestError
    INVALID_ARGUMENT for anything else."""
    value = options.get(name)
    if value is None:
        return None
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if type(value) is not int or not least <= value <= _LARGEST:
        raise RequestError(uris.INVALID_ARGUMENT, f"{name} must be a whole number from {least} on")
    return value
