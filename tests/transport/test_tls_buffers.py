"""Records and plaintext of a TLS connection: the same by pyOpenSSL's public methods and by its binding."""

from __future__ import annotations

import contextlib
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from OpenSSL import SSL
from twisted.trial.unittest import SynchronousTestCase

from orosync.transport import tls_buffers
from orosync.transport.tls_buffers import RECORD, SIZE, BoundBuffers, Buffers, PublicBuffers, buffers_of, is_known
from tests.support.tls_pairs import TlsClient, TlsFilesPair


class Contract:
    """What ``Buffers`` promises."""

    made: Any
    case: Any
    """The test case itself, which this class is mixed into."""

    def setUp(self) -> None:
        self.files = TlsFilesPair(Path(self.case.mktemp()))

    def begun(self) -> tuple[Any, Buffers, TlsClient]:
        """A server that has not heard of its client yet."""
        server = self.files.server()
        return server, self.made(server), self.files.client()

    def shaken(self, tickets: bool = True) -> tuple[Any, Buffers, TlsClient]:
        """Both ends after the handshake; without ``tickets`` the server's last words of it are still to be sent."""
        server, buffers, client = self.begun()
        for _ in range(2):
            server.bio_write(client.hello())
            with contextlib.suppress(SSL.WantReadError):
                server.do_handshake()
                if not tickets:
                    break
            client.take(buffers.outgoing())
        self.case.assertEqual(client.hello(), b"")
        return server, buffers, client

    def test_encrypt(self) -> None:
        """One record for each call, whatever its size."""
        _, buffers, client = self.shaken()
        for size in (1, 125, RECORD - 1, RECORD):
            taken, sent = buffers.encrypt(b"x" * size)
            client.take(sent)
            self.case.assertEqual((taken, client.read()), (size, [b"x" * size]))
        self.case.assertEqual(buffers.outgoing(), b"")

    def test_what_openssl_has_to_send_goes_first(self) -> None:
        """Here the session tickets of the handshake's end: a record before them could not be read."""
        _, buffers, client = self.shaken(tickets=False)
        _, sent = buffers.encrypt(b"event")
        self.case.assertGreater(len(sent), 100)
        client.take(sent)
        self.case.assertEqual(client.read(), [b"event"])

    def test_outgoing_is_all_there_is(self) -> None:
        """However much it is: less than is read at once, exactly as much, twice that, or more."""
        server, buffers, client = self.shaken()
        _, one = buffers.encrypt(b"x")
        client.take(one)
        self.case.assertEqual(client.read(), [b"x"])
        half = b"x" * (SIZE // 2 - (len(one) - 1))
        for records in (1, 2, 3, 4, 5):
            for _ in range(records):
                server.send(half)
            sent = buffers.outgoing()
            self.case.assertEqual(len(sent), records * SIZE // 2)
            client.take(sent)
            self.case.assertEqual(client.read(), [half] * records)
            self.case.assertEqual(buffers.outgoing(), b"")
            for _ in range(records):
                server.send(half)
            _, sent = buffers.encrypt(b"last")
            client.take(sent)
            self.case.assertEqual(client.read(), [half] * records + [b"last"])

    def test_decrypt(self) -> None:
        """All records that have arrived, as one; what is incomplete waits for its rest."""
        server, buffers, client = self.shaken()
        self.case.assertEqual(buffers.decrypt(), (b"", None))
        many = b"".join(client.write(b"%d," % number) for number in range(500))
        server.bio_write(many)
        self.case.assertEqual(buffers.decrypt(), (b"".join(b"%d," % number for number in range(500)), None))
        long = client.write(b"x" * RECORD)
        server.bio_write(long[:-1])
        self.case.assertEqual(buffers.decrypt(), (b"", None))
        server.bio_write(long[-1:] + client.write(b"behind"))
        self.case.assertEqual(buffers.decrypt(), (b"x" * RECORD + b"behind", None))

    def test_close_notify(self) -> None:
        """The end comes behind what was sent before, and is told each time."""
        server, buffers, client = self.shaken()
        server.bio_write(client.write(b"last") + client.goodbye())
        data, error = buffers.decrypt()
        self.case.assertEqual((data, type(error)), (b"last", SSL.ZeroReturnError))
        data, error = buffers.decrypt()
        self.case.assertEqual((data, type(error)), (b"", SSL.ZeroReturnError))

    def test_the_end_without_a_goodbye(self) -> None:
        """The same error that Twisted knows as a connection that was lost."""
        server, buffers, client = self.shaken()
        server.bio_write(client.write(b"last"))
        server.bio_shutdown()
        data, error = buffers.decrypt()
        assert isinstance(error, SSL.SysCallError)
        self.case.assertEqual((data, error.args[1]), (b"last", "Unexpected EOF"))

    def test_a_record_that_is_none(self) -> None:
        """The error names the cause; OpenSSL's alert for the peer is there to be sent; nothing more is encrypted."""
        server, buffers, client = self.shaken()
        spoiled = bytearray(client.write(b"spoiled"))
        spoiled[-1] ^= 1
        server.bio_write(bytes(spoiled))
        _, error = buffers.decrypt()
        assert isinstance(error, SSL.Error)
        self.case.assertIn("bad record mac", str(error))
        self.case.assertIsNone(error.__traceback__)
        self.case.assertTrue(buffers.outgoing())
        self.case.assertEqual(buffers.encrypt(b"event"), (0, b""))

    def test_before_the_handshake(self) -> None:
        """Nothing is encrypted, and nothing is lost: it can be encrypted later."""
        server, buffers, client = self.begun()
        self.case.assertEqual((buffers.encrypt(b"early"), buffers.outgoing()), ((0, b""), b""))
        server.bio_write(client.hello())
        self.case.assertTrue(buffers.encrypt(b"early") == (0, b"") and buffers.outgoing())

    def test_an_error_is_of_its_own_connection(self) -> None:
        """OpenSSL keeps errors for the thread: what one connection leaves behind, another would report."""
        other_server, other, other_client = self.shaken()
        for spoil in (b"GET / HTTP/1.1\r\n\r\n", b"\x17\x03\x03\x00\x20" + b"x" * 32):
            server, buffers, _ = self.shaken()
            server.bio_write(spoil)
            self.case.assertIsInstance(buffers.decrypt()[1], SSL.Error)
            self.case.assertEqual(other.decrypt(), (b"", None))
            self.case.assertEqual(buffers.encrypt(b"event"), (0, b""))
            self.case.assertEqual(other.decrypt(), (b"", None))
            other_server.bio_write(other_client.write(b"well"))
            self.case.assertEqual(other.decrypt(), (b"well", None))
            other_client.take(other.encrypt(b"well too")[1])
            self.case.assertEqual(other_client.read(), [b"well too"])


class PublicBuffersTests(Contract, SynchronousTestCase):
    made = PublicBuffers

    @property
    def case(self) -> SynchronousTestCase:
        return self


class BoundBuffersTests(Contract, SynchronousTestCase):
    made = BoundBuffers

    @property
    def case(self) -> SynchronousTestCase:
        return self


class BindingTests(SynchronousTestCase):
    """The binding is used where it is what it was written for, and nowhere else."""

    def setUp(self) -> None:
        self.connection: Any = SSL.Connection(SSL.Context(SSL.TLS_METHOD))
        binding: Any = SSL
        self.ffi, self.lib = binding._ffi, binding._lib

    def changed(self, whole: Any, *without: str, **other: object) -> Any:
        names = {name: getattr(whole, name) for name in dir(whole) if not name.startswith("__")}
        return SimpleNamespace(**{name: value for name, value in (names | other).items() if name not in without})

    def test_the_installed_one(self) -> None:
        """With the versions that are tested here, it is used."""
        self.assertTrue(is_known(SSL, self.connection))
        self.assertIsInstance(buffers_of(self.connection), BoundBuffers)

    def test_another(self) -> None:
        """A function, an attribute or a type that is not there or is another one: the public methods."""
        connection = self.changed(self.connection)
        self.assertTrue(is_known(SimpleNamespace(_lib=self.changed(self.lib), _ffi=self.ffi), connection))
        for function in (
            "SSL_read",
            "SSL_write",
            "SSL_get_error",
            "BIO_read",
            "ERR_clear_error",
            "SSL_ERROR_WANT_READ",
        ):
            self.assertFalse(
                is_known(SimpleNamespace(_lib=self.changed(self.lib, function), _ffi=self.ffi), connection), function
            )
        other = self.changed(self.lib, SSL_write=self.lib.SSL_new)
        self.assertFalse(is_known(SimpleNamespace(_lib=other, _ffi=self.ffi), connection))
        for attribute in ("_ssl", "_from_ssl", "_raise_ssl_error"):
            self.assertFalse(is_known(SSL, self.changed(self.connection, attribute)), attribute)
        self.assertFalse(is_known(SSL, self.changed(self.connection, _from_ssl=self.connection._ssl)))
        self.assertFalse(is_known(SSL, self.changed(self.connection, _from_ssl=None)))
        for binding in (SimpleNamespace(_lib=self.lib), SimpleNamespace(_ffi=self.ffi)):
            self.assertFalse(is_known(binding, connection))

    def test_without_it(self) -> None:
        """Where it is not known, connections get the public methods."""
        self.patch(tls_buffers, "KNOWN", False)
        self.assertIsInstance(buffers_of(self.connection), PublicBuffers)
