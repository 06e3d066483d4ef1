"""Probes of users' databases, against real servers: each mistake of an administrator, and what is said of it."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from typing import Any

import attrs
from twisted.trial.unittest import SynchronousTestCase

from orosync.identity.directories import probing
from orosync.model import Finding, FindingState, User
from tests.identity.directories import oro
from tests.identity.directories.adapter_case import LIMITS, OnMariaDB, OnPostgreSQL
from tests.support.ports import free_port

ANNA = User(1, "anna", "hash", email="a@b.c", organizations=frozenset({1}), roles=frozenset({"ROLE_X"}))


class Probes:
    """What holds of each database; mixed into a case of one."""

    form = oro.COLUMN
    owner: str
    superuser: str
    writes: str

    async def probed(self: Any, dsn: Any = None, **options: Any) -> dict[str, tuple[FindingState, str, str]]:
        """The findings of a directory by their check, in order."""
        findings = await self.directory(dsn, **options).probe()
        for one in findings:
            self.assertNotIn(oro.PASSWORD, one.result + one.remedy)
        return {one.check: (one.state, one.result, one.remedy) for one in findings}

    async def test_as_it_should_be(self: Any) -> None:
        """With the account that our SQL makes: users, rights, clock and password hashes are all as they should be. Of
        Oro 7.0 on that account may read one more table."""
        database, state = self.database(), "oro_sync_websocket_server_state"
        oro.fill(database, self.form, (ANNA,))
        database.execute(f"CREATE TABLE {state} (id varchar(15), updated_at timestamp NULL)", self.form)
        self.addCleanup(database.execute, f"DROP TABLE {state}", self.form)
        database.execute(self.elsewhere.replace("elsewhere", state), self.form)
        found = await self.probed()
        checks = ["directory:people", *(f"directory:people {one}" for one in ("rights", "clock"))]
        self.assertEqual(list(found), checks)
        self.assertEqual({state for state, _, _ in found.values()}, {FindingState.OK}, found)
        self.assertRegex(found["directory:people"][1], rf"users can be read as orosync\S* \({self.product}")

    async def test_closed_port(self: Any) -> None:
        """Nothing answers: unreachable, with the address."""
        port = free_port()
        dsn = attrs.evolve(type(self).dsn(self.form), port=port)
        (state, result, remedy) = (await self.probed(dsn))["directory:people"]
        self.assertIs(state, FindingState.UNREACHABLE)
        self.assertRegex(result, "refused")
        self.assertIn("127.0.0.1", result)
        self.assertIn("start the database", remedy)

    async def test_refused_login(self: Any) -> None:
        """A wrong password and a database that is not there are faults, which the server itself tells."""
        self.database()
        for dsn, said in (
            (type(self).dsn(self.form, password="wrong pass/word"), "(?i)password|Access denied"),
            (attrs.evolve(type(self).dsn(self.form), database="nowhere"), "nowhere"),
        ):
            found = await self.probed(dsn)
            self.assertEqual(list(found), ["directory:people"])
            (state, result, remedy) = found["directory:people"]
            self.assertIs(state, FindingState.FAULT, result)
            self.assertRegex(result, said)
            self.assertNotIn("wrong pass/word", result)
            self.assertIn("correct user, password and database", remedy)

    async def test_nothing_granted(self: Any) -> None:
        """An account that may log in and read nothing, and one that lacks the grant of another table."""
        database = self.database()
        oro.fill(database, self.form, (ANNA,))
        for statement in self.lacking:
            database.execute(statement, self.form)
        found = await self.probed(type(self).dsn(self.form, user="lacking", password="lacking-password"))
        (state, result, remedy) = found["directory:people"]
        self.assertIs(state, FindingState.FAULT)
        self.assertIn("no table oro_user is to be seen", result)
        self.assertIn("run etc/sql/", remedy)
        database.execute(self.grant, self.form)
        (state, result, _) = (
            await self.probed(type(self).dsn(self.form, user="lacking", password="lacking-password"))
        )["directory:people"]
        self.assertIs(state, FindingState.FAULT)
        self.assertRegex(result, "(?i)denied.*oro_user_organization|oro_user_organization.*denied")

    async def test_wrong_columns(self: Any) -> None:
        """A table of that name in which columns are missing: they are named."""
        database = self.database()
        database.execute("CREATE TABLE elsewhere (id integer, username varchar(20))", self.form)
        self.addCleanup(database.execute, "DROP TABLE elsewhere", self.form)  # one more that its account may read
        database.execute(self.elsewhere, self.form)
        (state, result, _) = (await self.probed(users="elsewhere"))["directory:people"]
        self.assertIs(state, FindingState.FAULT)
        self.assertIn("elsewhere: email, email_lowercase, password, enabled cannot be read", result)

    async def test_no_user(self: Any) -> None:
        """An empty table is likely another database than the administrator thinks."""
        oro.fill(self.database(), self.form, ())
        (state, result, _) = (await self.probed())["directory:people"]
        self.assertEqual((state, "has no user" in result), (FindingState.WARNING, True), result)

    async def test_too_many_rights(self: Any) -> None:
        """The owner of the tables, and an administrator of the server: told, with what to do."""
        database = self.database()
        oro.fill(database, self.form, (ANNA,))
        for statement in self.wide:
            database.execute(statement, self.form)
        for user, said in (("writer", self.writes), ("ruler", self.superuser)):
            found = await self.probed(type(self).dsn(self.form, user=user, password="wide-password"))
            self.assertIs(found["directory:people"][0], FindingState.OK)
            (state, result, remedy) = found["directory:people rights"]
            self.assertIs(state, FindingState.WARNING, result)
            self.assertRegex(result, said)
            self.assertIn("etc/sql/", remedy)

    async def test_clock(self: Any) -> None:
        """A clock that is some minutes off is told, with the direction."""
        oro.fill(self.database(), self.form, (ANNA,))
        for offset, said in ((300.0, "300 s behind"), (-300.0, "300 s ahead of")):
            directory = self.directory()
            directory._now = lambda offset=offset: time.time() + offset
            found = {one.check: one for one in await directory.probe()}
            one = found["directory:people clock"]
            self.assertEqual((one.state, said in one.result), (FindingState.WARNING, True), one.result)

    async def test_no_password(self: Any) -> None:
        """Enabled users without a password hash are counted."""
        users = (ANNA, User(2, "ben", "", email="b@b.c"), User(3, "cleo", "  ", email="c@b.c"))
        oro.fill(self.database(), self.form, (*users, User(4, "dora", "", email="d@b.c", enabled=False)))
        (state, result, _) = (await self.probed())["directory:people passwords"]
        self.assertIs(state, FindingState.WARNING)
        self.assertIn("2 enabled users have no password hash (the first has the id 2)", result)

    async def test_slow(self: Any) -> None:
        """A server that does not answer is unreachable, in time."""
        database = self.database()
        oro.fill(database, self.form, (ANNA,))
        directory = self.directory(limits=attrs.evolve(LIMITS, query=0.2, connect=0.3))
        await directory.find("anna")
        database.freeze(True)
        try:
            began = time.monotonic()
            (one,) = await directory.probe()
        finally:
            database.freeze(False)
        self.assertIs(one.state, FindingState.UNREACHABLE, one.result)
        self.assertLess(time.monotonic() - began, 5)

    async def test_lost_at_any_query(self: Any) -> None:
        """Whichever query it is below which the connection ends: that is the only finding, and it is unreachable."""
        oro.fill(self.database(), self.form, (ANNA,))
        asked: list[str] = []

        async def probed(last: int) -> list[Finding]:
            directory = self.directory()

            def examine(ask: probing.Ask) -> Iterator[Finding]:
                def counted(text: str, parameters: Any) -> list[Any]:
                    asked.append(text)
                    if len(asked) == last:
                        (query,) = directory._queries
                        query._socket.shutdown(socket.SHUT_RDWR)
                    return ask(text, parameters)

                return probing.users(counted, directory.engine, directory.name, "oro_user", time.time)

            asked.clear()
            return list(await directory.probe_with(examine))

        self.assertEqual({one.state for one in await probed(0)}, {FindingState.OK})
        queries = len(asked)
        self.assertGreater(queries, 5)
        for last in range(1, queries + 1):
            (one,) = await probed(last)
            self.assertIs(one.state, FindingState.UNREACHABLE, f"{one.result} of {asked[-1]}")
            self.assertEqual(len(asked), last)
            self.assertEqual(one.remedy, probing.STOPPED)

    async def test_stops_below_a_query(self: Any) -> None:
        """A server that stops answering when the connection has been used already."""
        database = self.database()
        oro.fill(database, self.form, (ANNA,))
        directory = self.directory(limits=attrs.evolve(LIMITS, query=0.1, connect=0.1))

        def examine(ask: probing.Ask) -> Iterator[Finding]:
            self.assertEqual([int(one) for (one,) in ask("SELECT 1", None)], [1])
            database.freeze(True)
            return probing.users(ask, directory.engine, directory.name, "oro_user", time.time)

        try:
            (one,) = await directory.probe_with(examine)
        finally:
            database.freeze(False)
        self.assertIs(one.state, FindingState.UNREACHABLE, one.result)


class PostgreSQLProbes(Probes, OnPostgreSQL):
    """PostgreSQL."""

    product = "PostgreSQL 1"
    lacking = (
        "CREATE ROLE lacking LOGIN PASSWORD 'lacking-password'",
        f"GRANT CONNECT ON DATABASE {oro.COLUMN} TO lacking",
    )
    grant = "GRANT SELECT ON oro_user TO lacking"
    elsewhere = "GRANT SELECT ON elsewhere TO orosync"
    wide = (
        "CREATE ROLE writer LOGIN PASSWORD 'wide-password'",
        "GRANT SELECT, UPDATE ON ALL TABLES IN SCHEMA public TO writer",
        "CREATE TABLE IF NOT EXISTS oro_config (id integer)",
        "GRANT SELECT ON oro_config TO writer",
        "CREATE ROLE ruler LOGIN SUPERUSER PASSWORD 'wide-password'",
    )
    writes = r"may write oro_user, may read \d+ other tables"
    superuser = "ruler is a superuser: more than orosync needs"


class MariaDBProbes(Probes, OnMariaDB):
    """MariaDB."""

    product = ".*MariaDB"
    lacking = (
        "CREATE USER lacking@'%' IDENTIFIED BY 'lacking-password'",
        f"GRANT SELECT (id) ON {oro.COLUMN}.other TO lacking@'%'",
    )
    grant = f"GRANT SELECT ON {oro.COLUMN}.oro_user TO lacking@'%'"
    elsewhere = f"GRANT SELECT ON {oro.COLUMN}.elsewhere TO orosync@'%'"
    wide = (
        f"GRANT SELECT, UPDATE, INSERT ON {oro.COLUMN}.* TO writer@'%' IDENTIFIED BY 'wide-password'",
        "CREATE TABLE IF NOT EXISTS oro_config (id integer)",
        "GRANT ALL PRIVILEGES ON *.* TO ruler@'%' IDENTIFIED BY 'wide-password' WITH GRANT OPTION",
    )
    writes = rf"has INSERT, UPDATE on {oro.COLUMN}\.\*, may use \d+ other tables"
    superuser = r"has ALL PRIVILEGES on \*\.\*"

    def setUp(self) -> None:
        """A table that the other account can see, so that it may use the database at all."""
        self.database().execute("CREATE TABLE IF NOT EXISTS other (id integer)", self.form)


class Grants(SynchronousTestCase):
    """The lines of SHOW GRANTS."""

    def test_what_is_told(self) -> None:
        """Reading is not told, in whatever form; all else is, and never the hash of the password behind it."""
        lines = [
            "GRANT USAGE ON *.* TO `orosync`@`%` IDENTIFIED BY PASSWORD '*6C8989366EAF75BB670AD8EA7A7FC1176A95CEF4'",
            "GRANT SELECT (`id`, `username`), SHOW VIEW ON `oro`.`oro_user` TO `orosync`@`%`",
            "GRANT `reading` TO `orosync`@`%`",
        ]
        self.assertEqual(list(probing.granted(lines)), [])
        lines += [
            "GRANT SELECT, INSERT (`a`, `b`), UPDATE, DELETE, CREATE ON `oro`.* TO `orosync`@`%` WITH GRANT OPTION",
            "GRANT ALL PRIVILEGES ON *.* TO `root`@`%` IDENTIFIED BY PASSWORD '*6C8989366EAF75BB670AD8EA7A7FC1176A95'",
        ]
        self.assertEqual(
            list(probing.granted(lines)),
            ["has INSERT, UPDATE, DELETE and 1 more on oro.*", "has ALL PRIVILEGES on *.*"],
        )
