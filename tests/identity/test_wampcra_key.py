"""What WAMP-CRA keeps of a secret."""

from __future__ import annotations

from autobahn.wamp.auth import derive_key
from twisted.trial.unittest import SynchronousTestCase

from orosync.identity.wampcra import CraKey, cra_key, derived
from tests.identity.method_fixtures import SECRET, b64


class Reading(SynchronousTestCase):
    """Plain secrets and derived forms."""

    def test_plain(self) -> None:
        """A plain secret is the key, and no salt is told."""
        self.assertEqual(cra_key("sécret"), CraKey("sécret".encode(), {}))

    def test_rfc_7914_vector(self) -> None:
        """PBKDF2-HMAC-SHA256 as RFC 7914 section 11 has it."""
        vector = (
            "55ac046e56e3089fec1691c22544b605f94185216dde0465e68b9d57c20dacbc"
            "49ca9cccf179b645991664b39d77ef317c71b845b1e30bd509112041d3a19783"
        )
        self.assertEqual(derived("passwd", "salt", 1, 64), f"pbkdf2$1:salt${b64(bytes.fromhex(vector))}")

    def test_derived(self) -> None:
        """The derived form is read back: key as autobahn derives it, and what a client needs to do the same."""
        key = cra_key(derived(SECRET, "salt123", 1000, 24))
        self.assertEqual(key.key, derive_key(SECRET, "salt123", 1000, 24))
        self.assertEqual(key.salting, {"salt": "salt123", "iterations": 1000, "keylen": 24})
        self.assertNotIn("salt123", derived(SECRET))
        self.assertNotEqual(derived(SECRET, iterations=1), derived(SECRET, iterations=1))

    def test_bad(self) -> None:
        """What begins like a derived form and is none is a fault, and is not repeated."""
        good = derived(SECRET, "salt123", 1000)
        for text in (
            "pbkdf2$",
            "pbkdf2$1000:salt123$",
            good[:-1],
            good + "x",
            good.replace("1000", "0"),
            good.replace("1000", "many"),
            good.replace("salt123", ""),
            good.replace("salt123", "a b"),
        ):
            error = self.assertRaises(ValueError, cra_key, text)
            self.assertNotIn(good[-20:], str(error))

    def test_decoys(self) -> None:
        """A decoy asks for the same work with a salt that looks the same; its key is another."""
        for model in (cra_key(SECRET), cra_key(derived(SECRET, "salt123", 1000, 32))):
            decoy, other = model.decoy(b"seed"), model.decoy(b"other")
            self.assertNotIn(decoy.key, (model.key, other.key))
            self.assertEqual(set(decoy.salting), set(model.salting))
            if model.salting:
                self.assertEqual(decoy.salting["iterations"], 1000)
                self.assertRegex(decoy.salting["salt"], r"\A[0-9a-z]{7}\Z")
                self.assertNotEqual(decoy.salting["salt"], other.salting["salt"])

    def test_not_shown(self) -> None:
        """The key is not in its repr."""
        self.assertNotIn(SECRET, repr(cra_key(SECRET)))
