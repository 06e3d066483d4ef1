"""Sessions in the table oro_session, against real servers, in rows that PHP wrote."""

from __future__ import annotations

import functools
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any

from twisted.internet import reactor
from twisted.internet.defer import Deferred, succeed
from twisted.internet.task import deferLater
from twisted.trial.unittest import TestCase

from orosync.clocks import time_of_day
from orosync.config.database_dsn import parse
from orosync.errors import Refused, Unavailable
from orosync.identity.directories.sql import MySQL, PostgreSQL, QueryLimits
from orosync.identity.php.session import LARGEST, SessionReader
from orosync.identity.sessions.pdo import PdoSessions
from orosync.identity.single_flight import SessionLookups
from orosync.interfaces import ISessionStore
from orosync.model import AdminSession, FindingState
from orosync.testing import RecordingJournal, SessionStoreContract
from tests.identity.sessions import logins
from tests.support import mariadb, postgresql

ANNA = SessionStoreContract.ANNA
ID = SessionStoreContract.ANNA_IN
LIMITS = QueryLimits(connect=2.0, query=1.0, connections=2)
DATABASE = "oro_sessions"


@functools.cache
def prepared(server: Callable[[], Any], statements: tuple[str, ...]) -> Any:
    """The server of this run, with the table as Oro has it, and what an administrator does for orosync."""
    made = server()
    made.execute(f"CREATE DATABASE {DATABASE}")
    for statement in statements:
        made.execute(statement, DATABASE)
    return made


class PdoCase(TestCase):
    """One kind of database; those who inherit say which."""

    timeout = 60
    engine: Callable[..., Any]
    begin: Callable[[], Any]
    table: tuple[str, ...]
    grant: tuple[str, ...]
    dsn: str
    php: tuple[str, str]

    def setUp(self) -> None:
        self.server = prepared(type(self).begin, self.table + self.grant)
        self.server.execute("DELETE FROM oro_session", DATABASE)
        engine = type(self).engine(parse(self.dsn.format(port=self.server.port)), LIMITS)
        self.store = PdoSessions(
            "rows", engine, LIMITS, SessionReader("sessions:rows"), reactor, time_of_day, "oro_session"
        )
        self.store.startService()
        self.addCleanup(self.store.stopService)

    def write(self, sessions: Mapping[str, AdminSession | None], **how: Any) -> None:
        """PHP saves them."""
        dsn, user = self.php
        place = {"dsn": dsn.format(socket=self.server.socket, port=self.server.port), "user": user, "password": ""}
        logins.written("pdo", sessions, **{"relative": False, **place, **how})

    def make_store(self, sessions: Mapping[str, AdminSession | None]) -> Deferred[ISessionStore]:
        """See SessionStoreContract."""
        self.write(sessions)
        return succeed(SessionLookups("rows", self.store, RecordingJournal(), reactor, at_once=2))

    def log_out(self, session_id: str) -> None:
        """PHP removes the row."""
        self.server.execute("DELETE FROM oro_session WHERE id = %s", DATABASE, session_id)


class Particulars:
    """What is particular about the table; mixed in."""

    async def test_expired(self: Any) -> None:
        """A session is over at its moment, or its lifetime after its last use, whichever way the row is written."""
        now = time.time()
        for relative in (False, True):
            for used, found in ((now - 7190, ANNA), (now - 7210, None)):
                self.server.execute("DELETE FROM oro_session", DATABASE)
                self.write({ID: ANNA}, used=used, relative=relative)
                self.assertEqual(await self.store.find(ID), found, (relative, used - now))

    async def test_what_cannot_be_read(self: Any) -> None:
        """A session that is cut or huge costs its own user the login; the connection stays."""
        self.write({ID: ANNA})
        rows = self.server.execute("SELECT sess_data FROM oro_session", DATABASE)
        for data in (bytes(rows[0][0])[:-1], b"x" * (LARGEST + 1)):
            self.server.execute("UPDATE oro_session SET sess_data = %s", DATABASE, data)
            refused = await self.assertFailure(self.store.find(ID), Refused)
            self.assertEqual(refused.code, "malformed_session")
        self.assertEqual(self.server.connections("orosync_sessions"), 1)

    async def test_probe(self: Any) -> None:
        """The account of our documentation is right; a table that is not there, or not granted, is told."""
        found = await self.store.probe()
        self.assertEqual([one.check for one in found], ["sessions:rows", "sessions:rows rights"])
        self.assertEqual({one.state for one in found}, {FindingState.OK}, found)
        for table in ("nowhere", "secret_sessions"):
            self.server.execute("CREATE TABLE IF NOT EXISTS secret_sessions AS SELECT * FROM oro_session", DATABASE)
            store = PdoSessions(
                "rows", self.store.engine, LIMITS, SessionReader("sessions:rows"), reactor, time_of_day, table
            )
            store.startService()
            self.addCleanup(store.stopService)
            (one,) = await store.probe()
            self.assertIs(one.state, FindingState.FAULT)
            self.assertIn(table, one.result)
            self.assertIn("grant SELECT on its four columns", one.remedy)

    async def test_nothing_is_prolonged(self: Any) -> None:
        """A look-up leaves the row as it is; that role could not even write."""
        self.write({ID: ANNA})
        before = self.server.execute("SELECT * FROM oro_session", DATABASE)
        self.assertEqual(await self.store.find(ID), ANNA)
        self.assertEqual(self.server.execute("SELECT * FROM oro_session", DATABASE), before)

    async def test_killed_and_started_again(self: Any) -> None:
        """No user is found while the database is down; within 10 s of its return all are; then nothing is left."""
        self.write({ID: ANNA})
        lookups = SessionLookups("rows", self.store, RecordingJournal(), reactor, at_once=2)
        self.assertEqual(await lookups.find(ID), ANNA)
        self.server.kill()
        try:
            for _ in range(20):
                down = await self.assertFailure(lookups.find(ID), Unavailable)
                self.assertEqual(down.code, "sessions_down")
                self.assertTrue(down.reason.startswith("[sessions:rows] "), down.reason)
                await deferLater(reactor, 0.01)
        finally:
            self.server.start()
        started = time.monotonic()
        while True:
            try:
                self.assertEqual(await lookups.find(ID), ANNA)
                break
            except Unavailable:
                self.assertLess(time.monotonic() - started, 10)
                await deferLater(reactor, 0.05)
        await self.store.stopService()
        self.assertEqual(self.server.wait_until_left("orosync_sessions"), 0)
        self.assertEqual([one.name for one in threading.enumerate() if "adbapi" in one.name.lower()], [])

    async def test_locked_by_a_request(self: Any) -> None:
        """While PHP holds the row (SELECT ... FOR UPDATE) for a long request, it is read all the same, at once."""
        self.write({ID: ANNA})
        holder = self.locking()
        try:
            started = time.monotonic()
            self.assertEqual(await self.store.find(ID), ANNA)
            self.assertLess(time.monotonic() - started, 0.5)
        finally:
            holder.close()


