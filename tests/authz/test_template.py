"""How the topics of a channel are told from all other strings."""

from __future__ import annotations

import re

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from orosync.authz import template
from orosync.model import Match
from orosync.wamp import uris

EMAIL = template.read("oro/email_event/{user_id}/{org}", {"user_id": r"\d+", "org": r"\d+|\*"})

# pattern, requirements, words of the refusal
REFUSED = [
    ("", {}, "1 to 256 characters"),
    ("x" * 257, {}, "1 to 256 characters"),
    ("a b", {}, "printable ASCII"),
    ("a\n", {}, "printable ASCII"),
    ("oro/\u00e9", {}, "printable ASCII"),
    ("a/{", {}, "brace"),
    ("a/{}", {}, "brace"),
    ("a/{1}", {}, "brace"),
    ("a/{x}}", {"x": "a"}, "brace"),
    ("a/{x}/{x}", {"x": "a"}, "stands twice"),
    ("a/{x}", {}, "one requirement and the other way round: x"),
    ("a", {"x": "a"}, "one requirement and the other way round: x"),
    ("a/{x}", {"x": ".++"}, "requirement of {x}: '.++', character 3"),
    ("a/{x}/b", {"x": ".+"}, "{x} may hold '/'"),
    ("a/{x}{y}", {"x": "a", "y": "b"}, "nothing stands between {x}"),
    ("a/{x}-{y}", {"x": "[a-]+", "y": "b"}, "{x} may hold '-'"),
]


class TemplateTests(SynchronousTestCase):
    """template.read and Template"""

    def test_values(self) -> None:
        """A topic's variables are read as they stand, leading zeros and all."""
        self.assertEqual(EMAIL.values("oro/email_event/007/*"), {"user_id": "007", "org": "*"})
        self.assertEqual(EMAIL.values("oro/email_event/7/1"), {"user_id": "7", "org": "1"})
        self.assertEqual(template.read("oro/ping", {}).values("oro/ping"), {})

    def test_other_spellings(self) -> None:
        """Anything but the topic itself is no topic: no decoding, folding, trimming or expanding ever happens."""
        for topic in (
            "oro/email_event/7/1/",
            "oro/email_event/7/1\n",
            " oro/email_event/7/1",
            "oro/email_event/%37/1",
            "oro%2Femail_event/7/1",
            "oro/email_event/\u0667/1",
            "oro/email_event/\uff17/1",
            "oro/email_event//1",
            "oro/email_event/7",
            "Oro/email_event/7/1",
            "ORO/EMAIL_EVENT/7/1",
            "oro:email_event/7/1",
            "oro#email_event/7/1",
            "oro/email_event/7/1?x",
            "oro/email_event/+7/1",
            "oro/email_event/7_0/1",
            "oro/email_event/{user_id}/1",
            "oro/email_event/*/1",
            "oro/email_event/7/" + "1" * 256,
            "",
        ):
            self.assertIsNone(EMAIL.values(topic), topic)

    def test_refused(self) -> None:
        """A channel that cannot be read, or could be read in two ways, is refused with the place."""
        for text, wanted, words in REFUSED:
            self.assertIn(words, str(self.assertRaises(ValueError, template.read, text, wanted)), text)

    def test_fixed(self) -> None:
        """A channel without variables is one topic, also when it holds characters that mean something elsewhere."""
        dotted = template.read("a.b+c", {})
        self.assertTrue(dotted.fixed)
        self.assertIsNone(dotted.values("axb+c"))
        self.assertEqual(dotted.values("a.b+c"), {})
        self.assertFalse(EMAIL.fixed)

    def test_bare(self) -> None:
        """The expression without names tells the same topics as the one with names."""
        self.assertEqual(re.compile(EMAIL.bare).groups, 0)
        self.assertIsNotNone(re.fullmatch(EMAIL.bare, "oro/email_event/7/*"))
        self.assertIsNone(re.fullmatch(EMAIL.bare, "oro/email_event/7/x"))

    def test_could_match(self) -> None:
        """A pattern subscription is recognised wherever it could reach a channel's topics; dots are counted."""
        shop = template.read("shop.{id}.sold", {"id": r"\d+"})
        version = template.read("shop.{v}", {"v": r"[0-9.]+"})
        fixed = template.read("oro/ping", {})
        for one, pattern, match, expected in (
            (EMAIL, "oro/email_event/7/1", Match.EXACT, True),
            (EMAIL, "oro/email_event/x/1", Match.EXACT, False),
            (EMAIL, "", Match.PREFIX, True),
            (EMAIL, "oro/email", Match.PREFIX, True),
            (EMAIL, "oro/email_event/7/", Match.PREFIX, True),
            (EMAIL, "oro/emailx", Match.PREFIX, False),
            (EMAIL, "", Match.WILDCARD, True),
            (EMAIL, ".", Match.WILDCARD, False),
            (EMAIL, "oro/email_event/7/1", Match.WILDCARD, True),
            (fixed, "oro/", Match.PREFIX, True),
            (fixed, "oro/ping/x", Match.PREFIX, False),
            (fixed, "", Match.WILDCARD, True),
            (shop, "..", Match.WILDCARD, True),
            (shop, "shop..sold", Match.WILDCARD, True),
            (shop, "shop.7.", Match.WILDCARD, True),
            (shop, "shop.x.", Match.WILDCARD, False),
            (shop, "shop..bought", Match.WILDCARD, False),
            (shop, "shop.", Match.WILDCARD, False),
            (version, "shop..", Match.WILDCARD, True),
            (version, "shop.1.2", Match.WILDCARD, True),
            (version, "stall..", Match.WILDCARD, False),
        ):
            self.assertIs(one.could_match(pattern, match), expected, (one.text, pattern, match))

    @given(
        st.sampled_from(["a.{x}", "a{x}.b", "{x}", "a.b", "{x}.{y}", "a/{x}/b"]),
        st.sampled_from(["[0-9]+", "[0-9.]{1,2}", "ab|a", "a?b"]),
        st.text(alphabet="ab.1/", max_size=5),
        st.sampled_from([Match.PREFIX, Match.WILDCARD]),
        st.text(alphabet="ab.1/", max_size=6),
    )
    def test_never_a_wrong_no(self, text: str, wanted: str, pattern: str, match: Match, topic: str) -> None:
        """Whenever a pattern receives a topic of the channel, the channel knew that it could."""
        names = re.findall(r"\{(.)\}", text)
        try:
            one = template.read(text, dict.fromkeys(names, wanted))
        except ValueError:
            return
        if one.values(topic) is not None and uris.matches(pattern, match, topic):
            self.assertTrue(one.could_match(pattern, match))


