"""Calling procedures of a realm from inside this process (remote authorizers and authenticators, bridges).

The caller is a member that nobody sees: it does not join, so no list of sessions has it and no user's limit counts it.
It must not know what the procedures are for.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from twisted.internet.defer import Deferred, fail
from zope.interface import implementer

from orosync.errors import CallFailed, NotCarriable, RequestError
from orosync.interfaces import ICaller
from orosync.model import NOTHING, Principal
from orosync.router.delivery import Delivery, Member
from orosync.session.hosted import HostedRealm
from orosync.wamp import names
from orosync.wamp.messages import Error, Invocation, Message, Result
from orosync.wamp.payload import Payload

MOST = 8_000
"""Calls under way in a realm; one more fails at once. Everybody may come back at the same moment, and the dealer lets
one callee have a few more than these."""

OROSYNC = Principal(authid="orosync", authrole="trusted", authmethod="local", authprovider="orosync")
"""Who orosync itself is, in the eyes of a callee that is told who calls."""

_SKIP = {"mode": "skip"}

Answer = tuple[list[Any], dict[str, Any]]


@implementer(ICaller)
class LocalCaller:
    """orosync's own calls in one realm: every one is allowed. ``most`` bounds those under way."""

    def __init__(self, hosted: HostedRealm, most: int = MOST) -> None:
        self._dealer = hosted.realm.dealer
        self._post = hosted.office.post
        self._member = Member(hosted.own_id(), OROSYNC, tell=self._told)
        self._most = most
        self._waiting: dict[int, Deferred[Answer]] = {}
        self._last = 0

    def call(
        self,
        procedure: str,
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
        *,
        callee_roles: Collection[str] | None = None,
    ) -> Deferred[Answer]:
        """See ICaller."""
        if len(self._waiting) >= self._most:
            return fail(CallFailed(names.UNAVAILABLE, [f"orosync has {self._most} calls under way"]))
        self._last = request = self._last + 1
        try:
            payload = Payload.of(args, kwargs)
            deliveries = self._dealer.call(self._member, request, procedure, NOTHING, payload)
        except RequestError as error:
            return fail(CallFailed(error.uri, [error.message]))
        except (NotCarriable, TypeError, ValueError) as error:
            return fail(CallFailed(names.INVALID_ARGUMENT, [f"no serializer carries it: {type(error).__name__}"]))
        if callee_roles is not None and not _all_of(deliveries, callee_roles):
            self._post(self._dealer.cancel(self._member, request, _SKIP))  # no callee has heard of it yet
            if not deliveries:
                return fail(CallFailed(names.UNAVAILABLE, [f"whoever answers {procedure} is busy"]))
            reason = f"{procedure} is registered by somebody who may not answer it"
            return fail(CallFailed(names.NO_SUCH_PROCEDURE, [reason]))
        waiting: Deferred[Answer] = Deferred(lambda _: self._given_up(request))
        self._waiting[request] = waiting
        self._post(deliveries)
        return waiting

    def _given_up(self, request: int) -> None:
        """The Deferred was cancelled; it fails with CancelledError by itself."""
        if self._waiting.pop(request, None) is not None:
            self._post(self._dealer.cancel(self._member, request, NOTHING))

    def _told(self, message: Message, payload: Payload | None) -> None:
        if not isinstance(message, Result | Error) or (message.__class__ is Result and message.details.get("progress")):
            return
        waiting = self._waiting.pop(int(message.request), None)
        if waiting is None:  # given up
            return
        try:
            values = ([], {}) if payload is None else payload.values()
        except Exception as error:  # checked on receipt, and yet not to be the end of whoever answered
            waiting.errback(CallFailed(names.INVALID_ARGUMENT, [f"the answer cannot be read: {type(error).__name__}"]))
            return
        if isinstance(message, Error):
            waiting.errback(CallFailed(message.error, *values))
        else:
            waiting.callback(values)


def _all_of(deliveries: Sequence[Delivery], roles: Collection[str]) -> bool:
    """Whether the call goes to somebody, and to nobody but members with one of ``roles``. One that waits may go to
    anybody later."""
    callees = [one for each in deliveries if isinstance(each.message, Invocation) for one in each.receivers]
    return bool(callees) and all(callee.principal.authrole in roles for callee in callees)
