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
    roots = [top / root for root in ROOTS if (top / root).is_dir()]
    for root in roots:
        if not root.resolve().is_relative_to(top):
            faults.append(f"{root.name} leads out of {top}, name the directory of a whole application")
            return
    # Texts instead of paths: an application has a hundred thousand folders.
    waiting = [str(root) for root in roots]
    seen = {os.path.realpath(root) for root in roots}
    folders = 0
    while waiting:
        folder = waiting.pop()
        folders += 1
        if folders > MOST_FOLDERS:
            faults.append(f"{top} has more than {MOST_FOLDERS} folders below src and vendor, name an Oro application")
            return
        for entry in _folders(folder, top, faults):
            if entry.name == BUNDLE.parts[0]:
                if os.path.lexists(os.path.join(folder, BUNDLE)):
                    yield Path(folder, BUNDLE)
                continue
            if entry.is_symlink():
                real = os.path.realpath(entry.path)
                if real in seen or not Path(real).is_relative_to(top):
                    continue
                seen.add(real)
            waiting.append(entry.path)


def _folders(folder: str, top: Path, faults: list[str]) -> Iterator[os.DirEntry[str]]:
    """The folders in ``folder`` that may hold bundles, or be a bundle's resources."""
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                name = entry.name
                if not name.startswith(".") and name.lower() not in SKIPPED and entry.is_dir():
                    yield entry
    except OSError as error:
        faults.append(f"{os.path.relpath(folder, top)} cannot be read ({error.strerror}), correct its rights")


def _listed(folder: Path, faults: list[str]) -> list[Path]:
    try:
        return sorted(folder.iterdir())
    except OSError as error:
        faults.append(f"{APPLICATION} cannot be read ({error.strerror}), correct its rights")
        return []
