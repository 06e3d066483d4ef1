"""A client that sends too much is read more slowly, on every transport: what passes, in which order, and what it costs
others and itself."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectionDone
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from orosync.interfaces import RATE as RATE_REASON
from orosync.interfaces import WAITING
from orosync.model import Action, ConnectionPolicy, Decision, Verdict
from orosync.testing import connection_facts, principal
from orosync.transport.autobahn_protocol import CLOSED, OPEN
from orosync.transport.factories import RawSocketFactory
from orosync.transport.longpoll_connection import MOST_WAITING, LongPollConnection, LongPollContext
from orosync.transport.message_rates import Allowance, MessageRates
from orosync.transport.read_turns import READERS
from tests.session.fixture import HELLO, RealmFixture
from tests.support.wires import MemoryListener, client_frame
from tests.transport.talkers import BURST, RATE, Client, RatedHost, session


class RatesCase(SynchronousTestCase):
    def listener(self, kind: str = "", policy: ConnectionPolicy | None = None, **settings: Any) -> MemoryListener:
        self.fixture = RealmFixture()
        factory = {"kind": RawSocketFactory} if kind == "raw" else {}
        host: Any = RatedHost(self.fixture, policy or ConnectionPolicy())
        listener = MemoryListener(host, **factory, **settings)  # type: ignore[arg-type]
        self.fixture.clock = self.clock = listener.clock
        self.fixture.context.rates = MessageRates(
            listener.clock, self.fixture.journal, "public", Allowance(RATE, BURST)
        )
        return listener

    def client(self, subprotocol: str = "wamp.2.json", join: bool = True, **settings: Any) -> Client:
        client = Client(self.listener(subprotocol, **settings), subprotocol)
        return client.join() if join else client

    def run_for(self, seconds: float) -> None:
        self.clock.pump([1 / 32] * round(seconds * 32))

    def told(self, event: str) -> list[str]:
        return [kind for happened, kind, _ in self.fixture.journal.notes if happened == event]


class JoinedTests(RatesCase):
    def test_what_passes(self) -> None:
        """At once, and then in each second; in order; nothing is lost; told once."""
        for subprotocol in ("wamp.2.json", "wamp.2.json.batched", "wamp", "raw"):
            for step in (0, 13, 4096):
                client = self.client(subprotocol)
                client.send(client.calls(range(600)), step)
                self.assertEqual(client.answered(), list(range(BURST + 1)), (subprotocol, step))
                self.assertEqual(client.wire.producerState, "paused")
                for second in range(3):
                    self.run_for(1)
                    first = BURST + 1 + RATE * second
                    self.assertEqual(client.answered(), list(range(first, first + RATE)), (subprotocol, step))
                self.run_for(2)
                self.assertEqual(client.answered(), list(range(501, 600)))
                self.assertEqual((client.wire.producerState, client.link.state), ("producing", OPEN))
                self.assertEqual(self.told("connection.slowed"), ["message_rate"])

    def test_pings(self) -> None:
        """They cost what messages cost, and share their bucket; so do PONGs without a PING."""
        for subprotocol in ("wamp.2.json", "wamp", "raw"):
            client = self.client(subprotocol)
            client.send(client.calls(range(100)) + client.pong() * 50 + client.ping(b"x") * 200)
            self.assertEqual(len(client.heard()), 100 + 51, subprotocol)
            self.run_for(1)
            self.assertEqual(len(client.heard()), 100)

    def test_the_pong_that_we_wanted(self) -> None:
        """Costs nothing; a second one does."""
        for subprotocol in ("wamp", "wamp.2.json", "raw"):
            client = self.client(subprotocol, ping_interval=1.0, ping_timeout=5.0)
            if subprotocol == "raw":
                client.send(client.ping())  # it knows pings
                client.heard()
            for _ in range(10):
                while not (pinged := client.heard()):
                    self.run_for(1 / 32)
                self.assertEqual(pinged[0][1], b"")
                before = client.link.bucket._balance + client.link.bucket.left
                client.send(client.pong())
                self.assertEqual(client.link.bucket._balance + client.link.bucket.left, before)
            client.send(client.pong())
            self.assertEqual(client.link.bucket._balance + client.link.bucket.left, before - 1)

    def test_fragments_are_no_messages(self) -> None:
        """A message costs one, in however many pieces; its CLOSE nothing."""
        client = self.client()
        before = client.link.bucket._balance + client.link.bucket.left
        plain = json.dumps([48, 1, {}, "no.such"]).encode()
        client.send(client_frame(plain[:3], fin=False) + client_frame(b"", 0, fin=False) * 30)
        client.send(client_frame(plain[3:], 0))
        self.assertEqual(client.answered(), [1])
        self.assertEqual(client.link.bucket._balance + client.link.bucket.left, before - 1)
        client.send(client_frame(b"\x03\xe8", 8))
        self.assertEqual(client.link.bucket._balance + client.link.bucket.left, before - 1)

    def test_an_authorizer_takes_its_time(self) -> None:
        """In the middle of it: what comes behind waits for both, and keeps its order."""
        for subprotocol in ("wamp.2.json", "wamp.2.json.batched", "wamp", "raw"):
            client = self.client(subprotocol)
            pending: Deferred[Decision] = Deferred()
            self.fixture.authorizer.answers[Action.CALL, "slow"] = pending
            slow = [2, "999", "slow"] if subprotocol == "wamp" else [48, 999, {}, "slow"]
            client.send(client.calls(range(BURST)) + client.frame(slow) + client.calls(range(BURST, 400)))
            self.assertEqual(client.answered(), list(range(BURST)))
            self.run_for(5)
            self.assertEqual(client.answered(), [])
            pending.callback(Decision(Verdict.DENY))
            self.assertEqual(client.answered(), [999, *range(BURST, 400)])
            self.assertEqual(client.wire.producerState, "producing")

    def test_it_is_not_taken_for_dead(self) -> None:
        """While it waits for tokens its PONG waits with it, and what is behind is no incomplete frame."""
        for subprotocol in ("wamp", "wamp.2.json", "raw"):
            client = self.client(subprotocol, ping_interval=1.0, ping_timeout=0.5, frame_timeout=1.0)
            if subprotocol == "raw":
                client.send(client.ping())
            self.run_for(1.4)
            self.assertEqual(client.heard()[-1][1], b"")  # it has been pinged, and its PONG comes last
            client.send(client.calls(range(1500)) + client.pong())
            self.run_for(13.2)
            self.assertEqual((client.answered(), client.link.state), (list(range(1500)), OPEN), subprotocol)
            self.assertEqual([event for event, *_ in self.fixture.journal.notes], ["connection.slowed"])

    def test_deaf_until_now(self) -> None:
        """A deadline in the very moment in which it is read again: its PONG may be on the way still."""
        for reason in (RATE_REASON, WAITING):
            client = self.client("wamp", ping_interval=1.0, ping_timeout=1.0)
            while not client.heard():
                self.run_for(1 / 32)
            client.link.pause(reason)
            self.run_for(3)
            client.link.resume(reason)
            client.heard()
            client.link.due()
            self.assertEqual((client.link.state, client.wire.producerState), (OPEN, "producing"))
            client.send(client.pong())
            self.run_for(0.5)
            self.assertEqual(client.link.state, OPEN)

    def test_many_go_on_at_the_same_moment(self) -> None:
        """They take turns, so that one turn of the reactor costs what it always does."""
        for subprotocol in ("wamp.2.json", "wamp.2.json.batched", "raw"):
            listener = self.listener(subprotocol)
            clients = [Client(listener, subprotocol).join() for _ in range(40)]
            for client in clients:
                client.send(client.calls(range(BURST + 50)))
                self.assertEqual(len(client.answered()), BURST + 1)
            self.clock.rightNow += 0.5  # all have tokens for all by now
            most = 0
            for _ in range(40):
                before = [client.wire.value() for client in clients]
                listener.turn()
                most = max(most, sum(client.wire.value() != old for client, old in zip(clients, before, strict=True)))
            self.assertTrue(0 < most <= READERS, (subprotocol, most))
            self.assertEqual({len(client.answered()) for client in clients}, {49})

    def test_who_says_nothing_more_is_found(self) -> None:
        """Slowed and then dead: pinged when all has been read, and cut."""
        listener = self.listener(ping_interval=1.0, ping_timeout=1.0)
        client = Client(listener, "wamp.2.json").join()
        client.send(client.calls(range(400)))
        self.run_for(8)
        self.assertEqual(
            [kind for event, kind, _ in listener.journal.notes if event == "consumer.cut"], ["ping_timeout"]
        )

    def test_its_end(self) -> None:
        """A connection that goes while it is paused is gone at once, and no timer is kept."""
        for subprotocol in ("wamp.2.json", "wamp.2.json.batched", "wamp", "raw"):
            client = self.client(subprotocol)
            client.send(client.calls(range(600)))
            client.answered()
            left = len(self.fixture.realm_context.realm.members)
            link: Any = client.link
            link.connectionLost(Failure(ConnectionDone()))
            self.assertEqual((left, len(self.fixture.realm_context.realm.members)), (1, 0))
            self.assertIsNone(client.link.bucket.slot)
            self.run_for(3)
            self.assertEqual(client.wire.value(), b"")

    def test_closing_one_that_is_paused(self) -> None:
        """Our CLOSE ends the pause: the peer's is read."""
        client = self.client()
        client.send(client.calls(range(600)) + client_frame(b"\x03\xe8", 8))
        client.answered()
        client.link.close(1000, "done")
        self.assertEqual((client.heard()[-1][0], client.wire.producerState), (0x88, "producing"))
        self.run_for(0.5)
        self.assertEqual((client.answered(), client.wire.disconnecting), ([], True))


