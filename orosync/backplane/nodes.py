"""This node among the others: who is there, what they are told, and whose messages are handed on.

What is sent waits until the end of the reactor's turn, so that a peer gets one batch per turn. A peer is told a
snapshot of everything first, then every change in order (``peer``). It is there while the engine says so and signs of
life arrive. Otherwise it is *apart*: what it has told is forgotten, and what it is to be told is kept, for as long as
all that was sent is. If it is back by then, it gets that, and tells everything anew.
"""

from __future__ import annotations

import secrets
from collections import OrderedDict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from functools import partial
from types import MappingProxyType
from typing import Any, TypeVar

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.logger import Logger
from zope.interface import implementer

from orosync.backplane.envelope import ANEW, OVERHEAD, REPEAT, UNCOUNTED, Envelope, Envelopes
from orosync.backplane.messages import NodeMessage, Part, SnapshotEnd, decode, encode, events_in
from orosync.backplane.peer import PART, TAKE, Arrived, Counters, Peer
from orosync.errors import ProtocolViolation, Refused
from orosync.interfaces import IBackplane, IBackplaneUser, IJournal

M = TypeVar("M", bound=NodeMessage)

RESEND_SECONDS = 30.0
RESEND_BYTES = 16 * 1024 * 1024

SIGN_OF_LIFE = 1.0
"""Seconds between two signs of life."""

STALL = 5.0
"""Seconds between two signs of life after which this node itself has stood still."""

SILENCE = 10.0
"""Seconds without a sign of life after which a peer is apart."""

RINGS = 4
"""A message that needs several batches takes this part of what is kept for resending at most."""

REMEMBERED = 1024
"""Lives of peers whose last numbers are remembered after they have gone."""

_log = Logger()


