"""Nodes of a test: users of a backplane that record what they are told."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable
from typing import Any

from twisted.internet import reactor
from twisted.internet.task import deferLater
from zope.interface import implementer

from orosync.interfaces import IBackplaneUser


@implementer(IBackplaneUser)
class RecordingUser:
    """``told`` has everything but batches, which are in ``batches``."""

    def __init__(self, node: str, boot: str = "") -> None:
        self.node = node
        self.boot = boot or secrets.token_hex(8)
        self.told: list[tuple[str, ...]] = []
        self.batches: list[bytes] = []

    def node_joined(self, node: str, boot: str) -> None:
        """See IBackplaneUser."""
        self.told.append(("joined", node, boot))

    def node_left(self, node: str, boot: str, reason: str) -> None:
        """See IBackplaneUser."""
        self.told.append(("left", node, boot))

    def received(self, batch: bytes) -> None:
        """See IBackplaneUser."""
        self.batches.append(batch)

    def engine_lost(self, reason: str) -> None:
        """See IBackplaneUser."""
        self.told.append(("lost", reason))

    def engine_back(self) -> None:
        """See IBackplaneUser."""
        self.told.append(("back",))

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
