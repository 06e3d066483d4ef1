"""The routes of an Oro application, as they count when all its websocket_routing.yml files are read.

As in GosPubSubRouterBundle (YamlFileLoader, Route): imports are followed, their requirements and defaults are added to
each route of the imported file, and ``{name<requirement>?default}`` within a pattern is taken out of it. What cannot be
read is told: a route has its ``problem``, everything else is a warning.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path

import attrs

from orosync.authz import oro_yaml
from orosync.authz.oro_yaml import Import, Route, Written
from orosync.config.yaml_document import LARGEST
from orosync.model import EMPTY

IMPORTED = frozenset({"", "yaml"})
"""Types of an import that GosPubSubRouterBundle's YamlFileLoader reads; it knows the plain forms alone."""

OROS_OWN = "oro_websocket_routing_yaml"
"""The type of an import that Oro's YamlFileLoader reads, as it does the bundles' files."""

DEEPEST = 8
"""Files that import a file that imports a file."""

MOST_ROUTES = 1000

_INLINE = re.compile(r"\{(\w++)(<.*?>)?(\?[^}]*+)?\}", re.ASCII)
_BLANKS = " \t\n\r\0\x0b"
_DENIED = "is denied to everyone"


@attrs.frozen
class PlacedRoute:
    """A route as it counts.

    ``pattern`` is "" when it has none that can be read. ``problem`` is the first reason why it cannot be decided who
    may use it, "" without any. ``line``: of its name, ``pattern_line`` and ``problem_line`` of these.
    """

    name: str
    pattern: str
    callback: str
    requirements: Mapping[str, Written]
    defaults: frozenset[str]
    file: str
    line: int
    pattern_line: int
    problem: str = ""
    problem_line: int = 0

    @property
    def place(self) -> str:
        """``FILE:LINE``"""
        return f"{self.file}:{self.line}"


class RouteReader:
    """Reads files and what they import. ``routes`` are in order; ``warnings`` tell what is not read."""

    def __init__(self, application: Path) -> None:
        self.routes: list[PlacedRoute] = []
        self.warnings: list[str] = []
        self._top = Path(os.path.realpath(application))

    def read(self, shown: str, path: Path) -> None:
        """Add the routes of one file of a bundle; ``shown`` is its path for messages."""
        self._read(shown, path, True, (path,), EMPTY, frozenset())

    def _read(
        self,
        shown: str,
        path: Path,
        oro: bool,
        above: tuple[Path, ...],
        added: Mapping[str, Written],
        defaults: frozenset[str],
    ) -> None:
        try:
            with path.open("rb") as file:
                entries, faults = oro_yaml.read(file.read(LARGEST + 1))
        except OSError as error:
            entries, faults = (), ((0, f"cannot be read ({error.strerror}), correct its rights"),)
        for line, text in faults:
            self.warnings.append(f"{f'{shown}:{line}' if line else shown}: {text}; what it declares {_DENIED}")
        for entry in entries:
            if len(self.routes) >= MOST_ROUTES:
                self.warnings.append(f"{shown}: more than {MOST_ROUTES} routes; what else it declares {_DENIED}")
                return
            if isinstance(entry, Route):
                self.routes.append(_placed(entry, shown, oro, added, defaults))
                continue
            try:
                real, oros = self._imported(entry, path, above)
            except _Unread as why:
                line = why.line or entry.resource.line
                self.warnings.append(f"{shown}:{line}: {entry.name.text}: {why}; what it imports {_DENIED}")
                continue
            more = {**entry.requirements, **added}
            name = str(real.relative_to(self._top))
            self._read(name, real, oros, (*above, real), more, defaults | entry.defaults)

    def _imported(self, entry: Import, path: Path, above: tuple[Path, ...]) -> tuple[Path, bool]:
        """The file that is imported, and whether Oro's loader reads it."""
        for line, text in entry.problems:
            raise _Unread(text, line)
        resource = entry.resource.text
        if entry.kind not in IMPORTED and entry.kind != OROS_OWN:
            raise _Unread(f"an import of type {entry.kind} is not read, name a .yml file")
        if resource.startswith("@") or set("*?{[\n\0") & set(resource):
            raise _Unread(f"{resource!r} is not looked up, name a file by its path from the folder of this one")
        if not resource.endswith((".yml", ".yaml")):
            raise _Unread(f"{resource!r} is no .yml file, name one")
        real = Path(os.path.realpath(path.parent / resource))
        if not real.is_relative_to(self._top):
            raise _Unread(f"{resource!r} leads out of the application, put the file itself there")
        if real in above:
            raise _Unread(f"{resource!r} imports itself")
        if len(above) > DEEPEST:
            raise _Unread(f"more than {DEEPEST} imports within imports")
        if not real.is_file():
            raise _Unread(f"there is no {resource!r} in the folder of this file")
        return real, entry.kind == OROS_OWN


class _Unread(Exception):
    """Why an import is not read."""

    def __init__(self, reason: str, line: int = 0) -> None:
        super().__init__(reason)
        self.line = line


def _placed(route: Route, shown: str, oro: bool, added: Mapping[str, Written], defaults: frozenset[str]) -> PlacedRoute:
    """``route`` as it counts, in a file that Oro's loader reads (``oro``) or GosPubSubRouterBundle's."""
    wanted: dict[str, Written] = {}
    optional = set(route.defaults | defaults)
    channel = route.channel or Written("", route.name.line)
    pattern = channel.text
    if set("?<") & set(pattern):
        for name, requirement, default in _INLINE.findall(pattern):
            if requirement:
                wanted[name] = Written(requirement[1:-1], channel.line)
            if len(default) > 1:
                optional.add(name)
        pattern = _INLINE.sub(r"{\1}", pattern)
    line, problem = route.problems[0] if route.problems else (0, "")
    if not problem and route.oro and not oro:
        problem = "an imported file has the handler and each requirement as one text, unless the import's type is "
        line, problem = route.name.line, problem + OROS_OWN
    return PlacedRoute(
        route.name.text,
        pattern.strip(_BLANKS),
        route.callback.text if route.callback is not None else "",
        {**wanted, **route.requirements, **added},
        frozenset(optional),
        shown,
        route.name.line,
        channel.line,
        f"{route.name.text}: {problem}" if problem else "",
        line,
    )
