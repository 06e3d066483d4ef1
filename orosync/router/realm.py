"""A realm: the members that can reach each other, with their broker and their dealer.

This file must not know how members were identified, what they may do, or how messages reach them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from orosync.clocks import Now, epoch
from orosync.router.broker import Broker
from orosync.router.dealer import PENDING_LIMIT, QUEUE_LIMIT, Dealer
from orosync.router.deliveries import Delivery, Member
from orosync.router.history import Histories, Kept
from orosync.router.meta import registration_procedures, session_procedures, subscription_procedures
from orosync.router.meta_call import Handler, procedure
from orosync.router.meta_events import News, joined, left
from orosync.router.retention import BYTES, EVENTS, Retention
from orosync.router.testaments import Testaments


class Realm:
    """One routing domain. ``members`` by session id."""

    def __init__(
        self,
        name: str,
        pending_limit: int = PENDING_LIMIT,
        now: Now = epoch,
        retained_events: int = EVENTS,
        retained_bytes: int = BYTES,
        history: Iterable[Kept] = (),
        *,
        queue_limit: int = QUEUE_LIMIT,
        seconds: Callable[[], float] = float,
    ) -> None:
        """``pending_limit``: calls in progress of each caller and of each callee; ``queue_limit``: calls that wait for
        one procedure. ``now`` tells the time of day, in seconds since 1970, ``seconds`` measures spans.
        ``retained_events`` and ``retained_bytes`` bound what is retained; ``history``: what is kept."""
        self.name = name
        self.members: dict[int, Member] = {}
        self.retention = Retention(self.members, retained_events, retained_bytes)
        self._trustlevels: dict[str, int] = {}
        self.broker = Broker(now, self.retention, self._trustlevels)
        self.dealer = Dealer(
            pending_limit, queue_limit=queue_limit, trustlevels=self._trustlevels, tell=self._tell, now=now
        )
        self.history = Histories(now, seconds)
        for kept in history:
            self.history.open(kept, self.broker.keep(kept.uri, kept.match))
        self.testaments = Testaments()
        self._sessions: dict[str, int] = {}
        self.answers(session_procedures(self))
        self.answers(subscription_procedures(self.broker))
        self.answers(registration_procedures(self.dealer))

    def trust(self, levels: Mapping[str, int]) -> None:
        """From now on tell others these levels of whoever publishes or calls, by role (WAMP, "Trust Levels")."""
        self._trustlevels.clear()
        self._trustlevels.update(levels)

    def answers(self, handlers: dict[str, Handler]) -> None:
        """Procedures of WAMP's own that the realm answers itself, by their names."""
        self.dealer.meta_procedures.update({name: procedure(handler) for name, handler in handlers.items()})

    def _tell(self, news: News) -> list[Delivery]:
        return self.broker.tell(news) if self.broker.meta_listeners else []

    def join(self, member: Member) -> list[Delivery]:
        """Let a member in: what others are to be told. ValueError when its session id is taken: whoever draws ids must
        look here first."""
        if member.session in self.members:
            raise ValueError(f"session {member.session} is in realm {self.name} already")
        self.members[member.session] = member
        authid = member.principal.authid
        self._sessions[authid] = self._sessions.get(authid, 0) + 1
        return self._tell(joined(member))

    def leave(self, member: Member) -> list[Delivery]:
        """Let a member out: all that others are to be told. Nothing names it afterwards but its testaments, which are
        for whoever joined it to take.

        None of the deliveries is for ``member``. No matter if it has left already.
        """
        if self.members.get(member.session) is not member:
            return []
        del self.members[member.session]
        authid = member.principal.authid
        self._sessions[authid] -= 1
        if not self._sessions[authid]:
            del self._sessions[authid]
        deliveries = self.dealer.leave(member) + self.broker.leave(member)
        return deliveries + self._tell(left(member))

    def sessions_of(self, authid: str) -> int:
        """How many members have this authid."""
        return self._sessions.get(authid, 0)
