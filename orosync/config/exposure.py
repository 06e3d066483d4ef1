"""Files with secrets and directories with code that other users of this machine can read or change.

The modes of files and directories are examined, access control lists are not. The functions yield
sentences, for warnings.
"""

from __future__ import annotations

import importlib.util
import os
import stat
from collections.abc import Iterator
from pathlib import Path


def of_secret(path: Path, status: os.stat_result) -> Iterator[str]:
    """What is wrong with the rights of a file that holds a secret; ``status`` is that of the open file. What is no
    regular file (a pipe) has no readers but one."""
    if not stat.S_ISREG(status.st_mode):
        return
    if status.st_mode & stat.S_IWOTH:
        yield f"{path} can be changed by all users of this machine, remove that permission (chmod o-w)"
    elif status.st_mode & stat.S_IWGRP:
        yield f"{path} can be changed by its group, remove that permission (chmod g-w)"
    if status.st_mode & stat.S_IROTH:
        yield f"{path} can be read by all users of this machine, remove that permission (chmod o-r)"
    if status.st_uid not in (0, os.geteuid()) and os.geteuid() != 0:
        yield f"{path} belongs to another user, who can change it: give it to root or to the user that orosync runs as"
    yield from _replaceable(path)


def of_configuration(path: Path) -> Iterator[str]:
    """What is wrong with the rights of the configuration, which names code that is run."""
    try:
        mode = path.stat().st_mode
    except OSError:
        return
    if mode & stat.S_IWOTH:
        yield f"{path} can be changed by all users of this machine, remove that permission (chmod o-w)"
    yield from _replaceable(path)


def of_plugins(directory: Path) -> Iterator[str]:
    """What is wrong with the rights of a directory that modules are imported from: its own, and those above it."""
    for place in dict.fromkeys((directory, directory.resolve())):
        try:
            mode = place.stat().st_mode
        except OSError:
            continue
        if mode & stat.S_IWOTH:
            yield f"{place} can be written by all users of this machine, and modules are run from there: chmod o-w"
        elif mode & stat.S_IWGRP and place == directory:
            yield f"{place} can be written by its group, and modules are run from there: chmod g-w"
        above = open_directory(place.parent)
        if above is not None:
            yield (
                f"{place} lies below {above}, where all users of this machine can write, and modules are run from "
                "there: move it, to /opt for example"
            )


def of_module(factory: str) -> Iterator[str]:
    """What is wrong with where the module of a ``package.module:factory`` lies. Nothing is imported for it; a module
    that cannot be found, or lies in no directory, is no matter of this."""
    top = factory.partition(":")[0].partition(".")[0]
    try:
        found = importlib.util.find_spec(top)
    except (ImportError, ValueError, AttributeError):
        return
    if found is None:
        return
    places = list(found.submodule_search_locations or ())
    if not places and found.origin is not None and found.has_location:
        places = [str(Path(found.origin).parent)]
    for place in places:
        for fault in of_plugins(Path(place)):
            yield f"the module {top}: {fault}"


def open_directory(directory: Path) -> Path | None:
    """The nearest directory, from ``directory`` upwards, in which all users can create files; None if there is none.
    The sticky bit (/tmp) does not help: others can create what does not exist yet."""
    return next((place for place in (directory, *directory.parents) if _mode(place) & stat.S_IWOTH), None)


def _replaceable(path: Path) -> Iterator[str]:
    """Whether others can put a file in the place of ``path``, or of what a link there leads to: in its directory, or in
    one above whose entries they may rename."""
    for place in dict.fromkeys((path, path.resolve())):
        for directory in place.parents:
            mode = _mode(directory)
            if mode & stat.S_IWOTH and (directory == place.parent or not mode & stat.S_ISVTX):
                yield (
                    f"{place} lies in {directory}, where all users of this machine can write: move it to a directory "
                    "of its own (mode 700)"
                )
                break


def _mode(directory: Path) -> int:
    try:
        return directory.stat().st_mode
    except OSError:
        return 0
