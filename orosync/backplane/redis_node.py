"""One node in Redis: connected, with a lease that it renews, an inbox that it reads, and a view of the other nodes.

It connects by itself, again and again, until it is stopped. Times are measured by a clock that only counts on; the end
of a lease is one of Redis' own clock.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from typing import Any

from twisted.internet.defer import CancelledError, Deferred, gatherResults
from twisted.internet.interfaces import IDelayedCall
from twisted.internet.task import deferLater
from twisted.logger import Logger
from twisted.python.failure import Failure

from orosync.backplane.redis_engine import LARGEST, RedisEngine, explained
from orosync.backplane.redis_scripts import LEASE, LEAVE, Keys
from orosync.errors import NodeNameTaken
from orosync.interfaces import IBackplaneUser, IJournal
from orosync.redis_connection import NoRedisConnection, RedisConnector

LEASE_SECONDS = 10.0
KEPT_SECONDS = 30.0
"""How long a lease lasts, and what a node had without one."""

FIRST_PAUSE, LONGEST_PAUSE = 0.2, 2.0
"""Seconds between attempts to connect."""

SOON = 0.1
"""Seconds between two looks at who is there, at least."""

RENEW_AFTER = 0.3
"""Of a lease."""

MOMENT = 0.02
"""Seconds after the end of a lease at which a node looks whether it has ended."""

TRIM_AFTER = 256
"""Entries read after which they are removed."""

_log = Logger()


class RedisNode:
    """The node of ``user``. ``lease`` in seconds, the same for all nodes. ``joined`` is called whenever the node is
    connected again, with False if its lease had ended meanwhile; ``ended`` when leases of others have ended."""

    def __init__(
        self,
        user: IBackplaneUser,
        connector: RedisConnector,
        keys: Keys,
        reactor: Any,
        journal: IJournal,
        lease: float,
        joined: Callable[[bool], None],
        ended: Callable[[], None],
    ) -> None:
        self.engine: RedisEngine | None = None
        self.peers: dict[str, str] = {}  # node -> boot
        self._user = user
        self._connector = connector
        self._keys = keys
        self._reactor = reactor
        self._journal = journal
        self._lease = lease
        self._joined_anew = joined
        self._others_ended = ended
        self._inbox = keys.inbox(user.node, user.boot)
        self._life: Deferred[None] | None = None
        self._stopping = False
        self._lease_ends = 0.0
        self._awaited: dict[str, bytes] = {}  # nodes that may be on their way back, as this one was, and the ends of
        self._awaited_until = 0.0  # the leases that they had; until then
        self._ends: dict[str, bytes] = {}  # of the leases of others, as they were seen last
        self._last = b"0-0"  # the entry of the inbox that was read last
        self._untrimmed = 0
        self.lone = False
        self._look: IDelayedCall | None = None
        self._looking = False

    @property
    def available(self) -> bool:
        """See IBackplane."""
        return self.engine is not None and self._reactor.seconds() < self._lease_ends

    @property
    def kept(self) -> int:
        """Milliseconds that Redis keeps what a node had."""
        return _milliseconds(self._lease * KEPT_SECONDS / LEASE_SECONDS)

    def start(self) -> Deferred[None]:
        """See IBackplane. A node that ended without a word has the name until its lease ends: that is waited for."""
        started: Deferred[None] = Deferred()
        self._life = Deferred.fromCoroutine(self._kept_joined(started))
        self._life.addErrback(self._died, started)
        return started

    def _died(self, failure: Failure, started: Deferred[None]) -> None:
        if failure.check(CancelledError) is None:
            _log.failure("the backplane has failed", failure)
            self.engine = None
        _fire(started)

    def stop(self) -> Deferred[None]:
        """Leave; fires when no connection is left."""
        self._stopping = True
        return Deferred.fromCoroutine(self._stopped())

    def post(self, size: int, *command: Any) -> Deferred[Any] | None:
        """A command whose answer is not waited for: None when it cannot be sent."""
        return None if self.engine is None else self._watched(self.engine.post(size, *command))

    def run_posted(self, size: int, script: str, keys: Sequence[str], *arguments: Any) -> Deferred[Any] | None:
        """A script whose answer is not waited for."""
        if self.engine is None:
            return None
        return self._watched(self.engine.run_posted(size, script, keys, *arguments))

    def _watched(self, posted: Deferred[Any] | None) -> Deferred[Any] | None:
        if posted is None:
            self._journal.note("backplane.redis", "queue_full")
            return None
        return posted.addErrback(self._not_done)

    def _not_done(self, failure: Any) -> None:
        if self.engine is not None:
            self._journal.note("backplane.redis", "refused", reason=failure.getErrorMessage())

    def look_soon(self, seconds: float = SOON) -> None:
        """Look at who is there, then at the latest."""
        if self.engine is None or self._stopping:
            return
        if self._look is not None and self._look.active():
            if self._look.getTime() <= self._reactor.seconds() + seconds:
                return
            self._look.cancel()
        self._look = self._reactor.callLater(max(0.0, seconds), self._renew)

    # -- joining, and joining again

    async def _kept_joined(self, started: Deferred[None]) -> None:
        pause = FIRST_PAUSE
        while not self._stopping:
            began = self._reactor.seconds()
            try:
                engine = await self._joined(started)
            except NodeNameTaken as error:
                if not started.called:
                    self._stopping = True
                    started.errback(error)
                    return
                self._journal.note("backplane.redis", "name_taken", reason=str(error))
            except NoRedisConnection as error:
                self._journal.note("backplane.redis", "down", reason=str(error))
            else:
                self._left(await engine.lost)
            if self._stopping:
                return
            if self._reactor.seconds() - began > LONGEST_PAUSE:
                pause = FIRST_PAUSE
            wait = pause * random.uniform(0.5, 1.0)
            pause = min(pause * 2, LONGEST_PAUSE, self._lease / 2)  # others wait for it for the time of a lease
            _fire(started)
            if not self._stopping:
                await deferLater(self._reactor, wait)

    async def _joined(self, started: Deferred[None]) -> RedisEngine:
        """Connected and with a lease. NoRedisConnection, NodeNameTaken."""
        try:
            commands, reader = await self._connector.connect(2)
        except NoRedisConnection as error:
            raise NoRedisConnection(explained(str(error), self._keys.prefix)) from None
        engine = RedisEngine(commands, reader, self._keys.prefix)
        try:
            await engine.prepare()
            sent, answer = await self._with_the_name(engine)
            await engine.entries(self._inbox, b"$", wait=False)  # whether it may be read
        except BaseException:
            engine.fail("not joined")
            raise
        self.engine = engine
        self._lease_ends = sent + self._lease
        if _entry_number(answer[3]) < _entry_number(self._last):
            self._last = b"0-0"  # Redis has lost what was read last, and its clock may be behind
        self._joined_anew(bool(answer[1]))
        if started.called:
            self._tell(self._user.engine_back)
        _fire(started)
        self._take_over(sent, answer, rejoined=True)
        self._announce()
        self._reads(engine)
        return engine

    async def _with_the_name(self, engine: RedisEngine) -> tuple[float, list[Any]]:
        """When the lease was asked for, and the answer. A lease that is not renewed is waited for."""
        other: list[bytes] = []
        while True:
            sent = self._reactor.seconds()
            answer = await self._lease_asked(engine)
            if answer[0] == b"has":
                return sent, answer
            if other and other != answer[1:3]:
                raise NodeNameTaken(
                    f"another node {self._user.node!r} is running (boot {answer[1].decode(errors='replace')}): give "
                    "each node a name of its own"
                )
            other = answer[1:3]
            await deferLater(self._reactor, min(0.5, answer[3] / 1000 + 0.01))

    def _lease_asked(self, engine: RedisEngine) -> Deferred[Any]:
        keys = self._keys.nodes, self._inbox, self._keys.claims
        spans = _milliseconds(self._lease), self.kept
        return engine.run(LEASE, keys, self._user.node, self._user.boot, *spans)

    def _left(self, reason: str) -> None:
        """The engine is lost."""
        self.engine = None
        if self._look is not None and self._look.active():
            self._look.cancel()
        self._looking = False
        self._tell(self._user.engine_lost, reason)

    async def _stopped(self) -> None:
        if self._look is not None and self._look.active():
            self._look.cancel()
        engine = self.engine
        if engine is not None:
            try:
                left = engine.run(LEAVE, (self._keys.nodes, self._inbox), self._user.node, self._user.boot)
                await gatherResults([left, *self._announce()], consumeErrors=True)
            except Exception as error:
                self._journal.count("backplane.redis", "down", reason=str(error))
        self.engine = None
        if self._life is not None:
            self._life.cancel()
        await self._connector.close()

    # -- the lease, and who else has one

    def _renew(self) -> None:
        engine = self.engine
        if engine is None:
            return
        if self._looking:  # what it tells may be too old
            self.look_soon()
            return
        self._looking = True
        sent = self._reactor.seconds()
        asked = self._lease_asked(engine)
        asked.addCallback(lambda answer: self._renewed(sent, answer) if engine is self.engine else None)
        asked.addErrback(lambda failure: engine.fail(failure.getErrorMessage()))

    def _renewed(self, sent: float, answer: list[Any]) -> None:
        self._looking = False
        engine = self.engine
        if self._stopping or engine is None:
            return
        if answer[0] != b"has":
            engine.fail(f"another node has taken the name {self._user.node!r} while this one had no lease")
            return
        if not answer[1]:
            self._tell(self._user.engine_lost, f"Redis does not have this node's lease of {self._lease:g} s any more")
        self._take_over(sent, answer, rejoined=not answer[1])
        if not answer[1]:
            self._announce()
            self._joined_anew(False)
            self._tell(self._user.engine_back)
        if answer[4]:
            self._others_ended()
        if self._untrimmed:
            self._trim()

    def _take_over(self, sent: float, answer: list[Any], rejoined: bool) -> None:
        """Take over what a lease's answer says; the next one is asked for when it is time to."""
        now = self._reactor.seconds()
        self._lease_ends = sent + self._lease
        if answer[2]:  # the inbox is a new one
            self._last = b"0-0"
        others = {_text(node): (_text(boot), left / 1000) for node, boot, left, _ in answer[5]}
        ends, known = {_text(node): end for node, _, _, end in answer[5]}, self._ends
        if rejoined:
            self._awaited = {node: ends.get(node, b"") for node in self.peers}
            self._awaited_until = now + self._lease
        for node, end in tuple(self._awaited.items()):
            if now >= self._awaited_until or ends.get(node, end) != end:
                del self._awaited[node]
        for node, boot in tuple(self.peers.items()):
            there = others.get(node)
            if there is None and node in self._awaited:
                continue
            if there is None or there[0] != boot:
                del self.peers[node]
                if there is not None:
                    why, stopped = "it has begun anew", True
                elif int(known[node]) > int(answer[6]):  # it has given its lease back
                    why, stopped = "it has left", True
                else:
                    why, stopped = "its lease has ended", False
                self._tell(self._user.node_left, node, boot, why, stopped)
        for node, (boot, _) in others.items():
            if node not in self.peers:
                self.peers[node] = boot
                self._tell(self._user.node_joined, node, boot)
        self._ends = {node: ends.get(node) or known[node] for node in self.peers}
        times = [self._lease * RENEW_AFTER, *(left + MOMENT for _, left in others.values())]
        if self._awaited:
            times.append(self._awaited_until - now + MOMENT)
        self.look_soon(min(times))

    def _announce(self) -> list[Deferred[Any]]:
        """Let the others look at who is there."""
        posted = []
        for node, boot in self.peers.items():
            one = self.post(0, b"XADD", self._keys.inbox(node, boot), b"NOMKSTREAM", b"*", b"n", b"")
            posted += [] if one is None else [one]
        return posted

    # -- the inbox

    def _reads(self, engine: RedisEngine) -> None:
        reading = Deferred.fromCoroutine(self._read_all(engine))
        reading.addErrback(lambda failure: failure.trap(NoRedisConnection))

    async def _read_all(self, engine: RedisEngine) -> None:
        while engine is self.engine and not self._stopping:
            entries = await engine.entries(self._inbox, self._last)
            if engine is not self.engine or self._stopping:
                return
            self.lone = len(entries) == 1
            for at, entry in enumerate(entries):
                batch = _batch_of(entry)
                if batch is None:
                    if at:
                        break  # it may be only the answer that was too long: it is read again, as the first one
                    self._journal.note("backplane.redis", "unreadable", limit=LARGEST)
                self._last = entry[0]
                self._untrimmed += 1
                if batch:
                    self._tell(self._user.received, batch)
                elif batch is not None:
                    self.look_soon(SOON)
            if self._untrimmed >= TRIM_AFTER:
                self._trim()

    def _trim(self) -> None:
        """Remove what was read, but for the last entry: it shows whether Redis has what was read last."""
        self._untrimmed = 0
        self.post(0, b"XTRIM", self._inbox, b"MINID", b"~", self._last)

    def _tell(self, what: Callable[..., None], *arguments: Any) -> None:
        """A fault of the user's costs no more than what it was told."""
        if self._stopping:
            return
        try:
            what(*arguments)
        except Exception:
            _log.failure("{told} failed", told=getattr(what, "__name__", ""))


def _fire(started: Deferred[None]) -> None:
    if not started.called:
        started.callback(None)


def _milliseconds(seconds: float) -> int:
    return round(seconds * 1000)


def _text(data: bytes) -> str:
    return data.decode(errors="replace")


def _entry_number(entry: bytes) -> tuple[int, ...]:
    return tuple(int(part) for part in entry.split(b"-"))


def _batch_of(entry: Any) -> bytes | None:
    """The batch; b"" for an announcement, None for what is no entry of a node's."""
    if isinstance(entry, list) and isinstance(entry[0], bytes) and isinstance(entry[1], list) and len(entry[1]) == 2:
        name, value = entry[1]
        if isinstance(value, bytes):
            return value if name == b"b" else b""
    return None
