"""Tickets as values: the one spelling that PHP writes, its age, and nothing else."""

from __future__ import annotations

import base64
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from orosync.errors import Refused
from orosync.identity.digests import message_digest
from orosync.identity.ticket import check_age, date_c, last_value, make_ticket, parse
from tests.identity.fixtures import ANNA, CREATED, NOW, VECTORS, ticket_of

DIGEST = "v7h29ghVI/812IN+bBFj1N1+FLNfUBE2Q8F003mCOKoeV9TeLr/mu8YUDO0HrsOoYEcStNpnRAUKfPAr+f2feQ=="
DATES = [
    ("1970-01-01T00:00:00+00:00", 0),
    ("2026-01-15T10:20:30+00:00", NOW),
    ("2026-01-15T15:50:30+05:30", NOW),
    ("2026-01-15T02:20:30-08:00", NOW),
    ("2024-02-29T23:59:59+14:00", 1709200799),
    ("0001-01-01T00:00:00+23:59", -62135683140),
    ("9999-12-31T23:59:59-23:59", 253402387139),
]
NO_DATES = [
    "",
    "now",
    "@1768472430",
    "2026-01-15 10:20:30+00:00",
    "2026-01-15T10:20:30",
    "2026-01-15T10:20:30Z",
    "2026-01-15T10:20:30+0000",
    "2026-01-15T10:20:30+00",
    "2026-01-15T10:20:30.5+00:00",
    "2026-01-15T10:20:30+00:00:00",
    "2026-01-15T10:20:30+00:60",
    "2026-01-15T10:20:30+24:00",
    "2026-01-15T24:00:00+00:00",
    "2026-01-15T10:60:30+00:00",
    "2026-01-15T10:20:60+00:00",
    "2026-02-29T10:20:30+00:00",
    "2026-13-01T10:20:30+00:00",
    "2026-00-15T10:20:30+00:00",
    "0000-01-15T10:20:30+00:00",
    "+2026-01-15T10:20:30+00:00",
    "26-01-15T10:20:30+00:00",
    "2026-W03-4T10:20:30+00:00",
    "2026-01-15t10:20:30+00:00",
    "2026-01-15T10:20:30+00:00\n",
    "\n2026-01-15T10:20:30+00:00",
    "2026-01-15T10:20:30+00:00\0",
    " 2026-01-15T10:20:30+00:00",
    "\u0662\u0660\u0662\u0666-01-15T10:20:30+00:00",
    "2026-01-15T10:20:3\u0660+00:00",
    "2026-01-15T10:20:3\uff10+00:00",
    "2026-01-15T10:20:30\u221200:00",
]


def spelled(digest: str = DIGEST, name: str = "anna", nonce: str = "n", created: str = CREATED, tail: str = "") -> str:
    """A ticket of these fields, true or not."""
    return base64.b64encode(f"{digest};{name};{nonce};{created}{tail}".encode()).decode()


def true(text: str, vector: dict[str, Any]) -> bool:
    """Whether ``text`` is a ticket signed with the secret and password of ``vector``."""
    ticket = parse(text)
    password = vector["secret"] if vector["password_hash"] is None else vector["password_hash"]
    return message_digest(ticket.plain(password.encode()), vector["secret"].encode()) == ticket.digest


class Vectors(SynchronousTestCase):
    """Tickets that a real PHP made."""

    def test_read(self) -> None:
        """Every field is found, from the query string as PHP wrote it."""
        for vector in VECTORS:
            value = last_value(vector["query_string"], "ticket")
            assert value is not None
            self.assertEqual(value.decode(), vector["ticket"])
            ticket = parse(vector["ticket"])
            self.assertEqual(ticket.digest, vector["digest"])
            self.assertEqual(ticket.username, vector["username"])
            self.assertEqual(ticket.nonce, vector["nonce"].encode())
            self.assertEqual(ticket.created, vector["created"].encode())
            self.assertEqual(ticket.created_at, vector["created_unix"])
            self.assertEqual(ticket.is_back_end, vector["password_hash"] is None)
            self.assertTrue(true(vector["ticket"], vector), vector)

    def test_made_again(self) -> None:
        """A ticket made here is, byte for byte, the one that PHP makes."""
        for vector in VECTORS:
            names = ("username", "password_hash", "secret", "nonce", "created")
            self.assertEqual(make_ticket(*(vector[name] for name in names)), vector["ticket"])

    def test_any_one_field_changed(self) -> None:
        """A ticket whose digest, nonce, date, password or secret is another one is not true any more."""
        for vector in VECTORS:
            flipped = ("B" if vector["digest"][0] == "A" else "A") + vector["digest"][1:]
            later = date_c(vector["created_unix"] + 1)
            for change in (
                {"digest": flipped},
                {"nonce": vector["nonce"] + "0"},
                {"created": later},
            ):
                fields = {**vector, **change}
                raw = ";".join(fields[name] for name in ("digest", "username", "nonce", "created"))
                self.assertFalse(true(base64.b64encode(raw.encode()).decode(), vector), change)
            for change in ({"password_hash": "another"}, {"secret": vector["secret"] + "0"}):
                self.assertFalse(true(vector["ticket"], {**vector, **change}), change)


