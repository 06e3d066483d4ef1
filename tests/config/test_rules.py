"""Tests of orosync.config.rules."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from orosync.config import rules
from orosync.config.rules import Channel, ChannelLine, Permission
from orosync.config.values import NOWHERE
from orosync.model import Action, Match

CALL, PUBLISH, SUBSCRIBE = Action.CALL, Action.PUBLISH, Action.SUBSCRIBE


class Permissions(SynchronousTestCase):
    """The lines of a role."""

    def test_good(self) -> None:
        """Each form of a line."""
        table = {
            "prefix com.example. call,publish": Permission(Match.PREFIX, "com.example.", frozenset({CALL, PUBLISH})),
            "exact  com.example.now   subscribe": Permission(Match.EXACT, "com.example.now", frozenset({SUBSCRIBE})),
            "wildcard com..now all disclose": Permission(Match.WILDCARD, "com..now", frozenset(Action), True),
            "any all": Permission(Match.PREFIX, "", frozenset(Action)),
            "any call disclose": Permission(Match.PREFIX, "", frozenset({CALL}), True),
            "deny prefix com.example.": Permission(Match.PREFIX, "com.example.", frozenset()),
            "deny any": Permission(Match.PREFIX, "", frozenset()),
        }
        for line, expected in table.items():
            self.assertEqual(rules.permissions(line, NOWHERE), (expected,), line)

    def test_several_lines(self) -> None:
        """Lines keep their order; empty ones (where comments stood) do not count."""
        found = rules.permissions("\nexact a call\n\nexact b publish\n", NOWHERE)
        self.assertEqual([one.uri for one in found], ["a", "b"])

    def test_bad(self) -> None:
        """Every faulty line is told, with what to write."""
        shape = "this is no permission, write it like: prefix com.example. call,publish"
        table = {
            "prefix com.example.": shape,
            "prefix com.example. call, publish": shape,
            "deny prefix com.example. call": shape,
            "deny": shape,
            "disclose": shape,
            "prefx com. call": "'prefx' is none of exact, prefix, wildcard, any, did you mean prefix?",
            "exact a cal": "'cal' is none of subscribe, publish, call, register, all, did you mean call?",
        }
        for line, words in table.items():
            error = self.assertRaises(ValueError, rules.permissions, line, NOWHERE)
            self.assertEqual(str(error), f"{line!r}: {words}")
        error = self.assertRaises(ValueError, rules.permissions, "exact a cal\nany all\nno", NOWHERE)
        self.assertEqual(str(error).count("; 'no': "), 1)

    def test_the_same_twice(self) -> None:
        """Two lines about the same URIs would make one of them meaningless."""
        error = self.assertRaises(ValueError, rules.permissions, "exact a call\ndeny exact a", NOWHERE)
        self.assertEqual(str(error), "'deny exact a': another line speaks of the same URIs, join the two")


class Channels(SynchronousTestCase):
    """Topics of one's own."""

    def test_good(self) -> None:
        """Roles for both rights, for one of them, for nobody."""
        table = {
            "subscribe user; publish backend": (frozenset({"user"}), frozenset({"backend"})),
            "subscribe user, admin": (frozenset({"user", "admin"}), None),
            "publish nobody;": (None, frozenset()),
        }
        for text, (subscribe, publish) in table.items():
            self.assertEqual(
                rules.channel("acme/news", text, NOWHERE), ChannelLine("acme/news", {}, subscribe, publish)
            )

    def test_variables(self) -> None:
        """A variable that belongs to somebody is an id; another one a word, unless its requirement is written."""
        line = rules.channel("acme/{user_id}/{organization_id}/{kind}/{day}", "day [0-9]{1,2}; publish x", NOWHERE)
        self.assertEqual(
            line.completed(frozenset({"user"}), frozenset({"backend"})),
            Channel(
                "acme/{user_id}/{organization_id}/{kind}/{day}",
                {
                    "user_id": "[0-9]+",
                    "organization_id": "[0-9]+",
                    "kind": "[A-Za-z0-9_-]+",
                    "day": "[0-9]{1,2}",
                },
                {"user_id": "user", "organization_id": "organization"},
                frozenset({"user"}),
                frozenset({"x"}),
            ),
        )

    def test_bad_names(self) -> None:
        """A topic's name with loose braces or blanks is refused."""
        for pattern in ("", "a{", "a}", "{}", "a b", "{1}", "{a{b}}"):
            error = self.assertRaises(ValueError, rules.channel, pattern, "subscribe user", NOWHERE)
            self.assertEqual(
                str(error), "the topic's name is missing, holds a blank or braces that do not pair, write {user_id}"
            )

    def test_bad_rules(self) -> None:
        """Unknown, repeated and empty parts are refused."""
        table = {
            "subscribes user": "'subscribes' is none of subscribe, publish, kind, did you mean subscribe?",
            "subscribe user; subscribe admin": "subscribe is said twice, join the two",
            "subscribe": "no role is named, write names or nobody",
            "publish nobody backend": "nobody stands beside other roles, write one or the other",
            "publish a/b": "'a/b' is not a name, use letters, digits and . _ - only",
            "kind": "kind needs one requirement without blanks, write it like: kind [0-9]+",
            "kind a b": "kind needs one requirement without blanks, write it like: kind [0-9]+",
        }
        for text, words in table.items():
            error = self.assertRaises(ValueError, rules.channel, "acme/{kind}", text, NOWHERE)
            self.assertEqual(str(error), words)
