"""Messages of the back end that are too large: skipped, noted, and nothing else lost."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from orosync.model import ConnectionPolicy
from tests.support.wires import MemoryListener, client_frame


class SkippingTests(SynchronousTestCase):
    """ConnectionPolicy.skip_oversized: the frame is lost, the connection lives."""

    def test_skipped_wherever_it_is_cut(self) -> None:
        """What came before and what comes behind arrives; what is too large is noted, never kept."""
        policy = ConnectionPolicy(message_limit=1000, skip_oversized=True)
        for size in (1001, 65535, 65536, 200000):
            stream = client_frame(b"before") + client_frame(b"x" * size, mask=b"\0\0\0\0") + client_frame(b"behind")
            for step in (len(stream), 1, 7, 65536, size):
                if step == 1 and size > 1001:
                    continue
                listener = MemoryListener()
                link, wire, session = listener.open(policy)
                for n in range(0, len(stream), step):
                    link.dataReceived(stream[n : n + step])
                    self.assertLess(len(link._tail or b""), 1100)
                self.assertEqual(session.messages, [(b"before", False), (b"behind", False)], (size, step))
                self.assertEqual(wire.value(), b"")
                ((event, kind, fields),) = listener.journal.notes
                self.assertEqual((event, kind, fields["size"]), ("frame.skipped", "too_large", size))

    def test_the_topic(self) -> None:
        """The line names the topic of a PUBLISH of Oro's PHP, however the message arrives; of others nothing."""
        policy = ConnectionPolicy(message_limit=1000, skip_oversized=True)
        for message, topic in (
            (b'[7,"oro\\/data\\/update",[' + b"1," * 2000 + b"1],[],[]]", "oro/data/update"),
            (b'[7,"' + b"x" * 2000 + b'",1]', None),
            (b'[7,"oro/ping"' + b" " * 1000, "oro/ping"),
            (b'[8,"oro/ping",1]' + b" " * 1000, None),
            (b"\xff" * 1001, None),
        ):
            stream = client_frame(message, mask=b"\1\2\3\4") + client_frame(b"behind")
            for step in (len(stream), 1, 9, 500):
                listener = MemoryListener()
                link, _, session = listener.open(policy)
                for n in range(0, len(stream), step):
                    link.dataReceived(stream[n : n + step])
                ((_, _, fields),) = listener.journal.notes
                self.assertEqual((fields.get("topic"), fields["size"]), (topic, len(message)), message[:40])
                self.assertEqual(session.messages, [(b"behind", False)])

    def test_two_in_a_row(self) -> None:
        """Each is skipped and noted."""
        listener = MemoryListener()
        link, _, session = listener.open(ConnectionPolicy(message_limit=10, skip_oversized=True))
        link.dataReceived((client_frame(b"x" * 300) + client_frame(b"ok")) * 2)
        self.assertEqual(session.messages, [(b"ok", False)] * 2)
        self.assertEqual(listener.journal.kinds("frame.skipped"), ["too_large"] * 2)
