"""What a component makes of the router's messages, and what it has to be spared.

autobahn hands the keyword arguments of an event, a call or a result on to Python functions of its own, and raises where
one has the name of a parameter of theirs ("self", "callee"); over a network that ends the session. So anybody who may
publish to a component could end it. Here such a message is lost, and whoever waits for an answer gets one.

It must not know how messages arrive, or what happens to a component that cannot go on.
"""

from __future__ import annotations

from typing import Any

from autobahn.twisted.wamp import ApplicationSession
from autobahn.wamp.message import Call, Error, Event, Invocation, Result
from autobahn.wamp.serializer import Serializer

from orosync.wamp import cbor_rules, names

_OF_FUNCTIONS = frozenset({"self", "fun"})
_OF_RESULTS = frozenset({"self", "fun", "enc_algo", "callee", "callee_authid", "callee_authrole", "forward_for"})
_OF_ERRORS = _OF_RESULTS | {"error"}


class Unheard(Exception):
    """A message that the component did not get; the reason is for the log. ``answer`` is for the router, if any."""

    def __init__(self, kind: str, reason: str, answer: Error | None = None) -> None:
        super().__init__(reason)
        self.kind = kind
        self.answer = answer


def hear(component: ApplicationSession, serializer: Serializer, data: bytes) -> None:
    """Give the component the message in ``data``. Raises Unheard where only this message is lost, and anything else
    where the component cannot go on."""
    try:
        (message,) = serializer.unserialize(data, True)
        component.onMessage(_bearable(message))
    except Exception as error:
        reason = f"{type(error).__name__}: {error}"
        kind, *rest = map(cbor_rules.element, cbor_rules.parts(data)[0][:3])
        if kind == Event.MESSAGE_TYPE or (kind == Result.MESSAGE_TYPE and rest[1].get("progress")):
            raise Unheard("event", reason) from error
        if kind == Invocation.MESSAGE_TYPE:
            words = ["this cannot be told to the component"]
            answer = Error(Invocation.MESSAGE_TYPE, rest[0], names.INVALID_ARGUMENT, args=words)
            raise Unheard("invocation", reason, answer) from error
        if kind == Result.MESSAGE_TYPE:
            component.onMessage(_instead(rest[0]))
            raise Unheard("result", reason) from error
        raise


def _bearable(message: Any) -> Any:
    """``message``, or what the component is told in its place. Raises ValueError for an event or a call."""
    kwargs = getattr(message, "kwargs", None)
    if not kwargs:
        return message
    if isinstance(message, Event | Invocation) and _OF_FUNCTIONS & kwargs.keys():
        raise ValueError("a keyword argument has a name that Python keeps for itself")
    if isinstance(message, Result) and _OF_RESULTS & kwargs.keys():
        if message.progress:
            raise ValueError("a keyword of a progressive result has a name that autobahn keeps for itself")
        return _instead(message.request)
    if isinstance(message, Error) and _OF_ERRORS & kwargs.keys():
        return Error(message.request_type, message.request, message.error, args=message.args)
    return message


def _instead(request: int) -> Any:
    """What the component is told in the place of a result."""
    return Error(Call.MESSAGE_TYPE, request, names.INVALID_ARGUMENT, args=["the result cannot be told"])