class OnPostgreSQL(PdoCase):
    """PostgreSQL."""

    engine = PostgreSQL
    begin = staticmethod(postgresql.server)
    table = (
        "CREATE TABLE oro_session (id varchar(128) PRIMARY KEY, sess_data bytea NOT NULL, sess_time integer NOT NULL, "
        "sess_lifetime integer NOT NULL)",
    )
    grant = (
        "CREATE ROLE orosync_sessions LOGIN PASSWORD 'p@ss'",
        "GRANT SELECT (id, sess_data, sess_time, sess_lifetime) ON oro_session TO orosync_sessions",
    )
    dsn = "postgres://orosync_sessions:p%40ss@127.0.0.1:{port}/" + DATABASE + "?charset=utf8&serverVersion=15.2"
    php = ("pgsql:host={socket};port={port};dbname=" + DATABASE, postgresql.OWNER)

    def locking(self) -> Any:
        """A connection that holds the row."""
        import psycopg

        where = {"host": self.server.socket, "port": self.server.port, "user": postgresql.OWNER, "dbname": DATABASE}
        holder = psycopg.connect(**where)
        holder.execute("SELECT * FROM oro_session FOR UPDATE")
        return holder


class OnMariaDB(PdoCase):
    """MariaDB."""

    engine = MySQL
    begin = staticmethod(mariadb.server)
    table = (
        "CREATE TABLE oro_session (id varbinary(128) PRIMARY KEY, sess_data blob NOT NULL, sess_time integer NOT NULL, "
        "sess_lifetime integer NOT NULL)",
        "ALTER TABLE oro_session MODIFY sess_data longblob NOT NULL",
    )
    grant = (
        "CREATE USER orosync_sessions@'%' IDENTIFIED BY 'p@ss'",
        f"GRANT SELECT (id, sess_data, sess_time, sess_lifetime) ON {DATABASE}.oro_session TO orosync_sessions@'%'",
    )
    dsn = "mysql://orosync_sessions:p%40ss@127.0.0.1:{port}/" + DATABASE + "?charset=utf8mb4"
    php = ("mysql:unix_socket={socket};dbname=" + DATABASE, mariadb.OWNER)

    def locking(self) -> Any:
        """A connection that holds the row."""
        import pymysql

        holder = pymysql.connect(unix_socket=self.server.socket, user=mariadb.OWNER, database=DATABASE)
        holder.cursor().execute("SELECT * FROM oro_session FOR UPDATE")
        return holder


class PostgreSQLContract(OnPostgreSQL, SessionStoreContract):
    """The suite on PostgreSQL."""


class MariaDBContract(OnMariaDB, SessionStoreContract):
    """The suite on MariaDB."""


class PostgreSQLParticulars(OnPostgreSQL, Particulars):
    """The rest on PostgreSQL."""


class MariaDBParticulars(OnMariaDB, Particulars):
    """The rest on MariaDB."""

    async def test_a_loose_collation(self) -> None:
        """Where the id column compares loosely, another case is still another session."""
        self.server.execute("ALTER TABLE oro_session MODIFY id varchar(128) COLLATE utf8mb4_unicode_ci", DATABASE)
        try:
            self.write({ID: ANNA})
            self.assertEqual(await self.store.find(ID), ANNA)
            self.assertIsNone(await self.store.find(ID.upper()))
        finally:
            self.server.execute("ALTER TABLE oro_session MODIFY id varbinary(128)", DATABASE)
