"""Whether a ticket was signed, at the same cost for every answer."""

from __future__ import annotations

from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase

from orosync.errors import ConfigError
from orosync.identity.signatures import Signatures, published
from orosync.identity.ticket import parse
from tests.identity.fixtures import ANNA, NOW, OLD_SECRET, PUBLISHED, SECRET, RecordingHasher, ticket_of

PASSWORD = ANNA.password_hash.encode()


class SignaturesCase(SynchronousTestCase):
    """One checker with one secret, or two."""

    def setUp(self) -> None:
        self.hasher = RecordingHasher()
        self.signatures = Signatures("authenticator:oro", [SECRET], self.hasher)

    def signed(self, text: str, password: bytes | None = PASSWORD, now: float = NOW) -> bool:
        coroutine = self.signatures.signed(parse(text), password, "192.0.2.1", now, NOW + 301)
        return self.successResultOf(Deferred.fromCoroutine(coroutine))


class Answers(SignaturesCase):
    """True and false ones."""

    def test_user(self) -> None:
        """A user's ticket is signed with secret and password; any other of the two makes it wrong."""
        self.assertTrue(self.signed(ticket_of(ANNA)))
        self.assertFalse(self.signed(ticket_of(ANNA, OLD_SECRET)))
        self.assertFalse(self.signed(ticket_of(ANNA), b"another"))
        self.assertFalse(self.signed(ticket_of(ANNA), b""))

    def test_back_end(self) -> None:
        """The back end's is signed with the secret as password, whatever password is given here."""
        for password in (None, b"", PASSWORD):
            self.setUp()
            self.assertTrue(self.signed(ticket_of(None), password))
            self.assertFalse(self.signed(ticket_of(None, OLD_SECRET), password))

    def test_nobody(self) -> None:
        """An unknown user's ticket is never signed, not even one made with the decoy of a password hash."""
        self.signed(ticket_of(ANNA))
        stand_in = self.hasher.asked[0][0][0][0]
        self.assertIn(PASSWORD, stand_in)
        for length in (0, 60, len(PASSWORD)):
            forged = ticket_of(type(ANNA)(9, "nobody", "*" * length))
            self.assertFalse(self.signed(forged, None))

    def test_empty_password(self) -> None:
        """A user without a stored password is signed for with nothing in its place, as Oro does."""
        user = type(ANNA)(9, "sso", "")
        self.assertTrue(self.signed(ticket_of(user), b""))

    def test_password_too_long_for_symfony(self) -> None:
        """A stored password that no digest can be made of never signs, and is not sent to be hashed."""
        self.assertFalse(self.signed(ticket_of(ANNA), b"x" * 5000))
        self.assertLess(len(self.hasher.asked[0][0][0][0]), 200)

    def test_two_secrets(self) -> None:
        """While a secret is being changed, tickets of the old and of the new one are good; both are always tried."""
        self.signatures = Signatures("authenticator:oro", [SECRET, OLD_SECRET], self.hasher)
        for good, secret in ((True, SECRET), (True, OLD_SECRET), (False, "0" * 32)):
            for user in (ANNA, None):
                self.assertEqual(self.signed(ticket_of(user, secret)), good)
        self.assertEqual([len(pairs) for pairs, _, _ in self.hasher.asked], [2] * 6)
        for pairs, _, _ in self.hasher.asked:
            self.assertEqual([salt for _, salt in pairs], [SECRET.encode(), OLD_SECRET.encode()])


