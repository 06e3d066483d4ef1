"""The way out: frames of one reactor turn are sent together, by the shortest way that keeps their order.

The first frame of a turn schedules one flush for all connections (``WriteScheduler``). A flush joins what a connection
has queued and sends it straight to the socket when the transport holds nothing back, encrypted where it speaks TLS;
otherwise the transport takes it. Only ``backlog``, ``progress``, ``deliverer`` and ``event_sender`` read Twisted's own
buffers.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger

from orosync.transport import native
from orosync.transport.tls_buffers import RECORD
from orosync.transport.tls_records import MeasuredTLS

_log = Logger()

Deliver = Callable[[bytes], int]

BATCH = 128
"""Frames that one turn may queue for a connection before they are sent without waiting for its end."""


def backlog(transport: Any) -> int:
    """Bytes that a Twisted socket transport still holds; 0 for a transport that does not tell."""
    try:
        held: int = transport._tempDataLen + len(transport.dataBuffer) - transport.offset
    except AttributeError:
        return 0
    return held


def progress(transport: Any) -> tuple[int, int]:
    """Something that changes whenever the socket has taken bytes of the backlog."""
    return id(getattr(transport, "dataBuffer", None)), getattr(transport, "offset", 0)


def deliverer(transport: Any) -> tuple[Any, Deliver]:
    """How a transport is sent to: the transport that holds the backlog, and a function for the bytes.

    The function sends in order and returns the backlog that is left. A socket that holds nothing back is sent to
    directly.
    """
    if isinstance(transport, MeasuredTLS):
        return transport.transport, _over_tls(transport)
    try:
        # All that is read below is there, or none of it is trusted.
        _ = transport._tempDataLen, transport.dataBuffer, transport.offset, transport.disconnecting
        send = transport.socket.send
    except AttributeError:
        return transport, _by_write(transport, transport.write)

    def deliver(data: bytes) -> int:
        if not (transport._tempDataLen or transport.offset < len(transport.dataBuffer) or transport.disconnecting):
            try:
                sent = send(data)
            except OSError:
                # A full buffer, or a broken connection: the transport finds out which, and reports it.
                sent = 0
            if sent == len(data):
                return 0
            data = data[sent:]
        transport.write(data)
        return backlog(transport)

    return transport, deliver


def _over_tls(tls: MeasuredTLS) -> Deliver:
    """The plain socket's way is written out here: to call it costs 4 % of an event."""
    raw = tls.transport
    try:
        _ = raw._tempDataLen, raw.dataBuffer, raw.offset, raw.disconnecting
        _ = tls._handshakeDone, tls._appSendBuffer, tls.disconnecting
        send = raw.socket.send
    except AttributeError:
        return _by_write(raw, tls.write)

    def deliver(data: bytes) -> int:
        start, size = 0, len(data)
        if (
            tls._handshakeDone
            and not (tls._appSendBuffer or tls.disconnecting)
            and not (raw._tempDataLen or raw.offset < len(raw.dataBuffer) or raw.disconnecting)
        ):
            encrypt = tls.buffers.encrypt
            while start < size:
                taken, records = encrypt(data[start : start + RECORD] if start or size > RECORD else data)
                if not taken:
                    break
                start += taken
                try:
                    sent = send(records)
                except OSError:
                    sent = 0
                if sent != len(records):
                    raw.write(records[sent:])
                    break
            else:
                return 0
        if start < size:
            tls.write(data[start:] if start else data)
        return backlog(raw)

    return deliver


class Way(Protocol):
    """The short way of events to one connection. ``clear`` is True while the connection is open and its transport holds
    nothing back; False from ``held_back`` until a later frame has left whole."""

    clear: bool

    def close(self) -> None:
        """The connection is over: its socket is closed now, and its descriptor may soon be that of another one."""


class PlainWay:
    """See Way."""

    __slots__ = ("clear",)

    def __init__(self) -> None:
        self.clear = False

    def close(self) -> None:
        self.clear = False


Send = Callable[[bytes], None]


