"""How much a client may say that nobody asked it for: a token bucket for each connection.

Whoever gives such a message on takes a token: ``bucket.left -= 1``, and ``bucket.spent(link)`` where that made it less
than zero. Only then is the clock looked at, so that a message costs a subtraction and a comparison. A message for which
there was no token is handled all the same; then reading pauses until it has been paid for, and TCP slows its sender.
Before a client has joined a realm it has little, afterwards what the listener allows.

It must not know what a message is, how reading is paused, or who a client is beyond its name and role.
"""

from __future__ import annotations

from collections.abc import Container
from math import ceil, inf
from typing import Protocol

import attrs
from twisted.internet.interfaces import IReactorTime

from orosync.interfaces import RATE, IJournal
from orosync.transport.timers import Timed, TimerWheel

TICK = 1 / 16
"""Seconds between two looks at those who wait for tokens."""

GAP = 1.0
"""Seconds without a pause after which a client is no longer taken to be over its rate."""

_HORIZON = 1.0
_SHARE = 32
"""The clock is looked at once for each 32nd part of a burst: by so much may a burst be larger than it should be that
comes after an idle time. It is never smaller, and the rate is kept exactly."""
_ALMOST = -1e-6
"""Sums of fractions are not exact: this is no debt."""


@attrs.frozen
class Allowance:
    """``burst`` messages at once, ``rate`` a second; ``cut``: after how many seconds over that a connection ends (None:
    never, it is only slowed)."""

    rate: float
    burst: int
    cut: float | None = None

    @classmethod
    def of(cls, rate: int, burst: int, cut: float | None) -> Allowance:
        """As configured; the burst is no less than what comes in between two looks."""
        return cls(rate, max(burst, ceil(rate * TICK * 2)), cut)


UNKNOWN = Allowance(rate=10, burst=20, cut=5.0)
"""For those who have not joined yet. HELLO and AUTHENTICATE are two messages."""


class Pausable(Protocol):
    """What a bucket asks of a link (see ILink)."""

    def pause(self, reason: int) -> None: ...

    def resume(self, reason: int) -> None: ...

    def drop(self, reason: str) -> None: ...


class MessageRates:
    """What all buckets of a listener share. ``joined`` is what a client has that has joined."""

    def __init__(self, clock: IReactorTime, journal: IJournal, listener: str, joined: Allowance) -> None:
        self.seconds = clock.seconds
        self.journal = journal
        self.listener = listener
        self.joined = joined
        self.timers = TimerWheel(clock, TICK, _HORIZON)

    def bucket(self, address: str, unlimited: bool = False) -> TokenBucket:
        """The bucket of a new connection of ``address``; ``unlimited`` where it is known already to have no limit."""
        return NO_LIMIT if unlimited else TokenBucket(self, address)

    def stop(self) -> None:
        """The listener is closed: no timer is left once its connections have gone."""
        self.timers.stop_when_empty()


