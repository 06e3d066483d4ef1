"""URIs: the predefined ones, form, matching, and which pattern lies within which."""

from __future__ import annotations

from itertools import product

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from orosync.errors import RequestError
from orosync.model import Match
from orosync.wamp import uris

EXACT, PREFIX, WILDCARD = Match.EXACT, Match.PREFIX, Match.WILDCARD
CLOSING = {"system_shutdown", "goodbye_and_out", "killed"}


class Predefined(SynchronousTestCase):
    """The predefined URIs are WAMP's: clients compare these strings."""

    def predefined(self) -> dict[str, str]:
        return {name: value for name, value in vars(uris).items() if name.isupper() and str(value).startswith("wamp.")}

    def test_a_name_says_its_uri(self) -> None:
        """Each constant is named after the last part of its URI, and is in the branch where WAMP has it."""
        self.assertTrue(len(self.predefined()) > 25)
        for name, uri in self.predefined().items():
            branch = "wamp.close." if name.lower() in CLOSING else "wamp.error."
            self.assertTrue(uri.startswith(branch), uri)
            self.assertEqual(uri.removeprefix(branch).replace(".", "_"), name.lower())

    def test_strict(self) -> None:
        """Each is a strict URI of the protocol's own."""
        for uri in self.predefined().values():
            uris.check(uri, strict=True)
            self.assertTrue(uris.is_reserved(uri))

    def test_the_one_with_a_dot(self) -> None:
        """The only URI with a component more is the one of the option disclose_me."""
        dotted = [uri for uri in self.predefined().values() if uri.count(".") != 2]
        self.assertEqual(dotted, ["wamp.error.option_disallowed.disclose_me"])


