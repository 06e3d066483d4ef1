"""T3: a client that sends several messages at once."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import msgpack
from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase
from zope.interface.verify import verifyObject

from orosync.interfaces import ILink, ISession
from orosync.model import Action, ConnectionPolicy, Decision, Verdict
from orosync.session.batched import BatchedSession
from orosync.testing import MemoryLink, connection_facts
from orosync.wamp import batching
from orosync.wamp.codec import CODECS
from tests.session.fixture import HELLO, RealmFixture


class Batcher:
    """A client that says everything in batches."""

    def __init__(self, fixture: RealmFixture, serializer: str = "json", mark: bytes = b"\x1e") -> None:
        self.binary = serializer != "json"
        self.mark = mark
        self.link = MemoryLink()
        self.session = BatchedSession(
            fixture.context, connection_facts(), CODECS[f"wamp.2.{serializer}"], None, ConnectionPolicy()
        )
        self.session.opened(self.link)

    def say(self, *messages: Any) -> Batcher:
        packed = [msgpack.packb(one) if self.binary else json.dumps(one).encode() + self.mark for one in messages]
        if self.binary:
            packed = [len(one).to_bytes(4, "big") + one for one in packed]
        self.session.received(b"".join(packed), self.binary)
        return self

    def heard(self) -> list[Any]:
        found: list[Any] = []
        for batch in self.link.take():
            messages = batching.split(batch, self.binary)
            if not self.binary:
                assert batching.separator(batch) == self.mark, batch
            found += [msgpack.unpackb(one) if self.binary else json.loads(one) for one in messages]
        return found


class TurnLink(MemoryLink):
    """A link that lets so many messages of a batch through in each turn."""

    def __init__(self, most: int) -> None:
        super().__init__()
        self.most = self.left = most
        self.later: Callable[[], object] | None = None

    def may_continue(self, later: Callable[[], object]) -> bool:
        self.left -= 1
        if self.left <= 0:
            self.later = later
        return self.left > 0

    def turn(self) -> None:
        self.left = self.most
        later, self.later = self.later, None
        if later is not None:
            later()


class BatchedTests(SynchronousTestCase):
    """T3."""

    def setUp(self) -> None:
        self.fixture = RealmFixture()

    def test_interfaces(self) -> None:
        """It is a session, and its inner link is a link."""
        client = Batcher(self.fixture)
        verifyObject(ISession, client.session)
        verifyObject(ILink, client.session._batch)

    def test_a_life_in_one_batch(self) -> None:
        """HELLO, requests and GOODBYE at once are handled in order, in each serializer and with each separator."""
        for serializer, mark in (("json", b"\x1e"), ("json", b"\x18"), ("msgpack", b"")):
            client = Batcher(self.fixture, serializer, mark)
            client.say(HELLO, [32, 1, {}, "news"], [16, 2, {"exclude_me": False}, "news", [7]], [6, {}, "bye"])
            self.assertEqual([one[0] for one in client.heard()], [2, 33, 36, 6])

    def test_it_shares_a_realm(self) -> None:
        """With clients that know nothing of batches; those with the same separator share their frames."""
        plain = self.fixture.v2()
        plain.ask([32, 1, {}, "news"])
        clients = [
            Batcher(self.fixture, mark=mark).say(HELLO, [32, 1, {}, "news"]) for mark in (b"\x1e", b"\x1e", b"\x18")
        ]
        for client in clients:
            client.heard()
        plain.say([16, 2, {"exclude_me": False}, "news", [7]])
        frames = [client.link.pushed[0] for client in clients]
        self.assertIs(frames[0], frames[1])
        self.assertEqual([frame[-1:] for frame in frames], [b"\x1e", b"\x1e", b"\x18"])
        self.assertEqual([client.heard()[0][4] for client in clients], [[7]] * 3)
        self.assertEqual(plain.heard()[0][4], [7])

    def test_waiting_within_a_batch(self) -> None:
        """What is behind a request that waits for its authorizer waits too, and so does the link."""
        client, listener = Batcher(self.fixture).say(HELLO), self.fixture.v2()
        listener.ask([32, 1, {}, "news"], [32, 2, {}, "slow"])
        answers = [Deferred(), Deferred()]
        self.fixture.authorizer.answers[Action.PUBLISH, "slow"] = answers[0]
        client.say(
            [16, 1, {}, "slow", [1]], [16, 2, {}, "news", [2]], [16, 3, {}, "slow", [3]], [16, 4, {}, "news", [4]]
        )
        self.assertEqual((listener.heard(), client.link.paused), ([], True))
        self.fixture.authorizer.answers[Action.PUBLISH, "slow"] = answers[1]
        answers[0].callback(Decision(Verdict.ALLOW))
        self.assertEqual(([one[4] for one in listener.heard()], client.link.paused), ([[1], [2]], True))
        answers[1].callback(Decision(Verdict.ALLOW))
        self.assertEqual(([one[4] for one in listener.heard()], client.link.paused), ([[3], [4]], False))

    def test_a_turn_of_the_link(self) -> None:
        """A large batch is handled in as many turns as its link says; what waits for an authorizer holds beyond them,
        nothing is lost, and nothing is handled twice."""
        for slow in (None, 3, 4, 5):
            client, listener = Batcher(self.fixture), self.fixture.v2()
            client.link = link = TurnLink(4)
            client.session.opened(link)
            client.say(HELLO)
            listener.ask([32, 1, {}, "news"], [32, 2, {}, "slow"])
            answer: Deferred[Any] = Deferred()
            self.fixture.authorizer.answers[Action.PUBLISH, "slow"] = answer
            client.say(*([16, n, {}, "slow" if n == slow else "news", [n]] for n in range(1, 15)))
            heard = [one[4][0] for one in listener.heard()]
            self.assertEqual(heard, list(range(1, min(slow or 5, 5))))
            for _ in range(5):
                link.turn()
            self.assertEqual([one[4][0] for one in listener.heard()], list(range(5, 15)) if slow is None else [])
            answer.callback(Decision(Verdict.ALLOW))
            for _ in range(5):
                link.turn()
            self.assertEqual([one[4][0] for one in listener.heard()], [] if slow is None else list(range(slow, 15)))
            self.assertEqual((link.paused, len(client.session._batch.waiting)), (False, 0))  # type: ignore[union-attr]

    def test_leaving_between_two_turns(self) -> None:
        """Nothing of the rest is handled."""
        client, listener = Batcher(self.fixture), self.fixture.v2()
        client.link = link = TurnLink(4)
        client.session.opened(link)
        client.say(HELLO)
        listener.ask([32, 1, {}, "news"])
        client.say(*([16, n, {}, "news", [n]] for n in range(1, 15)))
        client.session.closed(False, None, "gone")
        link.turn()
        self.assertEqual(len(listener.heard()), 4)

    def test_a_bad_message(self) -> None:
        """It costs what it costs unbatched: a violation the session, with what came before it done; a bad request one
        ERROR."""
        client = Batcher(self.fixture).say(HELLO)
        client.say([32, 1, {"match": "odd"}, "news"], [32, 2, {}, "news"])
        self.assertEqual([one[0] for one in client.heard()], [2, 8, 33])
        client.say([32, 3, {}, "more"], [99], [32, 4, {}, "never"])
        self.assertEqual([one[0] for one in client.heard()], [33, 3])
        self.assertEqual(client.link.ended[:2] if client.link.ended else None, ("close", 1002))
        self.assertEqual(len(self.fixture.realm.members), 0)

    def test_bad_batches(self) -> None:
        """Empty, cut off, of too many, or in the wrong kind of frame: ABORT protocol_violation."""
        for data, binary in [(b"", False), (b"[1", False), (b"[]\x1e" * 1001, False), (b"\0\0\0\0", True)]:
            client = Batcher(self.fixture)
            client.session.received(data, binary)
            (abort,) = client.heard()
            self.assertEqual((abort[0], abort[2]), (3, "wamp.error.protocol_violation"), data)
            client.say(HELLO)
            self.assertEqual(client.heard(), [])

    def test_leaving_while_waiting(self) -> None:
        """What waited for an answer is dropped with the connection."""
        client, listener = Batcher(self.fixture).say(HELLO), self.fixture.v2()
        listener.ask([32, 1, {}, "news"])
        answer = self.fixture.authorizer.answers[Action.PUBLISH, "slow"] = Deferred()
        client.say([16, 1, {}, "slow", [1]], [16, 2, {}, "news", [2]])
        client.session.closed(False, None, "gone")
        answer.callback(Decision(Verdict.ALLOW))
        self.assertEqual(listener.heard(), [])
