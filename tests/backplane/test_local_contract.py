"""The adapter ``local`` does what every backplane must do."""

from __future__ import annotations

from typing import Any

from twisted.internet import reactor
from twisted.trial.unittest import TestCase

from orosync.backplane.local import LocalBackplane
from orosync.interfaces import IBackplane
from orosync.testing import BackplaneContract
from tests.support.local_nodes import LocalNodes


class Contract(BackplaneContract, TestCase):
    """Workers of one process with the sockets of several. A worker's end is noticed at once, it needs no lease."""

    lease = 0.0
    clock = reactor

    def setUp(self) -> None:
        self.local: LocalNodes | None = None
        self.count = 0

    async def make_adapter(self) -> IBackplane:
        if self.local is None:
            self.local = LocalNodes(reactor)
            self.addCleanup(self.local.close)
        self.count += 1
        return self.local.adapter(f"worker {self.count}")

    async def kill(self, adapter: Any) -> None:
        assert self.local is not None and isinstance(adapter, LocalBackplane)
        await self.local.kill(adapter)
