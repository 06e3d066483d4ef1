"""``orosync topics``: the tables of topics that result from a configuration, and the section of a configuration that an
Oro application needs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from orosync.authz import channels
from orosync.authz.channels import Channel, Owner
from orosync.authz.factory import topic_rules
from orosync.authz.oro_routing import Routing, routed_channels
from orosync.cli.streams import aligned
from orosync.config import Configuration
from orosync.errors import ConfigError

TITLE = "[topics:oro]"
"""Of the section for an Oro application."""

HEAD = ("topic", "subscribe", "publish", "variables", "retained", "written in")
OWN = {Owner.USER: "the client's own", Owner.ORGANIZATION: "an own organization", Owner.ROLE: "an own role in Oro"}


def tables(configuration: Configuration) -> list[str]:
    """Lines: for each [topics:NAME] its realms and a row for each channel. Raises ConfigError with every fault."""
    lines: list[str] = []
    faults: list[str] = []
    for name, one in configuration.topics.items():
        try:
            rules = topic_rules(one)
        except ConfigError as error:
            faults += error.faults
            continue
        used = [realm.name for realm in configuration.realms.values() if rules.name in realm.authorizers]
        where = f"in realm {', '.join(used)}" if used else "in no realm: no authorizers name it"
        lines += ["", f"[topics:{name}] {where}", *table(rules.channels)]
        notes = tuple(channel.note for channel in rules.channels if channel.note)
        lines += [f"warning: {warning}" for warning in rules.warnings if not warning.endswith(notes)]
    if faults:
        raise ConfigError(faults)
    return lines[1:] or ["there is no [topics:NAME] section"]


def from_oro(application: Path) -> list[str]:
    """``section`` of what ``application`` declares. Raises ConfigError when it is no Oro application."""
    return section(application, declared(application))


def declared(application: Path) -> Routing:
    """The channels of ``application``. Raises ConfigError when it is no Oro application."""
    users, backends = channels.granted(["user"]), channels.granted(["backend"])
    return routed_channels(application, users, backends, TITLE)


def section(application: Path, routing: Routing) -> list[str]:
    """A section for the channels that ``application`` declares: a comment for each that a handler of Oro decides, and a
    line to be uncommented for those that orosync cannot decide."""
    told = [f"{TITLE} oro_routing: {one.warning}" for one in routing.denied]
    lines = [TITLE, "use = oro", f"oro_routing = {application.absolute()}"]
    for channel in routing.channels:
        lines += ["", f"# {channel.place}"]
        if channel.note:
            lines += [f"# {channel.note}", f"#{line_for(channel)}"]
        else:
            lines.append(f"# no line is needed, since the handler is one of Oro's: {line_for(channel)}")
    for one in routing.denied:
        lines += ["", f"# {one.place}", f"# denied to everyone: {one.reason}"]
        if one.line:
            lines.append(f"#{one.line}")
    others = [warning for warning in routing.warnings if warning not in told]
    if others:
        lines += ["", *(f"# {warning}" for warning in others)]
    return lines


def line_for(channel: Channel) -> str:
    """The line that declares ``channel``. Where no role may subscribe yet, it has those that the names of its variables
    suggest: users, and the back end where no topic belongs to a user."""
    subscribers = channel.subscribers or {"user": frozenset(), **({} if channel.bindings else {"backend": frozenset()})}
    parts = [f"subscribe {channels.words(subscribers)}", f"publish {channels.words(channel.publishers)}"]
    parts += [f"{name} {one}" for name, one in channel.requirements.items() if ";" not in one]
    return f"channel.{channel.pattern} = {'; '.join(parts)}"


def table(listed: Sequence[Channel]) -> Iterator[str]:
    """A head and a row for each channel, a note below the row where there is one."""
    head, *rows = aligned([HEAD, *map(_row, listed)])
    yield head
    for row, channel in zip(rows, listed, strict=True):
        yield row
        if channel.note:
            yield f"    {channel.note}"


def _row(channel: Channel) -> tuple[str, ...]:
    return (
        channel.pattern,
        channels.words(channel.subscribers),
        channels.words(channel.publishers),
        ", ".join(_variable(channel, name) for name in channel.template.variables) or "-",
        "yes" if channel.retained else "-",
        channel.place,
    )


def _variable(channel: Channel, name: str) -> str:
    binding = channel.bindings.get(name)
    shown = f"{name} {channel.requirements[name]}"
    if binding is None:
        return shown
    unbound = "".join(f", {value} for all users" for value in sorted(binding.but))
    return f"{shown} ({OWN[binding.owner]}{unbound})"
