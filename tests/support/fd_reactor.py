"""A reactor for descriptors that takes one turn when it is told to: real sockets, no waiting, every turn counted."""

from __future__ import annotations

import select
from typing import Any

from twisted.internet.interfaces import IReactorFDSet
from twisted.internet.task import Clock
from twisted.python.failure import Failure
from zope.interface import implementer


@implementer(IReactorFDSet)
class DescriptorReactor(Clock):
    """IReactorFDSet and IReactorTime. ``turn`` does what is ready, as Twisted's reactors do."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.readers: list[Any] = []
        self.writers: list[Any] = []

    def addReader(self, reader: Any) -> None:
        if reader not in self.readers:
            self.readers.append(reader)

    def addWriter(self, writer: Any) -> None:
        if writer not in self.writers:
            self.writers.append(writer)

    def removeReader(self, reader: Any) -> None:
        if reader in self.readers:
            self.readers.remove(reader)

    def removeWriter(self, writer: Any) -> None:
        if writer in self.writers:
            self.writers.remove(writer)

    def removeAll(self) -> list[Any]:
        removed = [*self.readers, *self.writers]
        self.readers, self.writers = [], []
        return removed

    def getReaders(self) -> list[Any]:
        return list(self.readers)

    def getWriters(self) -> list[Any]:
        return list(self.writers)

    def turn(self) -> bool:
        """Read and write once where it is possible, then call what is due. False if nothing was to be done."""
        readable, writable, _ = select.select(self.readers, self.writers, [], 0)
        for act, ready in (("doRead", readable), ("doWrite", writable)):
            for one in ready:
                if one.fileno() != -1:
                    reason = getattr(one, act)()
                    if reason is not None:
                        self.removeReader(one)
                        self.removeWriter(one)
                        one.connectionLost(Failure(reason))
        due = any(call.getTime() <= self.seconds() for call in self.getDelayedCalls())
        self.advance(0)
        return bool(readable or writable or due)

    def settle(self, most: int = 10_000) -> int:
        """Turns until nothing is to be done any more; how many they were."""
        for count in range(most):
            if not self.turn():
                return count
        raise AssertionError(f"still busy after {most} turns")
