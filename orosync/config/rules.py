"""The two small languages of rules: a role's permissions and a topic's channels.

They are parsed here and applied in ``orosync.authz``.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

import attrs

from orosync.config.readers import Source, did_you_mean, name, words
from orosync.model import Action, Match

Roles = Mapping[str, frozenset[str]]
"""Roles of a realm, each with the Oro roles of which its holder needs one (none: the role is enough)."""

_ACTIONS = {action.value: action for action in Action}
_MATCHES = {match.value: match for match in Match}
_VERBS = ("subscribe", "publish", "retained")
_DISCLOSED = {"caller": Action.CALL, "publisher": Action.PUBLISH}


@attrs.frozen
class PermissionLine:
    """One line of a role: of the URIs that (``uri``, ``match``) matches, ``actions`` are allowed and all others
    denied; no actions at all is a denial. The most specific line that matches a URI speaks for it.

    ``disclose`` holds CALL where the caller is told to the callee, PUBLISH where the publisher is told to subscribers.
    ``section`` is the title of the role's section, ``place`` the file and line.
    """

    match: Match
    uri: str
    actions: frozenset[Action]
    disclose: frozenset[Action] = frozenset()
    section: str = ""
    place: str = ""


@attrs.frozen
class ChannelLine:
    """A channel as written: what it does not say (None, no requirement) is left to the section or to Oro.

    ``subscribe`` and ``publish`` hold roles (none: denied to all). ``retained``: what is published is kept
    for those who subscribe later. ``place`` is file and line.
    """

    pattern: str
    requirements: Mapping[str, str]
    subscribe: Roles | None
    publish: Roles | None
    retained: bool = False
    place: str = ""


def permissions(text: str, source: Source) -> tuple[PermissionLine, ...]:
    """One permission a line: ``exact|prefix|wildcard URI ACTIONS [disclose [WHOM]]``, ``any ACTIONS [disclose [WHOM]]``
    for every URI, and ``deny exact|prefix|wildcard URI`` for no action at all.

    ACTIONS are subscribe, publish, call and register divided by commas, or ``all``; WHOM is ``caller``, ``publisher``
    or both divided by a comma, both where it is left out.
    """
    faults: list[str] = []
    found: dict[tuple[Match, str], PermissionLine] = {}
    for row, line in enumerate(line.strip() for line in text.split("\n")):
        if not line:
            continue
        try:
            one = attrs.evolve(_permission(line.split()), section=source.section, place=source.at(row))
        except ValueError as fault:
            faults.append(f"{line!r}{_in(source, row)}: {fault}")
            continue
        if (one.match, one.uri) in found:
            faults.append(f"{line!r}{_in(source, row)}: another line speaks of the same URIs, join the two")
        found[one.match, one.uri] = one
    if faults:
        raise ValueError("; ".join(faults))
    return tuple(found.values())


def _in(source: Source, row: int) -> str:
    """Where one of several lines stands, for faults."""
    at = source.at(row)
    return f" ({at})" if at else ""


def _permission(parts: list[str]) -> PermissionLine:
    if parts[0] == "deny":
        parts = [*parts[1:], ""]
    parts, disclose = _disclosure(parts)
    if parts and parts[0] == "any":
        parts = ["prefix", "", *parts[1:]]
    if len(parts) != 3:
        raise ValueError("this is no permission, write it like: prefix com.example. call,publish")
    match, uri, actions = parts
    if match not in _MATCHES:
        known = [*_MATCHES, "any"]
        raise ValueError(f"{match!r} is none of {', '.join(known)}{did_you_mean(match, known)}")
    allowed = _actions(actions)
    for word, action in _DISCLOSED.items():
        if disclose == {action} and action not in allowed:
            raise ValueError(f"disclose {word} goes with {action.value}, which the line does not allow")
    return PermissionLine(_MATCHES[match], uri, allowed, disclose)


def _disclosure(parts: list[str]) -> tuple[list[str], frozenset[Action]]:
    """What stands in front of ``disclose``, and who is told to the other side."""
    first = 2 if parts[0] == "any" else 3
    if "disclose" not in parts[first:]:
        return parts, frozenset()
    at = parts.index("disclose", first)
    whom = words(" ".join(parts[at + 1 :])) or list(_DISCLOSED)
    for word in whom:
        if word not in _DISCLOSED:
            known = " or ".join(_DISCLOSED)
            raise ValueError(f"{word!r} is not {known}{did_you_mean(word, _DISCLOSED)}")
    return parts[:at], frozenset(_DISCLOSED[word] for word in whom)


def _actions(text: str) -> frozenset[Action]:
    if text == "all":
        return frozenset(Action)
    for word in words(text):
        if word not in _ACTIONS:
            known = [*_ACTIONS, "all"]
            raise ValueError(f"{word!r} is none of {', '.join(known)}{did_you_mean(word, known)}")
    return frozenset(_ACTIONS[word] for word in words(text))


def channel(pattern: str, text: str, source: Source) -> ChannelLine:
    """``subscribe WHO; publish WHO; VARIABLE REQUIREMENT; retained``: any of them may be left out.

    WHO is what ``who`` reads. Each variable of the pattern may have a requirement, a regular expression without blanks.
    """
    if not re.fullmatch(r"(?:[^{}\s]|\{[A-Za-z_][A-Za-z0-9_]*\})+", pattern):
        raise ValueError("the topic's name is missing, holds a blank or braces that do not pair, write {user_id}")
    variables = re.findall(r"\{(\w+)\}", pattern)
    for variable in variables:
        if variable in _VERBS:
            raise ValueError(f"a variable cannot be called {variable}, choose another name")
    said: dict[str, str] = {}
    for part in filter(None, (part.strip() for part in text.split(";"))):
        word, _, rest = part.partition(" ")
        known = (*_VERBS, *variables)
        if word not in known:
            raise ValueError(f"{word!r} is none of {', '.join(known)}{did_you_mean(word, known)}")
        if word in said:
            raise ValueError(f"{word} is said twice, join the two")
        if word in variables and not re.fullmatch(r"\S+", rest.strip()):
            raise ValueError(f"{word} needs one requirement without blanks, write it like: {word} [0-9]+")
        if word == "retained" and rest.strip():
            raise ValueError("retained stands alone, put a ; behind it")
        said[word] = rest.strip()
    subscribe, publish = (who(said[verb], source) if verb in said else None for verb in ("subscribe", "publish"))
    requirements = {name: said[name] for name in variables if name in said}
    return ChannelLine(pattern, requirements, subscribe, publish, "retained" in said, source.at())


def who(text: str, source: Source) -> Roles:
    """``ROLES [with ORO_ROLES] [or ROLES with ORO_ROLES ...]``, or the word ``nobody``; names are divided by blanks or
    commas. Behind ``with`` stand roles of Oro, of which one is needed."""
    listed = words(text)
    if "nobody" in listed:
        if len(listed) > 1:
            raise ValueError("nobody stands beside other roles, write one or the other")
        return {}
    found: dict[str, frozenset[str]] = {}
    for group in _groups(listed):
        roles, needed = group, []
        if "with" in group:
            at = group.index("with")
            roles, needed = group[:at], group[at + 1 :]
            if not needed or "with" in needed:
                raise ValueError("behind with stand roles of Oro, write it like: user with ROLE_MANAGER or backend")
        if not roles:
            raise ValueError("no role is named, write names or nobody")
        for role in roles:
            one = frozenset(name(word, source) for word in needed)
            before = found.get(name(role, source))
            # A role that is enough by itself stays so; of two lists one role is needed.
            found[role] = one if before is None else before | one if before and one else frozenset()
    return found


def _groups(listed: list[str]) -> list[list[str]]:
    """What stands between the words ``or``."""
    groups: list[list[str]] = [[]]
    for word in listed:
        if word == "or":
            groups.append([])
        else:
            groups[-1].append(word)
    return groups