@implementer(IBackplaneUser)
class Nodes:
    """The node ``node`` and its peers. ``key``: the secret of all nodes of the router, at least 16 bytes; what was
    signed with ``previous_key`` is accepted, too.

    ``resend_seconds`` and ``resend_bytes``: how long, and how much of, what a peer has not acknowledged is kept for it.
    ``boot`` is random unless given. Handlers and snapshots are registered before ``start``.

    ``alone`` says whether one message is being handled that arrived alone: what is sent then leaves at once, since
    there is nothing to be gathered, and waiting would only cost another turn of the reactor. ``at_once`` calls what
    handles such a message of another node.
    """

    alone: Callable[[], bool]
    at_once: Callable[[Callable[[], None]], None]

    def __init__(
        self,
        backplane: IBackplane,
        node: str,
        key: bytes,
        clock: IReactorTime,
        journal: IJournal,
        *,
        resend_seconds: float = RESEND_SECONDS,
        resend_bytes: int = RESEND_BYTES,
        boot: str = "",
        previous_key: bytes = b"",
    ) -> None:
        self.backplane = backplane
        self.node = node
        self.boot = boot or secrets.token_hex(8)
        self.counters = Counters()
        self._whole: dict[str, Peer] = {}
        self.peers: Mapping[str, Peer] = MappingProxyType(self._whole)
        """The peers whose snapshot has come whole, by name."""
        self.alone = lambda: False
        self.at_once = lambda handle: handle()
        self._clock = clock
        self._journal = journal
        self._resend_seconds, self._resend_bytes = resend_seconds, resend_bytes
        signed = not getattr(backplane, "private", False)
        self._envelopes = Envelopes(key, node, self.boot, previous_key, signed=signed)
        self._known: dict[str, Peer] = {}
        self._by_boot: dict[bytes, Peer] = {}
        self._remembered: OrderedDict[str, tuple[int, int]] = OrderedDict()  # boot: numbers sent and received
        self._handlers: dict[type[Any], Callable[[Peer, Any], None]] = {SnapshotEnd: self._whole_now, Part: self._part}
        self._snapshots: list[Callable[[], Iterable[NodeMessage]]] = []
        self._gone: list[Callable[[Peer], None]] = []
        self._settled: list[Callable[[Peer], None]] = []
        self._changed: list[Callable[[bool], None]] = []
        self._away = True
        self._running = False
        self._told = 0.0  # when signs of life were sent
        self._turn: IDelayedCall | None = None
        self._life: IDelayedCall | None = None

    # -- what realms use

    @property
    def available(self) -> bool:
        """Whether the engine can be reached."""
        return self._running and not self._away

    @property
    def known(self) -> Iterable[Peer]:
        """All peers, also those that have not sent their snapshot yet or are apart."""
        return self._known.values()

    def handle(self, kind: type[M], handler: Callable[[Peer, M], None]) -> None:
        """``handler`` is called with each message of the class ``kind``, in the order of its peer. One for a class."""
        if kind in self._handlers:
            raise ValueError(f"{kind.__name__} has a handler already")
        self._handlers[kind] = handler

    def on_joined(self, snapshot: Callable[[], Iterable[NodeMessage]]) -> None:
        """What ``snapshot`` returns is told to each new peer first, before whatever is sent to it later."""
        self._snapshots.append(snapshot)

    def on_left(self, gone: Callable[[Peer], None]) -> None:
        """``gone`` is called when everything that a peer has told is to be forgotten: it has left, is apart, or begins
        anew."""
        self._gone.append(gone)

    def on_settled(self, settled: Callable[[Peer], None]) -> None:
        """``settled`` is called when a peer that was ``gone`` has told everything anew, or is not waited for any more.
        What it was to be sent until then can be kept for it by ``send``."""
        self._settled.append(settled)

    def on_engine(self, changed: Callable[[bool], None]) -> None:
        """``changed`` is called with False when the engine can be reached no more, with True when it is back."""
        self._changed.append(changed)

    def send(self, peer: str, message: NodeMessage) -> bool:
        """Send a message at the end of this turn. False if there is no such peer, or the message is too large."""
        known = self._known.get(peer)
        if known is None or not known.streaming:
            return False
        return self._send((known,), message)

    def send_all(self, message: NodeMessage) -> bool:
        """Send it to each peer. False if it is too large."""
        return self._send(self._known.values(), message)

    def send_some(self, peers: Iterable[str], message: NodeMessage) -> bool:
        """Send it to each of ``peers`` that is there. False if it is too large."""
        known = self._known
        return self._send([known[peer] for peer in peers if peer in known], message)

    def _send(self, peers: Collection[Peer], message: NodeMessage) -> bool:
        if not peers:
            return True
        parts = self._encoded(message)
        if not parts:
            return False
        now = self._clock.seconds()
        for peer in peers:
            if peer.streaming:
                for part in parts:
                    peer.queue(part, now)
        self._schedule()
        return True

    def start(self) -> Deferred[None]:
        """Join the others. Fails as ``IBackplane.start`` does."""
        self._running = True

        def joined(_: None) -> None:
            if self._running:
                self._away = not self.backplane.available
                self._told = self._clock.seconds()
                self._life = self._clock.callLater(SIGN_OF_LIFE, self._signs_of_life)

        def failed(reason: Any) -> Any:
            self._running = False
            return reason

        return self.backplane.start(self).addCallbacks(joined, failed)

    def stop(self) -> Deferred[None]:
        """Send what waits, and leave."""
        self._flush()
        self._running = False
        for call in (self._turn, self._life):
            if call is not None and call.active():
                call.cancel()
        self._turn = self._life = None
        for peer in list(self._known.values()):
            self._forget(peer)
        return self.backplane.stop()

    # -- what the backplane tells (IBackplaneUser)

    def node_joined(self, node: str, boot: str) -> None:
        """Another node is there: it is told the snapshot. One that is known in this life stays as it is, and gets what
        was kept for it if it was apart."""
        if not self._running or node == self.node:
            return
        known = self._known.get(node)
        if known is not None and known.boot == boot:
            known.left = False
            if not known.alive:
                known.heard = self._clock.seconds()
                self._revive(known, known.heard)
            return
        try:
            identity = bytes.fromhex(boot)
        except ValueError:
            identity = b""
        if len(identity) != 8:
            self._refuse("malformed", f"the boot of the node is {boot!r}")
            return
        self._add(node, boot)

    def node_left(self, node: str, boot: str, reason: str, stopped: bool) -> None:
        """It has gone: everything of it is forgotten, if it has ``stopped``. Otherwise it is apart."""
        peer = self._known.get(node)
        if self._running and peer is not None and peer.boot == boot:
            self._journal.note("backplane.node", "left", node=node, boot=boot, reason=reason)
            if stopped:
                self._remove(peer)
            else:
                peer.left = True
                self._part_from(peer)

    def received(self, batch: bytes) -> None:
        """Check a batch, and hand its messages to their handlers."""
        if not self._running:
            return
        counters = self.counters
        counters.batches_received += 1
        counters.bytes_received += len(batch)
        try:
            envelope = self._envelopes.open(batch)
        except Refused as refusal:
            self._refuse(refusal.code, refusal.reason)
            return
        peer = self._by_boot.get(envelope.sender)
        if peer is None:
            peer = self._introduced(envelope)
            if peer is None:
                return
        now = self._clock.seconds()
        if not peer.alive:
            self._revive(peer, now)
        arrived = peer.arrived(envelope, len(batch), now)
        anew = bool(envelope.flags & ANEW)
        if envelope.flags & REPEAT and not peer.repeat(envelope.wanted_after, anew, now):
            self._begin(peer, now, envelope.received if anew else None)
        if arrived is not TAKE:
            if arrived is Arrived.DROP:
                return
            self._forget(peer)
            if lost := peer.begins(envelope):
                self._journal.note("backplane.gap", "lost", node=peer.node, messages=lost)
            if envelope.flags & UNCOUNTED:
                self._journal.note("backplane.gap", "apart", node=peer.node)
        if peer.owes_acknowledgement:
            self._schedule()
        if envelope.count == 1 and getattr(self.backplane, "lone", False):
            self.at_once(partial(self._take, peer, envelope.body))
        else:
            self._take(peer, envelope.body)

    def engine_lost(self, reason: str) -> None:
        """What is sent from now on waits in the rings."""
        if self._running and not self._away:
            self._away = True
            self._journal.note("backplane.away", "engine", reason=reason)
            self._tell_engine(False)

    def engine_back(self) -> None:
        """Ask each peer for what came after its last number, and tell it ours."""
        if not self._running:
            return
        away, self._away = self._away, False
        now = self._clock.seconds()
        for peer in list(self._known.values()):
            if peer.alive:
                peer.heard = now
            peer.ask(now)
        if away:
            self._journal.note("backplane.back", "engine")
        self._tell_engine(True)

    # -- peers

    def _introduced(self, envelope: Envelope) -> Peer | None:
        """The sender of a batch, when the engine has not told of it yet."""
        boot = envelope.sender.hex()
        if boot in self._remembered:
            self._refuse("old_boot", "the batch is of a node that has left")
            return None
        try:
            node = envelope.name.decode()
        except UnicodeDecodeError:
            self._refuse("malformed", "the name of the node is not UTF-8")
            return None
        if node == self.node:
            self._refuse("same_name", "the batch is of another process with the name of this node")
            return None
        return self._add(node, boot)

    def _add(self, node: str, boot: str) -> Peer:
        known = self._known.get(node)
        if known is not None:
            self._journal.note("backplane.node", "restarted", node=node, boot=known.boot)
            self._remove(known)
        sent, received = self._remembered.pop(boot, (0, 0))
        now = self._clock.seconds()
        peer = Peer(
            node, boot, self._envelopes, self.backplane.send, self.backplane.largest, self.counters, now,
            resend_seconds=self._resend_seconds, resend_bytes=self._resend_bytes, sent=sent, received=received,
        )  # fmt: skip
        self._known[node] = self._by_boot[peer.identity] = peer
        self._journal.note("backplane.node", "joined", node=node, boot=boot)
        self._begin(peer, now)
        return peer

    def _remove(self, peer: Peer) -> None:
        del self._known[peer.node], self._by_boot[peer.identity]
        self._forget(peer)
        self._settle(peer)
        self._remembered[peer.boot] = peer.sent, peer.received
        if len(self._remembered) > REMEMBERED:
            self._remembered.popitem(last=False)

    def _forget(self, peer: Peer) -> None:
        """What it has told is to be forgotten."""
        if not peer.begun:
            return
        peer.forget()
        self._whole.pop(peer.node, None)
        for gone in self._gone:
            self._guarded("gone", gone, peer)

    def _settle(self, peer: Peer) -> None:
        for settled in self._settled:
            self._guarded("settled", settled, peer)

    def _begin(self, peer: Peer, now: float, after: int | None = None) -> None:
        """Begin to tell it everything. ``after``: the number up to which it has received the stream that it has
        forgotten; it gets the events that follow, too."""
        if peer.streaming and not peer.may_begin(now):
            return
        snapshot = [*self._snapshot(), encode(SnapshotEnd())]
        if after is None:
            peer.begin(snapshot, now)
        else:
            peer.begin_after(after, snapshot, now, events_in)
        self._schedule()

    def _snapshot(self) -> Iterator[bytes]:
        for one in self._snapshots:
            for message in one():
                yield from self._encoded(message)

    def _whole_now(self, peer: Peer, message: SnapshotEnd) -> None:
        peer.whole = True
        self._whole[peer.node] = peer
        self._settle(peer)

    def _part_from(self, peer: Peer) -> None:
        """It is apart from now on."""
        if peer.alive:
            peer.flush(self._clock.seconds())  # it may still arrive
            peer.alive = False
            self._forget(peer)

    def _revive(self, peer: Peer, now: float) -> None:
        """It is there again. Each of the two asks for what it has missed when it sees what the other sent last."""
        peer.flush(now)
        peer.alive = True
        self._journal.note("backplane.node", "heard", node=peer.node, boot=peer.boot)
        if peer.streaming:
            peer.ask(now)
        else:
            self._begin(peer, now)

    def _give_up(self, peer: Peer) -> None:
        """It was apart for so long that what was kept for it is not whole any more."""
        if peer.left:
            self._remove(peer)
        elif peer.streaming:
            peer.end_stream()
            self._settle(peer)

    def _signs_of_life(self) -> None:
        self._life = self._clock.callLater(SIGN_OF_LIFE, self._signs_of_life)
        now = self._clock.seconds()
        if now - self._told > STALL:
            # This process stood still, or its machine: what the others have sent meanwhile is still to be read.
            for peer in self._known.values():
                peer.heard = now
        self._told = now
        for peer in list(self._known.values()):
            silent = now - peer.heard
            if peer.alive and silent >= SILENCE and not self._away:
                self._journal.note("backplane.node", "silent", node=peer.node, boot=peer.boot, seconds=SILENCE)
                self._part_from(peer)
            if not peer.alive:
                peer.flush(now)
                if silent >= self._resend_seconds and not self._away:
                    self._give_up(peer)
            if peer.identity in self._by_boot:
                peer.sign_of_life(now)

    # -- batches

    def _encoded(self, message: NodeMessage) -> list[bytes]:
        """A message as it is sent: in parts if it is too large for a batch. Nothing if it is larger than what is kept
        for resending can always hold."""
        encoded, room = encode(message), self.backplane.largest - OVERHEAD
        if len(encoded) <= room:
            return [encoded]
        whole = encode([message])
        most = max(self._resend_bytes // RINGS, room)
        if len(whole) <= most:
            size = room - PART
            starts = range(0, len(whole), size)
            return [encode(Part(whole[start : start + size], start + size >= len(whole))) for start in starts]
        self.counters.refused += 1
        kind, realm = type(message).__name__, getattr(message, "realm", "")
        self._journal.note("backplane.refused", "too_large", message=kind, bytes=len(whole), most=most, realm=realm)
        return []

    def _schedule(self) -> None:
        if self._turn is None and self._running:
            if self.alone():
                self._flush()
            else:
                self._turn = self._clock.callLater(0, self._flush)

    def _flush(self) -> None:
        turn, self._turn = self._turn, None
        if turn is not None and turn.active():
            turn.cancel()
        now = self._clock.seconds()
        for peer in list(self._known.values()):
            if not peer.alive:
                continue  # all of a second becomes one batch
            peer.flush(now)
            if peer.owes_acknowledgement:
                peer.acknowledge()

    def _part(self, peer: Peer, message: Part) -> None:
        whole = peer.part(message.data, message.last)
        if whole:
            self._take(peer, whole)

    def _take(self, peer: Peer, encoded: bytes | memoryview) -> None:
        try:
            messages = decode(encoded)
        except ProtocolViolation as error:
            self._refuse("malformed", str(error))
            return
        handlers = self._handlers
        for message in messages:
            handler = handlers.get(type(message))
            if handler is not None:
                try:
                    handler(peer, message)
                except Exception:
                    _log.failure("a message of node {node} could not be handled", node=peer.node)

    def _refuse(self, code: str, reason: str) -> None:
        self.counters.refused += 1
        self._journal.note("backplane.refused", code, reason=reason)

    def _tell_engine(self, back: bool) -> None:
        for changed in self._changed:
            self._guarded("engine", changed, back)

    def _guarded(self, what: str, call: Callable[[Any], None], argument: Any) -> None:
        try:
            call(argument)
        except Exception:
            _log.failure("{what} could not be handled", what=what)
