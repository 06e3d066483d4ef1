"""Servers that refuse to run as root, or should not: started as another user, and ended when the tests end."""

from __future__ import annotations

import os
import pwd
import shutil
from pathlib import Path


def account(*users: str) -> pwd.struct_passwd:
    """The first of ``users`` that the machine has, else nobody."""
    known = {entry.pw_name: entry for entry in pwd.getpwall()}
    return next(known[name] for name in (*users, "nobody") if name in known)


def command(*users: str) -> list[str]:
    """The beginning of a command: it drops root's rights, and the kernel ends it when this thread is gone."""
    begin = ["setpriv", "--pdeathsig", "KILL"]
    if os.geteuid() != 0:
        return begin
    who = account(*users)
    return [*begin, f"--reuid={who.pw_uid}", f"--regid={who.pw_gid}", "--clear-groups"]


def give(path: Path, *users: str) -> None:
    """Let them own a directory."""
    if os.geteuid() == 0:
        who = account(*users)
        shutil.chown(path, who.pw_uid, who.pw_gid)
