"""RawSocket without sockets: a listener in memory, frames made by hand, and a blocking client for real ones."""

from __future__ import annotations

import json
from typing import Any

from twisted.internet.address import IPv4Address

from orosync.model import ConnectionPolicy
from orosync.transport.factories import RawSocketFactory
from orosync.transport.listener import ListenerFactory
from orosync.transport.rawsocket import RawSocketConnection
from tests.support.wires import MemoryListener, MemoryWire, RecordingSession

HELLO = b"\x7f\xf1\0\0"
"""JSON, 16 MiB."""


def raw_frame(payload: bytes, first: int = 0) -> bytes:
    """A frame as the specification draws it: ``first`` octet, 24 bits of length, payload."""
    return bytes((first,)) + len(payload).to_bytes(3, "big") + payload


def said(message: Any) -> bytes:
    """A WAMP message in JSON, framed."""
    return raw_frame(json.dumps(message).encode())


class RawListener(MemoryListener):
    """A RawSocket listener without sockets."""

    def __init__(self, kind: type[ListenerFactory] = RawSocketFactory, **settings: Any) -> None:
        super().__init__(None, kind, **settings)

    def connect(self, peer: str = "192.0.2.7") -> tuple[Any, MemoryWire]:
        """An accepted connection that has sent nothing yet."""
        wire = MemoryWire(peer)
        link = self.factory.buildProtocol(IPv4Address("TCP", peer, 40000))
        link.makeConnection(wire)
        return link, wire

    def open(self, policy: ConnectionPolicy | None = None, *, serializer: int = 1, length: int = 15, **_: Any) -> Any:
        """A connection past its handshake, whose answer has been taken off the wire."""
        self.host.make = lambda: RecordingSession(policy)
        link, wire = self.connect()
        assert isinstance(link, RawSocketConnection)
        link.dataReceived(bytes((0x7F, length << 4 | serializer, 0, 0)))
        wire.clear()
        return link, wire, self.host.sessions[-1]
