"""Oro's Application URL, read from real databases with the rights of etc/sql."""

from __future__ import annotations

from contextlib import closing
from importlib import import_module
from typing import Any
from urllib.parse import quote

from twisted.trial.unittest import SynchronousTestCase

from orosync.config.database_dsn import parse
from orosync.identity.directories.application_url import (
    APPLICATION_URL,
    DEFAULT,
    ApplicationUrl,
    NotReadable,
    Reading,
    origin_of,
)
from orosync.identity.directories.sql import MySQL, PostgreSQL, QueryLimits
from tests.identity.directories import oro, oro_configuration

LIMITS = QueryLimits(connect=2.0, query=1.0, connections=1)
MORNING, NOON = "2026-12-01 08:00:00", "2026-12-01 12:00:00"


class Origins(SynchronousTestCase):
    """origin_of"""

    def test_urls(self) -> None:
        """Scheme, host and port, as a browser sends them."""
        for url, expected in {
            "https://oro.example.com/": "https://oro.example.com",
            " HTTPS://Oro.Example.com:443/a/b?c ": "https://oro.example.com",
            "http://user:pass@localhost:8000": "http://localhost:8000",
            "": "",
        }.items():
            self.assertEqual(origin_of(url), expected)
        for url in (
            "oro.example.com",
            "ftp://x.y",
            "https://",
            "https://*.example.com",
            "https://a b/",
            "javascript:1",
        ):
            with self.assertRaises(ValueError):
                origin_of(url)


class OnServer:
    """With one kind of database; mixed into a test case."""

    engine: Any
    scheme = ""

    def setUp(self) -> None:
        self.server = self.serve()
        oro_configuration.clear(self.server)
        self.subject = ApplicationUrl(type(self).engine.dialect)

    def connect(self) -> Any:
        """As orosync does, with its account."""
        where = f"127.0.0.1:{self.server.port}/{oro_configuration.DATABASE}"
        dsn = parse(f"{self.scheme}://{oro.READER}:{quote(oro.PASSWORD, safe='')}@{where}?sslmode=disable")
        engine = type(self).engine(dsn, LIMITS)
        connection = import_module(engine.module).connect(**engine.arguments())
        engine.opened(connection)
        return closing(connection)

    def test_followed(self) -> None:
        """The URL is read at first and whenever any value has been saved, and not in between."""
        with self.connect() as connection:
            first = self.subject.read(connection, None)
            self.assertEqual(first, Reading(None, True, DEFAULT))
            self.assertEqual(self.subject.read(connection, first), Reading(None, True, None))
            oro_configuration.save(self.server, "https://one.example", MORNING)
            oro_configuration.save(self.server, "https://another.example", MORNING, config=2)
            second = self.subject.read(connection, first)
            self.assertEqual((second.follows, second.url), (True, "https://one.example"))
            self.assertIsNone(self.subject.read(connection, second).url)
            self.assertEqual(self.subject.read(connection, None).url, "https://one.example")
            oro_configuration.save(self.server, "https://two.example", NOON)
            self.assertEqual(self.subject.read(connection, second).url, "https://two.example")
            oro_configuration.save(self.server, "", NOON)
            self.assertEqual(self.subject.read(connection, None).url, DEFAULT)

    def test_rights(self) -> None:
        """orosync's account sees this one value of the configuration, and can change nothing."""
        with self.connect() as connection:
            for text in (
                "SELECT text_value FROM oro_config_value",
                "SELECT entity FROM oro_config",
                "DELETE FROM oro_sync_websocket_server_state",
                "UPDATE oro_config_value SET text_value = 'x'",
                APPLICATION_URL,
            ):
                with self.assertRaises(Exception) as raised, closing(connection.cursor()) as cursor:
                    cursor.execute(text)
                self.assertRegex(str(raised.exception), "(?i)denied|read.only", text)

    def test_without_the_time_of_changes(self) -> None:
        """Before Oro 7.0 there is no such table: the URL is read each time, and the answer says so."""
        self.server.execute("ALTER TABLE oro_sync_websocket_server_state RENAME TO away", oro_configuration.DATABASE)
        self.addCleanup(
            self.server.execute,
            "ALTER TABLE away RENAME TO oro_sync_websocket_server_state",
            oro_configuration.DATABASE,
        )
        with self.connect() as connection:
            first = self.subject.read(connection, None)
            self.assertEqual(first, Reading(None, False, DEFAULT))
            self.assertEqual(self.subject.read(connection, first), first)

    def test_not_readable(self) -> None:
        """Without the grant it says what is missing; once it is given, the next reading succeeds."""
        account = oro.READER if self.scheme == "postgres" else f"'{oro.READER}'@'%'"
        grant = "GRANT SELECT ON orosync_application_url TO " + account
        database = oro_configuration.DATABASE
        self.addCleanup(self.server.execute, grant, database)
        self.server.execute(f"REVOKE SELECT ON orosync_application_url FROM {account}", database)
        with self.connect() as connection:
            with self.assertRaises(NotReadable) as raised:
                self.subject.read(connection, None)
            self.assertIn("neither orosync_application_url nor oro_config", str(raised.exception))
            self.server.execute(grant, database)
            self.assertEqual(self.subject.read(connection, None).url, DEFAULT)


class PostgreSQLTests(OnServer, SynchronousTestCase):
    engine, scheme, serve = PostgreSQL, "postgres", staticmethod(oro_configuration.on_postgresql)


class MariaDBTests(OnServer, SynchronousTestCase):
    engine, scheme, serve = MySQL, "mysql", staticmethod(oro_configuration.on_mariadb)
