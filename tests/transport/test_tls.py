"""TLS on the wire: versions, ciphers, one record for the first words, renewal, and who never finishes."""

import socket
import ssl
import subprocess
from pathlib import Path
from time import monotonic

from twisted.trial.unittest import SynchronousTestCase

from orosync.errors import ConfigError
from orosync.transport.frames import server_frame
from orosync.transport.tls import SUITES, ReloadingCredentials, self_signed
from orosync.transport.upgrade import accepted
from tests.support.listeners import Client, ListenerCase
from tests.support.wires import KEY, RecordingSession, client_frame, close_code, upgrade


class CredentialsTests(SynchronousTestCase):
    def setUp(self) -> None:
        directory = Path(self.mktemp())
        directory.mkdir()
        self.certificate, self.key = directory / "certificate.pem", directory / "key.pem"
        self_signed(self.certificate, self.key)

    def test_files_that_cannot_be_used(self) -> None:
        """Each fault names its file, and nothing of its content."""
        good = self.key.read_bytes()
        self_signed(self.certificate.with_name("other.pem"), self.key.with_name("otherkey.pem"))
        other = self.key.with_name("otherkey.pem").read_bytes()
        for content, words in [
            (b"SECRET", "key.pem: not a PEM"),
            (other, "key.pem: does not belong"),
            (b"", "key.pem: not a PEM"),
        ]:
            self.key.write_bytes(content)
            with self.assertRaises(ConfigError) as caught:
                ReloadingCredentials(self.certificate, self.key)
            (fault,) = caught.exception.faults
            self.assertIn(words, fault)
            self.assertNotIn("SECRET", fault)
        self.key.write_bytes(good)
        self.certificate.unlink()
        with self.assertRaises(ConfigError) as caught:
            ReloadingCredentials(self.certificate, self.key)
        self.assertIn("certificate.pem: No such file", caught.exception.faults[0])


class TlsListenerCase(ListenerCase):
    def setUp(self) -> None:
        super().setUp()
        directory = Path(self.mktemp())
        directory.mkdir()
        self.certificate, self.key = directory / "certificate.pem", directory / "key.pem"
        self_signed(self.certificate, self.key)
        self.credentials = ReloadingCredentials(self.certificate, self.key)

    def trusting(self) -> ssl.SSLContext:
        return ssl.create_default_context(cafile=self.certificate)


class NegotiationTests(TlsListenerCase):
    async def openssl(self, port: int, *options: str) -> str:
        """What `openssl s_client` says of a connection."""

        def run() -> str:
            command = ["openssl", "s_client", "-connect", f"127.0.0.1:{port}", *options]
            done = subprocess.run(command, input=b"", capture_output=True, timeout=15, check=False)
            return (done.stdout + done.stderr).decode("latin-1")

        return await self.beside(run)

    async def test_versions(self) -> None:
        """1.2 and 1.3, nothing older."""
        port = await self.listen(self.credentials)
        self.assertIn("New, TLSv1.3, Cipher is TLS_", await self.openssl(port, "-tls1_3"))
        self.assertIn("New, TLSv1.2, Cipher is ECDHE-", await self.openssl(port, "-tls1_2"))
        for old in ("-tls1_1", "-tls1"):
            self.assertIn("Cipher is (NONE)", await self.openssl(port, old, "-cipher", "ALL:@SECLEVEL=0"))

    async def test_ciphers(self) -> None:
        """Of TLS 1.2's suites only those with forward secrecy and authenticated encryption."""
        port = await self.listen(self.credentials)
        listed = await self.beside(subprocess.check_output, ["openssl", "ciphers", "-tls1_2", "-s", "ALL:!PSK:!SRP"])
        taken = set()
        for cipher in listed.decode().strip().split(":"):
            if not cipher.startswith("TLS_") and ("ECDSA" in cipher or cipher.startswith("AES") or "ADH" in cipher):
                said = await self.openssl(port, "-tls1_2", "-cipher", f"{cipher}:@SECLEVEL=0")
                if "Cipher is (NONE)" not in said:
                    taken.add(cipher)
        self.assertEqual(
            taken, {"ECDHE-ECDSA-AES128-GCM-SHA256", "ECDHE-ECDSA-AES256-GCM-SHA384", "ECDHE-ECDSA-CHACHA20-POLY1305"}
        )

    async def test_suites(self) -> None:
        """Of TLS 1.3's suites the first one is preferred, whatever the client prefers; clients may have others."""
        port = await self.listen(self.credentials)
        first, second, third = SUITES.decode().split(":")
        for offered, expected in ((f"{third}:{second}:{first}", first), (f"{third}:{second}", second), (third, third)):
            said = await self.openssl(port, "-tls1_3", "-ciphersuites", offered)
            self.assertIn(f"New, TLSv1.3, Cipher is {expected}", said)

    async def test_a_whole_chain_is_sent(self) -> None:
        """Intermediate certificates follow the first in the same file."""
        self.certificate.write_bytes(self.certificate.read_bytes() * 3)
        self.credentials.reload()
        said = await self.openssl(await self.listen(self.credentials), "-showcerts")
        self.assertEqual(said.count("-----BEGIN CERTIFICATE-----"), 3)

    async def test_no_compression_and_no_renegotiation(self) -> None:
        """Neither is offered; a client that asks to renegotiate is turned down."""
        port = await self.listen(self.credentials)
        self.assertIn("Compression: NONE", await self.openssl(port, "-tls1_2"))

        def renegotiate() -> str:
            command = ["openssl", "s_client", "-connect", f"127.0.0.1:{port}", "-tls1_2"]
            done = subprocess.run(command, input=b"R\n", capture_output=True, timeout=15, check=False)
            return (done.stdout + done.stderr).decode("latin-1")

        said = await self.beside(renegotiate)
        self.assertIn("RENEGOTIATING", said)
        self.assertRegex(said, "no renegotiation|handshake failure|unexpected message|alert")


