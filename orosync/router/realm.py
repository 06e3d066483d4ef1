"""A realm: the members that can reach each other, with their broker and their dealer."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from orosync.clocks import Now, epoch
from orosync.model import EMPTY
from orosync.router.broker import Broker
from orosync.router.dealer import PENDING_LIMIT, QUEUE_LIMIT, Dealer
from orosync.router.deliveries import Delivery, Member
from orosync.router.history import Histories, HistoryLimits
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
        history: Iterable[HistoryLimits] = (),
        *,
        queue_limit: int = QUEUE_LIMIT,
        seconds: Callable[[], float] = float,
    ) -> None:
        """``pending_limit``: calls in progress of each caller and of each callee; ``queue_limit``: calls that wait for
        one procedure. ``now`` tells the time of day, in seconds since 1970, ``seconds`` measures spans.
        ``retained_events`` and ``retained_bytes`` bound the retained events; ``history``: the histories to keep."""
        self.name = name
        self._now = now
        self.members: dict[int, Member] = {}
        self.retention = Retention(self.members, retained_events, retained_bytes)
        self._trustlevels: dict[str, int] = {}
        self.broker = Broker(now, self.retention, self._trustlevels)
        self.dealer = Dealer(
            pending_limit,
            queue_limit=queue_limit,
            trustlevels=self._trustlevels,
            tell=lambda news: self._tell(news, here=True),  # each node makes those of registrations itself
            now=now,
            seconds=seconds,
        )
        self.history = Histories(now, seconds)
        for kept in history:
            self.history.open(kept, self.broker.keep(kept.uri, kept.match))
        self.testaments = Testaments()
        self._sessions: dict[str, int] = {}
        self.sessions_elsewhere: Mapping[str, int] = EMPTY
        """The sessions of users on other nodes, by authid."""
        self.on_present: Callable[[Member], None] | None = None
        """Called when a member has joined or left; it must not raise."""
        self.add_procedures(session_procedures(self))
        self.add_procedures(subscription_procedures(self.broker))
        self.add_procedures(registration_procedures(self.dealer))

    def set_trust_levels(self, levels: Mapping[str, int]) -> None:
        """Set the trust levels of publishers and callers, by role (WAMP, "Publication Trust Levels", "Call Trust
        Levels")."""
        self._trustlevels.clear()
        self._trustlevels.update(levels)

    def add_procedures(self, handlers: dict[str, Handler]) -> None:
        """Add handlers of WAMP's own procedures, by name; they have no callee."""
        self.dealer.meta_procedures.update({name: procedure(handler) for name, handler in handlers.items()})

    def _tell(self, news: News, here: bool = False) -> list[Delivery]:
        return self.broker.tell(news, here) if self.broker.meta_listeners else []

    def join(self, member: Member) -> list[Delivery]:
        """Add a member and return the deliveries to others. ValueError when its session id is taken: the session that
        draws an id has to check it here first."""
        if member.session in self.members:
            raise ValueError(f"session {member.session} is in realm {self.name} already")
        self.members[member.session] = member
        member.joined = self._now()
        authid = member.principal.authid
        self._sessions[authid] = self._sessions.get(authid, 0) + 1
        if self.on_present is not None:
            self.on_present(member)
        return self._tell(joined(member)) if self.broker.meta_listeners else []

    def leave(self, member: Member) -> list[Delivery]:
        """Remove a member and return the deliveries to others; none of them is for ``member``. No effect if it has left
        already.

        It is not referenced any more, except by its testaments, which its session takes.
        """
        if self.members.get(member.session) is not member:
            return []
        del self.members[member.session]
        authid = member.principal.authid
        self._sessions[authid] -= 1
        if not self._sessions[authid]:
            del self._sessions[authid]
        if self.on_present is not None:
            self.on_present(member)
        deliveries = self.dealer.leave(member) + self.broker.leave(member)
        return deliveries + self._tell(left(member)) if self.broker.meta_listeners else deliveries

    def sessions_of(self, authid: str) -> int:
        """How many sessions this user has, on all nodes."""
        return self._sessions.get(authid, 0) + self.sessions_elsewhere.get(authid, 0)

    def sessions_here(self, authid: str) -> int:
        """How many members have this authid."""
        return self._sessions.get(authid, 0)
