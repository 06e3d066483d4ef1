"""``orosync derive``: what to configure instead of a password, the derived forms of WAMP-CRA (and of fixed passwords)
and SCRAM.

The salt is given as the form has it: for WAMP-CRA as text, for SCRAM in base64. Memory is given like the key
``memory`` (64MiB); the form has it in KiB.
"""

from __future__ import annotations

import base64
import re

from orosync.cli.streams import Misused
from orosync.identity import scram_keys, wampcra
from orosync.registry import how_to_install

MOST = 9_999_999
"""Iterations, and KiB of memory: what the forms have room for."""

SHORTEST_SALT = 8
"""Bytes, of which Argon2 demands as many."""


def derive(
    password: str, kdf: str | None, salt: str | None = None, iterations: int | None = None, memory: int | None = None
) -> str:
    """The derived form of ``password``, in one line: SCRAM's by ``kdf``, WAMP-CRA's for None. ``memory`` in bytes.
    Raises Misused."""
    if not password or any(character < " " for character in password):
        raise Misused("one line with the password is expected in FILE or on standard input")
    if iterations is not None and not 1 <= iterations <= MOST:
        raise Misused(f"--iterations: write a number from 1 to {MOST}")
    try:
        if kdf is None:
            return _wampcra(password, salt, iterations)
        return _scram(password, kdf, salt, iterations, memory)
    except ValueError as error:
        raise Misused(f"the password {error}") from None
    except ImportError as error:
        raise Misused(f"{error}, {how_to_install('crypto')}") from None


def _wampcra(password: str, salt: str | None, iterations: int | None) -> str:
    if salt is not None and not re.fullmatch(r"[^$\s]{1,200}", salt):
        raise Misused("--salt: for wampcra write 1 to 200 characters without blanks and $")
    return wampcra.derived(password, salt, iterations or wampcra.ITERATIONS)


def _scram(password: str, kdf: str, salt: str | None, iterations: int | None, memory: int | None) -> str:
    if memory is not None:
        if kdf == scram_keys.PBKDF2:
            raise Misused("--memory is for argon2id13: PBKDF2 needs none")
        if not scram_keys.LEAST_MEMORY <= memory // 1024 <= MOST:
            raise Misused(f"--memory: write {scram_keys.LEAST_MEMORY}KiB or more, below 10GiB, like 64MiB")
        memory //= 1024
    return str(scram_keys.derived(password, kdf, None if salt is None else _decoded(salt), iterations, memory))


def _decoded(salt: str) -> bytes:
    try:
        decoded = base64.b64decode(salt, validate=True)
    except ValueError:
        decoded = b""
    if len(decoded) < SHORTEST_SALT:
        raise Misused(f"--salt: for scram write at least {SHORTEST_SALT} bytes in base64")
    return decoded
