"""Subscriptions: who listens to which topic or pattern.

One Subscription for each (topic, match) that somebody listens to, the same for everybody (WAMP, "Subscribing and
Unsubscribing"). This file must not know of publications, filters or who may listen.
"""

from __future__ import annotations

from collections.abc import Iterator

from orosync.clocks import Now, epoch
from orosync.model import Match
from orosync.router.deliveries import Audience, Member
from orosync.router.patterns import UriIndex
from orosync.wamp.meta_topics import TOPICS, heard_by


class Subscription:
    """``members``, by session id, in the order they subscribed; never empty while it is filed, unless it is ``kept``.

    ``created``: when, in seconds since 1970. ``heard``: the meta topics among what it matches. ``plain``: when its last
    member goes, its entry in the index goes, and nothing else is to be done.
    """

    __slots__ = ("_everybody", "created", "heard", "id", "kept", "match", "members", "plain", "topic")

    def __init__(self, id: int, topic: str, match: Match, created: float = 0.0) -> None:
        self.id = id
        self.topic = topic
        self.match = match
        self.created = created
        self.heard = heard_by(topic, match) if match is not Match.EXACT or topic.startswith("wamp.") else ()
        self.kept = False
        self.plain = match is Match.EXACT and not self.heard
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
    """All subscriptions of one realm, filed by topic. Ids are small integers, never used twice.

    ``heard``: the meta topics that somebody listens to. ``now`` tells the time of day, in seconds since 1970.
    """

    __slots__ = ("_last", "_now", "heard", "index")

    def __init__(self, now: Now = epoch) -> None:
        self.index: UriIndex[Subscription] = UriIndex()
        self.heard: frozenset[str] = frozenset()
        self._now = now
        self._last = 0

    def __iter__(self) -> Iterator[Subscription]:
        for match in Match:
            yield from self.index.entries(match)

    def find(self, number: int) -> Subscription | None:
        """The subscription with this id. Looks at one after the other: nobody but the curious asks."""
        return next((one for one in self if one.id == number), None)

    def keep(self, topic: str, match: Match) -> Subscription:
        """The subscription to this topic or pattern, which from now on stays when nobody is there."""
        subscription = self.index.get(topic, match) or self._file(topic, match)
        subscription.kept = True
        subscription.plain = False
        return subscription

    def _file(self, topic: str, match: Match) -> Subscription:
        self._last += 1
        subscription = Subscription(self._last, topic, match, self._now())
        self.index.add(topic, match, subscription)
        if subscription.heard:
            self.heard = self.heard.union(subscription.heard)
        return subscription

    def _drop(self, subscription: Subscription) -> None:
        """The last member has gone: the subscription too, unless it is kept."""
        if subscription.kept:
            subscription.members = {}
            subscription._everybody = None
            return
        self.index.remove(subscription.topic, subscription.match)
        if subscription.heard:
            self.heard = frozenset(topic for topic in TOPICS if self.index.matching(topic))

    def get(self, topic: str, match: Match) -> Subscription | None:
        """The subscription to this very topic or pattern, if anybody has it."""
        return self.index.get(topic, match)

    def join(self, member: Member, topic: str, match: Match) -> Subscription:
        """Subscribe ``member``; no matter if it already is."""
        subscription = self.index.get(topic, match)
        if subscription is None:
            subscription = self._file(topic, match)
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
        self._drop(subscription)
        return True

    def leave(self, member: Member) -> list[Subscription]:
        """Take ``member`` off all its subscriptions; those that are gone with it.

        The same as ``part`` for each, written out: every connection that ends pays for it.
        """
        session = member.session
        exact = self.index.exact
        gone = []
        for subscription in member.subscriptions.values():
            members = subscription.members
            if len(members) > 1:
                del members[session]
                subscription._everybody = None
                continue
            # The last one: the subscription goes as it is, and takes its list of one along.
            if subscription.plain:
                del exact[subscription.topic]
            else:
                self._drop(subscription)
            gone.append(subscription)
        member.subscriptions.clear()
        return gone
