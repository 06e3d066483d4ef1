"""The demonstration's users."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from orosync.demo.data import People, shown
from orosync.model import User

ANNA = User(1, "anna", "hash-of-anna")
BEN = User(2, "ben", "hash-of-ben")


class Users(SynchronousTestCase):
    """Who can be chosen on the page."""

    def test_list_or_mapping(self) -> None:
        """Whoever builds the demonstration may hand over a list or a mapping of users."""
        for users in ([ANNA, BEN], iter([ANNA, BEN]), {"a": ANNA, "b": BEN}):
            people = People(users)
            self.assertEqual([one["username"] for one in people.shown()], ["anna", "ben"])
            self.assertEqual((people.find("ben"), people.find("eve")), (BEN, None))

    def test_disabled(self) -> None:
        """A disabled user cannot be chosen."""
        people = People([ANNA, User(3, "eve", "x", enabled=False)])
        self.assertEqual((people.find("eve"), len(people.shown())), (None, 1))

    def test_shown(self) -> None:
        """The page gets a name and initials for everybody, also for strangers, and never a hash."""
        self.assertEqual((shown(ANNA)["name"], shown(ANNA)["initials"], shown(ANNA)["id"]), ("Anna Novak", "AN", 1))
        stranger = shown(User(7, "carla", "hash-of-carla"))
        self.assertEqual((stranger["name"], stranger["initials"]), ("Carla", "C"))
        self.assertNotIn("hash", repr([shown(ANNA), stranger]))
