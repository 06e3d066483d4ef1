"""What may be a session's id."""

from __future__ import annotations

import string

from twisted.trial.unittest import SynchronousTestCase

from orosync.errors import Refused
from orosync.identity.php.session import checked


class Ids(SynchronousTestCase):
    """PHP's alphabet and lengths, and nothing else."""

    def test_what_php_makes(self) -> None:
        """Every letter of its alphabet, and the shortest and longest that it can be told to make."""
        whole = string.ascii_letters + string.digits + ",-"
        for session_id in (whole, "a" * 22, "Z" * 256, "-" * 32, "," * 32, "0" * 128):
            self.assertEqual(checked(session_id), session_id)

    def test_everything_else(self) -> None:
        """What could lead out of a directory, into another key, header or query is no id; and it is not repeated."""
        for odd in [chr(code) for code in range(0x250)] + ["\u0661", "\uff21", "\ud800", "\u2028"]:
            if odd in string.ascii_letters + string.digits + ",-":
                continue
            for session_id in (odd + "a" * 26, "a" * 13 + odd + "a" * 13, "a" * 26 + odd):
                refused = self.assertRaises(Refused, checked, session_id)
                self.assertEqual(refused.code, "malformed_session")
                self.assertNotIn("aaaa", refused.reason)
        for length in (0, 1, 21, 257, 100_000):
            self.assertRaises(Refused, checked, "a" * length)