class Cost(SignaturesCase):
    """What is hashed, and for whom."""

    def hashed(self, name: str, length: int | None = None) -> int:
        """How much is hashed for a user; without ``length`` there is none of that name."""
        user = type(ANNA)(9, name, "x" * (length or 60))
        self.signed(ticket_of(user, OLD_SECRET), user.password_hash.encode() if length else None)
        ((plain, _),) = self.hasher.asked[-1][0]
        return len(plain)

    def test_same_for_everybody(self) -> None:
        """For an unknown user's ticket as much is hashed as for a user's, byte for byte."""
        for length in (60, 97, 28):
            self.setUp()
            self.assertEqual(self.hashed("anna", length), self.hashed("nobody"))

    def test_hashes_of_several_lengths(self) -> None:
        """Where users have hashes of two lengths, names without a user fall into both kinds, and stay what they are."""
        found = {self.hashed(name, length) for name, length in (("anna", 60), ("ben", 97))}
        self.assertEqual(len(found), 2)
        names = [f"nobody{number}" for number in range(64)]
        first = [self.hashed(name) for name in names]
        self.hashed("ben", 97)
        self.hashed("anna", 60)
        self.assertEqual(set(first), found)
        self.assertEqual([self.hashed(name) for name in names], first)

    def test_lengths_of_long_ago(self) -> None:
        """The length of a hash that no user has any more is forgotten, so that it identifies no user."""
        gone = self.hashed("anna", 40)
        for length in (60, 61, 62, 63):
            self.hashed("anna", length)
        self.assertNotIn(gone, {self.hashed(f"nobody{number}") for number in range(64)})

    def test_lanes(self) -> None:
        """The back end has the urgent lane, users that of their address."""
        self.signed(ticket_of(ANNA))
        self.signed(ticket_of(None))
        self.assertEqual(
            [(lane, urgent) for _, lane, urgent in self.hasher.asked], [("192.0.2.1", False), ("192.0.2.1", True)]
        )


class Memory(SignaturesCase):
    """What was found true costs nothing again."""

    def test_remembered(self) -> None:
        """A ticket presented again is not hashed again, until its time is over."""
        for user in (ANNA, None):
            self.setUp()
            for _ in range(3):
                self.assertTrue(self.signed(ticket_of(user), PASSWORD if user else None))
            self.assertEqual(len(self.hasher.asked), 1)
            self.signed(ticket_of(user), PASSWORD if user else None, now=NOW + 301)
            self.assertEqual(len(self.hasher.asked), 2)

    def test_password_changed(self) -> None:
        """A ticket from before a change of password is not good any more, at once."""
        self.assertTrue(self.signed(ticket_of(ANNA)))
        self.assertFalse(self.signed(ticket_of(ANNA), b"new password"))
        self.assertTrue(self.signed(ticket_of(ANNA)))
        self.assertFalse(self.signed(ticket_of(ANNA), None))
        self.assertEqual(len(self.hasher.asked), 3)

    def test_wrong_is_not_remembered_as_true(self) -> None:
        """A wrong ticket stays wrong."""
        for _ in range(2):
            self.assertFalse(self.signed(ticket_of(ANNA, OLD_SECRET)))


class Secrets(SynchronousTestCase):
    """Secrets that must not or cannot be used."""

    def test_refused(self) -> None:
        """The published one, none, an empty one, one with braces, an endless one, and three at once."""
        for secrets, word in [
            ([PUBLISHED], "published"),
            ([SECRET, PUBLISHED], "published"),
            ([PUBLISHED + "2"], "published"),
            ([], "one"),
            ([""], "empty"),
            (["0"], "empty"),
            (["a{b"], "{"),
            (["a}b"], "{"),
            (["x" * 4000], "longer"),
            ([SECRET, OLD_SECRET, "0" * 32], "3"),
        ]:
            error = self.assertRaises(ConfigError, Signatures, "authenticator:oro", secrets, RecordingHasher())
            self.assertEqual(len(error.faults), 1, secrets)
            self.assertTrue(error.faults[0].startswith("[authenticator:oro] secret: "))
            self.assertIn(word, error.faults[0])
            self.assertNotIn(SECRET, error.faults[0])

    def test_the_published_one_accepted(self) -> None:
        """Only where it is said so, and nothing else that is wrong."""
        Signatures("authenticator:oro", [PUBLISHED], RecordingHasher(), accept_published=True)
        self.assertRaises(ConfigError, Signatures, "a", [PUBLISHED + "{"], RecordingHasher(), accept_published=True)
        self.assertTrue(published(PUBLISHED))
        self.assertFalse(published(SECRET))
