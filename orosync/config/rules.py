"""The two small languages of rules: a role's permissions and a topic's channels.

Read here, judged in ``orosync.authz``: this file must not know what a match or an action means.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

import attrs

from orosync.config.values import Place, did_you_mean, name, words
from orosync.model import Action, Match

OWNERS: Mapping[str, str] = {"user_id": "user", "organization_id": "organization"}
"""Variables that belong to somebody, by their name: only the user, or a member of the organization, may subscribe."""

ID = "[0-9]+"
WORD = "[A-Za-z0-9_-]+"

_ACTIONS = {action.value: action for action in Action}
_MATCHES = {match.value: match for match in Match}


@attrs.frozen
class Permission:
    """One line of a role: of the URIs that (``uri``, ``match``) matches, ``actions`` are allowed and all others
    denied; no actions at all is a denial. The most specific line that matches a URI speaks for it."""

    match: Match
    uri: str
    actions: frozenset[Action]
    disclose: bool = False


@attrs.frozen
class Channel:
    """A family of topics of one's own.

    ``requirements`` has a pattern for each variable, ``bindings`` the owner (``user`` or ``organization``) of those
    that belong to somebody. ``subscribe`` and ``publish`` hold names of roles, and an empty set means nobody.
    """

    pattern: str
    requirements: Mapping[str, str]
    bindings: Mapping[str, str]
    subscribe: frozenset[str]
    publish: frozenset[str]


@attrs.frozen
class ChannelLine:
    """A channel as written: what is None there is left to the section's own ``subscribe`` and ``publish``."""

    pattern: str
    requirements: Mapping[str, str]
    subscribe: frozenset[str] | None
    publish: frozenset[str] | None

    def completed(self, subscribe: frozenset[str], publish: frozenset[str]) -> Channel:
        """The channel; the arguments stand in for what the line does not say."""
        return Channel(
            self.pattern,
            self.requirements,
            {name: owner for name, owner in OWNERS.items() if name in self.requirements},
            subscribe if self.subscribe is None else self.subscribe,
            publish if self.publish is None else self.publish,
        )


def permissions(text: str, place: Place) -> tuple[Permission, ...]:
    """One permission a line: ``exact|prefix|wildcard URI ACTIONS [disclose]``, ``any ACTIONS [disclose]`` for every
    URI, and ``deny exact|prefix|wildcard URI`` for no action at all.

    ACTIONS are subscribe, publish, call and register divided by commas, or ``all``.
    """
    faults: list[str] = []
    found: dict[tuple[Match, str], Permission] = {}
    for line in filter(None, (line.strip() for line in text.split("\n"))):
        try:
            one = _permission(line.split())
        except ValueError as fault:
            faults.append(f"{line!r}: {fault}")
            continue
        if (one.match, one.uri) in found:
            faults.append(f"{line!r}: another line speaks of the same URIs, join the two")
        found[one.match, one.uri] = one
    if faults:
        raise ValueError("; ".join(faults))
    return tuple(found.values())


def _permission(parts: list[str]) -> Permission:
    if parts[0] == "deny":
        parts = [*parts[1:], ""]
    disclose = parts[-1] == "disclose"
    if disclose:
        parts = parts[:-1]
    if parts and parts[0] == "any":
        parts = ["prefix", "", *parts[1:]]
    if len(parts) != 3:
        raise ValueError("this is no permission, write it like: prefix com.example. call,publish")
    match, uri, actions = parts
    if match not in _MATCHES:
        known = [*_MATCHES, "any"]
        raise ValueError(f"{match!r} is none of {', '.join(known)}{did_you_mean(match, known)}")
    return Permission(_MATCHES[match], uri, _actions(actions), disclose)


def _actions(text: str) -> frozenset[Action]:
    if text == "all":
        return frozenset(Action)
    for word in words(text):
        if word not in _ACTIONS:
            known = [*_ACTIONS, "all"]
            raise ValueError(f"{word!r} is none of {', '.join(known)}{did_you_mean(word, known)}")
    return frozenset(_ACTIONS[word] for word in words(text))


def channel(pattern: str, text: str, place: Place) -> ChannelLine:
    """``subscribe ROLES; publish ROLES; VARIABLE REQUIREMENT``: any of them may be left out.

    ROLES are names divided by blanks or commas, or ``nobody``. Each variable of the pattern may have a requirement
    (a regular expression without blanks); otherwise an id is digits, anything else letters, digits, _ and -.
    """
    if not re.fullmatch(r"(?:[^{}\s]|\{[A-Za-z_][A-Za-z0-9_]*\})+", pattern):
        raise ValueError("the topic's name is missing, holds a blank or braces that do not pair, write {user_id}")
    variables = re.findall(r"\{(\w+)\}", pattern)
    said: dict[str, str] = {}
    for part in filter(None, (part.strip() for part in text.split(";"))):
        word, _, rest = part.partition(" ")
        known = ("subscribe", "publish", *variables)
        if word not in known:
            raise ValueError(f"{word!r} is none of {', '.join(known)}{did_you_mean(word, known)}")
        if word in said:
            raise ValueError(f"{word} is said twice, join the two")
        if word in variables and not re.fullmatch(r"\S+", rest.strip()):
            raise ValueError(f"{word} needs one requirement without blanks, write it like: {word} [0-9]+")
        said[word] = rest.strip()
    requirements = {name: said.get(name, ID if name in OWNERS else WORD) for name in variables}
    subscribe, publish = (role_names(said[verb], place) if verb in said else None for verb in ("subscribe", "publish"))
    return ChannelLine(pattern, requirements, subscribe, publish)


def role_names(text: str, place: Place) -> frozenset[str]:
    """Names of roles, or the word ``nobody``."""
    roles = [name(word, place) for word in words(text)]
    if not roles:
        raise ValueError("no role is named, write names or nobody")
    if "nobody" in roles:
        if len(roles) > 1:
            raise ValueError("nobody stands beside other roles, write one or the other")
        return frozenset()
    return frozenset(roles)
