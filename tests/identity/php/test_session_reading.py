"""From bytes to a user, in the words of the stores."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from orosync.errors import Refused, Unavailable
from orosync.identity.php.session import LARGEST, BackOfficeTokens, SessionReader
from orosync.testing import SessionStoreContract
from tests.identity.sessions import logins

ANNA = SessionStoreContract.ANNA
ID = SessionStoreContract.ANNA_IN


class Reading(SynchronousTestCase):
    """A reader knows the section it reads for."""

    def test_who_is_logged_in(self) -> None:
        """What PHP wrote is read, with when it was last used; another firewall's login has no user."""
        data = logins.shown({ID: ANNA}, used=1_768_472_430)[ID]
        reading = SessionReader("sessions:web").read(data)
        self.assertEqual((reading.admin, reading.last_used), (ANNA, 1_768_472_430))
        other = SessionReader("sessions:web", BackOfficeTokens("other")).read(data)
        self.assertIsNone(other.admin)

    def test_why_nobody_is(self) -> None:
        """A reading without a user is refused with its own reason code, in the name of the section."""
        data = logins.shown({ID: ANNA}, used=1_768_472_430)[ID]
        reader = SessionReader("sessions:web")
        self.assertEqual((reader.admin_of(reader.read(data)), reader.admin(data)), (ANNA, ANNA))
        refused = self.assertRaises(Refused, SessionReader("sessions:web", BackOfficeTokens("other")).admin, data)
        self.assertEqual(
            (refused.code, refused.reason),
            ("not_logged_in", "[sessions:web] no user is logged in (_security_other is missing)"),
        )

    def test_what_cannot_be_read(self) -> None:
        """It is refused in the name of the section, as this one session's fault, without its content."""
        for data in (b"_sf2_attributes|s:6:secret", b"secret", b"x|i:1;" * 2, b"x|s:9:" + b"secret" * LARGEST):
            refused = self.assertRaises(Refused, SessionReader("sessions:web").read, data)
            self.assertNotIsInstance(refused, Unavailable)
            self.assertEqual(refused.code, "malformed_session")
            self.assertTrue(refused.reason.startswith("[sessions:web] the session cannot be read: "), refused.reason)
            self.assertNotIn("secret", refused.reason)
