"""A client as a token bucket sees it: it sends as much as it wants, and is read as far as it may be."""

from __future__ import annotations

from orosync.interfaces import RATE
from orosync.transport.message_rates import MessageRates, TokenBucket


class Sender:
    """``wanted`` messages have been sent, ``passed`` of them read; ``ended`` is why its connection was dropped."""

    def __init__(self, rates: MessageRates, bucket: TokenBucket) -> None:
        self.bucket = bucket
        self.passed = 0
        self.wanted = 0
        self.paused = False
        self.pauses = 0
        self.ended = ""

    def say(self, messages: int) -> int:
        """So many more; how many of them all have been read in this moment."""
        before = self.passed
        self.wanted += messages
        self.read()
        return self.passed - before

    def read(self) -> None:
        while self.passed < self.wanted and not self.paused:
            self.passed += 1
            self.bucket.left -= 1
            if self.bucket.left < 0:
                self.bucket.spent(self)

    # -- Pausable

    def pause(self, reason: int) -> None:
        assert reason == RATE and not self.paused
        self.paused = True
        self.pauses += 1

    def resume(self, reason: int) -> None:
        assert reason == RATE and self.paused
        self.paused = False
        self.read()

    def drop(self, reason: str) -> None:
        self.ended = reason
