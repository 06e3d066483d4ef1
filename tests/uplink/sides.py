"""A side of an uplink that keeps what it is sent."""

from __future__ import annotations

from typing import Any

from orosync.wamp.ids import Sequence
from orosync.wamp.messages import Message
from orosync.wamp.payload import Payload


class MemorySide:
    """``sent`` holds (message, payload); it takes nothing while ``deaf``."""

    def __init__(self) -> None:
        self.sent: list[tuple[Any, Payload | None]] = []
        self.deaf = False
        self._requests = Sequence()

    def send(self, message: Message, payload: Payload | None = None) -> bool:
        if not self.deaf:
            self.sent.append((message, payload))
        return not self.deaf

    def next_request(self) -> int:
        return self._requests.next()

    def take(self) -> list[Any]:
        """The messages sent since the last call."""
        sent, self.sent = self.sent, []
        return [message for message, _ in sent]
