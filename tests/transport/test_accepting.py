"""Connections as they are accepted: a few at a time, some put off, some sent away."""

from __future__ import annotations

import socket
from typing import Any

from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectionDone
from twisted.internet.protocol import Factory, Protocol
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase, TestCase

from orosync.transport.accepting import MOST_DRAINED, MOST_LINGERING, accept_few
from orosync.transport.delayed_connections import TICK
from orosync.transport.factories import UniversalFactory
from tests.support.raw_wires import HELLO, RawListener
from tests.support.wires import ANSWERS, MemoryListener, upgrade

GONE = Failure(ConnectionDone())


class AcceptingTests(TestCase):
    timeout = 10

    async def test_a_few_in_each_turn(self) -> None:
        """Of a hundred who wait, no more than four come in between two turns of the reactor; in the end all are in."""
        turns: list[int] = [0]
        all_accepted: Deferred[None] = Deferred()

        class Accepted(Protocol):
            def connectionMade(self) -> None:
                turns[-1] += 1
                self.transport.abortConnection()  # type: ignore[union-attr]
                if sum(turns) == 100:
                    all_accepted.callback(None)

        def turn() -> None:
            turns.append(0)
            if not all_accepted.called:
                reactor.callLater(0, turn)  # type: ignore[attr-defined]

        port = reactor.listenTCP(0, Factory.forProtocol(Accepted), 200, "127.0.0.1")  # type: ignore[attr-defined]
        self.addCleanup(port.stopListening)
        accept_few(port, 4)
        for _ in range(100):
            client = socket.create_connection(("127.0.0.1", port.getHost().port), 5)
            self.addCleanup(client.close)
        turn()
        await all_accepted
        self.assertEqual((max(turns), sum(turns)), (4, 100))


class DelayedTests(SynchronousTestCase):
    """Over its rate a connection waits; nothing of it is read."""

    def setUp(self) -> None:
        self.listener = MemoryListener(max_unauthenticated=8, connection_rate=20.0, connection_burst=1)
        self.crowd = [self.listener.connect() for _ in range(5)]

    def test_its_turn_comes(self) -> None:
        """It is not read from until then, and is served like any other; one that comes later waits longer."""
        (first, wire), (_, later) = self.listener.connect(), self.listener.connect()
        self.assertEqual((wire.producerState, later.producerState), ("paused", "paused"))
        self.listener.clock.advance(TICK)
        self.assertEqual((wire.producerState, later.producerState), ("producing", "paused"))
        first.dataReceived(upgrade())
        self.assertIn(b" 101 ", wire.value())
        self.listener.clock.advance(TICK)
        self.assertEqual(later.producerState, "producing")

    def test_it_leaves_while_it_waits(self) -> None:
        """Nothing of it is left."""
        waiting, _ = self.listener.connect()
        waiting.connectionLost(GONE)
        for link, _ in self.crowd:
            link.connectionLost(GONE)
        self.listener.run(1)
        self.assertEqual(
            (self.listener.factory.connection_limit.inside, self.listener.clock.getDelayedCalls()), (0, [])
        )

    def test_it_has_hung_up(self) -> None:
        """That is seen before it is greeted, which over TLS would cost a handshake."""
        waiting, wire = self.listener.connect()
        ours, theirs = socket.socketpair()
        self.addCleanup(ours.close)
        wire.getHandle = lambda: ours  # type: ignore[attr-defined]
        theirs.close()
        self.listener.clock.advance(TICK)
        self.assertTrue(wire.aborted)
        waiting.connectionLost(GONE)
        self.assertEqual(self.listener.factory.connection_limit.inside, 5)

    def test_it_has_said_something_or_nothing(self) -> None:
        """Neither is taken for hanging up."""
        for said in (b"", b"GET"):
            _, wire = self.listener.connect()
            ours, theirs = socket.socketpair()
            self.addCleanup(ours.close)
            self.addCleanup(theirs.close)
            wire.getHandle = lambda ours=ours: ours  # type: ignore[attr-defined]
            theirs.sendall(said)
            self.listener.clock.advance(TICK)
            self.assertEqual((wire.aborted, wire.producerState), (False, "producing"))

    def test_behind_a_proxy_it_waits_with_its_request(self) -> None:
        """Its address is only known then; the host is asked when it is its turn."""
        listener = MemoryListener(
            max_unauthenticated=8, connection_rate=20.0, connection_burst=1, trusted_proxies=["192.0.2.0/24"]
        )
        for _ in range(5):
            listener.connect()
        hosts: list[int] = []
        for address in ("198.51.100.1", "198.51.100.2", "198.51.100.1"):
            link, _ = listener.connect()
            link.dataReceived(upgrade(extra=f"X-Forwarded-For: {address}\r\n"))
            hosts.append(len(listener.host.facts))
        self.assertEqual(hosts, [1, 2, 2])
        link.dataReceived(b"early")
        listener.clock.advance(TICK)
        self.assertEqual(len(listener.host.facts), 3)
        link, _ = listener.connect()
        link.dataReceived(upgrade(extra="X-Forwarded-For: 198.51.100.1\r\n"))
        link.connectionLost(GONE)
        listener.clock.advance(TICK)
        self.assertEqual((len(listener.host.facts), len(listener.factory.connection_limit._delayed)), (3, 0))

    def test_when_the_listener_is_closed(self) -> None:
        """Delayed connections proceed at once, and are told that the router is stopping."""
        _, wire = self.listener.connect()
        self.listener.factory.stopFactory()
        self.assertEqual(wire.producerState, "producing")


