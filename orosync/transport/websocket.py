"""The WebSocket listener: what its connections share besides what those of every listener do.

It must not know what travels in a message, who the client is, or where a listener's settings come from.
"""

from __future__ import annotations

from typing import Any

from orosync.headers.origin import OriginRule
from orosync.transport.answers import ANSWERS
from orosync.transport.link import Link
from orosync.transport.listener import ListenerFactory
from orosync.transport.longpoll import LongPoll
from orosync.transport.pages import quiet_site


def websocket_link(listener: ListenerFactory) -> type[Link]:
    """The kind of link that WebSocket clients of ``listener`` get."""
    settings = listener.settings
    longpoll = None if settings.longpoll is None else LongPoll(listener, settings.longpoll)
    site = quiet_site(settings.web, listener.clock, longpoll, settings.body_limit, listener.turns)
    return listener.kind(
        Link,
        origin_rule=OriginRule(settings.origins, settings.origin_required),
        site=None if settings.web is None and longpoll is None else site,
        longpoll=longpoll,
    )


class WebSocketFactory(ListenerFactory):
    """WebSocket, and plain HTTP where the listener has pages."""

    full = ANSWERS[503]

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._link = websocket_link(self)

    def connection(self, peer: str) -> Any:
        """See ListenerFactory."""
        return self._link(peer)
