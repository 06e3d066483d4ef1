"""Tests for orosync.router.patterns."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from orosync.model import Match
from orosync.router.patterns import PrefixIndex, UriIndex, WildcardIndex
from orosync.wamp.uris import matches

EXACT, PREFIX, WILDCARD = Match.EXACT, Match.PREFIX, Match.WILDCARD

# (pattern, match, uris that fit, uris that do not)
MATCHING = [
    ("com.app", PREFIX, ["com.app", "com.app.x", "com.apple", "com.app."], ["com.ap", "xcom.app", "Com.app", ""]),
    ("com.app.", PREFIX, ["com.app.x", "com.app."], ["com.app", "com.apple"]),
    ("", PREFIX, ["a", "a.b", "oro/ping"], []),
    ("oro/data", PREFIX, ["oro/data/update", "oro/data"], ["oro/ping"]),
    ("com..done", WILDCARD, ["com.a.done", "com.b.done"], ["com.done", "com.a.b.done", "com.a.undone", "org.a.done"]),
    (".app", WILDCARD, ["com.app", "org.app"], ["app", "com.app.x", "com.apple"]),
    ("com.", WILDCARD, ["com.a", "com.b"], ["com", "com.a.b", "org.a"]),
    ("..", WILDCARD, ["a.b.c"], ["a.b", "a.b.c.d"]),
    ("", WILDCARD, ["a", "oro/ping"], ["a.b"]),
    ("a.b", WILDCARD, ["a.b"], ["a.c", "a"]),
]

# WAMP, "Calls matching multiple registrations": the specification's own example.
REGISTERED = [
    ("a1.b2.c3.d4.e55", EXACT),
    ("a1.b2.c3", PREFIX),
    ("a1.b2.c3.d4", PREFIX),
    ("a1.b2..d4.e5", WILDCARD),
    ("a1.b2.c33..e5", WILDCARD),
    ("a1.b2..d4.e5..g7", WILDCARD),
    ("a1.b2..d4..f6.g7", WILDCARD),
]
PREFERRED = [
    ("a1.b2.c3.d4.e55", 1),
    ("a1.b2.c3.d98.e74", 2),
    ("a1.b2.c3.d4.e325", 3),
    ("a1.b2.c55.d4.e5", 4),
    ("a1.b2.c88.d4.e5.f6.g7", 6),
    ("a2.b2.c2.d2.e2", None),
]

COMPONENT = st.sampled_from(["a", "b", "ab"])
URIS = st.lists(COMPONENT, min_size=1, max_size=4).map(".".join)
PATTERNS = st.one_of(
    st.tuples(st.lists(COMPONENT, min_size=1, max_size=4).map(".".join), st.sampled_from([EXACT, PREFIX])),
    st.tuples(st.text("ab.", max_size=5), st.just(PREFIX)),
    st.tuples(st.lists(st.one_of(COMPONENT, st.just("")), min_size=1, max_size=4).map(".".join), st.just(WILDCARD)),
)


def filed(patterns: list[tuple[str, Match]]) -> UriIndex[tuple[str, Match]]:
    index: UriIndex[tuple[str, Match]] = UriIndex()
    for pattern, match in patterns:
        index.add(pattern, match, (pattern, match))
    return index


def runs(pattern: str) -> list[int]:
    """The lengths of the runs of components before each gap and after the last."""
    lengths = [0]
    for component in pattern.split("."):
        if component:
            lengths[-1] += 1
        else:
            lengths.append(0)
    return lengths


class Matching(SynchronousTestCase):
    """Which URIs a pattern stands for."""

    def test_table(self) -> None:
        """A prefix is compared as a string, a wildcard pattern component by component."""
        for pattern, match, fitting, others in MATCHING:
            index = filed([(pattern, match)])
            for uri in fitting:
                self.assertEqual(index.patterns(uri), [(pattern, match)], (pattern, match, uri))
            for uri in others:
                self.assertEqual(index.patterns(uri), [], (pattern, match, uri))

    def test_opaque_topics(self) -> None:
        """A v1 topic with empty components is one topic: a pattern with gaps there finds it once."""
        index = filed([("a..b", WILDCARD), ("a.x.b", WILDCARD)])
        self.assertEqual(index.patterns("a..b"), [("a..b", WILDCARD)])

    def test_exact_is_no_pattern(self) -> None:
        """What is filed exactly is not among the patterns, and is found by its own URI alone."""
        index = filed([("a.b", EXACT)])
        self.assertEqual(index.patterns("a.b"), [])
        self.assertEqual(index.exact, {"a.b": ("a.b", EXACT)})
        index.add("a.", Match.PREFIX, ("a.", Match.PREFIX))
        self.assertEqual(index.matching("a.b"), [("a.b", EXACT), ("a.", Match.PREFIX)])
        self.assertEqual(index.matching("a.c"), [("a.", Match.PREFIX)])

    def test_the_same_text_three_times(self) -> None:
        """One text filed under three kinds of match is three entries."""
        index = filed([("a.b", match) for match in Match])
        for match in Match:
            self.assertEqual(index.get("a.b", match), ("a.b", match))
            self.assertIsNone(index.get("a.c", match))
            self.assertIsNone(index.get("a.b.c", match))


class Preferring(SynchronousTestCase):
    """Which of several matching entries a call goes to."""

    def test_specification(self) -> None:
        """The specification's example comes out as it says."""
        index = filed(REGISTERED)
        for uri, number in PREFERRED:
            self.assertEqual(index.best(uri), None if number is None else REGISTERED[number - 1], uri)

    def test_longer_run_wins(self) -> None:
        """Its one case that takes prefixes by component, without those prefixes: the longer first run wins."""
        index = filed([entry for entry in REGISTERED if entry[1] is WILDCARD])
        self.assertEqual(index.best("a1.b2.c33.d4.e5"), REGISTERED[4])

    def test_prefixes_are_strings(self) -> None:
        """A prefix that ends within a component still goes before a wildcard pattern."""
        self.assertEqual(filed(REGISTERED).best("a1.b2.c33.d4.e5"), REGISTERED[1])


