"""One connection of a listener, whatever is spoken on it: its queue, its deadlines, its end, what its session sees.

How a message is framed, and how a peer is told goodbye, is the transport's own (``link`` for WebSocket, ``raw_link``
for RawSocket). It must not know what travels in a message or who the client is.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import ClassVar, Protocol

from twisted.internet.abstract import FileDescriptor
from twisted.internet.error import ConnectionDone
from twisted.internet.protocol import connectionDone
from twisted.logger import Logger
from twisted.python.failure import Failure
from zope.interface import implementer

from orosync.interfaces import IJournal, ILink, ISession, ISessionHost
from orosync.model import ConnectionFacts
from orosync.transport import outbox
from orosync.transport.admission import Place
from orosync.transport.keepalive import Member, Wheel
from orosync.transport.quiet import CLOSED, CLOSING, CONNECTING, OPEN
from orosync.transport.settings import ListenerSettings
from orosync.transport.slow_readers import SlowReaders
from orosync.transport.stream import SCRAP, UNAUTHENTICATED_MESSAGE_LIMIT, Stream
from orosync.transport.tcp_keepalive import probe
from orosync.transport.tls_records import MeasuredTLS

_log = Logger()

READ_SIZE = 2048
"""Bytes that are read at once of a client that has not joined: what is not handled at once is kept, and as much room in
OpenSSL for ever (over TLS it is half of that). A client that has joined is read from as Twisted does, on
plain TCP."""

DROPPED = 4 << 20
"""Bytes that are read and dropped of a peer that goes on after we have ended our side. It has been told; one that does
not listen is read no further, and cut when the time for closing is over."""

TLS_READ_SIZE = 16384
"""As much, over TLS, of a client that has joined: all records in it are handed over in one turn, and 64 KiB hold nearly
three thousand of one byte each."""

BATCH = 128
"""Frames that one turn may queue for a link before they are sent without waiting for its end."""


class Greeting(Protocol):
    """What stands between a connection and its session until it is admitted (``entrance``)."""

    def received(self, data: bytes) -> None: ...

    def timed_out(self) -> None: ...

    def withdraw(self) -> None: ...

    def lost(self, reason: Failure) -> None: ...


@implementer(ILink)
class Line(Stream):
    """One connection. Everything that is the same for all connections of a listener stands on the class."""

    settings: ListenerSettings
    host: ISessionHost
    journal: IJournal
    wheel: Wheel
    _enter: Callable[[outbox.Flushable], None]
    _output_limit: int
    slow_readers: SlowReaders
    place: Place
    handshake_ticks: int
    hurried_ticks: int
    close_ticks: int
    ping_ticks: int
    pong_ticks: int

    framer: Callable[[bytes, bool], bytes]
    ping: ClassVar[bytes]
    """The frame that asks whether the peer is there."""

    slot: set[Member] | None = None
    clear = False
    """The link is open, and its transport took all it was given: the next frame need not wait for anything."""
    _why = ""
    _dropped = 0
    _large = 0
    """The size of a frame that is larger than all that may wait, and waits: so much more may."""

    peer: str
    _queue: list[bytes]
    _handshake: Greeting | None

    # -- Twisted's side

    def connectionMade(self) -> None:
        transport = self.transport
        # A UNIX socket has no such thing, nor any delay.
        with suppress(AttributeError, OSError):
            transport.setTcpNoDelay(True)
        self._raw, self._deliver = outbox.deliverer(transport)
        self._raw.bufferSize = READ_SIZE if self._raw is transport else READ_SIZE // 2
        self.wheel.enter(self, self.hurried_ticks if self.place.undecided else self.handshake_ticks)

    def dataReceived(self, data: bytes) -> None:
        self.heard = self.wheel.now
        if self.state >= CLOSING:
            if self._odd or not self.read_one(data):
                self.read(data)
        elif self.state == CLOSED:
            self._dropped += len(data)
            if self._dropped > DROPPED:
                self._hold()
        elif self._handshake is not None:
            self._handshake.received(data)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self.place.leave()
        self.wheel.leave(self)
        self.slow_readers.forget(self)
        self.half_frames.forget(self)
        self.state, self.clear = CLOSED, False
        self._queue.clear()
        self._forget()
        self.__dict__.pop("send", None)  # it knows us: nobody should have to search for that cycle
        handshake, self._handshake = self._handshake, None
        session, self.session = self.session, None
        if handshake is not None:
            handshake.lost(reason)
        if session is not None:
            try:
                session.closed(*self._ending(reason))
            except Exception:
                _log.failure("a session could not be told that it is over")

    def _ending(self, reason: Failure) -> tuple[bool, int | None, str]:
        """What the session is told: whether it ended properly, the peer's code, and why."""
        if isinstance(reason.value, ConnectionDone):
            told = "peer ended the TCP connection without a goodbye"
        else:
            told = reason.getErrorMessage()
        return False, None, self._why or told

    # -- the handshake's side

    def begin(self, session: ISession, facts: ConnectionFacts, head: bytes, early: bytes) -> None:
        """Admitted: the answer and what the session says first leave together, then reading begins."""
        self._handshake = None
        self.session = session
        self.facts = facts
        traits = session.traits
        if traits.message_limit < self.message_limit:
            self._limit(traits.message_limit)
        self.state = OPEN
        self.heard = self.wheel.now
        if traits.pinged:
            self.wheel.enter(self, self.ping_ticks)
        else:
            self.wheel.leave(self)
            probe(self.transport, self._raw)
        if self._raw is self.transport:  # not wrapped, as in TLS
            self.send = outbox.event_sender(self, self._raw, self.outbox)  # type: ignore[assignment, method-assign]
        elif isinstance(self.transport, MeasuredTLS):
            self.transport.watcher = self
        self._queue.append(head)
        try:
            session.opened(self)
        except Exception:
            _log.failure("a session could not be opened")
            self.failed()
        self.flush()
        if early and self.state >= CLOSING:
            self.read(early)

    def answer(self, answer: bytes) -> None:
        """Refused: an answer and an end."""
        self._deliver(answer)
        self._end()

    def _limit(self, size: int) -> None:
        self.message_limit = size

    # -- tls_records.Watcher

    def room(self) -> int:
        """What is still missing of the longest message that the client may send."""
        return self.message_limit - len(self._tail or b"")

    def record_too_long(self, size: int) -> None:
        """It will not be complete before more has arrived than a message may have."""
        if self.state == OPEN:
            reason = f"a TLS record of {size} bytes before it has joined, {self.message_limit} have room"
            self.journal.note("frame.refused", "record", address=self.facts.address, reason=reason)
            self.drop_now("cut: record")

    # -- ILink

    def push(self, frame: bytes) -> None:
        """See ILink."""
        queue = self._queue
        if not queue:
            self._enter(self)
        elif len(queue) >= BATCH:
            self.flush()
        queue.append(frame)

    def send(self, frame: bytes) -> None:
        """See ILink. An open link on a plain socket has a quicker one (``outbox.event_sender``)."""
        self.push(frame)

    def set_authenticated(self, authenticated: bool) -> None:
        """See ILink."""
        session = self.session
        if session is None:
            return  # the connection has gone meanwhile
        traits = session.traits
        limit = traits.message_limit if authenticated else min(traits.message_limit, UNAUTHENTICATED_MESSAGE_LIMIT)
        self._limit(limit)
        whole = FileDescriptor.bufferSize if self._raw is self.transport else TLS_READ_SIZE
        self._raw.bufferSize = whole if authenticated else READ_SIZE // 2
        if authenticated and isinstance(self.transport, MeasuredTLS):
            self.transport.stop_measuring()
        if traits.skip_oversized:
            self.skip_oversized = authenticated
        self.place.set_authenticated(authenticated)

    def close(self, code: int, reason: str) -> None:
        """See ILink."""
        raise NotImplementedError

    def drop(self, reason: str, linger: bool = False) -> None:
        """See ILink. What is queued is still sent."""
        if self.state != CLOSED:
            self.flush()
            self._why = reason
            # PHP, which is never pinged and reads nothing, has to notice.
            self._end(linger and self.session is not None and self.session.traits.pinged)

    # -- sending

    def flush(self) -> None:
        """Send the queue; once the peer has been told goodbye nothing may follow."""
        queue = self._queue
        if self.state != OPEN:
            queue.clear()
        elif queue:
            data = queue[0] if len(queue) == 1 else b"".join(queue)
            try:
                if left := self._deliver(data):
                    self.held_back(left, len(data), max(map(len, queue)))
                else:
                    self.clear = True
            finally:
                queue.clear()

    def backlog(self) -> int:
        """Bytes that wait for the peer to read."""
        return outbox.backlog(self._raw)

    def progress(self) -> object:
        """Changes with every byte that the peer takes."""
        return outbox.progress(self._raw)

    def stalled(self) -> None:
        """The peer has taken nothing for too long."""
        self._cut("stalled", self.backlog())

    def held_back(self, left: int, size: int, largest: int) -> None:
        """See outbox.Sender."""
        self.clear, limit = False, self._output_limit
        if left - size <= limit:
            self._large = largest if largest > limit else 0
        if left > limit + self._large:
            self._cut("queue_full", left)
        else:
            self.slow_readers.watch(self)

    def _cut(self, kind: str, left: int) -> None:
        if self.state != CLOSED:
            address = self.facts.address if self.session else self.peer
            self.journal.note("consumer.cut", kind, address=address, queued=left, limit=self._output_limit)
            self.drop_now(f"cut: {kind}")

    # -- ending

    def withdraw(self) -> None:
        """Others need its room. Over TLS nothing is said, which might have to wait for the TLS handshake."""
        if self._handshake is None or self.settings.tls:
            self.drop_now("others need the room")
        else:
            self._handshake.withdraw()

    def due(self) -> None:
        """The wheel: the deadline of whatever state the connection is in."""
        wheel = self.wheel
        if self.state == CONNECTING and self._handshake is not None:
            self._handshake.timed_out()
        elif self.state != OPEN:
            self.drop_now("peer did not finish closing in time")
        elif self._paused or self.backlog():
            # We are not listening, or it has reading to do before it can see a ping: silence means nothing.
            wheel.enter(self, self.ping_ticks)
        elif self.heard < 0:
            self.journal.note("consumer.cut", "ping_timeout", address=self.facts.address)
            self.drop_now("cut: ping_timeout")
        elif (rest := self.heard + self.ping_ticks - wheel.now) > 0:
            wheel.enter(self, rest)
        else:
            self.heard, self.owed = -1, True
            wheel.enter(self, self.pong_ticks)
            self._queue.append(self.ping)
            self.flush()

    def drop_now(self, reason: str) -> None:
        """End the TCP connection at once, whatever it still holds."""
        self._why = self._why or reason
        self.state, self.clear = CLOSED, False
        self.wheel.leave(self)
        self._forget()
        self.transport.abortConnection()

    def scrap(self) -> None:
        """One read of TLS may hold thousands of records of one byte, of plain TCP it is one such piece."""
        if self._raw is self.transport or self._paused:
            return
        self._left -= SCRAP
        if self._left <= 0:
            self._raw.bufferSize = READ_SIZE  # each read brings so many again
            self._wait()
            self._hold()

    def oversized(self, size: int) -> None:
        address, limit = self.facts.address, self.message_limit
        self.journal.note("frame.skipped", "too_large", address=address, size=size, limit=limit)

    def failed(self) -> None:
        self.journal.note("link.failed", "internal", address=self.facts.address)
        self.close(1011, "internal error")
        if self.state != CLOSED:
            self._end(linger=True)  # it was closing already

    def _end(self, linger: bool = False) -> None:
        """Let the transport send what it holds and close, within the time that closing may take. ``linger``: only our
        side of TCP is ended, what still arrives is read and dropped until the peer ends too. Were it left unread, the
        system would take back what it has not delivered yet: the last events, or the reason for a failure."""
        self.state, self.clear = CLOSED, False
        self.wheel.enter(self, self.close_ticks)
        self._forget()
        if self._held:
            self._held = False
            self.transport.resumeProducing()
        if linger and self._raw is self.transport:
            self.transport.loseWriteConnection()
        else:
            self.transport.loseConnection()  # TLS says goodbye by itself and waits for the peer's
