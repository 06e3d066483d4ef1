"""The session of an uplink in the other realm: a client of WAMP v2, from HELLO to GOODBYE, over one connection.

Messages are values, payloads stay encoded. A message out of order ends the connection; a message that cannot be read
(such as another client's number that is too large for us) is dropped.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IPushProducer
from zope.interface import implementer

from orosync import __version__
from orosync.client.login import Login
from orosync.client.transports import ClientTransport
from orosync.errors import NotCarriable, ProtocolViolation, Unfit
from orosync.interfaces import IJournal
from orosync.model import Match
from orosync.wamp import forwarding, uris
from orosync.wamp.codec import CODECS
from orosync.wamp.ids import Sequence
from orosync.wamp.messages import (
    Abort,
    Authenticate,
    Call,
    Challenge,
    Error,
    Event,
    Goodbye,
    Hello,
    Interrupt,
    Invocation,
    Message,
    Publish,
    Published,
    Register,
    Registered,
    Result,
    Subscribe,
    Subscribed,
    Unregistered,
    Unsubscribed,
    Welcome,
    Yield,
)
from orosync.wamp.payload import Payload
from orosync.wamp.v2 import CALL, INVOCATION, PUBLISH

_FEATURES = {
    "publisher": ("publisher_identification",),
    "subscriber": ("pattern_based_subscription", "publisher_identification"),
    "caller": ("call_canceling", "caller_identification", "progressive_call_results"),
    "callee": ("call_canceling", "caller_identification", "pattern_based_registration", "progressive_call_results"),
}
ROLES = {
    role: {"features": dict.fromkeys((*features, "payload_passthru_mode"), True)}
    for role, features in _FEATURES.items()
}
"""HELLO.Details.roles."""

_DELIVERED = (Event, Published, Invocation, Interrupt, Result)


class Lost(Exception):
    """The session could not be opened, or is over; the text says why."""


@implementer(IPushProducer)
class RemoteSession:
    """``joined`` fires with WELCOME's details, or fails with Lost; ``over`` fires with the reason when the connection
    is gone; ``reached`` says whether there ever was one. ``deliver(message, payload)`` gets events, invocations,
    interrupts, results and errors of calls and publishes.

    At most ``queue`` events wait while the router does not read; what else waits is bounded by the calls in
    progress.
    """

    def __init__(
        self,
        realm: str,
        login: Login,
        serializer: str,
        deliver: Callable[[Message, Payload | None], None],
        journal: IJournal,
        uplink: str,
        queue: int,
    ) -> None:
        self.joined: Deferred[dict[str, Any]] = Deferred()
        self.over: Deferred[str] = Deferred()
        self._realm = realm
        self._login = login
        self._codec = CODECS[f"wamp.2.{serializer}"]
        self._deliver = deliver
        self._journal = journal
        self._uplink = uplink
        self._queue = queue
        self._transport: ClientTransport | None = None
        self.reached = False
        self._open = False
        self._reason = ""
        self._requests = Sequence()
        self._asked: dict[int, Deferred[int]] = {}
        self._waiting: deque[tuple[Message, Payload | None]] | None = None

    # -- Side, and what else an uplink asks for

    def next_request(self) -> int:
        return self._requests.next()

    def send(self, message: Message, payload: Payload | None = None) -> bool:
        if not self._open:
            return False
        if self._waiting is None:
            self._put(message, payload)
        elif len(self._waiting) >= self._queue and type(message) is Publish:
            return False
        else:
            self._waiting.append((message, payload))
        return True

    def subscribe(self, topic: str, match: Match) -> Deferred[int]:
        """Fires with the subscription's id; fails with Lost, with the error of the router."""
        return self._ask(Subscribe(self.next_request(), {"match": match.value}, topic))

    def register(self, procedure: str, match: Match) -> Deferred[int]:
        """Fires with the registration's id; fails with Lost, with the error of the router."""
        return self._ask(Register(self.next_request(), {"match": match.value}, procedure))

    def leave(self) -> None:
        """GOODBYE; the router answers it, and then the connection ends."""
        if self._open and self._transport is not None:
            self._put(Goodbye({}, uris.SYSTEM_SHUTDOWN))
            self._open = False
        else:
            self.drop("not wanted any more")

    def drop(self, reason: str) -> None:
        """End it at once."""
        self._reason = self._reason or reason
        self._open = False
        if self._transport is not None:
            self._transport.drop()
        elif not self.joined.called:
            self.joined.errback(Lost(self._reason))

    def _ask(self, message: Subscribe | Register) -> Deferred[int]:
        waiting: Deferred[int] = Deferred()
        self._asked[int(message.request)] = waiting
        if not self.send(message):
            self._asked.pop(int(message.request)).errback(Lost("the connection is gone"))
        return waiting

    # -- called by the transport (ClientSession)

    def opened(self, transport: ClientTransport) -> None:
        if self._reason:  # not wanted any more
            transport.drop()
            return
        self._transport = transport
        self.reached = True
        transport.transport.registerProducer(self, True)
        details = {"roles": ROLES, "agent": f"orosync/{__version__}", forwarding.UPLINK: True, **self._login.hello()}
        self._put(Hello(self._realm, details))

    def received(self, data: bytes, binary: bool) -> None:
        try:
            message, payload = self._codec.decode(data)
        except ProtocolViolation as violation:
            self._journal.note("uplink.dropped", "unreadable", uplink=self._uplink, reason=str(violation))
            return
        except Unfit as unfit:
            self._spare(unfit.message, str(unfit))
            return
        about_others = isinstance(message, Error) and message.request_type in (PUBLISH, CALL)
        if self._open and (about_others or isinstance(message, _DELIVERED)):
            self._deliver(message, payload)
        else:
            self._handle(message)

    def _spare(self, message: Message, reason: str) -> None:
        """A message of the router holds unsupported values: the side that waits for an answer gets an ERROR."""
        self._journal.note("uplink.dropped", "unreadable", uplink=self._uplink, reason=reason)
        if not self._open:
            self._handle(message)
        elif isinstance(message, Invocation):
            self._put(Error(INVOCATION, message.request, {}, uris.INVALID_ARGUMENT), Payload.of([reason], None))
        elif isinstance(message, Result) or (isinstance(message, Error) and message.request_type in (PUBLISH, CALL)):
            request = CALL if isinstance(message, Result) else message.request_type
            self._deliver(Error(request, message.request, {}, uris.INVALID_ARGUMENT), Payload.of([reason], None))
        elif not isinstance(message, Event):
            self._handle(message)

    def closed(self, reason: str) -> None:
        self._open = False
        self._transport = None
        reason = self._reason or reason
        asked, self._asked = self._asked, {}
        for waiting in asked.values():
            waiting.errback(Lost(reason))
        if not self.joined.called:
            self.joined.errback(Lost(reason))
        self.over.callback(reason)

    # -- the session itself

    def _handle(self, message: Message) -> None:
        if self._open:
            if isinstance(message, Subscribed | Registered | Error):
                self._answered(message)
            elif isinstance(message, Goodbye):
                self._put(Goodbye({}, uris.GOODBYE_AND_OUT))
                self._end(f"the router said goodbye ({message.reason})")
            elif isinstance(message, Abort):
                self._end(_refusal(message))
            elif not isinstance(message, Unsubscribed | Unregistered):
                self._violated(message)
        elif self.joined.called:
            if isinstance(message, Goodbye) and self._transport is not None:  # the answer to ours
                self._end("left")
        elif isinstance(message, Challenge):
            try:
                self._put(Authenticate(self._login.answer(message), {}))
            except ValueError as error:
                self._put(Abort({}, uris.AUTHENTICATION_FAILED))
                self._end(f"the router {error}")
        elif isinstance(message, Welcome):
            self._open = True
            self.joined.callback({**message.details, "session": int(message.session)})
        elif isinstance(message, Abort):
            self._end(_refusal(message))
        else:
            self._violated(message)

    def _answered(self, message: Subscribed | Registered | Error) -> None:
        waiting = self._asked.pop(int(message.request), None)
        if waiting is None:
            return
        if isinstance(message, Error):
            waiting.errback(Lost(message.error))
        else:
            waiting.callback(int(message.subscription if isinstance(message, Subscribed) else message.registration))

    def _violated(self, message: Message) -> None:
        self._put(Abort({}, uris.PROTOCOL_VIOLATION))
        self._end(f"the router sent {type(message).__name__.upper()} out of turn")

    def _end(self, reason: str) -> None:
        self._reason = self._reason or reason
        self._open = False
        if self._transport is not None:
            self._transport.transport.unregisterProducer()  # a transport that has one does not close
            self._transport.hang_up()

    def _put(self, message: Message, payload: Payload | None = None) -> None:
        if self._transport is None:
            return
        try:
            data = self._codec.encode(message, payload)
        except NotCarriable as error:
            kind = type(message).__name__.lower()
            self._journal.note("payload.undeliverable", kind, uplink=self._uplink, reason=str(error))
            self._not_carried(message, str(error))
            return
        self._transport.put(data, self._codec.binary)

    def _not_carried(self, message: Message, reason: str) -> None:
        """An ERROR for the side that waits for the answer to ``message``, or for the one in it."""
        if isinstance(message, Call):
            self._deliver(Error(CALL, message.request, {}, uris.INVALID_ARGUMENT), Payload.of([reason], None))
        elif isinstance(message, Yield):
            self._put(Error(INVOCATION, message.request, {}, uris.INVALID_ARGUMENT), Payload.of([reason], None))

    # -- IPushProducer: the transport's buffer

    def pauseProducing(self) -> None:
        if self._waiting is None:
            self._waiting = deque()

    def resumeProducing(self) -> None:
        waiting, self._waiting = self._waiting, None
        while waiting:
            self._put(*waiting.popleft())
            if self._waiting is not None:  # full again
                self._waiting = waiting
                return

    def stopProducing(self) -> None:
        """The connection is lost: ``closed`` says so."""


def _refusal(message: Abort) -> str:
    said = message.details.get("message")
    return f"the router refused: {message.reason}" + (f", {said}" if isinstance(said, str) and said else "")
