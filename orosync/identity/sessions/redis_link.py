"""The connection to the Redis that has the sessions: found, opened, authenticated, and opened again when it is lost.

It is opened when it is needed; nothing reconnects in the background. With Sentinel the master is asked for at each
attempt. TLS is always verified, the Sentinels' too. Commands have a timeout; a connection that does not answer one is
closed.

Only the protocol is taken from txredisapi: its factories give up for good once AUTH or SELECT fails (as while a server
loads its data), and its Sentinel client has no TLS. txredisapi is an extra, imported for the first connection.
"""

from __future__ import annotations

import functools
from importlib import import_module
from typing import Any

from twisted.internet import defer
from twisted.internet.defer import Deferred
from twisted.internet.endpoints import HostnameEndpoint, UNIXClientEndpoint, wrapClientTLS
from twisted.internet.protocol import Factory
from twisted.internet.ssl import optionsForClientTLS
from twisted.python.failure import Failure

from orosync.config.redis_dsn import RedisDsn, Server

EXTRA = "redis"
MODULE = "txredisapi"

STEPS = 3
"""Timeouts that a whole attempt may take."""


class NoRedisConnection(Exception):
    """Why there is no connection, in one line without credentials."""


class RedisLink:
    """The connection to ``dsn``. ``timeout`` in seconds for each step and command, ``limit`` in bytes for an
    answer; ``trust_root`` as optionsForClientTLS takes it (None: the system's authorities)."""

    def __init__(self, dsn: RedisDsn, reactor: Any, timeout: float, limit: int, trust_root: Any = None) -> None:
        self._dsn = dsn
        self._reactor = reactor
        self._timeout = timeout
        self._limit = limit
        self._trust_root = trust_root
        self._open: dict[Any, None] = {}
        self._current: Any = None
        self._waiting: list[Deferred[Any]] = []
        self._connecting: Deferred[Any] | None = None
        self._servers = list(dsn.servers)  # the Sentinel that answered last comes first

    def connection(self) -> Deferred[Any]:
        """The protocol of an authenticated connection; fails with NoRedisConnection."""
        if self._current is not None and self._current.connected:
            return defer.succeed(self._current)
        waiting: Deferred[Any] = Deferred(self._cancelled)
        self._waiting.append(waiting)
        if self._connecting is None:
            seconds = self._timeout * STEPS
            self._connecting = connecting = Deferred.fromCoroutine(self._connected())
            connecting.addTimeout(seconds, self._reactor).addBoth(self._settled, seconds)
        return waiting

    def give_up(self, protocol: Any) -> None:
        """Close a connection that failed."""
        if protocol is self._current:
            self._current = None
        protocol.transport.abortConnection()

    def close(self) -> Deferred[None]:
        """Fires when no connection is left."""
        if self._connecting is not None:
            self._connecting.cancel()
        ended = [protocol.ended for protocol in self._open]
        for protocol in self._open:
            protocol.transport.abortConnection()
        return defer.gatherResults([_fires_with(one) for one in ended]).addCallback(lambda _: None)

    def _cancelled(self, waiting: Deferred[Any]) -> None:
        self._waiting.remove(waiting)

    def _settled(self, result: Any, seconds: float) -> None:
        self._connecting = None
        waiting, self._waiting = self._waiting, []
        if not isinstance(result, Failure):
            self._current = result
        elif result.check(defer.TimeoutError, defer.CancelledError):
            result = Failure(NoRedisConnection(f"none within {seconds:g} s"))
        for one in waiting:
            one.callback(result)

    async def _connected(self) -> Any:
        server = await self._master() if self._dsn.sentinel else self._servers[0]
        protocol = await self._opened(server)
        try:
            await self._authenticate(protocol)
            if self._dsn.database:
                await protocol.select(self._dsn.database)
        except Exception as error:
            protocol.transport.abortConnection()
            raise NoRedisConnection(f"{_shown(server)}: {words(error, protocol)}") from None
        except BaseException:
            protocol.transport.abortConnection()
            raise
        return protocol

    async def _authenticate(self, protocol: Any) -> None:
        if self._dsn.password:
            await protocol.auth(self._dsn.password, self._dsn.user)

    async def _opened(self, server: Server) -> Any:
        endpoint: Any
        if server.port:
            endpoint = HostnameEndpoint(self._reactor, server.host, server.port, timeout=self._timeout)
        else:
            endpoint = UNIXClientEndpoint(self._reactor, server.host, timeout=self._timeout)
        if self._dsn.tls:
            endpoint = wrapClientTLS(optionsForClientTLS(server.host, trustRoot=self._trust_root), endpoint)
        try:
            protocol = await endpoint.connect(OneProtocol(self._timeout, self._limit))
        except Exception as error:
            raise NoRedisConnection(f"{_shown(server)}: {words(error)}") from None
        self._open[protocol] = None

        def gone(_: object) -> None:
            del self._open[protocol]

        protocol.ended.addCallback(gone)
        if hasattr(protocol.transport, "setTcpKeepAlive"):
            protocol.transport.setTcpKeepAlive(True)
        return protocol

    async def _master(self) -> Server:
        """The master, from the first Sentinel that knows it."""
        errors = []
        for sentinel in tuple(self._servers):
            try:
                master = await self._asked(sentinel)
            except NoRedisConnection as error:
                errors.append(f"Sentinel {error}")
            else:
                self._servers.remove(sentinel)
                self._servers.insert(0, sentinel)
                return master
        raise NoRedisConnection("; ".join(errors))

    async def _asked(self, sentinel: Server) -> Server:
        protocol = await self._opened(sentinel)
        try:
            answer = await self._master_of(protocol)
        except Exception as error:
            raise NoRedisConnection(f"{_shown(sentinel)}: {words(error, protocol)}") from None
        finally:
            protocol.transport.abortConnection()
        if not answer:
            raise NoRedisConnection(f"{_shown(sentinel)}: knows no master {self._dsn.sentinel!r}")
        host, port = (part.decode() if isinstance(part, bytes) else str(part) for part in answer)
        return Server(host, int(port))

    async def _master_of(self, protocol: Any) -> Any:
        """Sentinels have a password of their own or none; the DSN's is only sent to one that asks for it."""
        try:
            return await protocol.sentinel_get_master_addr_by_name(self._dsn.sentinel)
        except Exception as error:
            if not (self._dsn.password and str(error).startswith("NOAUTH")):
                raise
        await self._authenticate(protocol)
        return await protocol.sentinel_get_master_addr_by_name(self._dsn.sentinel)


