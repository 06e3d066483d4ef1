"""PHP's serialize() format: read as PHP reads it, bounded, and nothing but PHP's own spelling."""

from __future__ import annotations

import contextlib
import math
import sys
import time

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from orosync.identity.php.serialized import (
    OPAQUE,
    ParseLimits,
    PhpCustom,
    PhpEnum,
    PhpObject,
    PhpUnresolved,
    SessionUnreadable,
    ValueReader,
    unserialize,
)
from tests.identity.php.oracle import View, judged
from tests.identity.php.spellings import BAD, BAD_ALONE, SCALARS, WHOLE, array, custom


class Values(SynchronousTestCase):
    """Each kind of value."""

    def test_scalars(self) -> None:
        """A scalar is read alone, in an array and as the only thing in an object's own format."""
        for data, value in SCALARS:
            for read in (
                unserialize(data),
                array(unserialize(b"a:1:{i:0;" + data + b"}"))[0],
                array(unserialize(b'a:2:{i:0;O:1:"A":0:{}i:1;' + data + b"}"))[1],
                getattr(unserialize(custom(data)), "value", "not there"),
            ):
                self.assertEqual((type(read), read), (type(value), value), data)

    def test_odd_floats(self) -> None:
        """NaN and minus zero survive."""
        nan, zero = unserialize(b"d:NAN;"), unserialize(b"d:-0;")
        assert isinstance(nan, float)
        assert isinstance(zero, float)
        self.assertTrue(math.isnan(nan))
        self.assertEqual(math.copysign(1, zero), -1)

    def test_keys(self) -> None:
        """Decimal strings are numbers in arrays, as in PHP, and names in objects; order is kept."""
        keys = [
            b"5",
            b"-5",
            b"05",
            b"-0",
            b"0",
            b"",
            b"1.0",
            b" 1",
            b"-",
            b"9223372036854775807",
            b"9223372036854775808",
        ]
        entries = b"".join(b's:%d:"%b";N;' % (len(key), key) for key in keys)
        numbers = [5, -5, b"05", b"-0", 0, b"", b"1.0", b" 1", b"-", 2**63 - 1, b"9223372036854775808"]
        self.assertEqual(list(array(unserialize(b"a:%d:{%b}" % (len(keys), entries)))), numbers)
        thing = unserialize(b'O:1:"A":%d:{%b}' % (len(keys), entries))
        assert isinstance(thing, PhpObject)
        self.assertEqual(list(thing.properties), keys)

    def test_objects_are_names_and_values(self) -> None:
        """Nothing is built: a class, even one of Python's, is a name."""
        for name in (b"stdClass", b"A\\B\\C", b"builtins", b"os\\system", "Größe".encode()):
            thing = unserialize(b'O:%d:"%b":1:{s:7:"\0A\0priv";i:1;}' % (len(name), name))
            assert isinstance(thing, PhpObject)
            self.assertEqual((thing.class_name, thing.properties), (name, {b"\0A\0priv": 1}))

    def test_enumerations(self) -> None:
        """A case is its class and its name."""
        self.assertEqual(unserialize(b'E:9:"A\\B:Cased";'), PhpEnum(b"A\\B", b"Cased"))

    def test_own_format(self) -> None:
        """An object's own format is read where it is PHP's, and kept where it is not."""
        for payload, value, opaque in [
            (b"i:5;", 5, None),
            (b"a:0:{}", {}, None),
            (b"", None, b""),
            (b"[1,2]", None, b"[1,2]"),
            (b"i:5;i:6;", None, b"i:5;i:6;"),
            (b"i:5", None, b"i:5"),
            (b'a:1:{i:0;s:99:"x";}', None, b'a:1:{i:0;s:99:"x";}'),
            (b's:3:"}";', None, b's:3:"}";'),
            (b"a:1:{i:0;" + custom(b"{}"), None, b"a:1:{i:0;" + custom(b"{}")),
            (b"a:1:{i:0;N;", None, b"a:1:{i:0;N;"),
            (b'C:1:"A":9:{N;}', None, b'C:1:"A":9:{N;}'),
            (b'O:1:"A":9:{}', None, b'O:1:"A":9:{}'),
            (b"a:99:{}", None, b"a:99:{}"),
        ]:
            thing = array(unserialize(b"a:2:{i:0;" + custom(payload) + b"i:1;b:1;}"))
            whole = thing[0]
            assert isinstance(whole, PhpCustom)
            self.assertEqual((whole.class_name, whole.value, whole.payload), (b"A", value, opaque), payload)
            self.assertIs(thing[1], True)

    def test_nothing_of_a_payload_reaches_out(self) -> None:
        """A string that says it is longer than the payload around it does not end behind it, wherever it may end."""
        for payload in (b'a:1:{i:0;s:%d:"x', b's:%d:"x', b'a:1:{s:%d:"x', b'O:1:"A":2:{i:0;s:%d:"x', b'S:%d:"x'):
            for length in range(30):
                whole = array(
                    unserialize(b"a:3:{i:0;" + custom(payload % length) + b's:1:"k";s:3:"a";";i:1;s:2:"};";}')
                )
                self.assertEqual(list(whole), [0, b"k", 1])
                self.assertEqual(getattr(whole[0], "payload", None), payload % length)
                self.assertEqual((whole[b"k"], whole[1]), (b'a";', b"};"))


