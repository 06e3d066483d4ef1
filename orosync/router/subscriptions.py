"""Subscriptions: which members are subscribed to which topic or pattern.

One Subscription for each (topic, match), shared by all its members (WAMP, "Subscribing and Unsubscribing").
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Protocol

from orosync.clocks import Now, epoch
from orosync.model import Match
from orosync.router.deliveries import Audience, Member
from orosync.router.patterns import UriIndex
from orosync.wamp.ids import free_id
from orosync.wamp.meta_topics import TOPICS, matched_by


class Subscription:
    """``members``, by session id, in the order they subscribed; never empty while it is filed, unless it is ``kept``.

    ``created``: when, in seconds since 1970. ``meta_topics``: WAMP's own topics that it matches. ``plain``: when its
    last member leaves, its entry in the index is removed, and nothing else has to be done: there is no observer.
    ``route`` is what its topic is counted under, and by which rules; it belongs to the code that counts. ``own``: how
    many of its members are orosync itself.
    """

    __slots__ = (
        "_audience",
        "created",
        "id",
        "kept",
        "match",
        "members",
        "meta_topics",
        "own",
        "plain",
        "route",
        "topic",
    )

    def __init__(self, id: int, topic: str, match: Match, created: float = 0.0) -> None:
        self.id = id
        self.topic = topic
        self.match = match
        self.created = created
        self.meta_topics = matched_by(topic, match) if match is not Match.EXACT or topic.startswith("wamp.") else ()
        self.kept = False
        self.own = 0
        self.plain = match is Match.EXACT and not self.meta_topics
        self.members: dict[int, Member] = {}
        self.route: tuple[object, str] | None = None
        self._audience: Audience | None = None

    def __repr__(self) -> str:
        return f"<Subscription {self.id} {self.match.value} {self.topic!r}, {len(self.members)} members>"

    @property
    def audience(self) -> Audience:
        """The members as an immutable value: it does not change when one of them leaves while it is being iterated.

        Made anew only after the members changed, so that a publish does not cost a copy.
        """
        audience = self._audience
        if audience is None:
            self._audience = audience = Audience(self.members.values())
        return audience


class SubscriptionObserver(Protocol):
    """Is told when a subscription begins and ends, not who joins it. It must not raise."""

    def filed(self, subscription: Subscription) -> None: ...

    def dropped(self, subscription: Subscription) -> None: ...


class Subscriptions:
    """All subscriptions of one realm, filed by topic and by id.

    Ids are small integers, never used twice, unless other nodes have the same subscriptions (``share``).
    ``meta_listeners``: the meta topics that have subscribers. ``now`` tells the time of day, in seconds since 1970.

    They are filed by id from the moment that one is looked for by its id, or other nodes have them: it costs each that
    begins and each that ends.
    """

    __slots__ = ("_by_id", "_elsewhere", "_ids", "_last", "_now", "_observer", "index", "meta_listeners")

    def __init__(self, now: Now = epoch) -> None:
        self.index: UriIndex[Subscription] = UriIndex()
        self.meta_listeners: frozenset[str] = frozenset()
        self._by_id: dict[int, Subscription] | None = None
        self._ids: Callable[[str, Match], int] = self._counted
        self._now = now
        self._last = 0
        self._elsewhere: frozenset[str] = frozenset()
        self._observer: SubscriptionObserver | None = None

    def share(self, observer: SubscriptionObserver, ids: Callable[[str, Match], int]) -> None:
        """From now on tell ``observer``, and take ids from ``ids``. There are no members yet: those that are kept get
        their new ids. Members that leave cost more from now on: see ``Subscription.plain``."""
        self._observer, self._ids = observer, ids
        kept, self._by_id = list(self), {}
        for subscription in kept:
            subscription.id = self._free_id(subscription.topic, subscription.match)
            self._by_id[subscription.id] = subscription

    def _free_id(self, topic: str, match: Match) -> int:
        number = self._ids(topic, match)
        return number if self._by_id is None else free_id(number, self._by_id)

    def listen_elsewhere(self, topics: frozenset[str]) -> None:
        """From now on these meta topics have subscribers on other nodes."""
        self._elsewhere = topics
        self._gather_meta_listeners()

    def _gather_meta_listeners(self) -> None:
        self.meta_listeners = self._elsewhere.union(topic for topic in TOPICS if self.index.matching(topic))

    def _counted(self, topic: str, match: Match) -> int:
        self._last += 1
        return self._last

    def __iter__(self) -> Iterator[Subscription]:
        for match in Match:
            yield from self.index.entries(match)

    def find(self, number: int) -> Subscription | None:
        """The subscription with this id."""
        if self._by_id is None:
            self._by_id = {subscription.id: subscription for subscription in self}
        return self._by_id.get(number)

    def keep(self, topic: str, match: Match) -> Subscription:
        """The subscription to this topic or pattern; from now on it stays when it has no members."""
        subscription = self.index.get(topic, match) or self._file(topic, match)
        subscription.kept = True
        subscription.plain = False
        return subscription

    def _file(self, topic: str, match: Match) -> Subscription:
        subscription = Subscription(self._free_id(topic, match), topic, match, self._now())
        self.index.add(topic, match, subscription)
        if self._by_id is not None:
            self._by_id[subscription.id] = subscription
        if subscription.meta_topics:
            self.meta_listeners = self.meta_listeners.union(subscription.meta_topics)
        if self._observer is not None:
            subscription.plain = False
            self._observer.filed(subscription)
        return subscription

    def _drop(self, subscription: Subscription) -> None:
        """The last member has gone: the subscription too, unless it is kept."""
        if subscription.kept:
            subscription.members = {}
            subscription._audience = None
            return
        self.index.remove(subscription.topic, subscription.match)
        if self._by_id is not None:
            del self._by_id[subscription.id]
        if subscription.meta_topics:
            self._gather_meta_listeners()
        if self._observer is not None:
            self._observer.dropped(subscription)

    def get(self, topic: str, match: Match) -> Subscription | None:
        """The subscription to exactly this topic or pattern, if there is one."""
        return self.index.get(topic, match)

    def join(self, member: Member, topic: str, match: Match) -> Subscription:
        """Subscribe ``member``; no effect if it already is."""
        subscription = self.index.get(topic, match)
        if subscription is None:
            subscription = self._file(topic, match)
        if member.session not in subscription.members:
            subscription.members[member.session] = member
            subscription._audience = None
            member.subscriptions[subscription.id] = subscription
        return subscription

    def part(self, member: Member, subscription: Subscription) -> bool:
        """Unsubscribe ``member``; True when it was the last and the subscription is gone."""
        del member.subscriptions[subscription.id]
        members = subscription.members
        del members[member.session]
        subscription._audience = None
        if members:
            return False
        self._drop(subscription)
        return True

    def leave(self, member: Member) -> list[Subscription]:
        """Unsubscribe ``member`` from all its subscriptions; returns those that are gone with it.

        The same as ``part`` for each, written out, because every connection that ends pays for it.
        """
        session = member.session
        exact, by_id = self.index.exact, self._by_id
        gone = []
        for subscription in member.subscriptions.values():
            members = subscription.members
            if len(members) > 1:
                del members[session]
                subscription._audience = None
                continue
            # The last member: the subscription is dropped as it is, with its list of one.
            if subscription.plain:
                del exact[subscription.topic]
                if by_id is not None:
                    del by_id[subscription.id]
            else:
                self._drop(subscription)
            gone.append(subscription)
        member.subscriptions.clear()
        return gone
