"""A frame whose rest does not come ends its connection; a client that is only slow, or is not being read, is not
cut."""

from __future__ import annotations

from twisted.internet.error import ConnectionDone
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from orosync.model import ConnectionPolicy
from tests.support.wires import MemoryListener, client_frame

PUBLISHER = ConnectionPolicy(message_limit=1000, skip_oversized=True, pinged=False)
FRAME = client_frame(b"x" * 200)


class IncompleteFrameTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.listener = MemoryListener(frame_timeout=30)
        self.link, self.wire, self.session = self.listener.open(PUBLISHER)

    def cut(self) -> bool:
        kinds = self.listener.journal.kinds("frame.cut")
        self.assertEqual(self.wire.aborted, kinds == ["incomplete"])
        return self.wire.aborted

    def test_the_rest_never_comes(self) -> None:
        """Wherever the frame was cut, its connection ends after half a minute, and one line says whose it was."""
        for arrived in range(1, len(FRAME)):
            self.setUp()
            self.link.dataReceived(FRAME[:arrived])
            self.listener.run(29.5)
            self.assertFalse(self.cut(), arrived)
            self.listener.run(1.5)
            self.assertTrue(self.cut(), arrived)
        ((_, _, fields),) = self.listener.journal.notes
        self.assertEqual(fields, {"address": "192.0.2.7", "seconds": 30})

    def test_the_client_ends_before_the_rest(self) -> None:
        """PHP's write was cut, and PHP is done: one line says how much was lost; of short messages none does."""
        large = ConnectionPolicy(message_limit=100_000, skip_oversized=True, pinged=False)
        frame = client_frame(b"x" * 50_000)
        for arrived, noted in ((9, True), (40_000, True), (1, False), (len(frame), False)):
            self.setUp()
            link, _, _ = self.listener.open(large)
            link.set_authenticated(True)
            link.dataReceived(frame[:arrived])
            link.connectionLost(Failure(ConnectionDone()))
            said = [(code, fields) for event, code, fields in self.listener.journal.notes if event == "frame.lost"]
            fields = {"address": "192.0.2.7", "size": len(frame), "arrived": arrived}
            self.assertEqual(said, [("partial", fields)] if noted else [], arrived)
        self.link.dataReceived(FRAME[:100])
        self.link.connectionLost(Failure(ConnectionDone()))
        self.assertEqual(self.listener.journal.kinds("frame.lost"), [])

    def test_what_is_published_later_is_not_its_rest(self) -> None:
        """PHP's write was cut: the next frames disappear in the hole, and keep nothing alive."""
        self.link.dataReceived(client_frame(b"x" * 200000)[:5000])
        for _ in range(20):
            self.listener.run(2)
            if not self.wire.aborted:
                self.link.dataReceived(FRAME)
        self.assertTrue(self.cut())
        self.assertEqual(self.session.messages, [])

    def test_a_fragment_without_an_end(self) -> None:
        """A message that stays in fragments is no better."""
        self.link.dataReceived(client_frame(b"x", fin=False))
        self.listener.run(31)
        self.assertTrue(self.cut())

    def test_slow_but_complete(self) -> None:
        """Frame after frame, each cut by the network: the time begins anew with each."""
        stream = FRAME * 10
        for start in range(0, len(stream), 97):
            self.link.dataReceived(stream[start : start + 97])
            self.listener.run(10)
        self.listener.run(100)
        self.assertFalse(self.cut())
        self.assertEqual(len(self.session.messages), 10)

    def test_between_frames_there_is_time(self) -> None:
        """A long-running consumer that publishes once an hour stays, also right after a frame in two parts."""
        for _ in range(3):
            self.link.dataReceived(FRAME[:7])
            self.listener.run(1)
            self.link.dataReceived(FRAME[7:])
            self.listener.run(3600, 1)
        self.assertFalse(self.cut())
        self.assertEqual(len(self.session.messages), 3)

    def test_what_we_do_not_read_is_not_late(self) -> None:
        """While a session has paused its client, no time runs; it runs again when reading goes on."""
        self.link.dataReceived(FRAME[:7])
        self.link.pause()
        self.listener.run(100)
        self.assertFalse(self.cut())
        self.link.resume()
        self.listener.run(29)
        self.assertFalse(self.cut())
        self.listener.run(2)
        self.assertTrue(self.cut())

    def test_nothing_remains(self) -> None:
        """When the connection ends, or its frame is complete, nothing is watched and no timer runs."""
        self.link.dataReceived(FRAME[:7])
        self.link.connectionLost(Failure(ConnectionDone()))
        self.listener.factory.stopFactory()
        self.assertEqual(self.listener.clock.getDelayedCalls(), [])
        self.setUp()
        self.link.dataReceived(FRAME[:7])
        self.link.dataReceived(FRAME[7:])
        self.listener.run(1)
        self.assertEqual(self.listener.clock.getDelayedCalls(), [])
