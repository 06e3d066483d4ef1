"""What arrives of a stream and cannot be handed over yet: in pieces, paused, too large, or for a session that fails."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.internet.error import ConnectionDone
from twisted.internet.task import Clock
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from orosync.interfaces import RATE, TURN
from orosync.model import ConnectionPolicy
from orosync.transport.autobahn_protocol import CLOSED, CLOSING
from orosync.transport.connection import READ_SIZE
from orosync.transport.rawsocket import RawSocketConnection
from orosync.transport.read_turns import LEAST, QUANTUM, TIME
from tests.support.raw_wires import RawListener, raw_frame
from tests.support.wires import MemoryListener, MemoryWire, client_frame, close_code, one_turn, server_frames


class PauseTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.listener = MemoryListener()
        self.link, self.wire, self.session = self.listener.open()

    def texts(self) -> list[bytes]:
        return [message for message, _ in self.session.messages]

    def test_a_paused_session_gets_nothing_more(self) -> None:
        """Not even what has arrived already; the socket is not read either."""
        self.session.on_message = lambda data, binary: self.link.pause()
        self.link.dataReceived(b"".join(client_frame(b"%d" % n) for n in range(5)))
        self.assertEqual(self.texts(), [b"0"])
        self.assertEqual(self.wire.producerState, "paused")
        self.link.dataReceived(client_frame(b"5"))
        self.assertEqual(self.texts(), [b"0"])

    def test_resuming_goes_on_in_order(self) -> None:
        """One message for each resume while the session pauses at each; then everything."""
        self.session.on_message = lambda data, binary: self.link.pause()
        stream = b"".join(client_frame(b"%d" % n) for n in range(6))
        self.link.dataReceived(stream[:20])
        self.link.dataReceived(stream[20:])
        for n in range(1, 4):
            self.link.resume()
            self.assertEqual(self.texts(), [b"%d" % m for m in range(n + 1)])
            self.assertEqual(self.wire.producerState, "paused")
        self.session.on_message = lambda data, binary: None
        self.link.resume()
        self.assertEqual(self.texts(), [b"0", b"1", b"2", b"3", b"4", b"5"])
        self.assertEqual(self.wire.producerState, "producing")

    def test_pausing_and_resuming_at_once_costs_nothing(self) -> None:
        """A decision that is there immediately does not disturb the socket, nor the order."""

        def on_message(data: bytes, binary: bool) -> None:
            self.link.pause()
            self.link.resume()

        self.session.on_message = on_message
        self.wire.pauseProducing = None  # type: ignore[method-assign]
        self.link.dataReceived(b"".join(client_frame(b"%d" % n) for n in range(5)))
        self.assertEqual(self.texts(), [b"0", b"1", b"2", b"3", b"4"])

    def test_pausing_between_fragments(self) -> None:
        """A fragmented message, assembled by autobahn, obeys as well."""
        self.session.on_message = lambda data, binary: self.link.pause()
        whole = client_frame(b"a", fin=False) + client_frame(b"b", 0)
        self.link.dataReceived(whole + whole + client_frame(b"x"))
        self.assertEqual(self.texts(), [b"ab"])
        self.link.resume()
        self.assertEqual(self.texts(), [b"ab", b"ab"])
        self.link.resume()
        self.assertEqual(self.texts(), [b"ab", b"ab", b"x"])

    def test_pausing_from_outside(self) -> None:
        """A session may pause at any time, and twice."""
        self.link.pause()
        self.link.pause()
        self.assertEqual(self.wire.producerState, "paused")
        self.link.dataReceived(client_frame(b"x")[:3])
        self.link.dataReceived(client_frame(b"x")[3:])
        self.assertEqual(self.texts(), [])
        self.link.resume()
        self.link.resume()
        self.assertEqual((self.texts(), self.wire.producerState), ([b"x"], "producing"))

    def test_closing_while_paused(self) -> None:
        """What waits is not given to a session that closes; the peer's CLOSE behind it is still understood."""
        self.link.pause()
        self.link.dataReceived(client_frame(b"late") + client_frame(b"\x03\xe8", 8))
        self.link.close(1000, "done")
        self.assertEqual((self.texts(), self.wire.disconnecting, self.link.wasClean), ([], True, True))