def event_sender(link: Sender, queue: list[bytes], transport: Any, scheduler: WriteScheduler) -> tuple[Way, Send]:
    """``ILink.send`` of a link on a plain socket, as one function: a publish to thousands calls nothing else for each.

    With ``scheduler.idle``, on an open link whose transport holds nothing back (``Way.clear``), a frame goes straight
    to the socket; otherwise, and on every other transport, it is pushed. As little as can be is looked at for each
    frame. ``queue`` is the link's, for all its life.
    """
    try:
        _ = transport._tempDataLen, transport.dataBuffer, transport.offset, transport.disconnecting
        to_socket, descriptor = transport.socket.send, transport.socket.fileno
    except AttributeError:
        return PlainWay(), link.push
    if native.built is not None:
        sender = native.built.Sender(link, queue, scheduler, descriptor(), BATCH)
        return sender, sender
    way = PlainWay()

    def send(frame: bytes) -> None:
        if not (scheduler.idle and way.clear):
            link.push(frame)
            return
        try:
            sent = to_socket(frame)
        except OSError:
            sent = 0
        if sent != len(frame):
            link.sent_in_part([frame], sent)

    return way, send


def tls_event_sender(link: TlsSender, deliver: Deliver, scheduler: WriteScheduler) -> tuple[Way, Send]:
    """The same over TLS, by ``deliver``, which is that of ``deliverer``."""
    way = PlainWay()

    def send(frame: bytes) -> None:
        if not (scheduler.idle and way.clear):
            link.push(frame)
        elif left := deliver(frame):
            size = len(frame)
            link.held_back(left, size, size)

    return way, send


def send_to_all_in_python(receivers: list[Callable[[Any], None]], frame: Any) -> None:
    for send in receivers:
        send(frame)


send_to_all = send_to_all_in_python if native.built is None else native.built.send_to_all
"""Give a frame to each of these functions, in their order. In C one call sends it to as many sockets as take it."""


def _by_write(holding: Any, write: Callable[[bytes], object]) -> Deliver:
    def deliver(data: bytes) -> int:
        write(data)
        return backlog(holding)

    return deliver


class Sender(Protocol):
    """A connection that events are sent to."""

    def push(self, frame: bytes) -> None: ...

    def sent_in_part(self, frames: list[bytes], sent: int) -> None:
        """The socket took only the first ``sent`` bytes of the frames, or none."""


class TlsSender(Protocol):
    """One over TLS."""

    def push(self, frame: bytes) -> None: ...

    def held_back(self, left: int, size: int, largest: int) -> None:
        """The transport could not get rid of ``left`` bytes, after it was given ``size`` more, in frames of at most
        ``largest``."""


class Flushable(Protocol):
    """A connection with something in its queue."""

    def flush(self) -> None:
        """Send the queue."""


class WriteScheduler:
    """The connections with something to send in this reactor turn.

    ``idle`` is True while a message is being handled that arrived alone, and no connection has anything to send
    (``pending`` is empty). What the message causes is then sent at once: there is nothing to be gathered, and gathering
    would only cost another turn.
    """

    __slots__ = ("_clock", "idle", "pending")

    def __init__(self, clock: IReactorTime) -> None:
        self._clock = clock
        self.pending: list[Flushable] = []
        self.idle = False

    def schedule(self, link: Flushable) -> None:
        """Have ``link`` flushed when this turn is over. Until then no frame is sent at once."""
        pending = self.pending
        if not pending:
            self._clock.callLater(0, self._flush)
            self.idle = False
        pending.append(link)

    def at_once(self, handle: Callable[[], object]) -> None:
        """Call ``handle``, which handles one message that arrived alone (``idle``); those of clients, of which there
        are more, have this written out."""
        self.idle = not self.pending
        try:
            handle()
        finally:
            self.idle = False

    def _flush(self) -> None:
        pending, self.pending = self.pending, []
        if native.built is not None:
            pending, ready = [], pending
            try:
                native.built.flush_ready(ready, pending)
            except Exception:
                _log.failure("a link could not be flushed")
        for link in pending:
            try:
                link.flush()
            except Exception:
                _log.failure("a link could not be flushed")
