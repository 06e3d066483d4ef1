"""Tests for orosync.uplink.remote_session."""

from __future__ import annotations

import json
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from orosync.client.login import Login
from orosync.model import Match
from orosync.testing import RecordingJournal
from orosync.uplink.remote_session import Lost, RemoteSession
from orosync.wamp.messages import Call, Error, Event, Invocation, Publish, Result, Yield
from orosync.wamp.payload import Payload

WELCOME = [2, 77, {"authid": "me", "authrole": "link", "roles": {}}]


class MemoryLine:
    """A line whose other end is the test."""

    def __init__(self) -> None:
        self.transport: Any = self
        self.said: list[Any] = []
        self.ended = ""
        self.producer: Any = None

    def registerProducer(self, producer: Any, streaming: bool) -> None:
        self.producer = producer

    def unregisterProducer(self) -> None:
        self.producer = None

    def put(self, data: bytes, binary: bool) -> None:
        self.said.append(json.loads(data))

    def hang_up(self) -> None:
        self.ended = self.ended or "hung up"

    def drop(self) -> None:
        self.ended = self.ended or "dropped"

    def take(self) -> list[Any]:
        said, self.said = self.said, []
        return said


class FarCase(SynchronousTestCase):
    def setUp(self) -> None:
        self.heard: list[tuple[Any, Payload | None]] = []
        self.journal = RecordingJournal()
        self.make()

    def make(self, login: Login | None = None, queue: int = 2) -> None:
        self.line = MemoryLine()
        self.session = RemoteSession(
            "realm1", login or Login(), "json", lambda *what: self.heard.append(what), self.journal, "up", queue
        )
        self.session.opened(self.line)

    def say(self, *messages: Any) -> None:
        for message in messages:
            self.session.received(json.dumps(message).encode(), False)

    def join(self) -> None:
        self.say(WELCOME)
        self.line.take()


class Joining(FarCase):
    """HELLO to WELCOME."""

    def test_anonymous(self) -> None:
        """HELLO names realm, roles and method, and that this is an uplink; WELCOME's details are handed out."""
        [[code, realm, details]] = self.line.take()
        self.assertEqual((code, realm, details["authmethods"]), (1, "realm1", ["anonymous"]))
        self.assertEqual(set(details["roles"]), {"publisher", "subscriber", "caller", "callee"})
        self.assertIs(details["_orosync_uplink"], True)
        self.assertFalse(self.session.send(Publish(1, {}, "a")))
        self.say(WELCOME)
        self.assertEqual(self.successResultOf(self.session.joined)["session"], 77)
        self.assertTrue(self.session.send(Publish(1, {}, "a")))

    def test_challenge(self) -> None:
        """A challenge is answered."""
        self.make(Login("ticket", "me", "secret!"))
        self.line.take()
        self.say([4, "ticket", {}])
        self.assertEqual(self.line.take(), [[5, "secret!", {}]])
        self.say(WELCOME)
        self.successResultOf(self.session.joined)

    def test_not_let_in(self) -> None:
        """Every way not to be let in ends in one line that says why."""
        table = [
            ([[3, {"message": "go away"}, "wamp.error.no_such_realm"]], "wamp.error.no_such_realm, go away"),
            ([[3, {}, "wamp.error.no_such_role"]], "refused: wamp.error.no_such_role"),
            ([[4, "ticket", {}]], "asked for ticket, which we did not offer"),
            ([[36, 1, 2, {}]], "EVENT out of turn"),
            ([[33, 1, 2]], "SUBSCRIBED out of turn"),
        ]
        for messages, words in table:
            self.make()
            self.say(*messages)
            self.assertEqual(self.line.ended, "hung up")
            self.assertIsNone(self.line.producer)
            self.session.closed("closed cleanly")
            self.assertIn(words, str(self.failureResultOf(self.session.joined, Lost).value))
            self.assertIn(words, self.successResultOf(self.session.over))

    def test_lost_before(self) -> None:
        """The connection ends first."""
        self.session.closed("closed with 1006")
        self.assertIn("1006", str(self.failureResultOf(self.session.joined, Lost).value))

    def test_given_up_before_it_was_open(self) -> None:
        """A connection that comes when nobody waits for it any more is dropped."""
        line = MemoryLine()
        session = RemoteSession("r", Login(), "json", print, self.journal, "up", 1)
        session.drop("too late")
        self.failureResultOf(session.joined, Lost)
        session.opened(line)
        self.assertEqual((line.ended, line.said), ("dropped", []))


