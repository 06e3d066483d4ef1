"""Fair reading: how much of one connection's input is handled in one turn of the reactor, and whose turn is next.

A connection has a quantum: each message, frame or request costs its bytes, and at least LEAST. When it is used up, what
has arrived waits, and the connection gets another quantum when the turn is over. Connections that have nothing left
just go on; the others stand in a queue, of which a few are served in each turn, each for one quantum, after all reads.
So the length of a turn depends neither on how much clients send nor on how many of them do, and all make progress.

``ReadTurns`` is that queue, one for the process; ``TurnTaker`` is the part of a connection that waits in it, with the
reason TURN (``interfaces.TURN``).
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from typing import Protocol

from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.logger import Logger

from orosync.interfaces import TURN, WAITING
from orosync.transport.autobahn_protocol import CLOSED

_log = Logger()

QUANTUM = 65536
"""What one connection may cost in one turn: bytes."""
LEAST = 1024
"""The least that a message, a frame or a request costs, so that a quantum is 64 of them."""
READERS = 16
"""Connections of the queue that are served in one turn."""
MOST = 8 * QUANTUM
"""What all of them together may cost: 512 small messages. What is handled as soon as it is read may cost as much;
connections that are read after that wait in the queue as well."""
AT_ONCE = 64
"""Bytes that are handled as soon as they are read, whatever has been before: a PONG, or the CLOSE of a quiet client."""
TIME = 0.005
"""Seconds after which no more of the queue is served in this turn, whatever took so long. What is handled as soon as it
is read may take as long."""


class Reader(Protocol):
    """A connection that may have to wait for its turn."""

    def renew(self) -> bool:
        """A turn is over: begin another quantum. Returns whether there is something to handle with it."""

    def take_turn(self) -> int:
        """Handle what waits, within the quantum; call ``enter`` again where it was not enough. Returns the cost."""

    def failed(self) -> None:
        """``renew`` or ``take_turn`` raised; the exception is being handled."""


class ReadTurns:
    """The queue of connections that wait for a turn; one for all listeners of a process."""

    __slots__ = ("_call", "_clock", "_end", "_queue", "_read", "_used_up", "full")

    def __init__(self, clock: IReactorTime) -> None:
        self._clock = clock
        self._used_up: dict[Reader, None] = {}
        self._queue: OrderedDict[Reader, None] = OrderedDict()
        self._call: IDelayedCall | None = None
        self._end = 0.0
        self._read = 0
        self.full = False
        """Enough has been handled in this turn: what is read now waits in the queue, if it is more than AT_ONCE."""

    def __len__(self) -> int:
        """How many connections wait."""
        return len(self._used_up) + len(self._queue)

    def enter(self, reader: Reader) -> None:
        """``reader`` has used up its quantum, and gets another in a later turn. Entering again changes nothing."""
        self._used_up[reader] = None
        self._plan()

    def count(self, cost: int) -> None:
        """``cost`` has been handled as soon as it was read. Callers leave out a few messages (``connection.FEW``)."""
        self._read += cost
        self._plan()
        self.full = self._read >= MOST or self._clock.seconds() > self._end

    def leave(self, reader: Reader) -> None:
        """Its connection is over."""
        self._used_up.pop(reader, None)
        self._queue.pop(reader, None)
        if self._call is not None and not (self._used_up or self._queue or self._read):
            self._call.cancel()
            self._call = None

    def _plan(self) -> None:
        if self._call is None:
            self._call = self._clock.callLater(0, self._turn)
            self._end = self._clock.seconds() + TIME

    def _turn(self) -> None:
        self._call = None
        self._read, self.full = 0, False
        queue = self._queue
        used_up, self._used_up = self._used_up, {}
        for reader in used_up:
            if _safely(reader, reader.renew):
                queue[reader] = None
        cost, end = 0, self._clock.seconds() + TIME
        for _ in range(min(len(queue), READERS)):
            reader, _ = queue.popitem(last=False)
            cost += _safely(reader, reader.take_turn)
            if cost >= MOST or not queue or self._clock.seconds() > end:
                break
        if queue:
            self._plan()
        self._end = self._clock.seconds() + TIME


def _safely(reader: Reader, call: Callable[[], int]) -> int:
    """An exception in one connection must not cost the others their turn."""
    try:
        return call()
    except Exception:
        _log.failure("a connection could not go on with what it had received")
    try:
        reader.failed()
    except Exception:
        _log.failure("a connection could not be ended")
    return 0


class TurnTaker:
    """A Reader that is paused with the reason TURN until its turn comes."""

    turns: ReadTurns
    state: int

    # _paused: the reasons why nothing is handed over (see interfaces.WAITING), 0 for none. _later: what the session
    # still has to handle of a message that holds several.
    _quantum_left = QUANTUM
    _paused = 0
    _later: Callable[[], object] | None = None

    def resume(self, reason: int = WAITING) -> None:
        """See ILink."""
        raise NotImplementedError

    def failed(self) -> None:
        """See Reader."""
        raise NotImplementedError

    def may_continue(self, later: Callable[[], object]) -> bool:
        """See ILink."""
        if self._quantum_left > 0:
            self._quantum_left -= LEAST
            return self.state != CLOSED
        self.call_in_turn(later)
        return False

    def call_in_turn(self, later: Callable[[], object]) -> None:
        """See ILink."""
        if self.state != CLOSED:
            self._later = later
            self._wait()

    def renew(self) -> bool:
        """See Reader."""
        self._quantum_left = QUANTUM
        if self._later is None:
            if self._paused != TURN:
                self._paused &= ~TURN  # it waits for something else too
                return False
            if not self._kept():
                self.resume(TURN)
                return False
        return True

    def take_turn(self) -> int:
        """See Reader."""
        before = self._quantum_left
        more, self._later = self._later, None
        if more is not None:
            self._quantum_left -= LEAST
            more()
        if self._later is None:
            self.resume(TURN)
        return before - self._quantum_left

    def _wait(self) -> None:
        """The quantum is used up."""
        self._paused |= TURN
        self.turns.enter(self)

    def _kept(self) -> bool:
        """Whether input waits to be handled."""
        raise NotImplementedError

    def _leave_turns(self) -> None:
        """The connection ends: nothing more will be handled."""
        self._later = None
        if self._paused & TURN:
            self._paused &= ~TURN
            self.turns.leave(self)
