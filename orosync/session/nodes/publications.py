"""Publications between the nodes of a realm: each goes once to every node that has a subscriber for it.

What orosync itself publishes for the subscribers of one node (``Broker.publish``, ``here``) does not come to this
module, and nothing that came from another node is sent on.
"""

from __future__ import annotations

from collections.abc import Callable

from orosync.backplane.messages import NodeEvent, packed
from orosync.backplane.nodes import Nodes
from orosync.backplane.peer import Peer
from orosync.clocks import Now
from orosync.router.deliveries import ExtraDetails, Member
from orosync.router.filters import Filters
from orosync.router.subscriptions import Subscription
from orosync.session.nodes.events import packed_filters, relayed
from orosync.session.nodes.ids import SharedIds
from orosync.session.nodes.interest import SharedInterest
from orosync.session.nodes.part import RealmPart
from orosync.session.realm_context import RealmContext
from orosync.wamp import forwarding
from orosync.wamp.payload import Payload

MOST_UNWANTED = 10_000
"""Topics that are known to be of no interest to other nodes."""


class SharedPublications(RealmPart):
    """The publications of one realm: OtherNodes for its broker. ``now`` tells the time of day, in seconds since 1970.

    ``on_retained`` is called with each event that is retained, and whether it is of this node; ``on_kept`` with each
    event of this node that is kept in a history.
    """

    def __init__(
        self, realm_context: RealmContext, nodes: Nodes, interest: SharedInterest, ids: SharedIds, now: Now
    ) -> None:
        realm = realm_context.realm
        self._name = realm.name
        self._broker, self._retention, self._history = realm.broker, realm.retention, realm.history
        self._deliver = realm_context.dispatcher.deliver
        self._forwarded = realm_context.forwarded
        self._nodes = nodes
        self._interest, self.unwanted = interest, interest.unwanted
        self._now = now
        self.on_retained: Callable[[NodeEvent, bool], None] | None = None
        self.on_kept: Callable[[NodeEvent], None] | None = None
        self.handlers = {NodeEvent: self._received}
        realm.broker.share(self, ids.subscription)

    # -- of this node (OtherNodes)

    def forward(
        self,
        number: int,
        topic: str,
        payload: Payload | None,
        publisher: Member | None,
        exclude_me: bool,
        filters: Filters | None,
        extra_details: ExtraDetails | None,
    ) -> None:
        """See OtherNodes."""
        retained, kept = self._retention.newest == number, self._history.newest == number
        peers = self._interest.peers_of(topic)
        if not (peers or retained or kept):
            if filters is None:  # with filters it might only not be kept
                unwanted = self.unwanted
                if len(unwanted) >= MOST_UNWANTED:
                    unwanted.clear()
                unwanted.add(topic)
            return
        session = 0 if publisher is None else publisher.session
        event = NodeEvent(
            self._name,
            topic,
            number,
            packed(payload),
            packed_filters(filters),
            None if extra_details is None else dict(extra_details),
            session,
            self._history.newest_time / 1e6 if kept else self._now(),
            self._retention.newest_at if retained else 0.0,
            session if exclude_me else 0,
        )
        if retained:  # by every node, also where there is no subscription yet
            self._nodes.send_all(event)
            if self.on_retained is not None:
                self.on_retained(event, True)
        else:
            self._nodes.send_some(peers, event)
        if kept and self.on_kept is not None:
            self.on_kept(event)

    def filed(self, subscription: Subscription) -> None:
        """See OtherNodes."""
        self._interest.filed(subscription)

    def dropped(self, subscription: Subscription) -> None:
        """See OtherNodes."""
        self._interest.dropped(subscription)

    def subscribed(self, subscription: Subscription) -> bool:
        """See OtherNodes."""
        return self._interest.subscribed(subscription)

    # -- of other nodes

    def _received(self, peer: Peer, event: NodeEvent) -> None:
        if event.details and self._forwarded.again(event.details.get(forwarding.OPTION)):
            return  # it came from another router, and over this node's own uplink as well
        if event.retained_at and self.on_retained is not None:
            self.on_retained(event, False)
        self._deliver(self._broker.relay(relayed(event, peer.node)))
