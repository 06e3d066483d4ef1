"""The sockets of the listeners of a router with several workers: the supervisor binds and keeps them, workers accept.

TCP: each worker has a socket of its own on the same port (SO_REUSEPORT, socket(7)), and the system spreads connections
evenly over them; on one socket that all workers accept from, one of two workers got up to nine of ten. While a worker
is away, another one accepts from its socket too. UNIX sockets and those of systemd are one socket for all workers.
"""

from __future__ import annotations

import socket
from collections.abc import Iterable, Mapping
from contextlib import suppress
from functools import partial
from typing import Any

from twisted.internet.defer import Deferred, maybeDeferred, succeed
from twisted.internet.interfaces import IListeningPort, IStreamServerEndpoint
from twisted.internet.protocol import Factory, Protocol
from twisted.internet.tcp import Port as TcpPort
from twisted.internet.unix import Port as UnixPort
from twisted.python.failure import Failure
from zope.interface import implementer

from orosync.app.opening import Opening, spoken
from orosync.config.endpoints import BACKLOG, take_apart
from orosync.config.listen import ListenSection


class ListeningSockets:
    """Those of all listeners, for ``workers`` workers. ``failed``: some could not be had, and the log says why."""

    def __init__(self, opening: Opening, workers: int) -> None:
        self._opening = opening
        self._workers = workers
        self._ports: list[IListeningPort] = []
        self._sockets: dict[str, list[socket.socket]] = {}
        self.failed = False

    def bind(self, sections: Iterable[ListenSection]) -> None:
        """Have the sockets of these listeners, which accept nothing here."""
        for section in sections:
            keep = partial(self._keep, section)
            opened = self._opening.open(section.name, section.endpoint, _NoConnections(), spoken(section), keep)
            self.failed |= not getattr(opened, "result", False)

    def _keep(self, section: ListenSection, port: Any) -> None:
        port.stopReading()
        self._ports.append(port)
        first: socket.socket = port.socket
        sockets = self._sockets[section.name] = [first]
        found = take_apart(section.endpoint)
        if found.kind == "tcp":
            with suppress(OSError):  # a system without it: all workers accept from the first one
                sockets += _more(first, self._workers - 1, int(found.options.get("backlog", BACKLOG)))

    def of(self, place: int) -> Mapping[str, socket.socket]:
        """By listener: what the worker in ``place`` (from 0) accepts from."""
        return {name: sockets[place % len(sockets)] for name, sockets in self._sockets.items()}

    def own(self, place: int) -> Mapping[str, socket.socket]:
        """By listener: what it alone accepts from."""
        return {name: sockets[place] for name, sockets in self._sockets.items() if len(sockets) == self._workers > 1}

    async def close(self) -> None:
        """From now on no client can connect; UNIX sockets are removed."""
        ports, self._ports = self._ports, []
        for sockets in self._sockets.values():
            for one in sockets[1:]:
                one.close()
        self._sockets.clear()
        for port in ports:
            await maybeDeferred(port.stopListening)


def _more(first: socket.socket, count: int, backlog: int) -> list[socket.socket]:
    """Further sockets on the port of ``first``. That one was bound without SO_REUSEPORT, so that a port that another
    program has is noticed."""
    first.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    found: list[socket.socket] = []
    for _ in range(count):
        one = socket.socket(first.family, socket.SOCK_STREAM)
        found.append(one)
        one.setblocking(False)
        one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        if first.family == socket.AF_INET6:
            only = first.getsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY)
            one.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, only)
        one.bind(first.getsockname())
        one.listen(backlog)
    return found


class _NoConnections(Factory):
    """For sockets that are not accepted from."""

    noisy = False
    protocol = Protocol


class _AdoptedUnixPort(UnixPort):
    """Stops accepting without ending the socket for the others who have it; its path is the supervisor's to remove.
    TCP's does so by itself."""

    _shouldShutdown = False

    def connectionLost(self, reason: Failure) -> None:
        TcpPort.connectionLost(self, reason)


@implementer(IStreamServerEndpoint)
class AdoptedEndpoint:
    """An endpoint that is a listening socket already; the descriptor belongs to it."""

    def __init__(self, reactor: Any, descriptor: int) -> None:
        self._reactor = reactor
        self._socket = socket.socket(fileno=descriptor)

    def listen(self, protocolFactory: Any) -> Deferred[IListeningPort]:
        """See IStreamServerEndpoint."""
        self._socket.setblocking(False)
        number, family = self._socket.fileno(), self._socket.family
        port: Any
        if family == socket.AF_UNIX:
            port = _AdoptedUnixPort._fromListeningDescriptor(self._reactor, number, protocolFactory)
            port.startListening()
        else:
            port = self._reactor.adoptStreamPort(number, family, protocolFactory)
        self._socket.close()
        return succeed(port)
