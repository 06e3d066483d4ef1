"""What the router gives and takes: members, and deliveries as values.

The router never sends anything. Broker and dealer *return* deliveries; whoever joined a member knows how
messages reach it. This file must not know transports, serializers or who may do what.

Reads the values of WAMP options and details, whose types no serializer has checked.

A missing and a null option are the same thing; an unknown option is nobody's business; an option of a wrong type
or an unknown word costs the request one ERROR ``wamp.error.invalid_argument``. This file must not know what
any option means.
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


class Member:
    """A session as its realm sees it.

    ``session`` is its WAMP id, random in [1, 2**53]; a v1 client's session id is the same number in decimal.
    ``features`` holds what the client announced, as "role.feature" ("callee.call_canceling").
    ``subscriptions`` and ``registrations`` (by id) belong to broker and dealer, so that leaving costs
    what the member had and no more. ``call_limit`` bounds the calls that it may have in progress (None: as its realm
    has it).

    ``wire``, ``push`` and ``tell`` belong to whoever joined the member; the router does not touch them.
    An EVENT is encoded once for each distinct ``wire`` and given to ``push``; any other message is given
    to ``tell``. ``expel`` ends the session with a GOODBYE; the realm has let the member go by then. None: a session of
    orosync's own, which the meta API neither shows nor ends.

    ``inside``: it belongs to the router's own process; nobody can take its procedures over.
    """

    __slots__ = (
        "__weakref__", "call_limit", "expel", "features", "inside", "principal", "push", "registrations", "session",
        "subscriptions", "tell", "wire",
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
        self.subscriptions: dict[int, Any] = {}  # Subscription and Registration: what they are, their own modules know
        self.registrations: dict[int, Any] = {}


class Audience(tuple[Member, ...]):
    """Receivers who get many events together, as a value.

    ``groups`` belongs to whoever delivers: what was found out about them once need not be found out for every event.
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


Word = TypeVar("Word", bound=Enum)

_LARGEST = 2**53


def flag(options: Mapping[str, Any], name: str, default: bool = False) -> bool:
    """A yes or no. RequestError INVALID_ARGUMENT for anything that is not a boolean."""
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
    """How many characters the texts among ``details`` have together: for those who keep them."""
    return sum(len(value) for value in details.values() if isinstance(value, str))


def whole(options: Mapping[str, Any], name: str, least: int = 0) -> int | None:
    """A whole number from ``least`` on (integral floats too), None where there is none. RequestError INVALID_ARGUMENT
    for anything else."""
    value = options.get(name)
    if value is None:
        return None
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if type(value) is not int or not least <= value <= _LARGEST:
        raise RequestError(uris.INVALID_ARGUMENT, f"{name} must be a whole number from {least} on")
    return value
