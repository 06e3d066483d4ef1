"""Symfony's MessageDigestPasswordHasher (sha512, base64, 5000 rounds): what signs Oro's tickets.

The rounds are done in C (``native/rounds.c``, two to three times as fast) where that was built, else in Python. Nothing
else than the standard library, since this also runs in processes that hold nothing more. It must not know what is being
signed. Nothing here checks a length for cost: 5000 rounds over the longest allowed input take about 50 ms.
"""

from __future__ import annotations

import base64
import hashlib
import importlib
from collections.abc import Callable

ROUNDS = 5000
LONGEST_PLAIN = 4096
"""In bytes; Symfony refuses a longer one (PasswordHasherInterface::MAX_PASSWORD_LENGTH)."""

DIGEST_LENGTH = 88
ROUNDS_BETWEEN_BREATHS = 250


def merged(plain: bytes, salt: bytes) -> bytes:
    """What is hashed in each round: ``plain{salt}``.

    A salt that PHP takes for false ("" and "0") leaves ``plain`` alone. ValueError for what Symfony refuses:
    a plain over 4096 bytes, or a brace in the salt.
    """
    if len(plain) > LONGEST_PLAIN:
        raise ValueError(f"longer than {LONGEST_PLAIN} bytes")
    if salt in (b"", b"0"):
        return plain
    if b"{" in salt or b"}" in salt:
        raise ValueError("a salt cannot hold { or }")
    return b"%b{%b}" % (plain, salt)


def message_digest(plain: bytes, salt: bytes, breathe: Callable[[], None] | None = None) -> str:
    """The digest as 88 characters of base64; ValueError as ``merged``. ``breathe`` as ``in_python``."""
    salted = merged(plain, salt)
    digest = in_python(salted, breathe) if in_c is None else in_c(salted, ROUNDS)
    return base64.b64encode(digest).decode("ascii")


def in_python(salted: bytes, breathe: Callable[[], None] | None = None) -> bytes:
    """The rounds. ``breathe`` is called every 250 of them: a thread gives way to others there, since hashlib does not
    (it keeps the GIL for inputs below 2048 bytes)."""
    sha512 = hashlib.sha512
    digest = sha512(salted).digest()
    left = ROUNDS - 1
    while left:
        rounds = min(left, ROUNDS_BETWEEN_BREATHS)
        for _ in range(rounds):
            digest = sha512(digest + salted).digest()
        left -= rounds
        if breathe is not None:
            breathe()
    return digest


def _built() -> Callable[[bytes, int], bytes] | None:
    try:
        found: Callable[[bytes, int], bytes] = importlib.import_module("orosync.identity._rounds").rounds
    except ImportError:  # no compiler was there, or the OpenSSL that it was built for is not
        return None
    return found


in_c = _built()
"""(salted, rounds) to the digest, without the GIL; None where it was not built."""
