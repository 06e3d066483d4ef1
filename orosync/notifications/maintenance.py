"""Maintenance: each new subscriber of ``oro/maintenance`` is told that maintenance is off.

Oro publishes each change itself, once and not retained. A page that was not connected when maintenance ended would show
its blocking notice forever; it is told when it subscribes again.

No page is told ``isOn: true`` here. Oro's page subscribes once, when it has loaded, with a new ticket, and while
maintenance is on the application gives pages and tickets only to those whom it lets through: they must not be locked
out. All others learn it from HTTP 503, as they do with Oro's own server.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from zope.interface import implementer

from orosync.clocks import Now
from orosync.interfaces import IPublisher, ITopicWatcher
from orosync.model import Principal
from orosync.wamp.messages import Event
from orosync.wamp.payload import Payload

TOPIC = "oro/maintenance"


def event(on: bool, user_id: int | None = None) -> dict[str, Any]:
    """The event that Oro publishes: pages of all users but ``user_id`` are blocked, or freed again."""
    return {"isOn": on, "userId": user_id}


class MaintenanceState:
    """What pages were told last, by Oro or by an administrator: ``on`` None before anything was told. ``time`` in
    seconds since 1970. ``on_told`` is called after each change."""

    def __init__(self, now: Now) -> None:
        self._now = now
        self.on: bool | None = None
        self.user_id: int | None = None
        self.time = 0.0
        self.on_told: Callable[[], None] | None = None

    def told(self, message: Event, payload: Payload | None, topic: str) -> None:
        """An event on TOPIC, from any publisher; one of another shape says nothing."""
        args, kwargs = ([], {}) if payload is None else payload.values()
        told = args[0] if args and isinstance(args[0], dict) else kwargs
        if isinstance(told.get("isOn"), bool):
            user_id = told.get("userId")
            self.on, self.time = told["isOn"], self._now()
            self.user_id = user_id if isinstance(user_id, int) else None
            if self.on_told is not None:
                self.on_told()

    def restore(self, on: bool, user_id: int | None, time: float) -> None:
        """Take over what pages were told before this process was started; what is newer stays."""
        if time > self.time:
            self.on, self.user_id, self.time = on, user_id, time


@implementer(ITopicWatcher)
class MaintenanceNotice:
    """Watches one realm's ``oro/maintenance``."""

    topic = TOPIC

    def __init__(self, publisher: IPublisher) -> None:
        self._publisher = publisher

    def subscribed(self, session_id: int, principal: Principal) -> None:
        """Tell the one session (see ITopicWatcher)."""
        self._publisher.publish(TOPIC, [event(False)], eligible=[session_id])

    def last_unsubscribed(self) -> None:
        """Nothing runs between subscribers, so there is nothing to stop (see ITopicWatcher)."""
