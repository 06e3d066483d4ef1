"""What is taken for JSON, and what for a browser's slip."""

from __future__ import annotations

import json

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from orosync.errors import ProtocolViolation
from orosync.wamp import json_rules
from orosync.wamp.formats import MAX_DEPTH, UnsupportedValue

LONE = [
    (rb'"\ud83d"', "\ufffd"),
    (rb'"\uDE00"', "\ufffd"),
    (rb'"cut \ud83d"', "cut \ufffd"),
    (rb'"\ud83dx"', "\ufffdx"),
    (rb'"\ud83d\n"', "\ufffd\n"),
    (rb'"\ud83d\ud83d\ude00"', "\ufffd\U0001f600"),
    (rb'"\ude00\ud83d"', "\ufffd\ufffd"),
    (rb'"\\\ud83d"', "\\\ufffd"),
    (rb'{"\ud83d": 1}', {"\ufffd": 1}),
]

WHOLE = [
    (rb'"\ud83d\ude00"', "\U0001f600"),
    (rb'"\\ud83d"', "\\ud83d"),
    (rb'"\\\\ud83d"', "\\\\ud83d"),
    (rb'"\u00e9\u0000"', "\u00e9\0"),
    (b"1.5e3", 1500.0),
    (b"123456789012345678901234567890", 123456789012345678901234567890),
]

REFUSED = [
    b"",
    b"nul",
    b"NaN",
    b"[NaN]",
    b"[Infinity]",
    b"[-Infinity]",
    b"[1,]",
    b"[1] 2",
    b"['a']",
    b'["a\nb"]',
    b'["\xff"]',
    b'{"\xff": 1}',
    b'["\xed\xa0\xbd"]',
    b"\xef\xbb\xbf[1]",
    b"[01]",
    b'{"a": 1, }',
    b"{1: 2}",
    b'["\\ud83d", NaN]',
    b'["\\ud8"]',
    b'["\\uzzzz"]',
    b"[" * 100000,
    b"[1e400, NaN]",
    b"[1e400, nope]",
    b"[1e400",
]

ODD = [
    b"1e400",
    b'[-1e999, {"a": "x"}]',
    b"[" + b"9" * 5000 + b"]",
    b'["\\ud83d", 1e400]',
    b"[" * 100000 + b"]" * 100000,
    b'[["\\"["],' + b'{"a":' * 100000 + b"[]" + b"}" * 100000 + b"]",
]
"""Well-formed, and for nobody."""


class Reading(SynchronousTestCase):
    """One JSON text."""

    def test_lone_surrogates(self) -> None:
        """An emoji cut in half by a browser costs nobody the session: it is read as a replacement character."""
        for text, expected in LONE:
            self.assertEqual(json_rules.read(text), expected, text)

    def test_whole_text_is_untouched(self) -> None:
        """What is fine stays as it is, also where it only looks like half an emoji."""
        for text, expected in WHOLE:
            self.assertEqual(json_rules.read(text), expected, text)
            self.assertEqual(json_rules.mend(text), text)

    def test_refused(self) -> None:
        """What no receiver could read is refused, alone or as an element."""
        for text in REFUSED:
            self.assertRaises(ProtocolViolation, json_rules.read, text)

    def test_for_nobody(self) -> None:
        """Numbers beyond a double and levels beyond any stack are well-formed: they cost the request alone."""
        for text in ODD:
            self.assertRaises(UnsupportedValue, json_rules.read, text)

    @settings(max_examples=200, deadline=None, database=None)
    @given(st.text(st.sampled_from('a\\"\ud83d\ude00\ud800é\n'), max_size=12))
    def test_mending_changes_halves_only(self, text: str) -> None:
        """Whatever surrogates a string holds, it reads as Python reads it, with each lone half replaced."""
        written = json.dumps(text).encode()
        whole = json.loads(written).encode("utf-16", "surrogatepass").decode("utf-16", "replace")
        mended = json_rules.mend(written)
        self.assertEqual(len(mended), len(written))
        # Python's replacement swallows what follows a high half, so only its presence is compared there.
        if "\ufffd" not in whole:
            self.assertEqual(mended, written)
        self.assertEqual(json.loads(mended).encode().count("\ufffd".encode()), halves(json.loads(written)))

    def test_kinds(self) -> None:
        """The codec learns what an element holds while it is checked."""
        for text, expected in [
            (b"[1]", list),
            (b"{}", dict),
            (b'"x"', str),
            (b"null", type(None)),
            (b'"\\u0000AQI="', bytes),
            (b'"\\u0000AQI"', str),
            (b'"\\u0000!"', str),
            (b'"\\u0000\xc3\xa9"', str),
        ]:
            self.assertIs(json_rules.kind(text), expected, text)

    def test_binary(self) -> None:
        """Text of NUL and Base64 is binary; other text is not."""
        self.assertEqual(json_rules.binary("\0AQI="), b"\1\2")
        self.assertEqual(json_rules.binary("\0"), b"")
        for text in ["AQI=", "\0A", "\0AQI=AQI=", "\0A QI=", "\0é", ""]:
            self.assertIsNone(json_rules.binary(text), text)


