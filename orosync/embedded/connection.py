"""What a component makes of the router's messages, and what it has to be spared.

autobahn hands the keyword arguments of an event, a call or a result on to Python functions of its own, and raises where
one has the name of a parameter of theirs ("self", "callee"); over a network that ends the session. So anybody who may
publish to a component could end it. Here such a message is lost, and whoever waits for an answer gets one.

It must not know how messages arrive, or what happens to a component that cannot go on.

A component of the application inside the router's process: a WAMP session without a socket.

Towards the router it is an ILink, so that the session on our side serves it like any client; towards autobahn's
ApplicationSession it is an ITransport. Messages pass as bytes, in CBOR, as they would over a network: neither side ever
holds a value that the other one may change. What the router says is delivered in a later turn of the reactor, in each
turn what waited at its beginning: a slow component slows down those who talk to it, and nobody gets far ahead of it.
What waits is bounded both ways all the same, and who exceeds that is cut.

It must not know realms, roles, or when a component is started again.
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

_OF_FUNCTIONS = frozenset({"self", "fun"})
_OF_RESULTS = frozenset({"self", "fun", "enc_algo", "callee", "callee_authid", "callee_authrole", "forward_for"})
_OF_ERRORS = _OF_RESULTS | {"error"}


class Undeliverable(Exception):
    """A message that the component did not get; the reason is for the log. ``answer`` is for the router, if any."""

    def __init__(self, code: str, reason: str, answer: Error | None = None) -> None:
        super().__init__(reason)
        self.code = code
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
            raise Undeliverable("event", reason) from error
        if kind == Invocation.MESSAGE_TYPE:
            words = ["this cannot be told to the component"]
            answer = Error(Invocation.MESSAGE_TYPE, rest[0], uris.INVALID_ARGUMENT, args=words)
            raise Undeliverable("invocation", reason, answer) from error
        if kind == Result.MESSAGE_TYPE:
            component.onMessage(_instead(rest[0]))
            raise Undeliverable("result", reason) from error
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
    return Error(Call.MESSAGE_TYPE, request, uris.INVALID_ARGUMENT, args=["the result cannot be told"])


SUBPROTOCOL = "wamp.2.cbor"
LIMIT = 16 * 1024 * 1024
"""Bytes that may wait, each way: what all clients together can say in one turn of the reactor, and much more."""


def whole(payload: bytes, binary: bool) -> bytes:
    """The framer: there is nothing to be framed."""
    return payload


def component_facts(name: str) -> ConnectionFacts:
    """What is known of a component's connection: that there is none."""
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
    once, after both sides have been told."""

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
        self._outward = Queue()  # to the router, while it does not listen
        self._paused = False
        self._turn: IDelayedCall | None = None
        self._last_word: tuple[bool, int | None, str] | None = None
        self._end = ComponentEnd(self)
        self.open = False
        self.goodbye_reason = ""
        """The reason of the router's GOODBYE, once the component has got it."""

    def start(self) -> None:
        """Let the two sides see each other; the component says HELLO at once."""
        self.open = True
        self._session.opened(RouterEnd(self, self._facts))
        self._component.onOpen(self._end)

    # -- from the component to the router

    def say(self, data: bytes) -> None:
        """A message of the component; kept while the router does not listen, dropped when it has said its last."""
        if self._last_word is not None:
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

    def hear(self, data: bytes) -> None:
        """A message of the router; the component gets it in another turn."""
        if self.open and self._last_word is None:
            self._keep(self._inward, data)
            self._plan()

    def end(self, clean: bool, code: int | None, reason: str) -> None:
        """The router ends it, once everything that it said has been delivered."""
        if self.open and self._last_word is None:
            self._last_word = (clean, code, reason)
            self._outward.clear()
            self._plan()

    # -- both

    def over(self, clean: bool, code: int | None, reason: str) -> None:
        """The end, now: whatever waits is dropped, both sides are told."""
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
            self._log.failure("a component could not be told that it is over")
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
        """One turn: what has waited for it, in order; then the router's last word, if it has said it."""
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
        elif self._last_word is not None:
            self.over(*self._last_word)

    def _tell(self, data: bytes) -> None:
        try:
            if data[1] == Goodbye.MESSAGE_TYPE:  # behind the byte that begins the array
                self.goodbye_reason = cbor_rules.read(data)[2]
            hear(self._component, self._end.serializer, data)
        except Undeliverable as loss:
            name, reason = self._facts.listener, str(loss)
            self._journal.note("payload.undeliverable", loss.code, receiver=name, reason=reason)
            if loss.answer is not None:
                self._end.send(loss.answer)
        except Exception as error:
            # What an application's handler raises stays with autobahn: this is a fault between the two of us.
            self._log.failure("a component cannot take a message of the router's")
            self.over(False, None, f"{type(error).__name__}: {error}")


@implementer(ILink)
class RouterEnd:
    """What the router's session sees of it."""

    framer = staticmethod(whole)
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
    """What the component sees of it (autobahn.wamp.interfaces.ITransport). ``is_closed`` fires at the end."""

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
        """The component has had enough."""
        self._embedding.over(True, 1000, "closed by the component")

    def abort(self) -> None:
        """The component is in trouble."""
        self._embedding.over(False, None, "aborted by the component")


ITransport.register(ComponentEnd)
