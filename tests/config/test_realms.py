"""Realms and roles."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from orosync.config.realms import RealmSection, RoleSection


class Keys(SynchronousTestCase):
    def test_defaults(self) -> None:
        """A thousand events in half a mebibyte, and no history."""
        realm = RealmSection(name="oro", authenticators=(), authorizers=())
        self.assertEqual((realm.retained_events, realm.retained_bytes), (1000, 512 * 1024))
        self.assertEqual(realm.history, ())

    def test_roles(self) -> None:
        """Nothing is allowed and no role exempt unless a section says so, whose title names its realm."""
        role = RoleSection(name="user", realm="oro")
        self.assertEqual((role.permissions, role.trustlevel, role.unlimited), ((), None, False))
        self.assertEqual((role.title, RoleSection(name="user", realm=None).title), ("role:oro/user", "role:user"))
