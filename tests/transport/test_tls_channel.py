"""What TLS says of a connection, seen from both of its ends: ids to bind to, and client certificates."""

from __future__ import annotations

import hashlib
import socket
import ssl
from pathlib import Path
from typing import Any

import trustme
from OpenSSL import SSL
from twisted.trial.unittest import SynchronousTestCase

from orosync.errors import ConfigError
from orosync.transport.tls import ReloadingCredentials, channel_ids, client_certificate, connection_of
from tests.support.listeners import Client, ListenerCase
from tests.support.wires import upgrade


class WithoutTls(SynchronousTestCase):
    def test_nothing(self) -> None:
        """A connection without TLS has neither ids nor certificate."""
        self.assertIsNone(connection_of(object()))
        self.assertIsNone(client_certificate(None))
        self.assertEqual(channel_ids(None), {})


class ChannelCase(ListenerCase):
    """A TLS listener that asks for certificates of ``self.people``."""

    def setUp(self) -> None:
        super().setUp()
        self.directory = Path(self.mktemp())
        self.directory.mkdir()
        self.authority, self.people = trustme.CA(), trustme.CA(organization_name="People")
        own = self.authority.issue_cert("localhost")
        self.certificate, self.key, self.client_ca = (self.directory / name for name in ("c.pem", "k.pem", "ca.pem"))
        self.certificate.write_bytes(b"".join(blob.bytes() for blob in own.cert_chain_pems))
        self.key.write_bytes(own.private_key_pem.bytes())
        self.people.cert_pem.write_to_path(str(self.client_ca))

    def credentials(self, asking: bool = True) -> ReloadingCredentials:
        return ReloadingCredentials(self.certificate, self.key, self.client_ca if asking else None)

    def context(self, issuer: trustme.CA | None = None, newest: ssl.TLSVersion | None = None) -> ssl.SSLContext:
        """A client's; with a certificate of ``issuer``."""
        context = ssl.create_default_context()
        self.authority.configure_trust(context)
        if issuer is not None:
            self.issued = issuer.issue_cert("anna@example.com", common_name="anna")
            self.issued.configure_cert(context)
        if newest is not None:
            context.maximum_version = newest
        return context

    async def facts(self, port: int, context: ssl.SSLContext) -> tuple[Client, Any]:
        """A client that has come in, and what we know of it."""
        client = await self.client(port, tls=context)
        await self.beside(client.upgrade)
        return client, self.host.facts[-1]


class Ids(ChannelCase):
    async def test_tls_unique(self) -> None:
        """Both ends compute the same 32 bytes, in TLS 1.2 and 1.3; each connection has its own."""
        port = await self.listen(self.credentials(asking=False))
        seen = set()
        for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3) * 2:
            client, facts = await self.facts(port, self.context(newest=version))
            assert isinstance(client.socket, ssl.SSLSocket)
            finished = client.socket.get_channel_binding("tls-unique")
            assert finished is not None
            self.assertEqual(facts.channel_id["tls-unique"], hashlib.sha256(finished).digest())
            seen.add(facts.channel_id["tls-unique"])
        self.assertEqual(len(seen), 4)

    async def test_resumed(self) -> None:
        """A resumed session has no tls-unique: its first Finished message is the server's in TLS 1.2. What TLS 1.3
        exports is its own connection's all the same."""
        port = await self.listen(self.credentials(asking=False))
        for version, kinds in ((ssl.TLSVersion.TLSv1_2, []), (ssl.TLSVersion.TLSv1_3, ["tls-exporter"])):
            context = self.context(newest=version)
            client, first = await self.facts(port, context)
            assert isinstance(client.socket, ssl.SSLSocket)
            session = client.socket.session

            def again(session: Any = session, context: ssl.SSLContext = context) -> bool:
                plain = socket.create_connection(("127.0.0.1", port), 10)
                with context.wrap_socket(plain, server_hostname="localhost", session=session) as second:
                    second.sendall(upgrade())
                    second.recv(100)
                    return bool(second.session_reused)

            exported = first.channel_id.get("tls-exporter")
            self.assertTrue(await self.beside(again), version)
            ids = self.host.facts[-1].channel_id
            self.assertEqual((list(ids), len(ids)), (kinds, len(kinds)))
            self.assertNotIn("tls-unique", ids)
            if kinds:
                self.assertNotEqual(ids["tls-exporter"], exported)

    async def test_whether_it_was_resumed_cannot_be_known(self) -> None:
        """Then there is no tls-unique either."""
        port = await self.listen(self.credentials(asking=False))
        _, facts = await self.facts(port, self.context(newest=ssl.TLSVersion.TLSv1_2))
        self.assertEqual(list(facts.channel_id), ["tls-unique"])
        self.patch(SSL._lib, "SSL_session_reused", None)
        self.assertEqual(list(facts.channel_id), [])

    async def test_tls_exporter(self) -> None:
        """Both ends export the same 32 bytes in TLS 1.3; TLS 1.2 has none."""
        port = await self.listen(self.credentials(asking=False))

        def visit(version: int) -> bytes:
            context = SSL.Context(SSL.TLS_CLIENT_METHOD)
            context.set_max_proto_version(version)
            plain = socket.create_connection(("127.0.0.1", port), 10)
            plain.setblocking(True)
            connection: Any = SSL.Connection(context, plain)
            connection.set_connect_state()
            connection.do_handshake()
            connection.sendall(upgrade())
            connection.recv(100)
            exported: bytes = connection.export_keying_material(b"EXPORTER-Channel-Binding", 32, b"")
            self.clients.append(connection)
            return exported

        self.clients: list[Any] = []
        self.addCleanup(lambda: [one.close() for one in self.clients])
        exported = await self.beside(visit, SSL.TLS1_3_VERSION)
        ids = self.host.facts[-1].channel_id
        self.assertEqual(ids["tls-exporter"], exported)
        self.assertEqual(dict(ids), {"tls-unique": ids["tls-unique"], "tls-exporter": exported})
        self.assertEqual(len(exported), 32)
        await self.beside(visit, SSL.TLS1_2_VERSION)
        ids = self.host.facts[-1].channel_id
        self.assertEqual((list(ids), len(ids), ids.get("tls-exporter")), (["tls-unique"], 1, None))
        self.assertNotIn("tls-server-end-point", ids)


