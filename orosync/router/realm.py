"""A realm: the members that can reach each other, with their broker and their dealer.

This file must not know how members were identified, what they may do, or how messages reach them.
"""

from __future__ import annotations

from orosync.router.broker import Broker
from orosync.router.dealer import PENDING_LIMIT, Dealer
from orosync.router.delivery import Delivery, Member


class Realm:
    """One routing domain. ``members`` by session id."""

    def __init__(self, name: str, pending_limit: int = PENDING_LIMIT) -> None:
        """``pending_limit``: calls in progress of each caller and of each callee."""
        self.name = name
        self.members: dict[int, Member] = {}
        self.broker = Broker()
        self.dealer = Dealer(pending_limit)
        self._sessions: dict[str, int] = {}

    def join(self, member: Member) -> None:
        """Let a member in. ValueError when its session id is taken: whoever draws ids must look here first."""
        if member.session in self.members:
            raise ValueError(f"session {member.session} is in realm {self.name} already")
        self.members[member.session] = member
        authid = member.principal.authid
        self._sessions[authid] = self._sessions.get(authid, 0) + 1

    def leave(self, member: Member) -> list[Delivery]:
        """Let a member out: all that others are to be told. Nothing names it afterwards.

        None of the deliveries is for ``member``. No matter if it has left already.
        """
        if self.members.get(member.session) is not member:
            return []
        del self.members[member.session]
        authid = member.principal.authid
        self._sessions[authid] -= 1
        if not self._sessions[authid]:
            del self._sessions[authid]
        return self.dealer.leave(member) + self.broker.leave(member)

    def sessions_of(self, authid: str) -> int:
        """How many members have this authid."""
        return self._sessions.get(authid, 0)