class MixedTests(RatesCase):
    @settings(max_examples=60, deadline=None)
    @given(
        st.sampled_from(["wamp.2.json", "wamp.2.json.batched", "wamp", "raw"]),
        st.lists(st.sampled_from(["call", "burst", "slow", "ping", "pong"]), min_size=1, max_size=12),
        st.integers(0, 400),
        st.lists(st.sampled_from([0.0, 1 / 16, 1.0]), max_size=20),
    )
    def test_order(self, subprotocol: str, script: list[str], step: int, waits: list[float]) -> None:
        """Whatever it waits for, alternately or at the same time: in the end everything is answered, in order."""
        client = self.client(subprotocol)
        pending: list[Deferred[Decision]] = []
        expected: list[int] = []
        stream = b""
        for word in script:
            number = len(expected)
            if word == "slow":
                pending.append(Deferred())
                uri = f"slow.{number}"
                self.fixture.authorizer.answers[Action.CALL, uri] = pending[-1]
                slow = [2, str(number), uri] if subprotocol == "wamp" else [48, number, {}, uri]
                stream += client.frame(slow)
                expected.append(number)
            elif word in ("call", "burst"):
                numbers = range(number, number + (150 if word == "burst" else 1))
                expected += numbers
                stream += client.calls(numbers)
            else:
                stream += client.ping() if word == "ping" else client.pong()
        answered: list[int] = []
        waits = [*waits, *[1.0] * 20]
        client.send(stream, step)
        for wait in waits:
            self.run_for(wait)
            answered += client.answered()
            if pending:
                pending.pop(0).callback(Decision(Verdict.DENY))
            answered += client.answered()
        self.assertEqual(answered, expected)
        self.assertEqual((client.link.state, client.wire.producerState, client.link._paused), (OPEN, "producing", 0))


