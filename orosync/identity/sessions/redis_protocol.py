"""txredisapi's protocol, with bounds: how long an answer may be, and why a connection went.

Only the protocol is taken from txredisapi. Its factories give up for good once AUTH or SELECT fails (as while a server
loads its data), and its Sentinel knows no TLS. txredisapi is an extra: it is imported when the first connection is
made. This file must not know what is asked.
"""

from __future__ import annotations

import functools
from importlib import import_module
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.protocol import Factory
from twisted.python.failure import Failure

EXTRA = "redis"
MODULE = "txredisapi"


@functools.cache
def protocol_class() -> Any:
    """The protocol. ImportError without txredisapi."""
    txredisapi = import_module(MODULE)

    class Bounded(txredisapi.BaseRedisProtocol):  # type: ignore[misc, name-defined]
        """``limit`` in bytes: a longer answer is passed over and becomes InvalidData; ``ended`` fires with why the
        connection is gone."""

        def __init__(self, timeout: float, limit: int) -> None:
            super().__init__(charset=None, replyTimeout=timeout, convertNumbers=False)
            self.limit = limit
            self.passing_over = False
            self.ended: Deferred[None] = Deferred()
            self.why = ""

        def lineReceived(self, line: str) -> None:
            if line.startswith("$") and len(line) > 1 and line[1:].isdigit():
                self.passing_over = int(line[1:]) > self.limit
            super().lineReceived(line)

        def rawDataReceived(self, data: bytes) -> None:
            if not self.passing_over:
                super().rawDataReceived(data)
                return
            rest = data[self.bulk_length :]
            self.bulk_length -= len(data) - len(rest)
            if self.bulk_length == 0:
                self.passing_over = False
                self.replyReceived(txredisapi.InvalidData(f"longer than {self.limit} bytes"))
                self.setLineMode(extra=rest)

        def connectionLost(self, why: Failure) -> None:
            self.why = why.getErrorMessage()
            super().connectionLost(why)
            self.ended.callback(None)

    return Bounded


class OneProtocol(Factory):
    """Makes one protocol for one connection, and says nothing about it in the log."""

    noisy = False

    def __init__(self, timeout: float, limit: int) -> None:
        self._timeout = timeout
        self._limit = limit

    def buildProtocol(self, address: object) -> Any:
        """See Factory."""
        return protocol_class()(self._timeout, self._limit)
