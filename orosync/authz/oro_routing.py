"""The channels that an Oro application declares in its websocket_routing.yml files, with the rules of Oro's handlers.

A route names the service that handles it. Oro's own handlers are known here; a channel with another handler is
declared, and no client may subscribe until the configuration says which may.

Oro asks the first route that matches a topic. Which is first depends on the order of bundles, which only PHP knows, and
what a requirement matches may be more than orosync reads (``orosync.authz.requirements``). So nothing is granted that
another order, or PHP's reading, could deny: a route that cannot be read for certain, and two routes with different
rules that could match the same topic, are denied to everyone, with a warning that says what to write instead.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from enum import Enum
from itertools import combinations
from pathlib import Path

import attrs

from orosync.authz import requirements
from orosync.authz.channels import ALL, OWNERS, Binding, Channel, Granted, default_requirement, either
from orosync.authz.oro_files import find
from orosync.authz.oro_routes import PlacedRoute, RouteReader
from orosync.authz.oro_yaml import Written
from orosync.authz.template import VARIABLE, Step, could_share, steps
from orosync.config import yaml_document
from orosync.config.rules import ChannelLine
from orosync.errors import ConfigError
from orosync.model import EMPTY
from orosync.registry import missing_module


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


SEPARATORS = "/,;.:-_~+*=@|"
"""One of them, in front of a variable that has a default, may be missing with it (RouteCompiler)."""

_LONGEST_NAME = 32
"""Characters of a variable's name (RouteCompiler)."""


@attrs.frozen
class Denied:
    """A route that is denied to everyone: its pattern ("" when it has none that can be read), where it stands, why,
    and the variables for which a line of the configuration has to give the requirement."""

    pattern: str
    place: str
    reason: str
    unread: tuple[str, ...] = ()

    @property
    def line(self) -> str:
        """The line of the configuration that settles who may use it, "" without a pattern."""
        needed = "".join(f"; {name} REQUIREMENT" for name in self.unread)
        return f"channel.{self.pattern} = subscribe ...{needed}" if self.pattern else ""

    @property
    def warning(self) -> str:
        """Where it stands, what is wrong and what to do."""
        until = f" until a line says who may: {self.line}" if self.line else ""
        return f"{self.place}: {self.reason}; denied to everyone{until}"


@attrs.frozen
class Routing:
    """What an application declares. ``warnings``: one for each of ``denied``, and what else is not read."""

    channels: tuple[Channel, ...]
    denied: tuple[Denied, ...]
    warnings: tuple[str, ...]


class _Undecided(Exception):
    """Why it cannot be decided who may use a route; ``line`` is 0 when it is the pattern's."""

    def __init__(self, reason: str, line: int = 0, unread: tuple[str, ...] = ()) -> None:
        super().__init__(reason)
        self.line, self.unread = line, unread


@attrs.frozen
class _Kept:
    """A route with its channel, None when it cannot be decided, and what it could match in Oro."""

    route: PlacedRoute
    channel: Channel | None
    steps: tuple[Step, ...]


