"""What stands in front of every session store, as for directories: one look-up at a time for each session, bounded in
number, and nobody waits for a store that is down.

Nothing is kept: whoever logs out is out at the next look-up. That a session cannot be read is an answer like others and
no failure of its store. This file must not know where sessions are kept.
"""

from __future__ import annotations

from typing import Final

from twisted.internet import defer
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from zope.interface import implementer

from orosync.errors import Refused, Unavailable
from orosync.identity.directories.lookups import Flights
from orosync.identity.sessions.ids import checked
from orosync.interfaces import IJournal, ISessionStore
from orosync.model import AdminSession

KIND: Final = "sessions"
DOWN: Final = "sessions_down"
"""The kind of Unavailable when a store cannot answer; "sessions_busy" when too many look-ups wait."""


@implementer(ISessionStore)
class SessionLookups:
    """Look-ups in the store ``inner`` of [sessions:``name``], ``at_once`` of them at a time.

    ``prolongs``: whether a look-up counts as a visit to the application (the exchange), and is therefore better not
    repeated while somebody merely stays connected.
    """

    def __init__(
        self,
        name: str,
        inner: ISessionStore,
        journal: IJournal,
        clock: IReactorTime,
        *,
        at_once: int,
        prolongs: bool = False,
    ) -> None:
        self.name = name
        self.prolongs = prolongs
        self._inner = inner
        self._flights: Flights[AdminSession | Refused] = Flights(
            KIND, name, self._ask, journal, clock, at_once=at_once, kept=0.0
        )

    def find(self, session_id: str) -> Deferred[AdminSession | None]:
        """See ISessionStore."""
        try:
            checked(session_id)
        except Refused as refusal:
            return defer.fail(refusal)
        return self._flights.look_up(session_id).addCallback(_told)

    def _ask(self, session_id: str) -> Deferred[AdminSession | Refused | None]:
        return Deferred.fromCoroutine(self._asked(session_id))

    async def _asked(self, session_id: str) -> AdminSession | Refused | None:
        try:
            return await self._inner.find(session_id)
        except Unavailable:
            raise
        except Refused as refusal:
            return refusal


def _told(found: AdminSession | Refused | None) -> AdminSession | None:
    if isinstance(found, Refused):
        raise Refused(found.kind, found.reason)  # one of its own for each who waited
    return found
