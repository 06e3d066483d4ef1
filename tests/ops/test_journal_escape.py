"""Values in a line of the log."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from orosync.ops.journal import LONGEST, shown


class Sulky(Exception):
    """Cannot be shown."""

    def __str__(self) -> str:
        raise RuntimeError("not today")


class ShownTests(SynchronousTestCase):
    """shown"""

    def test_table(self) -> None:
        """Plain values stay readable, and everything that could deceive the reader is spelled out."""
        for value, expected in (
            (None, "None"),
            (True, "True"),
            (7, "7"),
            (-1.5, "-1.5"),
            ("oro/email_event/7/*", "oro/email_event/7/*"),
            ("anna@example.com", "anna@example.com"),
            ("", '""'),
            ("two words", '"two words"'),
            ("a=b", '"a=b"'),
            ('say "yes"', '"say \\"yes\\""'),
            ("back\\slash", '"back\\\\slash"'),
            ("line\nnext", '"line\\x0anext"'),
            ("cr\rlf\x0b\x0c\x1c\x85", '"cr\\x0dlf\\x0b\\x0c\\x1c\\x85"'),
            ("\x1b[31mred\x1b[0m", '"\\x1b[31mred\\x1b[0m"'),
            ("\x9b31m", '"\\x9b31m"'),
            ("\x00\x7f\t", '"\\x00\\x7f\\x09"'),
            ("\u202egnp.exe", '"\\u202egnp.exe"'),
            ("\u2066\u2069\u200e\u200f\u061c", '"\\u2066\\u2069\\u200e\\u200f\\u061c"'),
            ("\u200b\u200d\ufeff\u00ad", '"\\u200b\\u200d\\ufeff\\xad"'),
            ("\u2028\u2029\u00a0\u3000", '"\\u2028\\u2029\\xa0\\u3000"'),
            ("\ud800", '"\\ud800"'),
            ("\U000e0041", '"\\U000e0041"'),
            ("J\u00f6rg \u4e2d \U0001f600", '"J\u00f6rg \u4e2d \U0001f600"'),
            (b"\x00x", "\"b'\\\\x00x'\""),
            (["a", 1], "\"['a', 1]\""),
            (ValueError("bad\nthing"), '"ValueError: bad\\x0athing"'),
            (Sulky(), '"<Sulky>"'),
            (10**5000, '"<int>"'),
        ):
            self.assertEqual(shown(value), expected)

    def test_long(self) -> None:
        """Too long a value is cut, and how much was cut is said, outside the quotes where no client can write."""
        self.assertEqual(shown("x" * LONGEST), "x" * LONGEST)
        self.assertEqual(shown("x" * (LONGEST + 5)), '"' + "x" * LONGEST + '"... (5 more)')
        self.assertEqual(shown("x" * 12, longest=10), '"' + "x" * 10 + '"... (2 more)')
        self.assertLess(len(shown("\n" * 10**6)), 5 * LONGEST)
        self.assertLess(len(shown(list(range(10**6)))), 2 * LONGEST)

    @given(st.text() | st.binary() | st.lists(st.text()))
    def test_always_one_line(self, value: object) -> None:
        """Whatever the value is, it takes one printable line, and only its own quotes are unescaped."""
        line = shown(value)
        self.assertTrue(line.isprintable())
        line.encode("utf-8")
        if line.startswith('"'):
            inner = line[1 : line.rindex('"')]
            self.assertNotIn('"', inner.replace("\\\\", "").replace('\\"', ""))
        else:
            self.assertNotRegex(line, r'[\s"=]')