class ShareTests(SynchronousTestCase):
    """could_share"""

    def test_table(self) -> None:
        """Whether one topic could be both templates'."""
        holds = {"n": frozenset("0123456789"), "w": frozenset("abc"), "s": frozenset("/")}
        for one, other, optional, shared in (
            ("a", "a", "", True),
            ("a", "b", "", False),
            ("a/{n}", "a/{n}", "", True),
            ("a/{n}", "a/{w}", "", False),
            ("a/{n}", "a/17", "", True),
            ("a/{n}", "a/1b", "", False),
            ("a/{n}", "a/", "", False),
            ("a/{n}", "a/", "n", True),
            ("a/{n}", "a", "n", True),
            ("a/{n}/b", "a/b", "n", True),
            ("a/{x}", "a/b/{n}", "", True),
            ("a{s}b", "a/{w}", "", True),
            ("{x}", "a/{n}", "", True),
            ("{w}/{n}", "a/{n}/{n}", "", False),
            ("a{w}c", "{w}", "", True),
            ("{w}x{n}", "{n}x{w}", "", False),
        ):
            steps = [template.steps(text, holds, optional) for text in (one, other)]
            self.assertIs(template.could_share(*steps), shared, (one, other))
            self.assertIs(template.could_share(*reversed(steps)), shared, (other, one))

    @given(st.lists(st.sampled_from(["a", "b", "/", "{x}", "{n}", "{o}"]), max_size=6), st.data())
    def test_never_a_wrong_no(self, pieces: list[str], data: st.DataObject) -> None:
        """A template shares topics with each of its own topics, written out or with a variable in place of a part."""
        holds, values = {"n": frozenset("17"), "o": frozenset("ab")}, {"x": "a/.", "n": "17", "o": "ab"}
        written = []
        for piece in pieces:
            if piece[0] == "{" and data.draw(st.booleans()):
                name = piece[1]
                piece = data.draw(st.text(alphabet=values[name], min_size=0 if name == "o" else 1, max_size=3))
            written.append(piece)
        one, other = (template.steps("".join(each), holds, "o") for each in (pieces, written))
        self.assertTrue(template.could_share(one, other))
