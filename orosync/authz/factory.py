"""Makes authorizers from the sections that describe them, and has the channels that every Oro application has.

Those stand in ``Resources/config/oro/websocket_routing.yml`` of Oro's bundles. Who may subscribe is what Oro's topic
handlers enforce (BroadcastTopic: all; SecuredTopic: ``user_id`` is the user's own, the organization is not looked at;
ImapBundle's SyncFailTopic: ``*`` for all). Publishing is for the back end only, which is stricter than Oro.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

import attrs

from orosync.authz.channels import (
    ALL,
    OWNERS,
    Binding,
    Channel,
    Granted,
    Owner,
    admits_all,
    default_requirement,
    either,
    granted,
)
from orosync.authz.oro_routing import Routing, routed_channels
from orosync.authz.reserved import Reservation
from orosync.authz.roles import Permission, RolePermissions
from orosync.authz.topics import TopicRules
from orosync.config import Configuration
from orosync.config.authentication import RemoteAuthenticatorSection, RemoteAuthorizerSection
from orosync.config.rules import ChannelLine
from orosync.config.sections import TopicsSection
from orosync.errors import ConfigError

NUMBER = r"\d+"
NUMBER_OR_ALL = r"\d+|\*"

BUILT_IN = "built in"
"""The place of a rule that is in no file of the administrator."""

BROADCAST: tuple[str, ...] = (
    "oro/ping",
    "oro/data/update",
    "oro/maintenance",
    "oro/outdated_user_page",
    "oro/message_queue_heartbeat",
)
"""Channels for all users and the back end."""

SECURED: Mapping[str, Mapping[str, str]] = {
    "oro/email_event/{user_id}/{organization_id}": {"user_id": NUMBER, "organization_id": NUMBER_OR_ALL},
    "oro/imap_sync_fail/{user_id}": {"user_id": NUMBER_OR_ALL},
    "oro/reminder_remind/{user_id}": {"user_id": NUMBER},
    "oro/attribute_import/{user_id}/{config_model_id}": {"user_id": NUMBER, "config_model_id": NUMBER},
    "oro/conversation_event/{user_id}/{organization_id}": {"user_id": NUMBER, "organization_id": NUMBER_OR_ALL},
}
"""Channels where ``user_id`` must be the subscriber's own; the values in OPEN are for all users."""

OPEN: Mapping[str, frozenset[str]] = {"oro/imap_sync_fail/{user_id}": frozenset("*")}


def oro_channels(
    users: Granted | Iterable[str] = ("user",),
    backends: Granted | Iterable[str] = ("backend",),
    source: str = "[topics:oro]",
) -> tuple[Channel, ...]:
    """The ten channels, for the roles that users and back ends have in this realm."""
    subscribers, publishers = granted(users), granted(backends)
    all_roles = either(subscribers, publishers)
    return tuple(
        Channel(pattern, subscribers=all_roles, publishers=publishers, source=source, place=BUILT_IN)
        for pattern in BROADCAST
    ) + tuple(
        Channel(
            pattern,
            requirements,
            {"user_id": Binding(Owner.USER, OPEN.get(pattern, frozenset()))},
            subscribers,
            publishers,
            source,
            place=BUILT_IN,
        )
        for pattern, requirements in SECURED.items()
    )


ORO_CHANNELS: tuple[Channel, ...] = oro_channels()
"""The ten channels with orosync's default roles."""


def role_permissions(configuration: Configuration, realm: str) -> RolePermissions:
    """The authorizer ``roles`` of ``realm``."""
    return RolePermissions(
        {
            role: [Permission(p.uri, p.match, p.actions, p.disclose, f"[{p.section}]", p.place) for p in lines]
            for role, lines in configuration.permissions(realm).items()
        }
    )


