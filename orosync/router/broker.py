"""The broker: takes publications, returns the deliveries they make (WAMP, "Publish and Subscribe").

Callers of this module have authorized the request and checked its URIs. Members that are passed in have joined and
have not left; this is not checked again.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from typing import Any

from orosync.clocks import Now, epoch
from orosync.errors import RequestError
from orosync.model import Match
from orosync.router.deliveries import Delivery, ExtraDetails, Member
from orosync.router.filters import Filters
from orosync.router.history import PublicationObserver
from orosync.router.meta_events import News, subscribed, unsubscribed
from orosync.router.relays import OtherNodes, RelayedPublication
from orosync.router.retention import Retained, Retention
from orosync.router.subscriptions import Subscription, Subscriptions
from orosync.wamp import uris
from orosync.wamp.ids import random_id
from orosync.wamp.messages import Event, Unsubscribed
from orosync.wamp.payload import Payload
from orosync.wamp.uris import is_reserved

SUBSCRIPTION_REVOCATION = "subscriber.subscription_revocation"

_new = tuple.__new__
"""Makes a Delivery in half the time that the constructor of a NamedTuple takes."""


class Broker:
    """The subscriptions of one realm.

    ``last_unsubscribed``: by topic, what is called when the exact subscription has lost its last member, after the
    broker is consistent again. It must not raise. ``now`` tells the time, in seconds since 1970.
    ``recorder``, when set, gets each publication; without ``retention`` nothing is retained. ``trustlevels`` by role:
    what an EVENT says of its publisher (WAMP, "Publication Trust Levels").
    """

    def __init__(
        self, now: Now = epoch, retention: Retention | None = None, trustlevels: Mapping[str, int] | None = None
    ) -> None:
        self._subscriptions = Subscriptions(now)
        self._index = self._subscriptions.index
        self._retention = retention
        self._recorder: PublicationObserver | None = None
        self._other_nodes: OtherNodes | None = None
        self._trustlevels: Mapping[str, int] = {} if trustlevels is None else trustlevels
        self.last_unsubscribed: Mapping[str, Callable[[], None]] = {}
        self.published = 0
        """Publications of this node so far, orosync's own and meta events included."""
        self.relayed = 0
        """Publications of other nodes so far."""

    @property
    def recorder(self) -> PublicationObserver | None:
        return self._recorder

    @recorder.setter
    def recorder(self, recorder: PublicationObserver | None) -> None:
        self._recorder = recorder
        if self._other_nodes is not None:
            self._other_nodes.unwanted.clear()  # other topics may be retained now
        self._settle()

    def share(self, other_nodes: OtherNodes, ids: Callable[[str, Match], int]) -> None:
        """From now on tell the other nodes what is published and subscribed here. ``ids`` gives the id of each
        subscription, the same on all nodes; the broker has no members yet."""
        self._other_nodes = other_nodes
        self._subscriptions.share(other_nodes, ids)
        self._settle()

    def _settle(self) -> None:
        self._index.owner_cares = self._recorder is not None or self._other_nodes is not None

    def listen_elsewhere(self, topics: frozenset[str]) -> None:
        """WAMP's own topics that have subscribers on other nodes, from now on."""
        self._subscriptions.listen_elsewhere(topics)

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
        if subscriptions.meta_listeners and len(member.subscriptions) != before:
            news = self.tell(subscribed(member, subscription, self._has_others(subscription)))
        if get_retained and self._retention is not None:
            for event in self._retention.for_member(member, topic, match):
                news.append(_retained(event, member, subscription))
        return subscription, news

    def unsubscribe(self, member: Member, subscription_id: int) -> list[Delivery]:
        """End a subscription of ``member`` and return the deliveries to others. RequestError NO_SUCH_SUBSCRIPTION, also
        when another session has it."""
        subscription = member.subscriptions.get(subscription_id)
        if subscription is None:
            raise RequestError(uris.NO_SUCH_SUBSCRIPTION, f"this session has no subscription {subscription_id}")
        if self._subscriptions.part(member, subscription):
            self._call_watchers([subscription])
        return self._tell_unsubscribed(member, [subscription]) if self._subscriptions.meta_listeners else []

    def revoke(self, member: Member, subscription_id: int, reason: str | None = None) -> list[Delivery]:
        """Take a subscription away from ``member``, with an UNSUBSCRIBED if it announced that feature (WAMP,
        "Subscription Revocation"). ``reason`` should be a URI: autobahn ends its session over any other text.
        RequestError NO_SUCH_SUBSCRIPTION as for ``unsubscribe``."""
        deliveries = self.unsubscribe(member, subscription_id)
        if SUBSCRIPTION_REVOCATION not in member.features:
            return deliveries
        details: dict[str, Any] = {"subscription": subscription_id}
        if reason is not None:
            details["reason"] = reason
        return [Delivery((member,), Unsubscribed(0, details)), *deliveries]

    def has(self, member: Member, topic: str, match: Match = Match.EXACT) -> bool:
        """Whether ``member`` is subscribed to exactly this topic or pattern."""
        subscription = self._subscriptions.get(topic, match)
        return subscription is not None and subscription.id in member.subscriptions

    def lookup(self, topic: str, match: Match = Match.EXACT) -> Subscription | None:
        """The subscription to exactly this topic or pattern, None when there is none."""
        return self._subscriptions.get(topic, match)

    def keep(self, topic: str, match: Match) -> Subscription:
        """The subscription to this topic or pattern; from now on it stays when it has no members."""
        return self._subscriptions.keep(topic, match)

    def find(self, subscription_id: int) -> Subscription | None:
        """The subscription with this id."""
        return self._subscriptions.find(subscription_id)

    def matching(self, topic: str) -> list[Subscription]:
        """The subscriptions that an event on ``topic`` would reach, the exact one first."""
        return self._index.matching(topic)

    def __iter__(self) -> Iterator[Subscription]:
        """All subscriptions, those that are kept without members included."""
        return iter(self._subscriptions)

    @property
    def meta_listeners(self) -> frozenset[str]:
        """WAMP's own topics that have subscribers, on any node."""
        return self._subscriptions.meta_listeners

    def tell(self, news: News, here: bool = False) -> list[Delivery]:
        """Meta events, for the subscribers of WAMP's own topics. ``here``: as for ``publish``."""
        listened = self._subscriptions.meta_listeners
        deliveries: list[Delivery] = []
        for topic, arguments in news:
            if topic in listened:
                deliveries += self.publish(topic, Payload.of(arguments), here=here)[1]
        return deliveries

    def _has_others(self, subscription: Subscription) -> bool:
        others = self._other_nodes
        return others is not None and others.subscribed(subscription)

    def _tell_unsubscribed(self, member: Member, subscriptions: Iterable[Subscription]) -> list[Delivery]:
        return [
            one
            for subscription in subscriptions
            for one in self.tell(unsubscribed(member, subscription, self._has_others(subscription)))
        ]

    def publish(
        self,
        topic: str,
        payload: Payload | None,
        publisher: Member | None = None,
        exclude_me: bool = True,
        filters: Filters | None = None,
        disclose: bool = False,
        extra_details: ExtraDetails | None = None,
        *,
        here: bool = False,
    ) -> tuple[int, list[Delivery]]:
        """A new publication id, and one delivery for each subscription that has receivers; all carry that id.

        ``publisher`` None is the router itself, which alone may use topics reserved for WAMP (RequestError
        INVALID_URI for others). ``disclose``: EVENTs name the publisher (WAMP, "Publisher Identification").
        ``extra_details`` are further keys of EVENT.Details (see ``router.deliveries``). ``details.topic`` is present
        only where a pattern matched. ``here``: subscribers of other nodes do not get it.
        """
        if publisher is None:
            excluded = None
        else:
            if topic.startswith("wamp") and is_reserved(topic):
                raise RequestError(uris.INVALID_URI, "topics beginning with wamp. are reserved")
            excluded = publisher if exclude_me else None  # WAMP, "Publisher Exclusion"
            if disclose or self._trustlevels:
                extra_details = self._all_details(publisher, disclose, extra_details)
        number = random_id()
        self.published += 1
        deliveries: list[Delivery] = []
        index = self._index
        exact = index.exact.get(topic)
        if exact is not None:
            if filters is None and (excluded is None or exact.id not in excluded.subscriptions):
                receivers: Collection[Member] = exact._audience or exact.audience
            else:
                receivers = _receivers(exact, excluded, filters)
            if receivers:
                details = {} if extra_details is None else dict(extra_details)
                deliveries.append(_new(Delivery, (receivers, Event(exact.id, number, details), payload, topic)))
        if index.beyond_exact:
            recorder, others = self._recorder, self._other_nodes
            if recorder is not None:
                recorder.record(number, topic, payload, publisher, exclude_me, filters, extra_details)
            if others is not None and not here and topic not in others.unwanted:
                others.forward(number, topic, payload, publisher, exclude_me, filters, extra_details)
            for subscription in index.patterns(topic) if index.has_patterns else ():
                receivers = _receivers(subscription, excluded, filters)
                if receivers:
                    details = {} if extra_details is None else dict(extra_details)
                    details["topic"] = topic  # WAMP, "Pattern-based Subscriptions"
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
        extra_details: ExtraDetails | None = None,
    ) -> tuple[int, list[Delivery]]:
        """As ``publish``, and retain the event for later subscribers (WAMP, "Event Retention")."""
        number, deliveries = self.publish(
            topic, payload, publisher, exclude_me, filters, disclose, extra_details, here=True
        )
        extra_details = self._all_details(publisher, disclose, extra_details)
        if self._retention is not None:
            excluded = publisher.session if exclude_me else None
            self._retention.keep(topic, number, payload, extra_details, filters, excluded)
        if self._other_nodes is not None:
            self._other_nodes.forward(number, topic, payload, publisher, exclude_me, filters, extra_details)
        return number, deliveries

    def relay(self, publication: RelayedPublication) -> list[Delivery]:
        """The deliveries of a publication of another node, which retained and recorded it as well. Its publisher has no
        subscription here, so no session has to be excluded for it."""
        topic, filters, payload = publication.topic, publication.filters, publication.payload
        self.relayed += 1
        if publication.retained_at and self._retention is not None:
            self._retention.relay(publication)
        if self._recorder is not None:
            self._recorder.relayed(publication)
        number, extra_details = publication.publication, publication.extra_details
        deliveries: list[Delivery] = []
        index = self._index
        exact = index.exact.get(topic)
        if exact is not None:
            receivers: Collection[Member] = exact.audience if filters is None else filters.select(exact.members)
            if receivers:
                details = {} if extra_details is None else dict(extra_details)
                deliveries.append(_new(Delivery, (receivers, Event(exact.id, number, details), payload, topic)))
        for subscription in index.patterns(topic) if index.has_patterns else ():
            receivers = _receivers(subscription, None, filters)
            if receivers:
                details = {} if extra_details is None else dict(extra_details)
                details["topic"] = topic
                deliveries.append(Delivery(receivers, Event(subscription.id, number, details), payload, topic))
        return deliveries

    def _all_details(
        self, publisher: Member, disclose: bool, extra_details: ExtraDetails | None
    ) -> Mapping[str, Any] | None:
        """What EVENTs say of a publisher, overruled by ``extra_details``."""
        details = _identity(publisher) if disclose else {}
        role = publisher.principal.authrole
        if role in self._trustlevels:
            details["trustlevel"] = self._trustlevels[role]
        return {**details, **(extra_details or {})} or None

    def leave(self, member: Member) -> list[Delivery]:
        """End all subscriptions of ``member`` and return the deliveries to others. It is not referenced any more."""
        subscriptions = self._subscriptions
        had = list(member.subscriptions.values()) if subscriptions.meta_listeners else []
        gone = subscriptions.leave(member)
        if self._retention is not None and self._retention.named:
            self._retention.leave(member.session)
        if gone:
            self._call_watchers(gone)
        return self._tell_unsubscribed(member, had)

    def _call_watchers(self, gone: Collection[Subscription]) -> None:
        watchers = self.last_unsubscribed
        if watchers:
            for subscription in gone:
                if subscription.topic in watchers and subscription.match is Match.EXACT:
                    watchers[subscription.topic]()


def _receivers(subscription: Subscription, excluded: Member | None, filters: Filters | None) -> Collection[Member]:
    members = subscription.members
    if excluded is not None and excluded.session in members:
        # A copy without the publisher is faster than a comparison with each member: microseconds for thousands.
        members = members.copy()
        del members[excluded.session]
        return members.values() if filters is None else filters.select(members)
    return subscription.audience if filters is None else filters.select(members)


def _retained(event: Retained, member: Member, subscription: Subscription) -> Delivery:
    details = {**event.extra_details, "retained": True}
    if subscription.match is not Match.EXACT:
        details["topic"] = event.topic
    return Delivery((member,), Event(subscription.id, event.publication, details), event.payload, event.topic)


def _identity(publisher: Member) -> dict[str, Any]:
    return {
        "publisher": publisher.session,
        "publisher_authid": publisher.principal.authid,
        "publisher_authrole": publisher.principal.authrole,
    }