class Form(SynchronousTestCase):
    """What is a URI and what is not."""

    FORMS = (
        # uri, then whether it is well formed for: exact, prefix, wildcard
        ("com.example.topic", True, True, True),
        ("oro/email_event/1/*", True, True, True),
        ("oro/data/update", True, True, True),
        ("a", True, True, True),
        ("Ünïcode.ключ", True, True, True),
        ("a.", False, True, True),
        ("", False, True, True),
        ("a..b", False, False, True),
        (".a", False, False, True),
        (".", False, False, True),
        ("..", False, False, True),
        ("a b", False, False, False),
        ("a\n", False, False, False),
        ("a.b\n", False, False, False),
        ("a\u00a0b", False, False, False),
        ("a#b", False, False, False),
        ("#", False, False, False),
        ("x" * uris.LONGEST, True, True, True),
        ("a." * (uris.LONGEST // 2 - 1) + "bc", True, True, False),
        ("a." * (uris.COMPONENTS - 1) + "b", True, True, True),
        ("a." * uris.COMPONENTS + "b", True, True, False),
        ("." * (uris.COMPONENTS - 1), False, False, True),
        ("." * uris.COMPONENTS, False, False, False),
        ("x" * (uris.LONGEST + 1), False, False, False),
        ("a." * (uris.LONGEST // 2) + "b", False, False, False),
        ("." * (uris.LONGEST + 1), False, False, False),
        ("x" * 60_000, False, False, False),
    )

    def test_loose(self) -> None:
        """Neither whitespace nor "#" anywhere; empty components only where a pattern may have them."""
        for uri, *expected in self.FORMS:
            for match, fine in zip(Match, expected, strict=True):
                self.assertEqual(self.well_formed(uri, match), fine, f"{uri!r} {match}")

    def test_strict(self) -> None:
        """Strict URIs are made of lower case letters, digits and underscores."""
        for uri, fine in [
            ("com.my_app.x1", True),
            ("Com.app", False),
            ("oro/ping", False),
            ("a-b", False),
            ("é", False),
        ]:
            for match in Match:
                self.assertEqual(self.well_formed(uri, match, strict=True), fine, uri)
        self.assertTrue(self.well_formed("a..b", WILDCARD, strict=True))
        self.assertTrue(self.well_formed("a.", PREFIX, strict=True))
        self.assertFalse(self.well_formed("a..b", EXACT, strict=True))

    def well_formed(self, uri: str, match: Match, strict: bool = False) -> bool:
        try:
            uris.check(uri, match, strict=strict)
        except RequestError as error:
            self.assertEqual(error.uri, uris.INVALID_URI)
            return False
        return True

    def test_reserved(self) -> None:
        """Only the protocol itself may use URIs whose first component is "wamp"."""
        for uri, reserved in [("wamp.session.count", True), ("wamp", True), ("wampum.x", False), ("com.wamp.x", False)]:
            self.assertEqual(uris.is_reserved(uri), reserved, uri)


class Matching(SynchronousTestCase):
    """Which pattern matches which URI."""

    TABLE = (
        ("a.b", EXACT, "a.b", True),
        ("a.b", EXACT, "a.b.c", False),
        ("a.b", PREFIX, "a.b", True),
        ("a.b", PREFIX, "a.bc.d", True),
        ("a.b.", PREFIX, "a.b", False),
        ("", PREFIX, "anything", True),
        ("a.b", PREFIX, "a", False),
        ("a..c", WILDCARD, "a.b.c", True),
        ("a..c", WILDCARD, "a.b.b.c", False),
        ("a..c", WILDCARD, "a.c", False),
        (".b", WILDCARD, "a.b", True),
        ("a.", WILDCARD, "a.b", True),
        ("a.", WILDCARD, "a", False),
        ("", WILDCARD, "a", True),
        ("", WILDCARD, "a.b", False),
        ("a.b", WILDCARD, "a.b", True),
        ("a.b", WILDCARD, "a.c", False),
    )

    def test_table(self) -> None:
        """By string for prefixes, by component for wildcards."""
        for pattern, match, uri, expected in self.TABLE:
            self.assertEqual(uris.matches(pattern, match, uri), expected, f"{pattern} {match} {uri}")


UNIVERSE = ["".join(letters) for length in range(6) for letters in product("ab.", repeat=length)]
PATTERNS = st.tuples(st.text("ab.", max_size=4), st.sampled_from(Match))


class Covering(SynchronousTestCase):
    """A pattern subscription is granted only where all that it could match is granted."""

    TABLE = (
        ("oro/", PREFIX, "oro/ping", EXACT, True),
        ("oro/", PREFIX, "oro/data", PREFIX, True),
        ("oro/data", PREFIX, "oro/", PREFIX, False),
        ("a.", PREFIX, "a..c", WILDCARD, True),
        ("a.b", PREFIX, "a..c", WILDCARD, False),
        ("a..", WILDCARD, "a.b.", WILDCARD, True),
        ("a.b.", WILDCARD, "a..", WILDCARD, False),
        ("a..c", WILDCARD, "a.", PREFIX, False),
        ("a.b", EXACT, "a.b", PREFIX, False),
        ("a.b", EXACT, "a.b", WILDCARD, True),
        ("a.b", EXACT, "a.", WILDCARD, False),
        ("a.", WILDCARD, "a.b", EXACT, True),
        ("", PREFIX, "", WILDCARD, True),
    )

    def test_table(self) -> None:
        """Some cases that one can follow in one's head."""
        for grant, grant_match, pattern, match, expected in self.TABLE:
            found = uris.covers(grant, grant_match, pattern, match)
            self.assertEqual(found, expected, f"{grant} {grant_match} / {pattern} {match}")

    @settings(max_examples=600, deadline=None, database=None)
    @given(PATTERNS, PATTERNS)
    def test_against_brute_force(self, granted: tuple[str, Match], asked: tuple[str, Match]) -> None:
        """For all nine combinations: exactly those are covered whose every URI is matched by the grant."""
        reached = [uri for uri in UNIVERSE if uris.matches(*asked, uri)]
        self.assertEqual(uris.covers(*granted, *asked), all(uris.matches(*granted, uri) for uri in reached))
