"""The message rate of a client: a token bucket for each connection, which pays for each message not asked for.

The session takes a token for a message, the transport for what else arrives: ``bucket.left -= 1``, and
``bucket.spent(link)`` when that is below zero. Only then is the clock read, so that a message costs a subtraction and a
comparison. A message without a token is handled all the same; then reading pauses with the reason RATE until the debt
is paid, and TCP slows the sender. Before a client has joined a realm its allowance is small (UNKNOWN), afterwards what
the listener is configured for.
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
"""Seconds between two looks at the connections that wait for tokens."""

GAP = 1.0
"""Seconds without a pause after which a client is no longer taken to be over its rate."""

_HORIZON = 1.0
_SHARE = 32
"""The clock is read once for each 32nd part of a burst: a burst after an idle time may be larger by so much. It is
never smaller, and the rate is kept exactly."""
_ALMOST = -1e-6
"""Sums of fractions are not exact: so little is no debt."""


@attrs.frozen
class Allowance:
    """``burst`` messages at once, then ``rate`` a second. ``cut``: after so many seconds above that the connection is
    dropped (None: never, it is only slowed)."""

    rate: float
    burst: int
    cut: float | None = None

    @classmethod
    def of(cls, rate: int, burst: int, cut: float | None) -> Allowance:
        """As configured; the burst is no less than the tokens that come in between two looks."""
        return cls(rate, max(burst, ceil(rate * TICK * 2)), cut)


UNKNOWN = Allowance(rate=10, burst=20, cut=5.0)
"""Of clients that have not joined yet. HELLO and AUTHENTICATE are two messages."""


class Pausable(Protocol):
    """What a bucket asks of a link (see ILink)."""

    def pause(self, reason: int) -> None: ...

    def resume(self, reason: int) -> None: ...

    def drop(self, reason: str) -> None: ...


class MessageRates:
    """What all buckets of a listener share. ``joined`` is the allowance of clients that have joined."""

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
    """The bucket of one connection.

    ``left`` are the tokens that may be taken without reading the clock, infinitely many where there is no limit;
    ``joined`` is False as long as every frame of the client counts. ``slot`` belongs to the timers.
    """

    __slots__ = (
        "_address", "_balance", "_exempt", "_link", "_noted", "_other", "_over_since", "_paused_last", "_rates",
        "_role", "_since", "_user", "joined", "left", "slot",
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
        self._noted = False
        self._over_since = self._paused_last = -inf
        # The tokens besides ``left``, and when that was so; the same of the allowance that does not apply now.
        self._balance = float(UNKNOWN.burst)
        self._since = 0.0
        self._other = (0.0, 0.0)
        if rates is not None:
            self._since = rates.seconds()
            self._other = (float(rates.joined.burst), self._since)

    def join(self, user: str, role: str, exempt: Container[str] = (), unlimited: bool = False) -> None:
        """The client has joined a realm. Roles in ``exempt``, which may change, have no limit; with ``unlimited`` this
        client has none, whatever its role."""
        if self._rates is None:
            return
        self._user, self._role, self._exempt = user, role, exempt
        if not self.joined:
            self.joined = True
            self._exchange()
        if unlimited:
            self.left = inf

    def leave(self) -> None:
        """The client has left its realm, and may join again: the tokens it has used stay used."""
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
        """``left`` has fallen below zero: add the tokens that have come in meanwhile; if they are not enough, pause
        ``link`` until they are."""
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
        """Add the tokens that came in since the last time. Returns whether there is no debt."""
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
        """Change from one allowance to the other."""
        other, self._other = self._other, (self._balance + self.left, self._since)
        self._balance, self._since = other
        self.left = 0.0

    def _ticks(self, allowance: Allowance) -> int:
        """Ticks until the debt is paid, or nearly."""
        return max(1, ceil(min(-self._balance / allowance.rate, _HORIZON) / TICK + _ALMOST))

    def _tell(self, rates: MessageRates, allowance: Allowance) -> None:
        if self._noted:
            rates.journal.count("connection.slowed", "message_rate")
            return
        self._noted = True
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
        link.drop("cut: message_rate")  # it stays paused


NO_LIMIT = TokenBucket(None)
"""The bucket of all connections without a limit."""
