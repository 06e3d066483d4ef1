"""Look-ups in front of a directory or a session store: shared, bounded, and refused while it is down.

* One look-up at a time for each login or session; everyone who asks meanwhile gets the same answer.
* A directory's answer is kept for a moment and used while the directory is busy. While it is not, it is asked. That a
  user does not exist is kept just as long: otherwise the time of an answer would tell which names exist. A session
  store's answers are never kept: a user who logs out is logged out at the next look-up.
* At most ``at_once`` look-ups at a time. Others wait in order; when ``room`` of them wait, more are refused.
* After a failure all look-ups are refused at once, those that wait included, for 0.25 s, then 0.5 s and so on up to
  5 s. At the end of each interval one look-up is let through and finds out. Kept answers are forgotten: a directory
  that is down admits no user.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Final, Generic, TypeVar

import attrs
from twisted.internet import defer
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.python.failure import Failure
from zope.interface import alsoProvides, implementer

from orosync.errors import Refused, Unavailable
from orosync.identity.cache import TTLCache
from orosync.identity.directories.sql import is_storable
from orosync.identity.php.session import checked
from orosync.interfaces import IDirectory, IJournal, ISessionStore, ISharedPasswords
from orosync.metrics import SLOW, Histogram
from orosync.model import AdminSession, User

KEPT = 1.0
"""Seconds for which an answer is kept."""

MOST_KEPT = 4096
ROOM = 10_000
SHORTEST_PAUSE = 0.25
LONGEST_PAUSE = 5.0

KIND: Final = "sessions"
DOWN: Final = "sessions_down"
"""The reason code when a session store cannot answer; "sessions_busy" when too many look-ups wait."""

Found = TypeVar("Found")


@attrs.define(eq=False)
class _Flight(Generic[Found]):
    """A look-up, under way or waiting for its turn. ``era`` is the number of failures before it began."""

    key: str
    waiting: list[Deferred[Found | None]] = attrs.field(factory=list)
    era: int = 0
    began: float = 0.0


class SingleFlight(Generic[Found]):
    """Look-ups by ``ask`` for [``kind``:``name``]; answers are kept for ``kept`` seconds (0: not at all).

    Refusals are Unavailable, with the reason codes ``kind``_down and ``kind``_busy (too many look-ups wait).

    The queue is not a DeferredSemaphore: a failure refuses all that wait, and each cancelled look-up leaves its place.
    """

    def __init__(
        self,
        kind: str,
        name: str,
        ask: Callable[[str], Deferred[Found | None]],
        journal: IJournal,
        clock: IReactorTime,
        *,
        at_once: int,
        kept: float = KEPT,
        most_kept: int = MOST_KEPT,
        room: int = ROOM,
    ) -> None:
        self._kind = kind
        self._name = name
        self._ask = ask
        self._journal = journal
        self._clock = clock
        self._at_once = at_once
        self._kept = kept
        self._most_kept = most_kept
        self._room = room
        self._known: TTLCache[tuple[Found | None]] = TTLCache(most_kept)
        self._flights: dict[str, _Flight[Found]] = {}
        self._queue: deque[_Flight[Found]] = deque()
        self._under_way = 0
        self._failures = 0
        self._era = 0
        self._retry_at = 0.0
        self._probing = False
        self.spans = Histogram(SLOW)
        """How long the look-ups took that were answered or failed."""

    @property
    def title(self) -> str:
        """``kind``:``name``, as its section is called."""
        return f"{self._kind}:{self._name}"

    @property
    def down(self) -> bool:
        """The last look-up failed."""
        return self._failures > 0

    @property
    def queued(self) -> int:
        """Look-ups that wait for one under way."""
        return len(self._queue)

    def look_up(self, key: str, fresh: bool = False) -> Deferred[Found | None]:
        """What is found for ``key``. ``fresh``: by a look-up, even while kept answers are used."""
        now = self._clock.seconds()
        if not fresh and self._under_way >= self._at_once:
            known = self._known.get(key.encode(), now)
            if known is not None:
                return defer.succeed(known[0])
        flight = self._flights.get(key)
        if flight is None:
            if self._failures and (self._probing or now < self._retry_at):
                return defer.fail(self._unavailable("down", "is down; it is asked again soon"))
            if len(self._queue) >= self._room:
                return defer.fail(self._unavailable("busy", "too many look-ups are waiting"))
            flight = self._flights[key] = _Flight(key)
            self._probing = self._failures > 0
            self._queue.append(flight)
        waiting = flight
        answer: Deferred[Found | None] = Deferred(lambda it: self._abandon(waiting, it))
        flight.waiting.append(answer)
        self._pump()
        return answer

    def _pump(self) -> None:
        while self._queue and self._under_way < self._at_once:
            flight = self._queue.popleft()
            flight.era = self._era
            self._under_way += 1
            flight.began = self._clock.seconds()
            defer.maybeDeferred(self._ask, flight.key).addCallbacks(
                self._found, self._failed, callbackArgs=(flight,), errbackArgs=(flight,)
            )

    def _found(self, found: Found | None, flight: _Flight[Found]) -> None:
        self._landed(flight)
        if self._failures:
            self._failures = 0
            self._journal.note(self._kind, "recovered", **{self._kind: self._name})
        if self._kept:
            now = self._clock.seconds()
            self._known.put(flight.key.encode(), (found,), now, now + self._kept)
        for answer in flight.waiting.copy():
            if not answer.called:
                answer.callback(found)
        self._pump()

    def _failed(self, failure: Failure, flight: _Flight[Found]) -> None:
        self._landed(flight)
        kind, reason = f"{self._kind}_down", f"[{self._kind}:{self._name}] failed with {type(failure.value).__name__}"
        if isinstance(failure.value, Unavailable):  # any other text may hold what was looked up
            kind, reason = failure.value.code, failure.value.reason
        stranded = [flight]
        if flight.era == self._era:
            self._era += 1
            pause = min(SHORTEST_PAUSE * 2 ** min(self._failures, 10), LONGEST_PAUSE)
            self._failures += 1
            self._retry_at = self._clock.seconds() + pause
            self._known = TTLCache(self._most_kept)
            self._journal.note(self._kind, "down", **{self._kind: self._name}, reason=reason, pause=pause)
            stranded += self._queue
            for one in self._queue:
                del self._flights[one.key]
            self._queue.clear()
        for one in stranded:
            for answer in one.waiting.copy():
                if not answer.called:
                    answer.errback(Unavailable(kind, reason))
        self._pump()

    def _landed(self, flight: _Flight[Found]) -> None:
        self._under_way -= 1
        self.spans.observe(self._clock.seconds() - flight.began)
        del self._flights[flight.key]
        if flight.era == self._era:
            self._probing = False

    def _abandon(self, flight: _Flight[Found], answer: Deferred[Found | None]) -> None:
        """Cancelled by its caller; a waiting look-up without callers leaves the queue."""
        if answer in flight.waiting:
            flight.waiting.remove(answer)
        if not flight.waiting and flight in self._queue:
            self._queue.remove(flight)
            del self._flights[flight.key]
            self._probing = False
        answer.errback(CancelledError())

    def _unavailable(self, what: str, why: str) -> Unavailable:
        return Unavailable(f"{self._kind}_{what}", f"[{self._kind}:{self._name}] {why}")


@implementer(IDirectory)
class Lookups(SingleFlight[User]):
    """The look-ups of ``directory``; shared passwords are asked of it directly."""

    def __init__(
        self,
        name: str,
        directory: IDirectory,
        journal: IJournal,
        clock: IReactorTime,
        *,
        at_once: int,
        kept: float = KEPT,
        most_kept: int = MOST_KEPT,
        room: int = ROOM,
    ) -> None:
        sharing = ISharedPasswords(directory, None)
        if sharing is not None:
            self.shared_passwords = sharing.shared_passwords
            alsoProvides(self, ISharedPasswords)
        super().__init__(
            "directory",
            name,
            directory.find,
            journal,
            clock,
            at_once=at_once,
            kept=kept,
            most_kept=most_kept,
            room=room,
        )

    def find(self, login: str, fresh: bool = False) -> Deferred[User | None]:
        """See IDirectory. ``fresh``: not from a kept answer."""
        return self.look_up(login, fresh) if is_storable(login) else defer.succeed(None)


@implementer(ISessionStore)
class SessionLookups:
    """Look-ups in the store ``inner`` of [sessions:``name``], ``at_once`` of them at a time. That a session cannot be
    read is an answer, not a failure of the store.

    ``prolongs``: a look-up counts as a visit to the application (the HTTP exchange) and prolongs the session, so it is
    not repeated for users who merely stay connected.
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
        self.lookups: SingleFlight[AdminSession | Refused] = SingleFlight(
            KIND, name, self._ask, journal, clock, at_once=at_once, kept=0.0
        )

    def find(self, session_id: str) -> Deferred[AdminSession | None]:
        """See ISessionStore."""
        try:
            checked(session_id)
        except Refused as refusal:
            return defer.fail(refusal)
        return self.lookups.look_up(session_id).addCallback(_unwrapped)

    def _ask(self, session_id: str) -> Deferred[AdminSession | Refused | None]:
        return Deferred.fromCoroutine(self._asked(session_id))

    async def _asked(self, session_id: str) -> AdminSession | Refused | None:
        try:
            return await self._inner.find(session_id)
        except Unavailable:
            raise
        except Refused as refusal:
            return refusal


def _unwrapped(found: AdminSession | Refused | None) -> AdminSession | None:
    if isinstance(found, Refused):
        raise Refused(found.code, found.reason)  # an exception for each caller: a traceback is added to it
    return found
