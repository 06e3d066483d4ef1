"""A directory in a database that is slow, gone, back again or stopped: on real servers of both kinds."""

from __future__ import annotations

import gc
import os
import threading
import time
from pathlib import Path
from typing import Any

from twisted.internet import reactor
from twisted.internet.defer import Deferred, gatherResults
from twisted.internet.task import deferLater

from orosync.errors import Unavailable
from orosync.identity.directories import sql
from orosync.identity.directories.sql import QueryLimits
from orosync.identity.single_flight import Lookups
from orosync.model import User
from orosync.testing import RecordingJournal
from tests.identity.directories import oro
from tests.identity.directories.adapter_case import LIMITS, OnMariaDB, OnPostgreSQL
from tests.support import postgresql

ANNA = User(1, "anna", "hash", email="anna@example.com")
BEN = User(2, "ben", "other", email="ben@example.com")


def sockets() -> int:
    """How many sockets this process has open."""
    links = []
    for entry in Path("/proc/self/fd").iterdir():
        try:
            links.append(os.readlink(entry))
        except OSError:
            continue  # the descriptor of this very listing
    return sum(link.startswith("socket:") for link in links)


class Hard:
    """What both kinds of databases have to stand; mixed into a case of one kind."""

    slow_query = ""
    ended = ""
    owner = ("", "")
    script = ""

    def setUp(self) -> None:
        oro.fill(self.database(), self.form, (ANNA, BEN))
        gc.collect()  # what other tests left behind; what these leave is counted without it
        self.before = self.held()

    def held(self) -> tuple[int, int]:
        """Sockets and threads of this process, but for those of the tests' own connections."""
        return sockets() - self.database().sockets, threading.active_count()

    def nothing_left(self) -> None:
        """No thread, no descriptor here, no connection there."""
        self.assertEqual(self.held(), self.before)
        self.assertEqual(self.database().wait_until_left(oro.READER), 0)

    async def refused(self, asked: Deferred[Any]) -> Unavailable:
        """Why a look-up was refused, and that it was because the directory is down."""
        try:
            found = await asked
        except Unavailable as refusal:
            self.assertEqual(refusal.code, "directory_down")
            self.assertNotIn(oro.PASSWORD, str(refusal))
            return refusal
        raise self.failureException(f"not refused, but found {found}")

    async def test_nothing_is_left(self) -> None:
        """Stopped, it leaves no thread, no socket and no connection; started again, it works again."""
        directory = self.directory()
        for _ in range(2):
            found = await gatherResults([directory.find(login) for login in ("anna", "ben") * 5])
            self.assertEqual(found, [ANNA, BEN] * 5)
            self.assertLessEqual(self.database().connections(oro.READER), LIMITS.connections)
            await directory.stopService()
            self.nothing_left()
            self.assertIn("is not in service", str(await self.refused(directory.find("anna"))))
            directory.startService()

    async def test_restarted_in_between(self) -> None:
        """A server that was started again while nobody asked is no failure: the old connection is replaced."""
        directory = self.directory()
        await gatherResults([directory.find("anna"), directory.find("ben")])
        self.database().kill()
        self.database().start()
        self.assertEqual(await gatherResults([directory.find("anna"), directory.find("ben")]), [ANNA, BEN])
        await directory.stopService()

    async def test_killed_and_started_again(self) -> None:
        """Down: refused, at once from the second on. Back: found again within ten seconds, nothing left over."""
        directory, journal = self.directory(), RecordingJournal()
        lookups = Lookups("people", directory, journal, reactor, at_once=LIMITS.connections)
        self.assertEqual(await lookups.find("anna"), ANNA)
        self.database().kill()
        for login in ("anna", "ben", "anna", "nobody"):
            await self.refused(lookups.find(login, fresh=True))
        await deferLater(reactor, 1.2, lambda: None)
        await self.refused(lookups.find("anna"))
        self.database().start()
        started = time.monotonic()
        found = None
        while found is None:
            try:
                found = await lookups.find("anna")
            except Unavailable:
                self.assertLess(time.monotonic() - started, 10)
                await deferLater(reactor, 0.05, lambda: None)
        self.assertEqual(found, ANNA)
        self.assertEqual(await lookups.find("ben"), BEN)
        kinds = [kind for _, kind, _ in journal.notes]
        self.assertEqual((kinds[0], kinds[-1]), ("down", "recovered"))
        await directory.stopService()
        self.nothing_left()

    async def test_frozen(self) -> None:
        """A server that keeps its connections and says nothing: cut off in time, and in use again when it goes on."""
        directory = self.directory(limits=QueryLimits(connect=2.0, query=0.3, connections=2))
        self.assertEqual(await directory.find("anna"), ANNA)
        self.database().freeze(True)
        try:
            started = time.monotonic()
            both = [directory.find("anna"), directory.find("ben")]
            for asked in both:
                await self.refused(asked)
            self.assertLess(time.monotonic() - started, 4.5)
        finally:
            self.database().freeze(False)
        self.assertEqual(await directory.find("anna"), ANNA)
        await directory.stopService()
        self.nothing_left()

    async def test_stopped_while_somebody_waits(self) -> None:
        """A stop does not wait for a server that says nothing: who asked is refused, and nothing is left."""
        directory = self.directory(limits=QueryLimits(connect=3.0, query=2.0, connections=1))
        self.assertEqual(await directory.find("anna"), ANNA)
        self.database().freeze(True)
        try:
            asked = self.refused(directory.find("anna"))
            waiting = Deferred.fromCoroutine(asked)
            await deferLater(reactor, 0.1, lambda: None)
            started = time.monotonic()
            await directory.stopService()
            await waiting
            self.assertLess(time.monotonic() - started, 1)
        finally:
            self.database().freeze(False)
        self.nothing_left()

    async def test_slow_query(self) -> None:
        """The database itself ends a query that takes too long."""
        directory = self.directory(limits=QueryLimits(connect=2.0, query=0.2, connections=1))
        self.assertEqual(await directory.find("anna"), ANNA)
        directory._query = self.slow_query
        started = time.monotonic()
        refusal = await self.refused(directory.find("anna"))
        self.assertLess(time.monotonic() - started, 1)
        self.assertRegex(str(refusal), self.ended)
        self.assertEqual(await directory.find("anna"), ANNA)

    async def test_only_reads(self) -> None:
        """The connection itself refuses to write, whatever rights its user has."""
        owner = type(self).dsn(self.form, *self.owner)
        directory = self.directory(owner)
        self.assertEqual(await directory.find("anna"), ANNA)
        directory._query = "DELETE FROM oro_user WHERE username = %(login)s"
        self.assertRegex(str(await self.refused(directory.find("anna"))), "(?i)read.only")
        self.assertEqual(await directory.find("anna"), ANNA)

    async def test_columns_that_move(self) -> None:
        """An upgrade of Oro under a running orosync: refused when a column is gone, found when the grants are right."""
        database, directory = self.database(oro.COLUMN), self.directory()
        self.assertEqual(await directory.find("anna"), ANNA)
        database.execute("ALTER TABLE oro_user RENAME COLUMN auth_status_id TO other", oro.COLUMN)
        try:
            await self.refused(directory.find("anna"))
            self.assertIn("neither auth_status_id nor serialized_data", str(await self.refused(directory.find("anna"))))
            database.script(oro.SCRIPTS / self.script, oro.COLUMN)
            self.assertEqual(await directory.find("anna"), ANNA)
        finally:
            database.execute("ALTER TABLE oro_user RENAME COLUMN other TO auth_status_id", oro.COLUMN)
            database.script(oro.SCRIPTS / self.script, oro.COLUMN)

    async def test_idle_connections_are_not_trusted(self) -> None:
        """After half a minute without a question a new connection is made: what a firewall forgot costs no time-out."""
        directory = self.directory(limits=QueryLimits(connect=3.0, query=2.0, connections=1))
        await directory.find("anna")
        (first,) = directory._pool.connections.values()
        await directory.find("anna")
        self.assertEqual(list(directory._pool.connections.values()), [first])
        directory._pool.last_used = {thread: when - 31 for thread, when in directory._pool.last_used.items()}
        self.assertEqual(await directory.find("anna"), ANNA)
        (second,) = directory._pool.connections.values()
        self.assertIsNot(second, first)

    async def test_wrong_password(self) -> None:
        """A password that is wrong is told to the log, without it; a table that is not there too."""
        dsn = type(self).dsn(self.form, password="wr0ng")
        self.assertNotIn("wr0ng", str(await self.refused(self.directory(dsn).find("anna"))))
        directory = self.directory(users="no_such_table")
        self.assertIn("no_such_table: id, username", str(await self.refused(directory.find("anna"))))

    async def test_same_work_for_nobody(self) -> None:
        """Looking for somebody who is not there reads as much as for somebody who is."""
        database, dialect = self.database(), type(self).engine.dialect
        columns = database.execute(*_for(self.form, sql.probe(dialect, "oro_user")))
        query = sql.look_up(dialect, "oro_user", columns)
        for login in ("anna", "nobody", "ANNA@example.com", "nobody@example.com"):
            self.assertEqual(len(database.execute(query, self.form, sql.parameters(login))), 2, login)


def _for(form: str, query: tuple[str, Any]) -> tuple[str, str, Any]:
    return query[0], form, query[1]


class HardOnPostgreSQL(Hard, OnPostgreSQL):
    """PostgreSQL."""

    slow_query = "SELECT pg_sleep(5), %(login)s::text"
    ended = "QueryCanceled: .*statement timeout"
    owner = (postgresql.OWNER, postgresql.PASSWORD)
    script = "postgresql.sql"


class HardOnMariaDB(Hard, OnMariaDB):
    """MariaDB."""

    slow_query = "SELECT SLEEP(5), %(login)s"
    ended = "max_statement_time exceeded"
    owner = ("administrator", "the owner's pass/word@home")
    script = "mysql.sql"

    def setUp(self) -> None:
        name, password = self.owner
        who = f"'{name}'@'%' IDENTIFIED BY '{oro.quoted(password)}'"
        self.database().execute(f"GRANT ALL ON *.* TO {who}")
        super().setUp()
