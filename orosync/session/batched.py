"""A WAMP v2 client that sends several messages in one frame (WAMP, "Message Batching").

Each message is handled as if it had come alone, in order. When one has to wait, all behind it wait too. What the client
is sent leaves as batches of one message.
"""

from __future__ import annotations

from collections import deque

from zope.interface import implementer

from orosync.errors import ProtocolViolation
from orosync.interfaces import IDENTIFYING, RATE, WAITING, ILink
from orosync.session.v2 import V2Session
from orosync.wamp import batching


class BatchedSession(V2Session):
    """See ISession; what is received are batches."""

    _batch: BatchLink | None = None

    def opened(self, link: ILink) -> None:
        self._connection = link
        link.bucket = self.bucket
        self._batch = BatchLink(link, self, batching.framer(link.framer, b"" if self._binary else batching.SEPARATOR))
        super().opened(self._batch)

    def received(self, data: bytes, binary: bool) -> None:
        if self._over or self._batch is None:
            return
        try:
            if binary is not self._binary:
                raise ProtocolViolation(f"{self._codec.subprotocol} goes in {'text' if binary else 'binary'} frames")
            messages = batching.split(data, binary)
        except ProtocolViolation as violation:
            self.violated(str(violation))
            return
        if not binary and batching.separator(data) != batching.SEPARATOR and self._requests is None:
            # Answered with what the client uses; from HELLO on it stays with that.
            self._wire = self._context.wires.v2(
                self._codec, batching.framer(self._connection.framer, batching.separator(data))
            )
        self._batch.waiting.extend(messages)
        self._batch.go_on()

    def closed(self, clean: bool, code: int | None, reason: str) -> None:
        batch, self._batch = (
            self._batch,
            None,
        )  # breaks the cycle: nothing waits for the garbage collector
        if batch is not None:
            batch.waiting.clear()
        super().closed(clean, code, reason)

    def one(self, message: bytes) -> bool:
        """Handle one message; False: the session is over."""
        super().received(message, self._binary)
        return not self._over


@implementer(ILink)
class BatchLink:
    """The link as a batched session sees it: pausing holds between any two messages of a batch too (see ILink), and so
    does what may be done in one turn."""

    def __init__(self, link: ILink, session: BatchedSession, framer: batching.Framer) -> None:
        self.facts, self.bucket = link.facts, link.bucket
        self.framer = framer
        self.waiting: deque[bytes] = deque()
        # Bound methods of the link, so that sending costs no call more than without batches.
        self.push, self.send = link.push, link.send
        self.close, self.drop, self.backlog = link.close, link.drop, link.backlog
        self.set_authenticated = link.set_authenticated
        self.may_continue, self.call_in_turn = link.may_continue, link.call_in_turn
        self._link = link
        self._session = session
        self._paused = 0
        self._held = self._busy = False

    def pause(self, reason: int = WAITING) -> None:
        """See ILink."""
        self._paused |= reason
        self._held = True
        self._link.pause(reason if reason == IDENTIFYING else WAITING)

    def resume(self, reason: int = WAITING) -> None:
        """See ILink."""
        self._paused &= ~reason
        if reason == RATE:
            self.call_in_turn(self.go_on)
        else:
            self.go_on()

    def go_on(self) -> None:
        """Hand over what waits, then let the link read again if it was kept from it."""
        if self._busy:
            return
        self._busy = True
        try:
            while self.waiting and not self._paused:
                if not self._session.one(self.waiting.popleft()):
                    self.waiting.clear()
                elif self.waiting and not self._paused and not self._link.may_continue(self.go_on):
                    break
        finally:
            self._busy = False
        if self._held and not self._paused:
            self._held = False
            self._link.resume(WAITING | IDENTIFYING)
