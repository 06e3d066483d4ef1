"""What belongs to operating a router: [listen:ops], key by key, and the control socket of [router]."""

from __future__ import annotations

import os
import pwd
import stat
import zlib
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from attrs import frozen

from orosync.config import endpoints, readers
from orosync.config.fields import setting

LONGEST_SOCKET = 107
"""Bytes of the path of a UNIX socket (unix(7))."""

BACKPLANE = "backplane"
"""The check of the backplane's engine, as health calls it."""

EVERYONES = Path("/tmp")
"""Where a control socket is made whose path would be too long; not $TMPDIR, which differs between processes."""


def socket_path(text: str, source: readers.Source) -> Path:
    """Where a UNIX socket is made: at most 107 bytes (unix(7))."""
    path = readers.expanded(text, source)
    if len(os.fsencode(path)) > LONGEST_SOCKET:
        raise ValueError(f"{path} is too long for a UNIX socket (at most {LONGEST_SOCKET} bytes), choose a shorter one")
    return path


def system_users(text: str, source: readers.Source) -> tuple[int, ...]:
    """Users of this machine, by name or number; their numbers."""
    found = []
    for word in readers.words(text):
        try:
            found.append(int(word) if word.isdigit() and word.isascii() else pwd.getpwnam(word).pw_uid)
        except KeyError:
            raise ValueError(f"{word!r} is no user of this machine, correct it or write its number") from None
    return tuple(dict.fromkeys(found))


def processes(text: str, source: readers.Source) -> int:
    """A number of processes; 0 for ``auto``."""
    if text == "auto":
        return 0
    try:
        return readers.count(text, source)
    except ValueError:
        raise ValueError(f"{text!r} is not a number from 1 on, write one or auto") from None


def dependencies(text: str, source: readers.Source) -> tuple[str, ...]:
    """What nodes share, as health calls it: ``directory:NAME``, ``sessions:NAME``, ``uplink:NAME``, ``backplane``."""
    listed = []
    for word in readers.words(text):
        kind, _, called = word.partition(":")
        if word == BACKPLANE:
            listed.append(word)
            continue
        if kind not in ("directory", "sessions", "uplink") or not called:
            raise ValueError(
                f"{word!r} is no dependency, write directory:NAME, sessions:NAME, uplink:NAME or {BACKPLANE}"
            )
        listed.append(f"{kind}:{readers.name(called, source)}")
    return tuple(dict.fromkeys(listed))


def control_sockets(
    configured: Path | None, configuration: Path, state: Path, environ: Mapping[str, str]
) -> list[Path]:
    """Where the control socket of a router may be, in order; the router makes the first. ``configured`` is the key's,
    ``configuration`` the path of the file: routers with different files have different sockets."""
    if configured is not None:
        return [configured]
    name = f"control-{zlib.crc32(os.fsencode(configuration.resolve())):08x}.sock"
    runtime = environ.get("RUNTIME_DIRECTORY", "").partition(":")[0]
    found = [*([Path(runtime) / name] if runtime else []), state / name]
    fitting = [path for path in found if len(os.fsencode(path)) <= LONGEST_SOCKET]
    if found[-1] not in fitting:
        users = [os.getuid()]
        with suppress(OSError):
            users.append(state.stat().st_uid)  # the router's user, where root asks
        fitting += [short_directory(uid) / name for uid in dict.fromkeys(users)]
    return fitting


def short_directory(uid: int) -> Path:
    """Where a user's routers make control sockets whose paths would be too long elsewhere."""
    return EVERYONES / f"orosync-{uid}"


def in_good_hands(path: Path) -> bool:
    """Whether nobody but its user can make sockets in a short_directory: it is made where everyone may make one. True
    for a socket elsewhere."""
    directory = path.parent
    if directory.parent != EVERYONES or not directory.name.startswith("orosync-"):
        return True
    try:
        found = directory.lstat()
    except OSError:
        return False
    private = stat.S_ISDIR(found.st_mode) and not found.st_mode & (stat.S_IWGRP | stat.S_IWOTH)
    return private and directory == short_directory(found.st_uid)


@frozen(kw_only=True)
class OperationsSection:
    """[listen:ops]: health, metrics and status, for monitoring. It asks nobody who they are."""

    endpoint: str = setting(
        endpoints.endpoint,
        "Where to listen: a port on loopback, or a UNIX socket (`unix:/run/orosync/ops.sock:mode=660`).",
        required=True,
        example="tcp:9110:interface=127.0.0.1",
    )
    exposed: bool = setting(
        readers.boolean,
        "Other machines may connect as well, for instance a Prometheus in another container: let a firewall decide "
        "which.",
        default="no",
    )
    ready_requires: tuple[str, ...] = setting(
        dependencies,
        "Shared dependencies without which `/readyz` answers 503, by their names there (`directory:people`, "
        "`sessions:office`, `uplink:oro`, `backplane`). A load balancer then takes every node out of service together.",
        unset=(),
        otherwise="none: without them the router is degraded, and ready",
        example="directory:people",
    )

    @property
    def reach(self) -> endpoints.Reach:
        """Who can connect."""
        return endpoints.take_apart(self.endpoint).reach
