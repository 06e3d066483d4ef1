"""A hub and adapters of the backplane ``local`` in one process, with the sockets that they have between processes."""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import Deferred
from zope.interface import implementer

from orosync.app.hub import Hub
from orosync.backplane.channel import ProcessChannel, connect, pair
from orosync.backplane.local import LocalBackplane
from orosync.interfaces import IBackplaneUser
from orosync.testing import RecordingJournal


@implementer(IBackplaneUser)
class RecordingUser:
    """Records what a backplane tells; ``when(count)`` fires when so much has been told."""

    def __init__(self, node: str, boot: str) -> None:
        self.node = node
        self.boot = boot
        self.told: list[tuple[Any, ...]] = []
        self.batches: list[bytes] = []
        self._awaited: list[tuple[Any, Deferred[None]]] = []

    def node_joined(self, node: str, boot: str) -> None:
        self._note("joined", node, boot)

    def node_left(self, node: str, boot: str, reason: str, stopped: bool) -> None:
        assert stopped  # the supervisor knows it
        self._note("left", node, boot, reason)

    def received(self, batch: bytes) -> None:
        self.batches.append(batch)
        self._look()

    def engine_lost(self, reason: str) -> None:
        self._note("lost", reason)

    def engine_back(self) -> None:
        self._note("back")

    def _note(self, *what: Any) -> None:
        self.told.append(what)
        self._look()

    def _look(self) -> None:
        for condition, fired in list(self._awaited):
            if condition():
                self._awaited.remove((condition, fired))
                fired.callback(None)

    def until(self, condition: Any) -> Deferred[None]:
        """Fires as soon as ``condition()`` holds after something has been told; at once if it does already."""
        fired: Deferred[None] = Deferred()
        self._awaited.append((condition, fired))
        self._look()
        return fired


class LocalNodes:
    """The supervisor's side, and workers by name."""

    def __init__(self, reactor: Any) -> None:
        self._reactor = reactor
        self.hub = Hub(reactor, RecordingJournal())
        self.supervisor_ends: dict[str, ProcessChannel] = {}
        self.worker_ends: dict[str, ProcessChannel] = {}
        self._noticed: dict[str, Deferred[None]] = {}

    def adapter(self, name: str) -> LocalBackplane:
        """The adapter of one more worker; ``name`` is how the supervisor calls it."""
        ends = pair()
        supervisor = self.supervisor_ends[name] = ProcessChannel(lambda reason: self._ended(name, reason))
        self.hub.add(name, supervisor)
        worker = self.worker_ends[name] = ProcessChannel(lambda reason: backplane.lost(reason))
        backplane = LocalBackplane(worker, self._reactor)
        connect(self._reactor, ends[0], supervisor)
        connect(self._reactor, ends[1], worker)
        return backplane

    def end(self, name: str) -> None:
        """The channel ends, as when the worker's process ends."""
        self.worker_ends[name].close("ended")

    def kill(self, backplane: LocalBackplane) -> Deferred[None]:
        """What is left of a worker's process that is killed: its sockets are closed. Fires when the supervisor has
        noticed, which it does before it starts the worker again."""
        backplane._user = None
        backplane._close()
        name = next(name for name, channel in self.worker_ends.items() if channel is backplane._channel)
        self.end(name)
        noticed: Deferred[None] = Deferred()
        self._noticed[name] = noticed
        return noticed

    def _ended(self, name: str, reason: str) -> None:
        self.hub.remove(name, reason)
        if name in self._noticed:
            self._noticed.pop(name).callback(None)

    def close(self) -> Deferred[None]:
        """Everything ends."""
        for channel in (*self.supervisor_ends.values(), *self.worker_ends.values()):
            channel.close()
        done: Deferred[None] = Deferred()
        self._reactor.callLater(0.01, done.callback, None)
        return done
