"""Requirements: the small regular expressions that say what a variable of a channel may hold.

Oro writes them in its websocket_routing.yml, as PHP regular expressions (``\\d+``, ``\\d+|\\*``). Only a subset that is
unambiguous is read; everything else is refused with its place:

    digits and letters      0-9 a-z A-Z and  _ - : @ ~ , ; = ! % & / ' " < >
    escaped punctuation     \\*  \\.  \\#  and so on, each standing for itself
    \\d \\w                   [0-9], [A-Za-z0-9_], never another script's digits or letters
    . \\S                    each printable ASCII character but the space
    \\D \\W                   those of them that \\d, \\w do not match
    character classes       [0-9a-f], [a-z_-], [\\w.-]; [^/] for each printable ASCII character but these and the space
    alternatives, groups    a|b, (a|b)c, (?:a|b)
    repeats                 + * {n} {n,} {n,m} of one character or class (n, m <= 64), ? also of a group

A requirement never matches more than PHP's does in the frame that GosPubSubRouterBundle's RouteCompiler puts around it
(``#^...(?P<name>REQUIREMENT)...$#sD``); it may match less, as with ``.``. The whole value has to match. Repeats and
choices are few, so that no topic of a client makes matching slow.
"""

from __future__ import annotations

import re
import string

import attrs

LONGEST = 128
"""Characters in one requirement."""

MOST_REPEATS = 2
"""Repeats of varying length in one requirement: each multiplies the work of a match by the value's length."""

MOST_FORKS = 4
"""``?`` and ``|`` inside groups in one requirement: each may double the work of a match."""

LARGEST_COUNT = 64

PRINTABLE = frozenset(string.ascii_letters + string.digits + string.punctuation)
"""What topics are written in: printable ASCII without the space."""

_PLAIN = frozenset(string.ascii_letters + string.digits + "_-:@~,;=!%&/'\"<>")
_PUNCTUATION = frozenset(string.punctuation)
_FRAME = frozenset("#(){}[")
"""In a class these are escaped: the frame around a requirement, and what looks for its groups, take note of them."""

_DIGITS = frozenset(string.digits)
_WORD = frozenset(string.ascii_letters + string.digits + "_")
_NAMED = {"d": _DIGITS, "w": _WORD}
_OTHERS: dict[str, frozenset[str]] = {"D": _DIGITS, "W": _WORD, "S": frozenset()}
"""Escapes for all characters but these."""

_RUNS = (string.digits, string.ascii_lowercase, string.ascii_uppercase)
_COUNT = re.compile(r"\{([0-9]{1,4})(,([0-9]{0,4}))?\}", re.ASCII)


@attrs.frozen
class Requirement:
    """What a variable may hold: ``regex`` (to be matched whole, ASCII) and every character it could ever contain."""

    text: str
    regex: str
    alphabet: frozenset[str]


def without(text: str, character: str) -> str | None:
    """The requirement that matches what ``text`` matches, except values with ``character``; None when that cannot be
    said: ``text`` is more than one repeated character or class. Raises ValueError as ``read`` does."""
    whole = read(text)
    reader = _Reader(text, PRINTABLE)
    if text[0] == "(":
        return None
    reader.one()
    if text[reader.at :] != "+":
        return None
    left = whole.alphabet - {character}
    if not left:
        return None
    negated = len(left) > len(PRINTABLE) // 2
    shown = sorted(PRINTABLE - left if negated else left)
    return f"[{'^' if negated else ''}{''.join(f'{chr(92)}{one}' if one in _PUNCTUATION else one for one in shown)}]+"


def read(text: str, *, any_of: frozenset[str] = PRINTABLE) -> Requirement:
    """Read one requirement; ``any_of`` is what ``.`` stands for.

    Raises ValueError that names the character (counted from 1) and what is wrong there.
    """
    if not text or len(text) > LONGEST:
        raise ValueError(f"a requirement has 1 to {LONGEST} characters, not {len(text)}")
    reader = _Reader(text, any_of)
    regex = reader.alternatives(depth=0)
    if reader.at < len(text):
        raise reader.fault("this bracket was never opened")
    if re.fullmatch(regex, "", re.ASCII) is not None:
        raise ValueError(f"{text!r} also matches nothing at all; a variable holds at least one character")
    return Requirement(text, regex, frozenset(reader.alphabet))


