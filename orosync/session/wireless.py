"""A session of orosync's own in a realm: a WAMP v2 client without a wire, which speaks in values.

What it publishes and calls is authorised as anybody's; what it listens to and serves is what it was made for, and is
not. It must not know what it is used for.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any

from twisted.internet.defer import Deferred
from twisted.logger import Logger
from twisted.python.failure import Failure
from zope.interface import implementer

from orosync.errors import ProtocolViolation, RequestError
from orosync.interfaces import ILocalSession
from orosync.model import Match, Principal
from orosync.router.delivery import Member
from orosync.session.hosted import HostedRealm
from orosync.session.requests import HANDLERS, Requests
from orosync.session.wire import LocalWire
from orosync.wamp.messages import Call, Event, Message, Publish
from orosync.wamp.payload import Payload

_WIRE = LocalWire()


@implementer(ILocalSession)
class WirelessSession:
    """Joined from the beginning until ``leave``. ``deliver(message, payload, topic)`` gets what the router tells it, as
    soon as that happens; ``backlog`` bounds the requests that wait while an authorizer makes up its mind."""

    _log = Logger()

    def __init__(
        self,
        hosted: HostedRealm,
        principal: Principal,
        features: frozenset[str],
        deliver: Callable[[Message, Payload | None, str], None],
        backlog: int = 1000,
    ) -> None:
        self._hosted = hosted
        self._deliver = deliver
        self._backlog = backlog
        self._waiting: deque[tuple[Message, Payload | None]] = deque()
        self._held = False
        self._left = False
        self._member = Member(hosted.free_id(), principal, features, _WIRE, self._push, self._tell)
        hosted.join(self._member)
        self._requests = Requests(self, hosted, self._member, backlog, backlog, forwards=True)

    # -- ILocalSession

    @property
    def mark(self) -> str:
        return self._hosted.mark

    def subscribe(self, topic: str, match: Match) -> int:
        subscription, deliveries = self._hosted.realm.broker.subscribe(self._member, topic, match)
        self._hosted.office.post(deliveries)
        return subscription.id

    def register(self, procedure: str, match: Match) -> int:
        registration, deliveries = self._hosted.realm.dealer.register(self._member, procedure, match)
        self._hosted.office.post(deliveries)
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
            self._hosted.leave(self._member)

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
            self._hosted.journal.note("session.violation", "local", reason=str(violation))
        except Exception:
            self._failed(Failure())

    def _failed(self, failure: Failure) -> None:
        self._log.failure("a message could not be handled", failure=failure)
        self._hosted.journal.count("session.failed", "local")

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
