"""Whether a user is still the one who logged in."""

from __future__ import annotations

import attrs
from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase

from orosync.errors import Refused, Unavailable
from orosync.identity.user_credentials import UserCredentials, password_fingerprint
from orosync.model import Rights
from orosync.testing import MemoryDirectory, principal
from tests.identity.fixtures import ANNA


class UserCredentialTests(SynchronousTestCase):
    def setUp(self):
        self.directory = MemoryDirectory(ANNA)
        self.credentials = UserCredentials(self.directory)
        self.credential = self.credentials.of(
            principal(
                user_id=ANNA.id,
                organizations=ANNA.organizations,
                roles=ANNA.roles,
                password_fingerprint=password_fingerprint(ANNA),
            )
        )

    def check(self, credentials=None):
        return Deferred.fromCoroutine((credentials or self.credentials).check(self.credential))

    def test_unchanged(self):
        """As long as nothing has changed the user may stay, also with another e-mail address."""
        self.assertIsNone(self.successResultOf(self.check()))
        self.directory.put(attrs.evolve(ANNA, email="other@example.com"))
        self.assertIsNone(self.successResultOf(self.check()))

    def test_other_rights(self):
        """Other organizations or roles are told with what the login rests on from then on, and are no change then."""
        before = self.credential
        for rights in (Rights(frozenset({7, 9}), ANNA.roles), Rights(ANNA.organizations, frozenset())):
            self.credential = before
            self.directory.put(attrs.evolve(ANNA, organizations=rights.organizations, roles=rights.roles))
            renewal = self.successResultOf(self.check())
            self.assertEqual(renewal.rights, rights)
            self.assertNotEqual(renewal.credential, before)
            self.credential = renewal.credential
            self.assertIsNone(self.successResultOf(self.check()))
        self.directory.put(attrs.evolve(ANNA, organizations=frozenset(), enabled=False))
        self.assertEqual(self.failureResultOf(self.check(), Refused).value.code, "disabled")

    def test_changed(self):
        """Each change that matters has its own kind."""
        table = [
            ("password_changed", attrs.evolve(ANNA, password_hash="another")),
            ("disabled", attrs.evolve(ANNA, enabled=False)),
            ("password_reset", attrs.evolve(ANNA, enabled=False, disabled_because="password_reset")),
            ("locked", attrs.evolve(ANNA, enabled=False, disabled_because="locked")),
            ("unknown_user", attrs.evolve(ANNA, id=77)),
        ]
        for kind, user in table:
            self.directory.put(user)
            refusal = self.failureResultOf(self.check(), Refused).value
            self.assertEqual(refusal.code, kind)
            self.assertNotIn(user.password_hash, refusal.reason)
        self.directory.users.clear()
        self.assertEqual(self.failureResultOf(self.check(), Refused).value.code, "unknown_user")

    def test_somebody_else_by_mail(self):
        """A user with the name of a deleted user as e-mail address is not that user."""
        self.directory.users.clear()
        self.directory.put(attrs.evolve(ANNA, username="heir", email="anna"))
        self.assertEqual(self.failureResultOf(self.check(), Refused).value.code, "unknown_user")

    def test_disabled_may_be_let_in(self):
        """Where disabled users are let in, being disabled is no reason to go."""
        self.directory.put(attrs.evolve(ANNA, enabled=False))
        self.successResultOf(self.check(UserCredentials(self.directory, accept_disabled=True)))

    def test_down(self):
        """A directory that is down or broken says nothing about the user, nor do its words get out."""
        for failure, kind in ((Unavailable("directory_down", "x"), "directory_down"), (ValueError("anna"), None)):
            self.directory.failure = failure
            refusal = self.failureResultOf(self.check(), Unavailable).value
            self.assertEqual(refusal.code, kind or "directory_down")
            self.assertNotIn("anna", refusal.reason)

    def test_back_end(self):
        """A principal without a user rests on nothing that could change."""
        self.assertIsNone(self.credentials.of(principal("backend", user_id=None)))

    def test_imprint(self):
        """It differs with the password, and is nothing of it."""
        self.assertEqual(password_fingerprint(ANNA), password_fingerprint(attrs.evolve(ANNA, id=5)))
        self.assertNotEqual(password_fingerprint(ANNA), password_fingerprint(attrs.evolve(ANNA, password_hash="x")))
        self.assertEqual(len(password_fingerprint(attrs.evolve(ANNA, password_hash="\udcff"))), 16)
        self.assertNotIn("imprint", repr(principal(password_fingerprint=b"sixteen bytes...")))
