"""A crowd at the door is let in a few at a time, and nobody is left outside."""

from __future__ import annotations

import socket

from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.internet.protocol import Factory, Protocol
from twisted.trial.unittest import TestCase

from orosync.transport.accepting import accept_few


class AcceptingTests(TestCase):
    timeout = 10

    async def test_a_few_in_each_turn(self) -> None:
        """Of a hundred who wait, no more than four come in between two turns of the reactor; in the end all are in."""
        turns: list[int] = [0]
        everybody: Deferred[None] = Deferred()

        class Guest(Protocol):
            def connectionMade(self) -> None:
                turns[-1] += 1
                self.transport.abortConnection()  # type: ignore[union-attr]
                if sum(turns) == 100:
                    everybody.callback(None)

        def turn() -> None:
            turns.append(0)
            if not everybody.called:
                reactor.callLater(0, turn)  # type: ignore[attr-defined]

        port = reactor.listenTCP(0, Factory.forProtocol(Guest), 200, "127.0.0.1")  # type: ignore[attr-defined]
        self.addCleanup(port.stopListening)
        accept_few(port, 4)
        for _ in range(100):
            guest = socket.create_connection(("127.0.0.1", port.getHost().port), 5)
            self.addCleanup(guest.close)
        turn()
        await everybody
        self.assertEqual((max(turns), sum(turns)), (4, 100))
