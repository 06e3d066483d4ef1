"""A listener: what is set on a connection, who is turned away, by whose address it is counted."""

import socket
from time import monotonic
from typing import Any

from twisted.internet.address import UNIXAddress
from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectionDone
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from orosync.model import ConnectionFacts, ConnectionPolicy
from orosync.transport.admission import LARGE_HEAD, LARGE_HEADS, MOST_UNDECIDED
from orosync.transport.factories import UniversalFactory
from tests.support.listeners import ListenerCase
from tests.support.raw_wires import HELLO, RawListener
from tests.support.wires import ANSWERS, MemoryListener, RecordingSession, upgrade


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
        self.host.make = lambda: RecordingSession(ConnectionPolicy(pinged=False))
        client = await self.client(port)
        await self.beside(client.upgrade)
        handle = self.host.sessions[0].link.transport.getHandle()
        self.assertEqual(handle.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE), 1)
        self.assertEqual(handle.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE), 60)

    async def test_a_full_listener_says_so(self) -> None:
        """A connection too many gets 503, is noted, and may come again when there is room."""
        port = await self.listen(max_connections=1)
        first = await self.client(port)
        await self.beside(first.upgrade)
        self.assertEqual(await self.beside((await self.client(port)).until_end), ANSWERS[503])
        self.assertEqual(self.journal.kinds("connection.refused"), ["too_many"])
        first.close()
        await self.until(lambda: self.factories[0].connection_limit.inside == 0)
        self.assertIn(b" 101 ", await self.beside((await self.client(port)).upgrade))

    async def test_a_silent_client_is_dropped(self) -> None:
        """The time for the handshake is bounded on the wire as well."""
        port = await self.listen(handshake_timeout=0.3)
        client = await self.client(port)
        began = monotonic()
        self.assertEqual(await self.beside(client.until_end), b"")
        self.assertTrue(0.3 <= monotonic() - began < 3)


GONE = Failure(ConnectionDone())
REFUSED = "connection.refused"


class Php:
    """The back end comes from 127.0.0.1 and asks for /php."""

    def may_come_from(self, peer: str) -> bool:
        return peer == "127.0.0.1"

    def is_shown_by(self, facts: ConnectionFacts) -> bool:
        return facts.path == "/php"


