"""T4: a polled link as its session and its client see it, on a clock of our own."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twisted.trial.unittest import SynchronousTestCase
from zope.interface.verify import verifyObject

from orosync.interfaces import ILink
from orosync.model import ConnectionPolicy
from orosync.testing import connection_facts
from orosync.transport.connection import UNAUTHENTICATED_MESSAGE_LIMIT
from orosync.transport.longpoll_connection import MOST_WAITING, LongPollConnection, LongPollContext, poll_frame
from tests.support.wires import MemoryListener, RecordingSession


class Poll:
    """A request that remembers its answer."""

    def __init__(self) -> None:
        self.gone: Any = None
        self.status = 0
        self.body = b""

    def answer(self, status: int, body: bytes = b"") -> None:
        assert not self.status, "answered twice"
        self.status, self.body = status, body


class PollCase(SynchronousTestCase):
    """T4."""

    def setUp(self) -> None:
        self.listener = MemoryListener(send_buffer_limit=1000)
        self.clock = self.listener.clock

    def open(
        self, *, batched: bool = False, binary: bool = False, policy: ConnectionPolicy | None = None
    ) -> LongPollConnection:
        self.session = RecordingSession(policy)
        terms = LongPollContext(self.listener.factory, 10.0)
        link = LongPollConnection(terms, connection_facts(), self.session, batched, binary)
        self.left = 0

        def left() -> None:
            self.left += 1

        link.left = left
        link.begin()
        return link

    def receive(self, link: LongPollConnection) -> Poll:
        poll = Poll()
        link.receive(poll)
        return poll

    def say(self, link: LongPollConnection, data: bytes) -> Poll:
        poll = Poll()
        link.sent(data, poll)
        return poll

    def heard(self, poll: Poll) -> tuple[int, bytes]:
        self.clock.advance(0)
        return poll.status, poll.body


class DeliveryTests(PollCase):
    """T4: what is said to the client."""

    def test_interface(self) -> None:
        """Sessions find what they expect of a link, and all share one framer."""
        link = self.open()
        verifyObject(ILink, link)
        self.assertIs(link.framer, poll_frame)

    def test_before_and_after_it_has_joined(self) -> None:
        """8 KiB until the session says that the client has joined, and again when it has said goodbye."""
        link = self.open()
        long = b"x" * (UNAUTHENTICATED_MESSAGE_LIMIT + 1)
        for joined, status in ((False, 413), (True, 204), (False, 413)):
            link.set_authenticated(joined)
            self.assertEqual(self.say(link, long).status, status)
            self.assertEqual(self.say(link, long[1:]).status, 204)

    def test_one_message_for_each_request(self) -> None:
        """Unbatched: in order, one at a time, at once if there is one, else when there is."""
        link = self.open()
        waiting = self.receive(link)
        self.assertEqual(self.heard(waiting), (0, b""))
        for n in range(3):
            link.push(b"%d" % n)
        self.assertEqual(self.heard(waiting), (200, b"0"))
        self.assertEqual([self.heard(self.receive(link)) for _ in range(2)], [(200, b"1"), (200, b"2")])
        waiting = self.receive(link)
        link.send(b"3")
        self.assertEqual(self.heard(waiting), (200, b"3"))

    def test_all_at_once(self) -> None:
        """Batched: everything that is there."""
        link = self.open(batched=True)
        for n in range(3):
            link.push(b"%d\x1e" % n)
        self.assertEqual(link.backlog(), 6)
        self.assertEqual(self.heard(self.receive(link)), (200, b"0\x1e1\x1e2\x1e"))

    def test_nothing_to_say(self) -> None:
        """The request is answered 204 after ten seconds, in time for clients that give up after twelve."""
        link = self.open()
        waiting = self.receive(link)
        self.listener.run(9.5)
        self.assertEqual(waiting.status, 0)
        self.listener.run(1.5)
        self.assertEqual(waiting.status, 204)

    def test_two_that_ask(self) -> None:
        """The later one gets what comes; the earlier, whose client has probably lost it, is let go."""
        link = self.open()
        first, second = self.receive(link), self.receive(link)
        link.push(b"event")
        self.assertEqual((self.heard(first), self.heard(second)), ((204, b""), (200, b"event")))

    def test_one_that_leaves(self) -> None:
        """A request whose connection is lost takes no message with it."""
        link = self.open()
        self.receive(link).gone()
        link.push(b"event")
        self.clock.advance(0)
        self.assertEqual(self.heard(self.receive(link)), (200, b"event"))

    def test_who_does_not_fetch_is_cut(self) -> None:
        """At the listener's bound for slow readers, noted; nothing is kept."""
        link = self.open()
        for _ in range(12):
            link.push(b"x" * 100)
        self.assertEqual(self.session.ends, [])
        self.clock.advance(0)
        self.assertEqual(self.session.ends, [(False, None, "cut: queue_full")])
        self.assertEqual(self.listener.journal.kinds("consumer.cut"), ["queue_full"])
        self.assertEqual((self.left, self.heard(self.receive(link))), (1, (404, b"")))

    def test_a_large_one(self) -> None:
        """A message that is larger than all that may wait is fetched nevertheless, if only little waits before it."""
        for before, behind, cut in (
            (0, 0, False),
            (1000, 0, False),
            (1000, 1, True),
            (0, 1000, False),
            (0, 1001, True),
        ):
            link = self.open()
            for size in (before, 5000, behind):
                if size:
                    link.push(b"x" * size)
            self.clock.advance(0)
            self.assertEqual(bool(self.session.ends), cut, (before, behind))
            if not cut:
                sizes = [len(self.heard(self.receive(link))[1]) for size in (before, 5000, behind) if size]
                self.assertEqual(sizes, [size for size in (before, 5000, behind) if size])
                link.leave()

    def test_who_does_not_ask_is_gone(self) -> None:
        """Who leaves no request waiting for longer than ping_timeout; while it asks it stays for ever."""
        link = self.open()
        for _ in range(20):
            waiting = self.receive(link)
            self.listener.run(15)
            self.assertEqual((waiting.status, self.session.ends), (204, []))
        self.listener.run(12)
        self.assertEqual(self.session.ends, [(False, None, "cut: poll_timeout")])
        self.assertEqual((self.left, self.listener.journal.kinds("consumer.cut")), (1, ["poll_timeout"]))
        self.listener.run(1)
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_who_has_said_goodbye_need_not_ask(self) -> None:
        """A client whose session is over is gone without a line in the log."""
        link = self.open()
        link.set_authenticated(False)
        self.listener.run(30)
        self.assertEqual(self.session.ends, [(False, None, "cut: poll_timeout")])
        self.assertEqual(self.listener.journal.kinds("consumer.cut"), [])


