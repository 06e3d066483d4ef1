"""How single values are spelled."""

from __future__ import annotations

import re
import time

from twisted.trial.unittest import SynchronousTestCase

from orosync.identity.php.serialized import (
    ARRAY,
    BOOLEAN,
    ENUMERATION,
    ESCAPED,
    FLOAT,
    INTEGER,
    KEY,
    NULL,
    OBJECT,
    OWN_FORMAT,
    SAME_OBJECT,
    SAME_VARIABLE,
    STRING,
    VALUE,
    Fault,
    PhpEnum,
    array_key,
    enumeration,
    escaped,
    name_and_number,
)


class Heads(SynchronousTestCase):
    """What begins a value or a key."""

    def test_told_apart(self) -> None:
        """Each beginning is what it is, by the number of its group."""
        for text, kind in [
            (b's:1:"', STRING), (b"i:1;", INTEGER), (b"N;", NULL), (b"b:1;", BOOLEAN), (b"a:1:{", ARRAY),
            (b'O:1:"A":1:{', OBJECT), (b"r:1;", SAME_OBJECT), (b"R:1;", SAME_VARIABLE), (b"d:1.5;", FLOAT),
            (b'E:3:"A:B";', ENUMERATION), (b'C:1:"A":1:{', OWN_FORMAT), (b'S:1:"', ESCAPED),
        ]:  # fmt: skip
            found = VALUE.match(text)
            assert found
            self.assertEqual((found.lastindex, found.end()), (kind, len(text)), text)
            self.assertEqual(bool(KEY.match(text)), kind in (STRING, INTEGER, ESCAPED), text)

    def test_no_pattern_goes_back_and_forth(self) -> None:
        """The longest text that almost fits costs no more than reading it."""
        for head in (b"d:", b"d:1.", b"d:1e", b"i:", b"i:-", b"s:", b"a:", b'O:9:"', b'E:9:"', b'E:9:"A:', b'C:9:"'):
            for filler in (b"1", b"A", b"\\", b":"):
                text = head + filler * 200_000
                start = time.process_time()
                found: list[re.Match[bytes] | None] = [pattern.match(text) for pattern in (KEY, VALUE)]
                self.assertLess(time.process_time() - start, 0.05, (head, filler))
                self.assertEqual(found, [None] * 2)


class Names(SynchronousTestCase):
    """Keys, classes and cases."""

    def test_array_key(self) -> None:
        """Decimal numbers as PHP would write them, of 64 bits, are numbers; all else is a string."""
        for text, key in [
            (b"0", 0), (b"5", 5), (b"-5", -5), (b"-0", b"-0"), (b"05", b"05"), (b"+5", b"+5"), (b"5 ", b"5 "),
            (b"5\n", b"5\n"), (b"1.0", b"1.0"), (b"1e3", b"1e3"), (b"", b""), (b"-", b"-"),
            (b"9223372036854775807", 2**63 - 1),
            (b"9223372036854775808", b"9223372036854775808"), (b"-9223372036854775808", -(2**63)),
            (b"-9223372036854775809", b"-9223372036854775809"), (b"9" * 30, b"9" * 30), (b"\xd9\xa1", b"\xd9\xa1"),
        ]:  # fmt: skip
            self.assertEqual((type(array_key(text)), array_key(text)), (type(key), key))

    def test_lengths(self) -> None:
        """A name is as long as it says, counted in bytes."""
        self.assertEqual(name_and_number(b'3:"A\\B":12'), (b"A\\B", 12))
        self.assertEqual(enumeration(b'5:"A\\B:C'), PhpEnum(b"A\\B", b"C"))
        for text in (b'2:"A\\B":12', b'4:"A\\B":12'):
            self.assertRaises(Fault, name_and_number, text)
        for text in (b'4:"A\\B:C', b'6:"A\\B:C'):
            self.assertRaises(Fault, enumeration, text)

    def test_escaped(self) -> None:
        """A string with escapes is as long as it says once they are read, and ends within the bytes that count."""
        self.assertEqual(escaped(rb'\41b\5c";', 0, 9, 3), (b"Ab\\", 9))
        self.assertEqual(escaped(rb'";', 0, 2, 0), (b"", 2))
        for text, end, length in [
            (rb'\41b";', 5, 2), (rb'\41b";', 6, 3), (rb'\41b";', 6, 1), (rb'\4";', 5, 1), (rb'\";', 3, 1),
            (rb'ab";', 4, 999_999), (rb'\41";', 2, 1),
        ]:  # fmt: skip
            self.assertRaises(Fault, escaped, text, 0, end, length)
