"""The keep-alive event."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase
from zope.interface import implementer
from zope.interface.verify import verifyObject

from orosync.interfaces import IPublisher, ITopicWatcher
from orosync.notifications.ping import KeepAlivePing
from orosync.testing import RecordingJournal, principal


@implementer(IPublisher)
class TimedPress:
    """Keeps when and what is published; ``broken`` makes it raise."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.published: list[tuple[float, str, list[Any]]] = []
        self.broken = False

    def publish(
        self,
        topic: str,
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
        *,
        eligible: Sequence[int] | None = None,
    ) -> int:
        if self.broken:
            raise RuntimeError("broken press")
        self.published.append((self.clock.seconds(), topic, list(args)))
        return 1


class KeepAlivePingTests(SynchronousTestCase):
    """KeepAlivePing"""

    def setUp(self) -> None:
        self.clock = Clock()
        self.press = TimedPress(self.clock)
        self.journal = RecordingJournal()
        self.ping = KeepAlivePing(self.press, self.clock, journal=self.journal)

    def test_interface(self) -> None:
        """It watches the one topic."""
        verifyObject(ITopicWatcher, self.ping)
        self.assertEqual(self.ping.topic, "oro/ping")

    def test_every_fifty_seconds(self) -> None:
        """Subscribers hear Oro's text every 50 seconds, one timer for all of them."""
        self.ping.subscribed(1, principal())
        self.clock.advance(20)
        self.ping.subscribed(2, principal())
        self.clock.pump([10] * 14)
        text = ["Connection keep alive"]
        self.assertEqual(
            self.press.published, [(50, "oro/ping", text), (100, "oro/ping", text), (150, "oro/ping", text)]
        )

    def test_only_while_somebody_listens(self) -> None:
        """Without listeners no timer runs; with the next one it starts anew."""
        self.assertEqual(self.clock.getDelayedCalls(), [])
        self.ping.last_unsubscribed()
        self.ping.subscribed(1, principal())
        self.clock.advance(30)
        self.ping.last_unsubscribed()
        self.assertEqual(self.clock.getDelayedCalls(), [])
        self.clock.advance(100)
        self.ping.subscribed(2, principal())
        self.clock.pump([10] * 5)
        self.assertEqual([at for at, _, _ in self.press.published], [180])

    def test_interval(self) -> None:
        """The interval is the administrator's."""
        ping = KeepAlivePing(self.press, self.clock, 5.0, journal=self.journal)
        ping.subscribed(1, principal())
        self.clock.pump([1] * 10)
        self.assertEqual([at for at, _, _ in self.press.published], [5, 10])

    def test_a_failing_publish(self) -> None:
        """One publish that fails is noted, and does not end the keep-alive for good."""
        self.ping.subscribed(1, principal())
        self.press.broken = True
        self.clock.advance(50)
        self.press.broken = False
        self.clock.advance(50)
        self.assertEqual([at for at, _, _ in self.press.published], [100])
        ((event, kind, fields),) = self.journal.notes
        self.assertEqual((event, kind, str(fields["reason"])), ("ping.failed", "publish", "broken press"))
