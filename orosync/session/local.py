"""orosync itself in a realm: what it publishes, calls and serves, and sessions that it has there.

``LocalMember`` is for orosync's own purposes (notifications, remote authorizers and authenticators, the demonstration,
the control socket).
The dealer knows it, the list of sessions does not: no user's limit counts it, and everything is allowed to it.
``LocalSession`` is a WAMP v2 client that speaks in values instead of bytes (uplinks). What it publishes and calls is
authorized like any client's; what it subscribes to and serves was configured, and is not.
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
from orosync.session.replies import wait_for
from orosync.session.v2_requests import HANDLERS, Requests
from orosync.wamp import uris
from orosync.wamp.messages import Call, Error, Event, Invocation, Message, Publish, Result
from orosync.wamp.payload import Payload

MOST = 8_000
"""Calls under way in a realm; one more fails at once. All clients may come back at the same moment, and the dealer lets
one callee have a few more than these."""

OROSYNC = Principal(authid="orosync", authrole="trusted", authmethod="local", authprovider="orosync")
"""Who orosync itself is for a callee that is told who calls."""

Answer = tuple[list[Any], dict[str, Any]]

Procedure = Callable[..., Sequence[Any]]
"""Called with the CALL's args and kwargs; returns the RESULT's args, or raises RequestError."""

Receive = Callable[[Event, Payload | None, str], None]
"""Called with each EVENT, its payload and its topic."""

_SKIP = {"mode": "skip"}
_WIRE = LocalWire()


@implementer(IPublisher, ICaller)
class LocalMember:
    """orosync in one realm. ``most`` bounds its calls under way. ``here``: what it publishes is for subscribers of this
    node alone, since every node publishes the same."""

    _log = Logger()

    def __init__(self, realm_context: RealmContext, most: int = MOST, *, here: bool = False) -> None:
        self._broker, self._dealer = realm_context.realm.broker, realm_context.realm.dealer
        self._deliver = realm_context.dispatcher.deliver
        self._member = Member(realm_context.own_id(), OROSYNC, wire=_WIRE, push=self._push, tell=self._tell)
        self._most = most
        self._here = here
        self._calls: dict[int, Deferred[Answer]] = {}
        self._last = 0
        self._procedures: dict[int, Procedure] = {}
        self._receivers: dict[int, list[Receive]] = {}

    def publish(
        self,
        topic: str,
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
        *,
        eligible: Sequence[int] | None = None,
        user: str = "",
    ) -> int:
        """See IPublisher; ``user``: only for this user, on all nodes. Raises NotCarriable if the values have
        no JSON form."""
        sessions = None if eligible is None else frozenset(eligible)
        users = frozenset([user]) if user else None
        filters = None if sessions is None and users is None else Filters(eligible=sessions, eligible_authid=users)
        _, deliveries = self._broker.publish(topic, Payload.of(args, kwargs), filters=filters, here=self._here)
        self._deliver(deliveries)
        return sum(len(delivery.receivers) for delivery in deliveries)

    # -- as a subscriber

    def subscribe(self, topic: str, match: Match, receive: Receive) -> Callable[[], None]:
        """Have ``receive`` called with each event that is for every subscriber. The result, called once, ends that.
        Watchers of topics (ITopicWatcher) are not told of it."""
        subscription, _ = self._broker.subscribe(self._member, topic, match)
        receivers = self._receivers.setdefault(subscription.id, [])
        subscription.own += not receivers
        receivers.append(receive)

        def end() -> None:
            receivers.remove(receive)
            if not receivers:
                del self._receivers[subscription.id]
                subscription.own -= 1
                self._broker.unsubscribe(self._member, subscription.id)

        return end

    def _push(self, event: tuple[Event, Payload | None, str]) -> None:
        message, payload, topic = event
        for receive in tuple(self._receivers.get(int(message.subscription), ())):
            try:
                receive(message, payload, topic)
            except Exception:  # it must not stop the delivery to others (``Dispatcher``)
                self._log.failure("an event could not be handled")

    # -- as a caller

    def call(
        self,
        procedure: str,
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
        *,
        callee_roles: Collection[str] | None = None,
    ) -> Deferred[Answer]:
        """See ICaller."""
        if len(self._calls) >= self._most:
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
            self._deliver(self._dealer.cancel(self._member, request, _SKIP))  # no callee has been told of it yet
            if not deliveries:
                return fail(CallFailed(uris.UNAVAILABLE, [f"the callee of {procedure} is busy"]))
            reason = f"{procedure} is registered by a session that may not answer it"
            return fail(CallFailed(uris.NO_SUCH_PROCEDURE, [reason]))
        waiting: Deferred[Answer] = Deferred(lambda _: self._given_up(request))
        self._calls[request] = waiting
        self._deliver(deliveries)
        return waiting

    def _given_up(self, request: int) -> None:
        """The Deferred was cancelled; it fails with CancelledError by itself."""
        if self._calls.pop(request, None) is not None:
            self._deliver(self._dealer.cancel(self._member, request, EMPTY))

    # -- as a callee

    def register(self, procedure: str, function: Procedure) -> int:
        """Serve ``procedure`` from now on; the registration's id. RequestError when it is registered already."""
        registration, deliveries = self._dealer.register(self._member, procedure)
        self._procedures[registration.id] = function
        self._deliver(deliveries)
        return registration.id

    def unregister(self, registration: int) -> None:
        """Serve it no more."""
        del self._procedures[registration]
        self._deliver(self._dealer.unregister(self._member, registration))

    # -- what the router tells it

    def _tell(self, message: Message, payload: Payload | None) -> None:
        if isinstance(message, Invocation):
            self._invoked(message, payload)
        elif isinstance(message, Error) or (isinstance(message, Result) and not message.details.get("progress")):
            self._answered(message, payload)

    def _answered(self, message: Result | Error, payload: Payload | None) -> None:
        waiting = self._calls.pop(int(message.request), None)
        if waiting is None:  # given up
            return
        try:
            values = ([], {}) if payload is None else payload.values()
        except Exception as error:  # checked on receipt; should it fail all the same, its callee stays connected
            waiting.errback(CallFailed(uris.INVALID_ARGUMENT, [f"the answer cannot be read: {type(error).__name__}"]))
            return
        if isinstance(message, Error):
            waiting.errback(CallFailed(message.error, *values))
        else:
            waiting.callback(values)

    def _invoked(self, message: Invocation, payload: Payload | None) -> None:
        request, function = int(message.request), self._procedures[int(message.registration)]
        try:
            args, kwargs = ([], {}) if payload is None else payload.values()
            answer = Payload.of(function(*args, **kwargs))
        except Exception as error:
            self._deliver(self._dealer.failed(self._member, request, {}, *self._refusal(error)))
        else:
            self._deliver(self._dealer.yielded(self._member, request, {}, answer))

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


