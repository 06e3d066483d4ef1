"""Accounts of a configuration, and the decoys beside them."""

from __future__ import annotations

import attrs
from twisted.trial.unittest import SynchronousTestCase

from orosync.errors import ConfigError
from orosync.identity.accounts import Account, Entries, Entry, Seeds, by_identifier, derive_bytes, text_like


@attrs.frozen
class Word:
    """A proof for these tests: a decoy has another text."""

    text: str

    def decoy(self, seed: bytes) -> Word:
        return Word(f"{self.text} decoy {seed.hex()}")


TITLE = "authenticator:x"


class Finding(SynchronousTestCase):
    """Every name is found, unknown ones as decoys."""

    def entries(self, secret: str = "decoys") -> Entries[Word]:
        known = [Entry("anna", "user", Word("a")), Entry("ben", "admin", Word("b"))]
        return Entries(TITLE, known, Seeds(secret))

    def test_known(self) -> None:
        """Who is written down is found as written."""
        self.assertEqual(self.entries().find("ben"), Entry("ben", "admin", Word("b")))

    def test_decoys(self) -> None:
        """A decoy has the role and the kind of proof of a known account, is not known, and stays the same."""
        found = self.entries().find("carl")
        self.assertEqual((found.authid, found.known), ("carl", False))
        self.assertIn((found.role, found.proof.text[:7]), [("user", "a decoy"), ("admin", "b decoy")])
        self.assertEqual(self.entries().find("carl"), found)
        self.assertNotEqual(self.entries("another secret").find("carl").proof, found.proof)

    def test_each_kind_is_mimicked(self) -> None:
        """Strangers are like all the known ones, not like one of them; no two are alike."""
        found = [self.entries().find(f"stranger {number}") for number in range(50)]
        self.assertEqual({one.role for one in found}, {"user", "admin"})
        self.assertEqual(len({one.proof for one in found}), 50)

    def test_seeds_of_their_own(self) -> None:
        """Without a secret decoys are unpredictable, and others after the next start."""
        self.assertNotEqual(Seeds().of("anna"), Seeds().of("anna"))
        self.assertEqual(len(Seeds("x").of("\ud800")), 64)

    def test_faults(self) -> None:
        """No account and one name twice are faults of the configuration."""
        anna = Entry("anna", "user", Word("a"))
        for entries, words in [([], "there is no account"), ([anna, anna], "a name stands twice")]:
            error = self.assertRaises(ConfigError, Entries, TITLE, entries, Seeds())
            self.assertIn(f"[{TITLE}] user: {words}", error.faults[0])

    def test_secrets_are_not_shown(self) -> None:
        """Neither an account nor an entry shows its secret."""
        self.assertNotIn("word", repr(Account("anna", "user", "word")))
        self.assertNotIn("word", repr(Entry("anna", "user", Word("word"))))


class Marks(SynchronousTestCase):
    """Accounts by what they can be told by."""

    def test_by_mark(self) -> None:
        """Each mark leads to its owner."""
        anna, ben = Account("anna", "user", identifiers=("1", "2")), Account("ben", "user", identifiers=("3",))
        self.assertEqual(by_identifier(TITLE, [anna, ben]), {"1": anna, "2": anna, "3": ben})

    def test_faults(self) -> None:
        """An identifier of two accounts is a fault, and so is none at all."""
        pair = [Account("anna", "user", identifiers=("1",)), Account("ben", "user", identifiers=("1",))]
        error = self.assertRaises(ConfigError, by_identifier, TITLE, pair)
        self.assertEqual(error.faults, (f"[{TITLE}] user.ben: 1 is that of user.anna, choose one",))
        error = self.assertRaises(ConfigError, by_identifier, TITLE, [])
        self.assertIn("there is no account", error.faults[0])


class Texts(SynchronousTestCase):
    """What is made up looks like what is not."""

    def test_text_like(self) -> None:
        """Same length, same alphabet, same padding; another text for another seed."""
        table = [
            ("0123456789", r"[0-9]{10}"),
            ("00ff" * 8, r"[0-9a-f]{32}"),
            ("00FF" * 8, r"[0-9A-F]{32}"),
            ("salt", r"[a-z]{4}"),
            ("salt123", r"[0-9a-z]{7}"),
            ("Salt123", r"[0-9a-zA-Z]{7}"),
            ("aBc+fx0NAVA=", r"[0-9a-zA-Z+]{11}="),
            ("a-b", r"[a-z-]{3}"),
            ("", ""),
        ]
        for model, pattern in table:
            made = text_like(model, b"seed")
            self.assertRegex(made, rf"\A{pattern}\Z")
            if len(model) > 4:
                self.assertNotEqual(made, text_like(model, b"other"))

    def test_stretched(self) -> None:
        """As many bytes as wanted, always the same."""
        self.assertEqual(len(derive_bytes(b"x", 100)), 100)
        self.assertEqual(derive_bytes(b"x", 10), derive_bytes(b"x", 100)[:10])
