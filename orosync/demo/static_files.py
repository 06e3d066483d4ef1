"""The page and its parts, read once at the start: what was not there then is never served, whatever path is asked for.

It must not know HTTP beyond content types.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib.resources import files

import attrs

CONTENT_TYPES: Mapping[str, str] = {
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}


@attrs.frozen
class StaticFile:
    """One file as it is served."""

    content_type: str
    body: bytes = attrs.field(repr=False)


def read_all() -> dict[str, StaticFile]:
    """Every file of ``orosync/demo/static`` by its name. KeyError for a kind that has no content type."""
    found = {}
    for entry in files("orosync.demo").joinpath("static").iterdir():
        if entry.is_file():
            suffix = entry.name[entry.name.rindex(".") :]
            found[entry.name] = StaticFile(CONTENT_TYPES[suffix], entry.read_bytes())
    return found
