"""Publishing into a realm from inside this process (notifications, the demonstration, bridges).

Calling procedures of a realm from inside this process (remote authorizers and authenticators, bridges).

The caller is a member that nobody sees: it does not join, so no list of sessions has it and no user's limit counts it.
It must not know what the procedures are for.

Procedures of orosync's own in a realm: functions of this process that clients call.

Like the local caller a member that nobody sees among the sessions. It must not know what the procedures do, or who may
call them.

A session of orosync's own in a realm: a WAMP v2 client without a wire, which speaks in values.

What it publishes and calls is authorised as anybody's; what it listens to and serves is what it was made for, and is
not. It must not know what it is used for.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

from twisted.internet.defer import Deferred, fail
from twisted.logger import Logger
from twisted.python.failure import Failure
from zope.interface import implementer

from orosync.errors import CallFailed, NotCarriable, ProtocolViolation, RequestError
from orosync.interfaces import ICaller, ILocalSession, IPublisher
from orosync.model import EMPTY, Match, Principal
from orosync.router.deliveries import Delivery, Member
from orosync.router.filters import Filters
from orosync.session.dispatch import LocalWire
from orosync.session.realm_context import RealmContext
from orosync.session.v2_requests import HANDLERS, Requests
from orosync.wamp import uris
from orosync.wamp.messages import Call, Error, Event, Invocation, Message, Publish, Result
from orosync.wamp.payload import Payload


@implementer(IPublisher)
class LocalPublisher:
    """orosync's own voice in one realm: allowed everything, excluded from nothing."""

    def __init__(self, realm_context: RealmContext) -> None:
        self._realm_context = realm_context

    def publish(
        self,
        topic: str,
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
        *,
        eligible: Sequence[int] | None = None,
    ) -> int:
        """See IPublisher. Raises NotCarriable if the values have no JSON form."""
        filters = None if eligible is None else Filters(eligible=frozenset(eligible))
        deliveries = self._realm_context.realm.broker.publish(topic, Payload.of(args, kwargs), filters=filters)[1]
        self._realm_context.dispatcher.deliver(deliveries)
        return sum(len(delivery.receivers) for delivery in deliveries)


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

    def __init__(self, realm_context: RealmContext, most: int = MOST) -> None:
        self._dealer = realm_context.realm.dealer
        self._deliver = realm_context.dispatcher.deliver
        self._member = Member(realm_context.own_id(), OROSYNC, tell=self._told)
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
            return fail(CallFailed(uris.UNAVAILABLE, [f"orosync has {self._most} calls under way"]))
        self._last = request = self._last + 1
        try:
            payload = Payload.of(args, kwargs)
            deliveries = self._dealer.call(self._member, request, procedure, EMPTY, payload)
        except RequestError as error:
            return fail(CallFailed(error.uri, [error.message]))
        except (NotCarriable, TypeError, ValueError) as error:
            return fail(CallFailed(uris.INVALID_ARGUMENT, [f"no serializer carries it: {type(error).__name__}"]))
        if callee_roles is not None and not _all_of(deliveries, callee_roles):
            self._deliver(self._dealer.cancel(self._member, request, _SKIP))  # no callee has heard of it yet
            if not deliveries:
                return fail(CallFailed(uris.UNAVAILABLE, [f"whoever answers {procedure} is busy"]))
            reason = f"{procedure} is registered by somebody who may not answer it"
            return fail(CallFailed(uris.NO_SUCH_PROCEDURE, [reason]))
        waiting: Deferred[Answer] = Deferred(lambda _: self._given_up(request))
        self._waiting[request] = waiting
        self._deliver(deliveries)
        return waiting

    def _given_up(self, request: int) -> None:
        """The Deferred was cancelled; it fails with CancelledError by itself."""
        if self._waiting.pop(request, None) is not None:
            self._deliver(self._dealer.cancel(self._member, request, EMPTY))

    def _told(self, message: Message, payload: Payload | None) -> None:
        if not isinstance(message, Result | Error) or (message.__class__ is Result and message.details.get("progress")):
            return
        waiting = self._waiting.pop(int(message.request), None)
        if waiting is None:  # given up
            return
        try:
            values = ([], {}) if payload is None else payload.values()
        except Exception as error:  # checked on receipt, and yet not to be the end of whoever answered
            waiting.errback(CallFailed(uris.INVALID_ARGUMENT, [f"the answer cannot be read: {type(error).__name__}"]))
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


Procedure = Callable[..., Sequence[Any]]
"""Called with the CALL's args and kwargs; returns the RESULT's args, or raises RequestError."""