class References(SynchronousTestCase):
    """``r`` and ``R``, by PHP's numbers."""

    def test_numbers(self) -> None:
        """Every value counts from its beginning, in order; ``r`` counts, ``R`` and keys do not."""
        for data, pairs in [
            (b'a:2:{i:0;O:1:"A":0:{}i:1;r:2;}', [(0, 1)]),
            (b'a:3:{i:0;O:1:"A":1:{s:1:"a";N;}i:1;r:2;i:2;r:2;}', [(0, 1), (0, 2)]),
            (b'a:4:{s:1:"x";i:1;i:0;O:1:"A":0:{}i:1;r:3;i:2;r:4;}', [(0, 1), (0, 2)]),
            (b'a:4:{i:0;i:1;i:1;R:2;i:2;O:1:"A":0:{}i:3;r:3;}', [(2, 3)]),
            (b"a:3:{i:0;a:2:{i:0;i:1;i:1;i:2;}i:1;R:2;i:2;R:2;}", [(0, 1), (0, 2)]),
            (b'a:3:{i:0;E:3:"A:B";i:1;r:2;i:2;d:1;}', [(0, 1)]),
            (b'a:3:{i:0;C:1:"A":16:{a:1:{i:0;a:0:{}}}i:1;r:2;i:2;N;}', [(0, 1)]),
        ]:
            whole = array(unserialize(data))
            for one, other in pairs:
                self.assertIs(whole[one], whole[other], data)

    def test_an_own_format_counts_what_it_holds(self) -> None:
        """PHP numbers what a class writes with serialize() along with the rest: objects in it may be meant outside."""
        whole = array(
            unserialize(
                b'a:4:{i:0;C:3:"Ser":48:{a:3:{i:0;i:1;i:1;i:2;i:2;O:1:"P":1:{s:1:"a";N;}}}i:1;r:6;i:2;r:2;i:3;r:6;}'
            )
        )
        inner = whole[0]
        assert isinstance(inner, PhpCustom)
        self.assertIs(whole[1], array(inner.value)[2])
        self.assertIs(whole[2], inner)
        self.assertIs(whole[3], whole[1])

    def test_past_an_opaque_format(self) -> None:
        """How many values an opaque payload numbered is not known: what refers past it is unresolved, never another."""
        data = b'a:5:{i:0;O:1:"P":0:{}i:1;C:2:"Js":5:{[1,2]}i:2;O:1:"Q":0:{}i:3;r:4;i:4;r:2;}'
        whole = array(unserialize(data))
        self.assertEqual(whole[3], PhpUnresolved(4))
        self.assertIs(whole[4], whole[0])
        # The object with the opaque payload was numbered before its payload.
        self.assertIsInstance(array(unserialize(data.replace(b"r:4", b"r:3")))[3], PhpCustom)
        self.assertEqual(array(unserialize(data.replace(b"r:4", b"R:999")))[3], PhpUnresolved(999))

    def test_an_opaque_format_inside_another(self) -> None:
        """Where an outer payload is opaque, nothing in it was numbered."""
        outer = custom(b"a:1:{i:0;" + custom(b"x") + b"}!")
        whole = array(unserialize(b"a:3:{i:0;" + outer + b"i:1;r:3;i:2;r:2;}"))
        self.assertEqual(whole[1], PhpUnresolved(3))
        self.assertIs(whole[2], whole[0])

    def test_circles(self) -> None:
        """What holds itself does so here too."""
        ring = array(unserialize(b"a:1:{i:0;R:1;}"))
        self.assertIs(ring[0], ring)
        thing = unserialize(b'O:1:"A":1:{s:1:"a";r:1;}')
        assert isinstance(thing, PhpObject)
        self.assertIs(thing.properties[b"a"], thing)


