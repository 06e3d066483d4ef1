"""Queries to a database, in a few threads with one connection each; the directory of users that is made of them.

Every query ends in time: the database ends those that take too long, the driver gives up connecting, and what neither
of them ends is cut off at its socket. After any error the connection is closed. ``single_flight`` stands in front and
asks for no more at a time than there are threads.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from functools import partial
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

from orosync.clocks import Now, time_of_day
from orosync.errors import Unavailable
from orosync.identity.directories import probing, sql
from orosync.identity.directories.sql import Engine, QueryLimits
from orosync.identity.threads import ThreadCalls
from orosync.interfaces import IDirectory, IProbe, ISharedPasswords
from orosync.model import Finding, SharedPassword, User

IDLE = 30.0
"""Seconds after which an idle connection is made anew: firewalls drop such connections silently."""

LONGEST_REASON = 300

T = TypeVar("T")


class CutOff(Exception):
    """A query was cut off by the reactor."""


class NoDatabaseConnection(Exception):
    """Connecting failed; the text is the driver's. ``refused``: the server answered, and refused the login."""

    def __init__(self, words: str, refused: bool) -> None:
        super().__init__(words)
        self.refused = refused


class SqlService(Service):
    """A database that can be queried while the service runs. ``name`` is the title of its section.

    Every failure is Unavailable, with the reason code ``down``, with the reason in one line.
    """

    name: str

    def __init__(self, name: str, down: str, engine: Engine, limits: QueryLimits, reactor: Any) -> None:
        self.name = name
        self.engine = engine
        self._down_kind = down
        self._limits = limits
        self._reactor = reactor
        self._pool: _Pool | None = None
        self._queries: set[_Query] = set()
        self._calls = ThreadCalls(reactor)

    # -- in the reactor

    def startService(self) -> None:
        """Threads and connections are made when they are needed."""
        Service.startService(self)
        limits, engine = self._limits, self.engine
        self._pool = _Pool(
            engine,
            cp_reactor=self._reactor,
            cp_min=0,
            cp_max=limits.connections,
            cp_noisy=False,
            cp_openfun=self._opened,
            **engine.arguments(),
        )

    def stopService(self) -> Deferred[None]:
        """Cut off the queries under way; fires when no thread and no connection is left."""
        Service.stopService(self)
        pool, self._pool = self._pool, None
        for query in self._queries:
            query.cut()

        def close(_: object) -> None:
            if pool is not None:
                pool.close()

        return self._calls.all_returned().addCallback(close)

    def ask(self, work: Callable[[Any], T]) -> Deferred[T]:
        """What ``work`` returns for a connection of the driver, in a thread; ``work`` is called again, with a new
        connection, if the old one turned out to be lost. Fires after ``QueryLimits.look_up`` seconds at the latest."""

        def failed(failure: Failure) -> T:
            error = failure.value
            raise error if isinstance(error, Unavailable) else self._down(_words(error))

        return self._run(work).addErrback(failed)

    def probe_with(self, examine: Callable[[probing.Ask], Iterable[Finding]]) -> Deferred[Sequence[Finding]]:
        """The findings of ``examine``, which is called in a thread; a connection that fails, or is lost at any of its
        queries, is the only one."""

        def work(connection: Any) -> list[Finding]:
            return list(examine(partial(rows, connection)))

        def failed(failure: Failure) -> list[Finding]:
            error = failure.value
            refused = isinstance(error, NoDatabaseConnection) and error.refused
            words = error.reason if isinstance(error, Unavailable) else _words(error)
            words = words.removeprefix(f"{NoDatabaseConnection.__name__}: ")
            remedy = probing.STOPPED if isinstance(error, Exception) and self.engine.is_disconnect(error) else ""
            return [probing.not_connected(self.name, words.removeprefix(f"[{self.name}] "), refused, remedy)]

        return self._run(work).addErrback(failed)

    def _run(self, work: Callable[[Any], T]) -> Deferred[T]:
        """As ``ask``, but fails with the error itself, and with Unavailable for no answer."""
        if self._pool is None:
            return defer.fail(self._down("is not in service"))
        query = _Query()
        self._queries.add(query)

        def late() -> Exception:
            query.cut()
            return self._down(f"no answer within {self._limits.look_up:g} s")

        def ended(result: T | Failure) -> T:
            self._queries.discard(query)
            return result  # type: ignore[return-value]  # or a Failure

        call: Deferred[T] = self._pool.runWithConnection(self._done, query, work).addBoth(ended)
        return self._calls.answer(call, self._limits.look_up, late)

    def _down(self, why: str) -> Unavailable:
        return Unavailable(self._down_kind, f"[{self.name}] {why}")

    # -- in threads

    def _opened(self, connection: Any) -> None:
        try:
            self.engine.opened(connection)
        except BaseException:
            connection.close()
            raise

    def _done(self, lease: _Lease, query: _Query, work: Callable[[Any], T]) -> T:
        """Do ``work``; once more, on a new connection, if an old one turned out to be lost."""
        if lease.was_open and lease.idle > IDLE:
            lease.reconnect()
        try:
            return self._asked(lease, query, work)
        except Exception:
            if query.is_cut or not (lease.was_open and self.engine.is_lost(lease.connection)):
                raise
        lease.reconnect()
        return self._asked(lease, query, work)

    def _asked(self, lease: _Lease, query: _Query, work: Callable[[Any], T]) -> T:
        connection = lease.connection
        query.begin(self.engine.descriptor(connection))
        try:
            answer = work(connection)
        finally:
            query.end()
        lease.used()
        return answer