class Certificates(ChannelCase):
    async def test_presented(self) -> None:
        """A certificate of the authority arrives as it is, in both versions of TLS."""
        port = await self.listen(self.credentials())
        for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
            _, facts = await self.facts(port, self.context(self.people, version))
            pem = self.issued.cert_chain_pems[0].bytes().decode()
            self.assertEqual(facts.client_certificate, ssl.PEM_cert_to_DER_cert(pem))

    async def test_none(self) -> None:
        """Who has none comes in without; where nobody asks, nobody is known by one."""
        _, facts = await self.facts(await self.listen(self.credentials()), self.context())
        self.assertIsNone(facts.client_certificate)
        _, facts = await self.facts(await self.listen(self.credentials(asking=False)), self.context(self.people))
        self.assertIsNone(facts.client_certificate)

    async def test_of_somebody_else(self) -> None:
        """A certificate of another authority, even the one of our own certificate, ends the connection."""
        port = await self.listen(self.credentials())
        for issuer in (trustme.CA(organization_name="People"), self.authority):
            context = self.context(issuer)

            def visit(context: ssl.SSLContext = context) -> bytes:
                client = Client(port, context)
                try:
                    client.send(upgrade())
                    return client.until_end()
                finally:
                    client.close()

            with self.assertRaises(ssl.SSLError):
                await self.beside(visit)
        self.assertEqual(self.host.facts, [])

    async def test_authorities_are_named(self) -> None:
        """The client is told whose certificates are wanted, so that browsers offer the right ones."""
        port = await self.listen(self.credentials())

        def visit() -> list[str]:
            context = SSL.Context(SSL.TLS_CLIENT_METHOD)
            plain = socket.create_connection(("127.0.0.1", port), 10)
            plain.setblocking(True)
            connection: Any = SSL.Connection(context, plain)
            connection.set_connect_state()
            connection.do_handshake()
            names = [name.organizationName for name in connection.get_client_ca_list()]
            connection.close()
            plain.close()
            return names

        self.assertEqual(await self.beside(visit), ["People"])

    async def test_files(self) -> None:
        """A file of authorities that cannot be used is named, and a reload reads it anew."""
        self.client_ca.write_text("nothing")
        error = self.assertRaises(ConfigError, self.credentials)
        self.assertIn("ca.pem: not a PEM file", error.faults[0])
        self.people.cert_pem.write_to_path(str(self.client_ca))
        credentials = self.credentials()
        port = await self.listen(credentials)
        others = trustme.CA(organization_name="Others")
        others.cert_pem.write_to_path(str(self.client_ca))
        credentials.reload()
        _, facts = await self.facts(port, self.context(others))
        self.assertIsNotNone(facts.client_certificate)
