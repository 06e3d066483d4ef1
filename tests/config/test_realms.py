"""Realms and roles."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from orosync.config.realms import RealmSection


class Keys(SynchronousTestCase):
    def test_defaults(self) -> None:
        """A thousand events in half a mebibyte, and no history."""
        realm = RealmSection(name="oro", authenticators=(), authorizers=())
        self.assertEqual((realm.retained_events, realm.retained_bytes), (1000, 512 * 1024))
        self.assertEqual(realm.history, ())
