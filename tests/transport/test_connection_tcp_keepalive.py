"""TCP keep-alive on a real socket, and on what has none."""

import socket
from typing import Any

from twisted.internet.tcp import Server
from twisted.internet.testing import StringTransport
from twisted.trial.unittest import SynchronousTestCase

from orosync.transport.connection import enable_tcp_keepalive


class Handled(Server):
    """A socket of Twisted's that no reactor serves."""

    def __init__(self, plain: socket.socket) -> None:
        self.socket = plain


class TcpKeepaliveTests(SynchronousTestCase):
    def test_a_socket(self) -> None:
        """A dead peer is found after a minute of silence and four probes, a quarter of a minute apart."""
        with socket.socket() as plain:
            transport: Any = Handled(plain)
            enable_tcp_keepalive(transport, transport)
            self.assertEqual(plain.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE), 1)
            found = [
                plain.getsockopt(socket.IPPROTO_TCP, getattr(socket, name))
                for name in ("TCP_KEEPIDLE", "TCP_KEEPINTVL", "TCP_KEEPCNT")
            ]
            self.assertEqual(found, [60, 15, 4])

    def test_what_has_none(self) -> None:
        """A UNIX socket, or a transport of another kind, is left as it is."""
        transport = StringTransport()
        enable_tcp_keepalive(transport, transport)
        with socket.socket(socket.AF_UNIX) as plain:
            unix: Any = Handled(plain)
            enable_tcp_keepalive(unix, unix)