class PlacesTests(SynchronousTestCase):
    """Places of real connections, without sockets."""

    def status(self, listener: Any, peer: str, extra: str = "", path: str = "/ws") -> int:
        link, wire = listener.connect(peer)
        if not wire.value():
            link.dataReceived(upgrade(path=path, extra=extra))
        return int(wire.value().split()[1])

    def test_silent_ones_of_one_address(self) -> None:
        """They fill half of the places and no more than theirs of the rest; others come in."""
        listener = MemoryListener(max_unauthenticated=10, unauthenticated_per_address=3)
        for _ in range(20):
            listener.connect("192.0.2.1")
        self.assertEqual(listener.factory.connection_limit.unauthenticated, 6)
        self.assertEqual(listener.journal.kinds(REFUSED), ["too_many_of_address"] * 14)
        self.assertEqual([self.status(listener, f"192.0.2.{n}") for n in range(2, 9)], [101] * 7)

    def test_who_has_joined_counts_no_longer(self) -> None:
        """A whole office may sit behind one address."""
        listener = MemoryListener(max_unauthenticated=2, unauthenticated_per_address=1)
        self.assertEqual([self.status(listener, "192.0.2.1") for _ in range(50)], [101] * 50)
        connection_limit = listener.factory.connection_limit
        self.assertEqual((connection_limit.inside, connection_limit.unauthenticated), (50, 0))
        session = listener.host.sessions[0]
        session.link.set_authenticated(False)
        self.assertEqual(connection_limit.unauthenticated, 1)
        session.link.connectionLost(GONE)
        self.assertEqual((connection_limit.inside, connection_limit.unauthenticated), (49, 0))

    def test_behind_a_proxy(self) -> None:
        """The client's address counts, whatever the proxy's does: 503 for one, 101 for another."""
        listener = MemoryListener(max_unauthenticated=4, unauthenticated_per_address=1, trusted_proxies=["10.0.0.0/8"])
        session = RecordingSession
        listener.host.make = lambda: _silent(session())
        seen = [self.status(listener, "10.0.0.1", f"X-Forwarded-For: 198.51.100.{n}\r\n") for n in (1, 1, 1, 1)]
        self.assertEqual(seen, [101, 101, 101, 503])
        listener.host.sessions[0].link.connectionLost(GONE)
        self.assertEqual(self.status(listener, "10.0.0.1", "X-Forwarded-For: 198.51.100.2\r\n"), 101)
        self.assertEqual(listener.journal.kinds(REFUSED), ["too_many_of_address"])
        self.assertEqual(listener.journal.notes[-1][2]["address"], "198.51.100.1")

    def test_a_unix_socket(self) -> None:
        """It counts for no address until its headers are read: then for the client, or for all of the socket."""
        listener = MemoryListener(max_unauthenticated=4, unauthenticated_per_address=1, trusted_proxies=["10.0.0.0/8"])
        listener.host.make = lambda: _silent(RecordingSession())

        def status(extra: str) -> int:
            link = listener.factory.buildProtocol(UNIXAddress("/x"))
            _, wire = MemoryListener().connect()
            link.makeConnection(wire)
            link.dataReceived(upgrade(extra=extra))
            return int(wire.value().split()[1])

        self.assertEqual([status("") for _ in range(3)], [101] * 3)
        self.assertEqual(status(""), 503)
        self.assertEqual(status("X-Forwarded-For: 198.51.100.2\r\n"), 503)  # the last place has it, until it is gone

    def test_the_back_end_finds_a_place(self) -> None:
        """Whether the others are silent or have joined; a browser of the same address does not."""
        for silent in (True, False):
            listener = MemoryListener(max_connections=3, max_unauthenticated=3, backend_places=2, back_end=Php())
            for _ in range(3):
                link, _ = listener.connect("192.0.2.1")
                if not silent:
                    link.dataReceived(upgrade())
            self.assertEqual(self.status(listener, "127.0.0.1"), 503)
            self.assertEqual([self.status(listener, "127.0.0.1", path="/php") for _ in range(3)], [101, 101, 503])
            self.assertEqual(self.status(listener, "192.0.2.1", path="/php"), 503)
            self.assertEqual(listener.factory.connection_limit.inside, 5)

    def test_one_that_has_to_go_for_others(self) -> None:
        """It is told 503, over TLS nothing; what is known of it by then goes with it."""
        for tls in (False, True):
            listener = MemoryListener(max_connections=1, back_end=Php(), tls=tls)
            listener.connect("192.0.2.1")
            wires = [listener.connect("127.0.0.1")[1] for _ in range(MOST_UNDECIDED + 1)]
            self.assertEqual((wires[0].value(), wires[0].aborted), (b"" if tls else ANSWERS[503], tls))
            self.assertEqual((wires[1].value(), wires[1].aborted), (b"", False))

    def test_long_heads_that_have_to_go_for_others(self) -> None:
        """While their request is read or judged they are told; a client past that, which has not joined, is dropped."""
        long = upgrade(extra="Cookie: a=" + "x" * 14_000 + "\r\n")
        for judged, end in ((0, 20), (1, 0), (2, 0)):
            most = LARGE_HEADS // (len(long) - end - LARGE_HEAD)
            listener = MemoryListener()
            listener.host.make = lambda: _silent(RecordingSession())
            listener.host.answer = None if judged == 2 else Deferred()
            wires = []
            for _ in range(most + 1):
                link, wire = listener.connect()
                link.dataReceived(long[: len(long) - end])
                wires.append(wire)
            told = wires[0].value().endswith(ANSWERS[503])
            self.assertEqual((told, wires[0].aborted, wires[0].disconnecting), (judged < 2, judged == 2, True))
            self.assertFalse(wires[1].disconnecting)
            self.assertEqual(listener.journal.kinds(REFUSED), ["too_many_large_heads"])

    def test_it_has_to_be_quick(self) -> None:
        """Who has come in only in case it is the back end has a second, and leaves nothing."""
        for kind in (None, UniversalFactory):
            listener: Any = MemoryListener(max_connections=1, back_end=Php(), **({"kind": kind} if kind else {}))
            listener.connect("192.0.2.1")
            link, wire = listener.connect("127.0.0.1")
            listener.run(0.9)
            self.assertFalse(wire.aborted)
            listener.run(1.1)
            self.assertTrue(wire.aborted)
            link.connectionLost(GONE)
            self.assertEqual(len(listener.factory.connection_limit._undecided), 0)

    def test_rawsocket(self) -> None:
        """Its error for who is over the count, whatever it is told of; on its own port the back end comes in."""
        listener = RawListener(max_unauthenticated=2, unauthenticated_per_address=1, back_end=Own())
        listener.host.make = lambda: _silent(RecordingSession())
        answers = []
        for _ in range(4):
            link, wire = listener.connect("127.0.0.1")
            link.dataReceived(HELLO)
            answers.append(wire.value())
        self.assertEqual(answers, [b"\x7f\x71\0\0"] * 4)
        for _ in range(2):
            link, wire = listener.connect("192.0.2.9")
            self.assertEqual(wire.value(), b"\x7f\x40\0\0")
        self.assertEqual(listener.journal.kinds(REFUSED), ["too_many_unauthenticated"] * 2)

    def test_pages_and_their_connections(self) -> None:
        """Plain HTTP takes a place of its client's as well, and 503 where there is none."""
        listener = MemoryListener(
            longpoll="/lp", max_unauthenticated=4, unauthenticated_per_address=1, trusted_proxies=["10.0.0.0/8"]
        )
        request = b"POST /lp/x/send HTTP/1.1\r\nHost: localhost\r\nX-Forwarded-For: 198.51.100.1\r\n\r\n"
        answers = []
        for _ in range(4):
            link, wire = listener.connect("10.0.0.1")
            link.dataReceived(request)
            answers.append(int(wire.value().split()[1]))
        self.assertEqual(answers, [404, 404, 404, 503])


class Own(Php):
    """A listener of the back end's own."""

    def is_shown_by(self, facts: ConnectionFacts) -> bool:
        return facts.peer == "127.0.0.1"


def _silent(session: RecordingSession) -> RecordingSession:
    """It does not join."""
    session.authenticates = False
    return session
