"""T1 and T2 on one port: the first byte tells them apart."""

from twisted.internet.error import ConnectionDone
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from orosync.transport.factories import FACTORIES, UniversalFactory
from orosync.transport.settings import SCHEMES
from tests.support.listeners import ListenerCase
from tests.support.raw_wires import HELLO, RawListener, raw_frame
from tests.support.wires import KEY, client_frame, upgrade


class ProtocolDetectorTests(SynchronousTestCase):
    """Without sockets."""

    def test_each_kind_has_its_factory_and_its_schemes(self) -> None:
        """What a configuration can name can be served."""
        self.assertEqual(FACTORIES.keys(), SCHEMES.keys())

    def test_byte_by_byte(self) -> None:
        """The first byte decides, nothing of it is lost."""
        for stream, message in (
            (HELLO + raw_frame(b"raw"), (b"raw", False)),
            (upgrade() + client_frame(b"web"), (b"web", False)),
        ):
            listener = RawListener(UniversalFactory)
            fork, wire = listener.connect()
            for n in range(len(stream)):
                fork.dataReceived(stream[n : n + 1])
            (session,) = listener.host.sessions
            self.assertEqual(session.messages, [message])
            self.assertFalse(wire.disconnecting)
            fork.connectionLost(Failure(ConnectionDone()))
            self.assertEqual((len(session.ends), listener.factory.connection_limit.inside), (1, 0))

    def test_a_silent_client(self) -> None:
        """It is timed out and noted, or counted when it leaves; no place is kept."""
        listener = RawListener(UniversalFactory)
        fork, wire = listener.connect()
        listener.run(6)
        self.assertTrue(wire.aborted)
        self.assertEqual(listener.journal.kinds("handshake.refused"), ["timeout"])
        fork.connectionLost(Failure(ConnectionDone()))
        fork, _ = listener.connect()
        fork.connectionLost(Failure(ConnectionDone()))
        self.assertEqual(listener.journal.counts, [("handshake.lost", "silent")])
        listener.run(1)
        self.assertEqual((listener.factory.connection_limit.inside, listener.clock.getDelayedCalls()), (0, []))


class OnePortTests(ListenerCase):
    """On real sockets."""

    async def test_both(self) -> None:
        """Each is served in its own way, under one limit."""
        port = await self.listen(kind=UniversalFactory, max_connections=2)
        raw, web = await self.client(port), await self.client(port)
        raw.send(HELLO)
        self.assertEqual(await self.beside(raw.exactly, 4), b"\x7f\x71\0\0")
        self.assertIn(b" 101 ", await self.beside(web.upgrade))
        self.assertEqual(await self.beside((await self.client(port)).until_end), b"")
        for session, frame in zip(self.host.sessions, (raw_frame(b"event"), b"\x81\x05event"), strict=True):
            session.link.push(session.link.framer(b"event", False))
            client = raw if frame[0] == 0 else web
            self.assertEqual(await self.beside(client.exactly, len(frame)), frame)
        self.assertTrue(KEY)
