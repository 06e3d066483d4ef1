"""Who is logged in to the demonstration: random tokens, a bounded number of them, each for a limited time.

It must not know cookies, HTTP or tickets.
"""

from __future__ import annotations

import hashlib
import secrets

import attrs
from twisted.internet.interfaces import IReactorTime

MOST_SESSIONS = 64
LIFETIME = 12 * 3600.0


@attrs.frozen
class _Session:
    username: str
    until: float


class DemoSessions:
    """Sessions by token; only a hash of each token is kept.

    When there are ``most`` of them, the oldest makes room for a new one. ``lifetime`` in seconds.
    """

    def __init__(self, clock: IReactorTime, most: int = MOST_SESSIONS, lifetime: float = LIFETIME) -> None:
        self._clock = clock
        self._most = most
        self._lifetime = lifetime
        self._sessions: dict[bytes, _Session] = {}

    def __len__(self) -> int:
        return len(self._sessions)

    def open(self, username: str) -> str:
        """Log ``username`` in: a new token of 43 characters, all of them harmless in a cookie."""
        while len(self._sessions) >= self._most:
            self._sessions.pop(next(iter(self._sessions)))
        token = secrets.token_urlsafe(32)
        self._sessions[_key(token)] = _Session(username, self._clock.seconds() + self._lifetime)
        return token

    def who(self, token: str) -> str | None:
        """The user name that ``token`` stands for; None if it stands for nobody (any more)."""
        session = self._sessions.get(_key(token))
        if session is None:
            return None
        if self._clock.seconds() >= session.until:
            self.close(token)
            return None
        return session.username

    def close(self, token: str) -> None:
        """Log out; a token that stands for nobody is no error."""
        self._sessions.pop(_key(token), None)


def _key(token: str) -> bytes:
    return hashlib.sha256(token.encode("utf-8", "surrogateescape")).digest()
