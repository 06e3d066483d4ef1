"""The backplane of workers of one machine: the supervisor is the engine, batches go from worker to worker.

What is shared is asked of the supervisor's hub (``app/hub.py``) over the worker's channel, frames ``hub.*``. The hub
hands over a socket to each other worker (``mesh``), so that events do not pass through the supervisor. A worker's lease
is its channel: the supervisor closes it when the worker has ended, or kills a worker that shows no sign of life.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import attrs
from twisted.internet.defer import Deferred, TimeoutError, fail, succeed
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.python.failure import Failure
from zope.interface import implementer

from orosync.backplane.channel import ProcessChannel
from orosync.backplane.mesh import LARGEST, MeshSocket
from orosync.errors import ChannelLost, NodeNameTaken, NotDone, Unavailable, backplane_down
from orosync.interfaces import Claim, IBackplane, IBackplaneUser

ANSWER_WITHIN = 5.0
"""Seconds in which the supervisor has to answer."""
QUEUED = 16 * 1024 * 1024
"""Bytes that may wait for the supervisor to read; kept values and list entries beyond are dropped."""
QUIET = 1.0
"""Seconds without anything new after which nothing more is expected of a worker that has left."""
STOP_WITHIN = 2.0
"""Seconds in which a worker that stops gets rid of what waits for others."""


@attrs.define(eq=False)
class _Peer:
    """Another worker: its socket (None when that has ended), and why it has left ("" while it is there)."""

    node: str
    boot: str
    socket: MeshSocket | None = None
    left: str = ""
    check: IDelayedCall | None = None


@implementer(IBackplane)
class LocalBackplane:
    """A worker's side. ``channel`` leads to the supervisor and is connected after this has been made; whoever makes the
    channel calls ``lost`` when it has ended.

    ``dropped``: batches and values that were dropped because another process did not read them. ``lone``: see
    IBackplane."""

    largest = LARGEST
    private = True

    def __init__(self, channel: ProcessChannel, reactor: Any) -> None:
        self.available = self.lone = False
        self.dropped = 0
        self._channel = channel
        self._reactor = reactor
        self._clock: IReactorTime = reactor
        self._user: IBackplaneUser | None = None
        self._lost = ""
        self._starting: Deferred[None] | None = None
        self._late: IDelayedCall | None = None
        self._peers: dict[str, _Peer] = {}
        self._next: dict[str, tuple[str, int]] = {}
        channel.on("hub.joined", self._joined)
        channel.on("hub.left", self._peer_left)
        channel.on_descriptor("hub.peer", self._peer_joined)

    # -- life

    def start(self, user: IBackplaneUser) -> Deferred[None]:
        """See IBackplane."""
        self._user = user
        if self._lost:
            return succeed(None)
        self._starting = Deferred()
        self._late = self._clock.callLater(ANSWER_WITHIN, self._no_answer)
        self._channel.send("hub.join", user.node, user.boot)
        return self._starting

    def _joined(self, refused: str) -> None:
        if self._user is None and not refused:
            self._channel.ask("hub.leave").addErrback(lambda failure: failure.trap(NotDone, ChannelLost))  # stopped
        if self._user is None or self.available:
            return
        self._call_off()
        starting, self._starting = self._starting, None
        if refused:
            self._user = None
            if starting is not None:
                starting.errback(NodeNameTaken(refused))
            return
        self.available = True
        if starting is not None:
            starting.callback(None)
        else:
            self._user.engine_back()

    def _no_answer(self) -> None:
        """The supervisor does not answer: it is hanging, or has been stopped. Its answer may still come."""
        self._late = None
        starting, self._starting = self._starting, None
        if starting is not None:
            starting.callback(None)

    def _call_off(self) -> None:
        late, self._late = self._late, None
        if late is not None:
            late.cancel()

    def lost(self, reason: str) -> None:
        """The channel to the supervisor has ended, and does not come back."""
        self._lost = reason
        self._call_off()
        was, self.available = self.available, False
        starting, self._starting = self._starting, None
        if starting is not None:
            starting.callback(None)
        elif was and self._user is not None:
            self._user.engine_lost(reason)
        for peer in list(self._peers.values()):
            if peer.socket is None:
                self._gone(peer, reason)

    def stop(self) -> Deferred[None]:
        """See IBackplane. What waits for others is sent within STOP_WITHIN."""
        self._user = None
        self._call_off()
        stopped: Deferred[Any] = self._ask("hub.leave")
        self.available = False
        stopped.addErrback(lambda failure: failure.trap(Unavailable))
        stopped.addCallback(lambda _: self._all_sent())
        return stopped.addCallback(lambda _: self._close())

    def _all_sent(self) -> Deferred[None]:
        waiting = [peer.socket for peer in self._peers.values() if peer.socket is not None and not peer.left]
        sent: Deferred[None] = Deferred()
        left = len(waiting)
        if not left:
            return succeed(None)

        def one_sent() -> None:
            nonlocal left
            left -= 1
            if not left:
                sent.callback(None)

        for one in waiting:
            one.when_sent(one_sent)
        sent.addTimeout(STOP_WITHIN, self._clock, onTimeoutCancel=lambda result, timeout: None)
        return sent

    def _close(self) -> None:
        for peer in self._peers.values():
            if peer.check is not None:
                peer.check.cancel()
            if peer.socket is not None:
                peer.socket.close()
        for _, descriptor in self._next.values():
            os.close(descriptor)
        self._peers.clear()
        self._next.clear()

    # -- the other workers

    def _peer_joined(self, descriptor: int, node: str, boot: str) -> None:
        if self._user is None:
            os.close(descriptor)
        elif node in self._peers:
            # An earlier life of it, of which something is still being read.
            self._next[node] = boot, descriptor
        else:
            self._peer_is_there(node, boot, descriptor)

    def _peer_is_there(self, node: str, boot: str, descriptor: int) -> None:
        assert self._user is not None
        peer = self._peers[node] = _Peer(node, boot)

        def ended() -> None:
            self._socket_ended(peer)

        peer.socket = MeshSocket(descriptor, self._reactor, partial(self._received, peer, self._user), ended)
        self._user.node_joined(node, boot)

    def _received(self, peer: _Peer, user: IBackplaneUser, batch: bytes) -> None:
        self.lone = peer.socket is not None and peer.socket.lone
        user.received(batch)

    def _peer_left(self, node: str, boot: str, reason: str) -> None:
        following = self._next.get(node)
        if following is not None and following[0] == boot:
            del self._next[node]
            os.close(following[1])
            return
        peer = self._peers.get(node)
        if peer is None or peer.boot != boot or peer.left:
            return
        if peer.socket is None:
            self._gone(peer, reason)
        else:
            # What it has sent before its end is still in the socket.
            peer.left = reason
            peer.check = self._clock.callLater(QUIET, self._anything_new, peer, peer.socket.came)

    def _anything_new(self, peer: _Peer, came: int) -> None:
        peer.check = None
        if peer.socket is not None and peer.socket.came != came:
            peer.check = self._clock.callLater(QUIET, self._anything_new, peer, peer.socket.came)
        else:
            self._gone(peer, peer.left)

    def _socket_ended(self, peer: _Peer) -> None:
        peer.socket = None
        if peer.left or self._lost:
            self._gone(peer, peer.left or self._lost)

    def _gone(self, peer: _Peer, reason: str) -> None:
        if peer.check is not None:
            peer.check.cancel()
        if peer.socket is not None:
            peer.socket.close()
        if self._peers.get(peer.node) is peer:
            del self._peers[peer.node]
        if self._user is None:
            return
        self._user.node_left(peer.node, peer.boot, reason, True)
        following = self._next.pop(peer.node, None)
        if following is not None:
            self._peer_is_there(peer.node, *following)

    def send(self, node: str, batch: bytes) -> None:
        """See IBackplane."""
        peer = self._peers.get(node)
        if peer is not None and peer.socket is not None and not peer.socket.send(batch):
            self.dropped += 1

    # -- what is shared

    def claim(self, key: str, policy: str, since: float = 0.0, force: bool = False) -> Deferred[Claim]:
        """See IBackplane."""
        return self._ask("hub.claim", key, policy, since, force).addCallback(lambda answer: Claim(*answer))

    def release(self, key: str) -> None:
        """See IBackplane."""
        self._tell("hub.release", key)

    def once(self, key: str, seconds: float, by: str = "") -> Deferred[bool]:
        """See IBackplane."""
        return self._ask("hub.once", key, seconds, by)

    def put(self, area: str, key: str, value: bytes) -> None:
        """See IBackplane."""
        self._tell("hub.put", area, key, value)

    def remove(self, area: str, key: str) -> None:
        """See IBackplane."""
        self._tell("hub.remove", area, key)

    def load(self, area: str) -> Deferred[Mapping[str, bytes]]:
        """See IBackplane."""
        return self._ask("hub.load", area)

    def append(self, log: str, value: bytes, most: int, most_bytes: int) -> None:
        """See IBackplane."""
        self._tell("hub.append", log, value, most, most_bytes)

    def read(self, log: str) -> Deferred[Sequence[bytes]]:
        """See IBackplane."""
        return self._ask("hub.read", log)

    def _tell(self, name: str, *fields: Any) -> None:
        if self.available:
            if self._channel.queued > QUEUED:
                self.dropped += 1
            else:
                self._channel.send(name, *fields)

    def _ask(self, name: str, *fields: Any) -> Deferred[Any]:
        """The hub's answer; fails with Unavailable when there is none."""
        if not self.available:
            return fail(backplane_down(f"the supervisor: {self._lost or 'this worker is no node yet'}"))
        answer = self._channel.ask(name, *fields)
        answer.addTimeout(ANSWER_WITHIN, self._clock)
        return answer.addErrback(_unavailable)


def _unavailable(failure: Failure) -> Failure:
    failure.trap(NotDone, ChannelLost, TimeoutError)
    reason = failure.getErrorMessage() or f"no answer within {ANSWER_WITHIN:g} s"
    return Failure(backplane_down(f"the supervisor: {reason}"))