def halves(text: str) -> int:
    """How many lone surrogates Python sees in ``text``."""
    return sum(0xD800 <= ord(character) < 0xE000 for character in text) + text.count("\ufffd")


class Elements(SynchronousTestCase):
    """An array's elements as they stand in the text."""

    def test_elements(self) -> None:
        """Each element is the very bytes that the client wrote."""
        for text, expected in [
            (b"[]", []),
            (b' [ 1 ,"a, b" , [2, 3] ] ', [b"1", b'"a, b"', b"[2, 3]"]),
            (rb'[7,"\ud83d",[1 , "\ud83d"], {"a":"]"}]', [b"7", rb'"\ud83d"', rb'[1 , "\ud83d"]', b'{"a":"]"}']),
            (rb' [ [ "\ude00" ] , 1 ]', [rb'[ "\ude00" ]', b"1"]),
        ]:
            self.assertEqual(json_rules.elements(text), expected, text)

    def test_refused(self) -> None:
        """What is no array, or no JSON, has no elements."""
        for text in [b"", b"{}", b"1", b'"x"', b"null", b"[1", b"[NaN]", rb'["\ud83d", nope]', rb'{"a":"\ud83d"}']:
            self.assertRaises(ProtocolViolation, json_rules.elements, text)


class Parts(SynchronousTestCase):
    """A message of which something is for nobody."""

    def test_parts(self) -> None:
        """Each element as it came, and which of them are not supported."""
        deep = b"[" * 5000 + b"]" * 5000
        for text, expected, unsupported in [
            (b" [ ] ", [], []),
            (b'[16,1,{"a":[1,"]"]}, "t" ,[1e400]]', [b"16", b"1", b'{"a":[1,"]"]}', b'"t"', b"[1e400]"], [4]),
            (
                rb'[16,1,{},"\u0000x",["\u0000AQI="],{"\u0000x":1}]',
                [b"16", b"1", b"{}", rb'"\u0000x"', rb'["\u0000AQI="]', rb'{"\u0000x":1}'],
                [],
            ),
            (rb'[16,1,{},"t",[1,{"a":"\u0000x"}]]', [b"16", b"1", b"{}", b'"t"', rb'[1,{"a":"\u0000x"}]'], [4]),
            (b'[16,1,{},"t",' + deep + b',{"k":1}]', [b"16", b"1", b"{}", b'"t"', deep, b'{"k":1}'], [4]),
        ]:
            parts, found = json_rules.parts(text)
            self.assertEqual((parts, sorted(found)), (expected, unsupported))
        for text in [
            b"",
            b"{}",
            b"[1,]",
            b"[1",
            b"[1]]",
            b"[1] 2",
            b"[1e400,nope]",
            b"[,1]",
            b"[1e400,,1]",
            b'["x]',
            deep[:-1],
        ]:
            self.assertRaises(ProtocolViolation, json_rules.parts, text)

    def test_quick_look_for_binary(self) -> None:
        """Base64 behind a NUL is told at a glance; whatever else begins with NUL has to be looked at."""
        for text, expected in [
            (rb'["\u0000AQI="]', False),
            (rb'["\u0000"]', False),
            (rb'["\u0000AQIB", "x\u0000y"]', False),
            (rb'["\u0000x"]', True),
            (rb'["\u0000AQI="', False),
            (rb'["\u0000AQI"]', True),
            (rb'["\u0000//8=", "\u0000\/\/8="]', True),
        ]:
            self.assertEqual(json_rules.may_be_no_binary(text), expected, text)
        self.assertEqual(json_rules.parts(rb'["\u0000\/\/8="]')[1], {})

    def test_entries(self) -> None:
        """The supported entries of options that hold unsupported ones."""
        deep = b"[" * 5000 + b"]" * 5000
        for text, expected in [
            (b'{"a": true , "b" : 1e400, "c":["x,y"]}', {"a": True, "c": ["x,y"]}),
            (b'{"a":' + deep + b',"\\"b\\"":{"c":2}}', {'"b"': {"c": 2}}),
        ]:
            self.assertEqual(json_rules.entries(text), expected)
        self.assertRaises(ProtocolViolation, json_rules.entries, b"[1e400]")

    @settings(max_examples=200, deadline=None, database=None)
    @given(
        st.recursive(
            st.none() | st.text(st.sampled_from('a,"[]{}:\\'), max_size=6) | st.integers(),
            lambda inner: (
                st.lists(inner, max_size=4)
                | st.dictionaries(st.text(st.sampled_from('a,"[]{}:\\'), max_size=4), inner, max_size=3)
            ),
            max_leaves=12,
        )
    )
    def test_taken_apart(self, value: object) -> None:
        """The pieces of an array or object are its elements, whatever stands in its text."""
        pieces = json_rules.split(json.dumps([value, [value], {"k": value}], indent=1).encode())
        self.assertEqual([json.loads(piece) for piece in pieces], [value, [value], {"k": value}])


