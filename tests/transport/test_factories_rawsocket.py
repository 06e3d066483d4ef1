"""T2: the RawSocket listener on real sockets, over TCP, TLS and a UNIX socket."""

import socket
import ssl
import tempfile
from pathlib import Path
from time import monotonic

from twisted.internet import reactor
from twisted.internet.endpoints import UNIXServerEndpoint

from orosync.transport.factories import RawSocketFactory
from orosync.transport.tls import ReloadingCredentials, self_signed
from tests.support.listeners import Client, ListenerCase
from tests.support.raw_wires import HELLO, raw_frame
from tests.support.settings import listener_settings


class RawSocketTests(ListenerCase):
    """T2."""

    async def test_over_tcp(self) -> None:
        """Nagle is off and TCP's keep-alive on; messages and answers go both ways."""
        port = await self.listen(kind=RawSocketFactory)
        client = await self.client(port)
        client.send(HELLO + raw_frame(b"x"))
        self.assertEqual(await self.beside(client.exactly, 4), b"\x7f\x71\0\0")
        session = self.host.sessions[0]
        handle = session.link.transport.getHandle()
        self.assertEqual(handle.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY), 1)
        self.assertEqual(handle.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE), 1)
        self.assertEqual(handle.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE), 60)
        session.link.send(session.link.framer(b"event", False))
        self.assertEqual(await self.beside(client.exactly, 9), raw_frame(b"event"))
        self.assertEqual(session.messages, [(b"x", False)])

    async def test_over_tls(self) -> None:
        """The same, with the listener's certificate; closing ends TLS properly, behind what was queued."""
        directory = Path(tempfile.mkdtemp())
        files = directory / "certificate.pem", directory / "key.pem"
        self_signed(*files)
        port = await self.listen(ReloadingCredentials(*files), kind=RawSocketFactory)
        context = ssl.create_default_context(cafile=str(files[0]))
        client = await self.client(port, tls=context)
        client.send(HELLO)
        self.assertEqual(await self.beside(client.exactly, 4), b"\x7f\x71\0\0")
        session = self.host.sessions[0]
        self.assertTrue(session.link.facts.tls)
        session.link.push(session.link.framer(b"goodbye", False))
        session.link.close(1001, "restarting")
        self.assertEqual(await self.beside(client.until_end), raw_frame(b"goodbye"))

    async def test_over_a_unix_socket(self) -> None:
        """It has no address, no Nagle and no keep-alive; none of that is missed."""
        path = Path(tempfile.mkdtemp()) / "socket"
        factory = RawSocketFactory(listener_settings(name="local"), self.host, self.journal, reactor)
        listening = await UNIXServerEndpoint(reactor, str(path)).listen(factory)
        self.addCleanup(listening.stopListening)
        with socket.socket(socket.AF_UNIX) as client:
            client.settimeout(10)
            client.connect(str(path))
            client.sendall(HELLO)
            self.assertEqual(await self.beside(client.recv, 100), b"\x7f\x71\0\0")
            self.assertEqual(self.host.facts[0].address, "unix")
            self.host.sessions[0].link.close(1000, "done")
            self.assertEqual(await self.beside(client.recv, 100), b"")
        await self.host.sessions[0].ended

    async def test_a_full_listener_says_so(self) -> None:
        """Error 4, noted; and a client that comes when there is room is accepted."""
        port = await self.listen(kind=RawSocketFactory, max_connections=1)
        first = await self.client(port)
        first.send(HELLO)
        await self.beside(first.exactly, 4)
        self.assertEqual(await self.beside((await self.client(port)).until_end), b"\x7f\x40\0\0")
        self.assertEqual(self.journal.kinds("connection.refused"), ["too_many"])
        first.close()
        await self.until(lambda: self.factories[0].connection_limit.inside == 0)
        again = await self.client(port)
        again.send(HELLO)
        self.assertEqual(await self.beside(again.exactly, 4), b"\x7f\x71\0\0")

    async def test_refusals_arrive(self) -> None:
        """On the wire, before the end."""
        port = await self.listen(kind=RawSocketFactory)
        for stream, answer in ((b"\x7f\xf9\0\0", b"\x7f\x10\0\0"), (b"\x7f\xf1\1\0", b"\x7f\x30\0\0"), (b"GET /", b"")):
            client = await self.client(port)
            client.send(stream)
            self.assertEqual(await self.beside(client.until_end), answer)

    async def test_a_silent_client_is_dropped(self) -> None:
        """The time for the handshake is bounded."""
        port = await self.listen(kind=RawSocketFactory, handshake_timeout=0.3)
        client = await self.client(port)
        began = monotonic()
        self.assertEqual(await self.beside(client.until_end), b"")
        self.assertTrue(0.3 <= monotonic() - began < 3)

    async def test_who_does_not_read_is_cut(self) -> None:
        """Past send_buffer_limit, noted with the kind; a neighbour hears everything meanwhile."""
        port = await self.listen(kind=RawSocketFactory, send_buffer_limit=100_000)
        slow, neighbour = await self.client(port, buffer=4096), await self.client(port)
        for client in (slow, neighbour):
            client.send(HELLO)
            await self.beside(client.exactly, 4)
        links = [session.link for session in self.host.sessions]
        frame = links[0].framer(b"x" * 50_000, False)
        heard = self.beside(neighbour.exactly, 200 * len(frame))

        async def send() -> None:
            for _ in range(200):
                for link in links:
                    link.push(frame)
                await self.until(lambda: not (links[1]._queue or links[1].backlog()))

        await send()
        self.assertEqual(await heard, frame * 200)
        self.assertEqual(self.journal.kinds("consumer.cut"), ["queue_full"])

    async def test_a_flood_of_pings(self) -> None:
        """A client that pings without reading is cut by the same bound as any that does not read."""
        port = await self.listen(kind=RawSocketFactory, send_buffer_limit=100_000)

        def flood() -> bool:
            client = Client(port, buffer=4096)
            try:
                client.send(HELLO)
                for _ in range(2000):
                    client.send(raw_frame(b"p" * 10_000, 1))
            except OSError:
                return True
            finally:
                client.close()
            return False

        self.assertTrue(await self.beside(flood))
        self.assertEqual(self.journal.kinds("consumer.cut"), ["queue_full"])
