"""Defaults that depend on the host, the environment or other sections.

Values in, values out, except for the host's name and the permissions of directories. Contradictions are found by
``orosync.config.checks``.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Collection, Mapping
from pathlib import Path

import attrs

from orosync.config.attached import AttachSection
from orosync.config.backplane import AnyBackplane, LocalBackplaneSection
from orosync.config.endpoints import Reach
from orosync.config.listen import ListenSection
from orosync.config.readers import Source
from orosync.config.realms import ComponentSection
from orosync.config.sections import NotificationsSection, RouterSection
from orosync.config.uplinks import UplinkSection

LEAST_UNAUTHENTICATED = 256
LOCAL_ORIGINS = ("localhost", "127.0.0.1", "[::1]")


def router(section: RouterSection, source: Source) -> RouterSection:
    """With the node's name, the state directory and the number of workers."""
    node = section.node or socket.gethostname() or "orosync"
    state = section.state if section.state != Path() else state_directory(source.environ)
    workers = section.workers or len(os.sched_getaffinity(0))
    return attrs.evolve(section, node=node, state=state, workers=workers)


def listener(section: ListenSection, names: Collection[str]) -> ListenSection:
    """With the realm, TLS, origins and numbers, as far as the sections tell. ``names`` are those of all realms."""
    local = section.reach is not Reach.OTHER_MACHINES
    return attrs.evolve(
        section,
        realm=section.realm or only(names),
        tls=section.tls or section.certificate is not None,
        origins=section.origins or (LOCAL_ORIGINS if local else ()),
        max_unauthenticated=section.max_unauthenticated or unauthenticated_share(section.max_connections),
    )


def unauthenticated_share(connections: int) -> int:
    """How many of a listener's connections may be unauthenticated: half, so that the other half is there for those who
    join; of few connections all."""
    return min(connections, max(connections // 2, LEAST_UNAUTHENTICATED))


def notifications(section: NotificationsSection, names: Collection[str]) -> NotificationsSection:
    """With the realm."""
    return attrs.evolve(section, realm=section.realm or only(names))


def component(section: ComponentSection, names: Collection[str]) -> ComponentSection:
    """With the realm."""
    return attrs.evolve(section, realm=section.realm or only(names))


def uplink(section: UplinkSection) -> UplinkSection:
    """With the name of the remote realm."""
    return attrs.evolve(section, realm=section.realm or section.name)


def backplane(section: AnyBackplane | None, router: RouterSection) -> AnyBackplane | None:
    """That of the workers of one machine needs no section."""
    return LocalBackplaneSection(use="local") if section is None and router.workers > 1 else section


def attach(section: AttachSection, names: Collection[str]) -> AttachSection:
    """With the realm."""
    return attrs.evolve(section, realm=section.realm or only(names))


def only(names: Collection[str]) -> str:
    """The realm's name when there is exactly one, else ""."""
    return next(iter(names)) if len(names) == 1 else ""


def state_directory(environ: Mapping[str, str]) -> Path:
    """systemd's directory, else the first customary one that can be written or made, else ./var."""
    given = environ.get("STATE_DIRECTORY", "").partition(":")[0]
    if given:
        return Path(given)
    candidates = []
    if environ.get("XDG_STATE_HOME", "").startswith("/"):
        candidates.append(Path(environ["XDG_STATE_HOME"]) / "orosync")
    home = environ.get("HOME", "")
    if home.startswith("/") and home != "/":
        candidates.append(Path(home) / ".local/state/orosync")
    candidates.append(Path("/var/lib/orosync"))
    found = next((candidate for candidate in candidates if can_be_made(candidate)), None)
    return found or Path("var").absolute()


def can_be_made(directory: Path) -> bool:
    """Whether we may write there, or may make it."""
    try:
        standing = next((place for place in (directory, *directory.parents) if place.exists()), directory)
    except PermissionError:  # that of a unit with DynamicUser=yes, for another service
        return False
    return standing.is_dir() and os.access(standing, os.W_OK | os.X_OK)
