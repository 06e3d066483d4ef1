"""Realms, their roles, what they keep as history, and components of the application, key by key."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import attrs
from attrs import field, frozen

from orosync.config import readers, rules, uplinks
from orosync.config.fields import setting
from orosync.config.readers import Source, did_you_mean
from orosync.model import Match

_MATCHES = {match.value: match for match in Match}
_LIMITS = {"events": readers.count, "bytes": readers.size, "age": readers.duration}


@frozen(kw_only=True)
class ComponentSection:
    """[component:NAME]: a component of the application that lives in the router's process.

    ``extra`` has every other key, as in ForeignSection.
    """

    name: str
    use: str = setting(
        readers.factory,
        "`package.module:Class`, an `ApplicationSession` of Autobahn's for Twisted (or a function that makes one from "
        "its `ComponentConfig`). It joins the realm without a socket when the router starts, and is started again when "
        "it fails.",
        required=True,
        example="acme.prices:Feed",
    )
    realm: str = setting(readers.name, "The realm that it joins.", unset="", otherwise="the only realm")
    role: str = setting(
        readers.name,
        "Its role there; its `authid` is the section's name.",
        required=True,
        example="feed",
    )
    extra: Mapping[str, str] = field(repr=False, factory=dict)


@attrs.frozen
class HistoryLine:
    """Of all topics that (``uri``, ``match``) matches so many ``events`` and ``bytes``, none older than ``age`` seconds
    (None: of any age)."""

    match: Match
    uri: str
    events: int = 1000
    bytes: int = 1024 * 1024
    age: float | None = None


def histories(text: str, source: Source) -> tuple[HistoryLine, ...]:
    """One pattern a line: ``exact|prefix|wildcard URI [events=1000] [bytes=1MiB] [age=24h]``."""
    faults: list[str] = []
    found: dict[tuple[Match, str], HistoryLine] = {}
    for line in filter(None, (line.strip() for line in text.split("\n"))):
        try:
            one = _line(line.split(), source)
        except ValueError as fault:
            faults.append(f"{line!r}: {fault}")
            continue
        if (one.match, one.uri) in found:
            faults.append(f"{line!r}: another line keeps the same, join the two")
        found[one.match, one.uri] = one
    if faults:
        raise ValueError("; ".join(faults))
    return tuple(found.values())


def _line(parts: list[str], source: Source) -> HistoryLine:
    if len(parts) < 2 or parts[0] not in _MATCHES:
        raise ValueError("is no history, write it like: prefix com.example. events=1000 age=24h")
    match, uri, *limits = parts
    if uri.startswith("wamp.") or not re.fullmatch(r"[^\s#]+", uri):
        raise ValueError(f"{uri} is nothing that clients publish, name topics of your own")
    said: dict[str, Any] = {}
    for limit in limits:
        name, equals, value = limit.partition("=")
        if name not in _LIMITS or not equals:
            raise ValueError(f"{limit!r} is none of events=, bytes=, age={did_you_mean(name, _LIMITS)}")
        if name in said:
            raise ValueError(f"{name} is said twice, remove one")
        said[name] = _LIMITS[name](value, source)
    return HistoryLine(_MATCHES[match], uri, **said)


@frozen(kw_only=True)
class RealmSection:
    """[realm:NAME]: a space of topics and procedures of its own."""

    name: str
    authenticators: tuple[str, ...] = setting(
        readers.names,
        "How clients are authenticated: names of [authenticator:...] sections, in the order in which they are asked.",
        unset=(),
        otherwise="required; may be missing where only an authorizer is attached ([attach])",
        example="ticket",
    )
    authorizers: tuple[str, ...] = setting(
        readers.names,
        "What clients are authorized for: `topics:NAME`, `roles` (the permissions of [role:...] sections) and names of "
        "[authorizer:...] sections. The first that does not abstain decides; if all abstain, the request is denied.",
        unset=(),
        otherwise="required; may be missing where only an authenticator is attached ([attach])",
        example="topics:oro",
    )
    disclose: bool = setting(
        readers.boolean,
        "Callers and publishers may ask to be disclosed (`disclose_me`), and callees to be told the caller "
        "(`disclose_caller`). What permissions disclose is disclosed all the same.",
        default="yes",
    )
    request_ids: str = setting(
        readers.choice("any", "sequential"),
        "`sequential`: the request ids of a client have to be 1, 2, 3 ..., as WAMP has it; another one ends its "
        "session. Some clients (Thruway) draw them at random.",
        default="any",
    )
    call_queue: int = setting(
        readers.count,
        "How many calls may wait for one procedure whose callees all have as many as they take (`concurrency`).",
        default="100",
    )
    uris: str = setting(
        readers.choice("loose", "strict"), "WAMP's loose or strict rule for URIs (v2).", default="loose"
    )
    uplink: str = uplinks.address()
    forwarders: tuple[str, ...] = uplinks.forwarders()
    retained_events: int = setting(
        readers.count,
        "How many events are retained for later subscribers; above that the oldest is dropped ([meta.md](meta.md)).",
        default="1000",
    )
    retained_bytes: int = setting(readers.size, "How many bytes of arguments all of them may have.", default="512KiB")
    history: tuple[HistoryLine, ...] = setting(
        histories,
        "Which events are kept as history ([meta.md](meta.md)), one pattern a line: "
        "`exact|prefix|wildcard URI [events=1000] [bytes=1MiB] [age=24h]`; without `age` of any age.",
        unset=(),
        example="prefix com.example. events=1000 age=24h",
        multiline=True,
    )


@frozen(kw_only=True)
class RoleSection:
    """[role:REALM/NAME] or, for every realm, [role:NAME]: the permissions that `roles` in a realm's authorizers reads,
    and what else there is to be said of a role."""

    name: str
    realm: str | None
    permissions: tuple[rules.PermissionLine, ...] = setting(
        rules.permissions,
        "One permission a line: `exact|prefix|wildcard URI ACTIONS [disclose caller|publisher|caller,publisher]`, "
        "`any ACTIONS [disclose ...]` for every URI, or `deny exact|prefix|wildcard URI`. What a line does not allow "
        "it denies; the most specific line speaks. `disclose` alone means both.",
        unset=(),
        otherwise="required, unless the section says something else of the role",
        example="prefix com.example. call,subscribe",
        multiline=True,
    )
    trustlevel: int | None = setting(
        readers.natural,
        "The trust level of this role that is disclosed when it publishes or calls: a number from 0 on.",
        otherwise="not disclosed",
        example="3",
    )
    unlimited: bool = setting(
        readers.boolean,
        "For busy services: `message_rate` does not apply to this role.",
        default="no",
    )

    @property
    def title(self) -> str:
        """Of the section."""
        return f"role:{self.name}" if self.realm is None else f"role:{self.realm}/{self.name}"
