"""The socket between two workers of one machine, over which batches go directly from one to the other.

A batch is its length (4 bytes, big-endian) and its bytes. It is sent at once while nothing waits, so that it costs one
system call; what the socket does not take waits in a queue with a limit. A part of what has arrived is read in each
turn of the reactor, so that clients have their turns too. Only public interfaces of the reactor are used.
"""

from __future__ import annotations

import socket
from collections import deque
from collections.abc import Callable
from itertools import islice
from typing import Any

from twisted.internet.interfaces import IReadWriteDescriptor
from twisted.internet.main import CONNECTION_DONE, CONNECTION_LOST
from twisted.logger import Logger
from twisted.python.failure import Failure
from zope.interface import implementer

LARGEST = 17 * 1024 * 1024
"""Bytes of a batch: the largest message of the back end by default, and what is around it."""
QUEUED = 24 * 1024 * 1024
"""Bytes that may wait for the other worker to read; batches beyond are dropped."""
OVERHEAD = 64
"""Bytes that are counted for each waiting batch besides its own."""

READ_AT_ONCE = 8 * 1024
"""Bytes that are read at a time: some 30 small events. More, if the rest of one batch is longer."""
READ_OF_ONE = 256 * 1024
"""Bytes of one batch that are read at a time."""
READS, READ_FOR = 16, 0.002
"""How often something is read in a turn at most, and after how many seconds not again."""
WRITTEN_AT_ONCE = 128 * 1024
"""Bytes of small batches that are joined into one write."""
SOCKET_BUFFER = 1024 * 1024
"""Bytes that the socket is asked to hold (the kernel may allow less: net.core.wmem_max). It counts more than 1 KiB for
each small batch."""

_log = Logger()


@implementer(IReadWriteDescriptor)
class MeshSocket:
    """One end. ``received`` is called with each batch, ``ended`` once when no more will come. ``reactor`` is
    an IReactorFDSet and IReactorTime.

    ``came``: how many times something has been read. ``lone``: whether nothing else arrived with the batch that is
    being handed over."""

    def __init__(
        self,
        descriptor: int,
        reactor: Any,
        received: Callable[[bytes], None],
        ended: Callable[[], None],
        *,
        queued: int = QUEUED,
    ) -> None:
        self._socket = socket.socket(fileno=descriptor)
        self._socket.setblocking(False)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SOCKET_BUFFER)
        self._send = self._socket.send
        self._reactor = reactor
        self._received = received
        self._ended = ended
        self._limit = queued
        self._buffer = bytearray()
        self._missing = 0
        self._queue: deque[bytes | memoryview] = deque()
        self._writable = True
        self._open = True
        self._emptied: Callable[[], None] | None = None
        self.queued = 0
        self.came = 0
        self.lone = False
        reactor.addReader(self)

    # -- sending

    def send(self, batch: bytes) -> bool:
        """Send a batch, now or when those before it have left. False if it is dropped: the queue is full."""
        frame = len(batch).to_bytes(4) + batch
        if not self._queue:
            if not self._writable:
                return True
            try:
                sent = self._send(frame)
            except OSError:
                sent = 0  # the socket is full, or broken: doWrite finds out which
            if sent == len(frame):
                return True
            self._enqueue(memoryview(frame)[sent:] if sent else frame)
            self._reactor.addWriter(self)
            return True
        if self.queued + len(frame) > self._limit:
            return False
        self._enqueue(frame)
        return True

    def _enqueue(self, data: bytes | memoryview) -> None:
        self._queue.append(data)
        self.queued += len(data) + OVERHEAD

    def doWrite(self) -> Any:
        """See IWriteDescriptor: as much of the queue as the socket takes."""
        queue = self._queue
        count = size = 0
        for data in queue:
            if count and size + len(data) > WRITTEN_AT_ONCE:
                break
            count += 1
            size += len(data)
        try:
            sent = self._send(queue[0] if count == 1 else b"".join(islice(queue, count)))
        except BlockingIOError:
            return None
        except OSError:
            # The other worker has ended. What it has sent can still be read.
            self._stop_writing()
            return None
        while sent:
            data = queue.popleft()
            if sent < len(data):
                queue.appendleft(memoryview(data)[sent:])
                self.queued -= sent
                break
            sent -= len(data)
            self.queued -= len(data) + OVERHEAD
        if not queue:
            self._reactor.removeWriter(self)
            self._tell_emptied()
        return None

    def _stop_writing(self) -> None:
        self._writable = False
        self._queue.clear()
        self.queued = 0
        self._reactor.removeWriter(self)
        self._tell_emptied()

    def _tell_emptied(self) -> None:
        emptied, self._emptied = self._emptied, None
        if emptied is not None:
            emptied()

    def when_sent(self, emptied: Callable[[], None]) -> None:
        """Call ``emptied`` once, when nothing waits any more: now if it is so."""
        if self._queue:
            self._emptied = emptied
        else:
            emptied()

    # -- receiving

    def doRead(self) -> Any:
        """See IReadDescriptor: read a part, and hand over the batches that are whole."""
        until = self._reactor.seconds() + READ_FOR
        for _ in range(READS):
            size = min(max(READ_AT_ONCE, self._missing), READ_OF_ONE)
            try:
                data = self._socket.recv(size)
            except BlockingIOError:
                return None
            except OSError:
                return CONNECTION_LOST
            if not data:
                return CONNECTION_DONE
            self.came += 1
            ended = self._arrived(data)
            # Less than was asked for: this was all. The others have their turns when it has taken long.
            if ended is not None or not self._open or len(data) < size or self._reactor.seconds() >= until:
                return ended
        return None

    def _arrived(self, data: bytes) -> Exception | None:
        buffer = self._buffer
        if buffer:
            buffer += data
            self._missing -= len(data)
            if self._missing > 0:
                return None
            data = bytes(buffer)
            buffer.clear()
        return self._take(data)

    def _take(self, data: bytes) -> Exception | None:
        start, end = 0, len(data)
        while end - start >= 4:
            length = int.from_bytes(data[start : start + 4])
            if length > LARGEST:
                _log.error(
                    "a batch of {length} bytes from another worker: the connection to it is closed", length=length
                )
                return CONNECTION_LOST
            following = start + 4 + length
            if following > end:
                self._missing = following - end
                break
            self.lone = not start and following == end
            try:
                self._received(data[start + 4 : following])
            except Exception:
                _log.failure("a batch of another worker could not be handled")
            if not self._open:
                return None
            start = following
        else:
            self._missing = 4 - (end - start)
        if start < end:
            self._buffer += data[start:]
        else:
            self._missing = 0
        return None

    # -- the descriptor

    def fileno(self) -> int:
        """See IFileDescriptor: -1 once it is closed."""
        return self._socket.fileno()

    def logPrefix(self) -> str:
        """See ILoggingContext."""
        return "mesh"

    def connectionLost(self, reason: Failure) -> None:
        """See IFileDescriptor: called by the reactor."""
        if self._open:
            self.close()
            self._ended()

    def close(self) -> None:
        """End it now: what waits is dropped, ``ended`` is not called."""
        if self._open:
            self._open = False
            self._reactor.removeReader(self)
            self._stop_writing()
            self._socket.close()
