"""Symfony's digest, as Symfony computes it."""

from __future__ import annotations

import base64

from twisted.trial.unittest import SynchronousTestCase

from orosync.identity import digests
from orosync.identity.digests import in_python, merged, message_digest
from tests.identity.fixtures import VECTORS

BUILT = digests.in_c

# Of "a" without a salt, computed by PHP.
UNSALTED = "+HTkQngWRDTrxBn3jmM7Nx1THQwcmBWLyE16YAN0HXl6nGP0WZDJNXmGRhix5owBc1/KClOSojU+0vDb5MieDA=="


class MessageDigest(SynchronousTestCase):
    """A digest made here equals one made by PHP."""

    def test_vectors_of_php(self) -> None:
        """Every digest that a real PHP made is computed again from its parts."""
        self.assertEqual(len(VECTORS), 7)
        for vector in VECTORS:
            password = vector["secret"] if vector["password_hash"] is None else vector["password_hash"]
            plain = f"{vector['nonce']}|{vector['created']}|{password}"
            self.assertEqual(message_digest(plain.encode(), vector["secret"].encode()), vector["digest"], vector)

    def test_salts_that_php_takes_for_false(self) -> None:
        """An empty salt and the salt "0" leave the plain text unsalted; "00" and a blank do not."""
        self.assertEqual(message_digest(b"a", b""), UNSALTED)
        self.assertEqual(message_digest(b"a", b"0"), UNSALTED)
        for salt in (b"00", b" ", b"0.0"):
            self.assertNotEqual(message_digest(b"a", salt), UNSALTED)

    def test_longest_plain(self) -> None:
        """4096 bytes are hashed, one more is refused, as Symfony does; the salt does not count."""
        self.assertEqual(merged(b"a" * 4096, b"salt"), b"a" * 4096 + b"{salt}")
        with self.assertRaises(ValueError):
            merged(b"a" * 4097, b"")

    def test_braces_in_a_salt(self) -> None:
        """Braces would make two salted texts alike, so a salt with one is refused; in the plain text they may be."""
        for salt in (b"{", b"}", b"a{b", b"{}"):
            with self.assertRaises(ValueError):
                merged(b"a", salt)
        self.assertEqual(merged(b"{a}", b"s"), b"{a}{s}")

    def test_breathing_changes_nothing(self) -> None:
        """A computation in a thread gives way every 250 of the 4999 rounds, with the same digest."""
        self.patch(digests, "in_c", None)
        breaths: list[None] = []
        self.assertEqual(message_digest(b"a", b"", lambda: breaths.append(None)), UNSALTED)
        self.assertEqual(len(breaths), 20)

    def test_in_c_and_in_python(self) -> None:
        """Whether the rounds were built in C or not, short and long texts come to the same; C is what is used then."""
        for length in (0, 1, 47, 48, 111, 112, 145, 175, 176, 4096):
            salted = bytes(number % 256 for number in range(length))
            expected = base64.b64encode(in_python(salted)).decode()
            self.assertEqual(message_digest(salted, b""), expected)
            self.patch(digests, "in_c", lambda salted, rounds: b"%d:%d" % (len(salted), rounds))
            self.assertEqual(message_digest(salted, b""), base64.b64encode(b"%d:5000" % length).decode())
            self.patch(digests, "in_c", BUILT)
