"""What all kinds of databases share."""

from __future__ import annotations

from typing import Any

import attrs
import psycopg
import pymysql
from psycopg import errors
from twisted.trial.unittest import SynchronousTestCase

from orosync.config.database_dsn import parse
from orosync.config.sections import SqlDirectorySection
from orosync.identity.directories.sql import ENGINES, QueryLimits


class Shared(SynchronousTestCase):
    """Limits."""

    def test_longest_look_up(self) -> None:
        """A connection and a query, and a second more: a look-up that takes longer is cut off. With the pause that
        follows, a database that is back is in use again within ten seconds."""
        self.assertEqual(QueryLimits(connect=3, query=2, connections=4).look_up, 6)
        self.assertLess(attrs.fields(SqlDirectorySection).connect_timeout.default + 5, 10)

    def test_disconnects(self) -> None:
        """Errors of a server that is gone or answers no more, and those of one that answers."""
        mysql, postgresql = pymysql.err.OperationalError, psycopg.OperationalError
        table: dict[str, tuple[list[Exception], list[Exception]]] = {
            "mysql": (
                [
                    mysql(2006, "MySQL server has gone away (BrokenPipeError(32, 'Broken pipe'))"),
                    mysql(2013, "Lost connection to MySQL server during query (timed out)"),
                    mysql(2013, "Lost connection to MySQL server during query"),
                    mysql(2055, "Lost connection to MySQL server at 'reading', system error: 104"),
                    mysql(1053, "Server shutdown in progress"),
                    mysql(1927, "Connection was killed"),
                    mysql(3169, "The session was killed"),
                    mysql(4031, "The client was disconnected by the server because of inactivity"),
                    pymysql.err.InterfaceError(0, ""),
                ],
                [
                    pymysql.err.ProgrammingError(1146, "Table 'oro.oro_user' doesn't exist"),
                    mysql(1142, "SELECT command denied to user 'lacking'@'localhost' for table 'oro_user'"),
                    mysql(1969, "Query execution was interrupted (max_statement_time exceeded)"),
                    mysql(3024, "Query execution was interrupted, maximum statement execution time exceeded"),
                    mysql(1040, "Too many connections"),
                    mysql(1045, "Access denied for user 'orosync'@'localhost' (using password: YES)"),
                    ValueError(),
                ],
            ),
            "postgresql": (
                [
                    postgresql("consuming input failed: server closed the connection unexpectedly"),
                    postgresql("sending query failed: could not receive data from server: Connection timed out"),
                    postgresql("the connection is lost"),
                    postgresql("the connection is closed"),
                    psycopg.DatabaseError("server closed the connection unexpectedly"),
                    errors.AdminShutdown("terminating connection due to administrator command"),
                    errors.CrashShutdown("terminating connection because of crash of another server process"),
                    errors.CannotConnectNow("the database system is shutting down"),
                    errors.IdleSessionTimeout("terminating connection due to idle-session timeout"),
                    errors.ConnectionFailure("connection failure"),
                ],
                [
                    errors.UndefinedTable('relation "oro_user" does not exist'),
                    errors.InsufficientPrivilege("permission denied for table oro_user"),
                    errors.QueryCanceled("canceling statement due to statement timeout"),
                    errors.TooManyConnections("sorry, too many clients already"),
                    errors.InvalidPassword("password authentication failed"),
                    psycopg.InterfaceError("the cursor is closed"),
                    ValueError(),
                ],
            ),
        }
        for name, (gone, answered) in table.items():
            engine: Any = ENGINES[name](parse(f"{name}://orosync@127.0.0.1/oro"), QueryLimits(1, 1, 1))
            for error in (*gone, *answered):
                self.assertIs(engine.is_disconnect(error), error in gone, repr(error))
