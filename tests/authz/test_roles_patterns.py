"""Where two patterns reach the same URIs."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from orosync.authz.roles import could_meet
from orosync.model import Match
from orosync.wamp import uris

EXACT, PREFIX, WILDCARD = Match.EXACT, Match.PREFIX, Match.WILDCARD

TABLE = [
    ("a.b", EXACT, "a.b", EXACT, True),
    ("a.b", EXACT, "a", EXACT, False),
    ("a.b", EXACT, "a", PREFIX, True),
    ("a", EXACT, "a.", PREFIX, False),
    ("a.b", EXACT, "a.", WILDCARD, True),
    ("a.b", EXACT, ".c", WILDCARD, False),
    ("a.b", EXACT, "..", WILDCARD, False),
    ("a.", PREFIX, "a.b.", PREFIX, True),
    ("a.b", PREFIX, "a.c", PREFIX, False),
    ("", PREFIX, "x..", WILDCARD, True),
    ("a.b", PREFIX, ".bc", WILDCARD, True),
    ("a.b", PREFIX, "..", WILDCARD, True),
    ("a.bc", PREFIX, ".b", WILDCARD, False),
    ("a.b.c", PREFIX, "a.", WILDCARD, False),
    ("x.b", PREFIX, "a..", WILDCARD, False),
    ("a.", WILDCARD, ".b", WILDCARD, True),
    ("a.", WILDCARD, "b.", WILDCARD, False),
    ("a.", WILDCARD, "a..", WILDCARD, False),
]


class OverlapTests(SynchronousTestCase):
    """could_meet"""

    def test_table(self) -> None:
        """Two patterns meet where some URI is matched by both, whichever is named first."""
        for one, one_match, other, other_match, expected in TABLE:
            self.assertIs(could_meet(one, one_match, other, other_match), expected, (one, other))
            self.assertIs(could_meet(other, other_match, one, one_match), expected, (other, one))

    @given(
        st.text(alphabet="ab.", max_size=5),
        st.sampled_from(Match),
        st.text(alphabet="ab.", max_size=5),
        st.sampled_from(Match),
        st.text(alphabet="ab.", max_size=7),
    )
    def test_never_a_wrong_no(self, one: str, one_match: Match, other: str, other_match: Match, uri: str) -> None:
        """No URI is ever matched by two patterns that were said not to meet."""
        if uris.matches(one, one_match, uri) and uris.matches(other, other_match, uri):
            self.assertTrue(could_meet(one, one_match, other, other_match))
