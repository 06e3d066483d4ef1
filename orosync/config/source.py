"""From the text of a configuration file to raw sections: names, keys, texts and line numbers.

Only the syntax: ``configparser`` without interpolation, keys as they are written (case kept), ``=`` as the only
delimiter, comments on lines of their own (``#`` or ``;``), indented lines continue a value. configparser stops at
the first fault; here the faulty line is taken out and the rest is read again, so that all faults are known at once.

A fault never repeats the text of its line, which may hold a secret.
"""

from __future__ import annotations

import configparser
import re
from collections.abc import Iterator

import attrs

MOST_FAULTS = 50
"""So many faults of syntax are reported; the file is read again for each of them."""

_NO_DEFAULTS = "\n"
"""A name that no section can have: [DEFAULT] is then a section like any other (and refused as unknown)."""

_TAKEN_OUT = "# taken out"


@attrs.frozen
class RawValue:
    """A key's text, as written but for surrounding blanks, and the line its key stands on (from 1).

    ``lines`` has the number of each line of a text that goes over several; comments between them are no part of it.
    """

    text: str = attrs.field(repr=False)
    line: int
    lines: tuple[int, ...] = ()


@attrs.frozen
class RawSection:
    """A section: ``kind`` and ``name`` are the parts before and after the first colon ("" without one)."""

    title: str
    line: int
    values: dict[str, RawValue]

    @property
    def kind(self) -> str:
        return self.title.partition(":")[0]

    @property
    def name(self) -> str:
        return self.title.partition(":")[2]


@attrs.frozen
class RawFile:
    """What could be read, and one (line, text) for each fault of syntax (line 0: of the whole file).

    ``given_up``: there were too many faults to go on, and ``sections`` is empty.
    """

    sections: tuple[RawSection, ...]
    faults: tuple[tuple[int, str], ...]
    given_up: bool = False


def read(text: str) -> RawFile:
    """Read a whole file. Never raises: what is wrong stands in ``faults``, the rest in ``sections``."""
    lines = text.removeprefix("\ufeff").replace("\r\n", "\n").split("\n")
    faults: list[tuple[int, str]] = []
    while True:
        attempt = _Attempt(lines)
        try:
            sections = attempt.run()
        except configparser.DuplicateSectionError as error:
            line = error.lineno or 0
            faults.append((line, f"[{error.section}] stands here a second time, join the two into one"))
            lines[line - 1] = f"[\0{line}]"
        except configparser.DuplicateOptionError as error:
            line = error.lineno or 0
            faults.append((line, f"[{error.section}] {error.option}: is given a second time, remove one of the two"))
            lines[line - 1] = f"\0{line} ={lines[line - 1].partition('=')[2]}"
        except configparser.MissingSectionHeaderError as error:
            fault = "this line stands before the first [section], put it into one"
            if lines[error.lineno - 1].startswith("["):
                fault = "this line begins like a [section] and is none, end it with ]"
            faults.append((error.lineno, fault))
            lines[error.lineno - 1] = _TAKEN_OUT
        except configparser.ParsingError as error:
            for line, _ in error.errors:
                faults.append((line, _neither(lines, line)))
                lines[line - 1] = _TAKEN_OUT
        else:
            return RawFile(tuple(sections), tuple(sorted(faults)))
        if len(faults) >= MOST_FAULTS:
            faults.append((0, "there are too many faults to go on, correct these first"))
            return RawFile((), tuple(faults), given_up=True)


def _neither(lines: list[str], line: int) -> str:
    """What is told of a line that is nothing: its section, and the likely mistake, but none of its words."""
    titles = (re.match(r"\[([^\]]+)\]", text) for text in reversed(lines[: line - 1]))
    section = next((found[1] for found in titles if found), "\0")
    where = "" if section.startswith("\0") else f"[{section}]: "  # that of a section that stood there before is gone
    if re.match(r"[\w.-][^\s=:]*\s*:(?!//)", lines[line - 1]):
        return f"{where}this line has a colon where = belongs, write key = value"
    return f"{where}this line is neither [section], nor key = value, nor a # comment, correct it"


class _Attempt:
    """One run of configparser over the lines, which notes the line of each key."""

    def __init__(self, lines: list[str]) -> None:
        self._lines = lines
        self._current = 0
        self._keys: list[int] = []
        self._parser = configparser.ConfigParser(
            interpolation=None,
            strict=True,
            delimiters=("=",),
            comment_prefixes=("#", ";"),
            default_section=_NO_DEFAULTS,
        )
        self._parser.optionxform = self._key_seen  # type: ignore[method-assign, assignment]

    def run(self) -> list[RawSection]:
        """Raises what configparser raises; its ``lineno`` counts the lines given."""
        self._parser.read_file(self._feed())
        # Keys are met in the order in which the parser then lists them: strict mode merges nothing.
        key_lines = iter(tuple(self._keys))
        sections = []
        searched = 0
        for title in self._parser.sections():
            searched = self._find_title(title, searched)
            values = {key: self._value(text.strip(), next(key_lines)) for key, text in self._parser.items(title)}
            if not title.startswith("\0"):
                kept = {key: value for key, value in values.items() if not key.startswith("\0")}
                sections.append(RawSection(title, searched, kept))
        return sections

    def _feed(self) -> Iterator[str]:
        for number, line in enumerate(self._lines, start=1):
            self._current = number
            yield line + "\n"

    def _key_seen(self, key: str) -> str:
        self._keys.append(self._current)
        return key

    def _value(self, text: str, line: int) -> RawValue:
        """The parser leaves comments out but changes nothing: each line of ``text`` is the next that has its words."""
        behind = self._lines[line - 1].partition("=")[2]
        rest = enumerate((behind, *self._lines[line:]), start=line)
        rows = text.split("\n")
        found = (next((number for number, words in rest if words.strip() == row.strip()), line) for row in rows)
        return RawValue(text, line, tuple(found))

    def _find_title(self, title: str, after: int) -> int:
        """The line of the next ``[title]`` behind line ``after``."""
        wanted = f"[{title}]"
        for number in range(after, len(self._lines)):
            if self._lines[number].strip().startswith(wanted):
                return number + 1
        return after
