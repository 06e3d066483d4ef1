"""A listener on real sockets: what is set on a connection, who is turned away."""

import socket
from time import monotonic

from orosync.model import Traits
from orosync.transport.answers import ANSWERS
from tests.support.listeners import ListenerCase
from tests.support.wires import RecordingSession


class AcceptTests(ListenerCase):
    async def test_nagle_is_off(self) -> None:
        """Small events must not wait for an acknowledgement; autobahn alone would leave it on."""
        port = await self.listen()
        client = await self.client(port)
        await self.beside(client.upgrade)
        handle = self.host.sessions[0].link.transport.getHandle()
        self.assertEqual(handle.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY), 1)
        self.assertEqual(handle.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE), 0)

    async def test_the_publishers_connection_is_kept_alive_by_tcp(self) -> None:
        """Who is never pinged is still found out when it is gone."""
        port = await self.listen()
        self.host.make = lambda: RecordingSession(Traits(pinged=False))
        client = await self.client(port)
        await self.beside(client.upgrade)
        handle = self.host.sessions[0].link.transport.getHandle()
        self.assertEqual(handle.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE), 1)
        self.assertEqual(handle.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE), 60)

    async def test_a_full_listener_says_so(self) -> None:
        """Whoever comes too many gets 503, is noted, and may come again when there is room."""
        port = await self.listen(max_connections=1)
        first = await self.client(port)
        await self.beside(first.upgrade)
        self.assertEqual(await self.beside((await self.client(port)).until_end), ANSWERS[503])
        self.assertEqual(self.journal.kinds("connection.refused"), ["too_many"])
        first.close()
        await self.until(lambda: self.factories[0].turnstile.inside == 0)
        self.assertIn(b" 101 ", await self.beside((await self.client(port)).upgrade))

    async def test_a_silent_client_is_dropped(self) -> None:
        """The time for the handshake is bounded on the wire as well."""
        port = await self.listen(handshake_timeout=0.3)
        client = await self.client(port)
        began = monotonic()
        self.assertEqual(await self.beside(client.until_end), b"")
        self.assertTrue(0.3 <= monotonic() - began < 3)