class Open(FarCase):
    """While joined."""

    def setUp(self) -> None:
        super().setUp()
        self.join()

    def test_what_is_handed_over(self) -> None:
        """Events, invocations, interrupts, and the answers to calls and publishes, payloads as they came."""
        self.session.received(b'[36,1,2,{"topic":"a"},[1.0],{"self":18446744073709551616}]', False)
        self.say([17, 1, 2], [50, 3, {}, ["x"]], [68, 4, 5, {}], [69, 4, {}], [8, 48, 6, {}, "e"], [8, 16, 7, {}, "e"])
        kinds = [type(message).__name__ for message, _ in self.heard]
        self.assertEqual(kinds, ["Event", "Published", "Result", "Invocation", "Interrupt", "Error", "Error"])
        payload = self.heard[0][1]
        assert payload is not None
        self.assertEqual((payload.args, payload.kwargs), (b"[1.0]", b'{"self":18446744073709551616}'))
        self.assertIsInstance(self.heard[0][0], Event)
        self.assertIsInstance(self.heard[2][0], Result)
        self.assertIsInstance(self.heard[3][0], Invocation)

    def test_asking(self) -> None:
        """The router's answer to SUBSCRIBE and REGISTER: an id, or a reason."""
        asked = [self.session.subscribe("a.", Match.PREFIX), self.session.register("p", Match.EXACT),
                 self.session.subscribe("b", Match.EXACT), self.session.subscribe("c", Match.EXACT)]  # fmt: skip
        self.assertEqual(self.line.take()[:2], [[32, 1, {"match": "prefix"}, "a."], [64, 2, {"match": "exact"}, "p"]])
        self.say([33, 1, 11], [65, 2, 12], [8, 32, 3, {}, "wamp.error.not_authorized"], [8, 32, 99, {}, "x"])
        self.assertEqual((self.successResultOf(asked[0]), self.successResultOf(asked[1])), (11, 12))
        self.assertIn("not_authorized", str(self.failureResultOf(asked[2], Lost).value))
        self.session.closed("gone")
        self.failureResultOf(asked[3], Lost)
        self.failureResultOf(self.session.subscribe("d", Match.EXACT), Lost)

    def test_unreadable(self) -> None:
        """A message that we cannot read costs itself alone: whoever published it there did not mean us."""
        for data in (b"", b"[36,1,2,{},[NaN]]", b"{}", b"[99]", b"[36]", b"\xff"):
            self.session.received(data, False)
        self.assertEqual(self.journal.counts["uplink.dropped", "unreadable"], 6)
        self.say([36, 1, 2, {}])
        self.assertEqual((len(self.heard), self.line.ended), (1, ""))

    def test_for_nobody(self) -> None:
        """A message that holds what nobody can be given costs itself, and whoever waits for it is told: the caller
        there of an INVOCATION, ours of a RESULT or ERROR. What comes without a request goes without it."""
        for text in (b"[36,1,2,{},[1e400]]", b"[68,7,1,{},[1e400]]", b"[50,8,{},[1e400]]", b'[8,48,9,{},"e.x",[1e400]]',
                     b'[8,16,10,{},"e.x",[1e400]]'):  # fmt: skip
            self.session.received(text, False)
        self.assertEqual(
            self.line.take(), [[8, 68, 7, {}, "wamp.error.invalid_argument", ["a number is out of range"]]]
        )
        told = [(type(error), error.request_type, error.request, error.error) for error, _ in self.heard]
        self.assertEqual(
            told, [(Error, *which, "wamp.error.invalid_argument") for which in ((48, 8), (48, 9), (16, 10))]
        )
        self.assertEqual(self.journal.counts["uplink.dropped", "unreadable"], 5)
        self.session.received(b'[6,{"x":1e400},"wamp.close.system_shutdown"]', False)
        self.assertEqual(self.line.ended, "hung up")

    def test_not_carriable(self) -> None:
        """What the serializer has no form for is not sent; whoever waits for it is told."""
        text = Payload.of([b"x", "\0y"], None)
        for message in (Publish(1, {}, "a"), Call(2, {}, "p"), Yield(3, {})):
            self.assertTrue(self.session.send(message, text))
        [(error, _)] = self.heard
        self.assertEqual((type(error), error.request), (Error, 2))
        self.assertEqual([said[:3] for said in self.line.take()], [[8, 68, 3]])
        self.assertEqual(self.journal.counts["payload.undeliverable", "publish"], 1)

    def test_slow_router(self) -> None:
        """While the transport is full, events wait within a bound; answers wait too; all go in order once it is not."""
        self.session.pauseProducing()
        taken = [self.session.send(Publish(number, {}, "a")) for number in (1, 2, 3)]
        self.assertEqual(taken, [True, True, False])
        self.assertTrue(self.session.send(Yield(9, {})))
        self.session.pauseProducing()
        self.assertEqual(self.line.take(), [])
        self.session.resumeProducing()
        self.assertEqual([said[1] for said in self.line.take()], [1, 2, 9])
        self.assertTrue(self.session.send(Publish(4, {}, "a")))
        self.assertEqual(len(self.line.take()), 1)

    def test_full_again(self) -> None:
        """When the transport fills up while the waiting ones go out, the rest goes on waiting."""
        self.session.pauseProducing()
        for number in (1, 2):
            self.session.send(Publish(number, {}, "a"))
        put = self.line.put
        self.line.put = lambda data, binary: (put(data, binary), self.session.pauseProducing())  # type: ignore[assignment, method-assign, return-value]
        self.session.resumeProducing()
        self.assertEqual([said[1] for said in self.line.take()], [1])
        self.session.send(Publish(3, {}, "a"))
        self.line.put = put  # type: ignore[method-assign]
        self.session.resumeProducing()
        self.assertEqual([said[1] for said in self.line.take()], [2, 3])


