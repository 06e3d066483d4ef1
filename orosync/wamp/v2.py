"""The life cycle of a WAMP v2 session on the router's side: which message may come when (WAMP, "Session Management").

Rules:
1. A session begins with HELLO and ends with ABORT, or with a GOODBYE from both sides; then a new HELLO may follow on
   the same transport.
2. While the router authenticates (ESTABLISHING) a client may only ABORT; while challenged (CHALLENGING) it may also
   AUTHENTICATE.
3. Requests come only while OPEN. After the router's GOODBYE some may still be under way: they are legal, and the
   session ignores them.
4. An illegal message raises ProtocolViolation and changes nothing.
5. ABORT is always legal, and is never answered.
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import Enum

from orosync.errors import ProtocolViolation
from orosync.wamp.messages import (
    Abort,
    Authenticate,
    Call,
    Cancel,
    Challenge,
    Error,
    Event,
    EventReceived,
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
    Unregister,
    Unregistered,
    Unsubscribe,
    Unsubscribed,
    Welcome,
    Yield,
)

PUBLISH = 16
CALL = 48
"""The requests that the router's ERROR to a publisher or a caller answers."""
INVOCATION = 68
"""The only request a client can answer with ERROR."""


class Phase(Enum):
    """The state of a session."""

    __hash__ = object.__hash__  # members are compared by identity; Enum's own hash is Python code on every look-up

    CLOSED = "closed"  # no session: before HELLO, and after ABORT or GOODBYE
    ESTABLISHING = "establishing"  # HELLO or AUTHENTICATE is being decided
    CHALLENGING = "challenging"  # CHALLENGE sent, AUTHENTICATE awaited
    OPEN = "open"
    CLOSING = "closing"  # one side has said GOODBYE


CLOSED, ESTABLISHING, CHALLENGING, OPEN, CLOSING = Phase

_Table = dict[Phase, dict[type[Message], Phase]]


def _each(kinds: Iterable[type[Message]], phase: Phase) -> dict[type[Message], Phase]:
    return dict.fromkeys(kinds, phase)


REQUESTS = (
    Publish, Subscribe, Unsubscribe, EventReceived, Call, Cancel, Register, Unregister, Yield, Error,
)  # fmt: skip
"""What a client may send while its session is open."""

RESPONSES = (
    Published, Subscribed, Unsubscribed, Event, Result, Registered, Unregistered, Invocation, Interrupt, Error,
)  # fmt: skip
"""What the router may send while a session is open."""

RECEIVED: _Table = {
    CLOSED:       {Hello: ESTABLISHING, Abort: CLOSED},
    ESTABLISHING: {Abort: CLOSED},
    CHALLENGING:  {Authenticate: ESTABLISHING, Abort: CLOSED},
    OPEN:         {Goodbye: CLOSING, Abort: CLOSED, **_each(REQUESTS, OPEN)},
    CLOSING:      {Goodbye: CLOSED, Abort: CLOSED, **_each(REQUESTS, CLOSING)},
}  # fmt: skip
"""For each phase, the messages a client may send, and the phase that follows."""

SENT: _Table = {
    CLOSED:       {Abort: CLOSED},
    ESTABLISHING: {Challenge: CHALLENGING, Welcome: OPEN, Abort: CLOSED},
    CHALLENGING:  {Abort: CLOSED},
    OPEN:         {Goodbye: CLOSING, Abort: CLOSED, **_each(RESPONSES, OPEN)},
    CLOSING:      {Goodbye: CLOSED, Abort: CLOSED},
}  # fmt: skip
"""For each phase, the messages the router may send, and the phase that follows."""


class Lifecycle:
    """The phase of one session. It starts CLOSED and needs every message received and sent.

    When a GOODBYE received leaves it CLOSING, the router owes one; when it leaves it CLOSED, the goodbyes are complete.
    """

    __slots__ = ("_received", "_sent", "phase")

    def __init__(self) -> None:
        self._enter(CLOSED)

    def received(self, message: Message) -> None:
        """``message`` came from the client. Raises ProtocolViolation if it must not come now."""
        following = self._received.get(type(message))
        if following is None:
            raise ProtocolViolation(f"{_name(message)} must not come while the session is {self.phase.value}")
        if type(message) is Error and message.request_type != INVOCATION:
            raise ProtocolViolation("ERROR does not answer an INVOCATION")
        if following is not self.phase:
            self._enter(following)

    def sent(self, message: Message) -> None:
        """``message`` goes to the client. Raises ProtocolViolation if it must not be sent now."""
        following = self._sent.get(type(message))
        if following is None:
            raise ProtocolViolation(f"{_name(message)} must not be sent while the session is {self.phase.value}")
        if following is not self.phase:
            self._enter(following)

    def _enter(self, phase: Phase) -> None:
        self.phase = phase
        self._received = RECEIVED[phase]
        self._sent = SENT[phase]


def _name(message: Message) -> str:
    return type(message).__name__.upper()
