"""The two ends of TLS in memory: the server's is orosync's own, the client's the standard library's."""

from __future__ import annotations

import contextlib
import ssl
from pathlib import Path
from typing import Any

from orosync.transport.tls import ReloadingCredentials, self_signed


class TlsClient:
    """The client's end."""

    def __init__(self, certificate: Path) -> None:
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        context = ssl.create_default_context(cafile=str(certificate))
        self._tls = context.wrap_bio(self._incoming, self._outgoing, server_hostname="localhost")

    def hello(self) -> bytes:
        """The next bytes of its handshake."""
        with contextlib.suppress(ssl.SSLWantReadError):
            self._tls.do_handshake()
        return self._outgoing.read()

    def take(self, data: bytes) -> None:
        """What the server has sent."""
        self._incoming.write(data)

    def read(self) -> list[bytes]:
        """The content of each record that has arrived, until the server says goodbye."""
        records = []
        with contextlib.suppress(ssl.SSLWantReadError, ssl.SSLZeroReturnError):
            while record := self._tls.read(1 << 15):
                records.append(record)
        return records

    def write(self, data: bytes) -> bytes:
        """What the client sends for ``data``."""
        self._tls.write(data)
        return self._outgoing.read()

    def goodbye(self) -> bytes:
        """Its close_notify."""
        with contextlib.suppress(ssl.SSLWantReadError):
            self._tls.unwrap()
        return self._outgoing.read()


class TlsFilesPair:
    """A certificate for localhost and its key in ``directory``, which is made."""

    def __init__(self, directory: Path) -> None:
        directory.mkdir()
        self.certificate, self.key = directory / "certificate.pem", directory / "key.pem"
        self_signed(self.certificate, self.key)
        self.credentials = ReloadingCredentials(self.certificate, self.key)

    def client(self) -> TlsClient:
        return TlsClient(self.certificate)

    def server(self) -> Any:
        """A connection of OpenSSL's for the server's end."""
        connection = self.credentials.serverConnectionForTLS(None)
        connection.set_accept_state()
        return connection
