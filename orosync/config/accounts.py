"""Users of a section, one line each: of WAMP's own authentication methods, and of a static directory.

    user.anna = user file:/etc/orosync/anna.secret
    user.robot = backend 545efb0a2192db8d43f118e9bf9aee081466e1ef36c708b96ee6f62dddad9122
    user.anna = user sha256:5B:61:...:0F cn:anna.example.com
    user.admin = 1 file:/etc/orosync/admin.hash organizations=1,2 roles=ROLE_ADMINISTRATOR

In a static directory (the last line) the number is Oro's user id, and the reference leads to ``oro_user.password``: a
secret, because it is half of the key of each of the user's tickets.
"""

from __future__ import annotations

import re

import attrs

from orosync.config import credentials
from orosync.config.credentials import is_reference, secret
from orosync.config.readers import Source, boolean, did_you_mean, name
from orosync.model import User

_WORDS = ("organizations", "roles", "email", "enabled")


@attrs.frozen
class AccountLine:
    """``secret`` or ``identifiers`` (hex digits, ``sha256:...``, ``cn:...``), in lower case but for names."""

    authid: str
    role: str
    secret: credentials.Secret | None = None
    identifiers: tuple[str, ...] = ()


def with_secret(authid: str, text: str, source: Source) -> AccountLine:
    """Read ``ROLE REFERENCE``."""
    role, parts = _role(authid, text, source)
    if len(parts) != 1:
        raise ValueError("it is a role and where the secret is, write it like: user file:/etc/orosync/anna.secret")
    return AccountLine(authid, role, credentials.secret(parts[0], source))


def with_keys(authid: str, text: str, source: Source) -> AccountLine:
    """Read ``ROLE KEY ...``: public Ed25519 keys as 64 hex digits."""
    role, parts = _role(authid, text, source)
    if not parts:
        raise ValueError("the public key is missing, write it behind the role as 64 hex digits")
    for part in parts:
        if not re.fullmatch(r"[0-9A-Fa-f]{64}", part):
            raise ValueError(f"{part} is no public key, write it as 64 hex digits")
    return AccountLine(authid, role, identifiers=_distinct([part.lower() for part in parts]))


def with_certificates(authid: str, text: str, source: Source) -> AccountLine:
    """Read ``ROLE sha256:FINGERPRINT ... cn:NAME ...``; the fingerprint as openssl prints it, or without its colons."""
    role, parts = _role(authid, text, source)
    if not parts:
        raise ValueError("the certificate is missing, write sha256:FINGERPRINT or cn:NAME behind the role")
    return AccountLine(authid, role, identifiers=_distinct([_certificate(part) for part in parts]))


def _role(authid: str, text: str, source: Source) -> tuple[str, list[str]]:
    if not authid:
        raise ValueError("the name is missing, name it user.NAME")
    role, *parts = text.split()
    return name(role, source), parts


def _certificate(part: str) -> str:
    kind, _, value = part.partition(":")
    if kind == "cn" and value:
        return part
    digits = value.replace(":", "").lower()
    if kind != "sha256" or not re.fullmatch(r"[0-9a-f]{64}", digits):
        raise ValueError(f"{part} is no certificate, write sha256: and its 64 hex digits, or cn:NAME")
    return f"sha256:{digits}"


def _distinct(identifiers: list[str]) -> tuple[str, ...]:
    for identifier in identifiers:
        if identifiers.count(identifier) > 1:
            raise ValueError(f"{identifier} stands twice, remove one of the two")
    return tuple(identifiers)


def user(username: str, text: str, source: Source) -> User:
    """Read ``ID REFERENCE [organizations=1,2] [roles=A,B] [email=x@y] [enabled=no]``; no blanks within a part."""
    parts = text.split()
    if not username or ";" in username:
        raise ValueError("the name is missing or holds a ; with which a user cannot log in, name it user.NAME")
    if len(parts) < 2 or not re.fullmatch(r"[1-9][0-9]{0,17}", parts[0]) or not is_reference(parts[1]):
        raise ValueError("it begins with the user's id and where the hash is, like: 1 file:/etc/orosync/admin.hash")
    options: dict[str, str] = {}
    for part in parts[2:]:
        word, separator, value = part.partition("=")
        if word not in _WORDS or not separator:
            raise ValueError(f"a part is none of {'=, '.join(_WORDS)}={did_you_mean(word, _WORDS)}")
        if word in options:
            raise ValueError(f"{word}= is said twice, join the two")
        options[word] = value
    return User(
        id=int(parts[0]),
        username=username,
        password_hash=secret(parts[1], source).value,
        enabled=boolean(options.get("enabled", "yes"), source),
        email=options.get("email", ""),
        organizations=frozenset(_numbers(options.get("organizations", ""))),
        roles=frozenset(filter(None, options.get("roles", "").split(","))),
    )


def _numbers(text: str) -> list[int]:
    parts = [part for part in text.split(",") if part]
    for part in parts:
        if not re.fullmatch(r"[1-9][0-9]{0,17}", part):
            raise ValueError(f"organizations={text} holds something else than ids, write it like organizations=1,2")
    return [int(part) for part in parts]