class SendingTests(PollCase):
    """T4: what the client says."""

    def test_handed_over(self) -> None:
        """Each message reaches the session before its request is answered; JSON is text."""
        for binary in (False, True):
            link = self.open(binary=binary)
            self.assertEqual(self.say(link, b"[1]").status, 204)
            self.assertEqual(self.session.messages, [(b"[1]", binary)])

    def test_text_that_is_not_utf8(self) -> None:
        """It is a violation, as it is over WebSocket."""
        link = self.open()
        self.session.on_message = lambda data, binary: None
        self.say(link, b"\xff")
        self.assertEqual((self.session.messages, len(self.session.violations)), ([], 1))

    def test_too_large(self) -> None:
        """It costs the message alone."""
        link = self.open(policy=ConnectionPolicy(message_limit=5))
        self.assertEqual((self.say(link, b"123456").status, self.say(link, b"12345").status), (413, 204))
        self.assertEqual(self.session.messages, [(b"12345", False)])

    def test_a_session_that_breaks(self) -> None:
        """It ends, noted, and the request learns that it failed."""
        link = self.open()

        def on_message(data: bytes, binary: bool) -> None:
            raise RuntimeError("bug")

        self.session.on_message = on_message
        self.assertEqual(self.say(link, b"[1]").status, 400)
        self.assertEqual(len(self.flushLoggedErrors(RuntimeError)), 1)
        self.assertEqual(self.listener.journal.kinds("link.failed"), ["internal"])

    def test_pausing(self) -> None:
        """Messages for a paused session wait with their requests, in order; too many are told to come again."""
        link = self.open()
        link.pause()
        polls = [self.say(link, b"%d" % n) for n in range(MOST_WAITING + 1)]
        self.assertEqual([poll.status for poll in polls], [0] * MOST_WAITING + [503])
        self.session.on_message = lambda data, binary: link.pause()
        link.resume()
        self.assertEqual([poll.status for poll in polls[:3]], [204, 0, 0])
        self.session.on_message = lambda data, binary: None
        link.resume()
        self.assertEqual([data for data, _ in self.session.messages], [b"%d" % n for n in range(MOST_WAITING)])
        self.assertEqual({poll.status for poll in polls[:-1]}, {204})


