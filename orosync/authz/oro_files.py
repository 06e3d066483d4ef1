"""Where an Oro application has its websocket_routing.yml files.

Oro reads ``Resources/config/oro/websocket_routing.yml`` of each bundle, ``config/oro/websocket_routing/*.yml`` beside
a bundle's directory and of the application, and ``Resources/BUNDLE/config/oro/websocket_routing.yml`` of the
application in place of the bundle's own file (SyncBundle, WebsocketRouterConfigurationPass; Oro's component Config,
CumulativeFileLoader). Only PHP knows which bundles are registered, so every bundle below ``src`` and ``vendor`` counts.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import attrs

ROOTS = ("src", "vendor")
BUNDLE = Path("Resources", "config", "oro", "websocket_routing.yml")
FOLDER = Path("config", "oro", "websocket_routing")
"""In the application, and beside each bundle's directory."""

OVERRIDES = "Resources"
"""The application's folder with a folder for each bundle whose files it replaces."""

SKIPPED = frozenset({"tests", "node_modules", "var"})
"""Folders without bundles in use, in lower case."""

MOST_FOLDERS = 500_000
MOST_FILES = 500


@attrs.frozen
class Found:
    """``files`` has (path from the application, absolute path), in order. ``faults``: why the directory is no Oro
    application; ``warnings``: what could not be read in it."""

    files: tuple[tuple[str, Path], ...]
    faults: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()


class _Stop(Exception):
    """The directory is something else than an Oro application."""


def find(application: Path) -> Found:
    """Every routing file of ``application``. Links are followed as long as they stay inside it."""
    top = Path(os.path.realpath(application))
    warnings: list[str] = []
    files: dict[Path, str] = {}
    if not any((top / root).is_dir() for root in ROOTS):
        return Found((), (f"{application} has neither src nor vendor, name the directory of an Oro application",))
    try:
        for path in _candidates(top, warnings):
            real = Path(os.path.realpath(path))
            if not real.is_relative_to(top):
                warnings.append(f"{path.relative_to(top)} leads out of {application}, put the file itself there")
            elif real not in files and real.is_file():
                files[real] = str(real.relative_to(top))
            if len(files) > MOST_FILES:
                raise _Stop(f"has more than {MOST_FILES} files of routes, name one application")
    except _Stop as stop:
        return Found((), (f"{application} {stop}",))
    _override(top, files, warnings)
    if not files and not warnings:
        return Found((), (f"{application} has no websocket_routing.yml below src and vendor, name an Oro application",))
    return Found(tuple(sorted((shown, real) for real, shown in files.items())), (), tuple(warnings))


def _candidates(top: Path, warnings: list[str]) -> Iterator[Path]:
    """Paths of possible routing files, found by their names."""
    yield from _yml(top / FOLDER, top, warnings)
    roots = [top / root for root in ROOTS if (top / root).is_dir()]
    for root in roots:
        if not root.resolve().is_relative_to(top):
            raise _Stop(f"has a {root.name} that leads out of it, name the directory of a whole application")
    # Strings instead of Path objects: an application has a hundred thousand folders.
    waiting = [str(root) for root in roots]
    seen = {os.path.realpath(root) for root in roots}
    folders = 0
    while waiting:
        folder = waiting.pop()
        folders += 1
        if folders > MOST_FOLDERS:
            raise _Stop(f"has more than {MOST_FOLDERS} folders below src and vendor, name an Oro application")
        for entry in _folders(folder, top, warnings):
            if entry.name == BUNDLE.parts[0]:
                if os.path.lexists(os.path.join(folder, BUNDLE)):
                    yield Path(folder, BUNDLE)
                continue
            if entry.name == FOLDER.parts[0]:
                yield from _yml(Path(folder, FOLDER), top, warnings)
            if entry.is_symlink():
                real = os.path.realpath(entry.path)
                if real in seen or not Path(real).is_relative_to(top):
                    continue
                seen.add(real)
            waiting.append(entry.path)


def _override(top: Path, files: dict[Path, str], warnings: list[str]) -> None:
    """Replaces files of bundles by those that the application has for them. A bundle's class, in a file of its name,
    says where it is."""
    for path in sorted((top / OVERRIDES).glob(f"*/{Path(*BUNDLE.parts[1:])}")):
        name = path.relative_to(top / OVERRIDES).parts[0]
        real = Path(os.path.realpath(path))
        shown = str(path.relative_to(top))
        if not real.is_relative_to(top):
            warnings.append(f"{shown} leads out of {top}, put the file itself there")
            continue
        for known in [each for each in files if (_bundle_of(each) / f"{name}.php").is_file()]:
            del files[known]
        files[real] = shown


def _bundle_of(file: Path) -> Path:
    return file.parents[len(BUNDLE.parts) - 1]


def _folders(folder: str, top: Path, warnings: list[str]) -> Iterator[os.DirEntry[str]]:
    """The folders in ``folder`` that may hold bundles, or be a bundle's resources."""
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                name = entry.name
                if not name.startswith(".") and name.lower() not in SKIPPED and entry.is_dir():
                    yield entry
    except OSError as error:
        warnings.append(f"{os.path.relpath(folder, top)} cannot be read ({error.strerror}), correct its rights")


def _yml(folder: Path, top: Path, warnings: list[str]) -> list[Path]:
    """The .yml files right in ``folder``, if there is one."""
    if not folder.is_dir():
        return []
    try:
        return [path for path in sorted(folder.iterdir()) if path.suffix == ".yml"]
    except OSError as error:
        warnings.append(f"{os.path.relpath(folder, top)} cannot be read ({error.strerror}), correct its rights")
        return []
