"""Procedures of orosync's own in a realm: functions of this process that clients call.

Like the local caller a member that nobody sees among the sessions. It must not know what the procedures do, or who may
call them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from twisted.logger import Logger
from twisted.python.failure import Failure

from orosync.errors import NotCarriable, RequestError
from orosync.router.delivery import Member
from orosync.session.hosted import HostedRealm
from orosync.session.local_caller import OROSYNC
from orosync.wamp import names
from orosync.wamp.messages import Invocation, Message
from orosync.wamp.payload import Payload

Procedure = Callable[..., Sequence[Any]]
"""Called with the CALL's args and kwargs; returns the RESULT's args, or raises RequestError."""


class LocalCallee:
    """What orosync itself serves in one realm."""

    _log = Logger()

    def __init__(self, hosted: HostedRealm) -> None:
        self._dealer = hosted.realm.dealer
        self._post = hosted.office.post
        self._member = Member(hosted.own_id(), OROSYNC, tell=self._told)
        self._served: dict[int, Procedure] = {}

    def offer(self, procedure: str, function: Procedure) -> int:
        """Serve ``procedure`` from now on; the registration's id. Raises RequestError when somebody else has it."""
        registration, deliveries = self._dealer.register(self._member, procedure)
        self._served[registration.id] = function
        self._post(deliveries)
        return registration.id

    def withdraw(self, registration: int) -> None:
        """Serve it no more."""
        del self._served[registration]
        self._post(self._dealer.unregister(self._member, registration))

    def _told(self, message: Message, payload: Payload | None) -> None:
        if isinstance(message, Invocation):
            request, function = int(message.request), self._served[int(message.registration)]
            try:
                args, kwargs = ([], {}) if payload is None else payload.values()
                result = Payload.of(function(*args, **kwargs))
            except Exception as error:
                self._post(self._dealer.failed(self._member, request, {}, *self._refusal(error)))
            else:
                self._post(self._dealer.yielded(self._member, request, {}, result))

    def _refusal(self, error: Exception) -> tuple[str, Payload]:
        """What the caller is told: of a fault of ours nothing but that."""
        if isinstance(error, RequestError):
            return error.uri, Payload.of([error.message])
        if isinstance(error, NotCarriable):
            return names.INVALID_ARGUMENT, Payload.of([str(error)])
        if isinstance(error, TypeError):
            return names.INVALID_ARGUMENT, Payload.of(["the procedure takes other arguments"])
        self._log.failure("a procedure of orosync's own failed", failure=Failure(error))
        return names.RUNTIME_ERROR, Payload.of(["internal error"])
