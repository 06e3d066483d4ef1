"""Templates: the shape of a channel's topics, such as ``oro/email_event/{user_id}/{organization_id}``.

A template tells of any string whether it is one of its topics, and the values of its variables; there is never more
than one way to read a topic. Comparing is by character: no case folding, no decoding of percent signs, no trimming.
"""

from __future__ import annotations

import re
from collections.abc import Container, Mapping, Sequence
from typing import NamedTuple

import attrs

from orosync.authz import requirements
from orosync.authz.requirements import Requirement
from orosync.authz.roles import could_meet
from orosync.model import Match

LONGEST = 256
"""Characters of a topic with variables, and of a template; nothing longer is a topic."""

VARIABLE = re.compile(r"\{([A-Za-z_][A-Za-z0-9_]*)\}", re.ASCII)
"""A variable in the text of a template; ``split`` has texts and names by turns."""

_PRINTABLE = re.compile(r"[!-~]+")


@attrs.frozen
class Template:
    """``regex`` has one named group for each of ``variables``, ``bare`` is the same without groups; ``fixed`` is True
    when there are no variables.

    ``head`` is the text in front of the first variable. ``components`` are the parts between dots, as regular
    expressions for a WAMP wildcard pattern to be held against; None when a variable may itself contain a dot.
    """

    text: str
    regex: re.Pattern[str] = attrs.field(eq=False)
    bare: str = attrs.field(eq=False)
    variables: tuple[str, ...]
    head: str
    components: tuple[re.Pattern[str], ...] | None = attrs.field(eq=False)

    @property
    def fixed(self) -> bool:
        return not self.variables

    def values(self, topic: str) -> Mapping[str, str] | None:
        """The values of the variables in ``topic``; None when it is not a topic of this template."""
        if len(topic) > LONGEST:
            return None
        found = self.regex.fullmatch(topic)
        return None if found is None else found.groupdict()

    def could_match(self, pattern: str, match: Match) -> bool:
        """Whether a subscription to ``pattern`` could ever receive a topic of this template. Never a wrong no;
        a yes may be wrong where only the text in front of the first variable can be compared."""
        if match is Match.EXACT:
            return self.values(pattern) is not None
        if self.fixed:
            return could_meet(self.text, Match.EXACT, pattern, match)
        if match is Match.WILDCARD and self.components is not None:
            asked = pattern.split(".")
            return len(asked) == len(self.components) and all(
                not part or mine.fullmatch(part) is not None for mine, part in zip(self.components, asked, strict=True)
            )
        return could_meet(self.head, Match.PREFIX, pattern, match)


def read(text: str, wanted: Mapping[str, str]) -> Template:
    """Read a template whose variables hold what ``wanted`` says (variable -> requirement).

    Raises ValueError that names the place: characters that no topic has, a variable twice or without a requirement,
    a requirement without a variable, or a variable that the text behind it does not end beyond doubt.
    """
    if not text or len(text) > LONGEST:
        raise ValueError(f"a channel has 1 to {LONGEST} characters, not {len(text)}")
    if _PRINTABLE.fullmatch(text) is None:
        raise ValueError(f"{text!r}: a channel is written in printable ASCII without spaces")
    pieces = VARIABLE.split(text)
    literals, variables = pieces[::2], tuple(pieces[1::2])
    for literal in literals:
        if "{" in literal or "}" in literal:
            raise ValueError(f"{text!r}: {literal!r} has a brace that is no {{variable}}")
    if len(set(variables)) < len(variables):
        raise ValueError(f"{text!r}: a variable stands twice")
    if set(variables) != set(wanted):
        wrong = ", ".join(sorted(set(variables) ^ set(wanted)))
        raise ValueError(f"{text!r}: each variable has one requirement and the other way round: {wrong}")
    read_as = {name: _read_one(text, name, wanted[name]) for name in variables}
    for name, behind in zip(variables, literals[1:], strict=True):
        _ends_clearly(text, name, read_as[name], behind, last=name == variables[-1])
    named = bare = re.escape(literals[0])
    for name, behind in zip(variables, literals[1:], strict=True):
        named += f"(?P<{name}>{read_as[name].regex}){re.escape(behind)}"
        bare += f"(?:{read_as[name].regex}){re.escape(behind)}"
    return Template(
        text=text,
        regex=re.compile(named, re.ASCII),
        bare=bare,
        variables=variables,
        head=literals[0],
        components=_components(text, read_as),
    )


class Step(NamedTuple):
    """A part of what a template matches: a character of its text, or a variable with one or more characters."""

    holds: frozenset[str]
    repeated: bool = False
    optional: bool = False


def steps(text: str, holds: Mapping[str, frozenset[str]], optional: Container[str]) -> tuple[Step, ...]:
    """The steps of a template. ``holds``: the characters of a variable, every printable one if it is not mentioned;
    ``optional``: variables that may be missing or empty, with the character in front of them."""
    found: list[Step] = []
    for place, piece in enumerate(VARIABLE.split(text)):
        if place % 2 == 0:
            found += [Step(frozenset(character)) for character in piece]
            continue
        if piece in optional and found:
            found[-1] = found[-1]._replace(optional=True)
        found.append(Step(holds.get(piece, requirements.PRINTABLE), True, piece in optional))
    return tuple(found)


def could_share(one: Sequence[Step], other: Sequence[Step]) -> bool:
    """Whether a topic could match both; never a wrong no."""
    waiting, seen = [(0, 0)], set[tuple[int, int]]()
    while waiting:
        at = waiting.pop()
        if at in seen:
            continue
        seen.add(at)
        if at == (len(one), len(other)):
            return True
        here = one[at[0]] if at[0] < len(one) else None
        there = other[at[1]] if at[1] < len(other) else None
        if here is not None and here.optional:
            waiting.append((at[0] + 1, at[1]))
        if there is not None and there.optional:
            waiting.append((at[0], at[1] + 1))
        if here is not None and there is not None and here.holds & there.holds:
            for mine in range(at[0] + (not here.repeated), at[0] + 2):
                waiting += [(mine, its) for its in range(at[1] + (not there.repeated), at[1] + 2)]
    return False


def _read_one(text: str, name: str, requirement: str) -> Requirement:
    try:
        return requirements.read(requirement)
    except ValueError as error:
        raise ValueError(f"{text!r}: requirement of {{{name}}}: {error}") from None


def _ends_clearly(text: str, name: str, requirement: Requirement, behind: str, last: bool) -> None:
    # Two ways to read a topic would mean two owners, and would make matching slow.
    if not behind and not last:
        raise ValueError(f"{text!r}: nothing stands between {{{name}}} and the next variable")
    if behind and behind[0] in requirement.alphabet:
        raise ValueError(f"{text!r}: {{{name}}} may hold {behind[0]!r}, which is also what ends it")


def _components(text: str, read_as: Mapping[str, Requirement]) -> tuple[re.Pattern[str], ...] | None:
    if any("." in requirement.alphabet for requirement in read_as.values()):
        return None
    parts = []
    for part in text.split("."):
        pieces = VARIABLE.split(part)
        regex = "".join(
            f"(?:{read_as[piece].regex})" if index % 2 else re.escape(piece) for index, piece in enumerate(pieces)
        )
        parts.append(re.compile(regex, re.ASCII))
    return tuple(parts)