class Removing(SynchronousTestCase):
    """What has been taken away leaves no trace."""

    def test_only_one(self) -> None:
        """Taking one entry away leaves its neighbours where they are."""
        patterns = [("a.b", PREFIX), ("a.c", PREFIX), ("a..c", WILDCARD), ("a.b.", WILDCARD), ("a..d", WILDCARD)]
        for gone in patterns:
            index = filed(patterns)
            index.remove(*gone)
            for other in patterns:
                self.assertEqual(index.get(*other), None if other == gone else other, (gone, other))

    def test_nothing_left(self) -> None:
        """An index whose entries have all gone holds no more than a new one, and finds nothing."""
        prefixes: PrefixIndex[int] = PrefixIndex()
        wildcards: WildcardIndex[int] = WildcardIndex()
        for index in (prefixes, wildcards):
            for number, pattern in enumerate(["", "a", "a.b", "a..b", "..", "b"]):
                index.add(pattern, number)
            for pattern in ["a", "", "b", "..", "a.b", "a..b"]:
                index.remove(pattern)
            self.assertEqual(index.matching("a.b.c"), [])
        self.assertEqual((prefixes._entries, prefixes._order, prefixes._shorter), ({}, [], {}))
        self.assertEqual(wildcards._trees, {})

    def test_beyond_exact(self) -> None:
        """Whether there is more to do than an exact look-up is known at any time: for patterns, or for the owner."""
        index = filed([("a", EXACT)])
        self.assertFalse(index.beyond_exact)
        for match in (PREFIX, WILDCARD):
            index.add("a", match, ("a", match))
            self.assertTrue(index.beyond_exact)
            index.owner_cares = True
            index.remove("a", match)
            self.assertTrue(index.beyond_exact)
            index.owner_cares = False
            self.assertFalse(index.beyond_exact)

    def test_what_is_not_there(self) -> None:
        """Taking away what was never filed is an error and changes nothing."""
        index = filed([("a.b", match) for match in Match])
        for match in Match:
            for pattern in ("a.c", "c.b", "a.b.c", "a."):
                self.assertRaises(KeyError, index.remove, pattern, match)
            self.assertEqual(index.get("a.b", match), ("a.b", match))


class AgainstTheDefinition(SynchronousTestCase):
    """The index finds what trying every entry would find."""

    @settings(max_examples=200, deadline=None, database=None)
    @given(st.lists(st.tuples(PATTERNS, st.booleans()), max_size=12, unique_by=lambda one: one[0]), URIS)
    def test_patterns_and_best(self, patterns: list[tuple[tuple[str, Match], bool]], uri: str) -> None:
        """Whatever is filed and taken away again, each pattern is found for the URIs it matches, and the best first."""
        index = filed([entry for entry, _ in patterns])
        left = [entry for entry, stays in patterns if stays]
        for entry, stays in patterns:
            if not stays:
                index.remove(*entry)
        for match in Match:
            self.assertEqual(set(index.entries(match)), {entry for entry in left if entry[1] is match})
        fitting = [(pattern, match) for pattern, match in left if matches(pattern, match, uri)]
        expected = sorted(entry for entry in map(str, fitting) if "EXACT" not in entry)
        self.assertEqual(sorted(map(str, index.patterns(uri))), expected)
        rank = {EXACT: 3, PREFIX: 2, WILDCARD: 1}
        best = max(
            fitting,
            key=lambda entry: (rank[entry[1]], len(entry[0]) if entry[1] is PREFIX else 0, runs(entry[0])),
            default=None,
        )
        self.assertEqual(index.best(uri), best)
