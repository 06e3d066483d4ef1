"""Maintenance: each new subscriber of ``oro/maintenance`` is told that maintenance is off.

Oro publishes each change itself, once and not retained. A page that was not connected when maintenance ended would show
its blocking notice forever; it is told when it subscribes again.

No page is told ``isOn: true`` here. Oro's page subscribes once, when it has loaded, with a new ticket, and while
maintenance is on the application gives pages and tickets only to those whom it lets through: they must not be locked
out. All others learn it from HTTP 503, as they do with Oro's own server.
"""

from __future__ import annotations

from zope.interface import implementer

from orosync.interfaces import IPublisher, ITopicWatcher
from orosync.model import Principal

TOPIC = "oro/maintenance"


@implementer(ITopicWatcher)
class MaintenanceNotice:
    """Watches one realm's ``oro/maintenance``."""

    topic = TOPIC

    def __init__(self, publisher: IPublisher) -> None:
        self._publisher = publisher

    def subscribed(self, session_id: int, principal: Principal) -> None:
        """Tell the one session (see ITopicWatcher)."""
        self._publisher.publish(TOPIC, [{"isOn": False, "userId": None}], eligible=[session_id])

    def last_unsubscribed(self) -> None:
        """Nothing runs between subscribers, so there is nothing to stop (see ITopicWatcher)."""
