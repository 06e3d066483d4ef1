"""The channels that an Oro application declares in its websocket_routing.yml files, with the rules of Oro's handlers.

Oro reads ``Resources/config/oro/websocket_routing.yml`` of each bundle and ``config/oro/websocket_routing/*.yml`` of
the application (SyncBundle, WebsocketRouterConfigurationPass). Only PHP knows which bundles are registered, so every
bundle below ``src`` and ``vendor`` counts. A route names the service that handles it. Oro's own handlers are known
here; a channel with another handler is declared, and no client may subscribe until the configuration says which may.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Mapping
from enum import Enum
from pathlib import Path

import attrs

from orosync.authz import oro_yaml
from orosync.authz.channels import ALL, OWNERS, Binding, Channel, Granted, default_requirement, either
from orosync.authz.oro_yaml import Route, Written
from orosync.errors import ConfigError

ROOTS = ("src", "vendor")
BUNDLE = Path("Resources", "config", "oro", "websocket_routing.yml")
APPLICATION = Path("config", "oro", "websocket_routing")
SKIPPED = frozenset({"tests", "node_modules", "var"})
"""Folders without bundles in use, in lower case."""

MOST_FOLDERS = 500_000
MOST_FILES = 500


class Handler(Enum):
    """Oro's topic handlers: who may subscribe."""

    BROADCAST = "all"
    SECURED = "whose user_id it is"
    SYNC_FAIL = "whose user_id it is; * is for all"


HANDLERS: Mapping[str, Handler] = {
    "oro_sync.ping": Handler.BROADCAST,  # WebsocketPingTopic; orosync has the timer
    "oro_sync.data_update": Handler.BROADCAST,
    "oro_sync.maintenance": Handler.BROADCAST,
    "oro_user.outdated_user_page": Handler.BROADCAST,
    "oro_message_queue.message_queue_heartbeat": Handler.BROADCAST,
    "oro_email.event": Handler.SECURED,
    "oro_reminder.remind": Handler.SECURED,
    "oro_entity_config.attribute_import": Handler.SECURED,
    "oro_conversation.event": Handler.SECURED,
    "oro_imap.sync_fail": Handler.SYNC_FAIL,
}
"""By ``handler.callback``: Oro's services of BroadcastTopic, SecuredTopic (SyncBundle), SyncFailTopic (ImapBundle)."""


def routed_channels(
    application: Path,
    users: Granted,
    backends: Granted,
    source: str,
    overridden: Mapping[str, Iterable[str]],
) -> tuple[Channel, ...]:
    """The channels of ``application``, for the roles that users and back ends have in this realm.

    ``overridden``: by pattern, variables whose requirement the configuration gives, so that the file's is not read.
    Raises ConfigError with every fault of every file: ``[topics:oro] oro_routing: FILE:LINE: what is wrong``.
    """
    title = f"{source} oro_routing:"
    lacking = oro_yaml.missing()
    if lacking:
        raise ConfigError([f"{title} {lacking}"])
    found = find(application)
    faults = [f"{title} {fault}" for fault in found.faults]
    names: dict[str, str] = {}
    channels: dict[str, Channel] = {}
    for shown, path in found.files:
        routes, wrong = _routes(path)
        faults += [f"{title} {shown}{f':{line}' if line else ''}: {text}" for line, text in wrong]
        for route in routes:
            at = f"{shown}:{route.name.line}"
            before = names.setdefault(route.name.text, at)
            known = channels.get(route.channel.text)
            if before != at:
                faults.append(f"{title} {at}: {route.name.text} is the name of {before} too, of which Oro drops one")
            elif known is not None:
                faults.append(f"{title} {at}: {known.pattern} is a channel of {known.place} too, remove one of the two")
            else:
                try:
                    free = overridden.get(route.channel.text, ())
                    channels[route.channel.text] = _channel(route, at, users, backends, source, free)
                except ValueError as error:
                    faults.append(f"{title} {shown}:{_line(route, error)}: {error}")
    if faults:
        raise ConfigError(faults)
    return tuple(channels.values())


def _routes(path: Path) -> tuple[tuple[Route, ...], tuple[tuple[int, str], ...]]:
    try:
        with path.open("rb") as file:
            return oro_yaml.read(file.read(oro_yaml.LARGEST + 1))
    except OSError as error:
        return (), ((0, f"cannot be read ({error.strerror}), correct its rights"),)


def _channel(
    route: Route, place: str, users: Granted, backends: Granted, source: str, overridden: Iterable[str]
) -> Channel:
    """Raises ValueError when channel or requirements cannot be read."""
    pattern = route.channel.text
    variables = re.findall(r"\{(\w+)\}", pattern)
    wanted = {name: default_requirement(name) for name in variables}
    wanted.update({name: one.text for name, one in route.requirements.items() if name not in overridden})
    handler = HANDLERS.get(route.callback.text)
    subscribers, note = users, ""
    if handler is None:
        bindings = {name: Binding(OWNERS[name]) for name in variables if name in OWNERS}
        subscribers = {}
        note = f"its handler {route.callback.text} is none of Oro's, so say who may: channel.{pattern} = subscribe ..."
    elif handler is Handler.BROADCAST:
        bindings, subscribers = {}, either(users, backends)
    elif "user_id" not in variables:
        raise ValueError(f"{pattern!r}: the handler {route.callback.text} asks for {{user_id}}, the channel has none")
    else:
        for_all = frozenset(ALL) if handler is Handler.SYNC_FAIL else frozenset()
        bindings = {"user_id": Binding(OWNERS["user_id"], for_all)}
    return Channel(pattern, wanted, bindings, subscribers, backends, source, place=place, note=note)


def _line(route: Route, error: ValueError) -> int:
    """The line of the requirement that the error is about, else the channel's."""
    named = re.search(r"requirement of \{(\w+)\}", str(error))
    where: Written = route.requirements.get(named[1], route.channel) if named else route.channel
    return where.line


@attrs.frozen
class Found:
    """``files`` has (path from the application, absolute path), in order; ``faults`` what could not be read."""

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
    """Paths of possible routing files, found by their names."""
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
    # Strings instead of Path objects: an application has a hundred thousand folders.
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
