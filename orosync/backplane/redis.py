"""The backplane in Redis: each node has a lease, and an inbox that the others add batches to.

Redis may be shared with the application: what can write there can write into an inbox, so batches are only handed
on. docs/scaling.md, "Redis", has the settings and the ACL.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from typing import Any

from twisted.internet.defer import Deferred, fail, succeed
from twisted.python.failure import Failure
from zope.interface import implementer

from orosync.backplane.redis_engine import ANSWER, LARGEST, TIMEOUT, RedisEngine
from orosync.backplane.redis_node import LEASE_SECONDS, RedisNode
from orosync.backplane.redis_probe import findings
from orosync.backplane.redis_scripts import APPEND, CLAIM, ONCE, READ, SEPARATOR, SWEEP, Keys
from orosync.config.redis_dsn import RedisDsn
from orosync.errors import Unavailable, backplane_down
from orosync.interfaces import Claim, IBackplane, IBackplaneUser, IJournal, IProbe
from orosync.model import Finding
from orosync.redis_connection import NoRedisConnection, RedisConnector

INBOX = 16 * 1024 * 1024
MOST_ENTRIES = 10_000
FEWEST_ENTRIES = 16
"""About how many bytes and entries an inbox holds that its node does not read."""

AT_A_TIME = 500
VALUES_AT_A_TIME = 50
PART = 2 * 1024 * 1024
"""Claims and values of a list, kept values, and bytes of a list that are read at a time: each answer comes in time."""


@implementer(IBackplane, IProbe)
class RedisBackplane:
    """Nodes at ``dsn`` whose keys begin with ``prefix``. ``trust_root`` as optionsForClientTLS takes it (None: the
    system's authorities). ``timeout`` in seconds for each step of a connection and each answer, part of a lease at
    most; ``lease`` in seconds, the same for all nodes."""

    largest = LARGEST

    def __init__(
        self,
        dsn: RedisDsn,
        prefix: str,
        reactor: Any,
        journal: IJournal,
        trust_root: Any = None,
        timeout: float = TIMEOUT,
        lease: float = LEASE_SECONDS,
    ) -> None:
        self._connector = RedisConnector(dsn, reactor, min(timeout, lease * 0.4), LARGEST, trust_root, ANSWER)
        self._keys = Keys(prefix)
        self._reactor = reactor
        self._journal = journal
        self._lease = lease
        self._node: RedisNode | None = None
        self._who = ("", "")
        self._sizes: dict[str, float] = {}  # node -> bytes of a batch for it, on the average
        self._claimed: set[str] = set()
        self._sweeping = False

    @property
    def available(self) -> bool:
        """See IBackplane."""
        return self._engine is not None

    @property
    def lone(self) -> bool:
        """See IBackplane."""
        return self._node is not None and self._node.lone

    @property
    def _engine(self) -> RedisEngine | None:
        """None while there is no connection or no lease."""
        return self._node.engine if self._node is not None and self._node.available else None

    def start(self, user: IBackplaneUser) -> Deferred[None]:
        """See IBackplane. A node that ended without a word has the name until its lease ends: that is waited for."""
        self._who = (user.node, user.boot)
        self._node = RedisNode(
            user,
            self._connector,
            self._keys,
            self._reactor,
            self._journal,
            self._lease,
            joined=self._joined,
            ended=self._sweep,
        )
        return self._node.start()

    def stop(self) -> Deferred[None]:
        """See IBackplane."""
        if self._node is None:
            return succeed(None)
        self._remove_claims(self._claimed)
        return self._node.stop()

    def probe(self) -> Deferred[Sequence[Finding]]:
        """See IProbe. Whether it has been started makes no difference."""
        return Deferred.fromCoroutine(findings(self._connector, self._keys))

    def send(self, node: str, batch: bytes) -> None:
        """See IBackplane."""
        mine = self._node
        if mine is None or not mine.available or node not in mine.peers:
            self._journal.count("backplane.redis", "not_sent", node=node)
            return
        if len(batch) > LARGEST:
            self._journal.note("backplane.redis", "too_large", node=node, bytes=len(batch), limit=LARGEST)
            return
        size = self._sizes[node] = self._sizes.get(node, 1024.0) * 0.9 + len(batch) * 0.1
        most = int(max(FEWEST_ENTRIES, min(MOST_ENTRIES, INBOX / (size + 1))))
        inbox = self._keys.inbox(node, mine.peers[node])
        added = mine.post(len(batch), b"XADD", inbox, b"NOMKSTREAM", b"MAXLEN", b"~", most, b"*", b"b", batch)
        if added is not None:
            added.addCallback(self._added, node)

    def claim(self, key: str, policy: str, since: float = 0.0, force: bool = False) -> Deferred[Claim]:
        """See IBackplane."""
        kept = 0 if self._node is None else self._node.kept
        rest = f"{since * 1e6:.0f}", "1" if force else "0", kept
        asked = self._run(CLAIM, (self._keys.nodes, self._keys.claims), *self._who, key, policy, *rest)
        return asked.addCallback(self._claim_of, key)

    def release(self, key: str) -> None:
        """See IBackplane."""
        self._claimed.discard(key)
        self._remove_claims({key})

    def once(self, key: str, seconds: float, by: str = "") -> Deferred[bool]:
        """See IBackplane."""
        return self._run(ONCE, [self._keys.once(key)], by, max(1, round(seconds * 1000))).addCallback(bool)

    def put(self, area: str, key: str, value: bytes) -> None:
        """See IBackplane."""
        if len(value) > LARGEST:
            self._journal.note("backplane.redis", "too_large", area=area, bytes=len(value), limit=LARGEST)
        elif self._node is not None and self.available:
            self._node.post(len(value), b"HSET", self._keys.kept(area), key, value)

    def remove(self, area: str, key: str) -> None:
        """See IBackplane."""
        if self._node is not None and self.available:
            self._node.post(len(key), b"HDEL", self._keys.kept(area), key)

    def load(self, area: str) -> Deferred[Mapping[str, bytes]]:
        """See IBackplane."""
        return Deferred.fromCoroutine(self._loaded(self._keys.kept(area)))

    def append(self, log: str, value: bytes, most: int, most_bytes: int) -> None:
        """See IBackplane."""
        if len(value) > LARGEST:
            self._journal.note("backplane.redis", "too_large", log=log, bytes=len(value), limit=LARGEST)
        elif self._node is not None and self.available:
            self._node.run_posted(len(value), APPEND, self._keys.log(log), value, most, most_bytes)

    def read(self, log: str) -> Deferred[Sequence[bytes]]:
        """See IBackplane."""
        return Deferred.fromCoroutine(self._read(self._keys.log(log)))

    def _joined(self, kept: bool) -> None:
        """Claims end with the lease; without one they could not be released either."""
        if not kept:
            self._remove_claims(self._claimed)
            self._claimed.clear()
        self._sweep()

    def _added(self, entry: bytes | None, node: str) -> None:
        if entry is None and self._node is not None:
            self._journal.count("backplane.redis", "not_sent", node=node)
            self._node.look_soon()

    def _claim_of(self, answer: list[Any], key: str) -> Claim:
        outcome, holder, since = answer if len(answer) == 3 else (answer[0], b"", b"0")
        if outcome == b"claimed":
            self._claimed.add(key)
        if outcome == b"lapsed":
            if self._node is not None:
                self._node.look_soon()
            raise _unavailable("this node's lease has ended")
        return Claim(holder.decode(), int(since) / 1e6)

    def _run(self, script: str, keys: Sequence[str], *arguments: Any) -> Deferred[Any]:
        engine = self._engine
        if engine is None:
            return fail(_unavailable())
        return engine.run(script, keys, *arguments).addErrback(_refused)

    async def _read(self, keys: tuple[str, str]) -> Sequence[bytes]:
        found: list[bytes] = []
        position, last = await self._part_of_list(keys, 0, found)
        while position < last:
            before = position
            position, _ = await self._part_of_list(keys, position, found)
            if position == before:
                break
        return found

    async def _part_of_list(self, keys: tuple[str, str], position: int, found: list[bytes]) -> tuple[int, int]:
        """Add what is there from ``position`` on; how far that was, and where the end is."""
        following, end, values = await self._run(READ, keys, position, PART, AT_A_TIME)
        found += [one for one in values if isinstance(one, bytes)]
        return following, end

    async def _loaded(self, key: str) -> Mapping[str, bytes]:
        return {name.decode(errors="replace"): value async for name, value in self._fields(key, VALUES_AT_A_TIME)}

    async def _fields(self, key: str, count: int) -> AsyncIterator[tuple[bytes, bytes]]:
        """The fields of a hash with their values."""
        cursor = b"0"
        while True:
            engine = self._engine
            if engine is None:
                raise _unavailable()
            asked = engine.ask(b"HSCAN", key, cursor, b"COUNT", count)
            cursor, found = await asked.addErrback(_refused)
            for name, value in zip(found[::2], found[1::2], strict=True):
                if isinstance(name, bytes) and isinstance(value, bytes):
                    yield name, value
            if cursor == b"0":
                return

    def _remove_claims(self, keys: set[str]) -> None:
        if self._node is not None:
            for part in _parts(sorted(keys)):
                fields = [SEPARATOR.join((key, *self._who)) for key in part]
                self._node.post(sum(map(len, fields)), b"HDEL", self._keys.claims, *fields)

    def _sweep(self) -> None:
        """Remove the claims of nodes that have no lease."""
        if self._sweeping:
            return
        self._sweeping = True

        def swept(result: Any) -> None:
            self._sweeping = False
            if isinstance(result, Failure):
                result.trap(Unavailable)

        Deferred.fromCoroutine(self._swept()).addBoth(swept)

    async def _swept(self) -> None:
        dead = []
        async for field, _since in self._fields(self._keys.claims, AT_A_TIME):
            _, *who = field.decode(errors="replace").rsplit(SEPARATOR, 2)
            there = self._node.peers if self._node is not None else {}
            if len(who) == 2 and tuple(who) != self._who and there.get(who[0]) != who[1]:
                dead.append((field, *who))
        for part in _parts(dead):
            words = [word for one in part for word in one]
            if self._node is not None:
                self._node.run_posted(0, SWEEP, (self._keys.nodes, self._keys.claims), *words)


def _refused(failure: Failure) -> Any:
    failure.trap(NoRedisConnection)
    raise _unavailable(failure.getErrorMessage()) from None


def _unavailable(why: str = "it cannot be reached, or this node has no lease") -> Unavailable:
    return backplane_down(f"[backplane] redis: {why}")


def _parts(values: list[Any]) -> Iterator[list[Any]]:
    for at in range(0, len(values), AT_A_TIME):
        yield values[at : at + AT_A_TIME]
