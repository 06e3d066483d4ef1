"""What all subjects have in common that the nodes of a realm share."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, TypeVar

from twisted.internet.defer import Deferred, succeed

from orosync.backplane.messages import NodeMessage
from orosync.backplane.peer import Peer

PORTION = 30_000
"""Characters of URIs or names in one message, about: it has to fit into the smallest batch."""

_OVERHEAD = 12  # bytes of a name besides its characters

T = TypeVar("T")


def portions(items: Iterable[T], length: Callable[[T], int]) -> Iterator[list[T]]:
    """``items`` in lists, each for one message."""
    found: list[T] = []
    size = 0
    for item in items:
        found.append(item)
        size += length(item) + _OVERHEAD
        if size > PORTION:
            yield found
            found, size = [], 0
    if found:
        yield found


class RealmPart:
    """One subject of one realm. ``handlers``, by the class of the messages that other nodes send about it."""

    handlers: Mapping[type[Any], Callable[[Peer, Any], None]] = {}

    def snapshot(self) -> Iterable[NodeMessage]:
        """What a new peer is told first."""
        return ()

    def forget(self, peer: Peer) -> None:
        """Forget everything that a peer has told."""

    def settle(self, peer: Peer) -> None:
        """A peer that was to be forgotten has told everything anew, or is not waited for any more."""

    def engine(self, back: bool) -> None:
        """The engine can be reached no more, or is back."""

    def load(self) -> Deferred[None]:
        """Fetch what is kept for all nodes, at the start and when something may have been missed. It fails with
        Unavailable while the engine is away."""
        return succeed(None)
