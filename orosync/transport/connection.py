"""One connection of a listener, whatever is spoken on it: reading, writing, deadlines and its end.

``Connection`` is the ILink of its session. Subclasses know the framing: ``websocket`` and ``rawsocket`` implement
``read_one`` and ``_frames``, which take whole messages out of what arrives, and say how a peer is told goodbye.

What has arrived is handled in order. An incomplete frame waits for its rest; complete ones wait while the connection is
paused (``interfaces.WAITING``, ``RATE``, ``TURN``, ``IDENTIFYING``). A connection that is paused is not read from, so
that TCP slows its sender. Only while an authenticator decides it is read on, up to READ_SIZE: a client that has gone
meanwhile is noticed, and nobody is told that it joined.

The file is long because it is one class: the reading, the writing and the end of a connection share their state.
"""

from __future__ import annotations

import socket
from collections.abc import Callable
from contextlib import suppress
from typing import Any, ClassVar, Protocol

from twisted.internet.abstract import FileDescriptor
from twisted.internet.error import ConnectionDone
from twisted.internet.protocol import connectionDone
from twisted.logger import Logger
from twisted.python.failure import Failure
from zope.interface import implementer

from orosync.interfaces import IDENTIFYING, RATE, TURN, WAITING, IJournal, ILink, ISession, ISessionHost
from orosync.model import ConnectionFacts
from orosync.transport import write_queue
from orosync.transport.admission import Place
from orosync.transport.autobahn_protocol import CLOSED, CLOSING, CONNECTING, OPEN
from orosync.transport.message_rates import NO_LIMIT, TokenBucket
from orosync.transport.read_turns import AT_ONCE, LEAST, TurnTaker
from orosync.transport.settings import ListenerSettings
from orosync.transport.timers import StallDetector, Timed, TimerWheel
from orosync.transport.tls_records import MeasuredTLS
from orosync.transport.write_queue import BATCH, PlainWay, Way, WriteScheduler
from orosync.wamp.v1 import published_topic

_log = Logger()

_KEEPALIVE = (("TCP_KEEPIDLE", 60), ("TCP_KEEPINTVL", 15), ("TCP_KEEPCNT", 4))
"""TCP keep-alive for clients that are not pinged: a dead one is found within two minutes."""

UNAUTHENTICATED_MESSAGE_LIMIT = 8192
"""Bytes of a message of a client that has not joined yet: HELLO and AUTHENTICATE are shorter by far, and thousands of
unfinished ones must fit into memory."""

READ_SIZE = 2048
"""Bytes that are read at once from a client that has not joined: what is not handled at once is kept, and OpenSSL keeps
a buffer of that size for good (over TLS it is half of that). A client that has joined is read from as Twisted does."""

TLS_READ_SIZE = 16384
"""Bytes that are read at once over TLS from a client that has joined: all records in them are handed over in one turn,
and 64 KiB hold nearly three thousand of one byte each."""

SCRAP = 64
"""What a piece of an incomplete frame costs over TLS, however small it is."""

FEW = 4 * LEAST
"""What a read may cost without being counted: a few messages."""

DROPPED = 4 << 20
"""Bytes that are read and dropped of a peer that goes on sending after we have ended our side. Beyond that it is read
no further, and cut off when the time for closing is over."""

BEGINNING = 256
"""Bytes of a message that is skipped which are looked at: they name the topic."""


def enable_tcp_keepalive(transport: Any, raw: Any) -> None:
    """TCP keep-alive, for a peer that is not pinged. ``raw`` is the transport below TLS."""
    # Where it is not TCP, or the system has no such settings, its own defaults hold.
    with suppress(AttributeError, OSError):
        transport.setTcpKeepAlive(True)
        handle = raw.getHandle()
        for name, value in _KEEPALIVE:
            handle.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)


class PendingHandshake(Protocol):
    """What stands between a connection and its session until it is admitted (``handshake``)."""

    def received(self, data: bytes) -> None: ...

    def timed_out(self) -> None: ...

    def withdraw(self) -> None: ...

    def lost(self, reason: Failure) -> None: ...


