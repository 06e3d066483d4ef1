"""Publications that cross between the nodes of a realm, as the router sees them.

The router knows nothing of nodes: it tells ``OtherNodes`` what is published and subscribed here, and takes a
``RelayedPublication`` of another node (``Broker.relay``). Without other nodes there is none to be told.
"""

from __future__ import annotations

from typing import Protocol

from msgspec import Struct

from orosync.router.deliveries import ExtraDetails, Member
from orosync.router.filters import Filters
from orosync.router.subscriptions import Subscription
from orosync.wamp.payload import Payload


class RelayedPublication(Struct, frozen=True, eq=False):
    """A publication of another node. ``extra_details`` are as that node made them: disclosure, trust level, trail.

    ``node`` is that node's name, ``publisher`` the session id there, 0 for the router itself. ``excluded``: the session
    that excluded itself, None for none. ``time``: when it was published, in seconds since 1970. ``retained_at``: its
    place in the order of retained events (``Retention.moment``), 0.0 for one that is not retained.
    """

    topic: str
    publication: int
    payload: Payload | None
    filters: Filters | None = None
    extra_details: ExtraDetails | None = None
    node: str = ""
    publisher: int = 0
    excluded: int | None = None
    time: float = 0.0
    retained_at: float = 0.0


class OtherNodes(Protocol):
    """The other nodes of a realm. No method may raise.

    ``unwanted``: topics whose publications need not be forwarded, which other nodes find out. It is a plain set because
    most publications are of no interest elsewhere, and have to cost next to nothing. It is emptied when the broker's
    recorder changes.
    """

    unwanted: set[str]

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
        """A publication of this node, whose id is ``number``, after it has been retained and recorded here.
        ``publisher`` None is the router itself."""

    def filed(self, subscription: Subscription) -> None:
        """The subscription is there: it has got its first member, or is kept."""

    def dropped(self, subscription: Subscription) -> None:
        """It has lost its last member, and is not kept."""

    def subscribed(self, subscription: Subscription) -> bool:
        """Whether clients of other nodes are subscribed to exactly the same topic or pattern."""
