"""Connections to Redis: found, opened and authenticated.

With Sentinel the master is asked for at each attempt. TLS is always verified, the Sentinels' too. Commands have a
timeout; a connection that does not answer one is closed. Nothing reconnects by itself.

Only the protocol is taken from txredisapi: its factories give up for good once AUTH or SELECT fails (as while a server
loads its data), and its Sentinel client has no TLS. txredisapi is an extra, imported for the first connection.
"""

from __future__ import annotations

import functools
import secrets
from collections.abc import Iterable, Sequence
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


class RedisConnector:
    """Opens connections to ``dsn``. ``timeout`` in seconds for each step and command; ``limit`` in bytes for a value
    that is answered, ``whole`` for an answer of several; ``trust_root`` as optionsForClientTLS takes it (None: the
    system's authorities)."""

    def __init__(
        self, dsn: RedisDsn, reactor: Any, timeout: float, limit: int, trust_root: Any = None, whole: int = 0
    ) -> None:
        self._dsn = dsn
        self._reactor = reactor
        self._timeout = timeout
        self._factory = OneProtocol(timeout, limit, whole or limit)
        self._trust_root = trust_root
        self._open: dict[Any, None] = {}
        self._attempts: dict[Deferred[Any], None] = {}
        self._servers = list(dsn.servers)  # the Sentinel that answered last comes first

    def connect(self, count: int = 1) -> Deferred[list[Any]]:
        """The protocols of ``count`` authenticated connections to one server; fails with NoRedisConnection."""
        seconds = self._timeout * STEPS
        attempt = Deferred.fromCoroutine(self._connected(count))
        self._attempts[attempt] = None

        def settled(result: Any) -> Any:
            del self._attempts[attempt]
            if isinstance(result, Failure) and result.check(defer.TimeoutError, defer.CancelledError):
                return Failure(NoRedisConnection(f"none within {seconds:g} s"))
            return result

        return attempt.addTimeout(seconds, self._reactor).addBoth(settled)

    def close(self) -> Deferred[None]:
        """Fires when no connection is left."""
        for attempt in tuple(self._attempts):
            attempt.cancel()
        ended = [protocol.ended for protocol in self._open]
        for protocol in tuple(self._open):
            protocol.transport.abortConnection()
        return defer.gatherResults([_fires_with(one) for one in ended]).addCallback(lambda _: None)

    async def _connected(self, count: int) -> list[Any]:
        server = await self._master() if self._dsn.sentinel else self._servers[0]
        made: list[Any] = []
        try:
            while len(made) < count:
                made.append(await self._authenticated(server))
        except BaseException:
            for protocol in made:
                protocol.transport.abortConnection()
            raise
        return made

    async def _authenticated(self, server: Server) -> Any:
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
            protocol = await endpoint.connect(self._factory)
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


class RedisLink:
    """One connection, opened when it is needed and opened again when it is lost; the arguments as RedisConnector's."""

    def __init__(self, dsn: RedisDsn, reactor: Any, timeout: float, limit: int, trust_root: Any = None) -> None:
        self._connector = RedisConnector(dsn, reactor, timeout, limit, trust_root)
        self._current: Any = None
        self._waiting: list[Deferred[Any]] = []
        self._connecting = False

    def connection(self) -> Deferred[Any]:
        """The protocol of an authenticated connection; fails with NoRedisConnection."""
        if self._current is not None and self._current.connected:
            return defer.succeed(self._current)
        waiting: Deferred[Any] = Deferred(self._waiting.remove)
        self._waiting.append(waiting)
        if not self._connecting:
            self._connecting = True
            self._connector.connect().addBoth(self._settled)
        return waiting

    def give_up(self, protocol: Any) -> None:
        """Close a connection that failed."""
        if protocol is self._current:
            self._current = None
        protocol.transport.abortConnection()

    def close(self) -> Deferred[None]:
        """Fires when no connection is left."""
        return self._connector.close()

    def _settled(self, result: list[Any] | Failure) -> None:
        self._connecting = False
        waiting, self._waiting = self._waiting, []
        if not isinstance(result, Failure):
            (self._current,) = result
        for one in waiting:
            one.callback(result if isinstance(result, Failure) else self._current)


