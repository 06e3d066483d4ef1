"""What sessions want published when they are gone, however they go (WAMP, "Session Testament").

A book for each session, bounded, gone with the session. Without session resumption a session is detached and destroyed
in one: the testaments for the former come first. This file must not know who may publish what, or how it is published.
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

    __slots__ = ("_books",)

    def __init__(self) -> None:
        self._books: dict[int, list[Testament]] = {}

    def add(self, session: int, testament: Testament) -> None:
        """The last will so far. RequestError UNAVAILABLE over the bound."""
        book = self._books.get(session, [])
        if len(book) >= MOST:
            raise RequestError(uris.UNAVAILABLE, f"a session may leave {MOST} testaments")
        if sum(one.size for one in book) + testament.size > MOST_BYTES:
            raise RequestError(uris.UNAVAILABLE, f"the testaments of a session may have {MOST_BYTES} bytes")
        self._books[session] = [*book, testament]

    def withdraw(self, session: int, testament: Testament) -> bool:
        """Take back one testament; false when it is no longer there."""
        book = self._books.get(session, [])
        if testament not in book:
            return False
        self._keep(session, [one for one in book if one is not testament])
        return True

    def flush(self, session: int, scope: Scope) -> None:
        """Forget the testaments of one scope."""
        self._keep(session, [one for one in self._books.get(session, []) if one.scope is not scope])

    def forget(self, session: int) -> None:
        """Forget all testaments of a session."""
        self._books.pop(session, None)

    def take(self, session: int) -> list[Testament]:
        """All testaments of a session that is gone, in the order in which to publish them; they are no longer here."""
        if not self._books:
            return []
        # A stable order: within a scope it is that in which they were added.
        return sorted(self._books.pop(session, []), key=lambda one: one.scope is Scope.DESTROYED)

    def _keep(self, session: int, book: list[Testament]) -> None:
        if book:
            self._books[session] = book
        else:
            self._books.pop(session, None)
