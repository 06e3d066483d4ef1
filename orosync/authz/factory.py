"""The channels that every Oro application has, with Oro's own rules: data, no code to speak of.

All of them stand in ``Resources/config/oro/websocket_routing.yml`` of Oro's bundles. Who may subscribe is what Oro's
topic handlers enforce (BroadcastTopic: everybody; SecuredTopic: ``user_id`` is the user's own, the organization is not
looked at; ImapBundle's SyncFailTopic: ``*`` for everybody). Publishing is the back end's alone, stricter than Oro.
This file must not know how a rule is judged.

Authorizers made from the sections that describe them: functions of the configuration, and of nothing else.

It must not know how a section is written, or how a rule is judged.
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
from orosync.authz.oro_routing import routed_channels
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
"""The place of a rule that is written in no file of the administrator's."""

BROADCAST: tuple[str, ...] = (
    "oro/ping",
    "oro/data/update",
    "oro/maintenance",
    "oro/outdated_user_page",
    "oro/message_queue_heartbeat",
)
"""Open to every user, and to the back end."""

SECURED: Mapping[str, Mapping[str, str]] = {
    "oro/email_event/{user_id}/{organization_id}": {"user_id": NUMBER, "organization_id": NUMBER_OR_ALL},
    "oro/imap_sync_fail/{user_id}": {"user_id": NUMBER_OR_ALL},
    "oro/reminder_remind/{user_id}": {"user_id": NUMBER},
    "oro/attribute_import/{user_id}/{config_model_id}": {"user_id": NUMBER, "config_model_id": NUMBER},
    "oro/conversation_event/{user_id}/{organization_id}": {"user_id": NUMBER, "organization_id": NUMBER_OR_ALL},
}
"""``user_id`` must be the subscriber's own; the values in OPEN are every user's."""

OPEN: Mapping[str, frozenset[str]] = {"oro/imap_sync_fail/{user_id}": frozenset("*")}


def oro_channels(
    users: Granted | Iterable[str] = ("user",),
    backends: Granted | Iterable[str] = ("backend",),
    source: str = "[topics:oro]",
) -> tuple[Channel, ...]:
    """The ten channels, for the roles that users and back ends have in this realm."""
    subscribers, publishers = granted(users), granted(backends)
    everybody = either(subscribers, publishers)
    return tuple(
        Channel(pattern, subscribers=everybody, publishers=publishers, source=source, place=BUILT_IN)
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
"""The ten channels with the roles as orosync names them by itself."""


def role_permissions(configuration: Configuration, realm: str) -> RolePermissions:
    """What ``roles`` among the authorizers of ``realm`` stands for."""
    return RolePermissions(
        {
            role: [Permission(p.uri, p.match, p.actions, p.disclose, f"[{p.section}]", p.place) for p in lines]
            for role, lines in configuration.permissions(realm).items()
        }
    )


def reservations(configuration: Configuration, realm: str) -> list[Reservation]:
    """The procedures of ``realm`` that decide for it or for another realm, and those that orosync itself has there."""
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
            judge = configuration.authenticators.get(name)
            if isinstance(judge, RemoteAuthenticatorSection) and (judge.realm or one.name) == realm:
                roles = frozenset(judge.registered_by)
                found.append(Reservation(judge.procedure, roles, frozenset(), f"[authenticator:{name}]"))
    return list(dict.fromkeys(found))


def topic_rules(section: TopicsSection) -> TopicRules:
    """What ``topics:NAME`` stands for. Raises ConfigError with every fault.

    Oro's channels come first, those of an application's files in place of the built-in ones, each with what a line of
    its pattern says otherwise; then the lines' own.
    """
    source = f"[topics:{section.name}]"
    channels: dict[str, Channel] = {}
    faults: list[str] = []
    try:
        channels = {channel.pattern: channel for channel in _oros(section, source)}
    except ConfigError as error:
        faults += error.faults
    for line in section.channel:
        known = channels.get(line.pattern)
        try:
            channels[line.pattern] = _own(section, line, source) if known is None else _otherwise(known, line)
        except ValueError as error:
            faults.append(f"{source} channel.{line.pattern}: {error} ({line.place})")
    if faults:
        raise ConfigError(faults)
    return TopicRules(channels.values(), name=f"topics:{section.name}")


def _oros(section: TopicsSection, source: str) -> tuple[Channel, ...]:
    if section.use != "oro":
        return ()
    if section.oro_routing is None:
        return oro_channels(section.subscribe, section.publish, source)
    overruled = {line.pattern: line.requirements for line in section.channel}
    return routed_channels(section.oro_routing, section.subscribe, section.publish, source, overruled)


def _own(section: TopicsSection, line: ChannelLine, source: str) -> Channel:
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


def _otherwise(known: Channel, line: ChannelLine) -> Channel:
    """A channel of Oro's with what the line says; everything else stays."""
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
    """``*`` if the line itself admits it in a variable that belongs to somebody: it is then for everybody."""
    written = line.requirements.get(name)
    return frozenset() if written is None or not admits_all(written) else frozenset(ALL)
