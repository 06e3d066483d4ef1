"""A connection's queue and its deadlines, on a clock of our own."""

import zlib
from collections.abc import Callable
from typing import Any

from twisted.internet.error import ConnectionDone, ConnectionLost
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from orosync.model import ConnectionPolicy
from orosync.transport import write_queue
from orosync.transport.connection import BATCH, UNAUTHENTICATED_MESSAGE_LIMIT
from orosync.transport.frames import server_frame
from tests.support.raw_wires import RawListener, raw_frame
from tests.support.wires import MemoryListener, RecordingSession, client_frame, close_code, server_frames, upgrade

PING, PONG = b"\x89\x00", client_frame(b"", 10)


class PushTests(SynchronousTestCase):
    def test_what_one_turn_pushes_leaves_together(self) -> None:
        """In order, in one write, when the turn is over."""
        listener = MemoryListener()
        link, _, _ = listener.open()
        writes: list[bytes] = []
        link._deliver = writes.append
        for n in range(3):
            link.push(b"frame%d" % n)
        self.assertEqual(writes, [])
        listener.clock.advance(0)
        self.assertEqual(writes, [b"frame0frame1frame2"])
        link.push(b"next")
        listener.clock.advance(0)
        self.assertEqual(writes[1:], [b"next"])

    def test_nothing_overtakes_what_is_held_back(self) -> None:
        """From the first frame that the transport keeps, all go its way, until it keeps nothing any more."""
        listener = MemoryListener()
        link, _, _ = listener.open()
        kept = [0]
        link._deliver = lambda data: kept[0]
        link.push(b"1")
        listener.clock.advance(0)
        self.assertTrue(link.way.clear)
        link.held_back(5, 5, 5)
        self.assertFalse(link.way.clear)
        kept[0] = 3
        link.push(b"2")
        listener.clock.advance(0)
        self.assertFalse(link.way.clear)
        kept[0] = 0
        link.push(b"3")
        listener.clock.advance(0)
        self.assertTrue(link.way.clear)

    def test_what_may_wait(self) -> None:
        """So much as is configured; and one frame that is larger than that, if only little waited before it. Each row:
        what the peer has left of what came before, the frames that come, whether it is cut."""
        table: dict[str, list[tuple[int, list[int], bool]]] = {
            "as much as may wait": [(0, [1000], False)],
            "one byte more": [(0, [1000], False), (1000, [1], True)],
            "together too much": [(0, [600, 600], True)],
            "a large one": [(0, [5000], False), (5000, [900, 100], False), (6000, [1], True)],
            "behind a little": [(0, [900], False), (900, [5000], False), (5900, [101], True)],
            "among others": [(0, [10, 5000, 10], False)],
            "two large ones": [(0, [5000, 5000], True)],
            "a second large one": [(0, [5000], False), (1001, [5000], True)],
            "a second one when the first is gone": [(0, [5000], False), (1000, [5000], False)],
            "small ones when it is gone": [(0, [5000], False), (10, [980], False), (990, [11], True)],
        }
        for name, rows in table.items():
            listener = MemoryListener(send_buffer_limit=1000)
            link, wire, _ = listener.open()
            for before, frames, cut in rows:
                link._deliver = lambda data, before=before: before + len(data)
                for size in frames:
                    link.push(b"x" * size)
                listener.clock.advance(0)
                self.assertEqual(
                    (wire.aborted, listener.journal.kinds("consumer.cut")), (cut, ["queue_full"] * cut), name
                )

    def test_what_a_socket_takes_in_part(self) -> None:
        """The transport gets the rest, and what may wait is measured by the single frames. Each row: the frames, how
        much the socket took, whether the connection is cut."""
        for frames, sent, cut in (([600, 600], 300, False), ([600, 600], 100, True), ([5000], 0, False)):
            listener = MemoryListener(send_buffer_limit=1000)
            link, wire, _ = listener.open()
            wire.clear()
            self.patch(write_queue, "backlog", lambda raw: len(raw.value()))
            link.sent_in_part([b"%d" % (size % 10) * size for size in frames], sent)
            self.assertEqual(len(wire.value()), sum(frames) - sent)
            self.assertEqual((link.way.clear, wire.aborted), (False, cut), frames)

    def test_nothing_follows_an_end(self) -> None:
        """Whichever way a link ends, from then on no event takes the short way to its socket."""
        ends: list[Callable[[Any], object]] = [
            lambda link: link.close(1000, "bye"),
            lambda link: link.drop("bye"),
            lambda link: link.drop_now("bye"),
            lambda link: link.dataReceived(client_frame(b"\x03\xe8", 8)),
            lambda link: link.dataReceived(b"\xff\xff\xff\xff\xff\xff\xff"),
            lambda link: link.connectionLost(),
        ]
        for number, end in enumerate(ends):
            listener = MemoryListener()
            link, _, _ = listener.open()
            self.assertTrue(link.way.clear)
            end(link)
            self.assertFalse(link.way.clear, number)
            listener.clock.advance(0)
            self.assertFalse(link.way.clear, number)

    def test_a_close_goes_behind_what_is_queued(self) -> None:
        """An event that was published before a goodbye arrives before it; what comes later is dropped silently."""
        listener = MemoryListener()
        link, wire, _ = listener.open()
        link.push(server_frame(b"event", False))
        link.close(1001, "restarting")
        link.push(server_frame(b"late", False))
        link.close(1000, "again")
        listener.clock.advance(0)
        self.assertEqual(server_frames(wire.value()), ([(0x81, b"event"), (0x88, b"\x03\xe9restarting")], b""))

    def test_a_pong_goes_behind_what_is_queued(self) -> None:
        """Order holds for control frames as well."""
        listener = MemoryListener()
        link, wire, session = listener.open()
        session.on_message = lambda data, binary: link.push(server_frame(b"answer", False))
        link.dataReceived(client_frame(b"ask") + client_frame(b"p", 9) + client_frame(b"ask"))
        listener.clock.advance(0)
        self.assertEqual(server_frames(wire.value())[0], [(0x81, b"answer"), (0x8A, b"p"), (0x81, b"answer")])

    def test_pushing_to_the_dead(self) -> None:
        """The connection is gone: nothing is raised, nothing is kept."""
        listener = MemoryListener()
        link, wire, _ = listener.open()
        link.connectionLost(Failure(ConnectionDone()))
        for _ in range(3):
            link.push(b"x" * 600000)
        listener.clock.advance(0)
        self.assertEqual((wire.value(), link._queue), (b"", []))
        link.close(1000, "")
        link.drop("")
        link.pause()
        link.resume()

    def test_a_turn_that_pushes_too_much_is_not_kept(self) -> None:
        """Past the bound the queue is sent at once instead of growing until the turn is over."""
        listener = MemoryListener()
        link, wire, _ = listener.open()
        for n in range(3 * BATCH):
            link.push(b"%03d" % n)
            self.assertLessEqual(len(link._queue), BATCH)
        listener.clock.advance(0)
        self.assertEqual(wire.value(), b"".join(b"%03d" % n for n in range(3 * BATCH)))


