"""A backplane in memory: nodes of one process, on one clock, with the faults that an engine and a network have.

    engine = MemoryEngine(clock)
    nodes = [Nodes(engine.adapter(), name, key, clock, journal) for name in "abc"]

Everything happens in a later turn: with twisted.internet.task.Clock, ``clock.advance(0)`` lets it happen.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, TypeVar

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from zope.interface import implementer

from orosync.backplane.shared_state import SharedState
from orosync.errors import NodeNameTaken, backplane_down
from orosync.interfaces import Claim, IBackplane, IBackplaneUser

T = TypeVar("T")

LEASE = 10.0
"""Seconds after which a node without a sign of life has left."""


class MemoryEngine:
    """The engine of all adapters that ``adapter`` makes. Faults: ``go_away``/``come_back`` for all or some nodes,
    ``end_lease``, ``kill``, ``part``/``mend`` between two nodes, and ``spoil``.

    ``spoil`` gets each batch with the names of sender and receiver, and returns what arrives instead: nothing, the
    batch twice, another one.
    """

    def __init__(self, clock: IReactorTime, *, lease: float = LEASE, largest: int = 1024 * 1024) -> None:
        self.clock = clock
        self.lease = lease
        self.largest = largest
        self.spoil: Callable[[str, str, bytes], Iterable[bytes]] | None = None
        self.batches = 0
        """Batches that were sent."""
        self._nodes: dict[str, MemoryBackplane] = {}
        self._away = False
        self._parted: set[frozenset[str]] = set()
        self.state = self._empty_state()

    def _empty_state(self) -> SharedState:
        """Its time is never 0."""
        return SharedState(self.clock.seconds, lambda: 1.0 + self.clock.seconds())

    def adapter(self) -> MemoryBackplane:
        """The backplane of one more node."""
        return MemoryBackplane(self)

    # -- faults

    def go_away(self, *nodes: str) -> None:
        """These nodes, or all, cannot reach the engine: after the lease they have left."""
        self._away = self._away or not nodes
        for adapter in [self._nodes[name] for name in nodes or self._nodes]:
            adapter.cut_off("the engine cannot be reached")

    def come_back(self, *nodes: str, empty: bool = False) -> None:
        """They can again; ``empty``: the engine has forgotten everything. NodeNameTaken if a name has gone to another
        process."""
        if empty:
            self.state = self._empty_state()
            for adapter in self._nodes.values():
                if adapter.leased:
                    self.state.join(adapter.node, adapter.boot)
        if not nodes:
            self._away = False
        for adapter in [self._nodes[name] for name in nodes or self._nodes]:
            adapter.reconnect()

    def end_lease(self, node: str) -> None:
        """The node has left for the others, and joins again."""
        adapter = self._nodes[node]
        adapter.cut_off("the lease has ended")
        self.lapse(adapter, adapter.connections)
        self.clock.callLater(0, adapter.reconnect)

    def kill(self, node: str) -> None:
        """The process of the node ends at once: the others learn it when its lease ends."""
        adapter = self._nodes[node]
        adapter.running = False
        adapter.cut_off("")

    def part(self, one: str, other: str) -> None:
        """No batch gets from one to the other; both reach the engine."""
        self._parted.add(frozenset((one, other)))

    def mend(self, one: str, other: str) -> None:
        """Batches get through again."""
        self._parted.discard(frozenset((one, other)))

    # -- what adapters use

    def reachable(self) -> bool:
        """Whether a node that starts can reach the engine."""
        return not self._away

    def register(self, adapter: MemoryBackplane) -> None:
        """A node has this name; NodeNameTaken if another one has it."""
        present = self._nodes.get(adapter.node)
        if present is not None and present is not adapter:
            if present.running and (present.leased or present.available):
                raise NodeNameTaken(f"another node {adapter.node!r} is running: give each node a name of its own")
            self.left(present, "another process has its name", True)
        self._nodes[adapter.node] = adapter

    def joined(self, adapter: MemoryBackplane) -> None:
        """A node has its lease (again)."""
        self.register(adapter)
        adapter.leased = True
        if self.state.nodes.get(adapter.node) != adapter.boot:
            self.state.join(adapter.node, adapter.boot)
        for other in list(self._nodes.values()):
            if other is not adapter and other.leased:
                other.sees(adapter)
                adapter.sees(other)

    def left(self, adapter: MemoryBackplane, reason: str, stopped: bool) -> None:
        """A node has ``stopped``, or its lease has ended: so have its claims."""
        if self._nodes.get(adapter.node) is adapter and not adapter.running:
            del self._nodes[adapter.node]
        adapter.leased = False
        self.state.leave(adapter.node, adapter.boot)
        for other in self._nodes.values():
            if other.available:
                other.misses(adapter.node, adapter.boot, reason, stopped)

    def lapse(self, adapter: MemoryBackplane, connection: int) -> None:
        """The lease of a node has ended, unless it has come back meanwhile."""
        if adapter.leased and not adapter.available and adapter.connections == connection:
            self.left(adapter, "no sign of life", False)

    def look(self, adapter: MemoryBackplane, connection: int) -> None:
        """A lease after the engine is back, a node learns who has not come back."""
        if adapter.connections != connection:
            return
        for name, boot in list(adapter.seen.items()):
            there = self._nodes.get(name)
            if there is None or not there.leased or there.boot != boot:
                adapter.misses(name, boot, "no sign of life", False)

    def carry(self, sender: str, receiver: str, batch: bytes) -> None:
        """Deliver a batch in a later turn, unless a fault hinders it."""
        self.batches += 1
        for one in [batch] if self.spoil is None else self.spoil(sender, receiver, batch):
            if frozenset((sender, receiver)) not in self._parted and receiver in self._nodes:
                self._nodes[receiver].tell("received", one, carried=True)


@implementer(IBackplane)
class MemoryBackplane:
    """One node's adapter of a MemoryEngine. ``leased``: it is a node for the others; ``running``: it was started;
    ``seen``: the nodes that its user was told of, and their boots; ``connections``: how often it lost the engine."""

    def __init__(self, engine: MemoryEngine) -> None:
        self.largest = engine.largest
        self.available = False
        self.leased = False
        self.running = False
        self.node = self.boot = ""
        self.seen: dict[str, str] = {}
        self.connections = 0
        self._engine = engine
        self._user: Any = None
        self._life = 0  # what was sent in an earlier one does not arrive

    def start(self, user: IBackplaneUser) -> Deferred[None]:
        """Join, in a later turn."""
        self._user, self.node, self.boot = user, user.node, user.boot
        return self._later(self._start)

    def _start(self) -> None:
        if self._engine.reachable():
            self._engine.joined(self)
            self.available = True
        else:
            self._engine.register(self)
        self.running = True

    def stop(self) -> Deferred[None]:
        """Leave at once."""
        self.running = self.available = False
        self._life += 1
        self._engine.left(self, "stopped", True)
        return self._later(lambda: None)

    def send(self, node: str, batch: bytes) -> None:
        """Deliver it in a later turn."""
        if self.available:
            self._engine.carry(self.node, node, batch)

    def claim(self, key: str, policy: str, since: float = 0.0, force: bool = False) -> Deferred[Claim]:
        return self._asked(lambda: self._engine.state.claim(self.node, key, policy, since, force))

    def release(self, key: str) -> None:
        if self.available:
            self._engine.state.release(self.node, key)

    def once(self, key: str, seconds: float, by: str = "") -> Deferred[bool]:
        return self._asked(lambda: self._engine.state.once(key, seconds, by))

    def put(self, area: str, key: str, value: bytes) -> None:
        if self.available:
            self._engine.state.put(area, key, value)

    def remove(self, area: str, key: str) -> None:
        if self.available:
            self._engine.state.remove(area, key)

    def load(self, area: str) -> Deferred[Mapping[str, bytes]]:
        return self._asked(lambda: self._engine.state.load(area))

    def append(self, log: str, value: bytes, most: int, most_bytes: int) -> None:
        if self.available:
            self._engine.state.append(log, value, most, most_bytes)

    def read(self, log: str) -> Deferred[Sequence[bytes]]:
        return self._asked(lambda: self._engine.state.read(log))

    # -- what the engine uses

    def tell(self, what: str, *arguments: Any, carried: bool = False) -> None:
        """Call a method of the user in a later turn, if this is still the same life then; ``carried``: not while the
        engine is away."""
        life = self._life

        def told() -> None:
            if life == self._life and self.running and (self.available or not carried):
                getattr(self._user, what)(*arguments)

        self._engine.clock.callLater(0, told)

    def sees(self, other: MemoryBackplane) -> None:
        """Another node is there."""
        if self.seen.get(other.node) != other.boot:
            self.seen[other.node] = other.boot
            self.tell("node_joined", other.node, other.boot)

    def misses(self, node: str, boot: str, reason: str, stopped: bool) -> None:
        """It has left."""
        if self.seen.get(node) == boot:
            del self.seen[node]
            self.tell("node_left", node, boot, reason, stopped)

    def cut_off(self, reason: str) -> None:
        """The engine cannot be reached; the lease ends in time."""
        if self.available:
            self.available = False
            self.connections += 1
            self.tell("engine_lost", reason)
            self._engine.clock.callLater(self._engine.lease, self._engine.lapse, self, self.connections)

    def reconnect(self) -> None:
        """The engine can be reached again."""
        if self.running and not self.available:
            self._engine.joined(self)
            self.available = True
            self.tell("engine_back")
            self._engine.clock.callLater(self._engine.lease, self._engine.look, self, self.connections)

    def _asked(self, answer: Callable[[], T]) -> Deferred[T]:
        """``answer`` in a later turn."""
        if not self.available:
            return self._later(self._unavailable)
        result = answer()  # in the order of the requests
        return self._later(lambda: result if self.available else self._unavailable())

    def _unavailable(self) -> Any:
        raise backplane_down("the engine of the backplane cannot be reached")

    def _later(self, answer: Callable[[], T]) -> Deferred[T]:
        fired: Deferred[T] = Deferred()

        def fire() -> None:
            try:
                fired.callback(answer())
            except Exception:
                fired.errback()

        self._engine.clock.callLater(0, fire)
        return fired
