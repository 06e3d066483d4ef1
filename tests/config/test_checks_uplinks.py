"""Tests of orosync.config.checks."""

from __future__ import annotations

from tests.config.files import ENVIRON, SOUND, FilesCase, pem
from tests.config.test_uplinks import JOINED

KEY = "ab" * 32
ENVIRONMENT = {**ENVIRON, "KEY": KEY}


class Together(FilesCase):
    """What only shows when sections are read together."""

    def test_leads_nowhere(self) -> None:
        """A section without its realm, and one whose realm has no address."""
        (fault,) = self.faults(JOINED + "[uplink:orro]\npublish = exact a\n")
        self.assertIn("[uplink:orro]: there is no [realm:orro], did you mean oro?", fault)
        (fault,) = self.faults(JOINED + "[uplink:xyz]\npublish = exact a\n")
        self.assertIn("name the section as the realm", fault)
        (fault,) = self.faults(SOUND + "[uplink:oro]\npublish = exact a\n")
        self.assertIn("[uplink:oro]: leads nowhere, add uplink = wss://HOST/PATH to [realm:oro]", fault)

    def test_one_mistake_is_told_once(self) -> None:
        """A realm that could not be made is not said to lead nowhere as well."""
        text = JOINED.replace("authorizers = topics:oro", "authorizer = topics:oro")
        self.assertFalse(any("uplink" in fault for fault in self.faults(text + "[uplink:oro]\npublish = exact a\n")))

    def test_credentials(self) -> None:
        """One way to log in, with a name where the way needs one, and a key that is one."""
        table = {
            "ticket = env:ORO_SECRET": ["authid: is missing, with ticket"],
            "secret = env:ORO_SECRET": ["authid: is missing, with secret"],
            "authid = x\nticket = env:ORO_SECRET\nsecret = env:ADMIN_HASH": ["secret: stands beside ticket"],
            "key = env:ORO_SECRET": ["key: env:ORO_SECRET is no seed"],
        }
        for keys, words in table.items():
            faults = self.faults(f"{JOINED}[uplink:oro]\n{keys}\n", ENVIRONMENT)
            self.assertEqual(len(faults), len(words), faults)
            for fault, expected in zip(faults, words, strict=True):
                self.assertIn(f"[uplink:oro] {expected}", fault)
        self.load(f"{JOINED}[uplink:oro]\nkey = env:KEY\n", ENVIRONMENT)

    def test_authorities_without_tls(self) -> None:
        """``ca`` with an address that has no TLS would protect nothing."""
        self.write(pem(), "ca.pem")
        plain = JOINED.replace("wss://", "ws://")
        (fault,) = self.faults(plain + "[uplink:oro]\nca = ca.pem\n")
        self.assertIn("[uplink:oro] ca: goes with TLS alone", fault)

    def test_warnings(self) -> None:
        """In the clear to another machine; not on this one."""
        for url, warned in (
            ("ws://wamp.example.com/", True), ("rs://10.0.0.1:8081", True), ("ws://127.0.0.1:8080/", False),
            ("rs://[::1]:8081", False), ("wss://wamp.example.com/ws", False), ("rss://10.0.0.1:8081", False),
        ):  # fmt: skip
            text = JOINED.replace("wss://wamp.example.com/ws", url) + "[uplink:oro]\nsubscribe = exact a\n"
            found = [one for one in self.load(text).warnings if "unencrypted" in one]
            self.assertEqual(bool(found), warned, url)

    def test_the_role_is_given(self) -> None:
        """The uplink's role counts as one that is assigned."""
        text = JOINED + "channel.acme/x = publish uplink\n[uplink:oro]\nsubscribe = exact acme/x\n"
        self.assertEqual([one for one in self.load(text).warnings if "role" in one], [])
