"""Plain HTTP on a WebSocket port: a Twisted site with limits.

It writes no access log and starts no timers of its own. It bounds how long a request may be and may take, and how much
of what a connection sends is handled in one turn of the reactor (``read_turns``).
"""

from __future__ import annotations

from typing import Any, Protocol

from twisted.internet.interfaces import IReactorTime
from twisted.internet.protocol import connectionDone
from twisted.python.failure import Failure
from twisted.web import http, server
from twisted.web.resource import IResource, Resource
from twisted.web.server import Site

from orosync.clocks import epoch
from orosync.transport.admission import Place
from orosync.transport.http_responses import HttpResponses
from orosync.transport.read_turns import QUANTUM, ReadTurns

BODY_LIMIT = 65536
"""Bytes of a request's body."""

IDLE_TIMEOUT = 60.0
"""Seconds from one response to the end of the next request, and from our close of a connection to the peer's."""

REQUESTS = 8
"""Requests of one connection in one turn: each is as much work as a dozen messages."""
BYTES = 4096
"""Bytes of heads and of chunked bodies in one turn: Twisted's parser takes microseconds for each, where they are chunks
of one byte. Other bodies may be a quantum long."""

_BYTE = QUANTUM // BYTES
_EAGER = 16384
"""Bytes that are still read while a request is being answered, to notice that the client has gone."""


class Branch(Protocol):
    """A resource that serves some paths, before the root is asked."""

    def serves(self, path: str) -> bool: ...

    def body_limit(self, path: str) -> int: ...

    def vouch(self, path: str, place: Place | None) -> None: ...