class Refusals(SynchronousTestCase):
    """What is not PHP's."""

    def test_bad(self) -> None:
        """Each is refused alone and inside of something, and only by the reader's own error."""
        for data in BAD:
            self.assertRaises(SessionUnreadable, unserialize, data)
            self.assertRaises(SessionUnreadable, unserialize, b"a:2:{i:0;" + data + b"i:1;N;}")
        for data in BAD_ALONE:
            self.assertRaises(SessionUnreadable, unserialize, data)

    def test_cut_and_continued(self) -> None:
        """A value that lacks its end, or has something behind it, is refused at every length."""
        for data in [scalar for scalar, _ in SCALARS] + WHOLE:
            unserialize(data)
            for length in range(len(data)):
                self.assertRaises(SessionUnreadable, unserialize, data[:length])
            for more in (b"x", b"\0", b"\n", b"}", b";", b"N;"):
                self.assertRaises(SessionUnreadable, unserialize, data + more)

    def test_errors_say_where_and_nothing_else(self) -> None:
        """An error names the byte and the fault; what stood there may be a secret."""
        error = self.assertRaises(SessionUnreadable, unserialize, b'a:2:{i:0;s:6:"SECRET";i:1;s:6:"SECRET!";}')
        self.assertIn("byte 26", str(error))
        self.assertNotIn("SECRET", str(error))
        self.assertIsNone(error.__cause__)
        self.assertIsInstance(error, ValueError)

    def test_subset_of_php(self) -> None:
        """Whatever is read here is read by PHP too, and means the same."""
        data = [scalar for scalar, _ in SCALARS] + [one for one in WHOLE if b"C:" not in one and b"E:" not in one]
        self.assertEqual([View(names=True).of(unserialize(one)) for one in data], judged(data))


