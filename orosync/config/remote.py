"""The sections of remote parts, where procedures of a realm decide: as frozen values, key by key.

Like ``sections``, of which they are a part. This file must not know how the values are used.
"""

from __future__ import annotations

import re

from attrs import frozen

from orosync.config import values
from orosync.config.keys import setting
from orosync.config.values import Place

METHODS = ("ticket", "wampcra", "scram", "cryptosign", "tls", "anonymous")
"""The ways to come in that a procedure can decide about, by Crossbar.io's names."""


def procedure_uri(text: str, place: Place) -> str:
    """The URI of a procedure of the application."""
    if not re.fullmatch(r"[^\s.#]+(\.[^\s.#]+)*", text):
        raise ValueError(f"{text!r} is no URI of a procedure, write it like com.example.authorize")
    if text == "wamp" or text.startswith("wamp."):
        raise ValueError(f"{text} is reserved for WAMP itself, name one of your own")
    return text


@frozen(kw_only=True)
class RemoteAuthorizerSection:
    """[authorizer:NAME] with `use = remote`: a procedure of a realm decides, like Crossbar.io's dynamic authorizers."""

    name: str
    use: str = setting(values.plain, "`remote`", required=True, example="remote")
    procedure: str = setting(
        procedure_uri,
        "The procedure that decides; it is called with (session, uri, action, options) ([dynamic.md](dynamic.md)). "
        "Nobody but orosync may call it.",
        required=True,
        example="com.example.authorize",
    )
    realm: str = setting(values.name, "Where it is registered.", unset="", otherwise="the realm that names it")
    registered_by: tuple[str, ...] = setting(
        values.names,
        "The roles that may register it, alone or by a pattern; sessions of these roles are not judged by it.",
        default="authorizer",
    )
    timeout: float = setting(values.duration, "How long an answer may take.", default="5s")
    cache: float | None = setting(
        values.duration,
        "How old an answer may be that is given again to the same question; only those that say `cache: true`.",
        otherwise="every question is asked",
        example="30s",
    )
    cache_entries: int = setting(values.count, "How many answers are remembered.", default="10000")
    purge: str = setting(
        procedure_uri,
        "A procedure of orosync's own that makes it forget all remembered answers.",
        unset="",
        example="com.example.authorize.purge",
    )
    purge_role: str = setting(values.name, "The role that may call it.", unset="", otherwise="nobody")


@frozen(kw_only=True)
class RemoteAuthenticatorSection:
    """[authenticator:NAME] with `use = remote`: a procedure of a realm says who a client is, as Crossbar.io's dynamic
    authenticators do."""

    name: str
    use: str = setting(values.plain, "`remote`", required=True, example="remote")
    method: str = setting(
        values.choice(*METHODS),
        "How clients (of WAMP v2) show who they are: `ticket`, `wampcra`, `scram`, `cryptosign`, `tls` (by a client "
        "certificate) or `anonymous`.",
        required=True,
        example="ticket",
    )
    procedure: str = setting(
        procedure_uri,
        "The procedure that knows; it is called with (realm, authid, details) ([dynamic.md](dynamic.md)). Nobody but "
        "orosync may call it.",
        required=True,
        example="com.example.authenticate",
    )
    realm: str = setting(values.name, "Where it is registered.", unset="", otherwise="the realm that HELLO names")
    registered_by: tuple[str, ...] = setting(
        values.names, "The roles that may register it, alone or by a pattern.", default="authenticator"
    )
    timeout: float = setting(values.duration, "How long an answer may take.", default="5s")
    roles: tuple[str, ...] = setting(
        values.names,
        "The roles that it may give; an answer with any other lets nobody in.",
        required=True,
        example="user",
    )
    default_role: str = setting(
        values.name, "The role where the answer names none; one of `roles`.", unset="", otherwise="none: refused"
    )
