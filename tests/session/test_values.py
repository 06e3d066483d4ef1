"""Values that a serializer allows never cost a session: each kind, in each message and place, in each direction."""

from __future__ import annotations

import json
import math
from datetime import UTC, datetime
from decimal import Decimal
from fractions import Fraction
from typing import Any
from uuid import UUID

import cbor2
import msgspec
from msgspec.msgpack import Ext
from twisted.trial.unittest import SynchronousTestCase

from orosync.model import Match
from orosync.router.history import HistoryLimits
from orosync.router.realm import Realm
from orosync.wamp.formats import MAX_DEPTH
from tests.session import fixture
from tests.session.fixture import HELLO, JsonClient, RealmFixture

CODECS: dict[str, Any] = {
    "json": (lambda value: json.dumps(value).encode(), json.loads),
    "msgpack": (msgspec.msgpack.encode, msgspec.msgpack.decode),
    "cbor": (cbor2.dumps, cbor2.loads),
}


def nested(levels: int) -> Any:
    value: Any = 1
    for level in range(levels):
        value = [value] if level % 2 else {"a": value}
    return value


TEXT = "2026-12-01T12:00:00.500000Z"
WHEN = datetime(2026, 12, 1, 12, 0, 0, 500000, tzinfo=UTC)
FIT: dict[str, list[Any]] = {
    "json": [2**64, 2**1000, nested(128)],
    "msgpack": [WHEN, Ext(-1, b"\0\0\0\1"), b"x", math.nan, nested(128)],
    "cbor": [
        WHEN,
        cbor2.CBORTag(0, "2026-12-01T12:00:00Z"),
        cbor2.CBORTag(1, 1.5),
        2**64,
        -(2**70),
        2**2000,
        {1, 2},
        b"x",
        frozenset(["a"]),
        Decimal("1.10"),
        Decimal("1.5"),
        cbor2.CBORTag(5, [-1, 3]),
        cbor2.CBORTag(64, b"x"),
        *(cbor2.CBORTag(tag, b"x" * 16) for tag in range(65, 88)),
        cbor2.CBORTag(259, {"a": 1}),
        cbor2.CBORTag(259, {1: 2}),
        cbor2.undefined,
        math.inf,
        nested(128),
    ],
}
"""What clients of the same serializer get."""

UNFIT: dict[str, list[Any]] = {
    "json": [nested(MAX_DEPTH)],
    "msgpack": [Ext(5, b"x"), Ext(-1, b"x"), {1: 2}, {b"k": 1}, {"a": [{None: 1}]}, nested(MAX_DEPTH)],
    "cbor": [
        UUID(int=1),
        Fraction(1, 3),
        cbor2.CBORSimpleValue(9),
        {1: 2},
        {b"k": 1},
        cbor2.CBORTag(25, 0),
        cbor2.CBORTag(28, [1]),
        cbor2.CBORTag(29, 0),
        cbor2.CBORTag(35, "x"),
        cbor2.CBORTag(256, ["x"]),
        cbor2.CBORTag(55799, 1),
        1j,
        cbor2.CBORTag(0, "x"),
        cbor2.CBORTag(1, math.nan),
        cbor2.CBORTag(64, "x"),
        cbor2.CBORTag(258, 1),
        nested(MAX_DEPTH),
    ],
}
"""What nobody can be given."""

INVALID = "wamp.error.invalid_argument"


class Packed(JsonClient):
    """A client of any serializer."""

    def __init__(self, fixture: RealmFixture, serializer: str) -> None:
        self.write, self.read = CODECS[serializer]
        self.serializer = serializer
        super().__init__(fixture.v2(join=False, serializer=serializer).session)
        self.ask(HELLO)

    def say(self, *messages: Any) -> Packed:
        for message in messages:
            self.session.received(self.write(message), self.serializer != "json")
        return self

    def heard(self) -> list[Any]:
        return [self.read(frame) for frame in self.link.take()]


class ValuesCase(SynchronousTestCase):
    def setUp(self) -> None:
        self.fixture = RealmFixture()
        self.clients = {serializer: Packed(self.fixture, serializer) for serializer in CODECS}
        self.others = {serializer: Packed(self.fixture, serializer) for serializer in CODECS}
        self.old = self.fixture.v1()

    def all_alive(self) -> None:
        for client in (*self.clients.values(), *self.others.values(), self.old):
            self.assertIsNone(client.link.ended)


