"""Databases asked in a few threads with a connection each, and the directory that asks that way.

Every question ends within its time: the database ends queries that take too long, the driver gives up connecting, and
what neither of them ends is cut off at its socket. After any error a connection is thrown away. This file must not
know which database it is, caches or queues (``lookups`` stands in front and asks no more at once than there are
threads).
"""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Sequence
from contextlib import suppress
from threading import Lock
from time import monotonic
from traceback import clear_frames
from typing import Any, TypeVar

from twisted.application.service import Service
from twisted.enterprise import adbapi
from twisted.internet import defer
from twisted.internet.defer import Deferred
from twisted.python.failure import Failure
from zope.interface import implementer

from orosync.errors import Unavailable
from orosync.identity.directories import sql
from orosync.identity.directories.sql import Engine, QueryLimits
from orosync.interfaces import IDirectory, ISharedPasswords
from orosync.model import SharedPassword, User

IDLE = 30.0
"""Seconds after which a connection is not trusted any more: firewalls forget, and a query into nothing takes long."""

LONGEST_REASON = 300

T = TypeVar("T")


class CutOff(Exception):
    """A look-up was ended from outside."""


class NoDatabaseConnection(Exception):
    """There is no connection to be had; the text is the driver's."""


class SqlService(Service):
    """A database that can be asked while it runs. ``name`` is the title of its section.

    Whatever goes wrong is Unavailable, of the kind ``down``, with the reason in one line.
    """

    def __init__(self, name: str, down: str, engine: Engine, limits: QueryLimits, reactor: Any) -> None:
        self.name = name
        self.engine = engine
        self._down_kind = down
        self._limits = limits
        self._reactor = reactor
        self._pool: _Pool | None = None
        self._visits: dict[_Visit, Deferred[None]] = {}

    # -- in the reactor

    def startService(self) -> None:
        """Have threads; connections are made when they are needed."""
        Service.startService(self)
        limits, engine = self._limits, self.engine
        self._pool = _Pool(
            engine.module,
            cp_reactor=self._reactor,
            cp_min=0,
            cp_max=limits.connections,
            cp_noisy=False,
            cp_openfun=self._opened,
            **engine.arguments(),
        )

    def stopService(self) -> Deferred[None]:
        """Cut off what is under way; fires when no thread and no connection is left."""
        Service.stopService(self)
        pool, self._pool = self._pool, None
        for visit in self._visits:
            visit.cut()

        def close(_: object) -> None:
            if pool is not None:
                pool.close()

        return defer.gatherResults(list(self._visits.values())).addCallback(close)

    def ask(self, work: Callable[[Any], T]) -> Deferred[T]:
        """What ``work`` returns for a connection of the driver's own, in a thread; a second time, on a new one, if an
        old one turned out to be gone. Fires after ``QueryLimits.look_up`` seconds at the latest."""
        if self._pool is None:
            return defer.fail(self._down("is not in service"))
        visit, answer, gone = _Visit(), Deferred[T](), Deferred[None]()
        self._visits[visit] = gone

        def late() -> None:
            visit.cut()
            answer.errback(self._down(f"no answer within {self._limits.look_up:g} s"))

        timer = self._reactor.callLater(self._limits.look_up, late)

        def back(result: T | Failure) -> None:
            del self._visits[visit]
            if timer.active():
                timer.cancel()
                if isinstance(result, Failure):
                    answer.errback(self._down(_words(result.value)))
                else:
                    answer.callback(result)
            gone.callback(None)

        self._pool.runWithConnection(self._done, visit, work).addBoth(back)
        return answer

    def _down(self, why: str) -> Unavailable:
        return Unavailable(self._down_kind, f"[{self.name}] {why}")

    # -- in threads

    def _opened(self, connection: Any) -> None:
        try:
            self.engine.opened(connection)
        except BaseException:
            connection.close()
            raise

    def _done(self, lease: _Lease, visit: _Visit, work: Callable[[Any], T]) -> T:
        """Ask; once more, on a new connection, if an old one turned out to be gone."""
        if lease.was_open and lease.idle > IDLE:
            lease.reconnect()
        try:
            return self._asked(lease, visit, work)
        except Exception:
            if visit.is_cut or not (lease.was_open and self.engine.is_lost(lease.connection)):
                raise
        lease.reconnect()
        return self._asked(lease, visit, work)

    def _asked(self, lease: _Lease, visit: _Visit, work: Callable[[Any], T]) -> T:
        connection = lease.connection
        visit.begin(self.engine.descriptor(connection))
        try:
            answer = work(connection)
        finally:
            visit.end()
        lease.used()
        return answer