@functools.cache
def protocol_class() -> Any:
    """The protocol; ImportError without txredisapi. The class is made here since its base class is imported here."""
    txredisapi = import_module(MODULE)

    class Bounded(txredisapi.BaseRedisProtocol):  # type: ignore[misc, name-defined]
        """``limit`` in bytes: a longer value is discarded and becomes InvalidData, as do those of an answer beyond
        ``whole``; ``ended`` fires when the connection is lost.

        It cuts the bytes into values itself: its base takes a turn of the reactor for each of them.
        """

        def __init__(self, timeout: float, limit: int, whole: int) -> None:
            super().__init__(charset=None, replyTimeout=timeout, convertNumbers=False)
            self.limit = limit
            self.whole = whole
            self.ended: Deferred[None] = Deferred()
            self.why = ""
            self._held = bytearray()
            self._missing = 0  # bytes of a value and the end of its line
            self._discarding = False
            self._answered = 0  # bytes of this answer
            self._lost = False  # what comes cannot be read
            self.multi_bulk: Any

        def dataReceived(self, data: bytes, unpause: bool = False) -> None:
            held = self._held
            held += data
            at = 0
            while self.connected and not self._lost:
                rest = len(held) - at
                if self._missing and self._discarding:
                    passed = min(rest, self._missing)
                    at += passed
                    self._missing -= passed
                    if self._missing:
                        break
                    self._element(txredisapi.InvalidData(f"longer than {self.limit} bytes"))
                elif self._missing:
                    if rest < self._missing:
                        break
                    value = bytes(held[at : at + self._missing - 2])
                    at += self._missing
                    self._missing = 0
                    self._element(value)
                else:
                    end = held.find(b"\r\n", at)
                    if end < 0:
                        self._lost = rest > self.MAX_LENGTH
                        break
                    try:
                        self._line(bytes(held[at:end]))
                    except ValueError:  # no number
                        self._lost = True
                    at = end + 2
            del held[:at]
            if self._lost:
                self.transport.abortConnection()

        def _line(self, line: bytes) -> None:
            if line.startswith(b"$") and line != b"$-1":
                size = int(line[1:])
                if size < 0:
                    raise ValueError
                self._discarding = size > self.limit or size > self.whole - self._answered
                self._answered += 0 if self._discarding else size
                self._missing = size + 2
            elif line.startswith(b"*"):
                count = int(line[1:])
                self.multi_bulk = self.multi_bulk.set_pending(count)
                if count <= 0:
                    self.multiBulkDataReceived()
            else:
                self.lineReceived(line.decode(errors="replace"))

        def _element(self, value: Any) -> None:
            values = self.multi_bulk
            if values.pending:
                values.items.append(value)
                values.pending -= 1
                if not values.pending:
                    self.multiBulkDataReceived()
            else:
                self.replyReceived(value)

        def post(self, command: bytes) -> Deferred[Any]:
            """Send a command that ``encoded`` has made; without a time limit."""
            if not self.connected:
                raise txredisapi.ConnectionError("Not connected")
            self.transport.write(command)
            answered: Deferred[Any] = self.replyQueue.get()
            return answered.addCallback(self.handle_reply)

        def replyReceived(self, reply: Any) -> None:
            self._answered = 0
            super().replyReceived(reply)

        def connectionLost(self, why: Failure) -> None:
            self.why = why.getErrorMessage()
            super().connectionLost(why)
            self.ended.callback(None)

    return Bounded


class OneProtocol(Factory):
    """Makes one protocol for one connection, without log lines."""

    noisy = False

    def __init__(self, timeout: float, limit: int, whole: int) -> None:
        self._bounds = (timeout, limit, whole)

    def buildProtocol(self, address: object) -> Any:
        """See Factory."""
        return protocol_class()(*self._bounds)


def encoded(*words_of_it: bytes | str | int) -> bytes:
    """A command as it is sent."""
    parts = [word if isinstance(word, bytes) else str(word).encode() for word in words_of_it]
    return b"*%d\r\n%s" % (len(parts), b"".join([b"$%d\r\n%s\r\n" % (len(part), part) for part in parts]))


async def excess(protocol: Any, tries: Iterable[tuple[str, Sequence[Any]]] = ()) -> list[str]:
    """What the account may do and no account of orosync's needs, tried in earnest: the names of ``tries``, and of what
    is too much everywhere. NoRedisConnection if the connection is lost."""
    everywhere = (
        ("may read other keys", (b"GET", secrets.token_hex(16))),  # nothing has that key
        ("may administer the server", (b"CONFIG", b"GET", b"maxmemory")),
    )
    found = []
    for name, command in (*tries, *everywhere):
        try:
            await protocol.execute_command(*command)
        except Exception as error:
            if not protocol.connected:
                raise NoRedisConnection(words(error, protocol)) from None
            if str(error).startswith(("NOPERM", "ERR unknown")):  # Redis looks at the account's rights first
                continue
        found.append(name)
    return found


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
