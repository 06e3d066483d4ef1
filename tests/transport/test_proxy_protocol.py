"""The PROXY protocol: headers cut at every byte, whom they are believed from, and what comes behind them."""

from __future__ import annotations

import shutil
import socket
import ssl
import tempfile
from collections.abc import Callable
from ipaddress import IPv4Address as V4
from ipaddress import IPv6Address as V6
from pathlib import Path
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.address import IPv4Address, UNIXAddress
from twisted.internet.defer import Deferred
from twisted.internet.endpoints import UNIXServerEndpoint
from twisted.internet.error import ConnectionDone
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from orosync.transport.factories import RawSocketFactory, UniversalFactory, WebSocketFactory
from orosync.transport.listener import ListenerFactory
from orosync.transport.proxy_protocol import LONGEST_BINARY, LONGEST_TEXT, SIGNATURE, BadHeader, Header, parse
from orosync.transport.tls import ReloadingCredentials
from tests.support import server_tls
from tests.support.listeners import ListenerCase, reactor
from tests.support.settings import listener_settings
from tests.support.wires import ANSWERS, MemoryListener, MemoryWire, client_frame, upgrade


def binary(command: int, family: int, addresses: bytes = b"", more: bytes = b"") -> bytes:
    """A header of version 2 with ``more`` (TLVs) behind its addresses."""
    body = addresses + more
    return SIGNATURE + bytes((0x20 | command, family)) + len(body).to_bytes(2, "big") + body


PORTS = b"\x9c\x40\x1f\x90"
TCP4 = V4("203.0.113.9").packed + V4("192.0.2.1").packed + PORTS
TCP6 = V6("2001:db8::9").packed + V6("2001:db8::1").packed + PORTS
MAPPED = V6("::ffff:203.0.113.9").packed + V6("::1").packed + PORTS
TLV = b"\x03\x00\x04\x01\x02\x03\x04" + b"\x02\x00\x07example" + b"\xff\xff\xff"
V1 = b"PROXY TCP4 203.0.113.9 192.0.2.1 40000 8080\r\n"

GOOD: list[tuple[str, bytes, str, bool]] = [
    ("text of IPv4", V1, "203.0.113.9", False),
    ("text of IPv6", b"PROXY TCP6 2001:db8::9 2001:db8::1 40000 8080\r\n", "2001:db8::9", False),
    ("text of mapped IPv4", b"PROXY TCP6 ::ffff:203.0.113.9 ::1 1 2\r\n", "203.0.113.9", False),
    ("the lowest and highest port", b"PROXY TCP4 0.0.0.0 255.255.255.255 0 65535\r\n", "0.0.0.0", False),
    (
        "the longest of version 1 with addresses",
        b"PROXY TCP6 ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff 65535 65535\r\n",
        "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
        False,
    ),
    ("text, unknown", b"PROXY UNKNOWN\r\n", "", True),
    ("text, unknown with anything", b"PROXY UNKNOWN " + b"f" * 91 + b"\r\n", "", True),
    ("IPv4", binary(1, 0x11, TCP4), "203.0.113.9", False),
    ("IPv6", binary(1, 0x21, TCP6), "2001:db8::9", False),
    ("mapped IPv4", binary(1, 0x21, MAPPED), "203.0.113.9", False),
    ("with TLVs", binary(1, 0x11, TCP4, TLV), "203.0.113.9", False),
    ("with many TLVs", binary(1, 0x11, TCP4, b"\0" * (LONGEST_BINARY - 28)), "203.0.113.9", False),
    ("local", binary(0, 0), "", False),
    ("local with addresses, which do not count", binary(0, 0x11, TCP4), "", False),
    ("local with something", binary(0, 0x31, b"abc"), "", False),
    ("unspecified", binary(1, 0), "", True),
    ("unspecified with something", binary(1, 0, b"abc"), "", True),
    ("a UNIX socket", binary(1, 0x31, b"/run/php.sock".ljust(108, b"\0") + b"\0" * 108), "", True),
    ("a family that is unknown", binary(1, 0x41, b"abc"), "", True),
]