@implementer(IDirectory, ISharedPasswords)
class SqlDirectory(SqlService):
    """Finds users in Oro's tables while it runs; Unavailable ("directory_down") otherwise. ``users`` is the table, or
    a view of the same columns (``[schema.]name``)."""

    def __init__(self, name: str, engine: Engine, limits: QueryLimits, reactor: Any, users: str = "oro_user") -> None:
        super().__init__(f"directory:{name}", "directory_down", engine, limits, reactor)
        self._users = users
        self._query: str | None = None

    def find(self, login: str) -> Deferred[User | None]:
        """See IDirectory."""
        if self.running and not sql.is_storable(login):
            return defer.succeed(None)
        return self.ask(lambda connection: self._looked_up(connection, login))

    def shared_passwords(self) -> Deferred[Sequence[SharedPassword]]:
        """See ISharedPasswords."""
        query = sql.shared(self.engine.dialect, self._users)
        return self.ask(lambda connection: sql.groups(rows(connection, query, {})))

    def _looked_up(self, connection: Any, login: str) -> User | None:
        try:
            query = self._query
            if query is None:
                query = self._query = self._probed(connection)
            found = rows(connection, query, sql.parameters(login))
        except Exception as error:
            if self.engine.cannot_hold(error):
                return None
            self._query = None  # the tables may have changed under us
            raise
        return sql.choose(found)

    def _probed(self, connection: Any) -> str:
        dialect = self.engine.dialect
        return sql.look_up(dialect, self._users, rows(connection, *sql.probe(dialect, self._users)))


class _Lease(adbapi.Connection):
    """A thread's connection for the time of one look-up. What went wrong in any way is not used again."""

    def __init__(self, pool: Any) -> None:
        self.was_open = pool.threadID() in pool.connections
        super().__init__(pool)  # type: ignore[no-untyped-call]

    @property
    def connection(self) -> Any:
        """The driver's own."""
        return self._connection

    @property
    def idle(self) -> float:
        """Seconds since its last use."""
        last: float = self._pool.last_used.get(self._pool.threadID(), monotonic())
        return monotonic() - last

    def used(self) -> None:
        """It has just answered."""
        self._pool.last_used[self._pool.threadID()] = monotonic()

    def reconnect(self) -> None:
        """A new connection instead of this one."""
        if self._connection is not None:
            self.was_open = False
        super().reconnect()  # type: ignore[no-untyped-call]

    def commit(self) -> None:
        """Nothing: each query is a transaction that only reads."""

    def rollback(self) -> None:
        """The look-up failed."""
        if self._connection is self._pool.connections.get(self._pool.threadID()):
            self._pool.disconnect(self._connection)


class _Pool(adbapi.ConnectionPool):
    """``last_used`` holds by thread when its connection last answered (monotonic seconds)."""

    connectionFactory = _Lease

    def __init__(self, module: str, **arguments: Any) -> None:
        self.last_used: dict[int, float] = {}
        super().__init__(module, **arguments)  # type: ignore[no-untyped-call]

    def connect(self) -> Any:
        """See adbapi. NoConnection instead of the driver's error, whose frames would keep half-made connections open
        until they are collected as garbage."""
        try:
            return super().connect()  # type: ignore[no-untyped-call]
        except Exception as error:
            words = _words(error)
            clear_frames(error.__traceback__)
        raise NoDatabaseConnection(words)


class _Visit:
    """One look-up under way in a thread, so that the reactor can cut it off.

    It holds a descriptor of its own: the driver's number may be somebody else's by the time it is cut.
    """

    def __init__(self) -> None:
        self._lock = Lock()
        self._socket: socket.socket | None = None
        self.is_cut = False

    def begin(self, descriptor: int) -> None:
        """In the thread: the connection is about to be used. CutOff when that is too late."""
        with self._lock:
            if self.is_cut:
                raise CutOff("the look-up was given up")
            self._socket = socket.socket(fileno=os.dup(descriptor))

    def end(self) -> None:
        """In the thread: the connection is not used any more."""
        with self._lock:
            if self._socket is not None:
                self._socket.close()
                self._socket = None

    def cut(self) -> None:
        """In the reactor: whoever waits for an answer at that socket is told that none comes."""
        with self._lock:
            self.is_cut = True
            if self._socket is not None:
                with suppress(OSError):
                    self._socket.shutdown(socket.SHUT_RDWR)


def rows(connection: Any, text: str, parameters: Any) -> list[Any]:
    """In a thread: what a query gives."""
    cursor = connection.cursor()
    try:
        cursor.execute(text, parameters)
        found: list[Any] = cursor.fetchall()
        return found
    finally:
        cursor.close()


def _words(error: BaseException | None) -> str:
    """An exception in one line of bounded length. Drivers name host, user and cause, and no password."""
    text = " ".join(str(error).split())[:LONGEST_REASON]
    return f"{type(error).__name__}: {text}" if text else type(error).__name__
