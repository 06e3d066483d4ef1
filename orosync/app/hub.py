"""The hub of a router with several workers: what they share, and the sockets between them.

It is in the supervisor and speaks frames ``hub.*`` over each worker's channel; ``backplane/local.py`` is the other
side. The supervisor says which workers there are; one that stops by itself says so before.
"""

from __future__ import annotations

import os
from collections.abc import Iterator

from twisted.internet.interfaces import IReactorTime

from orosync.app import metrics
from orosync.backplane.channel import ProcessChannel, pair
from orosync.backplane.shared_state import SharedState
from orosync.clocks import Now, time_of_day
from orosync.errors import NodeNameTaken, NotDone, Unavailable
from orosync.interfaces import IJournal
from orosync.metrics import Sample

LEFT = "it has left"
"""Why a node has gone that has said so itself."""


class Hub:
    """What all workers share. ``clock`` counts on."""

    def __init__(self, clock: IReactorTime, journal: IJournal, now: Now = time_of_day) -> None:
        self.state = SharedState(clock.seconds, now)
        self._journal = journal
        self._workers: dict[str, _Worker] = {}

    def add(self, name: str, channel: ProcessChannel) -> None:
        """A worker is started; ``channel`` is not connected yet. It becomes a node when it says so."""
        self._workers[name] = _Worker(self, channel)

    def remove(self, name: str, reason: str) -> None:
        """A worker has ended, or is being killed: the others are told at once, and its claims are free."""
        worker = self._workers.pop(name, None)
        if worker is not None:
            self.left(worker, reason)

    def join(self, joining: _Worker, node: str, boot: str) -> None:
        """A worker is a node from now on: each other one gets a socket to it. NodeNameTaken."""
        self.state.join(node, boot)
        joining.node, joining.boot = node, boot
        joining.channel.send("hub.joined", "")
        for other in self._workers.values():
            if other.boot and other is not joining:
                ends = pair()
                joining.channel.send_descriptor("hub.peer", ends[0], other.node, other.boot)
                other.channel.send_descriptor("hub.peer", ends[1], node, boot)
                for end in ends:
                    os.close(end)

    def left(self, leaving: _Worker, reason: str) -> None:
        """It is no node any more, if it was one."""
        boot, leaving.boot = leaving.boot, ""
        if boot and self.state.leave(leaving.node, boot):
            for other in self._workers.values():
                if other.boot:
                    other.channel.send("hub.left", leaving.node, boot, reason)

    def samples(self) -> Iterator[Sample]:
        """What metrics say of it."""
        yield metrics.KEPT_BYTES, (), self.state.size
        yield metrics.DROPPED, (), self.state.dropped

    def put(self, area: str, key: str, value: bytes) -> None:
        """Keep a value, if there is room."""
        if not self.state.put(area, key, value):
            self._journal.note("backplane.dropped", "value", area=area, bytes=len(value))

    def append(self, log: str, value: bytes, most: int, most_bytes: int) -> None:
        """Add to a list, if there is room."""
        dropped = self.state.append(log, value, most, most_bytes)
        if dropped:
            self._journal.note("backplane.dropped", "entry", list=log, entries=dropped)


class _Worker:
    """One worker: what it says over its channel. ``boot`` is "" while it is no node."""

    def __init__(self, hub: Hub, channel: ProcessChannel) -> None:
        self.node = self.boot = ""
        self.channel = channel
        self._hub = hub
        self._state = state = hub.state
        channel.on("hub.join", self._join)
        channel.on("hub.release", lambda key: state.release(self.node, key) if self.boot else None)
        channel.on("hub.put", hub.put)
        channel.on("hub.remove", state.remove)
        channel.on("hub.append", hub.append)
        channel.on_question("hub.leave", lambda: hub.left(self, LEFT))
        channel.on_question("hub.claim", self._claim)
        channel.on_question("hub.once", self._once)
        channel.on_question("hub.load", state.load)
        channel.on_question("hub.read", state.read)

    def _join(self, node: str, boot: str) -> None:
        try:
            self._hub.join(self, node, boot)
        except NodeNameTaken as error:
            self.channel.send("hub.joined", str(error))

    def _claim(self, key: str, policy: str, since: float, force: bool) -> tuple[str, float]:
        if not self.boot:
            raise NotDone("this node has no lease")
        claim = self._state.claim(self.node, key, policy, since, force)
        return claim.holder, claim.since

    def _once(self, key: str, seconds: float, by: str) -> bool:
        try:
            return self._state.once(key, seconds, by)
        except Unavailable as error:
            raise NotDone(error.reason) from None