BAD: list[tuple[str, bytes, str]] = [
    ("WebSocket", upgrade(), "no_header"),
    ("TLS", b"\x16\x03\x01\x02\0\x01\0", "no_header"),
    ("RawSocket", b"\x7f\xf1\0\0", "no_header"),
    ("garbage", b"\xff" * 20, "no_header"),
    ("lower case", b"proxy TCP4 1.1.1.1 1.1.1.1 1 1\r\n", "no_header"),
    ("almost a header", b"PROXYTCP4 ", "no_header"),
    ("almost a signature", SIGNATURE[:-1] + b"\r", "no_header"),
    ("another protocol", b"PROXY UDP4 1.1.1.1 1.1.1.1 1 1\r\n", "malformed"),
    ("nothing", b"PROXY \r\n", "malformed"),
    ("no CR", b"PROXY TCP4 203.0.113.9 192.0.2.1 40000 8080\n", "malformed"),
    ("no end", b"PROXY UNKNOWN " + b"f" * 200, "malformed"),
    ("one byte too long", b"PROXY UNKNOWN " + b"f" * (LONGEST_TEXT - 15) + b"\r\n", "malformed"),
    ("IPv6 as IPv4", b"PROXY TCP4 2001:db8::9 2001:db8::1 1 2\r\n", "malformed"),
    ("IPv4 as IPv6", b"PROXY TCP6 203.0.113.9 192.0.2.1 1 2\r\n", "malformed"),
    ("a name", b"PROXY TCP4 localhost 192.0.2.1 1 2\r\n", "malformed"),
    ("a scope", b"PROXY TCP6 fe80::1%eth0 ::1 1 2\r\n", "malformed"),
    ("leading zeros", b"PROXY TCP4 203.000.113.009 192.0.2.1 1 2\r\n", "malformed"),
    ("two blanks", b"PROXY TCP4  203.0.113.9 192.0.2.1 1 2\r\n", "malformed"),
    ("a word too many", b"PROXY TCP4 203.0.113.9 192.0.2.1 1 2 3\r\n", "malformed"),
    ("a word too few", b"PROXY TCP4 203.0.113.9 192.0.2.1 1\r\n", "malformed"),
    ("a port too high", b"PROXY TCP4 203.0.113.9 192.0.2.1 65536 1\r\n", "malformed"),
    ("a negative port", b"PROXY TCP4 203.0.113.9 192.0.2.1 -1 1\r\n", "malformed"),
    ("a port of another script", "PROXY TCP4 203.0.113.9 192.0.2.1 \u0661 1\r\n".encode(), "malformed"),
    ("another version", SIGNATURE + b"\x11\x11\0\x0c" + TCP4, "malformed"),
    ("another command", SIGNATURE + b"\x22\x11\0\x0c" + TCP4, "malformed"),
    ("datagrams", binary(1, 0x12, TCP4), "malformed"),
    ("no protocol", binary(1, 0x10, TCP4), "malformed"),
    ("shorter than its addresses", binary(1, 0x11, TCP4[:-1]), "malformed"),
    ("IPv6 with addresses of IPv4", binary(1, 0x21, TCP4), "malformed"),
    ("too long", binary(1, 0x11, TCP4, b"\0" * (LONGEST_BINARY - 27)), "malformed"),
    ("endless", SIGNATURE + b"\x21\x11\xff\xff", "malformed"),
]