class Leaving(FarCase):
    """The end, from either side."""

    def setUp(self) -> None:
        super().setUp()
        self.join()

    def test_ours(self) -> None:
        """GOODBYE, the answer, and then the connection; nothing is handed over in between."""
        self.session.leave()
        self.assertEqual(self.line.take()[0][0], 6)
        self.assertFalse(self.session.send(Publish(1, {}, "a")))
        self.say([36, 1, 2, {}])
        self.assertEqual((self.heard, self.line.ended), ([], ""))
        self.say([6, {}, "wamp.close.goodbye_and_out"])
        self.assertEqual(self.line.ended, "hung up")
        self.session.closed("closed cleanly")
        self.assertEqual(self.successResultOf(self.session.over), "left")

    def test_theirs(self) -> None:
        """GOODBYE is answered, and its reason kept."""
        self.say([6, {}, "wamp.close.system_shutdown"])
        self.assertEqual(self.line.take(), [[6, {}, "wamp.close.goodbye_and_out"]])
        self.session.closed("closed cleanly")
        self.assertIn("wamp.close.system_shutdown", self.successResultOf(self.session.over))

    def test_violation(self) -> None:
        """A router that says WELCOME twice is left."""
        self.say(WELCOME)
        self.assertEqual(self.line.take()[0][2], "wamp.error.protocol_violation")
        self.assertEqual(self.line.ended, "hung up")

    def test_drop(self) -> None:
        """Dropped: the reason given is the one that is told; what comes afterwards does no harm."""
        self.session.drop("took no leave")
        self.assertEqual(self.line.ended, "dropped")
        self.session.closed("connection lost")
        self.assertEqual(self.successResultOf(self.session.over), "took no leave")
        self.session.drop("again")
        self.session.leave()
        self.session.stopProducing()