class RefusedTests(SynchronousTestCase):
    """There is no place."""

    def full(self, listener: Any) -> Any:
        listener.connect()
        return listener

    def test_what_is_said(self) -> None:
        """503, RawSocket's own error, and on a port for both what goes with the first byte; what the client still
        sends is dropped, and it has a little time."""
        web, raw = MemoryListener(max_connections=1), RawListener(max_connections=1)
        both = RawListener(UniversalFactory, max_connections=1)
        for listener, first, answer in [
            (web, upgrade(), ANSWERS[503]),
            (raw, HELLO, b"\x7f\x40\0\0"),
            (both, upgrade(), ANSWERS[503]),
            (both, HELLO, b"\x7f\x40\0\0"),
        ]:
            if not listener.factory.connection_limit.inside:
                listener.connect()
            one, wire = listener.connect()
            one.dataReceived(first)
            one.dataReceived(first)
            self.assertEqual((wire.value(), wire.aborted), (answer, False))
            listener.run(3)
            self.assertTrue(wire.aborted)
            one.connectionLost(GONE)
            self.assertEqual(listener.factory.refusals.lingering, 0)

    def test_silent_ones_and_talkers(self) -> None:
        """On a port for both nothing can be said to one who says nothing; who goes on talking is cut."""
        listener = self.full(RawListener(UniversalFactory, max_connections=1))
        one, wire = listener.connect()
        listener.run(3)
        self.assertEqual((wire.value(), wire.aborted), (b"", True))
        one.connectionLost(GONE)
        one, wire = listener.connect()
        for _ in range(MOST_DRAINED // 4096):
            one.dataReceived(b"x" * 4096)
        self.assertFalse(wire.aborted)
        one.dataReceived(b"x")
        self.assertTrue(wire.aborted)

    def test_so_many_are_told(self) -> None:
        """A flood is sent away without a word; those who leave make room for others to be told."""
        listener = self.full(MemoryListener(max_connections=1))
        crowd = [listener.connect() for _ in range(MOST_LINGERING)]
        one, wire = listener.connect()
        self.assertEqual((wire.value(), wire.aborted), (b"", True))
        one.connectionLost(GONE)
        crowd[0][0].connectionLost(GONE)
        self.assertEqual(listener.connect()[1].value(), ANSWERS[503])
        self.assertEqual(listener.factory.refusals.lingering, MOST_LINGERING)
        self.assertEqual(listener.factory.connection_limit.inside, 1)

    def test_over_tls_nothing_is_said(self) -> None:
        """It is hung up on before TLS begins."""
        listener = self.full(MemoryListener(max_connections=1, tls=True))
        _, wire = listener.connect()
        self.assertEqual((wire.value(), wire.aborted), (b"", True))
