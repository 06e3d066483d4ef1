"""The sections of WAMP's own authentication methods and of remote authenticators and authorizers, key by key."""

from __future__ import annotations

import re
from typing import Any

from attrs import frozen

from orosync.config import accounts, credentials, readers
from orosync.config.fields import dotted, setting, use
from orosync.config.readers import Source

# ruff: noqa: RUF009 (setting() and dotted() return attrs fields)


def _secrets(what: str, derived: str, example: str) -> Any:
    """Users with ``what`` by reference."""
    meaning = f"A user: `ROLE REFERENCE`. The reference leads to {what}, or to what was derived from one: {derived}"
    return dotted(accounts.with_secret, meaning, example=f"user.anna = user file:/etc/orosync/anna.{example}")


def _decoy_secret(of: str) -> Any:
    """What the salts of decoys are made from."""
    return setting(
        credentials.secret,
        f"What the salts of {of} are made from, by reference; needed where they have to be the same after every start.",
        otherwise="a new one at each start",
        example="file:/etc/orosync/decoys",
    )


def procedure_uri(text: str, source: Source) -> str:
    """The URI of a procedure of the application."""
    if not re.fullmatch(r"[^\s.#]+(\.[^\s.#]+)*", text):
        raise ValueError(f"{text!r} is no URI of a procedure, write it like com.example.authorize")
    if text == "wamp" or text.startswith("wamp."):
        raise ValueError(f"{text} is reserved for WAMP itself, name one of your own")
    return text


def _procedure(does: str, arguments: str, example: str) -> Any:
    """The procedure of the application that ``does`` it."""
    return setting(
        procedure_uri,
        f"The procedure that {does}; it is called with {arguments} ([dynamic.md](dynamic.md)). "
        "Only orosync may call it.",
        required=True,
        example=f"com.example.{example}",
    )


_ANSWER_TIMEOUT: Any = setting(readers.duration, "How long an answer may take.", default="5s")


@frozen(kw_only=True)
class PasswordSection:
    """[authenticator:NAME] with `use = password`: a fixed password, WAMP's authmethod `ticket`."""

    name: str
    use: str = use("password")
    user: tuple[accounts.AccountLine, ...] = _secrets(
        "the password", "`pbkdf2$ITERATIONS:SALT$KEY`, the key in base64.", "password"
    )


@frozen(kw_only=True)
class WampCraSection:
    """[authenticator:NAME] with `use = wampcra`: a challenge is signed with a secret, which is not transmitted."""

    name: str
    use: str = use("wampcra")
    user: tuple[accounts.AccountLine, ...] = _secrets(
        "the secret", "`pbkdf2$ITERATIONS:SALT$KEY`, the key in base64.", "secret"
    )
    decoy_secret: credentials.Secret | None = _decoy_secret("unknown users")


@frozen(kw_only=True)
class ScramSection:
    """[authenticator:NAME] with `use = scram`: mutual authentication with a password."""

    name: str
    use: str = use("scram")
    user: tuple[accounts.AccountLine, ...] = _secrets(
        "the password", "`KDF$ITERATIONS[,MEMORY]:SALT$STORED_KEY:SERVER_KEY`, as PostgreSQL has it.", "scram"
    )
    kdf: str = setting(
        readers.choice("argon2id13", "pbkdf2"),
        "How plain passwords are derived, here and by clients.",
        default="argon2id13",
    )
    iterations: int | None = setting(
        readers.count, "How often, for plain passwords.", otherwise="2 for argon2id13, 600000 for pbkdf2"
    )
    memory: int | None = setting(readers.size, "Memory that argon2id13 takes, for plain passwords.", otherwise="19MiB")
    decoy_secret: credentials.Secret | None = _decoy_secret("plain passwords and of unknown users")


