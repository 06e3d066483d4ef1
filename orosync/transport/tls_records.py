"""TLS that knows how long the record is of which it has only a part: OpenSSL keeps that until the record is complete,
up to 16 KiB, and nobody above is told; and TLS whose handshakes wait for another turn of the reactor where this one has
taken long already, since each costs as much as dozens of messages.

It reads the lengths of records and nothing else (RFC 8446 section 5.1); it must not know what is spoken inside.
"""

from __future__ import annotations

from typing import Any, Protocol

from twisted.internet.protocol import connectionDone
from twisted.protocols.tls import BufferingTLSTransport
from twisted.python.failure import Failure

from orosync.transport.read_turns import QUANTUM, ReadTurns

HEAD = 5
OVERHEAD = 512
"""Bytes of a record that are no message: padding, authentication, heads of frames."""


class Watcher(Protocol):
    """Who says how long a record may be."""

    def room(self) -> int:
        """Bytes that may still come before something is complete."""

    def record_too_long(self, size: int) -> None:
        """A record of ``size`` bytes is incomplete that is longer than that."""


class MeasuredTLS(BufferingTLSTransport):
    """The server's side of one connection. While it has a ``watcher``, that is told of an incomplete record which is
    longer than there is room for. With ``measures`` False records are no longer looked at."""

    factory: Any
    transport: Any
    measures = True
    watcher: Watcher | None = None
    _put_off = b""
    _head = b""
    _length = _rest = 0

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
        super().connectionLost(reason)

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
        super().dataReceived(data)  # type: ignore[no-untyped-call]
        watcher = self.watcher
        if watcher is not None and self._rest and self._length > watcher.room() + OVERHEAD:
            watcher.record_too_long(self._length)

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
