"""Tests of orosync.config.checks."""

from __future__ import annotations

from tests.config.files import ENVIRON, SOUND, FilesCase, pem

KEY = "0f" * 32
HERE = "[attach]\nurl = ws://127.0.0.1:8081\nkey = env:KEY\n"
REALM = "[realm:realm1]\nauthorizers = roles\n"


class Checks(FilesCase):
    def told(self, text: str) -> str:
        (fault,) = self.faults(text, {**ENVIRON, "KEY": KEY})
        return fault

    def warned(self, text: str) -> tuple[str, ...]:
        return self.load(text, {**ENVIRON, "KEY": KEY}).warnings

    def test_realms(self) -> None:
        """It has to be clear which one is meant, and that one has to be there."""
        self.assertIn("[attach] realm: there are several realms", self.told(HERE + REALM + REALM.replace("1", "2")))
        self.assertIn("did you mean realm1?", self.told(HERE + "realm = realm2\n" + REALM))
        self.assertIn("no [realm:NAME] section is there", self.faults(HERE, {**ENVIRON, "KEY": KEY})[-1])

    def test_what_excludes_each_other(self) -> None:
        """One way to log in, and two names for two procedures."""
        self.assertIn("[attach] secret: is given beside key", self.told(HERE + "secret = env:ORO_SECRET\n" + REALM))
        same = "authorizer = com.orosync.authenticate\n"
        self.assertIn("[attach] authorizer: has the name of the authenticator", self.told(HERE + same + REALM))
        self.assertIn("goes with TLS alone", self.told(HERE + f"ca = {self.write(pem(), 'ca.pem')}\n" + REALM))

    def test_publishers(self) -> None:
        """The back end's networks cannot be all addresses."""
        self.assertIn("0.0.0.0/0 is every address", self.told(HERE + "publisher_from = 0.0.0.0/0\n" + REALM))

    def test_beside_listeners(self) -> None:
        """With a listener in the file the realm has to be whole, and everything else is as without [attach]."""
        whole = self.load(SOUND + HERE, {**ENVIRON, "KEY": KEY})
        self.assertEqual((len(whole.listeners), whole.attach.realm if whole.attach else None), (1, "oro"))
        bare = SOUND.replace("authenticators = ticket\n", "")
        self.assertIn("[realm:oro] authenticators: is missing", self.told(bare + HERE))

    def test_warnings(self) -> None:
        """Unencrypted tickets, and a router that accepts an authenticator without credentials, are likely mistakes."""
        self.assertEqual(self.warned(HERE + REALM), ())
        self.assertEqual(self.warned("[attach]\n" + REALM), ())
        (clear,) = self.warned(HERE.replace("127.0.0.1", "router.example.com") + REALM)
        self.assertIn("the tickets of clients come here unencrypted", clear)
        (open_,) = self.warned("[attach]\nurl = rs://unix:/run/x\n" + REALM)
        self.assertIn("[attach] no key, secret or ticket", open_)
