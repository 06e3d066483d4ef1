"""orosync ticket make, orosync ticket verify."""

from __future__ import annotations

import time

from orosync.identity.ticket import date_c, make_ticket
from tests.cli.command_case import HASH, RUNNING, SECRET, CommandCase


def ticket(user="anna", password=HASH, age=0, secret=SECRET):
    return make_ticket(user, password, secret, "0123456789abcdef", date_c(int(time.time()) - age))


class MakeTests(CommandCase):
    async def test_made_ticket_is_good(self):
        """A ticket of a user, made and judged with the secret that the configuration refers to."""
        self.assertEqual(await self.orosync("ticket", "make", "--user", "anna"), 0)
        made = self.out
        self.assertEqual((self.err, made.count("\n")), ("", 1))
        self.assertEqual(await self.orosync("ticket", "verify", stdin=made), 0)
        self.assertRegex(self.out, r"^OK: user 'anna' \(id 1\), role user, made [0-9] s ago\n$")

    async def test_back_end(self):
        """The back end's ticket, judged at the place where it is welcome; where none is, that is said."""
        self.assertEqual(await self.orosync("ticket", "make", "--back-end", "--authenticator", "tickets"), 0)
        made = self.out
        self.assertEqual(await self.orosync("ticket", "verify", stdin=made), 0)
        self.assertRegex(self.out, r"^OK: the back end, role backend, made [0-9] s ago\n$")
        self.configure("publisher_from = loopback\n", "")
        self.assertEqual(await self.orosync("ticket", "verify", stdin=made), 1)
        self.assertIn("refused (no_publish_right)", self.out)

    async def test_no_such_user(self):
        """An unknown user gets no ticket; for a disabled one there is a warning."""
        self.assertEqual(await self.orosync("ticket", "make", "--user", "zoe"), 1)
        self.assertEqual(self.out, "refused (unknown_user): [directory:people] has no user 'zoe'\n")
        self.assertEqual(await self.orosync("ticket", "make", "--user", "gone"), 0)
        self.assertIn("'gone' is disabled", self.err)
        self.configure("secret = env:SECRET\ndirectory = people", "secret = env:SECRET\ndirectory = odd")
        self.assertEqual(await self.orosync("ticket", "make", "--user", "an;na"), 2)
        self.assertIn('a user name with ";"', self.err)


class VerifyTests(CommandCase):
    async def test_reasons(self):
        """Why a ticket is refused, in one line and never with the ticket."""
        table = [
            (ticket(age=600), "refused (expired): ticket of 'anna': expired 30"),
            (ticket(age=-90), "refused (future): ticket of 'anna': made "),
            (ticket(password="other"), "refused (bad_digest): ticket of 'anna': its digest is of another secret"),
            (ticket("zoe"), "refused (unknown_user): ticket of 'zoe': there is no such user\n"),
            (ticket("gone"), "refused (disabled): ticket of 'gone': the user is disabled\n"),
            ("bm9uc2Vuc2U=", "refused (malformed): ticket: it has 1 fields, not 4\n"),
            ("a&ticket=b", "refused (malformed): ticket: it is not base64\n"),
        ]
        for text, words in table:
            self.assertEqual(await self.orosync("ticket", "verify", stdin=text), 1)
            self.assertTrue(self.out.startswith(words), self.out)
            self.assertEqual((self.out.count("\n"), self.err), (1, ""))
            self.assertNotIn(text, self.out)

    async def test_names_cannot_speak_to_the_terminal(self):
        """What a ticket says is shown, not obeyed."""
        await self.orosync("ticket", "verify", stdin=ticket("\x1b[2Jzoe\u202e"))
        self.assertTrue(self.out.strip().isprintable(), self.out)
        self.assertIn("zoe", self.out)

    async def test_where_the_ticket_stands(self):
        """In a file, on standard input, and as it is written in a URL."""
        path = self.config.with_name("ticket")
        path.write_text(f"  {ticket()}\n")
        self.assertEqual(await self.orosync("ticket", "verify", str(path)), 0)
        encoded = ticket().replace("+", "%2B").replace("=", "%3D").replace("/", "%2F")
        self.assertEqual(await self.orosync("ticket", "verify", "-", stdin=encoded), 0)
        for arguments, words in (((), "nothing was given"), (("/nowhere",), "/nowhere: cannot be read")):
            self.assertEqual(await self.orosync("ticket", "verify", *arguments), 2)
            self.assertIn(words, self.err)

    async def test_which_authenticator(self):
        """The only one with tickets, else the one that is named."""
        self.assertEqual(await self.orosync("ticket", "verify", "--authenticator", "cookie", stdin="x"), 2)
        self.assertIn("there is no [authenticator:cookie] with use = ticket, there are: tickets", self.err)
        other = "[authenticator:others]\nuse = ticket\nsecret = env:SECRET\ndirectory = people\n"
        self.configure("[authenticator:cookie]", f"{other}[authenticator:cookie]")
        self.assertEqual(await self.orosync("ticket", "verify", stdin=ticket()), 2)
        self.assertIn("name one with --authenticator: tickets, others", self.err)
        self.assertEqual(await self.orosync("ticket", "verify", "--authenticator", "others", stdin=ticket()), 0)

    async def test_unreachable(self):
        """A directory that is down is not the ticket's fault; only what is needed was started, and is stopped."""
        self.configure("secret = env:SECRET\ndirectory = people", "secret = env:SECRET\ndirectory = down")
        self.assertEqual(await self.orosync("ticket", "verify", stdin=ticket()), 3)
        told = "unreachable (directory_down): ticket of 'anna': [directory:down] it is down\n"
        self.assertEqual((self.out, self.err), ("", told))
        self.assertEqual(RUNNING, [])
