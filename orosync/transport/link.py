"""The link between one WebSocket connection and its session: what both sides see of each other.

It must not know what travels in a message, who the client is, or where a listener's settings come from.
"""

from __future__ import annotations

import socket
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from autobahn.util import encode_truncate
from twisted.internet.error import ConnectionDone
from twisted.internet.protocol import connectionDone
from twisted.logger import Logger
from twisted.python.failure import Failure
from twisted.web.server import Site
from zope.interface import implementer

from orosync.interfaces import IJournal, ILink, ISession, ISessionHost
from orosync.model import ConnectionFacts
from orosync.transport import outbox
from orosync.transport.admission import Turnstile
from orosync.transport.frames import PING, control_frame, server_frame
from orosync.transport.handshake import Handshake
from orosync.transport.keepalive import Member, Wheel
from orosync.transport.origin import OriginRule
from orosync.transport.quiet import CLOSED, CLOSING, CONNECTING, OPEN
from orosync.transport.reading import FrameReader
from orosync.transport.settings import ListenerSettings
from orosync.transport.slow_readers import SlowReaders

_log = Logger()

BATCH = 128
"""Frames that one turn may queue for a link before they are sent without waiting for its end."""

_PROBES = (("TCP_KEEPIDLE", 60), ("TCP_KEEPINTVL", 15), ("TCP_KEEPCNT", 4))
"""TCP keep-alive for those who are never pinged: a dead one is found within two minutes."""