class Events(ValuesCase):
    def test_carried(self) -> None:
        """Subscribers of the same serializer get the very bytes, whatever the others get; those may miss the event."""
        self.old.ask([5, "t"])
        for client in (*self.clients.values(), *self.others.values()):
            client.ask([32, 1, {}, "t"])
        for serializer, values in FIT.items():
            publisher, same = self.clients[serializer], self.others[serializer]
            for value in values:
                for payload in ([[value]], [[1, [value]], {"k": value}], [[], {"k": {"a": value}}]):
                    [answer] = publisher.ask([16, 7, {"acknowledge": True}, "t", *payload])
                    self.assertEqual(answer[:2], [17, 7], value)
                    [frame] = same.link.take()
                    wire = [publisher.write(part) for part in payload]
                    if getattr(value, "tag", 0) == 64:
                        wire = [publisher.write(bare(part)) for part in payload]
                    self.assertTrue(frame.endswith(b",".join(wire) + b"]" if serializer == "json" else b"".join(wire)))
                    for client in (*self.clients.values(), *self.others.values(), self.old):
                        client.link.take()
        self.all_alive()

    def test_refused(self) -> None:
        """An acknowledged PUBLISH is answered, another is dropped and counted; nobody hears of either."""
        self.old.ask([5, "t"])
        for client in self.others.values():
            client.ask([32, 1, {}, "t"])
        for serializer, values in UNFIT.items():
            publisher = self.clients[serializer]
            for value in values:
                for payload in ([[value]], [[1, [value]], {"k": value}], [[], {"k": {"a": value}}]):
                    before = self.fixture.journal.counts["payload.refused", "publish"]
                    [error] = publisher.ask([16, 7, {"acknowledge": True}, "t", *payload])
                    self.assertEqual((error[:3], error[4]), ([8, 16, 7], INVALID), value)
                    self.assertEqual(publisher.ask([16, 8, {}, "t", *payload]), [])
                    self.assertEqual(self.fixture.journal.counts["payload.refused", "publish"], before + 2)
                if serializer != "msgpack" or not isinstance(value, dict):
                    [error] = publisher.ask([16, 9, {"acknowledge": True, "x_mine": value}, "t"])
                    self.assertEqual((error[:3], error[4]), ([8, 16, 9], INVALID), value)
        self.assertEqual([client.heard() for client in (*self.others.values(), self.old)], [[], [], [], []])
        self.all_alive()

    def test_undefined_is_absent(self) -> None:
        """JavaScript's undefined is null inside, and no option at all."""
        client, listener = self.clients["cbor"], self.others["json"]
        listener.ask([32, 1, {}, "t"])
        answers = client.ask([16, 1, {"acknowledge": cbor2.undefined}, "t", [cbor2.undefined], {"a": cbor2.undefined}])
        self.assertEqual((answers, listener.heard()[0][4:]), ([], [[None], {"a": None}]))

    def test_retained(self) -> None:
        """What is retained comes as it was published, or not at all."""
        client = self.clients["cbor"]
        for value, to_json in ((WHEN, [TEXT]), (2**2000, None)):
            client.ask([16, 1, {"retain": True}, "kept", [value]])
            for serializer, expected in (("cbor", [value]), ("json", to_json), ("msgpack", to_json)):
                late = Packed(self.fixture, serializer)
                events = late.ask([32, 1, {"get_retained": True}, "kept"])[1:]
                self.assertEqual([event[4] for event in events], [] if expected is None else [expected])
                self.assertIsNone(late.link.ended)


def bare(value: Any) -> Any:
    """``value`` with plain bytes where CBOR has a Uint8Array."""
    if isinstance(value, list):
        return [bare(item) for item in value]
    if isinstance(value, dict):
        return {key: bare(item) for key, item in value.items()}
    return value.value if isinstance(value, cbor2.CBORTag) else value


