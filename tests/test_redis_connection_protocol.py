"""txredisapi's protocol within bounds, cut anywhere."""

from __future__ import annotations

import sys
from typing import Any

from twisted.internet.defer import Deferred, gatherResults
from twisted.internet.error import ConnectionDone
from twisted.internet.testing import StringTransport
from twisted.python.failure import Failure
from twisted.trial.unittest import TestCase

from orosync.redis_connection import OneProtocol, encoded, protocol_class

ANSWERS = (
    b"$3\r\na\r\n\r\n$-1\r\n$20\r\n01234567890123456789\r\n$0\r\n\r\n$10\r\n0123456789\r\n"
    b"-NOPERM no\r\n$2\r\n\xff\n\r\n"
)


class Bounds(TestCase):
    """An answer of more than ten bytes is passed over."""

    timeout = 20

    def connected(self) -> Any:
        """A protocol with a connection."""
        protocol = OneProtocol(5.0, 10, 10).buildProtocol(None)
        protocol.makeConnection(StringTransport())
        self.addCleanup(self.end, protocol)
        return protocol

    def end(self, protocol: Any) -> None:
        """Its connection ends, if it has not."""
        if protocol.connected:
            protocol.connectionLost(Failure(ConnectionDone()))

    def told(self, asked: Deferred[Any]) -> Deferred[Any]:
        """What is answered; the text of an error."""
        return asked.addErrback(lambda failure: f"{failure.type.__name__}: {failure.value}")

    async def test_answers(self) -> None:
        """However the answers are cut, each question gets its own: bytes as they are, numbers as text, errors."""
        wanted = [
            b"a\r\n",
            None,
            "InvalidData: longer than 10 bytes",
            b"",
            b"0123456789",
            "ResponseError: NOPERM no",
            b"\xff\n",
        ]
        for cut in range(len(ANSWERS) + 1):
            protocol = self.connected()
            asked = [self.told(protocol.get(b"key")) for _ in wanted]
            protocol.dataReceived(ANSWERS[:cut])
            protocol.dataReceived(ANSWERS[cut:])
            self.assertEqual(await gatherResults(asked), wanted, cut)
            self.end(protocol)

    async def test_lists(self) -> None:
        """Values in a list that are too long, or beyond what an answer may have, are passed over in their places."""
        answer = (
            b"*2\r\n*2\r\n$3\r\na\r\n\r\n$20\r\n01234567890123456789\r\n*3\r\n:5\r\n$9\r\n012345678\r\n$1\r\nx\r\n"
            b"*-1\r\n*0\r\n$9\r\n012345678\r\n"
        )
        for cut in range(len(answer) + 1):
            protocol = self.connected()
            asked = [self.told(protocol.execute_command("XREAD")) for _ in range(4)]
            protocol.dataReceived(answer[:cut])
            protocol.dataReceived(answer[cut:])
            (first, more), *others = await gatherResults(asked)
            self.assertEqual((first[0], str(first[1])), (b"a\r\n", "longer than 10 bytes"))
            self.assertEqual((more[0], str(more[1]), more[2]), (5, "longer than 10 bytes", b"x"))
            self.assertEqual(others, [None, [], b"012345678"])
            self.end(protocol)

    async def test_what_is_sent(self) -> None:
        """One GET, the key as it is."""
        protocol = self.connected()
        self.told(protocol.get(b"sessionA,b-"))
        self.assertEqual(protocol.transport.value(), b"*2\r\n$3\r\nGET\r\n$11\r\nsessionA,b-\r\n")

    async def test_posted(self) -> None:
        """A command of bytes, texts and numbers; its answer, an error too, comes in its turn."""
        protocol = self.connected()
        first = self.told(protocol.post(encoded(b"SET", "kéy", 12, b"\r\n\0")))
        self.assertEqual(
            protocol.transport.value(), b"*4\r\n$3\r\nSET\r\n$4\r\nk\xc3\xa9y\r\n$2\r\n12\r\n$3\r\n\r\n\0\r\n"
        )
        second = self.told(protocol.execute_command("GET", "x"))
        protocol.dataReceived(b"-READONLY no\r\n$1\r\ny\r\n")
        self.assertEqual([await first, await second], ["ResponseError: READONLY no", b"y"])
        self.end(protocol)
        with self.assertRaisesRegex(Exception, "Not connected"):
            protocol.post(encoded("GET", "x"))

    def test_not_redis(self) -> None:
        """A server that does not speak the protocol is left at once."""
        for said in (b"$x\r\n", b"$-5\r\n", b"*?\r\n", b"x" * 20_000):
            protocol = self.connected()
            protocol.dataReceived(said)
            self.assertTrue(protocol.transport.disconnected, said[:9])

    async def test_lost(self) -> None:
        """When a connection ends, all pending commands fail with the reason."""
        protocol = self.connected()
        asked = self.told(protocol.get(b"key"))
        self.assertNoResult(protocol.ended)
        protocol.connectionLost(Failure(ConnectionDone("it was cut")))
        self.assertIn("Lost connection", await asked)
        self.assertIn("it was cut", protocol.why)
        await protocol.ended

    def assertNoResult(self, deferred: Deferred[Any]) -> None:
        """It has not fired."""
        self.assertFalse(deferred.called)

    def test_without_the_extra(self) -> None:
        """Where txredisapi is not installed, ImportError says so when it is needed, not before."""
        protocol_class.cache_clear()
        self.addCleanup(protocol_class.cache_clear)
        self.patch(sys, "modules", {**sys.modules, "txredisapi": None})
        with self.assertRaises(ImportError):
            protocol_class()
