"""What a new subscriber of oro/maintenance is told."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from twisted.trial.unittest import SynchronousTestCase
from zope.interface import implementer
from zope.interface.verify import verifyObject

from orosync.interfaces import IPublisher, ITopicWatcher
from orosync.notifications.maintenance import TOPIC, MaintenanceNotice, MaintenanceState, event
from orosync.testing import principal
from orosync.wamp.messages import Event
from orosync.wamp.payload import Payload


@implementer(IPublisher)
class Press:
    """Keeps what is published."""

    def __init__(self) -> None:
        self.published: list[tuple[Any, ...]] = []

    def publish(
        self,
        topic: str,
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
        *,
        eligible: Sequence[int] | None = None,
    ) -> int:
        self.published.append((topic, list(args), kwargs, eligible))
        return 1


class MaintenanceTests(SynchronousTestCase):
    """MaintenanceNotice"""

    def setUp(self) -> None:
        self.press = Press()
        self.notice = MaintenanceNotice(self.press)

    def test_interface(self) -> None:
        """It watches the one topic, and is quiet when the last subscriber goes."""
        verifyObject(ITopicWatcher, self.notice)
        self.assertEqual(self.notice.topic, "oro/maintenance")
        self.notice.last_unsubscribed()
        self.assertEqual(self.press.published, [])

    def test_late_subscriber(self) -> None:
        """Each one alone is told that maintenance is off, in Oro's own shape, which closes a notice that got stuck."""
        for session_id in (42, 43):
            self.notice.subscribed(session_id, principal())
        off = {"isOn": False, "userId": None}
        self.assertEqual(
            self.press.published, [("oro/maintenance", [off], None, [session_id]) for session_id in (42, 43)]
        )
        self.assertEqual([list(args[0]) for _, args, _, _ in self.press.published], [["isOn", "userId"]] * 2)


class States(SynchronousTestCase):
    """MaintenanceState."""

    def test_what_was_told_last(self):
        """Of any publisher, as an argument or keywords; what has another shape says nothing."""
        times = iter((10.0, 20.0, 30.0))
        state = MaintenanceState(lambda: next(times))
        self.assertIsNone(state.on)
        for payload, on, user_id, time in (
            (Payload.of([event(True, 7)]), True, 7, 10.0),
            (Payload.of(["isOn"]), True, 7, 10.0),
            (None, True, 7, 10.0),
            (Payload.of([], {"isOn": False}), False, None, 20.0),
            (Payload.of([{"isOn": "yes"}]), False, None, 20.0),
        ):
            state.told(Event(1, 2, {}), payload, TOPIC)
            self.assertEqual((state.on, state.user_id, state.time), (on, user_id, time))
