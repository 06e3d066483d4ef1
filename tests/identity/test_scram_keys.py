"""SCRAM's arithmetic: the RFC's own example, Autobahn's way, and the forms it is written in."""

from __future__ import annotations

import base64
import hashlib

import attrs
from autobahn.wamp.auth import derive_scram_credential
from twisted.trial.unittest import SynchronousTestCase

from orosync.identity.scram_keys import ARGON2, ARGON2_AUTOBAHN, PBKDF2, derived, is_derived, normalized, parse
from tests.identity.method_fixtures import SECRET, sha256_hmac

# RFC 7677 section 3.
RFC_MESSAGE = (
    b"n=user,r=rOprNGfwEbeRWgbNEkqO,"
    b"r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096,"
    b"c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0"
)
RFC_PROOF = base64.b64decode("dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=")
RFC_SIGNATURE = base64.b64decode("6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=")
RFC_KEYS = derived("pencil", PBKDF2, base64.b64decode("W22ZaJ0SNY7soEsUEjb6gQ=="), 4096)


class Arithmetic(SynchronousTestCase):
    def test_rfc_7677(self) -> None:
        """The RFC's exchange: its proof fits, and our signature is the one it gives."""
        self.assertTrue(RFC_KEYS.fits(RFC_MESSAGE, RFC_PROOF))
        self.assertEqual(RFC_KEYS.server_signature(RFC_MESSAGE), RFC_SIGNATURE)

    def test_every_bit_counts(self) -> None:
        """No proof that differs in a bit fits, none that is longer or shorter, none for a message that differs."""
        for bit in range(256):
            changed = bytearray(RFC_PROOF)
            changed[bit // 8] ^= 1 << bit % 8
            self.assertFalse(RFC_KEYS.fits(RFC_MESSAGE, bytes(changed)))
        for proof in (b"", RFC_PROOF[:-1], RFC_PROOF + b"\0", RFC_PROOF * 2):
            self.assertFalse(RFC_KEYS.fits(RFC_MESSAGE, proof))
        for at in range(len(RFC_MESSAGE)):
            message = RFC_MESSAGE[:at] + b"!" + RFC_MESSAGE[at + 1 :]
            self.assertFalse(RFC_KEYS.fits(message, RFC_PROOF), at)

    def test_stored_key_is_no_password(self) -> None:
        """What is stored does not suffice to make a proof."""
        self.assertFalse(RFC_KEYS.fits(RFC_MESSAGE, RFC_KEYS.stored_key))
        self.assertFalse(RFC_KEYS.fits(RFC_MESSAGE, RFC_KEYS.server_signature(RFC_MESSAGE)))

    def test_autobahn(self) -> None:
        """Argon2 as autobahn derives it for Crossbar.io's configuration; WAMP's own keys are others."""
        salt = b"sixteen bytes, 1"
        made = derive_scram_credential("anna@example.com", SECRET, salt)
        keys = derived(SECRET, ARGON2_AUTOBAHN, salt, made["iterations"], made["memory"])
        self.assertEqual((keys.stored_key.hex(), keys.server_key.hex()), (made["stored-key"], made["server-key"]))
        own = derived(SECRET, ARGON2, salt, made["iterations"], made["memory"])
        self.assertNotEqual(own.stored_key, keys.stored_key)

    def test_argon2id(self) -> None:
        """Argon2id version 1.3 with parallelism 1, as the reference implementation computes it (its test of 2 passes
        over 256 KiB: "password", "somesalt")."""
        made = derived("password", ARGON2_AUTOBAHN, b"somesalt", 2, 256)
        hashed = bytes.fromhex("9dfeb910e80bad0311fee20f9c0e2b12c17987b4cac90c2ef54d5b3021c68bfe")
        text = base64.b64encode(hashed).rstrip(b"=")
        self.assertEqual(made.stored_key, hashlib.sha256(sha256_hmac(text, b"Client Key")).digest())

    def test_least_memory(self) -> None:
        """Argon2 cannot do with less than 8 KiB."""
        error = self.assertRaises(ValueError, derived, SECRET, ARGON2, b"salt" * 4, 1, 7)
        self.assertEqual(str(error), "cannot be derived with less than 8 KiB of memory")


class Forms(SynchronousTestCase):
    def test_both_ways(self) -> None:
        """What is written is read back, for each kind."""
        for kdf, cost in ((PBKDF2, "1000"), (ARGON2, "1,8"), (ARGON2_AUTOBAHN, "1,8")):
            keys = derived(SECRET, kdf, None, 1000 if kdf == PBKDF2 else 1, 8)
            self.assertTrue(str(keys).startswith(f"{kdf}${cost}:"), keys)
            self.assertTrue(is_derived(str(keys)))
            self.assertEqual(parse(str(keys)), keys)

    def test_postgresql(self) -> None:
        """A verifier as PostgreSQL keeps it in pg_authid can be used as it stands."""
        text = str(RFC_KEYS).replace("pbkdf2$", "SCRAM-SHA-256$")
        self.assertEqual(text.partition("$")[2][:30], "4096:W22ZaJ0SNY7soEsUEjb6gQ==$")
        self.assertTrue(is_derived(text))
        self.assertEqual(parse(text), RFC_KEYS)

    def test_bad(self) -> None:
        """What begins like one and is none is a fault, and is not repeated."""
        good, argon = str(RFC_KEYS), str(derived(SECRET, ARGON2, b"salt" * 4, 1, 8))
        for text in (
            "pbkdf2$",
            good[:-1],
            good + "=",
            good + "\n",
            good[:-4],
            good.replace("4096", "0"),
            good.replace("4096", "4096,8"),
            good.replace("4096", "99999999"),
            good.replace(":W22Z", ":W22"),
            good.replace("pbkdf2", "pbkdf3"),
            argon.replace("1,8", "1"),
            argon.replace("1,8", "1,0"),
        ):
            error = self.assertRaises(ValueError, parse, text)
            self.assertNotIn(good[-12:], str(error))

    def test_not_shown(self) -> None:
        """The keys are not in their repr."""
        self.assertNotIn(str(RFC_KEYS.stored_key), repr(RFC_KEYS))
        self.assertNotIn(str(RFC_KEYS.server_key), repr(RFC_KEYS))

    def test_decoys(self) -> None:
        """A decoy costs its client the same, with a salt of the same length; its keys are others."""
        decoy, other = RFC_KEYS.decoy(b"seed"), RFC_KEYS.decoy(b"other")
        for name in ("salt", "stored_key", "server_key"):
            values = {getattr(keys, name) for keys in (RFC_KEYS, decoy, other)}
            self.assertEqual((len(values), {len(value) for value in values}), (3, {len(getattr(RFC_KEYS, name))}))
        self.assertEqual(attrs.evolve(decoy, salt=b"", stored_key=b"", server_key=b""),
                         attrs.evolve(RFC_KEYS, salt=b"", stored_key=b"", server_key=b""))  # fmt: skip


class Normalizing(SynchronousTestCase):
    def test_rfc_4013(self) -> None:
        """The examples of section 3."""
        table = [("I\u00adX", "IX"), ("user", "user"), ("USER", "USER"), ("\u00aa", "a"), ("\u2168", "IX")]
        for text, expected in table:
            self.assertEqual(normalized(text), expected)
        for text in ("\u0007", "\u06271", "\ud800", "\u00ad", ""):
            if text:
                self.assertRaises(ValueError, normalized, text)

    def test_passwords(self) -> None:
        """WAMP's keys are of the normalized password, Autobahn's of the password as it is."""
        for kdf, same in ((PBKDF2, True), (ARGON2, True), (ARGON2_AUTOBAHN, False)):
            one, other = (derived(text, kdf, b"salt" * 4, 1, 8) for text in ("p\u00aassword", "password"))
            self.assertEqual(one == other, same, kdf)
