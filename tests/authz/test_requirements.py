"""What an administrator may write as the requirement of a variable."""

from __future__ import annotations

import re
import time

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from orosync.authz import requirements

# requirement, what it matches, what it does not
READ = [
    (r"\d+", ["0", "7", "007", "123456"], ["", "a", "7 ", "7\n", "\u0667", "\uff17", "-1", "7a", "*"]),
    (r"\d+|\*", ["7", "*"], ["**", "7*", "", "\u0667"]),
    ("[0-9a-f]{8}", ["0123abcd"], ["0123ABCD", "0123abc", "0123abcde"]),
    ("[a-z_-]+", ["sales_eu", "-", "_"], ["A", "1", "\u017f", "\u212a"]),
    ("(a|b)c", ["ac", "bc"], ["a", "c", "abc"]),
    ("(?:on|off)?x", ["onx", "offx", "x"], ["on", "onoffx"]),
    (r"v\d{1,3}", ["v1", "v123"], ["v", "v1234"]),
    (r"\d{2,}", ["12", "123"], ["1"]),
    (r"[*.]", ["*", "."], ["a", ""]),
    (r"a\.b", ["a.b"], ["axb"]),
    (r"[a\-z]", ["a", "-", "z"], ["b"]),
    (r"[\]x]", ["]", "x"], ["[", "y"]),
    ("en|de|fr", ["en", "de", "fr"], ["e", "ende", "EN"]),
    ("x*y", ["y", "xxy"], ["x", "z"]),
    (r"\#|&~|<>", ["#", "&~", "<>"], ["&"]),
    (".+", ["a/b", "*", "~!"], ["", "a b", "a\n", "\u00e9", "\x7f"]),
    (r"\w+", ["aZ_09"], ["a-b", "\u00e9", "\u0667", ""]),
    (r"\S", ["/", "a"], [" ", "\u00e9"]),
    (r"\D\W", ["a/", "//"], ["1/", "aa", " /", "a\u00e9"]),
    ("[^/]+", ["a.b", "*"], ["a/b", "a b", "\u00e9", "\n"]),
    (r"[^\d\]^-]", ["a", "["], ["0", "]", "^", "-", "\u0667"]),
    (r"[\w.-]+", ["a.b-c_1"], ["a/b"]),
    ("[a^]", ["a", "^"], ["b"]),
]

# requirement, the character (from 1) that is named, words of the message
REFUSED = [
    (r"^\d+$", 1, "anchors"),
    (r"\d+$", 4, "anchors"),
    (r"\s+", 2, "escapes"),
    (r"\pL", 2, "escapes"),
    (r"\x41", 2, "escapes"),
    (r"\Qa\E", 2, "escapes"),
    ("\\", 2, "escapes"),
    ("[]", 2, "empty"),
    ("[^]a]", 3, "empty"),
    (r"[^\w\W]", 8, "empty"),
    (r"[^\--a]", 5, "behind an escape"),
    (r"[\d-z]", 4, "behind an escape"),
    ("[^(]", 3, "written \\("),
    ("[#]", 2, "written \\#"),
    ("[{]", 2, "written \\{"),
    ("#", 1, "not read in requirements"),
    (".+?", 3, "nothing to repeat"),
    (".++", 3, "nothing to repeat"),
    ("(?i)a", 2, "only (?: is read"),
    ("[a-", 4, "not closed"),
    ("[[:alpha:]]", 2, "written \\["),
    ("[z-a]", 2, "upwards"),
    ("[A-z]", 2, "upwards"),
    ("[a b]", 3, "not read in a class"),
    ("*", 1, "nothing to repeat"),
    ("a++", 3, "nothing to repeat"),
    ("a+?+", 3, "nothing to repeat"),
    ("a{,3}", 2, "a count is written"),
    ("a{3", 2, "a count is written"),
    ("a{3,2}", 2, "counts go upwards"),
    ("a{65}", 2, "counts go upwards"),
    ("a{0}", 2, "counts go upwards"),
    ("a|", 3, "alternative is empty"),
    ("|a", 1, "alternative is empty"),
    ("()", 2, "alternative is empty"),
    ("(a", 3, "not closed"),
    ("a)", 2, "never opened"),
    ("(?=a)b", 2, "only (?: is read"),
    ("(?P<x>a)", 2, "only (?: is read"),
    ("(a)+", 4, "not repeated"),
    ("(ab){2}", 5, "not repeated"),
    ("a b", 2, "not read in requirements"),
    ("a}", 2, "not read in requirements"),
    ("\u0667", 1, "not read in requirements"),
    ("\u00e9", 1, "not read in requirements"),
    ("a+b+c+", 6, "more than 2 repeats"),
    ("a?b?c?d?e?", 10, "more than 4 choices"),
]


