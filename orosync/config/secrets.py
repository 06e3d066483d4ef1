"""Secrets, which a configuration only ever refers to: ``file:/path`` or ``env:NAME``.

A fault names the reference, never what was found behind it. Nothing here may know what a secret is used for,
except for one rule of Oro's: its kernel secret is the salt of Symfony's message digest hasher.
"""

from __future__ import annotations

import secrets as randomness

import attrs

from orosync.config.values import Place, expanded

SHORTEST = 16
LONGEST = 4000
PUBLISHED = "ThisTokenIsNotSoSecretChangeIt"
"""The secret that Oro's application templates are published with."""


@attrs.frozen
class Secret:
    """A secret and how it was referred to; ``repr`` and ``str`` tell the reference only."""

    value: str = attrs.field(repr=False)
    reference: str

    def __str__(self) -> str:
        return self.reference


def is_reference(text: str) -> bool:
    """Whether a text refers to a secret."""
    return text.startswith(("file:", "env:"))


def secret(text: str, place: Place) -> Secret:
    """Follow a reference. The secret is text in UTF-8, one line of 16 to 4000 bytes."""
    value = _followed(text, place)
    if not value:
        raise ValueError(f"{text} is empty, put the secret there")
    if PUBLISHED in value:
        raise ValueError(f"{text} holds the secret that Oro is published with, everybody knows it: choose your own")
    if any(character < " " or character == "\x7f" for character in value):
        raise ValueError(f"{text} holds more than one line or a control character, leave the secret alone in it")
    length = len(value.encode())
    if length < SHORTEST:
        raise ValueError(f"{text} is too short ({length} bytes), use at least {SHORTEST}")
    if length > LONGEST:
        raise ValueError(f"{text} is too long ({length} bytes), use at most {LONGEST}")
    return Secret(value, text)


def location(text: str, place: Place) -> Secret:
    """Where something is, with the password to it: one line of text, of any length."""
    value = _followed(text, place)
    if not value:
        raise ValueError(f"{text} is empty, put the address there")
    if any(character < " " or character == "\x7f" for character in value):
        raise ValueError(f"{text} holds more than one line or a control character, leave the address alone in it")
    return Secret(value, text)


def salt(text: str, place: Place) -> Secret:
    """Oro's secret. Symfony puts the salt into braces and therefore refuses one that holds a brace; with such a
    secret no Oro makes a ticket (MessageDigestPasswordHasher: "Cannot use { or } in salt.")."""
    found = secret(text, place)
    if "{" in found.value or "}" in found.value:
        raise ValueError(f"{text} holds a {{ or }}, with which Oro itself cannot make tickets: choose another secret")
    return found


def salt_or_generate(text: str, place: Place) -> Secret:
    """Oro's secret, or the word ``generate``: a new one each time the configuration is read (the demo's)."""
    if text == "generate":
        return Secret(randomness.token_hex(32), "generate")
    return salt(text, place)


def _followed(text: str, place: Place) -> str:
    kind, _, target = text.partition(":")
    if kind == "env" and target:
        value = place.environ.get(target)
        if value is None:
            raise ValueError(f"the environment has no {target}, set it")
        return _one_newline_less(value)
    if kind == "file" and target:
        path = expanded(target, place)
        try:
            with path.open("rb") as opened:
                content = opened.read(LONGEST * 2)
        except OSError as error:
            raise ValueError(f"{path} cannot be read ({error.strerror}), correct the path or its rights") from None
        try:
            return _one_newline_less(content.decode())
        except UnicodeDecodeError:
            raise ValueError(f"{text} is not text in UTF-8, write it anew") from None
    raise ValueError("a secret never stands in this file, write file:/path or env:NAME to say where it is")


def _one_newline_less(text: str) -> str:
    return text.removesuffix("\n").removesuffix("\r") if text.endswith("\n") else text