def _all_of(deliveries: Sequence[Delivery], roles: Collection[str]) -> bool:
    """Whether the call goes to callees now, all of them with one of ``roles``. One that waits may go to any callee
    later."""
    callees = [one for each in deliveries if isinstance(each.message, Invocation) for one in each.receivers]
    return bool(callees) and all(callee.principal.authrole in roles for callee in callees)


@implementer(ILocalSession)
class LocalSession:
    """Joined from the beginning until ``leave``. ``receive(message, payload, topic)`` gets what the router tells it, as
    soon as that happens; ``backlog`` bounds the requests that wait for an authorizer's decision."""

    _log = Logger()

    def __init__(
        self,
        realm_context: RealmContext,
        principal: Principal,
        features: frozenset[str],
        receive: Callable[[Message, Payload | None, str], None],
        backlog: int = 1000,
    ) -> None:
        self._realm_context = realm_context
        self._receive = receive
        self._deliver = realm_context.dispatcher.deliver
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
        self._deliver(deliveries)
        return subscription.id

    def register(self, procedure: str, match: Match) -> int:
        registration, deliveries = self._realm_context.realm.dealer.register(self._member, procedure, match)
        self._deliver(deliveries)
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

    # -- RequestingSession

    def wait(self, outcome: Deferred[Any], then: Callable[[Any], Any]) -> None:
        """See RequestingSession."""
        wait_for(outcome, then, self, lambda: self._left, self._failed)

    def pause(self, reason: int) -> None:
        """Queue what is sent, and handle nothing."""
        self._held = True

    def resume(self, reason: int) -> None:
        """Handle what is queued."""
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
        """An exception of ``receive`` must not stop the delivery to others (``Dispatcher``)."""
        if self._left:
            return
        try:
            self._receive(message, payload, topic)
        except Exception:
            self._failed(Failure())
