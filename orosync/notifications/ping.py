"""Keep-alive: an event on ``oro/ping`` now and then, so that proxies between us and a quiet browser see traffic.

Oro's browsers subscribe on every page; stock Oro sends the same text every 50 seconds. Whether clients may publish to
the topic is decided by authorizers.
"""

from __future__ import annotations

from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import LoopingCall
from zope.interface import implementer

from orosync.interfaces import IJournal, IPublisher, ITopicWatcher
from orosync.model import Principal

TOPIC = "oro/ping"
TEXT = "Connection keep alive"


@implementer(ITopicWatcher)
class KeepAlivePing:
    """Publishes TEXT every ``interval`` seconds, from the first subscriber until the last has gone.

    The first event comes one interval after the first subscriber. A publish that fails is noted, and the next is tried.
    """

    topic = TOPIC

    def __init__(
        self, publisher: IPublisher, clock: IReactorTime, interval: float = 50.0, *, journal: IJournal
    ) -> None:
        self._publisher = publisher
        self._journal = journal
        self._interval = interval
        self._timer = LoopingCall(self._ping)
        self._timer.clock = clock

    def subscribed(self, session_id: int, principal: Principal) -> None:
        """Start, unless running (see ITopicWatcher)."""
        if not self._timer.running:
            self._timer.start(self._interval, now=False)

    def last_unsubscribed(self) -> None:
        """Stop; also what to call before the process ends."""
        if self._timer.running:
            self._timer.stop()

    def _ping(self) -> None:
        try:
            self._publisher.publish(TOPIC, [TEXT])
        except Exception as error:
            self._journal.note("ping.failed", "publish", reason=error)
