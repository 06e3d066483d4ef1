"""Publishing into a realm from inside this process (notifications, the demonstration, bridges)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from zope.interface import implementer

from orosync.interfaces import IPublisher
from orosync.router.filters import Filters
from orosync.session.hosted import HostedRealm
from orosync.wamp.payload import Payload


@implementer(IPublisher)
class LocalPublisher:
    """orosync's own voice in one realm: allowed everything, excluded from nothing."""

    def __init__(self, hosted: HostedRealm) -> None:
        self._hosted = hosted

    def publish(
        self,
        topic: str,
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
        *,
        eligible: Sequence[int] | None = None,
    ) -> int:
        """See IPublisher. Raises NotCarriable if the values have no JSON form."""
        filters = None if eligible is None else Filters(eligible=frozenset(eligible))
        deliveries = self._hosted.realm.broker.publish(topic, Payload.of(args, kwargs), filters=filters)[1]
        self._hosted.office.post(deliveries)
        return sum(len(delivery.receivers) for delivery in deliveries)
