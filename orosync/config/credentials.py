"""Readers of secrets, addresses with a password, certificates and private keys.

A secret is only referred to (``file:/path``, ``env:NAME``); a fault names the reference, never what was found there.
"""

from __future__ import annotations

import os
import re
import secrets as randomness
from collections.abc import Callable
from pathlib import Path

import attrs
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from cryptography.x509 import load_pem_x509_certificates

from orosync.config import database_dsn, exposure, redis_dsn
from orosync.config.readers import Source, existing_file, expanded

SHORTEST = 16
LONGEST = 4000
"""Bytes of a secret."""

SHORTEST_KEY = 32
"""Bytes of a key that programs alone use."""

PUBLISHED = "ThisTokenIsNotSoSecretChangeIt"
"""The secret that Oro's application templates are published with."""

_QUOTES = {'"': '"', "'": "'", "`": "`", "\u201c": "\u201d", "\u201e": "\u201c", "\u2018": "\u2019", "\u00ab": "\u00bb"}
_OUTER = re.compile(r"^[\s\u200b-\u200d\u2060\ufeff]+|[\s\u200b-\u200d\u2060\ufeff]+$")
"""Blanks around a text, invisible ones too."""

_ASSIGNMENT = re.compile(r"(?:export\s+)?[A-Za-z0-9_]*(?:SECRET|secret|DSN|dsn)\s*[=:]\s*\S")
"""The beginning of a whole line of .env or parameters.yml."""

_PLACEHOLDER = re.compile(r"%[A-Za-z_][\w.():-]*%|\$\{\w+\}|\$[A-Z_][A-Z0-9_]*")
"""How Symfony's files and shells write that a value stands elsewhere."""


def certificates(text: str, source: Source) -> Path:
    """The path of a PEM file with certificates."""
    path = existing_file(text, source)
    try:
        load_pem_x509_certificates(path.read_bytes())
    except ValueError:
        raise ValueError(f"{path} holds no certificate that can be read (PEM), name another or convert it") from None
    return path


def private_key(text: str, source: Source) -> Path:
    """The path of a PEM file with a private key; a warning where others of this machine can read or change it."""
    path = existing_file(text, source)
    for doubt in exposure.of_secret(path, path.stat()):
        source.warn(doubt)
    try:
        load_pem_private_key(path.read_bytes(), None)
    except TypeError:
        raise ValueError(f"{path} is protected by a password, which orosync cannot give: remove it") from None
    except ValueError:
        raise ValueError(f"{path} holds no private key that can be read (PEM), name another or convert it") from None
    return path


@attrs.frozen
class Secret:
    """A secret and how it was referred to; ``repr`` and ``str`` tell the reference only."""

    value: str = attrs.field(repr=False)
    reference: str

    def __str__(self) -> str:
        return self.reference

    @property
    def published(self) -> bool:
        """Whether it is public."""
        return PUBLISHED in self.value


def is_reference(text: str) -> bool:
    """Whether a text refers to a secret."""
    return text.startswith(("file:", "env:"))


def secret(text: str, source: Source) -> Secret:
    """Follow a reference. The secret is text in UTF-8, one line of 16 to 4000 bytes, and not Oro's published one."""
    return unpublished(_any(text, source, strict=False))


def unpublished(found: Secret) -> Secret:
    """``found``, unless it is public."""
    if found.published:
        raise ValueError(f"{found} holds the secret that Oro is published with, which is public: choose your own")
    return found


def location(text: str, source: Source) -> Secret:
    """Where something is, with the password to it: one line of text, of any length."""
    return Secret(_line(text, source, "address", strict=True), text)


def database(text: str, source: Source) -> Secret:
    """The DSN of a database."""
    return _parsed(location(text, source), database_dsn.parse)


def redis(text: str, source: Source) -> Secret:
    """The DSN of Redis."""
    return _parsed(location(text, source), redis_dsn.parse)


def _parsed(found: Secret, parse: Callable[[str], object]) -> Secret:
    """``found``, if ``parse`` reads it."""
    try:
        parse(found.value)
    except ValueError as error:
        raise ValueError(f"{found} {error}") from None
    return found


