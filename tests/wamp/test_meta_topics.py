"""Which meta topics a subscription hears: those that it matches, and cheaply none for nearly all."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from orosync.model import Match
from orosync.wamp.meta_topics import ON_JOIN, ON_LEAVE, TOPICS, matched_by
from orosync.wamp.uris import matches

PARTS = ["wamp", "session", "subscription", "registration", "on_join", "on_delete", "on_create", "", "w", "oro"]


class HeardBy(SynchronousTestCase):
    """``matched_by`` of exact topics, prefixes and wildcards."""

    def test_each_kind(self) -> None:
        """An exact topic hears itself, a prefix what begins with it, a wildcard what fits its components."""
        for topic, match, heard in [
            (ON_JOIN, Match.EXACT, (ON_JOIN,)),
            ("oro/data/update", Match.EXACT, ()),
            ("wamp.session.", Match.PREFIX, (ON_JOIN, ON_LEAVE)),
            ("", Match.PREFIX, TOPICS),
            ("oro", Match.PREFIX, ()),
            ("wamp.session.", Match.WILDCARD, (ON_JOIN, ON_LEAVE)),
            (".session.on_join", Match.WILDCARD, (ON_JOIN,)),
            ("oro..on_join", Match.WILDCARD, ()),
        ]:
            self.assertEqual(matched_by(topic, match), heard, (topic, match))

    @given(st.lists(st.sampled_from(PARTS), max_size=4).map(".".join), st.sampled_from(Match))
    def test_like_the_rule(self, topic: str, match: Match) -> None:
        """The short cuts find what asking for each topic would find."""
        self.assertEqual(matched_by(topic, match), tuple(each for each in TOPICS if matches(topic, match, each)))