class FailingSessionTests(SynchronousTestCase):
    def test_a_bug_costs_one_connection(self) -> None:
        """A session that raises is ended with 1011, noted, and gets nothing more."""
        listener = MemoryListener()
        link, wire, session = listener.open()

        def on_message(data: bytes, binary: bool) -> None:
            raise RuntimeError("bug")

        session.on_message = on_message
        link.dataReceived(client_frame(b"one") + client_frame(b"two"))
        self.assertEqual(len(self.flushLoggedErrors(RuntimeError)), 1)
        self.assertEqual((len(session.messages), close_code(wire.value())), (1, 1011))
        self.assertEqual(listener.journal.kinds("link.failed"), ["internal"])


FULL = QUANTUM // LEAST
CLOSE = client_frame(b"\x03\xe8", 8)


def texts(count: int) -> bytes:
    return b"".join(client_frame(b"%d" % n) for n in range(count))


class TurnTests(SynchronousTestCase):
    """What waits for its turn (see test_read_turns for how much that is)."""

    def setUp(self) -> None:
        self.listener = MemoryListener()
        self.link, self.wire, self.session = self.listener.open()

    def seen(self) -> int:
        return len(self.session.messages)

    def waiting(self) -> int:
        return len(self.listener.factory.turns)

    def test_a_neighbour_between_two_floods(self) -> None:
        """Each turn has a share of every flood and all that the neighbour says; all of it arrives in order."""
        log: list[str] = []
        links = {}
        for name in ("a", "b", "neighbour"):
            links[name], _, session = self.listener.open()
            session.on_message = lambda data, binary, name=name: log.append(name)  # type: ignore[misc]
        links["a"].dataReceived(texts(10 * FULL))
        links["b"].dataReceived(texts(10 * FULL))
        for _ in range(20):
            links["neighbour"].dataReceived(client_frame(b"x"))
            self.listener.turn()
        turns = "".join(name[0] for name in log).split("n")
        self.assertEqual(turns[:10], ["a" * FULL + "b" * FULL] * 10)
        self.assertEqual((log.count("a"), log.count("b"), log.count("neighbour")), (10 * FULL, 10 * FULL, 20))

    def test_who_speaks_now_and_then_never_waits(self) -> None:
        """A message in each turn is handled in that turn, and costs no turn of the queue beyond one in 64."""
        for n in range(1, 500):
            self.link.dataReceived(client_frame(b"x"))
            self.assertEqual(self.seen(), n)
            self.assertEqual(self.wire.producerState, "producing")
            self.listener.turn()
        self.assertEqual((self.waiting(), self.link._unsettled), (0, False))

    def test_hundreds_who_send_a_turns_work(self) -> None:
        """Each sends what it may in one turn, all at the same moment: what is handled of them together is bounded too,
        and a client that sends one message is served meanwhile; all of it arrives, in turns."""
        neighbour, _, heard = self.listener.open()
        crowd = [self.listener.open() for _ in range(250)]

        def handled() -> int:
            return sum(len(session.messages) for _, _, session in crowd)

        for link, _, _ in crowd:
            link.dataReceived(texts(FULL))
        self.assertEqual(handled(), 8 * FULL)
        seen = handled()
        turns = 0
        while seen < 250 * FULL:
            neighbour.dataReceived(client_frame(b"x"))
            neighbour.dataReceived(client_frame(b"p", 9))
            turns += 1
            self.assertEqual(len(heard.messages), turns)
            self.listener.turn()
            self.assertLessEqual(handled() - seen, 8 * FULL)
            seen = handled()
        for _, _, session in crowd:
            self.assertEqual([int(data) for data, _ in session.messages], list(range(FULL)))
        self.listener.clock.advance(0)
        self.assertEqual({wire.producerState for _, wire, _ in crowd}, {"producing"})
        self.assertEqual((self.waiting(), self.listener.factory.turns.full), (0, False))

    def test_many_whose_messages_take_long(self) -> None:
        """What is read in one turn takes no longer because of how many send it; all of it is handled, in order. Who
        says little at once waits for none of them."""
        clock, many = self.listener.clock, []
        longest = 0.0
        for _ in range(40):
            link, wire, session = self.listener.open()
            session.on_message = lambda data, binary: setattr(clock, "rightNow", clock.rightNow + TIME / 100)
            many.append((link, wire, session))
        for _ in range(3):
            before = clock.rightNow
            for number, (link, _, _) in enumerate(many):
                link.dataReceived(texts(FULL) if number % 2 else client_frame(b"0" * 5000) * 13)
                link.dataReceived(client_frame(b"1" * 5000))
            self.link.dataReceived(client_frame(b"x"))
            longest = max(longest, clock.rightNow - before)
            self.listener.turn()
        self.assertEqual(self.seen(), 3)
        self.assertLess(longest, 3 * TIME)  # 40 quanta would take 25
        while self.waiting():
            before = clock.rightNow
            self.listener.turn()
            self.assertLess(clock.rightNow - before, 3 * TIME)
        for number, (_, wire, session) in enumerate(many):
            once = [b"%d" % n for n in range(FULL)] if number % 2 else [b"0" * 5000] * 13
            self.assertEqual([data for data, _ in session.messages], [*once, b"1" * 5000] * 3)
            self.assertEqual(wire.producerState, "producing")

    def test_many_who_end_with_a_message_that_takes_long(self) -> None:
        """What they have cost counts as well, one message each: the others wait for another turn."""
        for listener, message in ((self.listener, client_frame(b"x" * 5000)), (RawListener(), raw_frame(b"x" * 5000))):
            many, clock = [], listener.clock
            for _ in range(20):
                link, _, session = listener.open()

                def on_message(data: bytes, binary: bool, link: Any = link, clock: Clock = clock) -> None:
                    clock.rightNow += TIME / 2
                    link.close(1002, "bad")

                session.on_message = on_message
                many.append(session)
                link.dataReceived(message)
            handled = [0, sum(len(session.messages) for session in many)]
            while handled[-1] < 20 and len(handled) < 50:
                listener.turn()
                handled.append(sum(len(session.messages) for session in many))
            self.assertEqual(handled[-1], 20)
            self.assertLess(max(after - before for before, after in itertools.pairwise(handled)), 6)

    def test_byte_by_byte(self) -> None:
        """As records of TLS may bring it, thousands in one read: that is work as well, and waits for its turn."""
        for link, wire, session in (self.listener.open(), RawListener().open()):
            below = link._raw = MemoryWire("192.0.2.7")
            link.set_authenticated(True)
            self.assertGreater(below.bufferSize, READ_SIZE)
            stream = (raw_frame if isinstance(link, RawSocketConnection) else client_frame)(b"x" * 3000)
            turns = 0
            for byte in stream:
                link.dataReceived(bytes((byte,)))
            self.assertEqual((session.messages, wire.producerState), ([], "paused"))
            while link._paused and turns < 10:
                turns += 1
                one_turn(link.turns._clock)
            self.assertEqual((len(session.messages), turns, wire.producerState), (1, 1, "producing"))
            self.assertEqual(below.bufferSize, READ_SIZE)

    def test_a_pause_holds_beyond_the_turn(self) -> None:
        """A session that waits for an answer gets nothing in its turn, and goes on where it was when it has one."""
        self.session.on_message = lambda data, binary: self.link.pause() if data in (b"10", b"100") else None
        self.link.dataReceived(texts(300))
        self.assertEqual((self.seen(), self.waiting()), (11, 0))
        self.link.resume()
        self.assertEqual((self.seen(), self.waiting()), (FULL, 1))
        self.listener.turn()
        self.assertEqual((self.seen(), self.waiting()), (101, 0))
        for _ in range(3):
            self.listener.turn()
        self.assertEqual(self.seen(), 101)
        self.link.resume()
        self.listener.clock.advance(0)
        self.assertEqual([int(data) for data, _ in self.session.messages], list(range(300)))
        self.assertEqual(self.wire.producerState, "producing")

    def test_a_pause_while_it_waits(self) -> None:
        """Whatever comes first, its turn or the answer."""
        for resume_first in (True, False):
            link, _, session = self.listener.open()
            link.dataReceived(texts(100))
            link.pause()
            if resume_first:
                link.resume()
                self.assertEqual(len(session.messages), FULL)
                self.listener.turn()
            else:
                self.listener.turn()
                self.assertEqual(len(session.messages), FULL)
                link.resume()
            self.assertEqual((len(session.messages), self.waiting()), (100, 0))

    def test_tokens_that_come_for_many_at_once(self) -> None:
        """Those who go on because their rate allows it go on in their turns."""
        links = []
        for _ in range(20):
            link, _, session = self.listener.open()
            link.pause(RATE)
            link.dataReceived(texts(FULL))
            links.append((link, session))
        for link, _ in links:
            link.resume(RATE)
        self.assertEqual(sum(len(session.messages) for _, session in links), 0)
        self.listener.turn()
        self.assertEqual(sum(len(session.messages) for _, session in links), 8 * FULL)
        self.listener.clock.advance(0)
        self.assertEqual(sum(len(session.messages) for _, session in links), 20 * FULL)

    def test_closing_while_it_waits(self) -> None:
        """What waits is not given to a session that closes, in as many turns as anything else; the CLOSE behind it
        ends the connection properly."""
        self.link.dataReceived(texts(200) + CLOSE)
        self.link.close(1000, "done")
        self.assertEqual((self.seen(), self.link.state), (FULL, CLOSING))
        self.listener.turn()
        self.assertEqual(self.link.state, CLOSING)
        self.listener.clock.advance(0)
        self.assertEqual((self.seen(), self.link.state, self.link.wasClean), (FULL, CLOSED, True))

    def test_every_end_leaves_the_queue(self) -> None:
        """And keeps nothing."""
        ends: list[Callable[[Any], object]] = [
            lambda link: link.close(1002, "failed"),
            lambda link: link.drop("away"),
            lambda link: link.drop_now("away"),
            lambda link: link.connectionLost(Failure(ConnectionDone())),
        ]
        for listener, stream in ((MemoryListener(), texts(200)), (RawListener(), raw_frame(b"x") * 200)):
            for number, end in enumerate(ends):
                link, _, session = listener.open()
                link.dataReceived(stream)
                self.assertEqual(len(listener.factory.turns), 1)
                end(link)
                self.assertEqual((len(listener.factory.turns), link._buffer, link._later), (0, b"", None), number)
                listener.clock.advance(0)
                self.assertEqual(len(session.messages), FULL)

    def test_silence(self) -> None:
        """A client that waits for its turn is not silent: it is not pinged, nor cut."""
        self.link.dataReceived(texts(200))
        self.listener.factory.timers.now += 1000
        self.link.due()
        self.assertEqual((self.wire.value(), self.wire.aborted), (b"", False))
        self.listener.run(30)
        self.assertEqual(self.seen(), 200)
        self.assertEqual(server_frames(self.wire.value())[0], [(0x89, b"")])

    def test_an_incomplete_frame_behind_it(self) -> None:
        """Is not missed before we have come there; then it is waited for as any other."""
        listener = MemoryListener(frame_timeout=5.0)
        link, wire, session = listener.open()
        link.dataReceived(texts(200) + client_frame(b"x" * 100)[:50])
        self.assertEqual((link.frame_complete(), link.frame_progress()), (False, None))
        listener.clock.advance(0)
        self.assertEqual((len(session.messages), link.frame_complete()), (200, False))
        self.assertIsNotNone(link.frame_progress())
        listener.run(4)
        self.assertFalse(wire.aborted)
        listener.run(3)
        self.assertTrue(wire.aborted)

    def test_flags(self) -> None:
        """Only the queue takes the reason TURN away."""
        self.link.dataReceived(texts(200))
        self.link.resume()
        self.link.resume(RATE)
        self.assertEqual((self.seen(), self.link._paused), (FULL, TURN))


