"""Role permissions: an authorizer of static rules for each role, as Crossbar.io's configuration has them.

The most specific rule that matches a URI decides: an exact one before the longest prefix, before the wildcard pattern
with the most components that are not empty. Everything that this rule does not allow is denied.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import attrs
from zope.interface import implementer

from orosync.interfaces import IAuthorizer
from orosync.model import Action, Decision, Match, Principal, Verdict
from orosync.wamp import uris

_NO_RULE = Decision(Verdict.ABSTAIN, "no permission of the role applies to it", declared=False)
_CLASSES = {Match.WILDCARD: 0, Match.PREFIX: 1, Match.EXACT: 2}
_EXACT = Match.EXACT
_DISCLOSED = {Action.CALL: "caller", Action.PUBLISH: "publisher"}


@attrs.frozen
class Permission:
    """One rule: what a role may do with the URIs that (``uri``, ``match``) matches.

    ``actions`` are allowed, all others denied. ``disclose``: for which of CALL and PUBLISH the caller or publisher is
    disclosed. ``source`` and ``place`` say where it was written, ``[role:oro/user]`` and
    ``router.ini:51``.
    """

    uri: str
    match: Match = Match.EXACT
    actions: frozenset[Action] = frozenset()
    disclose: frozenset[Action] = frozenset()
    source: str = ""
    place: str = ""

    @property
    def weight(self) -> tuple[int, int]:
        """How specific the rule is; of two that match the greater one decides."""
        if self.match is Match.WILDCARD:
            return _CLASSES[self.match], sum(1 for part in self.uri.split(".") if part)
        return _CLASSES[self.match], len(self.uri)


@implementer(IAuthorizer)
class RolePermissions:
    """Decides by the principal's role. ABSTAIN when no rule of the role matches the URI (or any that a pattern could
    match). Of equally specific rules one that denies wins."""

    constant = True
    depends_on = ("authrole",)

    def __init__(self, roles: Mapping[str, Iterable[Permission]], *, name: str = "roles") -> None:
        self.name = name
        self._roles = {role: _Rules(role, permissions, name) for role, permissions in roles.items()}

    def authorize(
        self, principal: Principal, action: Action, uri: str, match: Match, options: Mapping[str, Any]
    ) -> Decision:
        """See IAuthorizer. Always answers at once; ABSTAIN is never ``declared``."""
        rules = self._roles.get(principal.authrole)
        if rules is None:
            return _NO_RULE
        return rules.decide(action, uri) if match is _EXACT else rules.decide_pattern(action, uri, match)


class _Rules:
    """The permissions of one role, and for each the decision for every action, made once."""

    def __init__(self, role: str, permissions: Iterable[Permission], source: str) -> None:
        self._bare = f"[{source}] {role}"
        written = list(permissions)
        self._title = " and ".join(dict.fromkeys(rule.source or self._bare for rule in written))
        self._rules = sorted(_merged(written), key=lambda rule: rule.weight, reverse=True)
        answers = {rule: {action: self._answer(rule, action) for action in Action} for rule in self._rules}
        self._answers = answers
        self._exact = {rule.uri: answers[rule] for rule in self._rules if rule.match is Match.EXACT}
        self._prefixes = [(rule.uri, answers[rule]) for rule in self._rules if rule.match is Match.PREFIX]
        self._wildcards = [rule for rule in self._rules if rule.match is Match.WILDCARD]

    def decide(self, action: Action, uri: str) -> Decision:
        exact = self._exact.get(uri)
        if exact is not None:
            return exact[action]
        for prefix, answers in self._prefixes:
            if uri.startswith(prefix):
                return answers[action]
        deciding: Permission | None = None
        for rule in self._wildcards:
            if deciding is not None and rule.weight < deciding.weight:
                break
            if uris.matches(rule.uri, Match.WILDCARD, uri) and (deciding is None or action not in rule.actions):
                deciding = rule
        return _NO_RULE if deciding is None else self._answers[deciding][action]

    def decide_pattern(self, action: Action, pattern: str, match: Match) -> Decision:
        """Allowed only where one rule that allows covers the whole pattern, and no rule that denies is more specific
        for any URI in it."""
        if match is Match.WILDCARD and all(pattern.split(".")):
            return self.decide(action, pattern)
        touching = [rule for rule in self._rules if could_meet(rule.uri, rule.match, pattern, match)]
        if not touching:
            return _NO_RULE
        granting = next(
            (rule for rule in touching if action in rule.actions and uris.covers(rule.uri, rule.match, pattern, match)),
            None,
        )
        if granting is None:
            return Decision(
                Verdict.DENY,
                f"{self._title}: no permission covers every URI that this {match.value} pattern could match",
            )
        for rule in touching:
            if action not in rule.actions and rule.weight >= granting.weight:
                return Decision(
                    Verdict.DENY,
                    f"{self._words(rule)}: no {action.value}, and the {match.value} pattern overlaps it",
                )
        return self._answers[granting][action]

    def _answer(self, rule: Permission, action: Action) -> Decision:
        if action in rule.actions:
            disclosed = action in rule.disclose
            words = f"{action.value}, {_DISCLOSED[action]} disclosed" if disclosed else action.value
            return Decision(Verdict.ALLOW, f"{self._words(rule)}: {words}", disclose=disclosed)
        return Decision(Verdict.DENY, f"{self._words(rule)}: no {action.value}")

    def _words(self, rule: Permission) -> str:
        pattern = "any" if (rule.uri, rule.match) == ("", Match.PREFIX) else f"{rule.match.value} {rule.uri}"
        return f"{rule.source or self._bare} {pattern}" + (f" ({rule.place})" if rule.place else "")


def _merged(permissions: Iterable[Permission]) -> Iterable[Permission]:
    """One rule for each (uri, match), which allows what all of several allow. After this only wildcard patterns can be
    equally specific for one URI."""
    merged: dict[tuple[str, Match], Permission] = {}
    for rule in permissions:
        known = merged.get((rule.uri, rule.match))
        if known is None:
            merged[rule.uri, rule.match] = rule
            continue
        places = " and ".join(filter(None, (known.place, rule.place)))
        merged[rule.uri, rule.match] = attrs.evolve(
            known, actions=known.actions & rule.actions, disclose=known.disclose & rule.disclose, place=places
        )
    return merged.values()


def could_meet(one: str, one_match: Match, other: str, other_match: Match) -> bool:
    """True unless no URI is matched by both (``one``, ``one_match``) and (``other``, ``other_match``).

    ``wamp.uris.covers`` must never say yes wrongly, since it grants; this must never say no wrongly, since a rule that
    denies part of a pattern must be found.

    A prefix is compared by character, a wildcard pattern by dot-separated components, of which an empty one
    matches any one component, an empty one included (WAMP "Pattern-based Subscriptions").
    """
    if one_match is Match.EXACT and other_match is Match.EXACT:
        return one == other
    if one_match is Match.EXACT or (one_match is Match.PREFIX and other_match is Match.WILDCARD):
        return could_meet(other, other_match, one, one_match)
    if other_match is Match.EXACT:
        return other.startswith(one) if one_match is Match.PREFIX else _all_meet(one.split("."), other.split("."))
    if one_match is Match.PREFIX:
        return one.startswith(other) or other.startswith(one)
    if other_match is Match.WILDCARD:
        return _all_meet(one.split("."), other.split("."))
    return _prefix_meets(other.split("."), one.split("."))


def _all_meet(one: list[str], other: list[str]) -> bool:
    return len(one) == len(other) and all(not a or not b or a == b for a, b in zip(one, other, strict=True))


def _prefix_meets(prefix: list[str], pattern: list[str]) -> bool:
    if len(prefix) > len(pattern):
        return False
    *whole, begun = prefix
    last = pattern[len(whole)]
    # Only the last component of a prefix is incomplete; an empty one before it is a real, empty component.
    return all(not b or a == b for a, b in zip(whole, pattern, strict=False)) and (not last or last.startswith(begun))
