"""The write queue over TLS on real sockets: what a client gets, with pyOpenSSL's binding and without."""

from __future__ import annotations

import socket
import ssl
import struct
import subprocess
import threading
from pathlib import Path
from typing import Any

from orosync.transport import tls_buffers
from orosync.transport.frames import server_frame
from tests.support.listeners import Client, ListenerCase
from tests.support.tls_pairs import TlsFilesPair
from tests.support.wires import client_frame, server_frames, upgrade


class OpensslClient:
    """`openssl s_client`: its commands renew keys and renegotiate, which the standard library cannot do."""

    def __init__(self, port: int, *options: str) -> None:
        command = ["openssl", "s_client", "-connect", f"127.0.0.1:{port}", *options]
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, bufsize=0
        )
        self.said = b""
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        while some := self.process.stdout.read(65536):
            self.said += some

    def type(self, data: bytes) -> None:
        """One read of its standard input: a command where the first byte is one."""
        assert self.process.stdin is not None
        self.process.stdin.write(data)

    def end(self) -> None:
        self.process.kill()
        self.process.wait()
        self._reader.join()
        for pipe in (self.process.stdin, self.process.stdout):
            assert pipe is not None
            pipe.close()


class NetworkContract:
    """On real sockets, with the reactor."""

    case: Any
    known = True

    def setUp(self) -> None:
        self.case.patch(tls_buffers, "KNOWN", self.known)
        super().setUp()  # type: ignore[misc]
        self.files = TlsFilesPair(Path(self.case.mktemp()))

    def trusting(self) -> ssl.SSLContext:
        return ssl.create_default_context(cafile=str(self.files.certificate))

    async def openssl(self, port: int, *options: str) -> tuple[OpensslClient, Any]:
        """One that has opened the WebSocket, and its session, which answers each message with it."""
        client = OpensslClient(port, *options)
        self.case.addCleanup(client.end)
        before = len(self.case.host.sessions)
        await self.case.until(lambda: b"Verify return code" in client.said)
        client.type(upgrade())
        await self.case.until(lambda: b" 101 " in client.said and len(self.case.host.sessions) > before)
        session = self.case.host.sessions[-1]
        session.on_message = lambda data, binary: session.link.send(server_frame(data, binary))
        return client, session

    async def test_key_update(self) -> None:
        """RFC 8446 section 4.6.3: our KeyUpdate goes before the first record with the new key, each time anew."""
        port = await self.case.listen(self.files.credentials)
        client, session = await self.openssl(port, "-tls1_3")
        for number in range(3):
            client.type(b"K\n")
            await self.case.until(lambda number=number: client.said.count(b"KEYUPDATE") == number + 1)
            client.type(client_frame(b"asked %d" % number))
            await self.case.until(lambda number=number: b"asked %d" % number in client.said)
            session.link.push(server_frame(b"pushed %d" % number, False))
            await self.case.until(lambda number=number: b"pushed %d" % number in client.said)
        self.case.assertEqual(len(session.messages), 3)

    async def test_a_client_that_asks_for_short_records(self) -> None:
        """RFC 6066 section 4: what is longer than its records arrives whole, in several of them."""
        port = await self.case.listen(self.files.credentials)
        for version in ("-tls1_2", "-tls1_3"):
            client, session = await self.openssl(port, version, "-maxfraglen", "512")
            for number, size in enumerate((500, 512, 513, 5_000, 40_000)):
                event = b"%d:" % number + b"x" * size + b":%d" % number
                session.link.scheduler.idle = True
                session.link.send(server_frame(event, False))
                session.link.scheduler.idle = False
                await self.case.until(lambda event=event, client=client: event in client.said)

    async def test_renegotiation(self) -> None:
        """It is refused to the one who asks, and nobody else notices."""
        port = await self.case.listen(self.files.credentials)
        other = await self.case.client(port, tls=self.trusting())
        await self.case.beside(other.upgrade)
        client, session = await self.openssl(port, "-tls1_2")
        client.type(b"R\n")
        await self.case.until(lambda: client.process.poll() is not None)
        await session.ended
        self.case.assertRegex(client.said, b"no.renegotiation")
        self.case.host.sessions[0].link.send(server_frame(b"well", False))
        self.case.assertEqual(await self.case.beside(other.once), server_frame(b"well", False))

    async def test_order_under_pressure(self) -> None:
        """A reader that is slow gets everything once and in order: sent at once, queued, or held back by the socket."""
        port = await self.case.listen(self.files.credentials, send_buffer_limit=64 << 20)
        client: Client = await self.case.client(port, tls=self.trusting(), buffer=4096)
        await self.case.beside(client.upgrade)
        session = self.case.host.sessions[0]
        numbers = iter(range(1 << 20))
        expected = []

        def burst(data: bytes, binary: bool) -> None:
            for size in (10, 20_000, 100, 70_000, 5):
                expected.append(b"%d:" % next(numbers) + b"x" * size)
                session.link.send(server_frame(expected[-1], True))
            expected.append(b"%d" % next(numbers))
            session.link.push(server_frame(expected[-1], True))

        session.on_message = burst
        handle = session.link.transport.transport.getHandle()
        handle.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 16384)
        for question in range(30):
            client.send(client_frame(b"go"))
            await self.case.until(lambda question=question: len(session.messages) == question + 1)
        self.case.assertGreater(session.link.backlog(), 100_000)
        frames, rest = server_frames(
            await self.case.beside(client.exactly, sum(len(server_frame(one, True)) for one in expected))
        )
        self.case.assertEqual(([payload for _, payload in frames], rest), (expected, b""))
        await self.case.until(session.link.drained)
        client.send(client_frame(b"go"))
        first = server_frame(b"180:" + b"x" * 10, True)
        self.case.assertEqual(await self.case.beside(client.exactly, len(first)), first)

    async def test_a_peer_that_is_gone(self) -> None:
        """A reset is found out by the next event, whichever way it takes, and ends the session once."""
        port = await self.case.listen(self.files.credentials)
        client: Client = await self.case.client(port, tls=self.trusting())
        await self.case.beside(client.upgrade)
        session = self.case.host.sessions[0]
        session.link.transport.pauseProducing()  # or the end would be read first
        client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        client.close()
        session.link.scheduler.idle = True
        for number in range(3):
            session.link.send(server_frame(b"%d" % number, False))
        session.link.scheduler.idle = False
        await session.ended
        self.case.assertEqual(len(session.ends), 1)

    async def test_a_client_that_ends_its_half(self) -> None:
        """After its close_notify nothing more is sent than ours."""
        port = await self.case.listen(self.files.credentials)
        client: Client = await self.case.client(port, tls=self.trusting())
        await self.case.beside(client.upgrade)
        session = self.case.host.sessions[0]
        session.link.send(server_frame(b"before", False))
        self.case.assertEqual(await self.case.beside(client.once), server_frame(b"before", False))
        assert isinstance(client.socket, ssl.SSLSocket)
        plain = await self.case.beside(client.socket.unwrap)
        self.case.addCleanup(plain.close)
        session.link.send(server_frame(b"behind", False))
        plain.settimeout(5)
        self.case.assertEqual(await self.case.beside(plain.recv, 100), b"")
        await session.ended


class BoundNetworkTests(NetworkContract, ListenerCase):
    @property
    def case(self) -> ListenerCase:
        return self


class PublicNetworkTests(NetworkContract, ListenerCase):
    known = False

    @property
    def case(self) -> ListenerCase:
        return self