class Parse(SynchronousTestCase):
    """Nothing but what PHP writes is a ticket."""

    def refused(self, text: str) -> None:
        """``text`` is malformed, and the reason does not repeat it."""
        error = self.assertRaises(Refused, parse, text)
        self.assertEqual(error.code, "malformed", text)
        self.assertNotIn(DIGEST, error.reason)
        if text:
            self.assertNotIn(text, error.reason)

    def test_dates(self) -> None:
        """PHP's date('c') in any offset is the moment it names."""
        for text, seconds in DATES:
            self.assertEqual(parse(spelled(created=text)).created_at, seconds, text)

    def test_no_dates(self) -> None:
        """What strtotime would have read, days that do not exist, Unicode digits, a newline behind: refused."""
        for text in NO_DATES:
            self.refused(spelled(created=text))

    def test_base64(self) -> None:
        """A ticket has one spelling: padded, no blanks, no other alphabet, no stray bits."""
        good = spelled(name="an")
        self.assertTrue(good.endswith("=") and not good.endswith("=="))
        parse(good)
        stray = good[:-2] + chr(ord(good[-2]) + 1) + "="
        self.assertEqual(base64.b64decode(stray), base64.b64decode(good))
        bad = [good[:-1], good + "=", " " + good, good + "\n", good[:8] + "!" + good[8:], good[:8] + "\n" + good[8:]]
        for text in [*bad, stray, "", "=", "YQ", "\u00fc" + good, good.replace("=", "\uff1d"), good[:-1] + "_"]:
            self.refused(text)

    def test_fields(self) -> None:
        """Exactly four fields: one more is refused, though stock overlooks it, and so is a user name with ";"."""
        for tail in (";", ";more"):
            self.refused(spelled(tail=tail))
        self.refused(spelled(name="an;na"))
        self.refused(base64.b64encode(f"{DIGEST};anna;n".encode()).decode())

    def test_digest(self) -> None:
        """A digest is 64 bytes in standard base64, nothing else goes on to be compared."""
        bad = [DIGEST[:-1], DIGEST + "=", DIGEST[:-3] + "R==", DIGEST[:-1] + "\n", "", "-" + DIGEST[1:], DIGEST[1:]]
        for digest in bad:
            self.refused(spelled(digest=digest))

    def test_nonce(self) -> None:
        """Any nonce up to 64 bytes: a longer one would buy a dearer digest."""
        self.assertEqual(parse(spelled(nonce="x" * 64)).nonce, b"x" * 64)
        self.refused(spelled(nonce="x" * 65))
        self.refused(spelled(nonce="\u00fc" * 33))

    def test_user_name(self) -> None:
        """A user name is UTF-8 without NUL, since a database would stumble over anything else."""
        self.assertEqual(parse(spelled(name="j\u00fcrgen")).username, "j\u00fcrgen")
        for raw in (b"\xff", b"j\xfcrgen", b"\xed\xa0\x80", b"\xc0\x80", b"an\0na"):
            text = b";".join((DIGEST.encode(), raw, b"n", CREATED.encode()))
            self.refused(base64.b64encode(text).decode())

    def test_limit(self) -> None:
        """512 bytes are read, 516 are not, whatever they say; the limit can be another."""
        fits = spelled(name="a" * 267)
        self.assertEqual(len(fits), 512)
        parse(fits)
        self.refused(spelled(name="a" * 270))
        self.refused("A" * 10_000_000)
        parse(spelled(name="a" * 270), limit=600)

    def test_back_end(self) -> None:
        """Both user names that PHP takes for false speak for the back end; "00" and a blank are users."""
        self.assertEqual([parse(spelled(name=name)).is_back_end for name in ("", "0", "00", " ")], [1, 1, 0, 0])

    def test_repr(self) -> None:
        """A ticket that strays into a log shows who and not with what."""
        shown = repr(parse(spelled(nonce="nonce-nonce")))
        self.assertIn("anna", shown)
        for hidden in (DIGEST, "nonce-nonce", CREATED):
            self.assertNotIn(hidden, shown)

    def test_key(self) -> None:
        """Two tickets share a key only if all four fields are the same."""
        texts = [
            spelled(),
            spelled(name="anne"),
            spelled(nonce="m"),
            spelled(created=DATES[0][0]),
            spelled("A" + DIGEST[1:]),
        ]
        self.assertEqual(len({parse(text).key for text in texts}), len(texts))
        self.assertEqual(len({parse(text).signed for text in texts}), len(texts) - 1, "the name is not signed")
        self.assertEqual(parse(spelled()).key, parse(spelled()).key)


class Age(SynchronousTestCase):
    """A ticket is good from 30 s before its date until 300 s after it."""

    def test_table(self) -> None:
        """The limits themselves are good; fractions of a second do not count, as in PHP."""
        ticket = parse(ticket_of(ANNA))
        for age, kind in [
            (-31, "future"),
            (-30, None),
            (0, None),
            (300, None),
            (300.9, None),
            (301, "expired"),
            (10**9, "expired"),
            (-(10**9), "future"),
        ]:
            if kind is None:
                check_age(ticket, NOW + age, 300, 30)
            else:
                error = self.assertRaises(Refused, check_age, ticket, NOW + age, 300, 30)
                self.assertEqual(error.code, kind, age)
                self.assertIn("anna", error.reason)

    def test_made_now(self) -> None:
        """A date written here is read as the same second."""
        self.assertEqual(date_c(NOW), CREATED)
        self.assertEqual(parse(spelled(created=date_c(0))).created_at, 0)

    def test_unreadable_name(self) -> None:
        """A ticket that could not be read is not made."""
        with self.assertRaises(ValueError):
            make_ticket("an;na", "p", "secret", "n", CREATED)