class TurnTests(PollCase):
    """How much is handled in one turn (see read_turns)."""

    def test_many_requests(self) -> None:
        """As many messages as of any other connection; the others wait with their requests, and are not refused."""
        link = self.open()
        polls = [self.say(link, b"%d" % n) for n in range(200)]
        for handled in (64, 128, 192, 200):
            self.assertEqual([poll.status for poll in polls], [204] * handled + [0] * (200 - handled))
            self.listener.turn()
        self.assertEqual([int(data) for data, _ in self.session.messages], list(range(200)))
        self.assertEqual((len(self.listener.factory.turns), link._late_size), (0, 0))

    def test_too_much(self) -> None:
        """What waits is bounded."""
        link = self.open(policy=ConnectionPolicy(message_limit=1 << 20))
        polls = [self.say(link, bytes(60000)) for _ in range(20)]
        self.assertEqual([poll.status for poll in polls], [204] * 2 + [0] * 8 + [503] * 10)
        self.clock.advance(0)
        self.assertEqual([poll.status for poll in polls], [204] * 10 + [503] * 10)

    def batch(
        self, link: LongPollConnection, messages: int, end: Callable[[int], object] = lambda n: None
    ) -> list[int]:
        """A session that handles a batch as BatchedSession does; what it has handled."""
        handled: list[int] = []

        def go_on() -> None:
            while len(handled) < messages:
                handled.append(len(handled))
                end(len(handled))
                if len(handled) < messages and not link.may_continue(go_on):
                    return

        self.session.on_message = lambda data, binary: go_on()
        return handled

    def test_a_batch(self) -> None:
        """Its request is answered when all of it has been handled; those behind it wait."""
        link = self.open(batched=True)
        handled = self.batch(link, 150)
        poll = self.say(link, b"batch")
        self.session.on_message = lambda data, binary: None
        behind = self.say(link, b"behind")
        for most in (64, 128):
            self.assertEqual((len(handled), poll.status, behind.status), (most, 0, 0))
            self.listener.turn()
        self.assertEqual((len(handled), poll.status, behind.status), (150, 204, 204))

    def test_a_batch_that_breaks_the_protocol(self) -> None:
        """Its request learns it, however late."""
        link = self.open(batched=True)
        self.batch(link, 150, lambda n: link.close(1002, "bad") if n == 100 else None)
        poll = self.say(link, b"batch")
        self.assertEqual(poll.status, 0)
        self.listener.turn()
        self.assertEqual(poll.status, 400)

    def test_an_end_while_a_batch_waits(self) -> None:
        """Every request is answered, and the queue is left."""
        ends: list[Callable[[LongPollConnection], object]] = [
            LongPollConnection.leave,
            lambda link: link.close(1000, "bye"),
        ]
        for end in ends:
            link = self.open(batched=True)
            self.batch(link, 150)
            poll = self.say(link, b"batch")
            behind = self.say(link, b"behind")
            end(link)
            self.assertEqual((poll.status, behind.status, len(self.listener.factory.turns)), (204, 404, 0))


class EndTests(PollCase):
    """T4."""

    def test_our_own_close(self) -> None:
        """What is queued is fetched still; then the link is unknown."""
        link = self.open()
        waiting = self.receive(link)
        link.push(b"event")
        link.push(b"goodbye")
        link.close(1001, "restarting")
        link.push(b"late")
        self.assertEqual(self.heard(waiting), (200, b"event"))
        self.assertEqual(self.say(link, b"[1]").status, 404)
        self.assertEqual(self.heard(self.receive(link)), (200, b"goodbye"))
        self.assertEqual(self.session.ends, [(True, None, "closed by us with 1001: restarting")])
        self.assertEqual((self.left, self.heard(self.receive(link))), (1, (404, b"")))

    def test_a_client_that_does_not_fetch_the_end(self) -> None:
        """It has the listener's closing time."""
        link = self.open()
        link.push(b"goodbye")
        link.close(1001, "restarting")
        self.listener.run(1.9)
        self.assertEqual(self.session.ends, [])
        self.listener.run(1)
        self.assertEqual(self.session.ends, [(False, None, "closed by us with 1001: restarting")])

    def test_nothing_to_fetch(self) -> None:
        """A waiting request is let go at once."""
        for end in (lambda link: link.close(1000, "done"), lambda link: link.drop("done"), lambda link: link.leave()):
            link = self.open()
            waiting = self.receive(link)
            end(link)
            self.assertEqual(self.heard(waiting), (204, b""))
            self.assertEqual((len(self.session.ends), self.left), (1, 1))
            link.leave()
            link.resume()
            self.assertEqual(len(self.session.ends), 1)

    def test_leaving_while_messages_wait(self) -> None:
        """Their requests are answered, the session gets none of them."""
        link = self.open()
        link.pause()
        poll = self.say(link, b"[1]")
        link.leave()
        self.assertEqual((poll.status, self.session.messages), (404, []))

    def test_a_violation(self) -> None:
        """The request learns that it was bad, the ABORT is fetched."""
        link = self.open()

        def on_message(data: bytes, binary: bool) -> None:
            link.push(b"abort")
            link.close(1002, "violation")

        self.session.on_message = on_message
        self.assertEqual(self.say(link, b"[]").status, 400)
        self.assertEqual(self.heard(self.receive(link)), (200, b"abort"))

    def test_sessions_that_fail(self) -> None:
        """At their beginning or end: logged, and the link is over."""
        link = self.open()
        self.session.ended.callback(self.session)
        link.leave()
        self.assertEqual((len(self.flushLoggedErrors()), self.left), (1, 1))
        session = RecordingSession()
        session.on_opened = lambda link: 1 / 0
        link = LongPollConnection(
            LongPollContext(self.listener.factory, 10.0), connection_facts(), session, False, False
        )
        link.begin()
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)
        self.listener.run(3)
        self.assertEqual(len(session.ends), 1)
