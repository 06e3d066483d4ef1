"""Where the routing files of an Oro application lie: found by their names, below bounds, and read.

Oro reads ``Resources/config/oro/websocket_routing.yml`` of each bundle and ``config/oro/websocket_routing/*.yml`` of
the application (SyncBundle, WebsocketRouterConfigurationPass). Which bundles are registered is PHP's to know, so every
bundle below ``src`` and ``vendor`` counts. This file must not know what stands in the files.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import attrs

ROOTS = ("src", "vendor")
BUNDLE = Path("Resources", "config", "oro", "websocket_routing.yml")
APPLICATION = Path("config", "oro", "websocket_routing")
SKIPPED = frozenset({"tests", "node_modules", "var"})
"""Folders that hold no bundle in use, whatever the case of their letters."""

MOST_FOLDERS = 500_000
MOST_FILES = 500


@attrs.frozen
class Found:
    """``files`` has (path from the application, absolute path), in order; ``faults`` what could not be looked at."""

    files: tuple[tuple[str, Path], ...]
    faults: tuple[str, ...]


def find(application: Path) -> Found:
    """Every routing file of ``application``. Links are followed as long as they stay inside it."""
    top = Path(os.path.realpath(application))
    faults: list[str] = []
    files: dict[Path, str] = {}
    if not any((top / root).is_dir() for root in ROOTS):
        return Found((), (f"{application} has neither src nor vendor, name the directory of an Oro application",))
    for path in _candidates(top, faults):
        real = Path(os.path.realpath(path))
        if not real.is_relative_to(top):
            faults.append(f"{path.relative_to(top)} leads out of {application}, put the file itself there")
        elif real not in files and real.is_file():
            files[real] = str(real.relative_to(top))
        if len(files) > MOST_FILES:
            faults.append(f"{application} has more than {MOST_FILES} files of routes, name one application")
            break
    if not files and not faults:
        faults.append(f"{application} has no websocket_routing.yml below src and vendor, name an Oro application")
    return Found(tuple(sorted((shown, real) for real, shown in files.items())), tuple(faults))


def _candidates(top: Path, faults: list[str]) -> Iterator[Path]:
    """Paths that a routing file may have, looked up by their names alone."""
    own = top / APPLICATION
    if own.is_dir():
        for path in _listed(own, faults):
            if path.suffix == ".yml":
                yield path
    waiting = [top / root for root in ROOTS if (top / root).is_dir()]
    for folder in waiting:
        if not Path(os.path.realpath(folder)).is_relative_to(top):
            faults.append(f"{folder.name} leads out of {top}, name the directory of a whole application")
            return
    seen = {Path(os.path.realpath(folder)) for folder in waiting}
    folders = 0
    while waiting:
        folder = waiting.pop()
        folders += 1
        if folders > MOST_FOLDERS:
            faults.append(f"{top} has more than {MOST_FOLDERS} folders below src and vendor, name an Oro application")
            return
        if os.path.lexists(folder / BUNDLE):
            yield folder / BUNDLE
        for path in _folders(folder, top, faults):
            if path.is_symlink():
                real = Path(os.path.realpath(path))
                if real in seen or not real.is_relative_to(top):
                    continue
                seen.add(real)
            waiting.append(path)


def _folders(folder: Path, top: Path, faults: list[str]) -> Iterator[Path]:
    """The folders in ``folder`` that may hold bundles."""
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                name = entry.name
                if name == "Resources" or name.startswith(".") or name.lower() in SKIPPED:
                    continue
                if entry.is_dir():
                    yield Path(entry.path)
    except OSError as error:
        faults.append(f"{folder.relative_to(top)} cannot be read ({error.strerror}), correct its rights")


def _listed(folder: Path, faults: list[str]) -> list[Path]:
    try:
        return sorted(folder.iterdir())
    except OSError as error:
        faults.append(f"{APPLICATION} cannot be read ({error.strerror}), correct its rights")
        return []
