"""The listener on real sockets: what is set on a connection, what reaches the wire, who is turned away."""

from orosync.transport.upgrade import accepted
from tests.support.listeners import Client, ListenerCase
from tests.support.wires import KEY, RecordingSession, client_frame, close_code, upgrade

PING, PONG = b"\x89\x00", client_frame(b"", 10)


class AcceptTests(ListenerCase):
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

    async def test_every_close_code_of_the_standard(self) -> None:
        """Also those that autobahn keeps for itself: 1001, 1008, 1009, 1012. After those of a failure our side ends at
        once and the peer's answer is not looked at."""
        port = await self.listen()
        for code in (1000, 1001, 1002, 1003, 1007, 1008, 1009, 1011, 1012, 1013, 3000, 4999):
            client = await self.client(port)
            await self.beside(client.upgrade)
            session = self.host.sessions[-1]
            session.link.close(code, "why")
            self.assertEqual(await self.beside(client.exactly, 7), b"\x88\x05" + code.to_bytes(2, "big") + b"why")
            failed = code in (1002, 1003, 1007, 1008, 1009, 1011)
            if failed:
                self.assertEqual(await self.beside(client.until_end), b"")
            client.send(client_frame(code.to_bytes(2, "big"), 8))
            client.close() if failed else self.assertEqual(await self.beside(client.until_end), b"")
            await session.ended
            self.assertEqual(
                session.ends, [(False, None, f"closed by us with {code}: why") if failed else (True, code, "")]
            )

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
