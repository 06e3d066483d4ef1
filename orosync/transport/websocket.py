"""The WebSocket listener: what its connections share besides what those of every listener do.

It must not know what travels in a message, who the client is, or where a listener's settings come from.
"""

from __future__ import annotations

from typing import Any

from twisted.internet.protocol import Protocol

from orosync.headers.origin import OriginRule
from orosync.transport.link import Link
from orosync.transport.listener import ListenerFactory
from orosync.transport.pages import quiet_site


def websocket_link(listener: ListenerFactory) -> type[Link]:
    """The kind of link that WebSocket clients of ``listener`` get."""
    settings, clock = listener.settings, listener.clock
    return listener.kind(
        Link,
        origin_rule=OriginRule(settings.origins, settings.origin_required),
        site=None if settings.web is None else quiet_site(settings.web, clock),
    )


class WebSocketFactory(ListenerFactory):
    """WebSocket, and plain HTTP where the listener has pages."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._link = websocket_link(self)

    def connection(self, peer: str) -> Protocol:
        """See ListenerFactory."""
        link: Protocol = self._link(peer)
        return link