@implementer(ILink)
class Link(FrameReader):
    """One connection. Everything that is the same for all connections of a listener stands on the class."""

    settings: ListenerSettings
    host: ISessionHost
    journal: IJournal
    wheel: Wheel
    _enter: Callable[[Link], None]
    _output_limit: int
    slow_readers: SlowReaders
    turnstile: Turnstile
    origin_rule: OriginRule
    site: Site | None
    handshake_ticks: int
    close_ticks: int
    ping_ticks: int
    pong_ticks: int

    framer = staticmethod(server_frame)
    slot: set[Member] | None = None
    clear = False
    """The link is open, and its transport took all it was given: the next frame need not wait for anything."""
    heard = 0
    """When anything arrived last, in ticks of the wheel; -1 from a ping until anything arrives."""
    _why = ""

    peer: str

    def __init__(self, peer: str) -> None:
        self.peer = peer
        self._queue: list[bytes] = []
        self._handshake: Handshake | None = Handshake(self)

    # -- Twisted's side

    def connectionMade(self) -> None:
        transport = self.transport
        # A UNIX socket has no such thing, nor any delay.
        with suppress(AttributeError, OSError):
            transport.setTcpNoDelay(True)
        self._raw, self._deliver = outbox.deliverer(transport)
        self.wheel.enter(self, self.handshake_ticks)

    def dataReceived(self, data: bytes) -> None:
        self.heard = self.wheel.now
        if self.state >= CLOSING:
            if self._odd or not self.read_one(data):
                self.read(data)
        elif self._handshake is not None:
            self._handshake.received(data)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self.turnstile.left()
        self.wheel.leave(self)
        self.slow_readers.forget(self)
        self.half_frames.forget(self)
        self.state = CLOSED
        self.clear = False
        self._queue.clear()
        self._tail = None
        self.__dict__.pop("send", None)  # it knows us: nobody should have to search for that cycle
        handshake, self._handshake = self._handshake, None
        session, self.session = self.session, None
        if handshake is not None:
            handshake.lost(reason)
        if session is not None:
            try:
                if self.wasClean:
                    session.closed(True, self.remoteCloseCode, self.remoteCloseReason or "")
                else:
                    session.closed(False, None, self._why or self.wasNotCleanReason or _told(reason))
            except Exception:
                _log.failure("a session could not be told that it is over")

    # -- the handshake's side

    def begin(self, session: ISession, facts: ConnectionFacts, head: bytes, early: bytes) -> None:
        """Admitted: the 101 and what the session says first leave together, then reading begins."""
        self._handshake = None
        self.session = session
        self.facts = facts
        traits = session.traits
        if traits.message_limit != self.message_limit:
            self.message_limit = self.maxFramePayloadSize = self.maxMessagePayloadSize = traits.message_limit
        if traits.skip_oversized:
            self.skip_oversized = True
        self.state = OPEN
        self.heard = self.wheel.now
        if traits.pinged:
            self.wheel.enter(self, self.ping_ticks)
        else:
            self.wheel.leave(self)
            _probe(self.transport, self._raw)
        if self._raw is self.transport:  # not wrapped, as in TLS
            self.send = outbox.event_sender(self, self._raw, self.outbox)  # type: ignore[assignment, method-assign]
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
        """Refused: a plain HTTP answer and an end."""
        self._deliver(answer)
        self._end()

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

    def close(self, code: int, reason: str) -> None:
        """See ILink."""
        if self.state == OPEN:
            self._why = f"closed by us with {code}: {reason}"
            self.sendCloseFrame(code=code, reasonUtf8=encode_truncate(reason, 123))
            self.resume()

    def drop(self, reason: str) -> None:
        """See ILink. What is queued is still sent."""
        if self.state != CLOSED:
            self.flush()
            self._why = reason
            self._end()

    # -- sending

    def flush(self) -> None:
        """Send the queue; once a CLOSE frame has been sent nothing may follow it."""
        queue = self._queue
        if self.state != OPEN:
            queue.clear()
        elif queue:
            data = queue[0] if len(queue) == 1 else b"".join(queue)
            queue.clear()
            if left := self._deliver(data):
                self.held_back(left)
            else:
                self.clear = True

    def sendData(self, data: bytes, sync: bool = False, chopsize: int | None = None) -> None:
        """The way out of autobahn's CLOSE frames and of pings: behind what is queued, and at once."""
        self._queue.append(data)
        self.flush()

    def sendCloseFrame(self, code: int | None = None, reasonUtf8: bytes | None = None, isReply: bool = False) -> None:
        super().sendCloseFrame(code, reasonUtf8, isReply)
        if self.state == CLOSING:
            # What still arrives is autobahn's: it waits for the peer's CLOSE.
            self._foreign = self._odd = True
            self.clear = False
            self.wheel.enter(self, self.close_ticks)

    def backlog(self) -> int:
        """Bytes that wait for the peer to read."""
        return outbox.backlog(self._raw)

    def progress(self) -> object:
        """Changes with every byte that the peer takes."""
        return outbox.progress(self._raw)

    def stalled(self) -> None:
        """The peer has taken nothing for too long."""
        self._cut("stalled", self.backlog())

    def held_back(self, left: int) -> None:
        self.clear = False
        if left > self._output_limit:
            self._cut("queue_full", left)
        else:
            self.slow_readers.watch(self)

    def _cut(self, kind: str, left: int) -> None:
        if self.state != CLOSED:
            address = self.facts.address if self.session else self.peer
            self.journal.note("consumer.cut", kind, address=address, queued=left, limit=self._output_limit)
            self.drop_now(f"cut: {kind}")

    # -- ending

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
            self.heard = -1
            wheel.enter(self, self.pong_ticks)
            self.sendData(control_frame(PING))

    def drop_now(self, reason: str) -> None:
        """End the TCP connection at once, whatever it still holds."""
        self._why = self._why or reason
        self.state = CLOSED
        self.clear = False
        self.wheel.leave(self)
        self.transport.abortConnection()

    def oversized(self, size: int) -> None:
        address, limit = self.facts.address, self.message_limit
        self.journal.note("frame.skipped", "too_large", address=address, size=size, limit=limit)

    def failed(self) -> None:
        self.journal.note("link.failed", "internal", address=self.facts.address)
        self.close(1011, "internal error")

    def _fail_connection(self, code: int = 1002, reason: str = "") -> None:
        """autobahn found what RFC 6455 forbids, or a message beyond the limit: the peer hears the code, the log why."""
        if self.state == OPEN:
            self.journal.note("frame.refused", str(code), address=self.facts.address, reason=reason)
        super()._fail_connection(code, reason)

    def _closeConnection(self, abort: bool = False) -> None:
        """autobahn has done with the connection; after a proper closing handshake it need not be torn down."""
        if abort and not self.wasClean:
            self.drop_now("dropped")
        else:
            self._end()

    def _end(self) -> None:
        """Let the transport send what it holds and close, within the time that closing may take."""
        self.state = CLOSED
        self.clear = False
        self.wheel.enter(self, self.close_ticks)
        self.transport.loseConnection()


def _told(reason: Failure) -> str:
    """What Twisted says of the end of a connection."""
    if isinstance(reason.value, ConnectionDone):
        return "peer ended the TCP connection without a CLOSE frame"
    return reason.getErrorMessage()


def _probe(transport: Any, raw: Any) -> None:
    """TCP keep-alive, for a peer that is never pinged."""
    # Where it is not TCP, or the system has no such settings, its own defaults hold.
    with suppress(AttributeError, OSError):
        transport.setTcpKeepAlive(True)
        handle = raw.getHandle()
        for name, value in _PROBES:
            handle.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)