class DropTests(SynchronousTestCase):
    """The end without a CLOSE."""

    def test_nothing_is_taken_back(self) -> None:
        """What is queued is delivered though the client talks on: our side of TCP ends, what arrives is dropped until
        the client ends too, or has taken too long."""
        listener = MemoryListener()
        link, wire, session = listener.open()
        link.push(b"the last event")
        link.drop("stopping", linger=True)
        link.dataReceived(client_frame(b"unheard"))
        self.assertEqual((wire.value(), wire.ended, wire.disconnecting), (b"the last event", True, False))
        self.assertEqual(session.messages, [])
        listener.run(60)
        self.assertTrue(wire.aborted)

    def test_who_has_to_notice(self) -> None:
        """PHP, which is never pinged and reads nothing, writes into a connection that is gone, and so does a client
        that is dropped for good."""
        link, wire, _ = MemoryListener().open(ConnectionPolicy(pinged=False))
        link.drop("stopping", linger=True)
        self.assertEqual((wire.ended, wire.disconnecting), (False, True))
        link, wire, _ = MemoryListener().open()
        link.drop("too slow")
        self.assertEqual((wire.ended, wire.disconnecting), (False, True))


class KeepAliveTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.listener = MemoryListener()
        self.link, self.wire, self.session = self.listener.open()

    def test_silence_is_asked_and_the_dead_are_cut(self) -> None:
        """A ping after 25 seconds of silence, the end 10 seconds later, and the reason is on record."""
        self.listener.run(24.9)
        self.assertEqual(self.wire.value(), b"")
        self.listener.run(1)
        self.assertEqual(self.wire.value(), PING)
        self.listener.run(9)
        self.assertFalse(self.wire.aborted)
        self.listener.run(2)
        self.assertTrue(self.wire.aborted)
        self.assertEqual(self.listener.journal.kinds("consumer.cut"), ["ping_timeout"])
        self.link.connectionLost(Failure(ConnectionLost()))
        self.assertEqual(self.session.ends, [(False, None, "cut: ping_timeout")])

    def test_any_answer_will_do(self) -> None:
        """A pong, or whatever else arrives, even a part of a frame."""
        for answer in (PONG, client_frame(b"hello"), b"\x81"):
            listener = MemoryListener(frame_timeout=100)
            link, wire, _ = listener.open()
            for round_number in range(1, 4):
                listener.run(27)
                self.assertEqual(wire.value(), PING * round_number)
                link.dataReceived(answer if answer != b"\x81" or round_number == 1 else b"")
                self.assertFalse(wire.aborted)

    def test_who_talks_is_not_asked(self) -> None:
        """Silence counts from the last thing heard."""
        for _ in range(10):
            self.listener.run(20)
            self.link.dataReceived(PONG)
        self.assertEqual(self.wire.value(), b"")
        self.listener.run(26)
        self.assertEqual(self.wire.value(), PING)

    def test_the_publisher_is_never_asked(self) -> None:
        """It never reads: no ping, no time-out, whatever time goes by."""
        link, wire, session = self.listener.open(ConnectionPolicy(pinged=False))
        self.listener.run(3600, 1)
        self.assertEqual((wire.value(), wire.aborted, session.ends), (b"", False, []))
        self.assertIsNone(link.slot)

    def test_we_who_do_not_listen_cannot_complain_of_silence(self) -> None:
        """While reading is paused no ping is sent and no client is cut."""
        self.link.pause()
        self.listener.run(100)
        self.assertEqual((self.wire.value(), self.wire.aborted), (b"", False))
        self.link.resume()
        self.listener.run(27)
        self.assertEqual(self.wire.value(), PING)

    def test_no_timer_remains_for_the_gone(self) -> None:
        """The listener's one timer stops when its last connection has ended."""
        self.link.connectionLost(Failure(ConnectionDone()))
        self.listener.run(1)
        self.assertEqual(self.listener.clock.getDelayedCalls(), [])


