"""Revalidation: the credentials of connected users are checked from time to time. A session ends when its credential is
no longer valid, and gets other rights when its user has other rights.

Sessions with the same credential (of one user, or one cookie) are one subject and are checked once for all of them. The
moments are spread at random over the interval, one timer serves all of them, and only a few checks run at a time. A
session whose credential cannot be checked stays, and is checked again soon.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Hashable
from heapq import heappop, heappush
from itertools import count
from typing import Any, Protocol

from twisted.internet.defer import Deferred, maybeDeferred
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.logger import Logger
from twisted.python.failure import Failure

from orosync.errors import Refused, Unavailable
from orosync.identity.credentials import Credentials
from orosync.interfaces import IJournal, IRecheck, Renewal
from orosync.model import Rights
from orosync.session.work_queue import WorkQueue

AT_ONCE = 8
"""Checks under way; logins need their share of the directory too."""

ANSWER_TIMEOUT = 30.0
"""Seconds in which an answer must come."""

AGAIN = 30.0
"""Seconds at most until a check that failed is repeated."""


class RevalidatedSession(Protocol):
    """A session that ends with its credential."""

    def dismiss(self, refusal: Refused) -> None:
        """Its credential is no longer valid."""


class _Subject:
    """The sessions with one credential, which ``authority`` checks."""

    __slots__ = ("authority", "credential", "key", "sessions")

    def __init__(self, key: Hashable, authority: IRecheck, credential: Hashable) -> None:
        self.key = key
        self.authority = authority
        self.credential = credential
        self.sessions: set[RevalidatedSession] = set()


class Revalidation:
    """Checks each credential every ``interval`` seconds (or as often as its authenticator wants), never later.
    ``renew`` gives a session other rights.

    A credential without sessions is forgotten when its time comes. ``chance()`` gives numbers in [0, 1).
    """

    _log = Logger()

    def __init__(
        self,
        clock: IReactorTime,
        journal: IJournal,
        interval: float,
        renew: Callable[[Any, Rights], None],
        *,
        at_once: int = AT_ONCE,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self._clock = clock
        self._journal = journal
        self._interval = interval
        self._renew = renew
        self._chance = chance
        self._subjects: dict[Hashable, _Subject] = {}
        self._subjects_of: dict[RevalidatedSession, list[_Subject]] = {}
        self._agenda: list[tuple[float, int, _Subject]] = []
        self._order = count()
        self._queue: WorkQueue[_Subject] = WorkQueue(clock, self._begin, at_once)
        self._timer: IDelayedCall | None = None
        self._stopped = False

    def entered(self, session: RevalidatedSession, credentials: Credentials) -> None:
        """From now on ``session`` depends on ``credentials``."""
        if self._stopped:
            return
        subjects = [self._subject(authority, credential) for authority, credential in credentials]
        self._subjects_of[session] = subjects
        for subject in subjects:
            subject.sessions.add(session)

    def left(self, session: RevalidatedSession) -> None:
        """``session`` has gone, on its own or dismissed. It may have had no credential."""
        for subject in self._subjects_of.pop(session, ()):
            subject.sessions.discard(session)

    def _subject(self, authority: IRecheck, credential: Hashable) -> _Subject:
        key = (authority.name, credential)
        subject = self._subjects.get(key)
        if subject is None:
            subject = self._subjects[key] = _Subject(key, authority, credential)
            self._plan(subject, 0.5)
        return subject

    def stop(self) -> None:
        """Check no more. Answers under way change nothing."""
        self._stopped = True
        self._subjects.clear()
        self._subjects_of.clear()
        self._agenda.clear()
        self._queue.stop()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    # -- when

    def _plan(self, subject: _Subject, earliest: float, within: float | None = None) -> None:
        """Have ``subject`` asked about between ``earliest`` (a share of the interval) and the interval's end."""
        interval = self._interval if subject.authority.recheck_interval is None else subject.authority.recheck_interval
        interval = interval if within is None else min(interval, within)
        delay = interval * (earliest + (1 - earliest) * self._chance())
        heappush(self._agenda, (self._clock.seconds() + delay, next(self._order), subject))
        self._arm()

    def _arm(self) -> None:
        """Have the timer go off when the first of the agenda is due."""
        if not self._agenda:
            return
        due = self._agenda[0][0]
        if self._timer is None:
            self._timer = self._clock.callLater(max(0.0, due - self._clock.seconds()), self._wake)
        elif due < self._timer.getTime():
            self._timer.reset(max(0.0, due - self._clock.seconds()))

    def _wake(self) -> None:
        self._timer = None
        now = self._clock.seconds()
        due = []
        while self._agenda and self._agenda[0][0] <= now:
            due.append(heappop(self._agenda)[2])
        self._queue.add(due)
        self._arm()

    # -- checking

    def _begin(self, subject: _Subject) -> Deferred[None] | None:
        if not subject.sessions:
            del self._subjects[subject.key]
            return None
        answer = maybeDeferred(subject.authority.recheck, subject.credential)
        if not answer.called:
            answer.addTimeout(ANSWER_TIMEOUT, self._clock)
        return answer.addCallbacks(self._stands, self._fell, callbackArgs=(subject,), errbackArgs=(subject,))

    def _stands(self, renewal: Renewal | None, subject: _Subject) -> None:
        if self._stopped:
            return
        if renewal is None:
            self._journal.count("recheck", "stands")
            self._plan(subject, 0.9)
            return
        self._journal.count("recheck", "rights_changed")
        del self._subjects[subject.key]
        after = self._subject(subject.authority, renewal.credential)
        moved = list(subject.sessions)
        for session in moved:
            subjects = self._subjects_of[session]
            subjects[subjects.index(subject)] = after
            after.sessions.add(session)
        for session in moved:
            try:
                self._renew(session, renewal.rights)
            except Exception:
                self._log.failure("a session could not be given other rights")
                session.dismiss(Refused("rights_changed", "its user has other rights, which it could not be given"))

    def _fell(self, failure: Failure, subject: _Subject) -> None:
        if self._stopped:
            return
        refusal = failure.value
        if isinstance(refusal, Refused) and not isinstance(refusal, Unavailable):
            self._journal.count("recheck", refusal.code)
            del self._subjects[subject.key]
            for session in list(subject.sessions):
                session.dismiss(refusal)
            return
        kind = refusal.code if isinstance(refusal, Unavailable) else type(refusal).__name__
        reason = refusal.reason if isinstance(refusal, Unavailable) else "it failed or gave no answer in time"
        self._journal.note("recheck.postponed", kind, authenticator=subject.authority.name, reason=reason)
        self._plan(subject, 0.5, AGAIN)