@implementer(IDirectory, ISharedPasswords, IProbe)
class SqlDirectory(SqlService):
    """Finds users in Oro's tables while it runs; Unavailable ("directory_down") otherwise. ``users`` is the table, or
    a view of the same columns (``[schema.]name``)."""

    def __init__(
        self,
        name: str,
        engine: Engine,
        limits: QueryLimits,
        reactor: Any,
        users: str,
        now: Now = time_of_day,
    ) -> None:
        super().__init__(f"directory:{name}", "directory_down", engine, limits, reactor)
        self._users = users
        self._now = now
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

    def probe(self) -> Deferred[Sequence[Finding]]:
        """See IProbe: the look-up itself, the account's rights, the clock, users without a password hash."""
        return self.probe_with(lambda ask: probing.users(ask, self.engine, self.name, self._users, self._now))

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
    """A thread's connection for the time of one query. After any error it is closed."""

    def __init__(self, pool: Any) -> None:
        self.was_open = pool.threadID() in pool.connections
        super().__init__(pool)  # type: ignore[no-untyped-call]

    @property
    def connection(self) -> Any:
        """The connection of the driver."""
        return self._connection

    @property
    def idle(self) -> float:
        """Seconds since its last use."""
        last: float = self._pool.last_used.get(self._pool.threadID(), monotonic())
        return monotonic() - last

    def used(self) -> None:
        """The database has just answered."""
        self._pool.last_used[self._pool.threadID()] = monotonic()

    def reconnect(self) -> None:
        """Replace the connection by a new one."""
        if self._connection is not None:
            self.was_open = False
        super().reconnect()  # type: ignore[no-untyped-call]

    def commit(self) -> None:
        """Does nothing: each query is a read-only transaction."""

    def rollback(self) -> None:
        """The query failed: close the connection."""
        if self._connection is self._pool.connections.get(self._pool.threadID()):
            self._pool.disconnect(self._connection)


class _Pool(adbapi.ConnectionPool):
    """``last_used`` holds by thread when its connection last answered (monotonic seconds)."""

    connectionFactory = _Lease

    def __init__(self, engine: Engine, **arguments: Any) -> None:
        self.last_used: dict[int, float] = {}
        self.has_refused = engine.has_refused
        super().__init__(engine.module, **arguments)  # type: ignore[no-untyped-call]

    def connect(self) -> Any:
        """See adbapi. NoDatabaseConnection replaces the driver's error, whose frames would keep half-made connections
        open until they are collected as garbage."""
        try:
            return super().connect()  # type: ignore[no-untyped-call]
        except Exception as error:
            words, refused = _words(error), self.has_refused(error)
            clear_frames(error.__traceback__)
        raise NoDatabaseConnection(words, refused)


class _Query:
    """One query under way in a thread, so that the reactor can cut it off.

    It duplicates the descriptor of the connection: by the time of the cut the driver's may be closed and its number
    in use for another socket.
    """

    def __init__(self) -> None:
        self._lock = Lock()
        self._socket: socket.socket | None = None
        self.is_cut = False

    def begin(self, descriptor: int) -> None:
        """In the thread: the connection is about to be used. CutOff when the query has been cut already."""
        with self._lock:
            if self.is_cut:
                raise CutOff("the query was given up")
            self._socket = socket.socket(fileno=os.dup(descriptor))

    def end(self) -> None:
        """In the thread: the connection is not used any more."""
        with self._lock:
            if self._socket is not None:
                self._socket.close()
                self._socket = None

    def cut(self) -> None:
        """In the reactor: end the wait for an answer at that socket."""
        with self._lock:
            self.is_cut = True
            if self._socket is not None:
                with suppress(OSError):
                    self._socket.shutdown(socket.SHUT_RDWR)


def rows(connection: Any, text: str, parameters: Any) -> list[Any]:
    """In a thread: the rows of a query."""
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