class RequirementTests(SynchronousTestCase):
    """requirements.read"""

    def test_what_is_read(self) -> None:
        """A requirement of Oro's routing files matches whole values, in ASCII only, exactly as PHP's would."""
        for text, yes, no in READ:
            regex = re.compile(requirements.read(text).regex, re.ASCII)
            for value in yes:
                self.assertIsNotNone(regex.fullmatch(value), (text, value))
            for value in no:
                self.assertIsNone(regex.fullmatch(value), (text, value))

    def test_what_is_refused(self) -> None:
        """Whatever could be mistaken is refused with the place, so that an administrator finds it at once."""
        for text, place, words in REFUSED:
            error = self.assertRaises(ValueError, requirements.read, text)
            self.assertIn(f"character {place}:", str(error), text)
            self.assertIn(words, str(error), text)

    def test_nothing_at_all(self) -> None:
        """A variable never holds nothing: neither an empty requirement nor one that matches the empty text is read."""
        for text in ("", "x" * 129):
            self.assertIn("1 to 128 characters", str(self.assertRaises(ValueError, requirements.read, text)))
        for text in ("a*", "a?", "a{0,3}", "x|(y)?"):
            self.assertIn("nothing at all", str(self.assertRaises(ValueError, requirements.read, text)))

    def test_without(self) -> None:
        """A requirement that is one repeated character or class can lose a character; of others nothing is said."""
        for text in (".+", "[a/]+", r"\w+", "[^a]+", r"\D+"):
            found = requirements.without(text, "/")
            assert found is not None
            self.assertEqual(requirements.read(found).alphabet, requirements.read(text).alphabet - {"/"})
            self.assertTrue(found.startswith("[") and found.endswith("]+"), found)
        self.assertEqual(requirements.without(".+", "/"), r"[^\/]+")
        for text in ("/+", "(a|/)b", "a/", "a|/", "/", "/{2}", "a+/+"):
            self.assertIsNone(requirements.without(text, "/"), text)

    def test_alphabet(self) -> None:
        """The characters that a variable could ever hold are known; the reading of templates depends on it."""
        self.assertEqual(requirements.read(r"[a-c]+|\*|(x\.)?-").alphabet, frozenset("abc*x.-"))

    @given(st.text(alphabet=r"\dwDWS[]()|*+?{}1,a-z^$. :", max_size=12), st.text(alphabet="1az-*.\u0667\n", max_size=5))
    def test_any_text(self, text: str, value: str) -> None:
        """Whatever is written, reading either refuses it with ValueError or yields what Python's own re means by it,
        among the values that topics can have."""
        try:
            read = requirements.read(text)
        except ValueError:
            return
        ours = re.fullmatch(read.regex, value, re.ASCII) is not None
        theirs = re.fullmatch(text, value, re.ASCII | re.DOTALL) is not None
        self.assertEqual(ours, theirs and set(value) <= requirements.PRINTABLE)
        if ours:
            self.assertLessEqual(set(value), read.alphabet)

    def test_no_slow_match(self) -> None:
        """The worst requirement that is read, on the longest topic that is looked at, takes no noticeable time."""
        regex = re.compile(requirements.read("(?:a|a)(?:a|a)(?:a|a)(?:a|a)a+a+b").regex, re.ASCII)
        begun = time.process_time()
        self.assertIsNone(regex.fullmatch("a" * 256))
        self.assertLess(time.process_time() - begun, 0.5)