class UnauthenticatedTests(SynchronousTestCase):
    """Until a client has joined, its messages have a limit of their own."""

    LIMIT = UNAUTHENTICATED_MESSAGE_LIMIT

    def stranger(self, policy: ConnectionPolicy | None = None, **settings: Any) -> tuple[Any, Any, RecordingSession]:
        """A client past its 101 that has not joined."""
        listener = MemoryListener(**settings)
        session = RecordingSession(policy)
        session.authenticates = False
        listener.host.make = lambda: session
        link, wire = listener.connect()
        link.dataReceived(upgrade(extra="Sec-WebSocket-Extensions: permessage-deflate\r\n"))
        wire.clear()
        return link, wire, session

    def test_whole_and_fragmented_and_inflated(self) -> None:
        """As long as the limit is taken; a byte more is too large, however it comes, and nothing of it is heard."""
        squeezer = zlib.compressobj(wbits=-15)
        squeezed = (squeezer.compress(b"x" * (self.LIMIT + 1)) + squeezer.flush(zlib.Z_SYNC_FLUSH))[:-4]
        half = b"x" * (self.LIMIT // 2)
        fitting = [client_frame(b"x" * self.LIMIT), client_frame(half, fin=False) + client_frame(half, 0)]
        beyond = [
            client_frame(b"x" * (self.LIMIT + 1)),
            client_frame(half, fin=False) + client_frame(half + b"x", 0),
            client_frame(squeezed, rsv=4),
        ]
        for frames, code in [*((one, None) for one in fitting), *((one, 1009) for one in beyond)]:
            link, wire, session = self.stranger(deflate=True)
            link.dataReceived(frames)
            self.assertEqual((close_code(wire.value()), len(session.messages)), (code, code is None))

    def test_joining_lifts_it_and_goodbye_brings_it_back(self) -> None:
        """The message that joins may be followed by a long one in the same read, the one that leaves may not."""
        long = client_frame(b"x" * (self.LIMIT + 1))
        link, wire, session = self.stranger()
        session.on_message = lambda data, _: data[:1] == b"x" or link.set_authenticated(data == b"join")
        link.dataReceived(client_frame(b"join") + long)
        self.assertEqual(len(session.messages), 2)
        link.dataReceived(client_frame(b"leave") + long)
        self.assertEqual((len(session.messages), close_code(wire.value())), (3, 1009))

    def test_a_smaller_limit_holds_for_all(self) -> None:
        """What the listener says is less: that is the limit before and after."""
        for joins in (False, True):
            link, wire, _ = self.stranger(ConnectionPolicy(message_limit=100))
            link.set_authenticated(joins)
            link.dataReceived(client_frame(b"x" * 101))
            self.assertEqual(close_code(wire.value()), 1009)

    def test_a_back_end_is_skipped_only_once_it_has_joined(self) -> None:
        """Before, a message that is too large ends it like any other."""
        policy = ConnectionPolicy(skip_oversized=True)
        link, wire, _ = self.stranger(policy)
        link.dataReceived(client_frame(b"x" * 70000))
        self.assertEqual(close_code(wire.value()), 1009)
        link, wire, session = self.stranger(policy)
        link.set_authenticated(True)
        link.dataReceived(client_frame(b"x" * 70000) + client_frame(b"next"))
        self.assertEqual((wire.value(), session.messages), (b"", [(b"next", False)]))

    def test_rawsocket(self) -> None:
        """The same limit, whatever the handshake has announced for later."""
        for size, heard in ((self.LIMIT, 1), (self.LIMIT + 1, 0)):
            listener = RawListener()
            session = RecordingSession()
            session.authenticates = False
            listener.host.make = lambda session=session: session
            link, wire = listener.connect()
            link.dataReceived(b"\x7f\xf1\0\0")
            self.assertEqual(wire.value(), b"\x7f\x71\0\0")
            link.dataReceived(raw_frame(b"x" * size))
            self.assertEqual((len(session.messages), len(session.violations)), (heard, 1 - heard))
