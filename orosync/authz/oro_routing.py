"""The channels that an Oro application declares in its websocket_routing.yml files, with the rules of Oro's handlers.

A route names its handler by a word that only PHP can follow. The words of Oro's own handlers are known here; whose
handler is another one, that channel is declared and nobody may subscribe to it until the configuration says who. This
file must not know how YAML is read, or how a rule is judged.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from enum import Enum
from pathlib import Path

from orosync.authz import routing_files, routing_yaml
from orosync.authz.channels import Binding, Channel, Granted, either
from orosync.authz.routing_yaml import Route, Written
from orosync.authz.variables import ALL, OWNERS, default_requirement
from orosync.errors import ConfigError


class Handler(Enum):
    """Oro's topic handlers: who may subscribe."""

    BROADCAST = "everybody"
    SECURED = "whose user_id it is"
    SYNC_FAIL = "whose user_id it is; * is everybody's"


HANDLERS: Mapping[str, Handler] = {
    "oro_sync.ping": Handler.BROADCAST,  # WebsocketPingTopic; its timer is our own
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
    overruled: Mapping[str, Iterable[str]],
) -> tuple[Channel, ...]:
    """The channels of ``application``, for the roles that users and back ends have in this realm.

    ``overruled``: by pattern, variables whose requirement the configuration gives, so that the file's is not read.
    Raises ConfigError with every fault of every file: ``[topics:oro] oro_routing: FILE:LINE: what is wrong``.
    """
    title = f"{source} oro_routing:"
    lacking = routing_yaml.missing()
    if lacking:
        raise ConfigError([f"{title} {lacking}"])
    found = routing_files.find(application)
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
                    free = overruled.get(route.channel.text, ())
                    channels[route.channel.text] = _channel(route, at, users, backends, source, free)
                except ValueError as error:
                    faults.append(f"{title} {shown}:{_line(route, error)}: {error}")
    if faults:
        raise ConfigError(faults)
    return tuple(channels.values())


def _routes(path: Path) -> tuple[tuple[Route, ...], tuple[tuple[int, str], ...]]:
    try:
        with path.open("rb") as file:
            return routing_yaml.read(file.read(routing_yaml.LARGEST + 1))
    except OSError as error:
        return (), ((0, f"cannot be read ({error.strerror}), correct its rights"),)


def _channel(
    route: Route, place: str, users: Granted, backends: Granted, source: str, overruled: Iterable[str]
) -> Channel:
    """Raises ValueError when channel or requirements cannot be read."""
    pattern = route.channel.text
    variables = re.findall(r"\{(\w+)\}", pattern)
    wanted = {name: default_requirement(name) for name in variables}
    wanted.update({name: one.text for name, one in route.requirements.items() if name not in overruled})
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
        everybody = frozenset(ALL) if handler is Handler.SYNC_FAIL else frozenset()
        bindings = {"user_id": Binding(OWNERS["user_id"], everybody)}
    return Channel(pattern, wanted, bindings, subscribers, backends, source, place=place, note=note)


def _line(route: Route, error: ValueError) -> int:
    """The line of the requirement that the fault speaks of, else the channel's."""
    spoken = re.search(r"requirement of \{(\w+)\}", str(error))
    where: Written = route.requirements.get(spoken[1], route.channel) if spoken else route.channel
    return where.line