class BeforeHelloTests(RatesCase):
    KINDS = ("wamp.2.json", "wamp.2.json.batched", "raw")

    def test_pings(self) -> None:
        """Twenty at once, one for which there is no token any more, ten a second; cut after five seconds."""
        for subprotocol in self.KINDS:
            client = self.client(subprotocol, join=False)
            client.send(client.ping() * 20)
            self.assertEqual((len(client.heard()), client.link._paused), (20, 0))
            client.send(client.ping() * 1000)
            self.assertEqual(len(client.heard()), 1, subprotocol)
            for _ in range(4):
                self.run_for(1)
                self.assertEqual(len(client.heard()), 10)
            self.run_for(1.5)
            self.assertEqual((client.link.state, client.wire.disconnecting), (CLOSED, True))
            self.assertEqual(self.told("connection.cut"), ["message_rate"])
            self.assertEqual(self.told("connection.slowed"), ["message_rate"])
            client.heard()
            self.run_for(5)
            self.assertEqual(client.heard(), [])

    def test_empty_continuations(self) -> None:
        """Each frame counts, however small."""
        for piece in (b"", b"xyz"):
            listener = self.listener()
            client = Client(listener, "wamp.2.json")
            client.send(client_frame(piece, fin=False) + client_frame(piece, 0, fin=False) * 3000)
            self.assertEqual(client.link._fragments, 21)
            self.run_for(3)
            self.assertEqual(client.link._fragments, 51)
            self.run_for(2.5)
            self.assertEqual((client.link.state, self.told("connection.cut")), (CLOSED, ["message_rate"]))
            self.assertEqual((listener.journal.notes, self.flushLoggedErrors()), ([], []))

    def test_a_normal_login_fits(self) -> None:
        """HELLO in pieces, a few pings: nothing is noticed."""
        for subprotocol in self.KINDS:
            client = self.client(subprotocol, join=False)
            client.send(client.ping() * 10 + client.frame(HELLO), 7)
            self.assertIn(b"[2,", client.heard()[-1][1])
            client.send(client.calls(range(BURST)))
            self.assertEqual((client.answered(), self.fixture.journal.notes), (list(range(BURST)), []))

    def test_hello_in_time(self) -> None:
        """It may come while its connection waits for tokens; from then on it has those of a client that has joined."""
        client = self.client(join=False)
        client.send(client.ping() * 30 + client.frame(HELLO) + client.calls(range(BURST)))
        self.assertEqual(len(client.heard()), 21)
        self.run_for(2)
        heard = client.heard()
        self.assertEqual(len(heard), 9 + 1 + BURST)
        self.assertTrue(client.link.bucket.joined)