_ITEMS = {
    "text": (client_frame(b"t"), [b"t"]),
    "binary": (client_frame(b"b" * 200, 2), [b"b" * 200]),
    "long": (client_frame(b"l" * 9000, 2, mask=b"\0\0\0\0"), [b"l" * 9000]),
    "ping": (client_frame(b"p", 9), [b"p"]),
    "pong": (client_frame(b"", 10), []),
    "fragments": (
        client_frame(b"f", fin=False) + client_frame(b"p", 9) + client_frame(b"g", 0),
        [b"p", b"fg"],
    ),
    "texts": (client_frame(b"t") * 80, [b"t"] * 80),
    "pings": (client_frame(b"p", 9) * 80, [b"p"] * 80),
}
_RAW_ITEMS = {
    "text": (raw_frame(b"t"), [b"t"]),
    "long": (raw_frame(b"l" * 9000), [b"l" * 9000]),
    "ping": (raw_frame(b"p", 1), [b"p"]),
    "texts": (raw_frame(b"t") * 80, [b"t"] * 80),
}
_STEPS = st.lists(
    st.one_of(st.integers(1, 5000), st.sampled_from(["turn", "resume", "pause"])), min_size=1, max_size=60
)


class TurnPropertyTests(SynchronousTestCase):
    """However the stream is cut, whenever its turns come, wherever the session pauses: everything is answered once, in
    order, as if there were no turns."""

    def check(self, listener: MemoryListener, items: dict[str, Any], names: list[str], steps: list[Any]) -> None:
        link, wire, session = listener.open(ConnectionPolicy(message_limit=16384))
        link.set_authenticated(True)
        pausing = len(names) % 7
        state = {"paused": False}

        def on_message(data: bytes, binary: bool) -> None:
            self.assertFalse(state["paused"], "a message while the session was paused")
            link.push(link.framer(data, True))
            if pausing and len(session.messages) % pausing == 0:
                state["paused"] = True
                link.pause()

        def resume() -> None:
            state["paused"] = False
            link.resume()

        session.on_message = on_message
        stream = b"".join(items[name][0] for name in names)
        most = 0
        for step in steps:
            before = len(session.messages)
            if step == "turn":
                listener.turn()
            elif step == "resume":
                resume()
            elif step == "pause":
                state["paused"] = True
                link.pause()
            elif wire.producerState == "producing" or step % 5 == 0:
                link.dataReceived(stream[:step])
                stream = stream[step:]
            if step not in ("resume", "pause"):
                most = max(most, len(session.messages) - before)
        link.dataReceived(stream) if stream else None
        while state["paused"] or len(listener.factory.turns):
            resume()
            listener.turn()
        link.flush()
        listener.clock.advance(0)
        answered = [payload for _, payload in server_frames(wire.value())[0]]
        if items is _RAW_ITEMS:
            answered, rest = [], wire.value()
            while rest:
                size = int.from_bytes(rest[1:4], "big")
                answered.append(rest[4 : 4 + size])
                rest = rest[4 + size :]
        self.assertEqual(answered, [part for name in names for part in items[name][1]])
        self.assertLessEqual(most, FULL)
        self.assertEqual(
            (link._unsettled, wire.producerState, link._buffer, link._tail), (False, "producing", b"", None)
        )

    @settings(max_examples=150, deadline=None)
    @given(st.lists(st.sampled_from(sorted(_ITEMS)), max_size=25), _STEPS)
    def test_websocket(self, names: list[str], steps: list[Any]) -> None:
        """Messages, pings and fragments."""
        self.check(MemoryListener(), _ITEMS, names, steps)

    @settings(max_examples=50, deadline=None)
    @given(st.lists(st.sampled_from(sorted(_RAW_ITEMS)), max_size=25), _STEPS)
    def test_rawsocket(self, names: list[str], steps: list[Any]) -> None:
        """Messages and pings."""
        self.check(RawListener(), _RAW_ITEMS, names, steps)