class LocalCallee:
    """What orosync itself serves in one realm."""

    _log = Logger()

    def __init__(self, realm_context: RealmContext) -> None:
        self._dealer = realm_context.realm.dealer
        self._deliver = realm_context.dispatcher.deliver
        self._member = Member(realm_context.own_id(), OROSYNC, tell=self._told)
        self._served: dict[int, Procedure] = {}

    def offer(self, procedure: str, function: Procedure) -> int:
        """Serve ``procedure`` from now on; the registration's id. Raises RequestError when somebody else has it."""
        registration, deliveries = self._dealer.register(self._member, procedure)
        self._served[registration.id] = function
        self._deliver(deliveries)
        return registration.id

    def withdraw(self, registration: int) -> None:
        """Serve it no more."""
        del self._served[registration]
        self._deliver(self._dealer.unregister(self._member, registration))

    def _told(self, message: Message, payload: Payload | None) -> None:
        if isinstance(message, Invocation):
            request, function = int(message.request), self._served[int(message.registration)]
            try:
                args, kwargs = ([], {}) if payload is None else payload.values()
                result = Payload.of(function(*args, **kwargs))
            except Exception as error:
                self._deliver(self._dealer.failed(self._member, request, {}, *self._refusal(error)))
            else:
                self._deliver(self._dealer.yielded(self._member, request, {}, result))

    def _refusal(self, error: Exception) -> tuple[str, Payload]:
        """What the caller is told: of a fault of ours nothing but that."""
        if isinstance(error, RequestError):
            return error.uri, Payload.of([error.message])
        if isinstance(error, NotCarriable):
            return uris.INVALID_ARGUMENT, Payload.of([str(error)])
        if isinstance(error, TypeError):
            return uris.INVALID_ARGUMENT, Payload.of(["the procedure takes other arguments"])
        self._log.failure("a procedure of orosync's own failed", failure=Failure(error))
        return uris.RUNTIME_ERROR, Payload.of(["internal error"])


_WIRE = LocalWire()


@implementer(ILocalSession)
class LocalSession:
    """Joined from the beginning until ``leave``. ``deliver(message, payload, topic)`` gets what the router tells it, as
    soon as that happens; ``backlog`` bounds the requests that wait while an authorizer makes up its mind."""

    _log = Logger()

    def __init__(
        self,
        realm_context: RealmContext,
        principal: Principal,
        features: frozenset[str],
        deliver: Callable[[Message, Payload | None, str], None],
        backlog: int = 1000,
    ) -> None:
        self._realm_context = realm_context
        self._deliver = deliver
        self._backlog = backlog
        self._waiting: deque[tuple[Message, Payload | None]] = deque()
        self._held = False
        self._left = False
        self._member = Member(realm_context.free_id(), principal, features, _WIRE, self._push, self._tell)
        realm_context.join(self._member)
        self._requests = Requests(self, realm_context, self._member, backlog, backlog, forwards=True)

    # -- ILocalSession

    @property
    def mark(self) -> str:
        return self._realm_context.mark

    def subscribe(self, topic: str, match: Match) -> int:
        subscription, deliveries = self._realm_context.realm.broker.subscribe(self._member, topic, match)
        self._realm_context.dispatcher.deliver(deliveries)
        return subscription.id

    def register(self, procedure: str, match: Match) -> int:
        registration, deliveries = self._realm_context.realm.dealer.register(self._member, procedure, match)
        self._realm_context.dispatcher.deliver(deliveries)
        return registration.id

    def send(self, message: Message, payload: Payload | None = None) -> bool:
        if self._left:
            return False
        if not self._held:
            self._handle(message, payload)
        elif len(self._waiting) >= self._backlog and isinstance(message, Publish | Call):
            return False  # answers are always taken: there are no more of them than calls in progress
        else:
            self._waiting.append((message, payload))
        return True

    def leave(self) -> None:
        if not self._left:
            self._left = True
            self._waiting.clear()
            self._realm_context.leave(self._member)

    # -- what Requests ask of a session

    def wait(self, outcome: Deferred[Any], then: Callable[[Any], Any]) -> None:
        """Handle nothing more until ``outcome`` is there: that keeps messages in order."""
        outcome.addCallback(lambda value: None if self._left else then(value))
        outcome.addErrback(self._failed)
        if not outcome.called or outcome.paused:
            self._held = True
            outcome.addBoth(lambda _: self._go_on())

    def _go_on(self) -> None:
        self._held = False
        while self._waiting and not self._held:
            self._handle(*self._waiting.popleft())

    def _handle(self, message: Message, payload: Payload | None) -> None:
        try:
            HANDLERS[type(message)](self._requests, message, payload)
        except RequestError as error:
            self._requests.refuse(message, error)
        except ProtocolViolation as violation:
            self._realm_context.journal.note("session.violation", "local", reason=str(violation))
        except Exception:
            self._failed(Failure())

    def _failed(self, failure: Failure) -> None:
        self._log.failure("a message could not be handled", failure=failure)
        self._realm_context.journal.count("session.failed", "local")

    # -- what the router tells it

    def _push(self, event: tuple[Event, Payload | None, str]) -> None:
        self._hand_over(*event)

    def _tell(self, message: Message, payload: Payload | None) -> None:
        self._hand_over(message, payload, "")

    def _hand_over(self, message: Message, payload: Payload | None, topic: str) -> None:
        """``deliver`` must not spoil the delivery of others (``PostOffice``)."""
        if self._left:
            return
        try:
            self._deliver(message, payload, topic)
        except Exception:
            self._failed(Failure())
