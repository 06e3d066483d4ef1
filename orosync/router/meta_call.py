"""A call of one of WAMP's own procedures: its arguments, and how the realm answers it.

These procedures have no callee; the dealer hands a call of one to its ``Procedure``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from orosync.errors import NotCarriable, ProtocolViolation, RequestError
from orosync.model import Match
from orosync.router.deliveries import Delivery, Member, choice
from orosync.wamp import ids, uris
from orosync.wamp.messages import Result
from orosync.wamp.payload import Payload


class MetaCall:
    """``caller`` called with ``args`` and ``kwargs``. ``answer_kwargs`` are the keywords of the answer, ``deliveries``
    go to other members.

    Arguments are read by position, or by name where there are fewer. A wrong or missing one is answered with
    ``wamp.error.invalid_argument``; surplus ones are ignored.
    """

    __slots__ = ("answer_kwargs", "args", "caller", "deliveries", "kwargs", "payload", "request")

    def __init__(self, caller: Member, request: int, payload: Payload | None) -> None:
        self.caller = caller
        self.request = request
        self.payload = payload
        try:
            self.args, self.kwargs = ([], {}) if payload is None else payload.values()
        except NotCarriable as error:
            raise RequestError(uris.INVALID_ARGUMENT, str(error)) from None
        self.deliveries: list[Delivery] = []
        self.answer_kwargs: dict[str, Any] = {}

    def value(self, position: int, name: str) -> Any:
        """An argument, None when it is not there."""
        return self.args[position] if position < len(self.args) else self.kwargs.get(name)

    def id(self, position: int, name: str) -> int:
        """An id, or the integral float that some clients send."""
        return read_id(self.value(position, name), name)

    def text(self, position: int, name: str) -> str:
        """A string."""
        value = self.value(position, name)
        if not isinstance(value, str):
            raise RequestError(uris.INVALID_ARGUMENT, f"{name} must be a string")
        return value

    def texts(self, position: int, name: str) -> list[str] | None:
        """A list of strings, None when it is not there."""
        value = self.value(position, name)
        if value is None:
            return None
        if not isinstance(value, list) or not all(isinstance(each, str) for each in value):
            raise RequestError(uris.INVALID_ARGUMENT, f"{name} must be a list of strings")
        return value

    def options(self, position: int, name: str) -> Mapping[str, Any]:
        """A dictionary, empty when it is not there."""
        value = self.value(position, name)
        if value is None:
            return {}
        if not isinstance(value, dict):
            raise RequestError(uris.INVALID_ARGUMENT, f"{name} must be a dictionary")
        return value

    def reason(self, position: int) -> str | None:
        """The reason that another session is given, None when it is not there. RequestError INVALID_URI: autobahn, for
        example, ends its session over a reason that is no URI."""
        value = self.value(position, "reason")
        if value is None:
            return None
        if not isinstance(value, str):
            raise RequestError(uris.INVALID_URI, "reason must be a URI")
        uris.check(value)
        return value

    def match(self, position: int) -> Match:
        """``match`` among the options of a look-up, as in SUBSCRIBE and REGISTER."""
        return choice(self.options(position, "options"), "match", Match.EXACT)


def read_id(value: object, name: str) -> int:
    """``value`` as an id. RequestError INVALID_ARGUMENT."""
    try:
        return ids.normalise(value)
    except ProtocolViolation:
        raise RequestError(uris.INVALID_ARGUMENT, f"{name} must be an id") from None


Handler = Callable[[MetaCall], list[Any] | None]
"""Answers with the arguments of the RESULT; None: the answer comes later, from elsewhere. Raises RequestError."""

Procedure = Callable[[Member, int, Payload | None], list[Delivery]]
"""What the dealer asks: (caller, request, payload)."""


def procedure(handler: Handler) -> Procedure:
    """``handler`` as the dealer wants it."""

    def called(caller: Member, request: int, payload: Payload | None) -> list[Delivery]:
        call = MetaCall(caller, request, payload)
        answer = handler(call)
        return call.deliveries if answer is None else [result(call, answer), *call.deliveries]

    return called


def result(call: MetaCall, answer: list[Any]) -> Delivery:
    """The RESULT of ``call``; without arguments where there is nothing to tell."""
    payload = Payload.of(answer, call.answer_kwargs or None) if answer else None
    return Delivery((call.caller,), Result(call.request, {}), payload)
