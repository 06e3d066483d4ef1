"""Resumed TLS sessions: with which clients, for how long, on which listeners not, and what a reload does to them."""

from __future__ import annotations

import socket
import ssl
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import attrs
import trustme
from OpenSSL import SSL
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from orosync.transport.tls import ReloadingCredentials, self_signed
from orosync.transport.tls_sessions import LIFETIME, TicketKeys
from tests.support.listeners import ListenerCase
from tests.support.wires import upgrade

VERSIONS = (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3)
OPTIONS = ("-tls1_2", "-tls1_3")


@attrs.frozen
class Visit:
    """One connection of a client: its session, whether that was resumed, the certificate that the server showed (a
    resumed session remembers it) and what it answered."""

    session: Any
    resumed: bool
    certificate: bytes
    answer: bytes


def visit(port: int, context: ssl.SSLContext, session: Any = None, request: bytes = b"", cut: int = 65536) -> Visit:
    """Connect and ask, by default for a WebSocket; what is sent leaves in pieces of ``cut`` bytes."""
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = context.wrap_bio(incoming, outgoing, server_hostname="localhost", session=session)
    with socket.create_connection(("127.0.0.1", port), 10) as plain:
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

        def pump(step: Callable[[], Any]) -> Any:
            while True:
                try:
                    return step()
                except ssl.SSLWantReadError:
                    pass
                finally:
                    data = outgoing.read()
                    for at in range(0, len(data), cut):
                        plain.sendall(data[at : at + cut])
                received = plain.recv(65536)
                if not received:
                    raise EOFError
                incoming.write(received)

        pump(client.do_handshake)
        pump(lambda: client.write(request or upgrade()))
        answer = pump(lambda: client.read(65536))
        certificate = client.getpeercert(True)
        assert certificate is not None
        return Visit(client.session, bool(client.session_reused), certificate, answer)


class SessionsCase(ListenerCase):
    """A listener with TLS whose credentials have a clock of their own."""

    def setUp(self) -> None:
        super().setUp()
        self.clock = Clock()
        self.directory = Path(self.mktemp())
        self.directory.mkdir()
        self.certificate, self.key = self.directory / "certificate.pem", self.directory / "key.pem"
        self_signed(self.certificate, self.key)
        self.credentials = self.made()

    def made(self, **options: Any) -> ReloadingCredentials:
        return ReloadingCredentials(self.certificate, self.key, clock=self.clock, **options)

    def context(self, version: ssl.TLSVersion) -> ssl.SSLContext:
        """A client's, that speaks one version, and trusts whatever certificate there is when it is called."""
        context = ssl.create_default_context(cafile=self.certificate)
        context.minimum_version = context.maximum_version = version
        return context

    async def visit(self, port: int, context: ssl.SSLContext, session: Any = None, **options: Any) -> Visit:
        return await self.beside(visit, port, context, session, **options)

    async def openssl(self, port: int, *options: str) -> str:
        """What `openssl s_client` says of a connection on which it asks for a WebSocket."""

        def run() -> str:
            command = ["openssl", "s_client", "-connect", f"127.0.0.1:{port}", "-ign_eof", *options]
            ended = upgrade().replace(b"Upgrade: websocket\r\n", b"").replace(b"Upgrade\r\n", b"close\r\n")
            done = subprocess.run(command, input=ended, capture_output=True, timeout=15, check=False)
            return (done.stdout + done.stderr).decode("latin-1")

        return await self.beside(run)


