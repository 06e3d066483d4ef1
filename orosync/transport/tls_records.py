"""TLS of one connection: Twisted's, with two limits more, and with less work for each message.

It knows the length of an incomplete record (RFC 8446 section 5.1): OpenSSL keeps that, up to 16 KiB, and reports
nothing of it, and with thousands of clients that have not joined this memory has to be bounded. And a TLS handshake,
which costs as much as dozens of messages, waits for another turn of the reactor when this one has taken long already.

All that has been read at once is handed over at once, as from a plain socket: several messages are then known to have
come together (``write_queue.WriteScheduler.idle``). How it is exchanged with OpenSSL is told in ``tls_buffers``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

from OpenSSL import SSL
from twisted.internet.protocol import connectionDone
from twisted.protocols.policies import ProtocolWrapper
from twisted.protocols.tls import TLSMemoryBIOProtocol
from twisted.python.failure import Failure

from orosync.transport.read_turns import QUANTUM, ReadTurns
from orosync.transport.tls_buffers import NO_BUFFERS, RECORD, Buffers, buffers_of

HEAD = 5
_CLIENT_HELLO = b"\x16\x03"
OVERHEAD = 512
"""Bytes of a record that are no message: padding, authentication tag, frame headers."""


class Watcher(Protocol):
    """The connection, which says how long a record may be."""

    def room(self) -> int:
        """Bytes that are missing until the longest message would be complete."""

    def record_too_long(self, size: int) -> None:
        """An incomplete record of ``size`` bytes is longer than that."""


class MeasuredTLS(TLSMemoryBIOProtocol):
    """The server's side of one connection. ``watcher`` is told of an incomplete record for which there is no room. With
    ``measures`` False records are no longer looked at. ``former_connection`` is asked with the first record for another
    OpenSSL connection, to be used instead (``tls_sessions``)."""

    factory: Any
    transport: Any
    buffers: Buffers
    measures = True
    watcher: Watcher | None = None
    former_connection: Callable[[bytes], SSL.Connection | None] | None = None
    _hello = b""
    _put_off = b""
    _head = b""
    _length = _rest = 0

    def makeConnection(self, transport: Any) -> None:
        """See IProtocol. Twisted's does some of this twice, since it may wrap a protocol that is connected already."""
        self._tlsConnection = self.factory._creatorCallable(self)
        self._appSendBuffer: list[bytes] = []
        self.buffers = buffers_of(self._tlsConnection)
        ProtocolWrapper.makeConnection(self, transport)
        self._checkHandshakeStatus()

    def dataReceived(self, data: bytes) -> None:
        """From the network."""
        if self._handshakeDone:
            self._take(data)
            return
        turns = self._turns()
        if turns.full or self._put_off:
            self._put_off += data
            turns.enter(self)
            self.transport.pauseProducing()
        else:
            self._take(data)
            turns.count(QUANTUM)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self._put_off = b""
        self._turns().leave(self)
        super().connectionLost(reason)  # type: ignore[no-untyped-call]
        self.buffers = NO_BUFFERS  # as Twisted forgets the OpenSSL connection, which refers to self

    # -- read_turns.Reader, as long as its handshake waits

    def renew(self) -> bool:
        """See read_turns.Reader."""
        return bool(self._put_off)

    def take_turn(self) -> int:
        """See read_turns.Reader."""
        data, self._put_off = self._put_off, b""
        self.transport.resumeProducing()  # what comes above may pause it again
        self._take(data)
        return QUANTUM

    def failed(self) -> None:
        """See read_turns.Reader."""
        self.abortConnection()

    def _turns(self) -> ReadTurns:
        turns: ReadTurns = self.factory.wrappedFactory.turns
        return turns

    def _take(self, data: bytes) -> None:
        if self.measures:
            self._measure(data)
        if self.former_connection is not None:
            data = self._begin(data)
        if data:
            super().dataReceived(data)  # type: ignore[no-untyped-call]
        watcher = self.watcher
        if watcher is not None and self._rest and self._length > watcher.room() + OVERHEAD:
            watcher.record_too_long(self._length)

    def _begin(self, data: bytes) -> bytes:
        """What has been received once the first record, the ClientHello, is complete; until then nothing. What cannot
        become a ClientHello, or is too long for a record, does not wait, and OpenSSL refuses it."""
        hello = self._hello = self._hello + data
        size = int.from_bytes(hello[3:HEAD], "big")
        if _CLIENT_HELLO.startswith(hello[:2]) and size <= RECORD and len(hello) < HEAD + size:
            return b""
        ask, self.former_connection, self._hello = self.former_connection, None, b""
        connection = ask(hello) if ask is not None else None
        if connection is not None:
            connection.set_accept_state()
            self._tlsConnection, self.buffers = connection, buffers_of(connection)
        return hello

    # -- called by Twisted's TLSMemoryBIOProtocol

    def _flushSendBIO(self) -> None:
        if data := self.buffers.outgoing():
            self.transport.write(data)

    def _flushReceiveBIO(self) -> None:
        if not self._lostTLSConnection:
            data, error = self.buffers.decrypt()
            if data and not self._aborted:
                self.wrappedProtocol.dataReceived(data)
            if error is not None and not self._lostTLSConnection:
                ended = isinstance(error, SSL.ZeroReturnError)  # by the peer's close_notify
                if ended:
                    self._shutdownTLS()
                self._tlsShutdownFinished(None if ended else Failure(error))
        self._flushSendBIO()

    def stop_measuring(self) -> None:
        """For good: where a record begins is not known afterwards."""
        self.measures, self.watcher = False, None

    def _measure(self, data: bytes) -> None:
        position, size = 0, len(data)
        while True:
            if self._rest > size - position:
                self._rest -= size - position
                return
            position += self._rest
            self._rest = 0
            head = self._head + data[position : position + HEAD - len(self._head)]
            position += len(head) - len(self._head)
            if len(head) < HEAD:
                self._head = head
                return
            self._head = b""
            self._rest = self._length = int.from_bytes(head[3:], "big")