class Calls(ValuesCase):
    def test_requests(self) -> None:
        """CALL, SUBSCRIBE and REGISTER that hold what nobody can be given are answered with an ERROR, CANCEL goes
        without it."""
        for serializer, values in UNFIT.items():
            client = self.clients[serializer]
            for value in values:
                [error] = client.ask([48, 1, {}, "nobody", [value]])
                self.assertEqual((error[:3], error[4]), ([8, 48, 1], INVALID))
                if serializer == "msgpack" and isinstance(value, dict):
                    continue
                for code in (32, 48, 64):
                    [error] = client.ask([code, 1, {"x": value}, "a.b"])
                    self.assertEqual((error[:3], error[4]), ([8, code, 1], INVALID))
                self.assertEqual(client.ask([49, 1, {"x": value}]), [])
        self.all_alive()

    def test_callee_answers_oddly(self) -> None:
        """A YIELD, progressive YIELD or ERROR that nobody can be given: the caller is told, the callee lives."""
        for serializer, values in UNFIT.items():
            callee = self.clients[serializer]
            callee.ask([64, 1, {}, serializer])
            for value in values:
                for caller in (*self.others.values(), self.old):
                    for answer in (
                        [70, None, {}, [value]],
                        [70, None, {"progress": True}, [value]],
                        [70, None, {}, [], {"k": value}],
                        [8, 68, None, {}, "e.x", [value]],
                    ):
                        caller.say(
                            [2, "5", serializer]
                            if caller is self.old
                            else [48, 5, {"receive_progress": True}, serializer]
                        )
                        [invocation] = callee.heard()
                        callee.say([invocation[1] if part is None else part for part in answer])
                        [error] = caller.heard()
                        told = error[:3] if caller is self.old else [error[0], error[2], error[4]]
                        self.assertEqual(told, [4, "5", INVALID] if caller is self.old else [8, 5, INVALID])
        self.all_alive()

    def test_echo(self) -> None:
        """Whatever a procedure gives back of what it got costs neither of the two its session, in each direction."""
        for callee in self.clients.values():
            callee.ask([64, 1, {}, callee.serializer])
            for caller in (*self.others.values(), self.old):
                for value in FIT[getattr(caller, "serializer", "json")]:
                    caller.say(
                        [2, "5", callee.serializer, value]
                        if caller is self.old
                        else [48, 5, {}, callee.serializer, [value]]
                    )
                    for invocation in callee.heard():
                        if callee.serializer == "cbor":  # as autobahn-js answers
                            callee.say([70, invocation[1], {}, [cbor2.CBORTag(2, b"\x20" + b"\0" * 6), *invocation[4]]])
                        else:
                            callee.say([70, invocation[1], {}, *invocation[4:]])
                    [answer] = caller.heard()
                    self.assertIn(answer[0], (50, 8, 3, 4))
        self.all_alive()

    def test_progress_that_the_caller_cannot_take(self) -> None:
        """An ERROR ends the call: nothing may follow on it, or the caller's library ends its session."""
        callee, caller = self.clients["cbor"], self.others["json"]
        callee.ask([64, 1, {}, "p"])
        caller.say([48, 5, {"receive_progress": True}, "p"])
        [invocation] = callee.heard()
        callee.say([70, invocation[1], {"progress": True}, [math.nan]])
        [error] = caller.heard()
        self.assertEqual([error[0], error[2], error[4]], [8, 5, INVALID])
        callee.say([70, invocation[1], {"progress": True}, [1]], [70, invocation[1], {}, [2]])
        self.assertEqual(caller.heard(), [])
        self.all_alive()

    def test_numbers_that_count(self) -> None:
        """In a realm that counts requests, the refused one counts."""
        self.fixture.realm_context.sequential = True
        client = Packed(self.fixture, "cbor")
        self.assertEqual(client.ask([48, 1, {}, "p", [UUID(int=1)]])[0][4], INVALID)
        self.assertEqual(client.ask([32, 2, {}, "t"])[0][0], 33)
        self.assertEqual(client.ask([48, 2, {}, "p", [UUID(int=1)]])[0][0], 3)

    def test_meta(self) -> None:
        """WAMP's own procedures read plain values of what is tagged, and refuse what has none."""
        client = self.clients["cbor"]
        tag = cbor2.CBORTag(2, self.others["json"].session.joined().member.session.to_bytes(8))
        self.assertEqual(client.ask([48, 1, {}, "wamp.session.get", [tag]])[0][0], 50)
        [error] = client.ask([48, 1, {}, "wamp.session.get", [cbor2.CBORTag(259, {1: 2})]])
        self.assertEqual(error[4], INVALID)

    def test_testament(self) -> None:
        """A testament is published as it came; one whose arguments have names, with plain values."""
        client, listener = self.clients["cbor"], self.others["cbor"]
        for each in self.others.values():
            each.ask([32, 1, {}, "t"])
        self.assertEqual(client.ask([48, 1, {}, "wamp.session.add_testament", ["t", [WHEN, 2**70], {}]])[0][0], 50)
        named = [48, 1, {}, "wamp.session.add_testament", ["t"], {"args": [WHEN], "kwargs": {"k": {1}}}]
        self.assertEqual(client.ask(named)[0][0], 50)
        client.session.closed(False, None, "")
        self.assertEqual([event[4:] for event in listener.heard()], [[[WHEN, 2**70], {}], [[TEXT], {"k": [1]}]])
        self.assertEqual([event[4] for event in self.others["json"].heard()], [[TEXT, 2**70], [TEXT]])
        self.assertEqual([event[4] for event in self.others["msgpack"].heard()], [[TEXT]])

    def test_history(self) -> None:
        """Events that a reader's serializer cannot carry are left out of what it reads, and cost it nothing else."""
        kept = [HistoryLimits(Match.EXACT, "t", 100, 10**6)]
        self.patch(fixture, "Realm", lambda *args, **how: Realm(*args, history=kept, **how))
        self.setUp()
        client = self.clients["cbor"]
        [subscribed] = client.ask([32, 1, {}, "t"])
        for value in (1, WHEN, 2**70, math.nan, cbor2.CBORTag(259, {1: 2}), 2**2000, Decimal("1.1"), "x"):
            client.ask([16, 1, {}, "t", [value]])
        for serializer, expected in [
            ("json", [1, TEXT, 2**70, 1.1, "x"]),
            ("msgpack", [1, TEXT, "nan", "x"]),
            ("cbor", [1, TEXT, 2**70, "nan", 2**2000, Decimal("1.1"), "x"]),
        ]:
            reader = self.others[serializer]
            [result] = reader.ask([48, 1, {}, "wamp.subscription.get_events", [subscribed[2]]])
            found = [event["args"][0] for event in result[3]]
            self.assertEqual([value if value == value else "nan" for value in found], expected)


