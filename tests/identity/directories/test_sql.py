"""The query of a look-up, and what its rows mean. That databases understand it is shown with the adapters."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from orosync.identity.directories import sql
from orosync.identity.directories.sql import (
    MYSQL_DIALECT,
    POSTGRESQL_DIALECT,
    UnknownSchema,
    choose,
    is_storable,
    look_up,
    parameters,
)
from orosync.model import User

NEEDED = [(name, "varchar") for name in sql.NEEDED]
ROW = (1, "anna", "Anna@Example.com", "hash", True, "active", "[7, 8]", '["ROLE_A"]')
ANNA = User(1, "anna", "hash", True, "Anna@Example.com", frozenset({7, 8}), frozenset({"ROLE_A"}))
OTHER = (2, "ben", "ben@example.com", "other", True, None, None, None)


class Storable(SynchronousTestCase):
    """Logins that no database could hold."""

    def test_which(self) -> None:
        """Anything that fits into the column is asked for; nothing else reaches a database."""
        for login in ("a", "ä", "😀", " ", "\n", "'", "x" * 255, "ä" * 255):
            self.assertTrue(is_storable(login), login)
        for login in ("", "\0", "a\0", "\ud800", "a\udcffb", "x" * 256):
            self.assertFalse(is_storable(login), repr(login))


class Forms(SynchronousTestCase):
    """Where the authentication status is found."""

    def status(self, dialect: sql.Dialect, *columns: tuple[str, str]) -> str:
        line = next(
            line for line in look_up(dialect, "oro_user", [*NEEDED, *columns]).splitlines() if "enabled" in line
        )
        return line.partition("u.enabled, ")[2].removesuffix(",")

    def test_each(self) -> None:
        """A column of its own, a key of serialized_data, a view's; both, while an upgrade leaves both."""
        column, json = ("auth_status_id", "character varying"), ("serialized_data", "jsonb")
        key = "u.serialized_data ->> 'auth_status'"
        self.assertEqual(self.status(POSTGRESQL_DIALECT, column), "u.auth_status_id")
        self.assertEqual(self.status(POSTGRESQL_DIALECT, json), key)
        self.assertEqual(self.status(POSTGRESQL_DIALECT, ("serialized_data", "json")), key)
        self.assertEqual(self.status(POSTGRESQL_DIALECT, column, json), f"COALESCE({key}, u.auth_status_id)")
        self.assertEqual(self.status(POSTGRESQL_DIALECT, column, ("serialized_data", "text")), "u.auth_status_id")
        self.assertEqual(self.status(POSTGRESQL_DIALECT, column, json, ("auth_status", "text")), "u.auth_status")
        self.assertIn("$.auth_status", self.status(MYSQL_DIALECT, ("SERIALIZED_DATA", "longtext")))
        self.assertEqual(self.status(MYSQL_DIALECT, ("AUTH_STATUS_ID", "varchar")), "u.auth_status_id")

    def test_not_enough(self) -> None:
        """What is missing or not granted is named: nobody is let in whose status cannot be read."""
        table = [
            ([], "people.users: id, username, email, email_lowercase, password, enabled cannot be read"),
            ([one for one in NEEDED if one[0] != "password"], "people.users: password cannot be read"),
            (NEEDED, "people.users: neither auth_status_id nor serialized_data"),
            ([*NEEDED, ("serialized_data", "text")], "people.users: neither auth_status_id nor serialized_data"),
        ]
        for columns, words in table:
            error = self.assertRaises(UnknownSchema, look_up, POSTGRESQL_DIALECT, "people.users", columns)
            self.assertTrue(str(error).startswith(words), str(error))

    def test_schema(self) -> None:
        """A schema before the table's name holds for the tables beside it, and for the probe."""
        text = look_up(POSTGRESQL_DIALECT, "shop.orosync_user", [*NEEDED, ("auth_status", "text")])
        for table in ("orosync_user", "oro_user_organization", "oro_organization", "oro_user_access_role"):
            self.assertIn(f" shop.{table} ", text)
        probe, found = sql.probe(POSTGRESQL_DIALECT, "shop.orosync_user")
        self.assertIn("table_schema = %(schema)s", probe)
        self.assertEqual(found, {"schema": "shop", "table": "orosync_user"})
        self.assertIn("table_schema = DATABASE()", sql.probe(MYSQL_DIALECT, "oro_user")[0])
        self.assertIn("table_schema = ANY (current_schemas(false))", sql.probe(POSTGRESQL_DIALECT, "oro_user")[0])


class Rows(SynchronousTestCase):
    """Whom the rows of a look-up mean."""

    def test_parameters(self) -> None:
        """An e-mail is compared as it is and in lower case; what is none is not compared with e-mails."""
        self.assertEqual(parameters("Anna"), {"login": "Anna", "email": None, "lower": None})
        self.assertEqual(parameters("A@B.C"), {"login": "A@B.C", "email": "A@B.C", "lower": "a@b.c"})

    def test_nearest(self) -> None:
        """The nearest counts; rows that only fill up are nobody; two that are equally near are nobody either."""
        table = [
            ([(0, *ROW), (1, *OTHER)], ANNA),
            ([(0, *ROW), (3, *OTHER)], ANNA),
            ([(1, *ROW), (2, *OTHER)], ANNA),
            ([(2, *ROW), (3, *OTHER)], ANNA),
            ([(2, *ROW)], ANNA),
            ([(2, *ROW), (2, *OTHER)], None),
            ([(3, *ROW), (3, *OTHER)], None),
            ([(3, *ROW)], None),
            ([], None),
        ]
        for rows, expected in table:
            self.assertEqual(choose(rows), expected, str([row[0] for row in rows]))

    def test_enabled(self) -> None:
        """Only who may log in is enabled: in both forms a reset password shuts out, and an unknown status does not; why
        not is told, unless the user is disabled."""
        table = [
            (True, None, True, ""),
            (1, "active", True, ""),
            (True, "auth_status.active", True, ""),
            (True, b"active", True, ""),
            (True, "null", True, ""),
            (True, "on_probation", True, ""),
            (True, "reset", False, "password_reset"),
            (True, "auth_status.reset", False, "password_reset"),
            (True, b"reset", False, "password_reset"),
            (True, "expired", False, "password_reset"),
            (True, "locked", False, "locked"),
            (False, "active", False, ""),
            (False, "reset", False, ""),
            (0, None, False, ""),
            (None, None, False, ""),
        ]
        for enabled, status, expected, because in table:
            row = (0, 1, "anna", "e", "hash", enabled, status, "[]", "[]")
            found = choose([row])
            assert found is not None
            self.assertEqual((found.enabled, found.disabled_because), (expected, because), f"{enabled} {status}")

    def test_lists(self) -> None:
        """Somebody without organisations and roles has none, however the database says so."""
        for nothing in (None, "", "[]", b"[]"):
            found = choose([(0, 1, "anna", "e", "hash", True, None, nothing, nothing)])
            self.assertEqual(found, User(1, "anna", "hash", email="e"))