class BackEndTests(RatesCase):
    def test_precious(self) -> None:
        """Nothing is counted."""
        listener = self.listener()
        fixture = self.fixture
        client = Client(listener, "wamp")
        one: Any = client.link.session
        one.bucket = fixture.context.bucket(connection_facts(), principal("", is_backend=True))
        client.link.bucket = one.bucket
        client.send(client.calls(range(5000)))
        self.assertEqual((len(client.answered()), client.wire.producerState), (5000, "producing"))


class Poll:
    """A request that remembers its answer."""

    def __init__(self) -> None:
        self.gone: Any = None
        self.status = 0

    def answer(self, status: int, body: bytes = b"") -> None:
        self.status = status


class LongPollTests(RatesCase):
    def open(self, subprotocol: str = "wamp.2.json") -> LongPollConnection:
        listener = self.listener()
        facts = connection_facts()
        batched = subprotocol.endswith(".batched")
        one = session(self.fixture, facts, subprotocol, ConnectionPolicy())
        link = LongPollConnection(LongPollContext(listener.factory, 10.0), facts, one, batched, False)
        link.begin()
        return link

    def say(self, link: LongPollConnection, message: Any) -> Poll:
        poll = Poll()
        link.sent(json.dumps(message).encode() + b"\x1e" * link._batched, poll)
        return poll

    def test_over_the_rate(self) -> None:
        """A request is answered when its message has been handled, late; those beyond a few with 503."""
        link = self.open()
        self.say(link, HELLO)
        first = [self.say(link, [16, n, {}, "a.topic"]) for n in range(BURST + 1)]
        self.clock.advance(0)
        self.assertEqual({poll.status for poll in first}, {204})
        late = [self.say(link, [16, n, {}, "a.topic"]) for n in range(MOST_WAITING + 3)]
        self.assertEqual([poll.status for poll in late], [0] * MOST_WAITING + [503] * 3)
        self.run_for(1)
        self.assertEqual([poll.status for poll in late], [204] * MOST_WAITING + [503] * 3)

    def test_batched(self) -> None:
        """The bucket counts messages, not requests."""
        link = self.open("wamp.2.json.batched")
        self.say(link, HELLO)
        data = b"".join(json.dumps([48, n, {}, "no.such"]).encode() + b"\x1e" for n in range(600))
        link.sent(data, Poll())
        self.clock.advance(0)
        self.assertEqual(len(link._queue), 1 + BURST + 1)
        self.run_for(2)
        self.assertEqual(len(link._queue), 1 + BURST + 1 + 2 * RATE)