@functools.cache
def protocol_class() -> Any:
    """The protocol; ImportError without txredisapi. The class is made here since its base class is imported here."""
    txredisapi = import_module(MODULE)

    class Bounded(txredisapi.BaseRedisProtocol):  # type: ignore[misc, name-defined]
        """``limit`` in bytes: a longer answer is discarded and becomes InvalidData; ``ended`` fires when the
        connection is lost."""

        def __init__(self, timeout: float, limit: int) -> None:
            super().__init__(charset=None, replyTimeout=timeout, convertNumbers=False)
            self.limit = limit
            self.discarding = False
            self.ended: Deferred[None] = Deferred()
            self.why = ""

        def lineReceived(self, line: str) -> None:
            if line.startswith("$") and len(line) > 1 and line[1:].isdigit():
                self.discarding = int(line[1:]) > self.limit
            super().lineReceived(line)

        def rawDataReceived(self, data: bytes) -> None:
            if not self.discarding:
                super().rawDataReceived(data)
                return
            rest = data[self.bulk_length :]
            self.bulk_length -= len(data) - len(rest)
            if self.bulk_length == 0:
                self.discarding = False
                self.replyReceived(txredisapi.InvalidData(f"longer than {self.limit} bytes"))
                self.setLineMode(extra=rest)

        def connectionLost(self, why: Failure) -> None:
            self.why = why.getErrorMessage()
            super().connectionLost(why)
            self.ended.callback(None)

    return Bounded


class OneProtocol(Factory):
    """Makes one protocol for one connection, without log lines."""

    noisy = False

    def __init__(self, timeout: float, limit: int) -> None:
        self._timeout = timeout
        self._limit = limit

    def buildProtocol(self, address: object) -> Any:
        """See Factory."""
        return protocol_class()(self._timeout, self._limit)


def words(error: BaseException, protocol: Any = None) -> str:
    """An error in one line of bounded length, with why its connection was lost. Redis repeats no credentials."""
    lost = f" ({protocol.why})" if protocol is not None and protocol.why else ""
    text = " ".join((str(error) or type(error).__name__).split())
    return f"{text}{lost}"[:300]


def _shown(server: Server) -> str:
    return f"{server.host}:{server.port}" if server.port else server.host


def _fires_with(ended: Deferred[None]) -> Deferred[None]:
    """Fires when ``ended`` does, which has other callbacks too."""
    mine: Deferred[None] = Deferred()

    def on(result: None) -> None:
        mine.callback(None)

    ended.addCallback(on)
    return mine
