"""What the tests of this room share: Oro's vectors, and a hasher that remembers what it was asked."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from twisted.internet import defer
from twisted.internet.defer import Deferred

from orosync.identity.digests import message_digest
from orosync.identity.ticket import make_ticket
from orosync.model import User

VECTORS: list[dict[str, Any]] = json.loads(
    (Path(__file__).resolve().parents[1] / "vectors" / "oro-tickets.json").read_text()
)["vectors"]
PUBLISHED = "ThisTokenIsNotSoSecretChangeIt"
USABLE = [vector for vector in VECTORS if vector["secret"] != PUBLISHED]
"""The vectors that an authenticator may be built for."""

NOW = 1_768_472_430  # 2026-01-15T10:20:30+00:00
CREATED = "2026-01-15T10:20:30+00:00"
SECRET = "a1b2c3d4e5f60718293a4b5c6d7e8f90"
OLD_SECRET = "00112233445566778899aabbccddeeff"

ANNA = User(
    1,
    "anna",
    "$2y$13$Q9zXQp1vJ8o0r1m5m1T5Zuq0lXWcY6eQd6xG1p8Jm1v3o8nQm9i2e",
    email="Anna@Example.com",
    organizations=frozenset({7}),
    roles=frozenset({"ROLE_ADMINISTRATOR"}),
)
GONE = User(2, "gone", "p" * 60, enabled=False)


def ticket_of(user: User | None, secret: str = SECRET, created: str = CREATED, nonce: str = "3f1c0a9b7d5e2468") -> str:
    """The ticket that Oro would make for ``user``; None: for the back end."""
    return make_ticket(user.username if user else "", user.password_hash if user else None, secret, nonce, created)


class RecordingHasher:
    """Computes at once; ``asked`` holds (pairs, lane, urgent) of each job. ``fail_with`` makes it fail instead,
    ``held`` makes it keep all jobs waiting, and those that were cancelled in ``given_up``."""

    def __init__(self) -> None:
        self.asked: list[tuple[Any, str, bool]] = []
        self.fail_with: Exception | None = None
        self.held = False
        self.given_up: list[Deferred[list[str]]] = []
        self._kept: list[tuple[Any, Deferred[list[str]]]] = []

    def digests(self, pairs: Any, lane: str, *, urgent: bool = False) -> Deferred[list[str]]:
        self.asked.append((list(pairs), lane, urgent))
        if self.fail_with is not None:
            return defer.fail(self.fail_with)
        if self.held:
            self._kept.append((list(pairs), Deferred(self.given_up.append)))
            return self._kept[-1][1]
        return defer.succeed([message_digest(plain, salt) for plain, salt in pairs])

    def release(self) -> None:
        """Answer all that waits, and from now on at once."""
        self.held = False
        kept, self._kept = self._kept, []
        for pairs, done in kept:
            done.callback([message_digest(plain, salt) for plain, salt in pairs])