@frozen(kw_only=True)
class CryptosignSection:
    """[authenticator:NAME] with `use = cryptosign`: a challenge is signed with an Ed25519 key."""

    name: str
    use: str = use("cryptosign")
    user: tuple[accounts.AccountLine, ...] = dotted(
        accounts.with_keys,
        "A user: `ROLE KEY ...`, public keys as 64 hex digits.",
        example="user.robot = backend 545efb0a2192db8d43f118e9bf9aee081466e1ef36c708b96ee6f62dddad9122",
    )
    channel_binding: str = setting(
        readers.choice("optional", "required"),
        "`required`: clients have to bind their signature to their TLS connection (which no browser can).",
        default="optional",
    )
    key: credentials.Secret | None = setting(
        credentials.secret,
        "The router's own key by reference, the 64 hex digits of its seed: for clients that verify the router.",
        example="file:/etc/orosync/router.key",
    )


@frozen(kw_only=True)
class CertificateSection:
    """[authenticator:NAME] with `use = certificate`: a TLS client certificate, on listeners with `client_ca`."""

    name: str
    use: str = use("certificate")
    user: tuple[accounts.AccountLine, ...] = dotted(
        accounts.with_certificates,
        "A user: `ROLE sha256:FINGERPRINT ... cn:NAME ...`, certificates by their fingerprint (`openssl x509 "
        "-fingerprint -sha256`) or by the common name of their subject.",
        example="user.anna = user cn:anna.example.com",
    )


Method = PasswordSection | WampCraSection | ScramSection | CryptosignSection | CertificateSection
METHODS: dict[str, type[Method]] = {
    "password": PasswordSection,
    "wampcra": WampCraSection,
    "scram": ScramSection,
    "cryptosign": CryptosignSection,
    "certificate": CertificateSection,
}


REMOTE_METHODS = ("ticket", "wampcra", "scram", "cryptosign", "tls", "anonymous")
"""The authentication methods that a procedure can decide about, by Crossbar.io's names."""


@frozen(kw_only=True)
class RemoteAuthorizerSection:
    """[authorizer:NAME] with `use = remote`: a procedure of a realm decides, like Crossbar.io's dynamic authorizers."""

    name: str
    use: str = use("remote")
    procedure: str = _procedure("decides", "(session, uri, action, options)", "authorize")
    realm: str = setting(readers.name, "Where it is registered.", unset="", otherwise="the realm that names it")
    registered_by: tuple[str, ...] = setting(
        readers.names,
        "The roles that may register it, alone or by a pattern; it does not authorize sessions of these roles.",
        default="authorizer",
    )
    timeout: float = _ANSWER_TIMEOUT
    cache: float | None = setting(
        readers.duration,
        "How old an answer may be that is given again to the same question; only those that say `cache: true`.",
        otherwise="every question is asked",
        example="30s",
    )
    cache_entries: int = setting(readers.count, "How many answers are remembered.", default="10000")
    purge: str = setting(
        procedure_uri,
        "A procedure of orosync's own that makes it forget all remembered answers.",
        unset="",
        example="com.example.authorize.purge",
    )
    purge_role: str = setting(readers.name, "The role that may call it.", unset="", otherwise="none")


@frozen(kw_only=True)
class RemoteAuthenticatorSection:
    """[authenticator:NAME] with `use = remote`: a procedure of a realm authenticates clients, as Crossbar.io's dynamic
    authenticators do."""

    name: str
    use: str = use("remote")
    method: str = setting(
        readers.choice(*REMOTE_METHODS),
        "The authentication method of clients (WAMP v2): `ticket`, `wampcra`, `scram`, `cryptosign`, `tls` (by a "
        "client certificate) or `anonymous`.",
        required=True,
        example="ticket",
    )
    procedure: str = _procedure("authenticates", "(realm, authid, details)", "authenticate")
    realm: str = setting(readers.name, "Where it is registered.", unset="", otherwise="the realm that HELLO names")
    registered_by: tuple[str, ...] = setting(
        readers.names, "The roles that may register it, alone or by a pattern.", default="authenticator"
    )
    timeout: float = _ANSWER_TIMEOUT
    roles: tuple[str, ...] = setting(
        readers.names,
        "The roles that it may give; an answer with another role is refused.",
        required=True,
        example="user",
    )
    default_role: str = setting(
        readers.name, "The role where the answer names none; one of `roles`.", unset="", otherwise="none: refused"
    )
