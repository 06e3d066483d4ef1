"""The demonstration's users as a directory has them."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from orosync.demo.data import demo_users


class DemoUsers(SynchronousTestCase):
    def test_demo_users(self) -> None:
        """Two users whose hashes are new at each start."""
        first, second = demo_users(), demo_users()
        self.assertEqual([user.username for user in first], ["anna", "ben"])
        hashes = {user.password_hash for user in (*first, *second)}
        self.assertEqual(len(hashes), 4)
