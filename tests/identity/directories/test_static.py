"""Users that were given at the start."""

from __future__ import annotations

from twisted.internet.defer import Deferred, succeed
from twisted.trial.unittest import SynchronousTestCase, TestCase

from orosync.errors import ConfigError
from orosync.identity.directories.static import StaticDirectory
from orosync.interfaces import IDirectory
from orosync.model import User
from orosync.testing import DirectoryContract, SharedPasswordsContract
from tests.identity.fixtures import ANNA


class Static(DirectoryContract, SharedPasswordsContract, TestCase):
    """It finds users as every directory does."""

    def make_directory(self, users: tuple[User, ...]) -> Deferred[IDirectory]:
        return succeed(StaticDirectory(users))


class Doubles(SynchronousTestCase):
    """Users that could be taken for each other."""

    def test_refused_at_the_start(self) -> None:
        """Two users of one id, name or e-mail are told all at once, by name."""
        same = [ANNA, User(1, "b", "p"), User(3, "anna", "p"), User(4, "d", "p", email="ANNA@example.com")]
        error = self.assertRaises(ConfigError, StaticDirectory, same)
        self.assertEqual(
            [fault.partition(" with the ")[2] for fault in error.faults],
            ["id 1", "username 'anna'", "e-mail 'anna@example.com'"],
        )

    def test_without_e_mail(self) -> None:
        """Users without an e-mail are not taken for each other, nor found by an empty login."""
        directory = StaticDirectory([User(1, "a", "p"), User(2, "b", "p")])
        for login in ("", "@"):
            self.assertIsNone(self.successResultOf(directory.find(login)))