class Bounds(SynchronousTestCase):
    """Size, depth and number: exact, and cheap to find exceeded."""

    def test_size(self) -> None:
        """As many bytes as allowed, and no more."""
        data = b's:10:"0123456789";'
        self.assertEqual(unserialize(data, ParseLimits(size=len(data))), b"0123456789")
        self.assertRaises(SessionUnreadable, unserialize, data, ParseLimits(size=len(data) - 1))
        self.assertRaises(SessionUnreadable, ValueReader, b"x" * (256 * 1024 + 1))

    def test_depth(self) -> None:
        """As deep as allowed, and no deeper: arrays, objects and own formats alike; far from Python's own limit."""
        for opening, closing in [(b"a:1:{i:0;", b"}"), (b'O:1:"A":1:{i:0;', b"}")]:
            deep = opening * 512 + b"N;" + closing * 512
            self.assertIsNotNone(unserialize(deep))
            self.assertRaises(SessionUnreadable, unserialize, opening + deep + closing)
        nested = b"N;"
        for _ in range(10):
            nested = custom(nested)
        self.assertIsNotNone(unserialize(nested, ParseLimits(depth=10)))
        self.assertRaises(SessionUnreadable, unserialize, nested, ParseLimits(depth=9))

    def test_depth_is_not_recursion(self) -> None:
        """However deep it may be, Python's stack is not what bounds it."""
        depth = 3 * sys.getrecursionlimit()
        value = unserialize(b"a:1:{i:0;" * depth + b"N;" + b"}" * depth, ParseLimits(depth=depth))
        for _ in range(depth):
            value = array(value)[0]
        self.assertIsNone(value)

    def test_number_of_values(self) -> None:
        """Every value counts, references included, and a count is believed before anything is read."""
        for data, values in [
            (b"a:3:{i:0;N;i:1;N;i:2;N;}", 4),
            (b"a:3:{i:0;a:0:{}i:1;R:2;i:2;R:2;}", 4),
            (b'O:1:"A":2:{s:1:"a";r:1;s:1:"b";r:1;}', 3),
            (custom(b"a:1:{i:0;N;}"), 3),
            (b"a:2:{i:0;" + custom(b"[]") + b"i:1;N;}", 3 + OPAQUE),
        ]:
            self.assertIsNotNone(unserialize(data, ParseLimits(values=values)))
            self.assertRaises(SessionUnreadable, unserialize, data, ParseLimits(values=values - 1))
        error = self.assertRaises(SessionUnreadable, unserialize, b"a:30000:{" + b"i:0;N;" * 30000 + b"}")
        self.assertIn("byte 0:", str(error))

    def test_limits_hold_in_own_formats(self) -> None:
        """What exceeds a limit is refused, and not taken for an opaque payload."""
        deep = custom(b"a:1:{i:0;" * 600 + b"N;" + b"}" * 600)
        self.assertRaises(SessionUnreadable, unserialize, deep)
        many = custom(b"a:16001:{" + b"".join(b"i:%d;N;" % number for number in range(16001)) + b"}")
        self.assertRaises(SessionUnreadable, unserialize, many)

    def test_the_worst(self) -> None:
        """The most expensive inputs of the largest size are done with in a moment, however they are built."""
        size = 256 * 1024
        rows = b"".join(b"i:%d;a:0:{}" % number for number in range(15_900))
        customs = b""
        while len(customs) < size - 40 and customs.count(b"C") < 250:
            customs = custom(b"a:1:{i:0;" + customs)
        slashes = rb'S:80000:"' + rb"\41" * 80000 + b'";'
        for data in [
            b"a:15900:{" + rows + b"}",
            b"a:1:{i:0;" * (size // 9),
            customs,
            slashes,
            b"d:" + b"1" * (size - 3) + b";",
            b'O:1000:"' + b"A" * 1000 + b'":1:{i:0;' * 250,
            b"a:15999:{" + b"".join(b"i:%d;R:1;" % number for number in range(15_900)),
            b"a:1:{i:0;" + b"".join(custom(b"x" * 50) for _ in range(3000)),
        ]:
            self.assertLessEqual(len(data), size)
            start = time.process_time()
            with contextlib.suppress(SessionUnreadable):
                unserialize(data)
            self.assertLess(time.process_time() - start, 0.5, data[:40])

    @given(st.binary(max_size=200))
    def test_any_bytes(self, data: bytes) -> None:
        """Whatever the bytes are: a value, or the reader's own error."""
        for text in (data, b"a:1:{i:0;" + data + b"}", custom(data)):
            try:
                View().of(unserialize(text))
            except SessionUnreadable as error:
                self.assertIsInstance(str(error), str)