class Headers(SynchronousTestCase):
    """parse."""

    def test_good(self) -> None:
        """Whole, cut at every byte, and with anything behind it."""
        for what, data, source, unnamed in GOOD:
            wanted = Header(len(data), source, unnamed)
            for behind in (b"", b"GET / HTTP/1.1\r\n", b"\xff" * 5000, b"PROXY "):
                self.assertEqual(parse(data + behind), wanted, what)
            for end in range(len(data)):
                self.assertIsNone(parse(data[:end]), (what, end))

    def test_bad(self) -> None:
        """Refused as soon as it is known, at the latest when it is too long; what is refused once stays refused."""
        for what, data, kind in BAD:
            fault = self.assertRaises(BadHeader, parse, data)
            self.assertEqual(fault.code, kind, what)
            refused = [self.refused(data[:end]) for end in range(len(data) + 1)]
            self.assertEqual(refused, sorted(refused), what)
            self.assertFalse(refused[0], what)

    def refused(self, data: bytes) -> bool:
        try:
            return parse(data) is not None
        except BadHeader:
            return True

    def test_nothing_of_it_is_repeated(self) -> None:
        """A reason may stand in a log as it is."""
        for what, data, _ in BAD:
            reason = str(self.assertRaises(BadHeader, parse, data))
            self.assertRegex(reason, r"^[\w ,.()]+$", what)

    @given(
        st.binary(max_size=300), st.sampled_from([b"", b"PROXY ", b"PROXY TCP4 ", SIGNATURE, SIGNATURE + b"\x21\x11"])
    )
    def test_any_bytes(self, data: bytes, start: bytes) -> None:
        """A header, nothing yet, or BadHeader; and never more than a bound is asked for."""
        try:
            found = parse(start + data)
        except BadHeader:
            return
        if found is not None:
            self.assertTrue(0 < found.size <= LONGEST_BINARY)
        elif (start + data).startswith(b"PROXY "):
            self.assertLess(len(start + data), LONGEST_TEXT)


class ProxyCase(SynchronousTestCase):
    """Connections in memory, of proxies on 10.0.0.0/8."""

    PROXY = "10.0.0.1"

    def listen(self, kind: type[ListenerFactory] = WebSocketFactory, **settings: Any) -> MemoryListener:
        settings = {"trusted_proxies": ("10.0.0.0/8",), "proxy_protocol": True, **settings}
        self.listener = MemoryListener(kind=kind, **settings)
        return self.listener

    def connect(self, peer: str = PROXY, address: Any = None) -> Wire:
        return Wire(self.listener, address or IPv4Address("TCP", peer, 40000), peer)

    def refusals(self) -> list[str]:
        return self.listener.journal.kinds("proxy.refused")

    @property
    def inside(self) -> int:
        count: int = self.listener.factory.connection_limit.inside
        return count


class Wire(MemoryWire):
    """A transport that knows its protocol, as Twisted's do."""

    def __init__(self, listener: MemoryListener, address: Any, peer: str) -> None:
        super().__init__(peer)
        self.protocol: Any = listener.factory.buildProtocol(address)
        self.protocol.makeConnection(self)

    def send(self, data: bytes) -> bytes:
        """What is answered at once."""
        self.clear()
        self.protocol.dataReceived(data)
        return self.value()


