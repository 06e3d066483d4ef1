"""Symfony's .env files (``.env-app`` of an Oro application), and what ``composer dump-env`` makes of them.

The grammar is that of Symfony's Dotenv component: ``NAME=value``, ``export`` before it; single quotes (as it stands),
double quotes (``\\"``, ``\\n``, ``\\r``), several such parts in a row; ``$NAME``, ``${NAME}`` and ``${NAME:-default}``
outside single quotes, a backslash takes the ``$`` literally. ``$(command)`` is not run. Files are read in order, each
variable at once: one that a later file changes keeps its old value in what an earlier file made of it. Variables of the
process come before those of files.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

import attrs

_SKIPPED = re.compile(r"(?:\s+|#[^\n]*)*")
_NAME = re.compile(r"(?:export[ \t]+)?([A-Za-z_][A-Za-z0-9_]*)=")
_NOTHING = re.compile(r"[ \t]*(?:#[^\n]*)?(?=\n|\Z)")
_PART = re.compile(
    r"""'(?P<single>[^']*)'|"(?P<double>(?:[^"\\]|\\.)*)"|(?P<plain>(?:\\["']|[^\n"'#]|(?<![ \t])#)+)""", re.DOTALL
)
_VARIABLE = re.compile(
    r"""(?P<slashes>\\*)\$(?!\()(?:
        \{(?P<braced>[A-Z][A-Z0-9_]*)(?::[-=](?P<default>[^}]+))?\}
        | (?P<bare>[A-Z][A-Z0-9_]*)(?::[-=](?P<other>[^}]+))?
        | (?P<open>\{[A-Z])
    )?""",
    re.VERBOSE | re.IGNORECASE | re.ASCII,
)
_DUMPED = re.compile(r"'((?:[^'\\]|\\.)*)'\s*=>\s*'((?:[^'\\]|\\.)*)'", re.DOTALL)


@attrs.frozen
class Variable:
    """A variable's value and the name of the file that sets it ("the environment" for those of the process)."""

    value: str = attrs.field(repr=False)
    file: str


@attrs.frozen
class Environment:
    """What a process of the application sees. ``faults`` name files, lines and what is wrong, never a value."""

    variables: Mapping[str, Variable]
    faults: tuple[str, ...] = ()


def load(directory: Path, base: str, selector: str, environ: Mapping[str, str]) -> Environment:
    """The variables by ``base`` (``.env-app``) and the files beside it in ``directory``, as Symfony's Dotenv loads
    them; the variable ``selector`` (``ORO_ENV``) chooses some of them."""
    return _Files(directory, environ).load(base, selector)


class _Files:
    def __init__(self, directory: Path, environ: Mapping[str, str]) -> None:
        self._directory = directory
        self._process = {name: Variable(value, "the environment") for name, value in environ.items()}
        self._found: dict[str, Variable] = {}
        self._faults: list[str] = []

    def load(self, base: str, selector: str) -> Environment:
        dumped = self._text(f"{base}.local.php")
        if dumped is not None:
            values = {_plain_php(name): _plain_php(value) for name, value in _DUMPED.findall(dumped)}
            wanted = self._process.get(selector)
            if wanted is None or values.get(selector, wanted.value) == wanted.value:
                self._found = {name: Variable(value, f"{base}.local.php") for name, value in values.items()}
                return self._environment()
        self._read(base)
        chosen = {**self._found, **self._process}.get(selector)
        if chosen is None or chosen.value != "test":
            self._read(f"{base}.local")
            chosen = {**self._found, **self._process}.get(selector)
        if chosen is not None and re.fullmatch(r"\w+", chosen.value) and chosen.value != "local":
            self._read(f"{base}.{chosen.value}")
            self._read(f"{base}.{chosen.value}.local")
        return self._environment()

    def _environment(self) -> Environment:
        return Environment({**self._found, **self._process}, tuple(self._faults))

    def _text(self, name: str) -> str | None:
        try:
            return (self._directory / name).read_bytes().decode().replace("\r\n", "\n").replace("\r", "\n")
        except FileNotFoundError:
            return None
        except OSError as error:
            self._faults.append(f"{name} cannot be read ({error.strerror})")
        except UnicodeDecodeError:
            self._faults.append(f"{name} is not text in UTF-8")
        return None

    def _read(self, name: str) -> None:
        text = self._text(name)
        if text is None:
            return
        here: dict[str, str] = {}
        try:
            self._parse(text, here)
        except _Invalid as error:
            line = text.count("\n", 0, error.at) + 1
            self._faults.append(f"{name}, line {line}: {error.why}; what follows in this file is not read")
        self._found.update({key: Variable(value, name) for key, value in here.items()})

    def _parse(self, text: str, here: dict[str, str]) -> None:
        at = _end(_SKIPPED, text, 0)
        while at < len(text):
            named = _NAME.match(text, at)
            if named is None:
                raise _Invalid(at, "is no NAME=value")
            start = at = named.end()
            value = ""
            nothing = _NOTHING.match(text, at)
            if nothing is not None:
                at = nothing.end()
            elif text[at] in " \t":
                raise _Invalid(at, "a blank stands before the value, remove it")
            while at < len(text) and text[at] != "\n" and not (text[at] == "#" and text[at - 1] in " \t"):
                part = _PART.match(text, at)
                if part is None:
                    raise _Invalid(at, "a quotation mark has no second one")
                at = part.end()
                value += self._meant(part, here, start)
            here[named[1]] = value
            at = _end(_SKIPPED, text, at)

    def _meant(self, part: re.Match[str], here: Mapping[str, str], at: int) -> str:
        if part["single"] is not None:
            return part["single"]
        if part["double"] is not None:
            text = part["double"].replace('\\"', '"').replace("\\r", "\r").replace("\\n", "\n")
        else:
            text = re.sub(r"\\([\"'])", r"\1", part["plain"]).rstrip()
        if re.search(r"(?<!\\)(?:\\\\)*\$\(", text):
            raise _Invalid(at, "the value is that of a command, which is not run: set the variable in the environment")

        def look_up(found: re.Match[str]) -> str:
            if len(found["slashes"]) % 2:
                return found[0][1:]
            if found["open"]:
                raise _Invalid(at, "a brace behind a $ has no second one")
            name = found["braced"] or found["bare"]
            if name is None:
                return found[0]
            outer = self._process.get(name)
            earlier = self._found.get(name)
            value = outer.value if outer else here.get(name, earlier.value if earlier else "")
            return found["slashes"] + (value or found["default"] or found["other"] or "")

        value = _VARIABLE.sub(look_up, text).replace("\\\\", "\\")
        if part["plain"] is not None and value == text and re.search(r"\s", text):
            raise _Invalid(at, "a value with blanks has to stand in quotes")
        return value


class _Invalid(Exception):
    def __init__(self, at: int, why: str) -> None:
        super().__init__(why)
        self.at, self.why = at, why


def _end(pattern: re.Pattern[str], text: str, at: int) -> int:
    found = pattern.match(text, at)
    return at if found is None else found.end()


def _plain_php(text: str) -> str:
    """What stands between single quotes of PHP."""
    return re.sub(r"\\(['\\])", r"\1", text)