class BoundedChannel(http.HTTPChannel):
    """One connection. Its timeout runs from the connect, or from a response, to the end of the next request: single
    bytes do not extend it. What arrives waits here, and Twisted's parser is given what one turn may cost (this is a
    ``read_turns.Reader``); what comes behind a refusal is dropped."""

    site: BoundedSite
    _left = QUANTUM
    _requests_left = REQUESTS
    _waiting = _feeding = _held = False
    body_left = 0
    """Bytes that are still to come of a body whose length was announced."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._arrived = bytearray()

    def dataReceived(self, data: bytes) -> None:
        """From the network."""
        self._arrived += data
        turns = self.site.turns
        if turns.full and not self._waiting:
            self._waiting = True
            turns.enter(self)
        before = self._cost()
        self._feed()
        if (cost := self._cost() - before) > 0:
            turns.count(cost)

    def setLineMode(self, extra: bytes = b"") -> None:
        """Twisted kept ``extra`` while a request was being answered; it is parsed before what arrived since."""
        self.line_mode = 1
        if extra:
            super().dataReceived(extra)  # type: ignore[no-untyped-call]

    def allContentReceived(self) -> None:
        self._requests_left -= 1
        self.paused = self._requests_left <= 0
        super().allContentReceived()  # type: ignore[no-untyped-call]

    def requestDone(self, request: http.Request) -> None:
        super().requestDone(request)  # type: ignore[no-untyped-call]
        self._feed()

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self._arrived.clear()
        self.clearLineBuffer()
        self.paused = False
        self.site.turns.leave(self)
        super().connectionLost(reason)  # type: ignore[no-untyped-call]

    def loseConnection(self) -> None:
        transport: Any = self.transport
        if self._held:
            self._held = False
            transport.resumeProducing()  # TLS waits for the peer's close_notify
        super().loseConnection()  # type: ignore[no-untyped-call]
        self.setTimeout(IDLE_TIMEOUT)

    place: Place | None = None
    """The connection's, on a listener."""

    def checkPersistence(self, request: http.Request, version: bytes) -> bool:
        """While places are scarce, a connection is closed behind its response: no place is kept for a later request."""
        self.site.vouch(self._path, self.place)
        if self.place is not None and self.place.is_wanted():
            request.responseHeaders.setRawHeaders(b"connection", [b"close"])
            return False
        persistent: bool = super().checkPersistence(request, version)  # type: ignore[no-untyped-call]
        return persistent

    def resetTimeout(self) -> None:
        """Nothing: Twisted would restart the timeout with each line."""

    def timeoutConnection(self) -> None:
        """The time for a request is over."""
        transport: Any = self.transport
        transport.abortConnection()

    def resumeProducing(self) -> None:
        """The client has read what it was sent. Until then its next requests wait: thousands of them fit into one read,
        and all their responses would have to be kept here."""
        super().resumeProducing()  # type: ignore[no-untyped-call]
        self._feed()

    # -- read_turns.Reader

    def renew(self) -> bool:
        """See read_turns.Reader."""
        self._left, self._requests_left = QUANTUM, REQUESTS
        if self._handlingRequest or self._waitingForTransport or not (self._arrived or self.paused):
            self._waiting = False
            self._feed()
            return False
        return True

    def take_turn(self) -> int:
        """See read_turns.Reader."""
        self._waiting = False
        self._feed()
        return self._cost()

    def failed(self) -> None:
        """See read_turns.Reader."""
        self.timeoutConnection()

    def _feed(self) -> None:
        """Give the parser what it may have, while no request is being answered and the client reads."""
        if self._feeding:
            return
        transport: Any = self.transport
        arrived = self._arrived
        if self._waiting:
            self._hold(transport, bool(arrived or self.paused))
            return
        self._feeding = True
        stopped, self.paused = self.paused, False
        while (arrived or stopped) and self._may_go_on():
            stopped, cost = False, 1 if self.body_left else _BYTE
            piece = bytes(arrived[: min(self.body_left, self._left) or max(1, self._left // _BYTE)])
            del arrived[: len(piece)]
            self._left -= len(piece) * cost
            super().dataReceived(piece)  # type: ignore[no-untyped-call]
        self.paused = self.paused or stopped
        self._feeding = False
        if transport.disconnecting:
            arrived.clear()
            return
        if self._left <= 0 or self._requests_left <= 0:
            self._waiting = True
            self.site.turns.enter(self)
        if self._handlingRequest:
            self._hold(transport, len(arrived) > _EAGER)
        else:
            self._hold(transport, bool(arrived or self.paused))

    def _cost(self) -> int:
        """What has been spent of a quantum."""
        return max(QUANTUM - self._left, QUANTUM * (REQUESTS - self._requests_left) // REQUESTS)

    def _may_go_on(self) -> bool:
        transport: Any = self.transport
        ended = self._handlingRequest or self._waitingForTransport or transport.disconnecting
        return self._left > 0 and self._requests_left > 0 and not ended

    def _hold(self, transport: Any, hold: bool) -> None:
        if hold:
            transport.pauseProducing()  # each time: Twisted reads on after each response
        elif self._held and not self._waitingForTransport:
            transport.resumeProducing()
        self._held = hold


class BoundedRequest(server.Request):
    """A request whose body is bounded, whether its length was announced or not."""

    _left = 0
    _refused = False

    def gotLength(self, length: int | None) -> None:
        channel: Any = self.channel
        self._left = self.site_of().limit_of(channel._path)
        if length is not None and length > self._left:
            self._refuse()
            length = 0
        channel.body_left = length or 0
        super().gotLength(length)  # type: ignore[no-untyped-call]

    def handleContentChunk(self, data: bytes) -> None:
        channel: Any = self.channel
        channel.body_left = max(0, channel.body_left - len(data))
        self._left -= len(data)
        if self._left < 0:
            self._refuse()
        elif not self._refused:
            super().handleContentChunk(data)  # type: ignore[no-untyped-call]

    def requestReceived(self, command: bytes, path: bytes, version: bytes) -> None:
        if not self._refused:
            super().requestReceived(command, path, version)  # type: ignore[no-untyped-call]

    def site_of(self) -> BoundedSite:
        channel: Any = self.channel
        site: BoundedSite = channel.site
        return site

    def _refuse(self) -> None:
        if not self._refused:
            self._refused = True
            channel: Any = self.channel
            channel.transport.write(self.site_of().responses.answer(413))
            channel.loseConnection()


class BoundedSite(Site):
    """A site that logs no requests: their lines may hold tickets."""

    displayTracebacks = False
    protocol: Any = BoundedChannel
    body_limit = BODY_LIMIT
    branch: Any = None
    turns: ReadTurns
    responses: HttpResponses

    def vouch(self, target: bytes, place: Place | None) -> None:
        """A request for ``target`` begins. If that belongs to a client that has joined, ``place`` does too."""
        path = target.partition(b"?")[0].decode("latin-1")
        if self.branch is not None and self.branch.serves(path):
            self.branch.vouch(path, place)

    def limit_of(self, target: bytes) -> int:
        """Bytes that the body of a request for ``target`` (path and query as they were sent) may have."""
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


def bounded_site(
    root: IResource | None,
    clock: IReactorTime,
    branch: Branch | None = None,
    body_limit: int = BODY_LIMIT,
    turns: ReadTurns | None = None,
    responses: HttpResponses | None = None,
) -> BoundedSite:
    """A site that serves ``root`` (None: nothing) and, where it has a path, ``branch``; it tells time by ``clock``."""
    nothing: Any = Resource()
    site = BoundedSite(nothing if root is None else root, BoundedRequest, reactor=clock, timeout=IDLE_TIMEOUT)
    site.branch = branch
    site.body_limit = body_limit
    site.turns = ReadTurns(clock) if turns is None else turns
    site.responses = HttpResponses(epoch) if responses is None else responses
    return site
