"""From a session's bytes to its user, in the words of the session stores.

It must not know where the bytes came from, nor when a session has expired.
"""

from __future__ import annotations

import attrs

from orosync.errors import Refused
from orosync.identity.php.oro_token import BackOfficeTokens, SessionReading
from orosync.identity.php.serialized import DEFAULT_LIMITS
from orosync.identity.php.values import SessionUnreadable
from orosync.identity.sessions.ids import MALFORMED

LARGEST = DEFAULT_LIMITS.size
"""Bytes. A store need not fetch more of a session than one byte beyond."""

QUICK = 16 * 1024
"""Bytes that are read in a few milliseconds; what is longer is better read in a thread."""


@attrs.frozen
class SessionReader:
    """Reads sessions of the store ``title`` (its section). Knows neither clock nor I/O; any thread may use it."""

    title: str
    tokens: BackOfficeTokens = attrs.field(factory=BackOfficeTokens)

    def read(self, data: bytes) -> SessionReading:
        """What ``data`` says; Refused("malformed_session") when that cannot be told."""
        try:
            return self.tokens.read(data)
        except SessionUnreadable as error:
            raise self.unreadable(str(error)) from None

    def unreadable(self, why: str) -> Refused:
        """The refusal of one session."""
        return Refused(MALFORMED, f"[{self.title}] the session cannot be read: {why}")
