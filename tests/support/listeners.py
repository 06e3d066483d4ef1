"""Listeners on real sockets, and blocking clients for threads: the network as it is."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from twisted.internet import reactor as installed_reactor
from twisted.internet.defer import Deferred
from twisted.internet.endpoints import TCP4ServerEndpoint
from twisted.internet.interfaces import IOpenSSLServerConnectionCreator
from twisted.internet.task import deferLater
from twisted.internet.threads import deferToThread
from twisted.trial.unittest import TestCase

from orosync.transport.factories import WebSocketFactory
from orosync.transport.listener import ListenerFactory
from orosync.transport.tls import secured
from tests.support.settings import listener_settings
from tests.support.wires import RecordingHost, RecordingJournal, upgrade

reactor: Any = installed_reactor
T = TypeVar("T")


class Client:
    """A blocking socket; each wait is bounded."""

    def __init__(self, port: int, tls: ssl.SSLContext | None = None, buffer: int = 0) -> None:
        plain = socket.socket()
        if buffer:
            plain.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer)
        plain.settimeout(10)
        plain.connect(("127.0.0.1", port))
        self.socket: socket.socket = tls.wrap_socket(plain, server_hostname="localhost") if tls else plain

    def send(self, data: bytes) -> None:
        self.socket.sendall(data)

    def once(self, size: int = 65536) -> bytes:
        """What one recv gives."""
        return self.socket.recv(size)

    def until_end(self) -> bytes:
        """Everything until the server ends the connection, properly or not."""
        data = b""
        try:
            while chunk := self.socket.recv(65536):
                data += chunk
        except (ConnectionResetError, ssl.SSLEOFError):
            return data
        return data

    def exactly(self, size: int) -> bytes:
        data = b""
        while len(data) < size:
            chunk = self.socket.recv(size - len(data))
            if not chunk:
                raise EOFError(data)
            data += chunk
        return data

    def upgrade(self, **request: Any) -> bytes:
        """Open the WebSocket; returns the head of the answer, and leaves what comes behind it unread."""
        self.send(upgrade(**request))
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            byte = self.socket.recv(1)
            if not byte:
                raise EOFError(head)
            head += byte
        return head

    def close(self) -> None:
        self.socket.close()


class ListenerCase(TestCase):
    """Opens listeners on 127.0.0.1 and waits at the end until all their connections are gone."""

    timeout = 30

    def setUp(self) -> None:
        self.journal = RecordingJournal()
        self.host = RecordingHost()
        self.factories: list[ListenerFactory] = []

    async def listen(
        self,
        credentials: IOpenSSLServerConnectionCreator | None = None,
        kind: type[ListenerFactory] = WebSocketFactory,
        **settings: Any,
    ) -> int:
        """A listener's port number."""
        settings.setdefault("name", "public")
        settings.setdefault("origins", ("localhost",))
        made = listener_settings(tls=credentials is not None, **settings)
        factory = kind(made, self.host, self.journal, reactor)
        endpoint: Any = TCP4ServerEndpoint(reactor, 0, interface="127.0.0.1")
        if credentials is not None:
            endpoint = secured(endpoint, credentials, reactor)
        port = await endpoint.listen(factory)
        self.factories.append(factory)
        self.addCleanup(self.until, lambda: factory.connection_limit.inside == 0)
        self.addCleanup(port.stopListening)
        number: int = port.getHost().port
        return number

    def until(self, condition: Callable[[], bool], seconds: float = 8) -> Deferred[None]:
        """Wait, in bounds, until something has become true."""

        async def wait() -> None:
            for _ in range(int(seconds / 0.01)):
                if condition():
                    return
                await deferLater(reactor, 0.01, lambda: None)
            self.fail("it did not become true in time")

        return Deferred.fromCoroutine(wait())

    async def client(self, port: int, **options: Any) -> Client:
        client = await self.beside(Client, port, **options)
        self.addCleanup(client.close)
        return client

    def beside(self, call: Callable[..., T], *args: Any, **kwargs: Any) -> Awaitable[T]:
        """Run something blocking in a thread."""
        return deferToThread(call, *args, **kwargs)