class WireTests(TlsListenerCase):
    async def test_the_first_words_share_a_record_with_the_101(self) -> None:
        """Over TLS too, Oro's publisher reads once: a read gives at most one record."""
        port = await self.listen(self.credentials)
        self.host.make = lambda: RecordingSession(greeting=b'[0,"sid",1,"orosync"]')
        context = self.trusting()

        def visit() -> bytes:
            client = Client(port, context)
            client.send(upgrade())
            try:
                return client.once()
            finally:
                client.close()

        for _ in range(20):
            self.assertEqual(await self.beside(visit), accepted(KEY, "wamp") + b'\x81\x15[0,"sid",1,"orosync"]')

    async def test_nagle_is_off(self) -> None:
        """On the socket beneath TLS as without it."""
        port = await self.listen(self.credentials)
        client = await self.client(port, tls=self.trusting())
        await self.beside(client.upgrade)
        handle = self.host.sessions[0].link.transport.transport.getHandle()
        self.assertEqual(handle.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY), 1)

    async def test_messages_and_closing(self) -> None:
        """Large and small, both ways, and a clean end."""
        port = await self.listen(self.credentials)
        client = await self.client(port, tls=self.trusting())
        await self.beside(client.upgrade)
        session = self.host.sessions[0]
        session.on_message = lambda data, binary: session.link.push(server_frame(data, binary))
        for size in (0, 1, 125, 126, 16384, 65535, 65536):
            payload = b"x" * size
            client.send(client_frame(payload, 2, mask=b"\0\0\0\0"))
            expected = server_frame(payload, True)
            self.assertEqual(await self.beside(client.exactly, len(expected)), expected, size)
        session.link.close(1001, "")
        self.assertEqual(await self.beside(client.exactly, 4), b"\x88\x02\x03\xe9")
        client.send(client_frame(b"\x03\xe9", 8))
        self.assertEqual(await self.beside(client.until_end), b"")
        await session.ended
        self.assertEqual(session.ends, [(True, 1001, "")])

    async def test_a_refusal(self) -> None:
        """Plain HTTP inside TLS, and the end, even if the client does not say goodbye to TLS."""
        port = await self.listen(self.credentials)
        client = await self.client(port, tls=self.trusting())
        client.send(upgrade(origin="https://evil.example"))
        self.assertTrue((await self.beside(client.until_end)).startswith(b"HTTP/1.1 403 Forbidden\r\n"))

    async def test_a_slow_reader_is_cut(self) -> None:
        """The bound holds for what TLS has encrypted already."""
        port = await self.listen(self.credentials)
        client = await self.client(port, tls=self.trusting(), buffer=4096)
        await self.beside(client.upgrade)
        session = self.host.sessions[0]
        frame = server_frame(b"x" * 60000, True)
        began = monotonic()
        while not session.ends and monotonic() - began < 15:
            session.link.push(frame)
            await self.beside(lambda: None)
        self.assertEqual(self.journal.kinds("consumer.cut"), ["queue_full"])

    async def test_a_client_that_never_finishes_the_tls_handshake(self) -> None:
        """The handshake's time begins at accept: half a ClientHello does not stay."""
        port = await self.listen(self.credentials, handshake_timeout=0.3)
        client = await self.client(port)
        client.send(b"\x16\x03\x01\x02\x00\x01\x00")
        await self.beside(client.until_end)
        await self.until(lambda: self.factories[0].connection_limit.inside == 0)
        self.assertEqual(self.journal.kinds("handshake.refused"), ["timeout"])

    async def test_plain_http_on_a_tls_port(self) -> None:
        """It is not TLS, so it ends; nothing is logged as an error."""
        port = await self.listen(self.credentials)
        client = await self.client(port)
        client.send(upgrade())
        await self.beside(client.until_end)
        await self.until(lambda: self.factories[0].connection_limit.inside == 0)
        self.assertEqual((self.journal.notes, self.journal.counts), ([], [("handshake.lost", "silent")]))

    async def test_a_full_listener(self) -> None:
        """Hangs up before TLS begins."""
        port = await self.listen(self.credentials, max_connections=1)
        await self.beside((await self.client(port, tls=self.trusting())).upgrade)

        def visit() -> bytes:
            try:
                client = Client(port)
            except ConnectionResetError:
                return b""
            try:
                return client.until_end()
            finally:
                client.close()

        self.assertEqual(await self.beside(visit), b"")
        self.assertEqual(self.journal.kinds("connection.refused"), ["too_many"])

    async def test_those_who_wait(self) -> None:
        """TLS does not begin before it is their turn; one who hangs up meanwhile is not waited for."""
        keys = {"max_unauthenticated": 5, "connection_rate": 2, "connection_burst": 1}
        port = await self.listen(self.credentials, **keys)
        crowd = [await self.client(port) for _ in range(3)]
        connection_limit = self.factories[0].connection_limit
        await self.until(lambda: connection_limit.unauthenticated == 3)
        gone = await self.client(port)
        await self.until(lambda: len(connection_limit._delayed) == 1)
        gone.close()
        served = await self.beside(lambda: Client(port, tls=self.trusting()))
        self.addCleanup(served.close)
        self.assertIn(b" 101 ", await self.beside(served.upgrade))
        self.assertEqual(self.journal.kinds("connection.delayed"), ["rate"] * 2)
        await self.until(lambda: connection_limit.inside == 4)
        for client in crowd:
            client.close()

    async def test_behind_a_proxy(self) -> None:
        """Its client is only known when TLS is there: then it is told."""
        keys = {"max_unauthenticated": 3, "unauthenticated_per_address": 1, "trusted_proxies": ["127.0.0.0/8"]}
        port = await self.listen(self.credentials, **keys)

        def silent() -> RecordingSession:
            session = RecordingSession()
            session.authenticates = False
            return session

        self.host.make = silent
        header = "X-Forwarded-For: 198.51.100.1\r\n"
        answers = []
        for _ in range(3):
            client = await self.client(port, tls=self.trusting())
            answers.append((await self.beside(lambda client=client: client.upgrade(extra=header)))[9:12])
        self.assertEqual(answers, [b"101", b"101", b"503"])
        self.assertEqual(self.journal.kinds("connection.refused"), ["too_many_of_address"])


class RenewalTests(TlsListenerCase):
    async def served(self, port: int) -> str:
        def ask() -> str:
            return ssl.get_server_certificate(("127.0.0.1", port), timeout=10)

        return (await self.beside(ask)).strip()

    async def test_reload(self) -> None:
        """New connections get the new certificate, those there live on; a broken file changes nothing."""
        port = await self.listen(self.credentials)
        client = await self.client(port, tls=self.trusting())
        await self.beside(client.upgrade)
        first = self.certificate.read_text().strip()
        self.assertEqual(await self.served(port), first)
        self_signed(self.certificate, self.key)
        second = self.certificate.read_text().strip()
        self.assertEqual(await self.served(port), first)
        self.credentials.reload()
        self.assertEqual(await self.served(port), second)
        self.key.write_text("broken")
        self.assertRaises(ConfigError, self.credentials.reload)
        self.assertEqual(await self.served(port), second)
        client.send(client_frame(b"\x03\xe8", 8))
        self.assertEqual(close_code(await self.beside(client.exactly, 4)), 1000)
