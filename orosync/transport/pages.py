"""Plain HTTP on a WebSocket port: a Twisted site that keeps no access log and starts no timers of its own, and bounds
how long a request may be and may take.

It knows nothing of the pages, nor of how a connection comes to it.
"""

from __future__ import annotations

from typing import Any, Protocol

from twisted.internet.interfaces import IReactorTime
from twisted.web import http, server
from twisted.web.resource import IResource, Resource
from twisted.web.server import Site

from orosync.transport.admission import Place
from orosync.transport.answers import ANSWERS

BODY_LIMIT = 65536
"""Bytes of a request's body."""

PATIENCE = 60.0
"""Seconds from one answer to the end of the next request."""


class Branch(Protocol):
    """A resource that has some paths to itself."""

    def serves(self, path: str) -> bool: ...

    def body_limit(self, path: str) -> int: ...


class BoundedChannel(http.HTTPChannel):
    """One connection. Its time runs from connecting or from an answer to the end of the next request: bytes that drip
    in do not buy any."""

    place: Place | None = None
    """The connection's, on a listener."""

    def resetTimeout(self) -> None:
        """Twisted would begin anew with each line."""

    def timeoutConnection(self) -> None:
        """Over."""
        transport: Any = self.transport
        transport.abortConnection()


class BoundedRequest(server.Request):
    """A request whose body has its bound, announced or not."""

    _left = 0
    _refused = False

    def gotLength(self, length: int | None) -> None:
        channel: Any = self.channel
        self._left = self.site_of().limit_of(channel._path)
        if length is not None and length > self._left:
            self._refuse()
            length = 0
        super().gotLength(length)  # type: ignore[no-untyped-call]

    def handleContentChunk(self, data: bytes) -> None:
        self._left -= len(data)
        if self._left < 0:
            self._refuse()
        elif not self._refused:
            super().handleContentChunk(data)  # type: ignore[no-untyped-call]

    def requestReceived(self, command: bytes, path: bytes, version: bytes) -> None:
        if not self._refused:
            super().requestReceived(command, path, version)  # type: ignore[no-untyped-call]

    def site_of(self) -> QuietSite:
        channel: Any = self.channel
        site: QuietSite = channel.site
        return site

    def _refuse(self) -> None:
        if not self._refused:
            self._refused = True
            channel: Any = self.channel
            channel.transport.write(ANSWERS[413])
            channel.loseConnection()


class QuietSite(Site):
    """Requests are not logged: their lines may hold tickets, and counting them is the resource's business."""

    displayTracebacks = False
    protocol: Any = BoundedChannel
    body_limit = BODY_LIMIT
    branch: Any = None

    def limit_of(self, target: bytes) -> int:
        """Bytes that the body of a request for ``target``, as it was sent, may have."""
        path = target.partition(b"?")[0].decode("latin-1")
        if self.branch is not None and self.branch.serves(path):
            limit: int = self.branch.body_limit(path)
            return limit
        return self.body_limit

    def log(self, request: http.Request) -> None:
        """No access log."""

    def getResourceFor(self, request: server.Request) -> Any:
        if self.branch is not None and self.branch.serves(request.path.decode("latin-1")):
            return self.branch
        return super().getResourceFor(request)  # type: ignore[no-untyped-call]


def quiet_site(
    root: IResource | None, clock: IReactorTime, branch: Branch | None = None, body_limit: int = BODY_LIMIT
) -> QuietSite:
    """A site that serves ``root`` (None: nothing) and, where it has a path, ``branch``; it tells time by ``clock``."""
    nothing: Any = Resource()
    site = QuietSite(nothing if root is None else root, BoundedRequest, reactor=clock, timeout=PATIENCE)
    site.branch = branch
    site.body_limit = body_limit
    return site
