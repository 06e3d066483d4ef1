"""orosync session verify."""

from __future__ import annotations

from tests.cli.command_case import COOKIE, NO_USERS, STALE, CommandCase


class SessionTests(CommandCase):
    async def verify(self, cookie, store="office"):
        return await self.orosync("session", "verify", "--sessions", store, stdin=cookie + "\n")

    async def test_logged_in(self):
        """Whose the session is, and what would become of them."""
        self.assertEqual(await self.verify(COOKIE), 0)
        self.assertEqual(self.out, "OK: user 'anna' (id 1), role staff\n")

    async def test_header(self):
        """What a browser shows may be given as it is: the cookie with its name, among others, for either judge."""
        for cookie in (f"BAPID={COOKIE}", f"Cookie: _csrf=1; BAPID={COOKIE}; XBAPID={NO_USERS}"):
            self.assertEqual(await self.verify(cookie), 0, cookie)
            self.assertEqual(await self.verify(cookie, "unused"), 0, cookie)
        self.assertEqual(await self.verify(f"OTHER={COOKIE}"), 1)

    async def test_refused(self):
        """Why it is refused, in a line without the cookie."""
        table = [
            (STALE, "refused (password_changed): BAPID of 'anna': the password has changed since the login\n"),
            (NO_USERS, "refused (no_session): BAPID: unknown, expired or logged out\n"),
            ("u" * 26, "refused (no_session): BAPID: unknown, expired or logged out\n"),
            (
                "../../etc/passwd",
                "refused (malformed_session): a session id is 22 to 256 letters, digits, "
                "commas and dashes, this one is not\n",
            ),
        ]
        for cookie, words in table:
            self.assertEqual(await self.verify(cookie), 1)
            self.assertEqual((self.out, self.err), (words, ""))

    async def test_store_without_an_authenticator(self):
        """A store may be tried out before an authenticator uses it; its user is then not judged."""
        self.assertEqual(await self.verify(STALE, "unused"), 0)
        self.assertIn("OK: user 'anna' (id 1); no authenticator asks [sessions:unused]", self.out)
        self.assertEqual(await self.verify(NO_USERS, "unused"), 1)

    async def test_no_such_store(self):
        """A name that leads nowhere is a wrong use of the command."""
        self.assertEqual(await self.verify(COOKIE, "offices"), 2)
        self.assertIn("there is no [sessions:offices], did you mean office?", self.err)

    async def test_unreachable(self):
        """A directory that is down."""
        self.configure("sessions = office\ndirectory = people", "sessions = office\ndirectory = down")
        self.assertEqual(await self.verify(COOKIE), 3)
        self.assertIn("unreachable (directory_down)", self.err)
