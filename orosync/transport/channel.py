"""What TLS says of a connection beyond its bytes: the client's certificate, and ids to bind credentials to.

It must not know what either is good for.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from cryptography.hazmat.primitives.serialization import Encoding
from OpenSSL import SSL
from twisted.protocols.tls import TLSMemoryBIOProtocol

from orosync.model import NOTHING

Connection = Any
"""An OpenSSL.SSL.Connection (its types depend on which stubs are installed)."""

EXPORTER_LABEL = b"EXPORTER-Channel-Binding"
SIZE = 32


def connection_of(transport: Any) -> Connection | None:
    """The TLS connection under a transport, None for one without."""
    return transport.getHandle() if isinstance(transport, TLSMemoryBIOProtocol) else None


def client_certificate(connection: Connection | None) -> bytes | None:
    """The verified certificate of the client in DER; None where it gave none, or was asked for none."""
    certificate = None if connection is None else connection.get_peer_certificate(as_cryptography=True)
    return None if certificate is None else certificate.public_bytes(Encoding.DER)


def channel_ids(connection: Connection | None) -> Mapping[str, bytes]:
    """The ids of a connection by kind, each computed when it is asked for: nearly nobody does."""
    return NOTHING if connection is None else ChannelIds(connection)


def _tls_unique(connection: Connection) -> bytes | None:
    """RFC 5929 section 3: the first Finished message, which is the client's since no session is ever resumed here. As
    autobahn has it: hashed to 32 bytes, and in TLS 1.3 too (for which the RFC defines none)."""
    finished = connection.get_peer_finished()
    return None if finished is None else hashlib.sha256(finished).digest()


def _tls_exporter(connection: Connection) -> bytes | None:
    """RFC 9266 section 2; in TLS 1.3 alone, where it is unique without conditions."""
    if connection.get_protocol_version() != SSL.TLS1_3_VERSION:
        return None
    return bytes(connection.export_keying_material(EXPORTER_LABEL, SIZE, b""))


_KINDS: Mapping[str, Callable[[Connection], bytes | None]] = {
    "tls-unique": _tls_unique,
    "tls-exporter": _tls_exporter,
}


class ChannelIds(Mapping[str, bytes]):
    """32 bytes by kind; a kind that the connection cannot offer is not there."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def __getitem__(self, kind: str) -> bytes:
        channel_id = _KINDS[kind](self._connection)
        if channel_id is None:
            raise KeyError(kind)
        return channel_id

    def __iter__(self) -> Iterator[str]:
        return (kind for kind, compute in _KINDS.items() if compute(self._connection) is not None)

    def __len__(self) -> int:
        return sum(1 for _ in self)
