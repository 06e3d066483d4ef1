"""The uplink of a realm: ``[realm:NAME] uplink`` says where it leads, ``[uplink:NAME]`` of the same name the rest."""

# ruff: noqa: RUF009 (setting() returns attrs fields)

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from attrs import frozen

from orosync.config import credentials, readers
from orosync.config.fields import setting
from orosync.config.readers import Source, did_you_mean
from orosync.model import Match

_MATCHES = {match.value: match for match in Match}
_URI = r"[^\s#,]+"


@frozen
class Pattern:
    """Topics or procedures that pass: all that (``uri``, ``match``) matches."""

    match: Match
    uri: str

    def __str__(self) -> str:
        return f"{self.match.value} {self.uri}"


def url(text: str, source: Source) -> str:
    """The address of a WAMP router, whole, without credentials."""
    host = r"(?:[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])"
    if re.fullmatch(rf"wss?://{host}(?::[0-9]{{1,5}})?(?:/[!-~]*)?", text) and "#" not in text and "@" not in text:
        return text
    if re.fullmatch(rf"rss?://{host}:[0-9]{{1,5}}", text):
        return text
    raise ValueError(f"{text!r} is no router's address, write it like wss://wamp.example.com/ws or rs://127.0.0.1:8081")


def realm(text: str, source: Source) -> str:
    """The URI of a realm."""
    if not re.fullmatch(r"[^\s.#]+(\.[^\s.#]+)*", text):
        raise ValueError(f"{text!r} is no realm, write it like realm1 or com.example.realm")
    return text


def patterns(text: str, source: Source) -> tuple[Pattern, ...]:
    """``exact|prefix|wildcard URI``, divided by commas or each on a line of its own."""
    faults: list[str] = []
    found: list[Pattern] = []
    for part in filter(None, (part.strip() for part in re.split(r"[,\n]", text))):
        try:
            one = _pattern(part.split())
        except ValueError as fault:
            faults.append(f"{part!r}: {fault}")
            continue
        if one in found:
            faults.append(f"{part!r}: stands here twice, remove one of the two")
        found.append(one)
    if faults:
        raise ValueError("; ".join(faults))
    return tuple(found)


def _pattern(parts: list[str]) -> Pattern:
    if len(parts) != 2:
        raise ValueError("this is no pattern, write it like: prefix com.example.")
    match, uri = parts
    if match not in _MATCHES:
        raise ValueError(f"{match!r} is none of {', '.join(_MATCHES)}{did_you_mean(match, _MATCHES)}")
    if match == "wildcard":
        if not re.search(r"(^|\.)(\.|$)", uri):
            raise ValueError("a wildcard leaves a component empty, as in com.example..changed; write exact")
    elif re.search(r"(^|\.)\.", uri) or (match == "exact" and uri.endswith(".")):
        raise ValueError("a component is empty, which is for wildcards")
    if not re.fullmatch(_URI, uri):
        raise ValueError("a URI has no # in it")
    if uri == "wamp" or uri.startswith("wamp.") or (match == "prefix" and "wamp.".startswith(uri)):
        raise ValueError("what begins with wamp. belongs to each router itself and does not pass")
    return Pattern(_MATCHES[match], uri)


def address() -> Any:
    """The key ``uplink`` of a realm."""
    return setting(
        url,
        "Join this realm to one of another WAMP router: `wss://HOST/PATH`, `ws://...`, `rs://HOST:PORT` (RawSocket) or "
        "`rss://...`. What passes stands in the [uplink:...] of the same name ([uplink.md](uplink.md)).",
        unset="",
        example="wss://wamp.example.com/ws",
    )


def forwarders() -> Any:
    """The key ``forwarders`` of a realm."""
    return setting(
        readers.names,
        "Roles of WAMP v2 clients that may say for whom they publish and call (`forward_for`): other uplinks.",
        unset=(),
        example="uplink",
    )


@frozen(kw_only=True)
class UplinkSection:
    """[uplink:NAME]: what [realm:NAME] exchanges with the router that its key ``uplink`` names."""

    name: str
    url: str
    realm: str = setting(
        realm, "The realm to join there.", unset="", otherwise="the name of the realm here", example="realm1"
    )
    publish: tuple[Pattern, ...] = setting(
        patterns,
        "Events of ours that are published there: `exact|prefix|wildcard TOPIC`, divided by commas or one a line.",
        unset=(),
        example="exact oro/data/update, prefix com.acme.",
        multiline=True,
    )
    subscribe: tuple[Pattern, ...] = setting(
        patterns,
        "Events of theirs that are published here, written in the same way.",
        unset=(),
        example="prefix com.acme.",
        multiline=True,
    )
    call: tuple[Pattern, ...] = setting(
        patterns,
        "Procedures of theirs that can be called here.",
        unset=(),
        example="exact com.acme.price",
        multiline=True,
    )
    register: tuple[Pattern, ...] = setting(
        patterns,
        "Procedures of ours that can be called there.",
        unset=(),
        example="prefix com.acme.shop.",
        multiline=True,
    )
    role: str = setting(
        readers.name,
        "The role of the remote realm's events and calls, which the realm's authorizers are asked for.",
        default="uplink",
    )
    authid: str = setting(readers.plain, "The `authid` to log in with.", unset="", otherwise="none", example="orosync")
    ticket: credentials.Secret | None = setting(
        credentials.secret, "Log in with this ticket, by reference.", example="file:/etc/orosync/uplink.ticket"
    )
    secret: credentials.Secret | None = setting(
        credentials.secret,
        "Log in by WAMP-CRA with this secret, by reference.",
        example="file:/etc/orosync/uplink.secret",
    )
    key: credentials.Secret | None = setting(
        credentials.secret,
        "Log in by cryptosign with this key, by reference: the 64 hex digits of its seed.",
        example="file:/etc/orosync/uplink.key",
    )
    ca: Path | None = setting(
        credentials.certificates,
        "The certificate authorities that are trusted (PEM).",
        otherwise="the system's",
        example="/etc/orosync/ca.pem",
    )
    serializer: str = setting(
        readers.choice("json", "msgpack", "cbor"),
        "The serializer to speak there. `json` carries whatever Oro sends, unchanged.",
        default="json",
    )
    message_limit: int = setting(readers.size, "The largest payload that passes, in either direction.", default="1MiB")
    event_rate: int = setting(
        readers.count, "How many events a second pass in each direction; five times as many at once.", default="1000"
    )
    queue: int = setting(readers.count, "How many events may wait for a router that reads too slowly.", default="1000")
    calls: int = setting(readers.count, "How many calls may be in progress in each direction.", default="1000")
    timeout: float = setting(readers.duration, "How long connecting and joining may take.", default="10s")
    retry: float = setting(readers.duration, "The longest pause between attempts to connect.", default="15s")
