"""This process as one node of its router: made from the configuration, joined before clients are admitted, left after
they have gone.

Only a router of several nodes imports this module, and all that belongs to them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from importlib import import_module
from itertools import islice
from typing import Any

from twisted.internet.defer import Deferred, gatherResults
from twisted.internet.interfaces import IListeningPort
from twisted.internet.task import LoopingCall, deferLater
from twisted.logger import Logger
from twisted.python.failure import Failure

from orosync import redis_connection, registry
from orosync.app import metrics
from orosync.app.process import fail_because
from orosync.backplane.messages import Failures
from orosync.backplane.nodes import Nodes
from orosync.backplane.peer import Peer
from orosync.backplane.questions import Questions
from orosync.clocks import Now
from orosync.config import redis_dsn
from orosync.config.backplane import LocalBackplaneSection, PluginBackplaneSection, RedisBackplaneSection
from orosync.config.settings import Configuration
from orosync.errors import ConfigError, NodeNameTaken
from orosync.identity.rate_limit import FailureBuckets
from orosync.interfaces import IBackplane, IJournal
from orosync.metrics import Sample
from orosync.ops.answers import NodeRow, plain
from orosync.session.nodes.shared_realm import SharedRealm, SharedRealms
from orosync.session.realm_context import RealmContext
from orosync.trust_roots import trust_root_of

TITLE = "backplane"

TELL_FAILURES = 1.0
"""Seconds between two messages about failed authentications."""

GROUPS = 500
"""Addresses in one of them."""

SETTLE = 2.0
"""Seconds that clients wait at most until the other nodes have told what they have."""

LOOK = 0.05


def backplane_of(configuration: Configuration, reactor: Any, journal: IJournal) -> IBackplane:
    """That of Redis or a plugin. Raises ConfigError."""
    section = configuration.backplane
    if isinstance(section, PluginBackplaneSection):
        factory = registry.resolve(TITLE, section.use, {}, IBackplane)
        made: IBackplane = registry.create(TITLE, factory, IBackplane, TITLE, section.extra)
        return made
    assert isinstance(section, RedisBackplaneSection)
    missing = registry.missing_module(redis_connection.MODULE, redis_connection.EXTRA)
    if missing:
        raise ConfigError([f"[{TITLE}] use: redis {missing}"])
    redis = import_module("orosync.backplane.redis")  # which workers of one machine do not need
    root = trust_root_of(TITLE, section.ca)
    dsn = redis_dsn.parse(section.dsn.value)
    adapter: IBackplane = redis.RedisBackplane(dsn, section.prefix, reactor, journal, root, section.timeout)
    return adapter


class RouterNode:
    """The node that [router] names. ``local`` joins the workers of one machine, which share ``key``; None: the
    configuration says what joins the nodes. Raises ConfigError."""

    _log = Logger()

    def __init__(
        self, configuration: Configuration, reactor: Any, journal: IJournal, local: IBackplane | None, key: bytes
    ) -> None:
        section = configuration.backplane
        assert section is not None
        previous = b""
        if isinstance(section, LocalBackplaneSection):
            assert local is not None
            self.backplane = local
        else:
            self.backplane = backplane_of(configuration, reactor, journal)
            key = section.secret.value.encode()
            previous = b"" if section.previous_secret is None else section.previous_secret.value.encode()
        self.nodes = Nodes(
            self.backplane,
            configuration.router.node,
            key,
            reactor,
            journal,
            resend_seconds=section.resend,
            resend_bytes=section.resend_bytes,
            previous_key=previous,
        )
        self._key = key
        self.questions = Questions(self.nodes, reactor, journal)
        self._refuses = section.when_away == "refuse"
        self._reactor = reactor
        self.shared: Mapping[str, SharedRealm] = {}
        self._realms: Mapping[str, RealmContext] = {}
        self._failures: Mapping[str, FailureBuckets] = {}
        self._stopped = False
        self._telling = LoopingCall(self._tell_failures)
        self._telling.clock = reactor

    def once(self, key: str, seconds: float, by: str = "") -> Deferred[bool]:
        """See IBackplane."""
        return self.backplane.once(key, seconds, by)

    def share(self, realms: Mapping[str, RealmContext], failures: Mapping[str, FailureBuckets], now: Now) -> None:
        """Have all nodes share ``realms``, and failed authentications by the names of their authenticators. Called
        once, before ``join``, while they have no members. ``now`` tells the time of day, in seconds since 1970."""
        self._realms, self._failures = realms, failures
        self.shared = {
            name: SharedRealm(context, self.nodes, self.questions, self._key, now) for name, context in realms.items()
        }
        self._shared = SharedRealms(self.nodes, self.shared.values(), self._reactor)
        self.nodes.handle(Failures, self._told_failures)
        self.nodes.on_engine(self._engine_changed)
        self._engine_changed(False)

    # -- life

    def join(
        self,
        ports: Iterable[IListeningPort],
        joined: Callable[[], None],
        failed: Callable[[Sequence[str]], None] | None = None,
    ) -> None:
        """Join the other nodes, or find the engine away, and call ``joined``. Until then clients of ``ports``
        (Twisted's, listening) wait in the system's queue. ``failed`` is called with what is wrong when the name of this
        node is taken; by default that is logged, and the process ends with status 1."""
        held: list[Any] = list(ports)
        for port in held:
            port.stopReading()

        async def joining() -> None:
            await self.nodes.start()
            if self._stopped:
                return
            self._engine_changed(self.nodes.available)
            self._telling.start(TELL_FAILURES)
            await gatherResults([self._shared.load(), Deferred.fromCoroutine(self._settled())])
            if self._stopped:
                return
            for port in held:
                port.startReading()
            joined()

        Deferred.fromCoroutine(joining()).addErrback(self._cannot_join, failed or self._fail)

    async def _settled(self) -> None:
        """Every node that is there has told what it has, or is late."""
        deadline = self._reactor.seconds() + SETTLE
        while self._reactor.seconds() < deadline:
            await deferLater(self._reactor, LOOK)
            if all(peer.whole for peer in self.nodes.known):
                return

    def _cannot_join(self, failure: Failure, failed: Callable[[Sequence[str]], None]) -> None:
        if failure.check(NodeNameTaken):
            failed([f"[router] node: {failure.getErrorMessage()}"])
        else:
            self._log.failure("this node cannot join the others", failure=failure)
            failed(["this node cannot join the others"])

    def _fail(self, faults: Sequence[str]) -> None:
        fail_because(faults, self._log, self._reactor)

    def stop(self) -> Deferred[None]:
        """Leave: the others are told."""
        self._stopped = True
        if self._telling.running:
            self._telling.stop()
        return self.nodes.stop()

    @property
    def fault(self) -> str:
        """For health: "" while the engine can be reached."""
        return "" if self.nodes.available else "the engine cannot be reached: other nodes' events and calls do not come"

    # -- monitoring

    def samples(self) -> Iterator[Sample]:
        """What metrics say of the nodes."""
        nodes, counters = self.nodes, self.nodes.counters
        yield metrics.BACKPLANE_UP, (), int(nodes.available)
        yield metrics.PEERS, (), len(nodes.peers)
        for peer in nodes.known:
            yield metrics.UNACKNOWLEDGED, (peer.node,), peer.lag
        yield metrics.NODE_MESSAGES, ("sent",), counters.sent
        yield metrics.NODE_MESSAGES, ("received",), counters.received
        yield metrics.NODE_BATCHES, ("sent",), counters.batches_sent
        yield metrics.NODE_BATCHES, ("received",), counters.batches_received
        yield metrics.NODE_BYTES, ("sent",), counters.bytes_sent
        yield metrics.NODE_BYTES, ("received",), counters.bytes_received
        yield metrics.RESENT, (), counters.resent
        yield metrics.DUPLICATES, (), counters.duplicates
        yield metrics.LOST, (), counters.lost
        yield metrics.REFUSED_BATCHES, (), counters.refused
        yield metrics.DROPPED, (), getattr(self.backplane, "dropped", 0)

    def rows(self) -> list[dict[str, Any]]:
        """The other nodes, for the status."""
        now = self._reactor.seconds()
        return [
            plain(NodeRow(node=one.node, state=_state(one), lag=one.lag, heard=round(now - one.heard, 3)))
            for one in sorted(self.nodes.known, key=lambda one: one.node)
        ]

    # -- what is shared besides realms

    def _engine_changed(self, back: bool) -> None:
        for realm in self._realms.values():
            realm.withholding = self._refuses and not back

    def _tell_failures(self) -> None:
        for name, buckets in self._failures.items():
            untold = buckets.untold()
            for some in _portions(untold):
                self.nodes.send_all(Failures(name, some))

    def _told_failures(self, peer: Peer, message: Failures) -> None:
        buckets = self._failures.get(message.authenticator)
        if buckets is not None:
            for group, count in message.counts.items():
                buckets.add(group, self._reactor.seconds(), count)


def _state(peer: Peer) -> str:
    if not peer.alive:
        return "silent"
    return "joined" if peer.whole else "joining"


def _portions(counts: Mapping[str, int]) -> Iterator[dict[str, int]]:
    left = iter(counts.items())
    while some := dict(islice(left, GROUPS)):
        yield some