class Before(ValuesCase):
    def test_hello(self) -> None:
        """HELLO, ABORT and GOODBYE go without what nobody can be given: there is no request that it could cost."""
        for serializer, values in UNFIT.items():
            for value in values:
                client = Packed(self.fixture, serializer)
                self.assertEqual(client.ask([6, {"x": value}, "wamp.close.close_realm"])[0][0], 6)
                self.assertEqual(client.ask([1, "oro", {**HELLO[2], "authextra": {"x": value}}])[0][0], 2)
                client.ask([3, {"x": value}, "a.b"])
                self.assertIsNotNone(client.link.ended)

    def test_version_1(self) -> None:
        """Well-formed JSON costs a v1 client no connection either."""
        self.old.ask([5, "t"])
        for value in (b"1e400", b"[" * 300 + b"]" * 300, b"[" * 9000 + b"]" * 9000):
            self.assertEqual(self.old.ask(b'[7,"t",%b]' % value), [])
            [error] = self.old.ask(b'[2,"id","p",%b]' % value)
            self.assertEqual(error[:3], [4, "id", INVALID])
        self.assertEqual(self.fixture.journal.counts["payload.refused", "publish"], 3)
        self.assertEqual(self.old.ask([7, "t", 1]), [[8, "t", 1]])
        self.all_alive()

    def test_not_well_formed(self) -> None:
        """What is cut, no array or of a wrong type where the protocol stands ends the session as before."""
        for serializer in CODECS:
            for make in (
                lambda write: write([16, 1, {}, "t", ["x"]])[:-1],
                lambda write: write({"a": 1}),
                lambda write: write([99, 1]),
                lambda write: write([16, "x", {}, "t"]),
                lambda write: write([16, 1, {}, 5]),
                lambda write: b"",
            ):
                client = Packed(self.fixture, serializer)
                client.session.received(make(client.write), serializer != "json")
                self.assertEqual(client.heard()[0][0], 3)
                self.assertIsNotNone(client.link.ended)
