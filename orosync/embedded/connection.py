"""A component of the application inside the router's process: a WAMP session without a socket.

Towards the router it is an ILink, so that a session serves it like any client; towards autobahn's ApplicationSession
it is an ITransport. Messages pass as CBOR bytes, as over a network, so that neither side holds a value that the other
may change. The router's messages are delivered in a later turn of the reactor: each turn delivers what waited at its
beginning. What waits is bounded both ways; beyond the bound the component is disconnected.

autobahn passes the keyword arguments of an event, a call or a result to Python functions of its own, and raises where
one has the name of a parameter of theirs ("self", "callee"); over a network that ends the session. A client that may
publish to a component could so end it. Here such a message is dropped, and a caller gets an ERROR.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any

from autobahn.exception import PayloadExceededError
from autobahn.twisted.wamp import ApplicationSession
from autobahn.wamp.exception import SerializationError, TransportLost
from autobahn.wamp.interfaces import ITransport
from autobahn.wamp.message import Call, Error, Event, Goodbye, Invocation, Result
from autobahn.wamp.serializer import CBORSerializer, Serializer
from autobahn.wamp.types import TransportDetails
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.logger import Logger
from zope.interface import implementer

from orosync.errors import ProtocolViolation
from orosync.interfaces import WAITING, IJournal, ILink, ISession
from orosync.model import ConnectionFacts
from orosync.wamp import cbor_rules, uris
from orosync.wamp.formats import UnsupportedValue

SUBPROTOCOL = "wamp.2.cbor"
LIMIT = 16 * 1024 * 1024
"""Bytes that may wait, each way: far more than all clients together can send in one turn of the reactor."""

_OF_FUNCTIONS = frozenset({"self", "fun"})
_OF_RESULTS = frozenset({"self", "fun", "enc_algo", "callee", "callee_authid", "callee_authrole", "forward_for"})
_OF_ERRORS = _OF_RESULTS | {"error"}
"""Keyword arguments that autobahn's functions for events and calls, results, and errors cannot take."""


class Undeliverable(Exception):
    """A message was not delivered to the component; the reason is for the log, ``answer`` for the router, if any."""

    def __init__(self, code: str, reason: str, answer: Error | None = None) -> None:
        super().__init__(reason)
        self.code = code
        self.answer = answer


def unframed(payload: bytes, binary: bool) -> bytes:
    """The framer of a link without frames."""
    return payload


def component_facts(name: str) -> ConnectionFacts:
    """The facts of a component's connection: it has no peer, no headers and no TLS."""
    return ConnectionFacts(
        listener=f"component:{name}", peer="", address="", host="", path="", query="", origin=None,
        subprotocols=(SUBPROTOCOL,), cookies={}, headers={}, tls=False, forwarded=False,
    )  # fmt: skip


class Queue:
    """Messages that wait, and how many bytes they have together."""

    def __init__(self) -> None:
        self.messages: deque[bytes] = deque()
        self.size = 0

    def append(self, data: bytes) -> None:
        self.messages.append(data)
        self.size += len(data)

    def take(self) -> bytes:
        data = self.messages.popleft()
        self.size -= len(data)
        return data

    def clear(self) -> None:
        self.messages.clear()
        self.size = 0