class _Reader:
    """Reads the text once and writes the regex anew from what it understood, so that nothing unread gets into it."""

    def __init__(self, text: str, any_of: frozenset[str]) -> None:
        self.text = text
        self._any = any_of
        self.at = 0
        self.alphabet: set[str] = set()
        self._repeats = 0
        self._forks = 0

    def fault(self, what: str) -> ValueError:
        return ValueError(f"{self.text!r}, character {self.at + 1}: {what}")

    def alternatives(self, depth: int) -> str:
        branches = [self._sequence(depth)]
        while self._next() == "|":
            if depth:
                self._fork()
            self.at += 1
            branches.append(self._sequence(depth))
        return "|".join(branches)

    def _next(self) -> str:
        return self.text[self.at : self.at + 1]

    def _sequence(self, depth: int) -> str:
        parts = []
        while self._next() not in ("", "|", ")"):
            group = self._next() == "("
            parts.append(self._group(depth) if group else self.one())
            parts.append(self._repeat(group))
        if not parts:
            raise self.fault("an alternative is empty")
        return "".join(parts)

    def _group(self, depth: int) -> str:
        self.at += 1
        if self._next() == "?":
            if not self.text.startswith("?:", self.at):
                raise self.fault("of the groups with (? only (?: is read")
            self.at += 2
        inner = self.alternatives(depth + 1)
        if self._next() != ")":
            raise self.fault("the group is not closed")
        self.at += 1
        return f"(?:{inner})"

    def one(self) -> str:
        """One character or class."""
        character = self._next()
        if character == "[":
            chosen = self._class()
        elif character == "\\":
            chosen = self._escaped()
        elif character in _PLAIN:
            chosen = frozenset(character)
            self.at += 1
        elif character == ".":
            chosen = self._any
            self.at += 1
        elif character in "^$":
            raise self.fault("the whole value is matched anyway; leave the anchors out")
        elif character in "*+?{":
            raise self.fault("there is nothing to repeat here")
        else:
            raise self.fault(f"{character!r} is not read in requirements")
        self.alphabet |= chosen
        if len(chosen) == 1:
            return re.escape(min(chosen))
        return "[" + "".join(re.escape(each) for each in sorted(chosen)) + "]"

    def _escaped(self) -> frozenset[str]:
        self.at += 1
        character = self._next()
        if character in _NAMED:
            chosen = _NAMED[character]
        elif character in _OTHERS:
            chosen = self._any - _OTHERS[character]
        elif character in _PUNCTUATION:
            chosen = frozenset(character)
        else:
            raise self.fault("of the escapes only \\d, \\w, \\D, \\W, \\S and escaped punctuation are read")
        self.at += 1
        return chosen

    def _class(self) -> frozenset[str]:
        self.at += 1
        negated = self._next() == "^"
        if negated:
            self.at += 1
        chosen: set[str] = set()
        while (character := self._next()) != "]":
            if character == "":
                raise self.fault("the class is not closed")
            if character == "\\":
                chosen |= self._escaped()
                if self._next() == "-" and self.text[self.at + 1 : self.at + 2] != "]":
                    raise self.fault("a - behind an escape is written \\-")
            elif character not in _PUNCTUATION and character not in _PLAIN:
                raise self.fault(f"{character!r} is not read in a class")
            elif character in _FRAME:
                raise self.fault(f"a {character} inside a class is written \\{character}")
            else:
                chosen |= self._range()
        if not chosen:
            raise self.fault("the class is empty")
        self.at += 1
        found = self._any - chosen if negated else frozenset(chosen)
        if not found:
            raise self.fault("the class is empty")
        return found

    def _range(self) -> set[str]:
        """One plain character of a class, or a range such as a-f."""
        first = self._next()
        dash, last = self.text[self.at + 1 : self.at + 2], self.text[self.at + 2 : self.at + 3]
        if dash != "-" or last in ("]", ""):
            self.at += 1
            return {first}
        for run in _RUNS:
            if first in run and last in run and first <= last:
                self.at += 3
                return set(run[run.index(first) : run.index(last) + 1])
        raise self.fault("a range goes upwards within 0-9, a-z or A-Z; a - itself stands first, last or as \\-")

    def _repeat(self, group: bool) -> str:
        sign = self._next()
        if sign == "?":
            self._fork()
            self.at += 1
            return "?"
        if sign not in ("+", "*", "{"):
            return ""
        if group:
            raise self.fault("a group can be optional (?), not repeated")
        if sign in "+*":
            self._vary()
            self.at += 1
            return sign
        count = _COUNT.match(self.text, self.at)
        if count is None:
            raise self.fault("a count is written {n}, {n,} or {n,m}")
        least = int(count[1])
        most = least if count[2] is None else int(count[3] or LARGEST_COUNT)
        if not least <= most <= LARGEST_COUNT or most == 0:
            raise self.fault(f"counts go upwards and to {LARGEST_COUNT} at most")
        if most != least or count[3] == "":
            self._vary()
        self.at = count.end()
        return count[0]

    def _vary(self) -> None:
        self._repeats += 1
        if self._repeats > MOST_REPEATS:
            raise self.fault(f"more than {MOST_REPEATS} repeats of varying length")

    def _fork(self) -> None:
        self._forks += 1
        if self._forks > MOST_FORKS:
            raise self.fault(f"more than {MOST_FORKS} choices inside groups")