class Connections(ProxyCase):
    """What becomes of a connection."""

    def test_every_good_header(self) -> None:
        """The client's address is the header's; the peer stays the proxy; who is not named has come past a proxy."""
        for what, data, source, unnamed in GOOD:
            listener = self.listen()
            wire = self.connect()
            for end in range(len(data)):
                self.assertEqual(wire.send(data[end : end + 1]), b"", what)
            self.assertEqual((wire.aborted, self.refusals()), (False, []), what)
            self.assertIn(b" 101 ", wire.send(upgrade()), what)
            (facts,) = listener.host.facts
            self.assertEqual(facts.peer, self.PROXY, what)
            self.assertEqual((facts.address, facts.source), (source or self.PROXY,) * 2, what)
            self.assertEqual((facts.proxied_for, facts.forwarded), (source, unnamed), what)

    def test_in_one_read_and_cut_anywhere(self) -> None:
        """The request may come with the header, or its first bytes do."""
        for header in (V1, binary(1, 0x21, TCP6, TLV)):
            whole = header + upgrade()
            for end in range(0, len(whole) + 1, 7):
                listener = self.listen()
                wire = self.connect()
                answer = b""
                for part in filter(None, (whole[:end], whole[end:])):
                    answer += wire.send(part)
                self.assertIn(b" 101 ", answer, end)
                wire.send(client_frame(b"[1]"))
                self.assertEqual(listener.host.sessions[0].messages, [(b"[1]", False)])

    def test_bad_headers(self) -> None:
        """Dropped without a word, written down with the proxy's address, and the place is free again."""
        for what, data, kind in BAD:
            self.listen()
            wire = self.connect()
            self.assertEqual(wire.send(data), b"", what)
            self.assertTrue(wire.aborted, what)
            self.assertEqual(self.refusals(), [kind], what)
            (note,) = self.listener.journal.notes
            self.assertEqual((note[2]["listener"], note[2]["address"]), ("public", self.PROXY), what)
            wire.send(V1 + upgrade())
            self.lost(wire)
            self.assertEqual((self.inside, self.listener.host.facts), (0, []), what)

    def lost(self, wire: Wire) -> None:
        wire.protocol.connectionLost(Failure(ConnectionDone()))

    def test_other_addresses(self) -> None:
        """Who is no proxy is not read at all, whatever it would send; no place is taken for it."""
        self.listen()
        for peer in ("192.0.2.7", "127.0.0.1", "::1"):
            wire = self.connect(peer)
            self.assertTrue(wire.aborted)
        self.assertEqual((self.refusals(), self.inside), (["not_a_proxy"] * 3, 0))

    def test_unix_sockets(self) -> None:
        """A proxy on a UNIX socket is one where there are any."""
        listener = self.listen()
        wire = self.connect("", UNIXAddress(None))
        self.assertIn(b" 101 ", wire.send(V1 + upgrade()))
        (facts,) = listener.host.facts
        self.assertEqual((facts.peer, facts.address, facts.source), ("unix", "203.0.113.9", "203.0.113.9"))

    def test_time(self) -> None:
        """The header's time is the handshake's; what came before it ends does not buy more."""
        self.listen(handshake_timeout=4.0)
        silent, slow = self.connect(), self.connect()
        for byte in V1[:7]:
            self.listener.run(0.5)
            slow.send(bytes((byte,)))
        self.assertFalse(silent.aborted or slow.aborted)
        self.listener.run(1)
        self.assertTrue(silent.aborted and slow.aborted)
        self.assertEqual(self.refusals(), ["timeout", "timeout"])

    def test_health_checks(self) -> None:
        """A load balancer that only looks whether the port is open, with a header of its own or without, is counted."""
        self.listen()
        for data in (b"", binary(0, 0), b"PROXY UNKNOWN\r\n"):
            wire = self.connect()
            if data:
                wire.send(data)
            self.lost(wire)
        self.assertEqual((self.listener.journal.notes, self.inside), ([], 0))

    def test_forwarded_for(self) -> None:
        """X-Forwarded-For is believed from the header's source, if that is a proxy, and from no other."""
        request = upgrade(extra="X-Forwarded-For: 198.51.100.1\r\n")
        for header, address in (
            (b"PROXY TCP4 203.0.113.9 192.0.2.1 1 2\r\n", "203.0.113.9"),
            (b"PROXY TCP4 10.0.0.2 192.0.2.1 1 2\r\n", "198.51.100.1"),
            (b"PROXY UNKNOWN\r\n", "198.51.100.1"),
        ):
            listener = self.listen()
            self.connect().send(header + request)
            (facts,) = listener.host.facts
            self.assertEqual((facts.address, facts.forwarded), (address, True))

    def test_without_the_key(self) -> None:
        """A header is no HTTP where none is expected, from a proxy neither."""
        self.listen(proxy_protocol=False)
        wire = self.connect()
        self.assertEqual(wire.send(V1 + upgrade()), ANSWERS[400])

    def test_on_other_transports(self) -> None:
        """Before RawSocket, and before the first byte tells which it is."""
        for kind, begin in (
            (RawSocketFactory, b"\x7f\xf1\0\0"),
            (UniversalFactory, b"\x7f\xf1\0\0"),
            (UniversalFactory, upgrade()),
        ):
            for cut in (0, len(V1) // 2, len(V1), len(V1) + 2):
                listener = self.listen(kind)
                wire = self.connect()
                whole = V1 + begin
                answer = b"".join(wire.send(part) for part in (whole[:cut], whole[cut:]) if part)
                self.assertTrue(answer, kind)
                (facts,) = listener.host.facts
                self.assertEqual((facts.peer, facts.address), (self.PROXY, "203.0.113.9"))

    def test_long_poll(self) -> None:
        """Requests of one connection have its header's address; a transport takes a place of that client."""
        listener = self.listen(longpoll="/lp")
        wire = self.connect()
        body = b'{"protocols":["wamp.2.json"]}'
        head = b"POST /lp/open HTTP/1.1\r\nHost: localhost\r\nOrigin: http://localhost\r\nContent-Length: 29\r\n\r\n"
        wire.send(V1 + head + body)
        listener.turn()
        self.assertIn(b" 200 ", wire.value())
        (facts,) = listener.host.facts
        self.assertEqual((facts.peer, facts.address, facts.proxied_for), (self.PROXY, "203.0.113.9", "203.0.113.9"))
        self.assertEqual(self.inside, 2)

    def test_logs_name_the_client(self) -> None:
        """A refusal behind the header has the client's address."""
        self.listen()
        self.connect().send(V1 + upgrade(origin="https://evil.example"))
        ((event, kind, fields),) = self.listener.journal.notes
        self.assertEqual((event, kind, fields["address"]), ("handshake.refused", "origin", "203.0.113.9"))


class Places(ProxyCase):
    """Places count by the header's address."""

    def test_one_address_behind_the_proxy(self) -> None:
        """One client takes its own share, not its neighbours'."""
        self.listen(max_unauthenticated=8, unauthenticated_per_address=2, connection_burst=100)
        held = [self.connect() for _ in range(6)]
        for number, wire in enumerate(held):
            wire.send(b"PROXY TCP4 203.0.113.%d 192.0.2.1 1 2\r\n" % (number // 2))
        greedy, modest = self.connect(), self.connect()
        self.assertEqual(greedy.send(b"PROXY TCP4 203.0.113.0 192.0.2.1 1 2\r\n" + upgrade()), ANSWERS[503])
        modest.send(b"PROXY TCP4 203.0.113.77 192.0.2.1 1 2\r\n")
        self.assertIn(b" 101 ", modest.send(upgrade()))
        kind, fields = self.listener.journal.notes[0][1:]
        self.assertEqual((kind, fields["address"]), ("too_many_of_address", "203.0.113.0"))

    def test_those_who_wait(self) -> None:
        """Who comes too fast waits for its turn, and what it has sent already is not lost; who sends too much is."""
        for kind in (WebSocketFactory, UniversalFactory):
            listener = self.listen(kind, max_unauthenticated=3, connection_rate=1.0, connection_burst=1)
            self.connect().send(V1)
            self.connect().send(V1)
            second = self.connect()
            self.assertEqual(second.send(V1 + upgrade()), b"")
            self.assertEqual(listener.journal.kinds("connection.delayed"), ["rate"], kind)
            self.assertEqual(second.producerState, "paused")
            listener.run(2)
            self.assertIn(b" 101 ", second.value())
            self.assertEqual(second.producerState, "producing")
            second.send(client_frame(b"[1]"))
            self.assertEqual(listener.host.sessions[0].messages, [(b"[1]", False)], kind)
            self.assertEqual(listener.host.facts[0].address, "203.0.113.9")

    def test_a_flood_of_those_who_wait(self) -> None:
        """What one who waits may have sent is bounded."""
        self.listen(max_unauthenticated=3, connection_rate=1.0, connection_burst=1, header_limit=1000)
        early = [self.connect(), self.connect()]
        for wire in early:
            wire.send(V1)
        second = self.connect()
        second.send(V1 + b"x" * 1001)
        self.assertTrue(second.aborted)
        self.assertEqual(self.refusals(), ["early"])
        for wire in (*early, second):
            wire.protocol.connectionLost(Failure(ConnectionDone()))
        self.assertEqual(self.inside, 0)


class Wires(ListenerCase):
    """On real sockets."""

    def files(self) -> tuple[server_tls.TlsFiles, Path]:
        directory = Path(tempfile.mkdtemp())
        self.addCleanup(shutil.rmtree, directory)
        return server_tls.made(directory), directory

    async def test_before_tls(self) -> None:
        """In front of TLS, in whatever pieces; a client of TLS without a header is dropped and no TLS begins."""
        files, _ = self.files()
        credentials = ReloadingCredentials(files.certificate, files.key)
        for kind in (WebSocketFactory, UniversalFactory):
            port = await self.listen(credentials, kind, proxy_protocol=True, trusted_proxies=("127.0.0.0/8",))
            context = ssl.create_default_context(cafile=files.authority)
            for header in (V1, binary(1, 0x11, TCP4, TLV)):
                self.assertIn(b" 101 ", await self.beside(self.over_tls, port, context, header))
                self.assertEqual((self.host.facts[-1].address, self.host.facts[-1].tls), ("203.0.113.9", True))
            with self.assertRaises((OSError, EOFError)):
                await self.beside(self.over_tls, port, context, b"")
        self.assertEqual(self.journal.kinds("proxy.refused"), ["no_header"] * 2)

    def over_tls(self, port: int, context: ssl.SSLContext, header: bytes) -> bytes:
        with socket.create_connection(("127.0.0.1", port), 10) as plain:
            for part in (header[:5], header[5:]):
                plain.sendall(part)
            with context.wrap_socket(plain, server_hostname="127.0.0.1") as secure:
                secure.sendall(upgrade())
                return secure.recv(4096)

    async def test_in_one_packet_with_tls(self) -> None:
        """The beginning of TLS may come with the header, and wait with it for its turn."""
        files, _ = self.files()
        credentials = ReloadingCredentials(files.certificate, files.key)
        context = ssl.create_default_context(cafile=files.authority)
        places = {"max_unauthenticated": 3, "connection_rate": 0.001, "connection_burst": 1}
        for kind in (WebSocketFactory, UniversalFactory):
            port = await self.listen(credentials, kind, proxy_protocol=True, trusted_proxies=("127.0.0.0/8",), **places)
            connection_limit = self.factories[-1].connection_limit
            silent = [await self.client(port), await self.client(port)]
            for client in silent:
                client.send(V1)
            await self.until(lambda connection_limit=connection_limit: sum(connection_limit._addresses.values()) == 2)
            answer = self.beside(self.in_one_packet, port, context)
            await self.until(lambda: self.journal.kinds("connection.delayed") == ["rate"])
            self.journal.notes.clear()
            silent[0].close()
            self.assertIn(b" 101 ", await answer)
            silent[1].close()

    def in_one_packet(self, port: int, context: ssl.SSLContext) -> bytes:
        incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        tls = context.wrap_bio(incoming, outgoing, server_hostname="127.0.0.1")
        with socket.create_connection(("127.0.0.1", port), 10) as plain:

            def until_done(step: Callable[[], Any], before: bytes = b"") -> Any:
                while True:
                    try:
                        return step()
                    except ssl.SSLWantReadError:
                        plain.sendall(before + outgoing.read())
                        before = b""
                        incoming.write(plain.recv(65536))

            until_done(tls.do_handshake, V1)
            tls.write(upgrade())
            return bytes(until_done(lambda: tls.read(4096)))

    async def test_on_a_unix_socket(self) -> None:
        """A proxy on the same machine, by a socket file."""
        _, directory = self.files()
        path = str(directory / "socket")

        settings = listener_settings(
            name="public", origins=("localhost",), proxy_protocol=True, trusted_proxies=("127.0.0.0/8",)
        )
        factory = WebSocketFactory(settings, self.host, self.journal, reactor)
        listening: Deferred[Any] = UNIXServerEndpoint(reactor, path).listen(factory)
        port = await listening
        self.addCleanup(self.until, lambda: factory.connection_limit.inside == 0)
        self.addCleanup(port.stopListening)

        def talk() -> bytes:
            with socket.socket(socket.AF_UNIX) as client:
                client.settimeout(10)
                client.connect(path)
                client.sendall(V1 + upgrade())
                return client.recv(4096)

        self.assertIn(b" 101 ", await self.beside(talk))
        self.assertEqual((self.host.facts[0].peer, self.host.facts[0].address), ("unix", "203.0.113.9"))
