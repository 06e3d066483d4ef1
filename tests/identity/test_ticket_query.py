"""A query string is read as PHP reads it. The table was made with PHP 8.2's parse_str."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from orosync.identity.ticket import last_value

READ_BY_PHP: list[tuple[str, bytes | None]] = [
    ("", None),
    ("ticket", b""),
    ("ticket=", b""),
    ("ticket=a&ticket=b", b"b"),
    ("ticket=b&ticket", b""),
    ("a=1&ticket=x%20y+z", b"x y z"),
    ("%74icket=x", b"x"),
    ("tick%65t=%C3%BC", b"\xc3\xbc"),
    ("ticket=\u00fc", b"\xc3\xbc"),
    ("ticket%00foo=x", b"x"),
    (" ticket=x", b"x"),
    ("+ticket=x", b"x"),
    ("%20ticket=x", b"x"),
    ("\tticket=x", None),
    ("%00ticket=x", None),
    ("ticket =x", None),
    ("ticket%20=x", None),
    ("ticket[]=x&ticket=y", b"y"),
    ("ticket[=x", None),
    ("ticket[a=x", None),
    ("ticket]=x", None),
    ("ticket.=x", None),
    ("[ticket]=x", None),
    ("ticket%00[]=x", b"x"),
    ("ticket=a=b==", b"a=b=="),
    ("ticket=%zz%4", b"%zz%4"),
    ("ticket=x%00y", b"x\0y"),
    ("&&ticket=x&&", b"x"),
    ("=x&ticket=z", b"z"),
    ("ticket=x#y", b"x#y"),
    ("ticket=x;y", b"x;y"),
    ("ticket;=x", None),
    ("a;ticket=x", None),
    ("Ticket=x", None),
]
LISTS = ("ticket[]=x", "ticket=y&ticket[]=x", "ticket[a]b=x", "ticket%5B%5D=x", "ticket[a]", "ticket[[]=x")


class LastValue(SynchronousTestCase):
    """The ticket that PHP would have found, no other."""

    def test_table(self) -> None:
        """Duplicates, encodings, odd names: the same answer as PHP's, for each."""
        for query, value in READ_BY_PHP:
            self.assertEqual(last_value(query, "ticket"), value, query)

    def test_lists(self) -> None:
        """Where PHP makes an array, there is no one value."""
        for query in LISTS:
            with self.assertRaises(ValueError, msg=query):
                last_value(query, "ticket")

    def test_most_variables(self) -> None:
        """PHP reads a thousand variables, so a ticket behind them was not presented."""
        self.assertEqual(last_value("a=1&" * 999 + "ticket=x", "ticket"), b"x")
        self.assertEqual(last_value("a=1&" * 1000 + "ticket=x", "ticket"), None)
        self.assertEqual(last_value("&" * 5000 + "ticket=x", "ticket"), b"x")

    def test_lone_surrogate(self) -> None:
        """Text that cannot be encoded is a wrong value, not an error of ours."""
        self.assertEqual(last_value("ticket=\ud800", "ticket"), b"?")
