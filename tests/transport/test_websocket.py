"""The listener on real sockets: what is set on a connection, what reaches the wire, who is turned away."""

import socket
from time import monotonic

from orosync.model import Traits
from orosync.transport.upgrade import accepted
from tests.support.listeners import Client, ListenerCase
from tests.support.wires import KEY, RecordingSession, client_frame, close_code, upgrade

PING, PONG = b"\x89\x00", client_frame(b"", 10)


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

    async def test_head_and_first_words_in_one_read(self) -> None:
        """One recv gives the 101 and WELCOME, a hundred times of a hundred."""
        port = await self.listen()
        self.host.make = lambda: RecordingSession(greeting=b'[0,"sid",1,"orosync"]')

        def visit() -> bytes:
            client = Client(port)
            client.send(upgrade())
            try:
                return client.once()
            finally:
                client.close()

        for _ in range(100):
            answer = await self.beside(visit)
            self.assertEqual(answer, accepted(KEY, "wamp") + b'\x81\x15[0,"sid",1,"orosync"]')

    async def test_a_full_listener_hangs_up(self) -> None:
        """Whoever comes too many is closed at accept, noted, and may come again when there is room."""
        port = await self.listen(max_connections=1)
        first = await self.client(port)
        await self.beside(first.upgrade)
        self.assertEqual(await self.beside((await self.client(port)).until_end), b"")
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

    async def test_every_close_code_of_the_standard(self) -> None:
        """Also those that autobahn keeps for itself: 1001, 1008, 1009, 1012."""
        port = await self.listen()
        for code in (1000, 1001, 1002, 1003, 1007, 1008, 1009, 1011, 1012, 1013, 3000, 4999):
            client = await self.client(port)
            await self.beside(client.upgrade)
            session = self.host.sessions[-1]
            session.link.close(code, "why")
            self.assertEqual(await self.beside(client.exactly, 7), b"\x88\x05" + code.to_bytes(2, "big") + b"why")
            client.send(client_frame(code.to_bytes(2, "big"), 8))
            self.assertEqual(await self.beside(client.until_end), b"")
            await session.ended
            self.assertEqual(session.ends, [(True, code, "")])

    async def test_a_ping_that_is_not_answered(self) -> None:
        """On the wire: the ping, then the end."""
        port = await self.listen(ping_interval=0.2, ping_timeout=0.2)
        client = await self.client(port)
        await self.beside(client.upgrade)
        self.assertEqual(await self.beside(client.until_end), PING)
        await self.host.sessions[0].ended
        self.assertEqual(self.journal.kinds("consumer.cut"), ["ping_timeout"])

    async def test_a_message_too_large(self) -> None:
        """The peer learns 1009 before the connection ends."""
        port = await self.listen()
        client = await self.client(port)
        await self.beside(client.upgrade)
        client.send(client_frame(b"x" * 65537, 2))
        frames = await self.beside(client.until_end)
        self.assertEqual(close_code(frames), 1009)
