"""Subscriptions: who listens to which topic or pattern.

One Subscription for each (topic, match) that somebody listens to, the same for everybody (WAMP, "Subscribing and
Unsubscribing"). This file must not know of publications, filters or who may listen.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from orosync.model import Match
from orosync.router.delivery import Audience
from orosync.router.patterns import UriIndex

if TYPE_CHECKING:
    from orosync.router.delivery import Member


class Subscription:
    """``members``, by session id, in the order they subscribed; never empty while it is filed."""

    __slots__ = ("_everybody", "id", "match", "members", "topic")

    def __init__(self, id: int, topic: str, match: Match) -> None:
        self.id = id
        self.topic = topic
        self.match = match
        self.members: dict[int, Member] = {}
        self._everybody: Audience | None = None

    def __repr__(self) -> str:
        return f"<Subscription {self.id} {self.match.value} {self.topic!r}, {len(self.members)} members>"

    @property
    def everybody(self) -> Audience:
        """The members as a value that stays as it is when somebody leaves while it is being read.

        Made anew only after the members changed: a publish does not cost a copy.
        """
        everybody = self._everybody
        if everybody is None:
            self._everybody = everybody = Audience(self.members.values())
        return everybody


class Subscriptions:
    """All subscriptions of one realm, filed by topic and by id. Ids are small integers, never used twice."""

    __slots__ = ("_last", "index")

    def __init__(self) -> None:
        self.index: UriIndex[Subscription] = UriIndex()
        self._last = 0

    def get(self, topic: str, match: Match) -> Subscription | None:
        """The subscription to this very topic or pattern, if anybody has it."""
        return self.index.get(topic, match)

    def join(self, member: Member, topic: str, match: Match) -> Subscription:
        """Subscribe ``member``; no matter if it already is."""
        subscription = self.index.get(topic, match)
        if subscription is None:
            self._last += 1
            subscription = Subscription(self._last, topic, match)
            self.index.add(topic, match, subscription)
        if member.session not in subscription.members:
            subscription.members[member.session] = member
            subscription._everybody = None
            member.subscriptions[subscription.id] = subscription
        return subscription

    def part(self, member: Member, subscription: Subscription) -> bool:
        """Take a subscribed ``member`` off; true when it was the last and the subscription is gone."""
        del member.subscriptions[subscription.id]
        members = subscription.members
        del members[member.session]
        subscription._everybody = None
        if members:
            return False
        self.index.remove(subscription.topic, subscription.match)
        return True

    def leave(self, member: Member) -> list[Subscription]:
        """Take ``member`` off all its subscriptions; those that are gone with it.

        The same as ``part`` for each, written out: every connection that ends pays for it.
        """
        session = member.session
        index = self.index
        exact = index.exact
        gone = []
        for subscription in member.subscriptions.values():
            members = subscription.members
            if len(members) > 1:
                del members[session]
                subscription._everybody = None
                continue
            # The last one: the subscription goes as it is, and takes its list of one along.
            if subscription.match is Match.EXACT:
                del exact[subscription.topic]
            else:
                index.remove(subscription.topic, subscription.match)
            gone.append(subscription)
        member.subscriptions.clear()
        return gone