def reservations(configuration: Configuration, realm: str) -> list[Reservation]:
    """The procedures of ``realm`` that decide for it or for another realm, and those that orosync registers there."""
    found = []
    for one in configuration.realms.values():
        for name in one.authorizers:
            section = configuration.authorizers.get(name)
            if isinstance(section, RemoteAuthorizerSection) and (section.realm or one.name) == realm:
                title, roles = f"[authorizer:{name}]", frozenset(section.registered_by)
                found.append(Reservation(section.procedure, roles, frozenset(), title))
                if section.purge:
                    callers = frozenset(filter(None, (section.purge_role,)))
                    found.append(Reservation(section.purge, frozenset(), callers, title))
        for name in one.authenticators:
            remote = configuration.authenticators.get(name)
            if isinstance(remote, RemoteAuthenticatorSection) and (remote.realm or one.name) == realm:
                roles = frozenset(remote.registered_by)
                found.append(Reservation(remote.procedure, roles, frozenset(), f"[authenticator:{name}]"))
    return list(dict.fromkeys(found))


def topic_rules(section: TopicsSection) -> TopicRules:
    """The authorizer ``topics:NAME``. Raises ConfigError with every fault.

    Oro's channels come first: those of an application's files, else the built-in ones, each changed by the line with
    its pattern; then the channels of the other lines.
    """
    source = f"[topics:{section.name}]"
    faults: list[str] = []
    routing = Routing((), (), ())
    try:
        routing = _channels_of_oro(section, source)
    except ConfigError as error:
        faults += error.faults
    channels = {channel.pattern: channel for channel in routing.channels}
    denied = {one.pattern for one in routing.denied}
    for line in section.channel:
        if line.pattern in denied:
            continue  # it does not say who may subscribe
        known = channels.get(line.pattern)
        try:
            channels[line.pattern] = _new_channel(section, line, source) if known is None else _changed(known, line)
        except ValueError as error:
            faults.append(f"{source} channel.{line.pattern}: {error} ({line.place})")
    if faults:
        raise ConfigError(faults)
    notes = (f"{source} {one.place}: {one.note}" for one in channels.values() if one.note)
    return TopicRules(channels.values(), name=f"topics:{section.name}", warnings=(*routing.warnings, *notes))


def _channels_of_oro(section: TopicsSection, source: str) -> Routing:
    if section.use != "oro":
        return Routing((), (), ())
    if section.oro_routing is None:
        return Routing(oro_channels(section.subscribe, section.publish, source), (), ())
    lines = {line.pattern: line for line in section.channel}
    return routed_channels(section.oro_routing, section.subscribe, section.publish, source, lines)


def _new_channel(section: TopicsSection, line: ChannelLine, source: str) -> Channel:
    variables = re.findall(r"\{(\w+)\}", line.pattern)
    wanted = {name: default_requirement(name) for name in variables}
    return Channel(
        line.pattern,
        {**wanted, **line.requirements},
        bindings={name: Binding(OWNERS[name], _open(name, line)) for name in variables if name in OWNERS},
        subscribers=section.subscribe if line.subscribe is None else line.subscribe,
        publishers=section.publish if line.publish is None else line.publish,
        source=source,
        key=f"channel.{line.pattern}",
        place=line.place,
        retained=line.retained,
    )


def _changed(known: Channel, line: ChannelLine) -> Channel:
    """A channel of Oro, changed by what the line says."""
    bindings = {
        name: Binding(binding.owner, _open(name, line) if name in line.requirements else binding.but)
        for name, binding in known.bindings.items()
    }
    return attrs.evolve(
        known,
        requirements={**known.requirements, **line.requirements},
        bindings=bindings,
        subscribers=known.subscribers if line.subscribe is None else line.subscribe,
        publishers=known.publishers if line.publish is None else line.publish,
        key=f"channel.{line.pattern}",
        place=f"{line.place}, {known.place}",
        retained=known.retained or line.retained,
        note="" if line.subscribe is not None else known.note,
    )


def _open(name: str, line: ChannelLine) -> frozenset[str]:
    """``*`` if the line itself admits it in a variable that must be the principal's own: it is then for all."""
    written = line.requirements.get(name)
    return frozenset() if written is None or not admits_all(written) else frozenset(ALL)
