"""Finds those who take nothing of what waits for them. It knows neither frames nor sockets, nor what is done then."""

from __future__ import annotations

from typing import Protocol

from twisted.internet.interfaces import IDelayedCall, IReactorTime


class Reader(Protocol):
    """A link whose peer reads more slowly than it is sent to."""

    def backlog(self) -> int: ...

    def progress(self) -> object: ...

    def stalled(self) -> None:
        """The peer has taken nothing for too long."""


class SlowReaders:
    """Watches those who owe us reading: who takes nothing for ``patience`` seconds is stalled.

    Looked at every ``tick`` seconds, and only while there are any.
    """

    def __init__(self, clock: IReactorTime, tick: float, patience: float) -> None:
        self._clock = clock
        self._tick = tick
        self._patience = patience
        self._readers: dict[Reader, tuple[object, float]] = {}
        self._timer: IDelayedCall | None = None

    def watch(self, reader: Reader) -> None:
        """Begin to watch ``reader`` (again: no difference); it is let go once its backlog is gone."""
        if reader not in self._readers:
            self._readers[reader] = (reader.progress(), self._clock.seconds())
            if self._timer is None:
                self._timer = self._clock.callLater(self._tick, self._look)

    def forget(self, reader: Reader) -> None:
        """Its connection is gone."""
        self._readers.pop(reader, None)
        if not self._readers and self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _look(self) -> None:
        self._timer = None
        now = self._clock.seconds()
        for reader, (mark, since) in list(self._readers.items()):
            if not reader.backlog():
                del self._readers[reader]
                continue
            latest = reader.progress()
            if latest != mark:
                self._readers[reader] = (latest, now)
            elif now - since >= self._patience:
                del self._readers[reader]
                reader.stalled()
        if self._readers and self._timer is None:
            self._timer = self._clock.callLater(self._tick, self._look)
