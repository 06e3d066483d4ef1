"""The bookkeeping of attempts to say who one is: counted by outcome, and bounded for each address that fails.

It must not know what is presented or how it is judged.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from twisted.internet import defer
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime

from orosync.clocks import Now
from orosync.errors import Refused, Unavailable
from orosync.headers.forwarding import address_group
from orosync.identity.failures import FailureBuckets
from orosync.interfaces import IJournal
from orosync.model import ConnectionFacts, Principal

T = TypeVar("T")


class Attempts:
    """Attempts of one kind (``event``, for the counters). Failures are forgiven by ``clock``; ``now`` tells the time of
    day, in seconds since 1970."""

    def __init__(
        self, event: str, journal: IJournal, clock: IReactorTime, now: Now, failures: FailureBuckets | None = None
    ) -> None:
        self.now = now
        self._event = event
        self._journal = journal
        self._clock = clock
        self._failures = FailureBuckets() if failures is None else failures

    def judge(self, facts: ConnectionFacts, verdict: Callable[[], T]) -> Deferred[T]:
        """Fires with what ``verdict`` returns, or fails with the Refused that it raises, which is counted against the
        address; with Unavailable ("too_many_failures") from an address that has failed too often."""
        group = address_group(facts.address)
        try:
            self._failures.check(group, self._clock.seconds(), "answers")
            outcome = verdict()
        except Refused as refusal:
            self._journal.count(self._event, refusal.kind)
            if not isinstance(refusal, Unavailable):
                self._failures.record(group, self._clock.seconds())
            return defer.fail(refusal)
        if isinstance(outcome, Principal):
            self._journal.count(self._event, "accepted")
        return defer.succeed(outcome)


def wrong_method(name: str, method: str) -> Refused:
    """The refusal of a method that the authenticator ``name`` cannot do."""
    return Refused("unknown_method", f"{name} cannot do authmethod {method!r}")
