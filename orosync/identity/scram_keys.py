"""SCRAM: what is stored of a password, and the arithmetic (RFC 5802 section 3 with SHA-256 of RFC 7677; WAMP "Salted
Challenge Response Authentication").

The derived form is one line, ``KDF$ITERATIONS[,MEMORY]:SALT$STORED_KEY:SERVER_KEY`` in base64; that of ``pbkdf2`` may
be called ``SCRAM-SHA-256``, as PostgreSQL writes it.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
import secrets
import warnings
from collections.abc import Mapping

import attrs

from orosync.identity.accounts import derive_bytes

PBKDF2 = "pbkdf2"
ARGON2 = "argon2id13"
ARGON2_AUTOBAHN = "argon2id-13"
"""Its name in Autobahn and Crossbar.io, which use the hash in base64 as the salted password."""

COSTS: Mapping[str, tuple[int, int | None]] = {PBKDF2: (600_000, None), ARGON2: (2, 19 * 1024)}
"""Default iterations and memory (KiB)."""

LEAST_MEMORY = 8

NEEDED = ("argon2", "passlib")
"""Modules of the extra ``crypto``."""

_KINDS = {"SCRAM-SHA-256": PBKDF2, PBKDF2: PBKDF2, ARGON2: ARGON2, ARGON2_AUTOBAHN: ARGON2_AUTOBAHN}
_BASE64 = r"[A-Za-z0-9+/]+={0,2}"
_FORM = re.compile(
    rf"({'|'.join(_KINDS)})\$([1-9][0-9]{{0,6}})(?:,([1-9][0-9]{{0,6}}))?:({_BASE64})\$({_BASE64}):({_BASE64})"
)


@attrs.frozen
class ScramKeys:
    """What is stored of one password. ``memory`` in KiB, None for pbkdf2."""

    kdf: str
    iterations: int
    memory: int | None
    salt: bytes
    stored_key: bytes = attrs.field(repr=False)
    server_key: bytes = attrs.field(repr=False)

    def __str__(self) -> str:
        cost = f"{self.iterations}" if self.memory is None else f"{self.iterations},{self.memory}"
        salt, stored, server = (encoded(part) for part in (self.salt, self.stored_key, self.server_key))
        return f"{self.kdf}${cost}:{salt}${stored}:{server}"

    def decoy(self, seed: bytes) -> ScramKeys:
        """See accounts.Proof."""
        size = len(self.salt)
        made = derive_bytes(seed, size + 64)
        return attrs.evolve(self, salt=made[:size], stored_key=made[size:-32], server_key=made[-32:])

    def fits(self, message: bytes, proof: bytes) -> bool:
        """Whether ``proof`` is the ClientProof of a client that knows the password, for this AuthMessage."""
        signature = hmac.digest(self.stored_key, message, "sha256")
        padded = proof[:32].ljust(32, b"\0")
        client_key = bytes(a ^ b for a, b in zip(signature, padded, strict=True))
        same = hmac.compare_digest(hashlib.sha256(client_key).digest(), self.stored_key)
        return same and len(proof) == 32

    def server_signature(self, message: bytes) -> bytes:
        """The proof for the client that the router knows it."""
        return hmac.digest(self.server_key, message, "sha256")


def is_derived(text: str) -> bool:
    """Whether a text begins like a derived form."""
    return text.startswith(tuple(f"{kind}$" for kind in _KINDS))


def parse(text: str) -> ScramKeys:
    """Read the derived form. ValueError."""
    found = _FORM.fullmatch(text)
    try:
        if found is None or (_KINDS[found[1]] == PBKDF2) != (found[3] is None):
            raise ValueError
        salt, stored, server = (base64.b64decode(part, validate=True) for part in found.groups()[3:])
        if len(stored) != 32 or len(server) != 32:
            raise ValueError
    except ValueError:
        raise ValueError(
            "begins like a derived form and is none, write KDF$ITERATIONS[,MEMORY]:SALT$STORED_KEY:SERVER_KEY"
        ) from None
    memory = int(found[3]) if found[3] else None
    return ScramKeys(_KINDS[found[1]], int(found[2]), memory, salt, stored, server)


def derived(
    password: str,
    kdf: str = ARGON2,
    salt: bytes | None = None,
    iterations: int | None = None,
    memory: int | None = None,
) -> ScramKeys:
    """What to store of ``password``; deliberately slow. ValueError, in words that follow "the password"."""
    usual_iterations, usual_memory = COSTS[ARGON2 if kdf == ARGON2_AUTOBAHN else kdf]
    iterations = iterations or usual_iterations
    memory = None if usual_memory is None else memory or usual_memory
    if memory is not None and memory < LEAST_MEMORY:
        raise ValueError(f"cannot be derived with less than {LEAST_MEMORY} KiB of memory")
    salt = salt or secrets.token_bytes(16)
    # Autobahn does not normalize passwords.
    plain = (password if kdf == ARGON2_AUTOBAHN else normalized(password)).encode()
    if memory is None:
        salted = hashlib.pbkdf2_hmac("sha256", plain, salt, iterations)
    else:
        salted = _argon2id(plain, salt, iterations, memory)
        if kdf == ARGON2_AUTOBAHN:
            salted = base64.b64encode(salted).rstrip(b"=")
    client_key = hmac.digest(salted, b"Client Key", "sha256")
    server_key = hmac.digest(salted, b"Server Key", "sha256")
    return ScramKeys(kdf, iterations, memory, salt, hashlib.sha256(client_key).digest(), server_key)


def _argon2id(plain: bytes, salt: bytes, iterations: int, memory: int) -> bytes:
    from argon2.low_level import Type, hash_secret_raw

    return hash_secret_raw(
        plain, salt, time_cost=iterations, memory_cost=memory, parallelism=1, hash_len=32, type=Type.ID, version=0x13
    )


def normalized(text: str) -> str:
    """A name or password after SASLprep (RFC 4013). ValueError for what that prohibits."""
    if text.isascii() and text.isprintable():
        return text
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # passlib imports crypt
        from passlib.utils import saslprep  # type: ignore[import-untyped]
    try:
        prepared: str = saslprep(text)
    except ValueError:
        raise ValueError("holds characters that SASLprep prohibits") from None
    if not prepared:
        raise ValueError("holds nothing that SASLprep leaves")
    return prepared


def encoded(data: bytes) -> str:
    """Base64."""
    return base64.b64encode(data).decode()
