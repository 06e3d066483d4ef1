"""Tests of orosync.config.settings."""

from __future__ import annotations

from tests.config.files import SOUND, FilesCase


class Shape(FilesCase):
    """The configuration as one value."""

    def test_lines_of_faults(self) -> None:
        """What only shows when parts are made has the line of its key, or of its section; a line that stands there
        already is not told twice."""
        configuration = self.load(SOUND)
        for fault, told in (
            ("[directory:people] use: cannot", "[directory:people] use: cannot (line 14)"),
            ("[directory:people] dsn: cannot", "[directory:people] dsn: cannot (line 13)"),
            ("[listen:public] /a/b.pem: no PEM file", "[listen:public] /a/b.pem: no PEM file (line 1)"),
            ("[topics:oro] is odd", "[topics:oro] is odd (line 17)"),
            ("[nowhere:x] use: is odd", "[nowhere:x] use: is odd"),
            ("is odd", "is odd"),
            ("[topics:oro] use: is odd (line 3)", "[topics:oro] use: is odd (line 3)"),
        ):
            self.assertEqual(configuration.located([fault]), [told])

    def test_unlimited_roles(self) -> None:
        """Of a realm: those of its own and those of every realm; they need no permissions of their own."""
        text = SOUND + (
            "[realm:other]\nauthenticators = ticket\nauthorizers = roles\n"
            "[role:feed]\nunlimited = yes\n"
            "[role:oro/robot]\nunlimited = yes\npermissions = any call\n"
            "[role:oro/user]\nunlimited = no\npermissions = any call\n"
            "[role:other/guest]\nunlimited = yes\n"
            "[notifications]\nrealm = oro\n"
        )
        configuration = self.load(text.replace("[listen:public]\n", "[listen:public]\nrealm = oro\n"))
        self.assertEqual(configuration.unlimited("oro"), {"feed", "robot"})
        self.assertEqual(configuration.unlimited("other"), {"feed", "guest"})

    def test_roles_of_which_nothing_is_said(self) -> None:
        """A section without a permission has to say something else of its role."""
        (fault,) = self.faults("[role:oro/user]\nunlimited = no\n" + SOUND)
        line = "permissions = prefix com.example. call,subscribe"
        self.assertEqual(fault, f"[role:oro/user] permissions: is missing, add a line like: {line} (line 1)")

    def test_permissions_of_a_realm(self) -> None:
        """A realm's roles: its own lines, then those for every realm, and none of another realm's."""
        text = SOUND + (
            "[realm:other]\nauthenticators = ticket\nauthorizers = roles\n"
            "[role:user]\npermissions = exact general call\n"
            "[role:oro/user]\npermissions = exact own call\n"
            "[role:other/guest]\npermissions = exact others call\n"
            "[notifications]\nrealm = oro\n"
        )
        configuration = self.load(text.replace("[listen:public]\n", "[listen:public]\nrealm = oro\n"))

        def uris(realm: str) -> dict[str, list[str]]:
            found = configuration.permissions(realm)
            return {role: [permission.uri for permission in lines] for role, lines in found.items()}

        self.assertEqual(uris("oro"), {"user": ["own", "general"]})
        self.assertEqual(uris("other"), {"guest": ["others"], "user": ["general"]})
