"""Tests of orosync.config.rules."""

from __future__ import annotations

from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from orosync.config import rules
from orosync.config.readers import BUILTIN, Source
from orosync.config.rules import ChannelLine, PermissionLine
from orosync.model import Action, Match

CALL, PUBLISH, SUBSCRIBE = Action.CALL, Action.PUBLISH, Action.SUBSCRIBE
BOTH = frozenset({CALL, PUBLISH})
USER, BACKEND = {"user": frozenset[str]()}, {"backend": frozenset[str]()}
HERE = Source(Path("/etc/orosync"), {}, "router.ini", "role:oro/user", (7, 9, 12))


class Permissions(SynchronousTestCase):
    """The lines of a role."""

    def test_good(self) -> None:
        """Each form of a line."""
        table = {
            "prefix com.example. call,publish": PermissionLine(
                Match.PREFIX, "com.example.", frozenset({CALL, PUBLISH})
            ),
            "exact  com.example.now   subscribe": PermissionLine(
                Match.EXACT, "com.example.now", frozenset({SUBSCRIBE})
            ),
            "wildcard com..now all disclose": PermissionLine(Match.WILDCARD, "com..now", frozenset(Action), BOTH),
            "any all": PermissionLine(Match.PREFIX, "", frozenset(Action)),
            "any call disclose": PermissionLine(Match.PREFIX, "", frozenset({CALL}), BOTH),
            "any all disclose publisher": PermissionLine(Match.PREFIX, "", frozenset(Action), frozenset({PUBLISH})),
            "exact a call disclose caller": PermissionLine(Match.EXACT, "a", frozenset({CALL}), frozenset({CALL})),
            "exact a all disclose caller,publisher": PermissionLine(Match.EXACT, "a", frozenset(Action), BOTH),
            "exact a all disclose publisher, caller": PermissionLine(Match.EXACT, "a", frozenset(Action), BOTH),
            "exact disclose call": PermissionLine(Match.EXACT, "disclose", frozenset({CALL})),
            "deny prefix com.example.": PermissionLine(Match.PREFIX, "com.example.", frozenset()),
            "deny any": PermissionLine(Match.PREFIX, "", frozenset()),
        }
        for line, expected in table.items():
            self.assertEqual(rules.permissions(line, BUILTIN), (expected,), line)

    def test_several_lines(self) -> None:
        """Lines keep their order; empty ones (where comments stood) do not count."""
        found = rules.permissions("\nexact a call\n\nexact b publish\n", BUILTIN)
        self.assertEqual([one.uri for one in found], ["a", "b"])

    def test_places(self) -> None:
        """Each knows its section, and the file and line where it stands."""
        found = rules.permissions("exact a call\n\nexact b publish", HERE)
        self.assertEqual(
            [(one.section, one.place) for one in found],
            [("role:oro/user", "router.ini:7"), ("role:oro/user", "router.ini:12")],
        )

    def test_bad(self) -> None:
        """Every faulty line is told, with what to write."""
        shape = "this is no permission, write it like: prefix com.example. call,publish"
        table = {
            "prefix com.example.": shape,
            "prefix com.example. call, publish": shape,
            "deny prefix com.example. call": shape,
            "deny": shape,
            "disclose": shape,
            "deny exact a disclose": shape,
            "exact a call disclose callers": "'callers' is not caller or publisher, did you mean caller?",
            "exact a publish disclose caller": "disclose caller goes with call, which the line does not allow",
            "any call disclose publisher": "disclose publisher goes with publish, which the line does not allow",
            "prefx com. call": "'prefx' is none of exact, prefix, wildcard, any, did you mean prefix?",
            "exact a cal": "'cal' is none of subscribe, publish, call, register, all, did you mean call?",
        }
        for line, words in table.items():
            error = self.assertRaises(ValueError, rules.permissions, line, BUILTIN)
            self.assertEqual(str(error), f"{line!r}: {words}")
        error = self.assertRaises(ValueError, rules.permissions, "exact a cal\nany all\nno", BUILTIN)
        self.assertEqual(str(error).count("; 'no': "), 1)

    def test_places_of_faults(self) -> None:
        """A fault in one of several lines says in which."""
        error = self.assertRaises(ValueError, rules.permissions, "exact a call\nexact b cal\ndeny exact a", HERE)
        told = [part.partition(": ")[0] for part in str(error).split("; ")]
        self.assertEqual(told, ["'exact b cal' (router.ini:9)", "'deny exact a' (router.ini:12)"])

    def test_the_same_twice(self) -> None:
        """Two lines about the same URIs would make one of them meaningless."""
        error = self.assertRaises(ValueError, rules.permissions, "exact a call\ndeny exact a", BUILTIN)
        self.assertEqual(str(error), "'deny exact a': another line speaks of the same URIs, join the two")


