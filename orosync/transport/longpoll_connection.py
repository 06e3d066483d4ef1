"""The connection of a long-poll client (WAMP, section "HTTP Longpoll Transport"), as its session sees it.

Frames that are sent wait here until the client asks for them; what the client sends while the session is paused waits
together with its request.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any

from twisted.logger import Logger
from zope.interface import implementer

from orosync.interfaces import IDENTIFYING, RATE, TURN, WAITING, IJournal, ILink, ISession
from orosync.model import ConnectionFacts
from orosync.transport.admission import Place
from orosync.transport.autobahn_protocol import CLOSED, CLOSING, OPEN
from orosync.transport.connection import UNAUTHENTICATED_MESSAGE_LIMIT
from orosync.transport.frames import is_utf8
from orosync.transport.longpoll_relay import JoinedConnections, Poll
from orosync.transport.message_rates import NO_LIMIT, TokenBucket
from orosync.transport.read_turns import LEAST, ReadTurns, TurnTaker
from orosync.transport.timers import Timed, TimerWheel
from orosync.transport.write_queue import WriteScheduler

_log = Logger()

MOST_WAITING = 8
"""Requests with messages that may wait for a paused session."""

BYTES_WAITING = 262144
"""Bytes of requests that may wait for the next turn of the reactor (paused with TURN alone)."""

_FAULTS = (1002, 1007, 1011)
"""Close codes for a message that was wrong, or an error of ours."""


def poll_frame(payload: bytes, binary: bool) -> bytes:
    """``ILink.framer`` of long-poll: a message is the body of a response."""
    return payload


class LongPollContext:
    """What all long-poll connections of a listener share; times in ticks of ``timers``."""

    def __init__(self, listener: Any, wait: float) -> None:
        settings = listener.settings
        self.journal: IJournal = listener.journal
        self.timers: TimerWheel = listener.timers
        self.scheduler: WriteScheduler = listener.scheduler
        self.turns: ReadTurns = listener.turns
        self.limit: int = settings.send_buffer_limit
        self.wait_ticks = self.timers.ticks(wait)
        self.absence_ticks = self.timers.ticks(settings.ping_timeout)
        self.close_ticks = self.timers.ticks(settings.close_timeout)


@implementer(ILink)
class LongPollConnection(TurnTaker):
    """One client's connection. ``left`` is called once when it is over."""

    framer = staticmethod(poll_frame)
    bucket: TokenBucket = NO_LIMIT
    slot: set[Timed] | None = None

    def __init__(
        self, context: LongPollContext, facts: ConnectionFacts, session: ISession, batched: bool, binary: bool
    ) -> None:
        self.facts = facts
        self.state = OPEN
        self.left: Callable[[], object] = lambda: None
        self._context = context
        self._session = session
        self._batched = batched
        self._binary = binary
        self._queue: deque[bytes] = deque()
        self._size = self._large = 0
        self._receiver: Poll | None = None
        self._late: deque[tuple[bytes, Poll]] = deque()
        self._late_size = 0
        self._unfinished: Poll | None = None
        self._busy = self._cut = False
        self._authenticated = self._done = False
        self.turns = context.turns
        self._code = 0
        self._why = ""
        self.place: Place | None = None
        self._joined = JoinedConnections()
        self.set_authenticated(False)

    def begin(self) -> None:
        """Open the session. The client is told the name of its transport afterwards."""
        self._context.timers.schedule(self, self._context.absence_ticks)
        try:
            self._session.opened(self)
        except Exception:
            _log.failure("a session could not be opened")
            self.failed()

    # -- ILink

    def push(self, frame: bytes) -> None:
        """See ILink."""
        if self.state != OPEN or self._cut:
            return
        limit, size = self._context.limit, len(frame)
        if self._size <= limit:
            # A single frame that is larger than send_buffer_limit may wait all the same.
            self._large = size if size > limit else 0
        self._queue.append(frame)
        self._size += size
        self._cut = self._size > limit + self._large
        if len(self._queue) == 1 or self._cut:
            self._context.scheduler.schedule(self)

    def send(self, frame: bytes) -> None:
        """See ILink."""
        self.push(frame)

    def close(self, code: int, reason: str) -> None:
        """See ILink. The client may still fetch what is queued, within ``close_timeout``."""
        if self.state == OPEN:
            self.state = CLOSING
            self._code, self._why = code, f"closed by us with {code}: {reason}"
            self._context.timers.schedule(self, self._context.close_ticks)
            self._context.scheduler.schedule(self)
            self._leave_turns()
            self._finish()
            self.resume(WAITING | RATE | IDENTIFYING)

    def drop(self, reason: str, linger: bool = False) -> None:
        """See ILink."""
        self.close(1001, reason)

    def backlog(self) -> int:
        """See ILink."""
        return self._size

    def pause(self, reason: int = WAITING) -> None:
        """See ILink."""
        self._paused |= reason

    def resume(self, reason: int = WAITING) -> None:
        """See ILink."""
        if reason == RATE:
            self._wait()
        self._paused &= ~reason
        if self._busy:
            return
        while self._late and not self._paused:
            data, poll = self._late.popleft()
            self._late_size -= len(data)
            self._hand_over(data, poll)

    def set_authenticated(self, authenticated: bool) -> None:
        """See ILink."""
        limit = self._session.policy.message_limit
        self.message_limit = limit if authenticated else min(limit, UNAUTHENTICATED_MESSAGE_LIMIT)
        self._done = self._authenticated and not authenticated  # it has said GOODBYE, and need not poll any more
        self._authenticated = authenticated
        if self.place is not None:
            self.place.set_authenticated(authenticated)
        if not authenticated:
            self._joined.clear()

    @property
    def authenticated(self) -> bool:
        """Whether the client has joined."""
        return self._authenticated

    def vouch(self, connection: Place | None) -> None:
        """A request has arrived on ``connection``, which counts as authenticated if the client has joined."""
        if self._authenticated and connection is not None:
            self._joined.add(connection)

    # -- the client's requests

    def receive(self, poll: Poll) -> None:
        """The client asks for messages, or waits for them. Of two such requests the later one gets them."""
        self._release(204)
        if self.state == CLOSED:
            poll.answer(404)
            return
        self._receiver = poll
        poll.gone = self._receiver_gone
        if self.state == OPEN:
            self._context.timers.schedule(self, self._context.wait_ticks)
        self.flush()

    def sent(self, data: bytes, poll: Poll) -> None:
        """The client sends messages. The request is answered when they have been handed over."""
        if self.state != OPEN:
            poll.answer(404)
        elif len(data) > self.message_limit:
            poll.answer(413)
        elif not self._paused:
            self._hand_over(data, poll)
        elif len(self._late) < MOST_WAITING or (self._paused == TURN and self._late_size < BYTES_WAITING):
            self._late.append((data, poll))
            self._late_size += len(data)
        else:
            poll.answer(503)

    def leave(self) -> None:
        """The client closes the transport."""
        self._end(True, "closed by the client")

    # -- between the two

    def flush(self) -> None:
        """Answer the waiting receive request, if there is anything for it (see write_queue.Flushable)."""
        if self._cut and self.state == OPEN:
            self._note("queue_full", queued=self._size, limit=self._context.limit)
            self._end(False, "cut: queue_full")
            return
        receiver = self._receiver
        if receiver is None or self.state == CLOSED:
            return
        if self._queue:
            self._receiver = None
            body = b"".join(self._queue) if self._batched else self._queue.popleft()
            if self._batched:
                self._queue.clear()
            self._size -= len(body)
            if self.state == OPEN:
                self._context.timers.schedule(self, self._context.absence_ticks)
            receiver.answer(200, body)
        if self.state == CLOSING and not self._queue:
            self._end(True, self._why)

    def due(self) -> None:
        """See timers.Timed: a receive request has waited long enough, or the client has not polled for too long."""
        if self.state == OPEN and self._receiver is not None:
            self._release(204)
            self._context.timers.schedule(self, self._context.absence_ticks)
        else:
            if self.state == OPEN and not self._done:
                self._note("poll_timeout")
            self._end(False, self._why or "cut: poll_timeout")

    def _hand_over(self, data: bytes, poll: Poll) -> None:
        if self.state != OPEN:
            poll.answer(404)
            return
        self._busy = True
        self._quantum_left -= max(LEAST, len(data))
        try:
            if self._binary or is_utf8(data):
                self._session.received(data, self._binary)
            else:
                self._session.violated("text is not UTF-8")
        except Exception:
            _log.failure("a message could not be handed over")
            self.failed()
        self._busy = False
        if self.state == OPEN:
            if self._later is not None:
                self._unfinished = poll  # the rest of a batch has to wait
                return
            if self._quantum_left <= 0:
                self._wait()
        poll.answer(400 if self._code in _FAULTS else 204)

    def may_continue(self, later: Callable[[], object]) -> bool:
        """See ILink. The request is answered when all of it has been handled."""

        def go_on() -> None:
            later()
            if self._later is None:
                self._finish()

        return super().may_continue(go_on)

    def _finish(self) -> None:
        poll, self._unfinished = self._unfinished, None
        if poll is not None:
            poll.answer(400 if self._code in _FAULTS else 204)

    def failed(self) -> None:
        """See read_turns.Reader."""
        self._context.journal.note("link.failed", "internal", address=self.facts.address)
        self.close(1011, "internal error")

    def _kept(self) -> bool:
        return bool(self._late)

    def _release(self, status: int) -> None:
        receiver, self._receiver = self._receiver, None
        if receiver is not None:
            receiver.answer(status)

    def _receiver_gone(self) -> None:
        self._receiver = None
        if self.state == OPEN:
            self._context.timers.schedule(self, self._context.absence_ticks)

    def _note(self, kind: str, **fields: object) -> None:
        self._context.journal.note("consumer.cut", kind, address=self.facts.address, **fields)

    def _end(self, clean: bool, reason: str) -> None:
        if self.state == CLOSED:
            return
        self.state = CLOSED
        self.set_authenticated(False)
        self._leave_turns()
        self._finish()
        self._context.timers.cancel(self)
        self._queue.clear()
        self._release(204 if clean else 404)
        while self._late:
            self._late.popleft()[1].answer(404)
        self.left()
        try:
            self._session.closed(clean, None, reason)
        except Exception:
            _log.failure("a session could not be told that it is over")