@implementer(ILink)
class Connection(TurnTaker):
    """One connection. What is the same for all connections of a listener stands on the class, which
    ``ListenerFactory.connection_class`` makes: thousands of idle connections then cost no attribute for it."""

    # Of the listener.
    settings: ListenerSettings
    host: ISessionHost
    journal: IJournal
    timers: TimerWheel
    scheduler: WriteScheduler
    slow_consumers: StallDetector[Connection]
    incomplete_frames: StallDetector[Connection]
    _schedule: Callable[[write_queue.Flushable], None]
    _send_buffer_limit: int
    handshake_ticks: int
    hurried_ticks: int
    close_ticks: int
    ping_ticks: int
    pong_ticks: int

    # Of the transport.
    framer: Callable[[bytes, bool], bytes]
    ping: ClassVar[bytes]
    """The frame that asks whether the peer is there."""

    # Of the connection.
    transport: Any
    place: Place
    peer: str
    facts: ConnectionFacts
    state: int
    session: ISession | None = None
    bucket: TokenBucket = NO_LIMIT
    slot: set[Timed] | None = None
    _handshake: PendingHandshake | None
    _why = ""

    last_heard = 0
    """When anything arrived last, in ticks of ``timers``; -1 from a ping until anything arrives."""
    pong_owed = False
    """The peer has been pinged, and has not answered yet."""

    # Writing.
    way: Way = PlainWay()
    """Whether the next frame need wait for anything; it has one of its own from ``begin`` until it is lost."""
    _queue: list[bytes]
    _large = 0
    """The size of a waiting frame that alone is larger than ``send_buffer_limit``: so much more may wait."""

    # Reading.
    message_limit = UNAUTHENTICATED_MESSAGE_LIMIT
    skip_oversized = False
    """A message beyond ``message_limit`` is skipped as it streams in, and noted; otherwise it ends the connection."""
    data = b""
    """The head of a frame that autobahn's parser holds; always empty on other transports."""
    frame_count = 0
    """Counts the frames that did not arrive whole."""
    # At rest all of these have their class's value and _unsettled is False. While _paused is not 0, _buffer from
    # _offset on is what could not be handled yet, and _tail what has arrived since; otherwise _tail is an incomplete
    # frame, looked at when there are _need bytes of it. _skip: bytes still to be dropped. _to_autobahn: autobahn gets
    # the next frame. _not_reading: the transport has been told to stop, which TLS does only with the next read.
    # _reading: a message is being handed over.
    _unsettled = _to_autobahn = _not_reading = _reading = False
    _buffer = b""
    _offset = 0
    _tail: bytearray | None = None
    _need = 0
    _skip = 0
    _dropped = 0

    # -- called by Twisted

    def connectionMade(self) -> None:
        transport = self.transport
        # A UNIX socket has no such thing, nor any delay.
        with suppress(AttributeError, OSError):
            transport.setTcpNoDelay(True)
        self._raw, self._deliver = write_queue.deliverer(transport)
        self._raw.bufferSize = READ_SIZE if self._raw is transport else READ_SIZE // 2
        self.timers.schedule(self, self.hurried_ticks if self.place.undecided else self.handshake_ticks)

    def dataReceived(self, data: bytes) -> None:
        self.last_heard = self.timers.now
        if self.state >= CLOSING:
            if self._unsettled or not self.read_one(data):
                self.read(data)
        elif self.state == CLOSED:
            self._dropped += len(data)
            if self._dropped > DROPPED:
                self._hold()
        elif self._handshake is not None:
            self._handshake.received(data)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self.way.close()  # before anything else: the descriptor may be another connection's soon
        if self._tail and self._need > UNAUTHENTICATED_MESSAGE_LIMIT and self.state == OPEN:
            # PHP does not wait until the system has taken a message of megabytes: the rest is never sent.
            arrived, address = len(self._tail), self.facts.address
            self.journal.note("frame.lost", "partial", address=address, size=self._need, arrived=arrived)
        self.state = CLOSED
        self.place.release()
        self.timers.cancel(self)
        self.slow_consumers.forget(self)
        self.incomplete_frames.forget(self)
        self._queue.clear()
        self._forget()
        # They refer to self: without them no cycle is left to the garbage collector.
        self.__dict__.pop("send", None)
        self.__dict__.pop("way", None)
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
        """For ISession.closed: whether the end was clean, the peer's code, and the reason."""
        if isinstance(reason.value, ConnectionDone):
            why = "peer ended the TCP connection without a goodbye"
        else:
            why = reason.getErrorMessage()
        return False, None, self._why or why

    # -- called by the handshake

    def begin(self, session: ISession, facts: ConnectionFacts, head: bytes, early: bytes) -> None:
        """The client is admitted: send the answer together with the first frames of the session, then read."""
        self._handshake = None
        self.session = session
        self.facts = facts
        policy = session.policy
        if policy.message_limit < self.message_limit:
            self._limit(policy.message_limit)
        self.state = OPEN
        self.last_heard = self.timers.now
        if policy.pinged:
            self.timers.schedule(self, self.ping_ticks)
        else:
            self.timers.cancel(self)
            enable_tcp_keepalive(self.transport, self._raw)
        # On the instance: one function that looks up nothing, for a publish to thousands.
        if self._raw is self.transport:
            self.way, self.send = write_queue.event_sender(  # type: ignore[assignment, method-assign]
                self, self._queue, self._raw, self.scheduler
            )
        elif isinstance(self.transport, MeasuredTLS):
            self.way, self.send = write_queue.tls_event_sender(  # type: ignore[assignment, method-assign]
                self, self._deliver, self.scheduler
            )
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
        """The client is refused: answer and end."""
        self._deliver(answer)
        self._end()

    def _limit(self, size: int) -> None:
        """Set the message limit."""
        self.message_limit = size

    # -- ILink

    def push(self, frame: bytes) -> None:
        """See ILink."""
        queue = self._queue
        if not queue:
            self._schedule(self)
        elif len(queue) >= BATCH:
            self.flush()
        queue.append(frame)

    def send(self, frame: bytes) -> None:
        """See ILink. An open connection has a faster one (``write_queue.event_sender``)."""
        self.push(frame)

    def pause(self, reason: int = WAITING) -> None:
        """See ILink and ``interfaces.WAITING``."""
        if self.state == CLOSED:
            return
        self._paused |= reason
        self._unsettled = True
        if not (self._reading or self._reads_on()):
            self._hold()

    def resume(self, reason: int = WAITING) -> None:
        """See ILink. What has arrived is handled first, in order; then the socket is read again."""
        if not self._paused & reason:
            return
        if reason == RATE:
            self._wait()
        self._paused &= ~reason
        if self._paused or self._reading or self.state == CLOSED:
            return
        self.last_heard = self.timers.now  # silence while we did not read means nothing
        buffer, offset, tail = self._buffer, self._offset, self._tail
        self._buffer, self._tail = b"", None
        if tail:
            buffer, offset = buffer[offset:] + tail, 0
        self._read(buffer, offset)
        if self._not_reading and not self._paused and self.state != CLOSED:
            self._not_reading = False
            self.transport.resumeProducing()

    def set_authenticated(self, authenticated: bool) -> None:
        """See ILink."""
        session = self.session
        if session is None:
            return  # the connection is gone
        policy = session.policy
        limit = policy.message_limit if authenticated else min(policy.message_limit, UNAUTHENTICATED_MESSAGE_LIMIT)
        self._limit(limit)
        whole = FileDescriptor.bufferSize if self._raw is self.transport else TLS_READ_SIZE
        self._raw.bufferSize = whole if authenticated else READ_SIZE // 2
        if authenticated and isinstance(self.transport, MeasuredTLS):
            self.transport.stop_measuring()
        if policy.skip_oversized:
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
            # PHP is not pinged and reads nothing: only a full close makes its next write fail.
            self._end(linger and self.session is not None and self.session.policy.pinged)

    # -- sending

    def flush(self) -> None:
        """Send the queue. After a CLOSE nothing more may be sent."""
        queue = self._queue
        if self.state != OPEN:
            queue.clear()
        elif queue:
            data = queue[0] if len(queue) == 1 else b"".join(queue)
            try:
                if left := self._deliver(data):
                    self.held_back(left, len(data), max(map(len, queue)))
                else:
                    self.way.clear = True
            finally:
                queue.clear()

    def backlog(self) -> int:
        """See ILink."""
        return write_queue.backlog(self._raw)

    def drained(self) -> bool:
        """The peer has read everything (see timers.StallDetector)."""
        return not self.backlog()

    def progress(self) -> object:
        """Changes with every byte that the peer takes."""
        return write_queue.progress(self._raw)

    def stalled(self) -> None:
        """The peer has taken nothing for too long."""
        self._cut("stalled", self.backlog())

    def held_back(self, left: int, size: int, largest: int) -> None:
        """The transport could not get rid of ``left`` bytes, after it was given ``size`` more, in frames of at most
        ``largest``."""
        self.way.clear, limit = False, self._send_buffer_limit
        if left - size <= limit:
            self._large = largest if largest > limit else 0
        if left > limit + self._large:
            self._cut("queue_full", left)
        else:
            self.slow_consumers.watch(self)

    def sent_in_part(self, frames: list[bytes], sent: int) -> None:
        """See write_queue.Sender. The transport takes the rest, and finds out what is wrong."""
        data = b"".join(frames)
        self._raw.write(data[sent:])
        self.held_back(write_queue.backlog(self._raw), len(data), max(map(len, frames)))

    def _cut(self, kind: str, left: int) -> None:
        if self.state != CLOSED:
            address = self.facts.address if self.session else self.peer
            self.journal.note("consumer.cut", kind, address=address, queued=left, limit=self._send_buffer_limit)
            self.drop_now(f"cut: {kind}")

    # -- reading

    def read_one(self, data: bytes) -> bool:
        """Hand over ``data`` if it is one whole message and nothing else, as it nearly always is; else return False.

        Only called when nothing is left from earlier reads (not ``_unsettled``).
        """
        raise NotImplementedError

    def _frames(self, data: bytes, position: int) -> tuple[int, int]:
        """Handle frame after frame, from ``position`` on, until one is incomplete, there is a reason to pause, or the
        quantum is used up. Returns (where it stopped, how many bytes from there make it worth going on)."""
        raise NotImplementedError

    def read(self, data: bytes) -> None:
        """Take what arrived on an open or closing connection."""
        if self._unsettled:
            whole = self._rejoin(data)
            if whole is None:
                if len(data) <= SCRAP:
                    self.count_scrap()
                return
            data = whole
        turns = self.turns
        if turns.full and len(data) > AT_ONCE:
            self._buffer, self._offset, self._unsettled = data, 0, True
            self._wait()
            self._hold()
            return
        before = self._quantum_left
        self._read(data, 0)
        if (cost := before - self._quantum_left) > FEW:
            turns.count(cost)

    def _rejoin(self, data: bytes) -> bytes | None:
        """Put ``data`` behind what waits already; None while nothing can be done with it yet."""
        if self._skip:
            if len(data) < self._skip:
                self._skip -= len(data)
                return None
            data = data[self._skip :]
            self._skip = 0
        tail = self._tail
        if tail is None:
            if not self._paused:
                return data
            tail = self._tail = bytearray()
        tail += data
        if self._paused:
            if not self._reads_on():
                self._hold()
            return None
        if len(tail) < self._need:
            return None
        self._tail = None
        return bytes(tail)

    def _read(self, data: bytes, start: int) -> None:
        if self.data:
            # autobahn keeps the head of a frame whose length is still unknown.
            data, start, self.data = self.data + data[start:], 0, b""
        self._reading = True
        position, need = start, 0
        try:
            position, need = self._frames(data, start)
        except Exception:
            self._could_not_hand_over()
        self._reading = False
        self._settle(data, position, need, position > start)

    def _could_not_hand_over(self) -> None:
        _log.failure("a message could not be handed over")
        self.failed()

    def _settle(self, data: bytes, position: int, need: int, moved: bool) -> None:
        """Keep what is left of ``data`` from ``position`` on, and note the state of the connection."""
        if self.state == CLOSED:
            self._forget()
            self._unsettled = False
            return
        if self._quantum_left <= 0:
            self._wait()
        left = position < len(data)
        if left:
            if self._paused:
                if self._paused != TURN and position > len(data) // 2:
                    data, position = data[position:], 0  # it may be kept for long
                self._buffer, self._offset = data, position
            else:
                self._tail, self._need = bytearray(data[position:]), need
        was_unsettled = self._unsettled
        self._unsettled = bool(self._paused or self._tail or self._skip or self.data or self._to_autobahn)
        if self._unsettled:
            if moved or not was_unsettled:
                self.frame_count += 1
            if self._paused != TURN:
                self.incomplete_frames.watch(self)
            if self._paused and (left or self._paused != TURN) and not self._reads_on():
                self._hold()

    def _reads_on(self) -> bool:
        """Paused, and read from all the same: an authenticator decides, and less than READ_SIZE has arrived, which a
        client has no reason to send before it has the answer."""
        if self._paused != IDENTIFYING:
            return False
        return len(self._buffer) - self._offset + len(self._tail or b"") < READ_SIZE

    def _kept(self) -> bool:
        return bool(self._buffer or self._tail)

    def _forget(self) -> None:
        """The connection is ending: what has arrived is not kept."""
        self._leave_turns()
        self._buffer, self._offset, self._tail = b"", 0, None
        self.data = b""
        self._skip = 0

    def _hold(self) -> None:
        if not self._not_reading:
            self._not_reading = True
            self.transport.pauseProducing()

    def take_token(self) -> None:
        """A PING, an unsolicited PONG or a fragment costs a token, like a message."""
        bucket = self.bucket
        bucket.left -= 1
        if bucket.left < 0:
            bucket.spent(self)

    def pong(self) -> None:
        """A PONG arrived. The answer to our PING costs nothing."""
        if self.pong_owed:
            self.pong_owed = False
        else:
            self.take_token()

    # -- incomplete frames (see timers.StallDetector)

    def frame_complete(self) -> bool:
        """No frame of this connection is incomplete."""
        return self.state != OPEN or not self._unsettled

    def frame_progress(self) -> object:
        """Another number for another frame; None while we do not read, and the rest may have arrived."""
        return None if self._paused else self.frame_count

    def frame_stalled(self) -> None:
        """The rest of a frame did not come in time."""
        seconds = self.settings.frame_timeout
        self.journal.note("frame.cut", "incomplete", address=self.facts.address, seconds=seconds)
        self.drop_now("cut: incomplete frame")

    # -- tls_records.Watcher

    def room(self) -> int:
        """Bytes that are missing of the longest message that the client may send."""
        return self.message_limit - len(self._tail or b"")

    def record_too_long(self, size: int) -> None:
        """A TLS record is longer than the longest message: do not wait for it."""
        if self.state == OPEN:
            reason = f"a TLS record of {size} bytes before it has joined, {self.message_limit} have room"
            self.journal.note("frame.refused", "record", address=self.facts.address, reason=reason)
            self.close(1009, "message too large")

    # -- ending

    def withdraw(self) -> None:
        """Others need its room. Over TLS there is no answer: it might have to wait for the TLS handshake."""
        if self._handshake is None or self.settings.tls:
            self.drop_now("others need the room")
        else:
            self._handshake.withdraw()

    def due(self) -> None:
        """See timers.Timed: the deadline of the handshake, of closing, of the next ping or of its pong."""
        timers = self.timers
        if self.state == CONNECTING and self._handshake is not None:
            self._handshake.timed_out()
        elif self.state != OPEN:
            self.drop_now("peer did not finish closing in time")
        elif self._paused or self.backlog():
            # We do not read, or the peer has to read other data before a ping: its silence means nothing.
            timers.schedule(self, self.ping_ticks)
        elif self.last_heard < 0:
            self.journal.note("consumer.cut", "ping_timeout", address=self.facts.address)
            self.drop_now("cut: ping_timeout")
        elif (rest := self.last_heard + self.ping_ticks - timers.now) > 0:
            timers.schedule(self, rest)
        else:
            self.last_heard, self.pong_owed = -1, True
            timers.schedule(self, self.pong_ticks)
            self._queue.append(self.ping)
            self.flush()

    def drop_now(self, reason: str) -> None:
        """End the TCP connection at once, whatever it still holds."""
        self._why = self._why or reason
        self.state, self.way.clear = CLOSED, False
        self.timers.cancel(self)
        self._forget()
        self.transport.abortConnection()

    def count_scrap(self) -> None:
        """A small piece of an incomplete frame costs SCRAP: one read of TLS may hold thousands of records of one
        byte."""
        if self._raw is self.transport or self._not_reading:
            return
        self._quantum_left -= SCRAP
        if self._quantum_left <= 0:
            self._raw.bufferSize = READ_SIZE  # the next read would bring as many
            self._wait()
            self._hold()

    def oversized(self, size: int, beginning: bytes) -> None:
        """A message of ``size`` bytes is skipped, of which ``beginning`` (BEGINNING bytes at most) has arrived."""
        topic = published_topic(beginning)
        told = {"topic": topic} if topic else {}
        address, limit = self.facts.address, self.message_limit
        self.journal.note("frame.skipped", "too_large", address=address, size=size, limit=limit, **told)

    def failed(self) -> None:
        """See read_turns.Reader; also called when the session raised."""
        self.journal.note("link.failed", "internal", address=self.facts.address)
        self.close(1011, "internal error")
        if self.state != CLOSED:
            self._end(linger=True)  # it was closing already

    def _end(self, linger: bool = False) -> None:
        """Let the transport send what it holds and close, within ``close_timeout``. With ``linger`` only our side of
        TCP is ended; what still arrives is read and dropped until the peer ends too. Were it left unread, the
        system would take back what it has not delivered yet: the last events, or the reason for a failure."""
        self.state, self.way.clear = CLOSED, False
        self.timers.schedule(self, self.close_ticks)
        self._forget()
        if self._not_reading:
            self._not_reading = False
            self.transport.resumeProducing()
        if linger and self._raw is self.transport:
            self.transport.loseWriteConnection()
        else:
            self.transport.loseConnection()  # TLS sends close_notify and waits for the peer's