def key(text: str, source: Source) -> Secret:
    """A key that only programs use: at least 32 bytes, not Oro's published secret."""
    return unpublished(_any(text, source, strict=True, shortest=SHORTEST_KEY))


def salt(text: str, source: Source) -> Secret:
    """Oro's secret, be it the published one (``unpublished`` refuses that). Symfony puts the salt into braces and
    therefore refuses one that holds a brace; with such a secret no Oro makes a ticket (MessageDigestPasswordHasher:
    "Cannot use { or } in salt.")."""
    found = _any(text, source, strict=True)
    if "{" in found.value or "}" in found.value:
        raise ValueError(f"{text} holds a {{ or }}, with which Oro itself cannot make tickets: choose another secret")
    return found


def salt_or_generate(text: str, source: Source) -> Secret:
    """Oro's secret, or the word ``generate``: a new one each time the configuration is read (the demo's)."""
    if text == "generate":
        return Secret(randomness.token_hex(32), "generate")
    return salt(text, source)


def _any(text: str, source: Source, strict: bool, shortest: int = SHORTEST) -> Secret:
    value = _line(text, source, "secret", strict)
    length = len(value.encode())
    if length < shortest:
        raise ValueError(f"{text} is too short ({length} bytes), use at least {shortest}")
    if length > LONGEST:
        raise ValueError(f"{text} is too long ({length} bytes), use at most {LONGEST}")
    return Secret(value, text)


def _line(text: str, source: Source, what: str, strict: bool) -> str:
    """What is behind a reference, if it is one line. With ``strict`` quotes around it are a fault, for what is never in
    quotes; else a warning, for a password may be."""
    value = _followed(text, source)
    if not value:
        raise ValueError(f"{text} is empty, put the {what} there")
    if any((character < " " and character != "\t") or character == "\x7f" for character in value):
        raise ValueError(f"{text} holds more than one line or a control character, leave the {what} alone in it")
    bare = _OUTER.sub("", value)
    if not bare:
        raise ValueError(f"{text} holds nothing but blanks, put the {what} there")
    if strict and _ASSIGNMENT.match(bare):
        raise ValueError(f"{text} holds a whole line of a file of settings, leave the {what} alone in it")
    if strict and _PLACEHOLDER.fullmatch(bare):
        raise ValueError(f"{text} holds the name of another setting, put the {what} itself there")
    if len(bare) > 1 and _QUOTES.get(bare[0]) == bare[-1]:
        if strict:
            raise ValueError(f"{text} holds the {what} in quotes, as .env files do: take the quotes away")
        source.warn(
            f"{text} holds the {what} in quotes, which count as part of it: take them away if they are none of it"
        )
    elif bare[0] in _QUOTES or bare[-1] in _QUOTES.values():
        source.warn(
            f"{text} has a quotation mark at one end, which counts as part of the {what}: take it away if it is none"
        )
    elif bare != value:
        source.warn(
            f"{text} begins or ends with a blank, which counts as part of the {what}: take it away if it is none"
        )
    elif "\t" in value:
        raise ValueError(f"{text} holds more than one line or a control character, leave the {what} alone in it")
    return value


def _followed(text: str, source: Source) -> str:
    kind, _, target = text.partition(":")
    if kind == "env" and target:
        value = source.environ.get(target)
        if value is None:
            raise ValueError(f"the environment has no {target}, set it")
        return value.rstrip("\r\n")
    if kind == "file" and target:
        path = expanded(target, source)
        try:
            with path.open("rb") as opened:
                content = opened.read(LONGEST * 2)
                status = os.fstat(opened.fileno())
        except OSError as error:
            raise ValueError(f"{path} cannot be read ({error.strerror}), correct the path or its rights") from None
        for doubt in exposure.of_secret(path, status):
            source.warn(doubt)
        try:
            return content.decode("utf-8-sig").rstrip("\r\n")
        except UnicodeDecodeError:
            raise ValueError(f"{text} is not text in UTF-8, write it anew") from None
    raise ValueError("a secret never stands in this file, write file:/path or env:NAME to say where it is")