class Embedding:
    """One life of ``component``: ``start`` joins it to ``session``; ``ended(clean, reason)`` is called when it is over,
    once, after both sides have been notified."""

    _log = Logger()

    def __init__(
        self,
        component: ApplicationSession,
        session: ISession,
        facts: ConnectionFacts,
        journal: IJournal,
        clock: IReactorTime,
        ended: Callable[[bool, str], None],
        limit: int = LIMIT,
    ) -> None:
        self._component = component
        self._session = session
        self._facts = facts
        self._journal = journal
        self._clock = clock
        self._ended = ended
        self._limit = limit
        self.message_limit = session.policy.message_limit
        self._inward = Queue()  # to the component
        self._outward = Queue()  # to the router, while it has paused the component
        self._paused = False
        self._turn: IDelayedCall | None = None
        self._ending: tuple[bool, int | None, str] | None = None
        self._end = ComponentEnd(self)
        self.open = False
        self.goodbye_reason = ""
        """The reason of the router's GOODBYE, once the component has got it."""

    def start(self) -> None:
        """Connect the two sides; the component sends HELLO at once."""
        self.open = True
        self._session.opened(RouterEnd(self, self._facts))
        self._component.onOpen(self._end)

    # -- from the component to the router

    def say(self, data: bytes) -> None:
        """A message of the component; queued while the router has paused it, dropped once the router has ended it."""
        if self._ending is not None:
            return
        if self._paused or self._outward.messages:
            self._keep(self._outward, data)
        else:
            self._session.received(data, True)

    def pause(self) -> None:
        self._paused = True

    def resume(self) -> None:
        self._paused = False
        self._plan()

    # -- from the router to the component

    @property
    def waiting(self) -> int:
        """Bytes that wait for the component."""
        return self._inward.size

    def hear(self, data: bytes) -> None:
        """A message of the router; the component gets it in another turn."""
        if self.open and self._ending is None:
            self._keep(self._inward, data)
            self._plan()

    def end(self, clean: bool, code: int | None, reason: str) -> None:
        """The router ends it, once everything that it sent has been delivered."""
        if self.open and self._ending is None:
            self._ending = (clean, code, reason)
            self._outward.clear()
            self._plan()

    # -- both

    def over(self, clean: bool, code: int | None, reason: str) -> None:
        """End it now: what waits is dropped, both sides are notified."""
        if not self.open:
            return
        self.open = False
        if self._turn is not None:
            self._turn.cancel()
            self._turn = None
        self._inward.clear()
        self._outward.clear()
        self._session.closed(clean, code, reason)
        try:
            self._component.onClose(clean)
            self._end.is_closed.callback(self._end)
        except Exception:
            self._log.failure("a component failed in onClose")
        self._ended(clean, reason)

    def _keep(self, queue: Queue, data: bytes) -> None:
        queue.append(data)
        if queue.size > self._limit:
            name, limit = self._facts.listener, self._limit
            self._journal.note("consumer.cut", "queue_full", address=name, queued=queue.size, limit=limit)
            self._inward.clear()
            self.end(False, None, f"more than {limit} bytes waited")

    def _plan(self) -> None:
        if self._turn is None and self.open:
            self._turn = self._clock.callLater(0, self._deliver)

    def _deliver(self) -> None:
        """One turn: what has waited for it, in order; then the end, if the router has ended it."""
        self._turn = None
        for _ in range(len(self._inward.messages) + len(self._outward.messages)):
            if self._inward.messages:
                self._tell(self._inward.take())
            elif self._outward.messages and not self._paused:
                self._session.received(self._outward.take(), True)
            else:
                break
            if not self.open:
                return
        if self._inward.messages or (self._outward.messages and not self._paused):
            self._plan()
        elif self._ending is not None:
            self.over(*self._ending)

    def _tell(self, data: bytes) -> None:
        try:
            if data[1] == Goodbye.MESSAGE_TYPE:  # behind the byte that begins the array
                self.goodbye_reason = cbor_rules.read(data)[2]
            deliver(self._component, self._end.serializer, data)
        except Undeliverable as loss:
            name, reason = self._facts.listener, str(loss)
            self._journal.note("payload.undeliverable", loss.code, receiver=name, reason=reason)
            if loss.answer is not None:
                self._end.send(loss.answer)
        except Exception as error:
            # autobahn handles what an application's handler raises: this is a fault of orosync or autobahn.
            self._log.failure("a component cannot process a message of the router")
            self.over(False, None, f"{type(error).__name__}: {error}")


@implementer(ILink)
class RouterEnd:
    """The router's side."""

    framer = staticmethod(unframed)
    bucket: Any = None  # nothing limits a component

    def __init__(self, embedding: Embedding, facts: ConnectionFacts) -> None:
        self.facts = facts
        self._embedding = embedding

    def push(self, frame: bytes) -> None:
        """See ILink."""
        self._embedding.hear(frame)

    def send(self, frame: bytes) -> None:
        """See ILink."""
        self._embedding.hear(frame)

    def backlog(self) -> int:
        """See ILink."""
        return self._embedding.waiting

    def close(self, code: int, reason: str) -> None:
        """See ILink."""
        self._embedding.end(True, code, reason)

    def drop(self, reason: str, linger: bool = False) -> None:
        """See ILink."""
        self._embedding.end(False, None, reason)

    def pause(self, reason: int = WAITING) -> None:
        """See ILink; there is one reason, since nothing limits a component."""
        self._embedding.pause()

    def resume(self, reason: int = WAITING) -> None:
        """See ILink."""
        self._embedding.resume()

    def may_continue(self, later: Callable[[], object]) -> bool:
        """See ILink. A component's messages come one by one."""
        return True

    def call_in_turn(self, later: Callable[[], object]) -> None:
        """See ILink. Nothing is kept for a rate here."""
        later()

    def set_authenticated(self, authenticated: bool) -> None:
        """See ILink. In this process nothing depends on it."""


