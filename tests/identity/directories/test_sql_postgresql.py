"""A directory in PostgreSQL, against a real server with Oro's tables."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

import attrs
from twisted.trial.unittest import SynchronousTestCase

from orosync.config.database_dsn import parse
from orosync.identity.directories.pool import SqlDirectory
from orosync.identity.directories.sql import PostgreSQL, QueryLimits
from orosync.model import User
from orosync.testing import DirectoryContract, SharedPasswordsContract
from tests.identity.directories import oro
from tests.identity.directories.adapter_case import OnPostgreSQL, OroTables

DEFAULT = QueryLimits(connect=3.0, query=2.0, connections=4)


class WithColumn(OnPostgreSQL, OroTables, SharedPasswordsContract, DirectoryContract):
    """Oro up to 6.0."""

    form = oro.COLUMN


class Serialized(OnPostgreSQL, OroTables, DirectoryContract):
    """Oro from 6.1 on."""

    form = oro.SERIALIZED

    async def test_e_mails_that_differ_in_case(self) -> None:
        """Two users whose e-mails differ in case alone are found by the exact one; by neither's, nobody is."""
        low, high = User(1, "a", "h", email="bob@example.com"), User(2, "b", "h", email="Bob@example.com")
        directory = await self.make_directory((low, high))
        self.assertEqual(await directory.find("bob@example.com"), low)
        self.assertEqual(await directory.find("Bob@example.com"), high)
        self.assertIsNone(await directory.find("BOB@example.com"))

    async def test_through_a_socket(self) -> None:
        """A UNIX socket in its directory, as a DSN names it."""
        anna = User(1, "anna", "h", email="a@b.c")
        server = self.database()
        oro.fill(server, self.form, (anna,))
        dsn = parse(f"postgresql://{oro.READER}@localhost/{self.form}?host={quote(server.socket)}&port={server.port}")
        self.assertEqual(await self.directory(dsn).find("anna"), anna)

    async def test_database_of_another_encoding(self) -> None:
        """A name that the database's encoding cannot hold is nobody's, and no failure that shuts others out."""
        server = self.database()
        server.execute("CREATE DATABASE latin TEMPLATE template0 ENCODING 'LATIN1' LOCALE 'C'")
        server.execute(";".join(oro.tables(oro.POSTGRESQL_WORDS, oro.SERIALIZED)), "latin")
        server.script(oro.SCRIPTS / "postgresql.sql", "latin")
        oro.fill(server, "latin", (user := User(1, "jürgen", "h", email="j@b.c"),))
        directory = self.directory(attrs.evolve(type(self).dsn(self.form), database="latin"))
        self.assertIsNone(await directory.find("😀"))
        self.assertEqual(await directory.find("jürgen"), user)


class ThroughView(OnPostgreSQL, OroTables, SharedPasswordsContract, DirectoryContract):
    """Oro from 6.1 on, the rest of serialized_data hidden by the view that our SQL makes."""

    form = oro.VIEW

    def directory(self, *args: Any, **kwargs: Any) -> SqlDirectory:
        """See AdapterCase."""
        return super().directory(*args, **{"users": "orosync_user", **kwargs})

    async def test_the_rest_is_hidden(self) -> None:
        """The view gives the status; the column that holds it and much else cannot be read."""
        oro.fill(self.database(), self.form, (User(1, "anna", "h"),))
        self.assertEqual(self.asked("SELECT username, auth_status FROM orosync_user"), [("anna", "auth_status.active")])
        for text in ("SELECT serialized_data FROM oro_user", "SELECT username FROM oro_user"):
            self.assertIn("denied", str(self.assertRaises(self.driver.Error, self.asked, text)))


class Arguments(SynchronousTestCase):
    """What psycopg is told."""

    def arguments(self, text: str, limits: QueryLimits = DEFAULT) -> dict[str, object]:
        return dict(PostgreSQL(parse(text), limits).arguments())

    def test_whole(self) -> None:
        """Everything of the DSN that is libpq's, and the settings that keep a look-up short and harmless."""
        found = self.arguments(
            "postgres://u:p@h:5433/d?sslmode=verify-full&sslrootcert=/ca&charset=utf8&serverVersion=17"
        )
        self.assertEqual(
            found,
            {
                "host": "h",
                "port": 5433,
                "user": "u",
                "password": "p",
                "dbname": "d",
                "sslmode": "verify-full",
                "sslrootcert": "/ca",
                "application_name": "orosync",
                "client_encoding": "UTF8",
                "connect_timeout": 3,
                "tcp_user_timeout": 3000,
                "options": "-c statement_timeout=2000 -c default_transaction_read_only=on",
                "autocommit": True,
                "prepare_threshold": None,
            },
        )

    def test_least(self) -> None:
        """Without port and password they are not said: libpq has its own ways (peer, .pgpass)."""
        found = self.arguments("postgres://u@h/d", QueryLimits(connect=0.5, query=0.25, connections=4))
        self.assertNotIn("port", found)
        self.assertNotIn("password", found)
        self.assertEqual(found["connect_timeout"], 2)
        self.assertIn("statement_timeout=250 ", str(found["options"]))

    def test_other_database(self) -> None:
        """The DSN of another kind of database is refused."""
        self.assertRaises(ValueError, self.arguments, "mysql://u:p@h/d")