class ClientTests(SessionsCase):
    """Everybody's TLS can resume, in 1.2 and 1.3."""

    async def test_python(self) -> None:
        """A session is resumed more than once, by a WebSocket and by plain HTTP, and a client without one is served."""
        port = await self.listen(self.credentials)
        for version in VERSIONS:
            context = self.context(version)
            first = await self.visit(port, context)
            self.assertFalse(first.resumed)
            second = await self.visit(port, context, first.session)
            third = await self.visit(port, context, second.session)
            page = await self.visit(port, context, third.session, request=b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
            self.assertEqual([one.resumed for one in (second, third, page)], [True] * 3, version)
            self.assertTrue(first.answer.startswith(b"HTTP/1.1 101 "))
            self.assertEqual((second.answer, third.answer), (first.answer, first.answer))
            self.assertTrue(page.answer.startswith(b"HTTP/1.1 4"), page.answer)

    async def test_pyopenssl(self) -> None:
        """The library of this server as a client."""
        port = await self.listen(self.credentials)
        states: list[bytes] = []

        def connect(context: SSL.Context, session: Any = None) -> Any:
            plain = socket.create_connection(("127.0.0.1", port), 10)
            plain.setblocking(True)
            with plain:
                connection = SSL.Connection(context, plain)
                connection.set_connect_state()
                if session is not None:
                    connection.set_session(session)
                connection.do_handshake()
                connection.sendall(upgrade())
                connection.recv(100)
                connection.shutdown()
                return connection.get_session()

        for version in (SSL.TLS1_2_VERSION, SSL.TLS1_3_VERSION):
            context = SSL.Context(SSL.TLS_CLIENT_METHOD)
            context.set_max_proto_version(version)
            context.set_info_callback(lambda connection, where, result: states.append(connection.get_state_string()))
            session = await self.beside(connect, context)
            self.assertIn(b"SSLv3/TLS read server certificate", states)
            states.clear()
            await self.beside(connect, context, session)
            self.assertIn(b"SSL negotiation finished successfully", states)
            self.assertNotIn(b"SSLv3/TLS read server certificate", states)

    async def test_openssl_reconnects(self) -> None:
        """`openssl s_client -reconnect` connects five times more, with the session of the first time."""
        port = await self.listen(self.credentials)
        said = await self.openssl(port, "-tls1_2", "-reconnect")
        self.assertEqual((said.count("New, TLSv1.2"), said.count("Reused, TLSv1.2")), (1, 5), said)

    async def test_openssl_keeps_a_session(self) -> None:
        """A session goes to a file and comes back in another process."""
        port = await self.listen(self.credentials)
        for option in OPTIONS:
            kept = str(self.directory / f"session{option}")
            self.assertIn("New, TLSv1", await self.openssl(port, option, "-sess_out", kept))
            self.assertIn("Reused, TLSv1", await self.openssl(port, option, "-sess_in", kept))

    async def test_tickets(self) -> None:
        """They are valid for as long as LIFETIME says, and allow no data before the handshake (0-RTT)."""
        port = await self.listen(self.credentials)
        early = self.directory / "early"
        early.write_bytes(upgrade())
        for option in OPTIONS:
            kept = str(self.directory / f"session{option}")
            said = await self.openssl(port, option, "-sess_out", kept)
            self.assertIn(f"TLS session ticket lifetime hint: {LIFETIME} (seconds)", said)
            if option == "-tls1_3":
                self.assertIn("Max Early Data: 0", said)
                again = await self.openssl(port, option, "-sess_in", kept, "-early_data", str(early))
                self.assertIn("Early data was not sent", again)


class WithoutTests(SessionsCase):
    """Where no session is resumed, and none is kept."""

    async def none(self, port: int, *options: str) -> None:
        """No session is resumed. In TLS 1.3 OpenSSL sends tickets all the same, which are only the number of a session
        that it has not kept (32 bytes)."""
        for option in OPTIONS:
            kept = str(self.directory / f"session{port}{option}")
            said = await self.openssl(port, option, "-sess_out", kept, *options)
            self.assertIn("New, TLSv1", said)
            self.assertEqual("TLS session ticket:" in said, option == "-tls1_3")
            self.assertNotRegex(said, "(?m)^    0020 - ")
            self.assertEqual(Path(kept).exists(), option == "-tls1_3")
            if option == "-tls1_3":
                self.assertIn("New, TLSv1.3", await self.openssl(port, option, "-sess_in", kept, *options))

    async def test_switched_off(self) -> None:
        """With ``resumption`` False."""
        await self.none(await self.listen(self.made(resumption=False)))

    async def test_client_certificates(self) -> None:
        """A listener that asks for certificates verifies them each time."""
        people = trustme.CA()
        authorities = self.directory / "people.pem"
        people.cert_pem.write_to_path(str(authorities))
        port = await self.listen(self.made(client_ca_path=authorities))
        issued = people.issue_cert("anna@example.com")
        mine = self.directory / "anna.pem"
        issued.private_key_and_cert_chain_pem.write_to_path(str(mine))
        await self.none(port)
        await self.none(port, "-cert", str(mine), "-key", str(mine))

    async def test_clients_without_tickets(self) -> None:
        """The server remembers no sessions by their IDs, which would take memory for each client."""
        port = await self.listen(self.credentials)
        said = await self.openssl(port, "-tls1_2", "-no_ticket", "-reconnect")
        self.assertEqual((said.count("New, TLSv1.2"), said.count("Reused")), (6, 0), said)
        keys = self.credentials._keys
        assert keys is not None
        self.assertEqual(keys.context.get_session_cache_mode(), SSL.SESS_CACHE_OFF)

    async def test_another_server(self) -> None:
        """Neither another listener nor another process has the key, even with the same certificate: the handshake is
        a full one, and nothing is lost."""
        port, other = await self.listen(self.credentials), await self.listen(self.made())
        for version in VERSIONS:
            context = self.context(version)
            first = await self.visit(port, context)
            second = await self.visit(other, context, first.session)
            self.assertEqual((second.resumed, second.answer), (False, first.answer))


class KeysTests(SessionsCase):
    """New keys, the former ones, and their end."""

    async def test_by_time(self) -> None:
        """After LIFETIME new tickets have a new key. Those of the former key are accepted as long as one of them can be
        valid, and resume a session each time; then they need a full handshake."""
        port = await self.listen(self.credentials)
        for version in VERSIONS:
            context = self.context(version)
            old = await self.visit(port, context)
            self.clock.advance(LIFETIME)
            new = await self.visit(port, context)
            renewed = await self.visit(port, context, old.session)
            self.assertEqual((new.resumed, renewed.resumed), (False, True), version)
            self.clock.advance(LIFETIME - 1)
            for one in (old, renewed, new):
                self.assertTrue((await self.visit(port, context, one.session)).resumed, version)
            self.clock.advance(1)
            for one, resumed in ((old, False), (renewed, False), (new, True)):
                self.assertEqual((await self.visit(port, context, one.session)).resumed, resumed, version)

    async def test_unused(self) -> None:
        """If no client has come for long, no former key is left."""
        port = await self.listen(self.credentials)
        context = self.context(VERSIONS[1])
        old = await self.visit(port, context)
        self.clock.advance(2 * LIFETIME)
        self.assertFalse((await self.visit(port, context, old.session)).resumed)

    async def test_a_reload_with_the_same_files(self) -> None:
        """Most reloads concern rules, not certificates: sessions stay valid, however many there are."""
        port = await self.listen(self.credentials)
        for version in VERSIONS:
            context = self.context(version)
            old = await self.visit(port, context)
            self.assertEqual([self.credentials.reload() for _ in range(3)], [False] * 3)
            self.assertTrue((await self.visit(port, context, old.session)).resumed)

    async def test_a_reload_with_another_certificate(self) -> None:
        """A client can resume its session, which began under the former certificate, for LIFETIME, and until the next
        certificate; everybody else gets the new one."""
        port = await self.listen(self.credentials)
        for version in VERSIONS:
            context = self.context(version)
            old = await self.visit(port, context)
            self_signed(self.certificate, self.key)
            self.assertTrue(self.credentials.reload())
            new = await self.visit(port, self.context(version))
            self.assertEqual((new.resumed, new.certificate != old.certificate), (False, True))
            self.assertTrue((await self.visit(port, context, old.session)).resumed)
            self.clock.advance(LIFETIME)
            with self.assertRaises(ssl.SSLCertVerificationError):  # it is shown the new one, which it does not trust
                await self.visit(port, context, old.session)

        self_signed(self.certificate, self.key)
        self.credentials.reload()
        context = self.context(VERSIONS[1])
        old = await self.visit(port, context)
        for resumed in (True, False):
            self_signed(self.certificate, self.key)
            self.credentials.reload()
            if resumed:
                self.assertTrue((await self.visit(port, context, old.session)).resumed)
            else:
                with self.assertRaises(ssl.SSLCertVerificationError):
                    await self.visit(port, context, old.session)

    async def test_a_former_ticket_that_cannot_be_used(self) -> None:
        """Its client gets a full handshake, with the present certificate and not the former one."""
        port = await self.listen(self.credentials)
        kept = str(self.directory / "session")
        before = ("-tls1_3", "-ciphersuites", "TLS_AES_256_GCM_SHA384")
        await self.openssl(port, *before, "-sess_out", kept)
        self_signed(self.certificate, self.key)
        self.credentials.reload()
        self.assertIn("Reused, TLSv1.3", await self.openssl(port, *before, "-sess_in", kept))
        other = ("-tls1_3", "-ciphersuites", "TLS_AES_128_GCM_SHA256")
        said = await self.openssl(port, *other, "-sess_in", kept, "-CAfile", str(self.certificate))
        self.assertIn("New, TLSv1.3", said)
        self.assertIn("Verify return code: 0 (ok)", said)

    async def test_a_client_hello_in_pieces(self) -> None:
        """The name of a former key is found however the network cuts it, in any piece."""
        port = await self.listen(self.credentials)
        context = self.context(VERSIONS[1])
        old = await self.visit(port, context)
        self.clock.advance(LIFETIME)
        for cut in (1, 7, 300):
            self.assertTrue((await self.visit(port, context, old.session, cut=cut)).resumed, cut)

    async def test_what_is_no_client_hello(self) -> None:
        """Is not waited for, though there is a former key: plain HTTP and records that are too long end at once, half a
        ClientHello in its time."""
        port = await self.listen(self.credentials, handshake_timeout=0.5)
        self.clock.advance(LIFETIME)
        overflow = b"\x15\x03\x03\x00\x02\x02\x16"
        for first, alert in (
            (upgrade(), b""),
            (b"\x00", b""),
            (b"\x16\x03\x01\x02\x00\x01\x00", b""),
            (b"\x16\x03\x01\xff\xff" + b"x" * 9000, overflow),
        ):
            client = await self.client(port)
            client.send(first)
            self.assertEqual(await self.beside(client.until_end), alert, first[:5])
        await self.until(lambda: self.factories[0].connection_limit.inside == 0)


class TicketKeysTests(SynchronousTestCase):
    def test_a_key_without_a_name(self) -> None:
        """Where a ticket cannot be looked at, nothing is taken for one of the former key."""

        def make() -> SSL.Context:
            return SSL.Context(SSL.TLS_SERVER_METHOD)  # has no certificate, so no handshake is possible

        keys = TicketKeys(make, Clock().seconds)
        keys.replace(make)
        self.assertTrue(keys.has_former)
        self.assertIsNone(keys.former_connection(b"\x16\x03\x01\x00\x01x"))

    def test_a_context_that_cannot_be_made(self) -> None:
        """Leaves the keys as they are."""

        def fail() -> SSL.Context:
            raise SSL.Error("key values mismatch")

        keys = TicketKeys(lambda: SSL.Context(SSL.TLS_SERVER_METHOD), Clock().seconds)
        before = keys.context
        self.assertRaises(SSL.Error, keys.replace, fail)
        self.assertEqual((keys.context, keys.has_former), (before, False))