class ComponentEnd:
    """The component's side (autobahn.wamp.interfaces.ITransport). ``is_closed`` fires at the end."""

    transport_details = TransportDetails(channel_type=TransportDetails.CHANNEL_TYPE_MEMORY)

    def __init__(self, embedding: Embedding) -> None:
        self._embedding = embedding
        self.serializer = self._serializer = CBORSerializer()  # autobahn asks for the second name
        self.is_closed: Deferred[ComponentEnd] = Deferred()

    def isOpen(self) -> bool:
        return self._embedding.open

    def send(self, message: Any) -> None:
        """A message to the router. Raises TransportLost after the end, SerializationError for what WAMP cannot carry,
        PayloadExceededError for more than the router takes."""
        if not self._embedding.open:
            raise TransportLost()
        data = self._written(message)
        limit = self._embedding.message_limit
        if len(data) > limit and isinstance(message, Error):
            # autobahn quotes an answer that is too large in the ERROR that it sends instead.
            data = self._written(Error(message.request_type, message.request, message.error))
        if len(data) > limit:
            raise PayloadExceededError(f"this cannot be sent: {len(data)} bytes, no more than {limit} are taken")
        self._embedding.say(data)

    def _written(self, message: Any) -> bytes:
        try:
            data: bytes = self.serializer.serialize(message)[0]
            cbor_rules.check(data)  # CBOR expresses values that other serializations cannot
        except (ProtocolViolation, UnsupportedValue) as error:
            raise SerializationError(f"this cannot be sent: {error}") from None
        except Exception as error:
            raise SerializationError(f"this cannot be sent: {type(error).__name__}: {error}") from error
        return data

    def close(self) -> None:
        """The component closes the connection."""
        self._embedding.over(True, 1000, "closed by the component")

    def abort(self) -> None:
        """The component aborts the connection."""
        self._embedding.over(False, None, "aborted by the component")


ITransport.register(ComponentEnd)


def deliver(component: ApplicationSession, serializer: Serializer, data: bytes) -> None:
    """Give the component the message in ``data``. Raises Undeliverable where only this message is lost, and any other
    exception where the component cannot go on."""
    try:
        (message,) = serializer.unserialize(data, True)
        component.onMessage(_deliverable(message))
    except Exception as error:
        reason = f"{type(error).__name__}: {error}"
        kind, *rest = map(cbor_rules.element, cbor_rules.parts(data)[0][:3])
        if kind == Event.MESSAGE_TYPE or (kind == Result.MESSAGE_TYPE and rest[1].get("progress")):
            raise Undeliverable("event", reason) from error
        if kind == Invocation.MESSAGE_TYPE:
            words = ["this cannot be delivered to the component"]
            answer = Error(Invocation.MESSAGE_TYPE, rest[0], uris.INVALID_ARGUMENT, args=words)
            raise Undeliverable("invocation", reason, answer) from error
        if kind == Result.MESSAGE_TYPE:
            component.onMessage(_result_error(rest[0]))
            raise Undeliverable("result", reason) from error
        raise


def _deliverable(message: Any) -> Any:
    """``message``, or what is delivered in its place. Raises ValueError for an event or a call."""
    kwargs = getattr(message, "kwargs", None)
    if not kwargs:
        return message
    if isinstance(message, Event | Invocation) and _OF_FUNCTIONS & kwargs.keys():
        raise ValueError("a keyword argument has a reserved name")
    if isinstance(message, Result) and _OF_RESULTS & kwargs.keys():
        if message.progress:
            raise ValueError("a keyword argument of a progressive result has a name that autobahn reserves")
        return _result_error(message.request)
    if isinstance(message, Error) and _OF_ERRORS & kwargs.keys():
        return Error(message.request_type, message.request, message.error, args=message.args)
    return message


def _result_error(request: int) -> Any:
    """The ERROR that the component gets in place of a result."""
    return Error(Call.MESSAGE_TYPE, request, uris.INVALID_ARGUMENT, args=["the result cannot be delivered"])