class Depth(SynchronousTestCase):
    """How deep arrays and objects may nest."""

    def nested(self, levels: int, *, filler: bytes = b"") -> bytes:
        opening, closing = (b'{"a":[', b"]}") if levels % 2 == 0 else (b'[{"a":[', b"]}]")
        pairs = levels // 2 if levels % 2 == 0 else (levels - 3) // 2 + 1
        text = opening + b'{"a":[' * (pairs - 1) + filler + b"]}" * (pairs - 1) + closing
        json.loads(text)
        return text

    def test_bound(self) -> None:
        """MAX_DEPTH levels are fine, one more is not, whatever stands inside and beside."""
        for filler in [b"", b'"[[[[{{{{"', b'"\\"[", "]"', b"1"]:
            json_rules.check_depth(self.nested(MAX_DEPTH, filler=filler))
            self.assertRaises(UnsupportedValue, json_rules.check_depth, self.nested(MAX_DEPTH + 1, filler=filler))

    def test_inside_others(self) -> None:
        """What stands inside a message has so many levels less."""
        for level in range(3):
            for levels, fine in [(MAX_DEPTH - level, True), (MAX_DEPTH - level + 1, False)]:
                text = b"[" * levels + b"]" * levels
                if fine:
                    json_rules.check_depth(text, level)
                else:
                    self.assertRaises(UnsupportedValue, json_rules.check_depth, text, level)

    def test_many_are_not_deep(self) -> None:
        """A long list of small objects is no deep nesting."""
        json_rules.check_depth(json.dumps([{"a": [n]} for n in range(500)]).encode())

    def test_brackets_in_text_do_not_count(self) -> None:
        """Brackets inside strings are text."""
        json_rules.check_depth(json.dumps(["[" * 500 + '"' + "{" * 500]).encode())
