"""What the tests of all database adapters share: directories on the tests' servers, in service while a test runs."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import Any
from urllib.parse import quote

import attrs
from twisted.internet import reactor
from twisted.internet.defer import Deferred, gatherResults, succeed
from twisted.trial.unittest import TestCase

from orosync.config.database_dsn import Dsn, parse
from orosync.errors import Unavailable
from orosync.identity.directories.pool import SqlDirectory
from orosync.identity.directories.sql import MySQL, PostgreSQL, QueryLimits
from orosync.interfaces import IDirectory
from orosync.model import User
from tests.identity.directories import oro

LIMITS = QueryLimits(connect=2.0, query=1.0, connections=2)


def postgresql_dsn(form: str, user: str = oro.READER, password: str = oro.PASSWORD) -> Dsn:
    """As Oro has it."""
    port = oro.on_postgresql(form).port
    return parse(
        f"postgres://{user}:{quote(password, safe='')}@127.0.0.1:{port}/{form}"
        "?sslmode=disable&charset=utf8&serverVersion=15.2"
    )


def mariadb_dsn(form: str, user: str = oro.READER, password: str = oro.PASSWORD) -> Dsn:
    """As Oro has it."""
    port = oro.on_mariadb(form).port
    return parse(
        f"mysql://{user}:{quote(password, safe='')}@127.0.0.1:{port}/{form}"
        "?sslmode=disable&charset=utf8mb4&serverVersion=8.0"
    )


class AdapterCase(TestCase):
    """One kind of database; those who inherit say which."""

    timeout = 30
    engine: Callable[[Dsn, QueryLimits], Any]
    server: Callable[[str], Any]
    dsn: Callable[..., Dsn]
    form = oro.COLUMN

    def database(self, form: str = "") -> Any:
        """The server, with Oro's tables in a form."""
        return type(self).server(form or self.form)

    def directory(self, dsn: Dsn | None = None, limits: QueryLimits = LIMITS, users: str = "oro_user") -> SqlDirectory:
        """A directory in service until the test ends."""
        made = type(self).engine(dsn or type(self).dsn(self.form), limits)
        directory = SqlDirectory("people", made, limits, reactor, users)
        directory.startService()
        self.addCleanup(directory.stopService)
        return directory

    def make_directory(self, users: tuple[User, ...]) -> Deferred[IDirectory]:
        """See DirectoryContract."""
        oro.fill(self.database(), self.form, users)
        return succeed(self.directory())

    @property
    def driver(self) -> Any:
        """The DB-API module."""
        return import_module(type(self).engine.module)

    def asked(self, text: str, dsn: Dsn | None = None, unlocked: bool = False) -> list[Any]:
        """What the adapter's own connection gives for a query: with its user's rights, and (unless ``unlocked``) its
        settings."""
        engine = type(self).engine(dsn or type(self).dsn(self.form), LIMITS)
        connection = self.driver.connect(**engine.arguments())
        try:
            if not unlocked:
                engine.opened(connection)
            cursor = connection.cursor()
            cursor.execute(text)
            rows: list[Any] = list(cursor.fetchall())
            return rows
        finally:
            connection.close()

    async def refusal(self, directory: SqlDirectory) -> str:
        """Why a directory refuses to answer."""
        try:
            found = await directory.find("anna")
        except Unavailable as error:
            self.assertEqual(error.code, "directory_down")
            return error.reason
        raise self.failureException(f"not refused, but found {found}")