class TokenBucket:
    """One connection's.

    ``left`` are tokens that may be taken without a look at the clock, infinitely many where there is no limit;
    ``joined`` is False as long as every frame of the client counts. ``slot`` belongs to the timers.
    """

    __slots__ = (
        "_address", "_balance", "_exempt", "_link", "_other", "_over_since", "_paused_last", "_rates", "_role",
        "_since", "_told", "_user", "joined", "left", "slot",
    )  # fmt: skip

    slot: set[Timed] | None

    def __init__(self, rates: MessageRates | None, address: str = "") -> None:
        self.joined = False
        self.slot = None
        self.left = inf if rates is None else 0.0
        self._rates = rates
        self._address = address
        self._link: Pausable | None = None
        self._user: str | None = None
        self._role = ""
        self._exempt: Container[str] = ()
        self._told = False
        self._over_since = self._paused_last = -inf
        # What there is besides ``left`` and when that was so; and the same of the other allowance, which waits.
        self._balance = float(UNKNOWN.burst)
        self._since = 0.0
        self._other = (0.0, 0.0)
        if rates is not None:
            self._since = rates.seconds()
            self._other = (float(rates.joined.burst), self._since)

    def join(self, user: str, role: str, exempt: Container[str] = (), unlimited: bool = False) -> None:
        """The client has joined a realm. Roles in ``exempt``, which may change, have no limit; ``unlimited``: nor has
        this client, whatever its role."""
        if self._rates is None:
            return
        self._user, self._role, self._exempt = user, role, exempt
        if not self.joined:
            self.joined = True
            self._exchange()
        if unlimited:
            self.left = inf

    def leave(self) -> None:
        """The client has left its realm, and may join again: what it has used up until now stays used up."""
        if self.joined:
            self.joined = False
            self._user, self._role, self._exempt = None, "", ()
            self._exchange()

    def gone(self) -> None:
        """Its connection is over."""
        if self._rates is not None:
            self._rates.timers.cancel(self)
        self._link = None

    def spent(self, link: Pausable) -> None:
        """``left`` has fallen below zero: get what has come in meanwhile or, where that is not enough, pause ``link``
        until it is."""
        rates = self._rates
        if rates is None:
            return
        allowance = rates.joined if self.joined else UNKNOWN
        now = rates.seconds()
        if self._refill(allowance, now):
            return
        if self._role in self._exempt:
            self._balance, self.left = float(allowance.burst), 0.0
        elif self._link is None:
            self._link = link
            if now - self._paused_last > GAP:
                self._over_since = now
            link.pause(RATE)
            self._tell(rates, allowance)
            if allowance.cut is not None and now - self._over_since >= allowance.cut:
                self._cut(rates, link, now - self._over_since)
            else:
                rates.timers.schedule(self, self._ticks(allowance))

    def due(self) -> None:
        """See timers.Timed. The tokens that are missing may have come in."""
        link, rates = self._link, self._rates
        if link is None or rates is None:
            return
        allowance = rates.joined if self.joined else UNKNOWN
        now = rates.seconds()
        if not self._refill(allowance, now):
            rates.timers.schedule(self, self._ticks(allowance))
            return
        self._link = None
        self._paused_last = now
        link.resume(RATE)

    def _refill(self, allowance: Allowance, now: float) -> bool:
        """Add what came in since the last time; whether there is no debt."""
        gained = max(0.0, now - self._since) * allowance.rate
        total = min(float(allowance.burst), self._balance + gained) + self.left
        self._since = now
        if total < _ALMOST:
            self._balance, self.left = total, 0.0
            return False
        self.left = float(min(max(total, 0.0), allowance.burst // _SHARE))
        self._balance = total - self.left
        return True

    def _exchange(self) -> None:
        """From one allowance to the other."""
        other, self._other = self._other, (self._balance + self.left, self._since)
        self._balance, self._since = other
        self.left = 0.0

    def _ticks(self, allowance: Allowance) -> int:
        """Until the debt is paid, or nearly."""
        return max(1, ceil(min(-self._balance / allowance.rate, _HORIZON) / TICK + _ALMOST))

    def _tell(self, rates: MessageRates, allowance: Allowance) -> None:
        if self._told:
            rates.journal.count("connection.slowed", "message_rate")
            return
        self._told = True
        rates.journal.note(
            "connection.slowed",
            "message_rate",
            listener=rates.listener,
            address=self._address,
            user=self._user,
            rate=allowance.rate,
            burst=allowance.burst,
        )

    def _cut(self, rates: MessageRates, link: Pausable, seconds: float) -> None:
        rates.journal.note(
            "connection.cut",
            "message_rate",
            listener=rates.listener,
            address=self._address,
            user=self._user,
            seconds=round(seconds, 1),
        )
        link.drop("cut: message_rate")  # and it stays paused


NO_LIMIT = TokenBucket(None)
"""For whoever has no limit from the beginning; one for all of them."""
