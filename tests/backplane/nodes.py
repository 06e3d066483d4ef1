"""Nodes of a test: users of a backplane that record what they are told."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable
from typing import Any

from twisted.internet import reactor
from twisted.internet.task import deferLater

from orosync.testing import RecordingBackplaneUser


class RecordingUser(RecordingBackplaneUser):
    """``reasons`` has why the engine was lost."""

    def __init__(self, node: str, boot: str = "") -> None:
        super().__init__(node, boot or secrets.token_hex(8))
        self.reasons: list[str] = []

    def engine_lost(self, reason: str) -> None:
        """See IBackplaneUser."""
        super().engine_lost(reason)
        self.reasons.append(reason)

    def what(self) -> list[str]:
        """The kinds of what it was told."""
        return [one[0] for one in self.told]


async def until(condition: Callable[[], Any], seconds: float = 10.0) -> float:
    """Returns when ``condition`` holds, with the seconds that it took."""
    began = time.monotonic()
    while not condition():
        if time.monotonic() - began > seconds:
            raise AssertionError(f"not within {seconds:g} s")
        await deferLater(reactor, 0.01)  # type: ignore[arg-type]
    return time.monotonic() - began
