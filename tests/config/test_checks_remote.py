"""Tests of orosync.config.checks: what does not fit together."""

from __future__ import annotations

from tests.config.files import SOUND, FilesCase
from tests.config.test_authentication_remote import AUTHENTICATOR, AUTHORIZER


class Fitting(FilesCase):
    def fault(self, text: str) -> str:
        """The one fault there is."""
        (fault,) = self.faults(SOUND + text)
        return fault

    def test_realms(self) -> None:
        """A realm that is not there, with the nearest that is."""
        for section in (AUTHORIZER, AUTHENTICATOR):
            self.assertIn("realm: there is no [realm:orro], did you mean oro?", self.fault(section + "realm = orro\n"))

    def test_purge(self) -> None:
        """There must be something to forget, and something to call."""
        self.assertIn("purge: nothing is remembered", self.fault(AUTHORIZER + "purge = com.p\n"))
        self.assertIn("purge_role: there is nothing to call", self.fault(AUTHORIZER + "cache = 5s\npurge_role = a\n"))
        same = "cache = 5s\npurge = com.example.authorize\n"
        self.assertIn("purge: is the procedure that decides", self.fault(AUTHORIZER + same))

    def test_default_role(self) -> None:
        """One of the roles that may be given."""
        fault = self.fault(AUTHENTICATOR + "default_role = users\n")
        self.assertIn("default_role: users is none of roles, did you mean user?", fault)

    def test_valid_configuration(self) -> None:
        """What fits is no fault; the roles that answers give are known to topics."""
        text = SOUND.replace("authenticators = ticket", "authenticators = ticket desk")
        text = text.replace("authorizers = topics:oro", "authorizers = topics:oro acl").replace(
            "use = oro", "use = oro\nsubscribe = clerk"
        )
        found = self.load(text + AUTHENTICATOR + "default_role = user\n" + AUTHORIZER)
        self.assertEqual([one for one in found.warnings if "clerk" in one], [])
