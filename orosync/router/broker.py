"""The broker: takes publications, returns the deliveries they make (WAMP, "Publish and Subscribe").

Everything that reaches it has been authorised and its URIs have been checked. It must not know who may do what,
how a delivery travels, or the time.

Only members that have joined and not left may be handed in; nothing here checks it.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from typing import Any

from orosync.clocks import Now, epoch
from orosync.errors import RequestError
from orosync.model import Match
from orosync.router.deliveries import Delivery, Member
from orosync.router.filters import Filters
from orosync.router.history import Recorder
from orosync.router.meta_events import News, subscribed, unsubscribed
from orosync.router.retention import Retained, Retention
from orosync.router.subscriptions import Subscription, Subscriptions
from orosync.wamp import uris
from orosync.wamp.ids import random_id
from orosync.wamp.messages import Event, Unsubscribed
from orosync.wamp.payload import Payload
from orosync.wamp.uris import is_reserved

SUBSCRIPTION_REVOCATION = "subscriber.subscription_revocation"

_new = tuple.__new__
"""Makes a Delivery in half the time that its own constructor takes."""


class Broker:
    """The subscriptions of one realm.

    ``watched``: by topic, what is called when its exact subscription has lost its last member, after the broker is
    consistent again. It must not raise. ``now`` tells the time, in seconds since 1970.
    ``recorder``, when set, is told of each publication; without ``retention`` nothing is retained. ``trustlevels`` by
    role: what subscribers are told of publishers (WAMP, "Publication Trust Levels").
    """

    def __init__(
        self, now: Now = epoch, retention: Retention | None = None, trustlevels: Mapping[str, int] | None = None
    ) -> None:
        self._subscriptions = Subscriptions(now)
        self._index = self._subscriptions.index
        self._retention = retention
        self._recorder: Recorder | None = None
        self._trustlevels: Mapping[str, int] = {} if trustlevels is None else trustlevels
        self.watched: Mapping[str, Callable[[], None]] = {}

    @property
    def recorder(self) -> Recorder | None:
        return self._recorder

    @recorder.setter
    def recorder(self, recorder: Recorder | None) -> None:
        self._recorder = recorder
        self._index.owner_cares = recorder is not None

    def subscribe(
        self, member: Member, topic: str, match: Match = Match.EXACT, get_retained: bool = False
    ) -> tuple[Subscription, list[Delivery]]:
        """Subscribe ``member``; a second time changes nothing and gives the same subscription.

        The deliveries are to be made after the SUBSCRIBED: with ``get_retained`` the events that were retained for
        ``member`` are among them (WAMP, "Event Retention").
        """
        subscriptions = self._subscriptions
        before = len(member.subscriptions)
        subscription = subscriptions.join(member, topic, match)
        news: list[Delivery] = []
        if subscriptions.heard and len(member.subscriptions) != before:
            news = self.tell(subscribed(member, subscription))
        if get_retained and self._retention is not None:
            for event in self._retention.for_member(member, topic, match):
                news.append(_retained(event, member, subscription))
        return subscription, news

    def unsubscribe(self, member: Member, subscription_id: int) -> list[Delivery]:
        """End a subscription of ``member``: what others are to be told. RequestError NO_SUCH_SUBSCRIPTION, also when it
        is somebody else's."""
        subscription = member.subscriptions.get(subscription_id)
        if subscription is None:
            raise RequestError(uris.NO_SUCH_SUBSCRIPTION, f"this session has no subscription {subscription_id}")
        if self._subscriptions.part(member, subscription):
            self._deserted([subscription])
        return self.tell(unsubscribed(member, subscription)) if self._subscriptions.heard else []

    def revoke(self, member: Member, subscription_id: int, reason: str | None = None) -> list[Delivery]:
        """Take a subscription away from ``member``, who is told if it can understand that (WAMP, "Subscription
        Revocation"). ``reason`` should be a URI: over any other, autobahn ends its session. RequestError
        NO_SUCH_SUBSCRIPTION as for ``unsubscribe``."""
        deliveries = self.unsubscribe(member, subscription_id)
        if SUBSCRIPTION_REVOCATION not in member.features:
            return deliveries
        details: dict[str, Any] = {"subscription": subscription_id}
        if reason is not None:
            details["reason"] = reason
        return [Delivery((member,), Unsubscribed(0, details)), *deliveries]

    def has(self, member: Member, topic: str, match: Match = Match.EXACT) -> bool:
        """Whether ``member`` is subscribed to this very topic or pattern."""
        subscription = self._subscriptions.get(topic, match)
        return subscription is not None and subscription.id in member.subscriptions

    def lookup(self, topic: str, match: Match = Match.EXACT) -> Subscription | None:
        """The subscription to this very topic or pattern, None when nobody has it."""
        return self._subscriptions.get(topic, match)

    def keep(self, topic: str, match: Match) -> Subscription:
        """The subscription to this topic or pattern, there from now on with and without subscribers."""
        return self._subscriptions.keep(topic, match)

    def find(self, subscription_id: int) -> Subscription | None:
        """The subscription with this id, whoever has it."""
        return self._subscriptions.find(subscription_id)

    def matching(self, topic: str) -> list[Subscription]:
        """The subscriptions that an event on ``topic`` would reach, the exact one first."""
        return self._index.matching(topic)

    def __iter__(self) -> Iterator[Subscription]:
        """Every subscription that somebody has, and those that are kept."""
        return iter(self._subscriptions)

    @property
    def heard(self) -> frozenset[str]:
        """WAMP's own topics that somebody listens to."""
        return self._subscriptions.heard

    def tell(self, news: News) -> list[Delivery]:
        """Events on WAMP's own topics, for whoever listens there."""
        heard = self._subscriptions.heard
        deliveries: list[Delivery] = []
        for topic, arguments in news:
            if topic in heard:
                deliveries += self.publish(topic, Payload.of(arguments))[1]
        return deliveries

    def publish(
        self,
        topic: str,
        payload: Payload | None,
        publisher: Member | None = None,
        exclude_me: bool = True,
        filters: Filters | None = None,
        disclose: bool = False,
        told: Mapping[str, Any] | None = None,
    ) -> tuple[int, list[Delivery]]:
        """A new publication id, and one delivery for each subscription that has receivers; all carry that id.

        ``publisher`` None is the router itself, which alone may use topics reserved for WAMP (RequestError
        INVALID_URI for others). ``disclose``: tell the receivers who published (WAMP, "Publisher Identification").
        ``told`` is what else their EVENT's details hold; where it names a publisher, it is that one that is disclosed.
        ``details.topic`` is present only where a pattern matched.
        """
        if publisher is None:
            excluded = None
        else:
            if topic.startswith("wamp") and is_reserved(topic):
                raise RequestError(uris.INVALID_URI, "topics beginning with wamp. are reserved")
            excluded = publisher if exclude_me else None
            if disclose or self._trustlevels:
                told = self._said_of(publisher, disclose, told)
        number = random_id()
        deliveries: list[Delivery] = []
        index = self._index
        exact = index.exact.get(topic)
        if exact is not None:
            if filters is None and (excluded is None or exact.id not in excluded.subscriptions):
                receivers: Collection[Member] = exact._everybody or exact.everybody
            else:
                receivers = _receivers(exact, excluded, filters)
            if receivers:
                details = {} if told is None else dict(told)
                deliveries.append(_new(Delivery, (receivers, Event(exact.id, number, details), payload, topic)))
        if index.beyond_exact:
            if self._recorder is not None:
                self._recorder.record(number, topic, payload, publisher, exclude_me, filters, told)
            for subscription in index.patterns(topic):
                receivers = _receivers(subscription, excluded, filters)
                if receivers:
                    details = {} if told is None else dict(told)
                    details["topic"] = topic
                    deliveries.append(Delivery(receivers, Event(subscription.id, number, details), payload, topic))
        return number, deliveries

    def publish_retained(
        self,
        topic: str,
        payload: Payload | None,
        publisher: Member,
        exclude_me: bool = True,
        filters: Filters | None = None,
        disclose: bool = False,
        told: Mapping[str, Any] | None = None,
    ) -> tuple[int, list[Delivery]]:
        """As ``publish``, and keep the event for those who subscribe later and want it."""
        number, deliveries = self.publish(topic, payload, publisher, exclude_me, filters, disclose, told)
        if self._retention is not None:
            told = self._said_of(publisher, disclose, told)
            excluded = publisher.session if exclude_me else None
            self._retention.keep(topic, number, payload, told, filters, excluded)
        return number, deliveries

    def _said_of(self, publisher: Member, disclose: bool, told: Mapping[str, Any] | None) -> Mapping[str, Any] | None:
        """What details tell of a publisher, and ``told``, which has the last word."""
        said = _identity(publisher) if disclose else {}
        role = publisher.principal.authrole
        if role in self._trustlevels:
            said["trustlevel"] = self._trustlevels[role]
        return {**said, **(told or {})} or None

    def leave(self, member: Member) -> list[Delivery]:
        """End all subscriptions of ``member``: what others are to be told. Nothing names it afterwards."""
        subscriptions = self._subscriptions
        had = list(member.subscriptions.values()) if subscriptions.heard else []
        gone = subscriptions.leave(member)
        if self._retention is not None and self._retention.named:
            self._retention.leave(member.session)
        if gone:
            self._deserted(gone)
        return [one for subscription in had for one in self.tell(unsubscribed(member, subscription))]

    def _deserted(self, subscriptions: Collection[Subscription]) -> None:
        watched = self.watched
        if watched:
            for subscription in subscriptions:
                if subscription.topic in watched and subscription.match is Match.EXACT:
                    watched[subscription.topic]()


def _receivers(subscription: Subscription, excluded: Member | None, filters: Filters | None) -> Collection[Member]:
    members = subscription.members
    if excluded is not None and excluded.session in members:
        # A copy without the publisher, rather than a look at each member: a publish to thousands costs microseconds.
        members = members.copy()
        del members[excluded.session]
        return members.values() if filters is None else filters.select(members)
    return subscription.everybody if filters is None else filters.select(members)


def _retained(event: Retained, member: Member, subscription: Subscription) -> Delivery:
    details = {**event.told, "retained": True}
    if subscription.match is not Match.EXACT:
        details["topic"] = event.topic
    return Delivery((member,), Event(subscription.id, event.publication, details), event.payload, event.topic)


def _identity(publisher: Member) -> dict[str, Any]:
    return {
        "publisher": publisher.session,
        "publisher_authid": publisher.principal.authid,
        "publisher_authrole": publisher.principal.authrole,
    }
