"""A worker's process with nothing but the adapter ``local``: ``python -m tests.support.local_worker NODE``.

It sends numbered batches to each node that joins, some every millisecond, for ever; what it receives it sends back."""

from __future__ import annotations

import sys
from typing import Any

from twisted.internet import reactor as installed
from zope.interface import implementer

from orosync.backplane.channel import ProcessChannel, connect
from orosync.backplane.local import LocalBackplane
from orosync.interfaces import IBackplaneUser

reactor: Any = installed


@implementer(IBackplaneUser)
class Sender:
    """See above."""

    boot = "0123456789abcdef"

    def __init__(self, node: str) -> None:
        self.node = node
        self.count = 0
        channel = ProcessChannel(lambda reason: reactor.callWhenRunning(reactor.stop))
        self.backplane = LocalBackplane(channel, reactor)
        connect(reactor, 3, channel)
        self.backplane.start(self)

    def node_joined(self, node: str, boot: str) -> None:
        reactor.callLater(0.001, self.turn, node)

    def turn(self, node: str) -> None:
        for _ in range(10):
            self.backplane.send(node, b"%d" % self.count)
            self.count += 1
        reactor.callLater(0.001, self.turn, node)

    def node_left(self, node: str, boot: str, reason: str, stopped: bool) -> None: ...

    def received(self, batch: bytes) -> None:
        self.backplane.send("test", b"!" + batch)

    def engine_lost(self, reason: str) -> None: ...

    def engine_back(self) -> None: ...


if __name__ == "__main__":
    Sender(sys.argv[1])
    reactor.run()