def routed_channels(
    application: Path, users: Granted, backends: Granted, source: str, lines: Mapping[str, ChannelLine] = EMPTY
) -> Routing:
    """The channels of ``application``, for the roles that users and back ends have in this realm.

    ``lines``: those of the configuration by their patterns. A line that says who may subscribe settles what could not
    be decided; where it also gives the requirement of a variable, the file's is not read.

    Raises ConfigError when there is no Oro application or no PyYAML: ``[topics:oro] oro_routing: what is wrong``.
    """
    title = f"{source} oro_routing:"
    lacking = missing_module(yaml_document.MODULE, yaml_document.EXTRA)
    if lacking:
        raise ConfigError([f"{title} {lacking}"])
    found = find(application)
    if found.faults:
        raise ConfigError([f"{title} {fault}" for fault in found.faults])
    reader = RouteReader(application)
    for shown, path in found.files:
        reader.read(shown, path)
    settled = frozenset(pattern for pattern, line in lines.items() if line.subscribe is not None)
    kept, denied = list[_Kept](), list[Denied]()
    for route in reader.routes:
        try:
            line = lines.get(route.pattern)
            channel = _channel(route, users, backends, source, EMPTY if line is None else line.requirements)
            kept.append(_Kept(route, channel, _steps(route, True)))
        except _Undecided as why:
            kept.append(_Kept(route, None, _steps(route, False)))
            if route.pattern not in settled:
                at = f"{route.file}:{why.line or route.pattern_line}"
                denied.append(Denied(route.pattern, at, str(why), why.unread))
    conflicts = dict(_conflicts(kept, settled))
    denied += conflicts.values()
    channels: dict[str, Channel] = {}
    short_forms: list[str] = []
    for one in kept:
        if one.channel is not None and one.route.place not in conflicts and one.route.pattern not in channels:
            channels[one.route.pattern] = one.channel
            short_forms += _short_form(one.route)
    warnings = (*found.warnings, *reader.warnings, *(one.warning for one in denied), *short_forms)
    return Routing(tuple(channels.values()), tuple(denied), tuple(f"{title} {warning}" for warning in warnings))


def _channel(route: PlacedRoute, users: Granted, backends: Granted, source: str, given: Mapping[str, str]) -> Channel:
    """Raises _Undecided when it cannot be said for certain who may use it. ``given``: requirements of the
    configuration."""
    if route.problem:
        raise _Undecided(route.problem, route.problem_line)
    pattern, callback = route.pattern, route.callback
    variables = VARIABLE.findall(pattern)
    for name in variables:
        if len(name) > _LONGEST_NAME:
            raise _Undecided(f"{pattern!r}: {name} is longer than {_LONGEST_NAME} characters")
    wanted = {name: default_requirement(name) for name in variables}
    for name in variables:
        if name in given:
            wanted[name] = given[name]
        elif name in route.requirements:
            wanted[name] = _requirement(pattern, name, route.requirements[name])
    _narrow(route, wanted, given)
    handler = HANDLERS.get(callback)
    subscribers, note = users, ""
    if handler is None:
        bindings = {name: Binding(OWNERS[name]) for name in variables if name in OWNERS}
        subscribers = {}
        note = f"its handler {callback} is none of Oro's, so say who may: channel.{pattern} = subscribe ..."
    elif handler is Handler.BROADCAST:
        bindings, subscribers = {}, either(users, backends)
    elif "user_id" not in variables:
        raise _Undecided(f"{pattern!r}: the handler {callback} asks for {{user_id}}, the channel has none")
    else:
        for_all = frozenset(ALL) if handler is Handler.SYNC_FAIL else frozenset()
        bindings = {"user_id": Binding(OWNERS["user_id"], for_all)}
    try:
        return Channel(pattern, wanted, bindings, subscribers, backends, source, place=route.place, note=note)
    except ValueError as error:
        raise _Undecided(str(error)) from None


def _requirement(pattern: str, name: str, written: Written) -> str:
    """As GosPubSubRouterBundle takes it (Route::sanitizeRequirement): without an anchor at each end. A value is never
    empty here, so ``x*`` is read as ``x+``."""
    text = sanitized(written.text)
    try:
        return requirements.read(text).text
    except ValueError as error:
        fault = error
    try:
        if text.endswith("*") and not text.endswith("\\*"):
            return requirements.read(f"{text[:-1]}+").text
    except ValueError:
        pass
    raise _Undecided(f"{pattern!r}: requirement of {{{name}}}: {fault}", written.line, (name,))


def sanitized(requirement: str) -> str:
    """Without the anchors that GosPubSubRouterBundle takes off (Route::sanitizeRequirement)."""
    return requirement.removeprefix("^").removesuffix("$")


