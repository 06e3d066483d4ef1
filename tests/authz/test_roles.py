"""Permissions of roles."""

from __future__ import annotations

from collections.abc import Iterable

import attrs
from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase
from zope.interface.verify import verifyObject

from orosync.authz.roles import Permission, RolePermissions
from orosync.interfaces import IAuthorizer
from orosync.model import Action, Decision, Match, Verdict
from orosync.testing import principal
from orosync.wamp import uris

SUB, PUB, CALL, REG = Action.SUBSCRIBE, Action.PUBLISH, Action.CALL, Action.REGISTER
EXACT, PREFIX, WILDCARD = Match.EXACT, Match.PREFIX, Match.WILDCARD
ALLOW, DENY, SILENT = Verdict.ALLOW, Verdict.DENY, Verdict.ABSTAIN
USER = principal("joe")


def may(uri: str, match: Match, *actions: Action, disclose: Iterable[Action] = ()) -> Permission:
    return Permission(uri, match, frozenset(actions), frozenset(disclose))


def judge(rules: list[Permission], action: Action, uri: str, match: Match = EXACT) -> Decision:
    return RolePermissions({"user": rules}).authorize(USER, action, uri, match, {})


class RolePermissionsTests(SynchronousTestCase):
    """RolePermissions"""

    def test_interface(self) -> None:
        """Role permissions can stand in a chain."""
        verifyObject(IAuthorizer, RolePermissions({}))

    def test_most_specific_speaks(self) -> None:
        """An exact rule comes before the longest prefix, that before the wildcard with most written out; what the
        speaking rule does not allow is denied, whatever broader rules say, in any order of writing."""
        rules = [
            may("", PREFIX, SUB),
            may("com.shop", PREFIX, SUB, PUB),
            may("com.shop.secret", PREFIX),
            may("com.shop.secret.hint", EXACT, SUB),
        ]
        for ordered in (rules, rules[::-1]):
            for action, uri, expected in (
                (SUB, "x", ALLOW),
                (PUB, "x", DENY),
                (PUB, "com.shop", ALLOW),
                (PUB, "com.shopping", ALLOW),
                (SUB, "com.shop.secret", DENY),
                (SUB, "com.shop.secret.other", DENY),
                (SUB, "com.shop.secret.hint", ALLOW),
                (PUB, "com.shop.secret.hint", DENY),
                (CALL, "com.shop", DENY),
            ):
                self.assertIs(judge(ordered, action, uri).verdict, expected, (action, uri))
        wild = [may("a..", WILDCARD, SUB), may("a.b.", WILDCARD, PUB), may("a.b.c", PREFIX, CALL)]
        for action, uri, expected in (
            (SUB, "a.x.y", ALLOW),
            (SUB, "a.b.y", DENY),
            (PUB, "a.b.y", ALLOW),
            (CALL, "a.b.c", ALLOW),
            (PUB, "a.b.c", DENY),
            (SUB, "a.x", SILENT),
        ):
            self.assertIs(judge(wild, action, uri).verdict, expected, (action, uri))

    def test_ties(self) -> None:
        """Of rules equally specific the one that denies wins, in any order of writing."""
        twice = [may("a", EXACT, SUB, PUB, disclose=Action), may("a", EXACT, SUB)]
        crossed = [may("a.", WILDCARD, SUB, PUB), may(".b", WILDCARD, SUB)]
        for rules, uri in ((twice, "a"), (crossed, "a.b")):
            for ordered in (rules, rules[::-1]):
                self.assertIs(judge(ordered, SUB, uri).verdict, ALLOW)
                self.assertIs(judge(ordered, PUB, uri).verdict, DENY)
                self.assertFalse(judge(ordered, SUB, uri).disclose)

    def test_silent(self) -> None:
        """A role without a rule for the URI, and a role without any, leave it to others as undeclared."""
        rules = RolePermissions({"user": [may("a", EXACT, SUB)]})
        for who, uri, match in (
            (USER, "b", EXACT),
            (USER, "b", PREFIX),
            (principal(authrole="guest"), "a", EXACT),
            (principal(authrole="guest"), "", PREFIX),
        ):
            decision = rules.authorize(who, SUB, uri, match, {})
            self.assertEqual((decision.verdict, decision.declared), (SILENT, False))

    def test_patterns(self) -> None:
        """A pattern is allowed only inside one grant, and only where no rule that denies would speak for part of it."""
        rules = [
            may("com.", PREFIX, SUB),
            may("com.shop.secret", PREFIX),
            may("com.pub.x", EXACT, PUB),
            may("org..news", WILDCARD, SUB, REG),
            may("org.", WILDCARD, REG),
        ]
        for action, pattern, match, expected in (
            (SUB, "com.", PREFIX, DENY),
            (SUB, "com.cinema.", PREFIX, ALLOW),
            (SUB, "com.cinema..", WILDCARD, ALLOW),
            (PUB, "com.cinema.", PREFIX, DENY),
            (SUB, "com.shop.s", PREFIX, DENY),
            (SUB, "com.shop.secret.x", PREFIX, DENY),
            (SUB, "com..secret", WILDCARD, DENY),
            (SUB, "com.pub.", PREFIX, DENY),
            (SUB, "com.pub.", WILDCARD, DENY),
            (SUB, "com.pub..y", WILDCARD, ALLOW),
            (SUB, "co", PREFIX, DENY),
            (SUB, "", PREFIX, DENY),
            (SUB, "net", PREFIX, SILENT),
            (SUB, "org..news", WILDCARD, ALLOW),
            (SUB, "org.x.news", WILDCARD, ALLOW),
            (SUB, "org..", WILDCARD, DENY),
            (SUB, "org.", PREFIX, DENY),
            (REG, "org.", WILDCARD, ALLOW),
            (REG, ".", WILDCARD, DENY),
        ):
            self.assertIs(judge(rules, action, pattern, match).verdict, expected, (action, pattern, match))

    def test_broader_denial_does_not_speak(self) -> None:
        """A rule that denies and is less specific than the grant never speaks inside it."""
        rules = [may("", PREFIX), may("a.", PREFIX, SUB), may(".", WILDCARD)]
        self.assertIs(judge(rules, SUB, "a.", PREFIX).verdict, ALLOW)

    def test_disclose(self) -> None:
        """Callers are told to the other side where a rule says so of callers, publishers where it says so of
        publishers; only what is allowed discloses, and subscribing and registering never do."""
        rules = [
            may("callers", EXACT, *Action, disclose=[CALL]),
            may("publishers", EXACT, *Action, disclose=[PUB]),
            may("both", EXACT, *Action, disclose=[CALL, PUB]),
            may("neither", EXACT, *Action),
            may("denied", EXACT, SUB, disclose=[CALL, PUB]),
            may("p.", PREFIX, *Action, disclose=[CALL]),
            may("w.", WILDCARD, *Action, disclose=[PUB]),
        ]
        for uri, expected in {
            "callers": {CALL},
            "publishers": {PUB},
            "both": {CALL, PUB},
            "neither": set(),
            "denied": set(),
            "p.x": {CALL},
            "w.x": {PUB},
        }.items():
            disclosed = {action for action in Action if judge(rules, action, uri).disclose}
            self.assertEqual(disclosed, expected, uri)

    def test_sentences(self) -> None:
        """Each answer names the rule that decided as it is written, with its file and line."""
        own, everywhere = "[role:oro/user]", "[role:user]"
        rules = [
            Permission("a.", PREFIX, frozenset({SUB, CALL}), frozenset({CALL}), own, "router.ini:51"),
            Permission("a.x.", PREFIX, source=own, place="router.ini:52"),
            Permission("", PREFIX, frozenset({PUB}), source=everywhere, place="router.ini:60"),
            Permission("a.c", EXACT, frozenset({SUB}), source=own, place="router.ini:53"),
            Permission("a.c", EXACT, frozenset({PUB}), source=everywhere, place="router.ini:61"),
        ]
        for action, uri, match, words in (
            (SUB, "a.b", EXACT, f"{own} prefix a. (router.ini:51): subscribe"),
            (CALL, "a.b", EXACT, f"{own} prefix a. (router.ini:51): call, caller disclosed"),
            (PUB, "a.b", EXACT, f"{own} prefix a. (router.ini:51): no publish"),
            (PUB, "b", EXACT, f"{everywhere} any (router.ini:60): publish"),
            (SUB, "a.c", EXACT, f"{own} exact a.c (router.ini:53 and router.ini:61): no subscribe"),
            (SUB, "a.x.", PREFIX, f"{own} prefix a.x. (router.ini:52): no subscribe, and the prefix pattern "
                                  "overlaps it"),
            (SUB, "a", PREFIX, f"{own} and {everywhere}: no permission covers every URI that this prefix pattern could "
                               "match"),
        ):  # fmt: skip
            self.assertEqual(judge(rules, action, uri, match).rule, words)
        bare = [attrs.evolve(rule, source="", place="") for rule in rules]
        self.assertEqual(judge(bare, SUB, "a.b").rule, "[roles] user prefix a.: subscribe")

    @given(
        st.lists(
            st.builds(
                may,
                st.text(alphabet="ab.", max_size=4),
                st.sampled_from(Match),
                st.sampled_from([SUB, PUB]),
            ),
            max_size=5,
        ),
        st.text(alphabet="ab.", max_size=4),
        st.sampled_from(Match),
        st.text(alphabet="ab.", max_size=6),
    )
    def test_never_beyond(self, rules: list[Permission], pattern: str, match: Match, uri: str) -> None:
        """Whatever an allowed pattern receives could be had by its exact name; and what was left to others, none of
        its URIs is spoken of here."""
        if not uris.matches(pattern, match, uri):
            return
        asked, exact = judge(rules, SUB, pattern, match), judge(rules, SUB, uri)
        if asked.verdict is not DENY:
            self.assertIs(exact.verdict, asked.verdict)
