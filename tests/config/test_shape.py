"""Tests of orosync.config.shape."""

from __future__ import annotations

from tests.config.files import SOUND, FilesCase


class Shape(FilesCase):
    """The configuration as one value."""

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
