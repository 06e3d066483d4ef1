"""orosync.app.sockets: sockets that one process binds and others accept from."""

from __future__ import annotations

import os
import socket
import tempfile
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from twisted.internet import reactor
from twisted.internet.protocol import Factory, Protocol
from twisted.internet.task import deferLater
from twisted.logger import Logger, capturedLogs
from twisted.trial.unittest import TestCase

from orosync.app.opening import Opening
from orosync.app.sockets import AdoptedEndpoint, ListeningSockets


class Noting(Protocol):
    def connectionMade(self) -> None:
        self.factory.made += 1  # type: ignore[attr-defined]
        self.transport.write(b"x")  # type: ignore[union-attr]
        self.transport.loseConnection()  # type: ignore[union-attr]


def section(name: str, endpoint: str) -> Any:
    return SimpleNamespace(name=name, endpoint=endpoint, transport="websocket", tls=False)


class SocketsCase(TestCase):
    def setUp(self) -> None:
        self.paths: list[str] = []
        self.sockets = ListeningSockets(Opening(reactor, Logger(), self.paths), 2)
        self.addCleanup(self.sockets.close)
        self.ports: list[Any] = []
        self.addCleanup(self.stop)

    async def stop(self) -> None:
        for port in self.ports:
            await port.stopListening()

    def bind(self, *endpoints: str) -> None:
        self.sockets.bind(section(f"l{number}", text) for number, text in enumerate(endpoints))

    def accept(self, one: socket.socket) -> Any:
        """As a worker does, with a descriptor of its own."""
        factory: Any = Factory.forProtocol(Noting)
        factory.made = 0
        port = self.successResultOf(AdoptedEndpoint(reactor, os.dup(one.fileno())).listen(factory))
        self.ports.append(port)
        return factory

    async def settle(self, wanted: int, *factories: Any) -> None:
        for _ in range(200):
            if sum(one.made for one in factories) >= wanted:
                return
            await deferLater(reactor, 0.01)


class Tcp(SocketsCase):
    def test_each_worker_has_its_own(self) -> None:
        """On the same port, which another program cannot have."""
        self.bind("tcp:0:interface=127.0.0.1", "tcp:0:interface=\\:\\:1")
        for name in ("l0", "l1"):
            one, other = self.sockets.of(0)[name], self.sockets.of(1)[name]
            self.assertIsNot(one, other)
            self.assertEqual(one.getsockname(), other.getsockname())
            self.assertEqual(self.sockets.own(1)[name], other)
        with socket.socket() as third:
            third.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            self.assertRaises(OSError, third.bind, self.sockets.of(0)["l0"].getsockname())
        self.assertFalse(self.sockets.failed)

    async def test_connections_are_spread(self) -> None:
        """Over both, and none is accepted by who binds."""
        self.bind("tcp:0:interface=127.0.0.1")
        address = self.sockets.of(0)["l0"].getsockname()
        waiting = socket.create_connection(address)
        self.addCleanup(waiting.close)
        await deferLater(reactor, 0.05)
        one, other = self.accept(self.sockets.of(0)["l0"]), self.accept(self.sockets.of(1)["l0"])
        for _ in range(199):
            with socket.create_connection(address):
                pass
        await self.settle(200, one, other)
        self.assertEqual(one.made + other.made, 200)
        self.assertGreater(min(one.made, other.made), 50)

    async def test_one_that_stops_accepting_leaves_it_to_others(self) -> None:
        """The socket goes on; connections that wait in it are served by the next one."""
        self.bind("tcp:0:interface=127.0.0.1")
        address = self.sockets.of(0)["l0"].getsockname()
        for place in (0, 1):
            self.accept(self.sockets.of(place)["l0"])
        await self.stop()
        self.ports.clear()
        clients = [socket.create_connection(address) for _ in range(20)]
        again = [self.accept(self.sockets.of(place)["l0"]) for place in (0, 1)]
        await self.settle(20, *again)
        self.assertEqual(sum(one.made for one in again), 20)
        for client in clients:
            client.close()

    async def test_closed(self) -> None:
        """Nobody can connect any more."""
        self.bind("tcp:0:interface=127.0.0.1")
        address = self.sockets.of(0)["l0"].getsockname()
        await self.sockets.close()
        self.assertRaises(ConnectionRefusedError, socket.create_connection, address)

    def test_a_port_that_is_taken(self) -> None:
        """It is noticed, also when another router has it in the same way."""
        self.bind("tcp:0:interface=127.0.0.1")
        number = self.sockets.of(0)["l0"].getsockname()[1]
        second = ListeningSockets(Opening(reactor, Logger(), []), 2)
        with capturedLogs():
            second.bind([section("x", f"tcp:{number}:interface=127.0.0.1")])
        self.assertTrue(second.failed)


class Unix(SocketsCase):
    async def test_one_for_all(self) -> None:
        """All accept from it; when one stops, the path stays, until it is closed here."""
        path = Path(tempfile.mkdtemp()) / "socket"
        self.bind(f"unix:{path}")
        self.assertIs(self.sockets.of(0)["l0"], self.sockets.of(1)["l0"])
        self.assertEqual(self.sockets.own(0), {})
        self.accept(self.sockets.of(0)["l0"])
        await self.stop()
        self.ports.clear()
        self.assertTrue(path.is_socket())
        other = self.accept(self.sockets.of(1)["l0"])
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(str(path))
            await self.settle(1, other)
        self.assertEqual(other.made, 1)
        await self.sockets.close()
        self.assertFalse(path.exists())
        self.assertEqual(self.paths, [str(path)])