def _narrow(route: PlacedRoute, wanted: dict[str, str], given: Mapping[str, str]) -> None:
    """A variable that may hold what ends it, as ``path`` with ``.+`` in ``{path}/{user_id}``, loses that character.

    Oro finds the same values in the topics that are left if nothing behind holds the character, and no variable may be
    missing: there is only one place where the variable can end."""
    pieces = VARIABLE.split(route.pattern)
    literals, variables = pieces[::2], pieces[1::2]
    for place, name in enumerate(variables):
        behind = literals[place + 1]
        if not behind or name in given or name not in route.requirements:
            continue
        if behind[0] not in requirements.read(wanted[name]).alphabet:
            continue
        held = set("".join(literals[place + 1 :])[1:]).union(
            *(_alphabet(wanted[one]) for one in variables[place + 1 :])
        )
        narrowed = requirements.without(wanted[name], behind[0])
        if narrowed is None or behind[0] in held or not route.defaults.isdisjoint(variables):
            text = f"{route.pattern!r}: {{{name}}} may hold {behind[0]!r}, which is also what ends it"
            raise _Undecided(text, route.requirements[name].line, (name,))
        wanted[name] = narrowed


def _alphabet(requirement: str) -> frozenset[str]:
    """Every printable character that may be in a value."""
    try:
        return requirements.read(requirement).alphabet
    except ValueError:
        return requirements.PRINTABLE


def _steps(route: PlacedRoute, decided: bool) -> tuple[Step, ...]:
    """What the route could match in Oro, rather too much."""
    variables = VARIABLE.findall(route.pattern)
    if not decided:
        return steps(route.pattern, {}, variables)
    holds = dict.fromkeys(variables, requirements.PRINTABLE - {"/"})
    empty = set[str]()
    for name in variables:
        if name in route.requirements:
            try:
                holds[name] = requirements.read(sanitized(route.requirements[name].text)).alphabet
            except ValueError:
                holds[name] = requirements.PRINTABLE
                empty.add(name)
    return steps(route.pattern, holds, route.defaults | empty)


def _conflicts(kept: list[_Kept], settled: frozenset[str]) -> Iterator[tuple[str, Denied]]:
    """By place, channels that are denied since Oro might ask another route. Those with a line of the configuration are
    as the line says."""
    for first, second in combinations(kept, 2):
        if _same(first.channel, second.channel):
            continue
        named = first.route.name == second.route.name
        if not named and not could_share(first.steps, second.steps):
            continue
        for one, other in ((first, second), (second, first)):
            if one.channel is None or one.route.pattern in settled:
                continue
            mine, its = one.route, other.route
            if named:
                reason = f"{mine.name} is the name of {its.place} too, of which Oro drops one"
            else:
                its_pattern = its.pattern or its.name
                reason = (
                    f"{mine.pattern} could match a topic of {its_pattern} ({its.place}) too, and which of the two "
                    "Oro asks depends on their order"
                )
            yield mine.place, Denied(mine.pattern, mine.place, reason)


def _same(one: Channel | None, other: Channel | None) -> bool:
    """Whether it makes no difference which of the two Oro asks."""
    if one is None or other is None:
        return one is other
    if (one.pattern, one.requirements) == (other.pattern, other.requirements):
        return (one.bindings, one.subscribers) == (other.bindings, other.subscribers)
    return one.subscribers == other.subscribers and not (one.subscribers and (one.bindings or other.bindings))


def _short_form(route: PlacedRoute) -> Iterator[str]:
    """Oro also matches topics without the variable at the end when it has a default."""
    before, _, name = route.pattern.removesuffix("}").rpartition("{")
    if route.pattern.endswith("}") and name in route.defaults:
        short = before[:-1] if before[-1:] in SEPARATORS else before
        yield (
            f"{route.place}: {route.pattern}: {{{name}}} has a default; the topic without it is denied to everyone "
            f"until a line declares it: channel.{short} = subscribe ..."
        )
