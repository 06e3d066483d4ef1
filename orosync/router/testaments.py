"""Testaments: publications that sessions leave for when they end (WAMP, "Session Testament").

Their number and size are bounded for each session. Without session resumption a session is detached and destroyed at
the same time: testaments for the former come first.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from typing import Any

import attrs

from orosync.errors import RequestError
from orosync.wamp import uris
from orosync.wamp.payload import Payload

MOST = 32
"""Testaments of one session."""

MOST_BYTES = 65536
"""Bytes of all testaments of one session: topics, payloads and options."""


class Scope(Enum):
    """When a testament is to be published."""

    DETACHED = "detached"
    DESTROYED = "destroyed"


@attrs.define(eq=False)
class Testament:
    """A publication to be made, with PUBLISH.Options as the client gave them."""

    topic: str
    payload: Payload
    options: Mapping[str, Any]
    scope: Scope

    @property
    def size(self) -> int:
        options = len(Payload.of([self.options]).args) if self.options else 0
        return len(self.topic) + self.payload.size + options


class Testaments:
    """All testaments of one realm, by session id."""

    __slots__ = ("_sessions",)

    def __init__(self) -> None:
        self._sessions: dict[int, list[Testament]] = {}

    def add(self, session: int, testament: Testament) -> None:
        """Add a testament behind the others. RequestError UNAVAILABLE over the bound."""
        testaments = self._sessions.get(session, [])
        if len(testaments) >= MOST:
            raise RequestError(uris.UNAVAILABLE, f"a session may leave {MOST} testaments")
        if sum(one.size for one in testaments) + testament.size > MOST_BYTES:
            raise RequestError(uris.UNAVAILABLE, f"the testaments of a session may have {MOST_BYTES} bytes")
        self._sessions[session] = [*testaments, testament]

    def withdraw(self, session: int, testament: Testament) -> bool:
        """Remove one testament; False when it is no longer there."""
        testaments = self._sessions.get(session, [])
        if testament not in testaments:
            return False
        self._keep(session, [one for one in testaments if one is not testament])
        return True

    def flush(self, session: int, scope: Scope) -> None:
        """Remove the testaments of one scope."""
        self._keep(session, [one for one in self._sessions.get(session, []) if one.scope is not scope])

    def forget(self, session: int) -> None:
        """Remove all testaments of a session."""
        self._sessions.pop(session, None)

    def take(self, session: int) -> list[Testament]:
        """Remove and return all testaments of a session that is gone, in the order in which to publish them."""
        if not self._sessions:
            return []
        # A stable sort: within a scope they keep the order in which they were added.
        return sorted(self._sessions.pop(session, []), key=lambda one: one.scope is Scope.DESTROYED)

    def _keep(self, session: int, testaments: list[Testament]) -> None:
        if testaments:
            self._sessions[session] = testaments
        else:
            self._sessions.pop(session, None)
