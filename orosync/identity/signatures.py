"""Verifies that a ticket was signed with one of the application's secrets, at the same cost whatever the result.

Two secrets may be valid at once, while one is being changed. A valid signature is remembered as long as the ticket
lives.
"""

from __future__ import annotations

import hashlib
import hmac
import os
from collections import OrderedDict
from collections.abc import Iterator, Sequence

from orosync.errors import ConfigError
from orosync.identity.cache import TTLCache
from orosync.identity.digests import LONGEST_PLAIN
from orosync.identity.hasher import DigestSource
from orosync.identity.ticket import Ticket

PUBLISHED_SECRET = "ThisTokenIsNotSoSecretChangeIt"
"""The secret in Oro's application templates: publicly known."""

MOST_SECRETS = 2
LONGEST_PASSWORD = LONGEST_PLAIN - 128
"""In bytes; leaves room for nonce and date in what is signed."""

REMEMBERED = 50_000
MOST_LENGTHS = 4
_BCRYPT = 60


class Signatures:
    """Verifies with ``secrets``; ConfigError names ``section`` for those that cannot or must not be used. The publicly
    known one may be used with ``accept_published``."""

    def __init__(
        self, section: str, secrets: Sequence[str], hasher: DigestSource, accept_published: bool = False
    ) -> None:
        faults = [f"[{section}] secret: {fault}" for fault in _faults(secrets, accept_published)]
        if faults:
            raise ConfigError(faults)
        self._secrets = tuple(secret.encode() for secret in secrets)
        self._hasher = hasher
        self._verified: TTLCache[bytes] = TTLCache(REMEMBERED)
        self._lengths: OrderedDict[int, None] = OrderedDict()
        self._seed = os.urandom(16)

    async def signed(self, ticket: Ticket, password: bytes | None, lane: str, now: float, until: float) -> bool:
        """Whether ``ticket`` is signed; for a user's ticket with ``password``, the stored hash.

        None stands for an unknown user's: the work is the same, the answer no. A valid signature is remembered
        ``until``, for this password only. Fails as ``DigestSource.digests``.
        """
        if password is not None:
            password = password if len(password) <= LONGEST_PASSWORD else None
        trusted = ticket.is_back_end or password is not None
        binding = hashlib.sha256(password or b"").digest()
        if trusted and self._verified.get(ticket.key, now) == binding:
            return True
        if password is None:
            password = self._decoy_hash(ticket.username)
        else:
            self._lengths[len(password)] = None
            self._lengths.move_to_end(len(password))
            if len(self._lengths) > MOST_LENGTHS:
                self._lengths.popitem(last=False)
        secret_and_password = [(secret, secret if ticket.is_back_end else password) for secret in self._secrets]
        pairs = [(ticket.plain(key), secret) for secret, key in secret_and_password]
        digests = await self._hasher.digests(pairs, lane, urgent=ticket.is_back_end)
        matches = [hmac.compare_digest(digest, ticket.digest) for digest in digests]
        if not trusted or not any(matches):
            return False
        self._verified.put(ticket.key, binding, now, until)
        return True

    def _decoy_hash(self, username: str) -> bytes:
        """Stands in for the stored hash of an unknown user.

        The time of a digest depends on the length, and an application that has changed its algorithm has hashes of
        several lengths. Each name gets one of those and keeps it, as a real user would.
        """
        name = hashlib.blake2b(username.encode(), key=self._seed, digest_size=8).digest()
        lengths = sorted(self._lengths) or [_BCRYPT]
        return b"*" * lengths[int.from_bytes(name) % len(lengths)]


def published(secret: str) -> bool:
    """Whether ``secret`` is the publicly known one."""
    return PUBLISHED_SECRET in secret


def _faults(secrets: Sequence[str], accept_published: bool) -> Iterator[str]:
    if not 1 <= len(secrets) <= MOST_SECRETS:
        yield f"there are {len(secrets)}, give one, or two while one is being changed"
    for secret in secrets:
        if secret in ("", "0"):
            yield "it is empty: give Oro's secret"
        if published(secret) and not accept_published:
            yield "it is the one that Oro is published with, which is public: choose your own"
        if "{" in secret or "}" in secret:
            yield "it holds a { or }, with which Oro itself cannot make tickets: choose another"
        if len(secret.encode()) > LONGEST_PASSWORD:
            yield f"it is longer than {LONGEST_PASSWORD} bytes, with which Oro itself cannot make tickets"