class Channels(SynchronousTestCase):
    """Topics of one's own."""

    def test_good(self) -> None:
        """Roles for both rights, for one of them, or none; whether it is retained."""
        table = {
            "subscribe user; publish backend": ChannelLine("a", {}, USER, BACKEND),
            "subscribe user, admin": ChannelLine("a", {}, {**USER, "admin": frozenset()}, None),
            "publish nobody;": ChannelLine("a", {}, None, {}),
            "retained": ChannelLine("a", {}, None, None, True),
            "retained; subscribe user": ChannelLine("a", {}, USER, None, True),
        }
        for text, expected in table.items():
            self.assertEqual(rules.channel("a", text, BUILTIN), expected, text)

    def test_variables(self) -> None:
        """What a variable may hold stands there only if it was written."""
        line = rules.channel("acme/{user_id}/{kind}/{day}", "day [0-9]{1,2}; user_id [0-9]+|\\*; publish x", BUILTIN)
        self.assertEqual(line.requirements, {"day": "[0-9]{1,2}", "user_id": "[0-9]+|\\*"})

    def test_place(self) -> None:
        """A line knows its file and number."""
        self.assertEqual(rules.channel("a", "retained", HERE).place, "router.ini:7")

    def test_bad_names(self) -> None:
        """A topic's name with loose braces or blanks is refused, and a variable that would be taken for a verb."""
        for pattern in ("", "a{", "a}", "{}", "a b", "{1}", "{a{b}}"):
            error = self.assertRaises(ValueError, rules.channel, pattern, "subscribe user", BUILTIN)
            self.assertEqual(
                str(error), "the topic's name is missing, holds a blank or braces that do not pair, write {user_id}"
            )
        error = self.assertRaises(ValueError, rules.channel, "a/{retained}", "retained", BUILTIN)
        self.assertEqual(str(error), "a variable cannot be called retained, choose another name")

    def test_bad_rules(self) -> None:
        """Unknown, repeated and empty parts are refused."""
        table = {
            "subscribes user": "'subscribes' is none of subscribe, publish, retained, kind, did you mean subscribe?",
            "subscribe user; subscribe admin": "subscribe is said twice, join the two",
            "subscribe": "no role is named, write names or nobody",
            "publish nobody backend": "nobody stands beside other roles, write one or the other",
            "publish a/b": "'a/b' is not a name, use letters, digits and . _ - only",
            "kind": "kind needs one requirement without blanks, write it like: kind [0-9]+",
            "kind a b": "kind needs one requirement without blanks, write it like: kind [0-9]+",
            "retained yes": "retained stands alone, put a ; behind it",
            "retained subscribe user": "retained stands alone, put a ; behind it",
        }
        for text, words in table.items():
            error = self.assertRaises(ValueError, rules.channel, "acme/{kind}", text, BUILTIN)
            self.assertEqual(str(error), words)


class Who(SynchronousTestCase):
    """Roles, and roles in Oro besides."""

    def test_good(self) -> None:
        """Each form; of a role said twice the more generous counts."""
        manager, boss = frozenset({"ROLE_MANAGER"}), frozenset({"ROLE_BOSS"})
        table = {
            "user": USER,
            "user, backend": {**USER, **BACKEND},
            "nobody": {},
            "user with ROLE_MANAGER": {"user": manager},
            "user staff with ROLE_MANAGER, ROLE_BOSS": {"user": manager | boss, "staff": manager | boss},
            "user with ROLE_MANAGER or backend": {"user": manager, **BACKEND},
            "backend or user with ROLE_MANAGER": {"user": manager, **BACKEND},
            "user with ROLE_MANAGER or user with ROLE_BOSS": {"user": manager | boss},
            "user with ROLE_MANAGER or user": USER,
            "user or user with ROLE_MANAGER": USER,
        }
        for text, expected in table.items():
            self.assertEqual(rules.who(text, BUILTIN), expected, text)

    def test_bad(self) -> None:
        """Whatever is left open is refused."""
        behind = "behind with stand roles of Oro, write it like: user with ROLE_MANAGER or backend"
        missing = "no role is named, write names or nobody"
        table = {
            "": missing,
            "or user": missing,
            "user or": missing,
            "with ROLE_MANAGER": missing,
            "user with": behind,
            "user with or backend": behind,
            "user with A with B": behind,
            "nobody or user": "nobody stands beside other roles, write one or the other",
            "user with a/b": "'a/b' is not a name, use letters, digits and . _ - only",
        }
        for text, words in table.items():
            error = self.assertRaises(ValueError, rules.who, text, BUILTIN)
            self.assertEqual(str(error), words)