class OroTables:
    """What the columns of Oro mean; mixed into a case of one kind of database and one form."""

    async def test_awaiting_a_new_password(self) -> None:
        """Who has to choose a new password is not enabled, and it is told why; a status that is not set shuts nobody
        out."""
        database = self.database()
        oro.fill(database, self.form, ())
        for number, (status, because) in enumerate((("active", ""), ("reset", "password_reset"), (None, "")), 1):
            user = User(number, f"user{number}", "hash", email=f"u{number}@example.com")
            oro.add_user(database, self.form, user, status)
            expected = attrs.evolve(user, enabled=not because, disabled_because=because)
            self.assertEqual(await self.directory().find(user.username), expected, status)

    async def test_organizations_that_are_in_use(self) -> None:
        """An organisation that was switched off is none of the user's; somebody may have none at all."""
        database = self.database()
        oro.fill(
            database, self.form, (User(1, "anna", "hash", organizations=frozenset({7, 8})), User(2, "ben", "hash"))
        )
        database.execute("UPDATE oro_organization SET enabled = %s WHERE id = 8", self.form, False)
        directory = self.directory()
        self.assertEqual((await directory.find("anna")).organizations, {7})
        ben = await directory.find("ben")
        self.assertEqual((ben.organizations, ben.roles), (frozenset(), frozenset()))

    async def test_many_of_all(self) -> None:
        """Nothing is cut off, however many there are and whatever roles are called."""
        roles = {f"ROLE_{number:03}_LONG_ENOUGH_ÄÖÜ" for number in range(200)} | {"a,b", 'q"q', "\\", "[]", "null", "ẞ"}
        user = User(1, "anna", "h" * 255, email="a@b.c", organizations=frozenset(range(1, 300)), roles=frozenset(roles))
        oro.fill(self.database(), self.form, (user,))
        self.assertEqual(await self.directory().find("anna"), user)

    async def test_many_at_once(self) -> None:
        """Two connections serve as many questions as there are, each its own answer."""
        users = tuple(User(number, f"user{number}", f"hash{number}", email=f"u{number}@x.y") for number in range(1, 40))
        oro.fill(self.database(), self.form, users)
        directory = self.directory()
        self.assertEqual(await gatherResults([directory.find(user.username) for user in users]), list(users))

    async def test_nothing_else_can_be_read(self) -> None:
        """The user that our SQL makes reads the columns that are needed, and no others, and writes nothing."""
        oro.fill(self.database(), self.form, (User(1, "anna", "hash"),))
        self.assertEqual(await self.directory().find("nobody"), None)
        for text in (
            "SELECT phone FROM oro_user",
            "SELECT * FROM oro_user",
            "SELECT confirmation_token FROM oro_user",
            "SELECT name FROM oro_organization",
            "SELECT label FROM oro_access_role",
            f"{self.unlock}UPDATE oro_user SET password = 'x'",
            f"{self.unlock}DELETE FROM oro_user_access_role",
            f"{self.unlock}CREATE TABLE mine (id integer)",
        ):
            error = self.assertRaises(self.driver.Error, self.asked, text, unlocked=True)
            self.assertRegex(str(error), "denied", text)

    async def test_tls(self) -> None:
        """A server is taken for what its certificate says: another name or another authority is refused."""
        oro.fill(self.database(), self.form, (anna := User(1, "anna", "hash", email="a@b.c"),))
        plain = type(self).dsn(self.form)
        tls = self.database().tls
        table = [
            ("127.0.0.1", {"sslmode": "require"}, True),
            ("127.0.0.1", {"sslmode": "verify-full", "sslrootcert": tls.authority}, True),
            ("localhost", {"sslmode": "verify-ca", "sslrootcert": tls.authority}, True),
            ("localhost", {"sslmode": "verify-full", "sslrootcert": tls.authority}, False),
            ("127.0.0.1", {"sslmode": "verify-full", "sslrootcert": tls.stranger}, False),
            ("127.0.0.1", {"sslmode": "verify-ca", "sslrootcert": tls.stranger}, False),
        ]
        for host, options, trusted in table:
            dsn = attrs.evolve(plain, host=host, options=options)
            directory = self.directory(dsn)
            if trusted:
                self.assertEqual(await directory.find("anna"), anna, str(options))
                self.assertEqual(self.asked(self.encrypted, dsn)[0][-1] not in (False, ""), True)
            else:
                self.assertRegex(await self.refusal(directory), "(?i)certificate")
        self.assertIn(self.asked(self.encrypted, plain)[0][-1], (False, ""))


class OnPostgreSQL(AdapterCase):
    """PostgreSQL."""

    engine = PostgreSQL
    unlock = "BEGIN READ WRITE; "
    encrypted = "SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()"
    server = staticmethod(oro.on_postgresql)
    dsn = staticmethod(postgresql_dsn)


class OnMariaDB(AdapterCase):
    """MariaDB."""

    engine = MySQL
    unlock = ""
    encrypted = "SHOW STATUS LIKE 'Ssl_cipher'"
    server = staticmethod(oro.on_mariadb)
    dsn = staticmethod(mariadb_dsn)
