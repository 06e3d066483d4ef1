"""PHP's values: inert, and silent about what they hold."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from orosync.errors import OrosyncError
from orosync.identity.php.serialized import PhpArray, PhpCustom, PhpEnum, PhpObject, SessionUnreadable, shown

SECRET = b"$2y$13$secret"


class Silent(SynchronousTestCase):
    """Values end up in tracebacks and logs; what is in them must not."""

    def test_repr(self) -> None:
        """A container shows its class and its size, not its content, and does not follow circles."""
        ring = PhpArray({0: SECRET})
        ring[b"secret"] = ring
        for value, text in [
            (ring, "<PhpArray of 2>"),
            (PhpObject(b"A\\B", ring), r"<PhpObject A\B>"),
            (PhpCustom(b"A", ring), "<PhpCustom A>"),
            (PhpCustom(b"A", None, SECRET), "<PhpCustom A>"),
            (PhpEnum(b"Suit", b"Hearts"), "<PhpEnum Suit::Hearts>"),
            (PhpArray({0: PhpObject(b"A", ring)}), "<PhpArray of 1>"),
        ]:
            self.assertEqual((repr(value), str(value), f"{value}"), (text, text, text))

    def test_names_in_a_log(self) -> None:
        """A name is one short line of ASCII, whatever it was."""
        self.assertEqual(shown("Größe\n".encode()), "Gr\\xc3\\xb6\\xc3\\x9fe\n")
        self.assertEqual(len(shown(b"A" * 5000)), 200)


class Objects(SynchronousTestCase):
    """Two objects are the same object or they are two."""

    def test_identity(self) -> None:
        """Objects are compared by identity, so that comparing circles ends."""
        ring = PhpObject(b"A", PhpArray())
        ring.properties[0] = ring
        other = PhpObject(b"A", PhpArray())
        other.properties[0] = other
        self.assertEqual(ring, ring)
        self.assertNotEqual(ring, other)
        self.assertNotEqual(PhpCustom(b"A"), PhpCustom(b"A"))
        self.assertEqual(PhpEnum(b"A", b"B"), PhpEnum(b"A", b"B"))


class Error(SynchronousTestCase):
    """The reader's own error."""

    def test_kind(self) -> None:
        """It says that data is bad, not that a client is refused: that is for the caller."""
        self.assertTrue(issubclass(SessionUnreadable, ValueError))
        self.assertFalse(issubclass(SessionUnreadable, OrosyncError))
