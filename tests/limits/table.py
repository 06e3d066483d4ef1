"""The table of docs/limits.md, and what drives each of its rows beyond its bound."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import attrs

from orosync.config.fields import keys_of
from orosync.config.reference import TABLES

PAGE = Path(__file__).resolve().parents[2] / "docs" / "limits.md"
NOTHING = "none"


@attrs.frozen
class Row:
    """One line of the table. ``bound`` and ``key`` as they are written."""

    what: str
    bound: str
    key: str
    told: str
    log: str


@attrs.frozen
class Outcome:
    """What came of one more than there may be. ``told``: the URI, status or code that the client got, "" for nothing;
    ``log``: (event, kind) of the last line or count of that event; ``lives``: the session or connection goes on."""

    told: str = ""
    log: tuple[str, str] | None = None
    lives: bool = True


Drive = Callable[[], Outcome]

DRIVES: dict[str, Drive] = {}
BOUNDS: dict[str, str] = {}
"""Of rows without a key, and of those whose key says it in its own way: the bound as it has to be written."""


def drives(what: str, bound: str = "") -> Callable[[Drive], Drive]:
    """The function that goes beyond the bound of a row."""

    def kept(drive: Drive) -> Drive:
        assert what not in DRIVES, what
        DRIVES[what] = drive
        if bound:
            BOUNDS[what] = bound
        return drive

    return kept


def number(value: int) -> str:
    """As the page writes a count."""
    return f"{value:,}"


def size(value: int) -> str:
    """As the page writes a size."""
    if value % (1 << 20) == 0:
        return f"{value >> 20} MiB"
    assert value % 1024 == 0
    return f"{value >> 10} KiB"


def rows() -> list[Row]:
    """The table as it stands."""
    found = []
    for line in PAGE.read_text().splitlines():
        cells = [cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]]
        if len(cells) == 5 and cells[0] != "what" and set(line) - set("|-"):
            found.append(Row(*cells))
    return found


def default_of(key: str) -> str:
    """The default of ``[section] key`` in the words of the reference page. KeyError where there is no such key."""
    found = re.fullmatch(r"`\[([^]]+)\] (\w+)`", key)
    if found is None:
        raise KeyError(key)
    sections: list[type[Any]] = [section for title, section in TABLES.items() if title.split(",")[0] == found[1]]
    for section in sections:
        if found[2] in keys_of(section):
            return keys_of(section)[found[2]].shown
    raise KeyError(key)


def listen(key: str) -> Any:
    """The default of a listener's key as a value."""
    return TABLES["listen:NAME"](name="x", endpoint="tcp:1").__getattribute__(key)
