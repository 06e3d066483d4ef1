"""WAMP v1 as Ratchet speaks it."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from orosync.errors import NotCarriable, ProtocolViolation, Unfit
from orosync.wamp import v1
from orosync.wamp.payload import Payload
from tests.wamp.clients import MUTATIONS, mutate


def parse(value: Any, prefixes: v1.Prefixes | None = None) -> v1.Request:
    data = value if isinstance(value, bytes) else json.dumps(value).encode()
    return v1.parse(data, prefixes or v1.Prefixes())


class Topics(SynchronousTestCase):
    """SUBSCRIBE and UNSUBSCRIBE."""

    def test_topics_are_opaque(self) -> None:
        """A topic is whatever text the client takes for one, v2's rules notwithstanding."""
        for topic in ["oro/data/update", "oro/email_event/1/*", "http://example.com/simple#x", "", "a b", "a..b", "é"]:
            self.assertEqual(parse([5, topic]), v1.V1Subscribe(topic))
            self.assertEqual(parse([6, topic]), v1.V1Unsubscribe(topic))

    def test_more_elements(self) -> None:
        """Elements behind the last are ignored, as in Ratchet."""
        self.assertEqual(parse([5, "t", 1, {}]), v1.V1Subscribe("t"))

    def test_half_an_emoji(self) -> None:
        """A cut emoji costs no session."""
        self.assertEqual(parse(rb'[5,"\ud83d"]'), v1.V1Subscribe("\ufffd"))
        message = parse(rb'[7,"t",{"a" : "\ud83d"}]')
        assert isinstance(message, v1.V1Publish)
        self.assertEqual(v1.encode_event("t", message.payload), rb'[8,"t",{"a" : "\ud83d"}]')


class Curies(SynchronousTestCase):
    """PREFIX and what it does to topics."""

    def test_resolving(self) -> None:
        """A known prefix is replaced and joined with "#", as Ratchet does; everything else stays."""
        prefixes = v1.Prefixes()
        self.assertEqual(parse([1, "ex", "http://example.com/"], prefixes), v1.V1Prefix("ex", "http://example.com/"))
        for topic, expected in [
            ("ex:a", "http://example.com/#a"),
            ("ex:", "http://example.com/#"),
            ("ex:a:b", "http://example.com/#a:b"),
            ("other:a", "other:a"),
            ("ex", "ex"),
            ("http://ex:a", "http://ex:a"),
            ("ex:https://a", "ex:https://a"),
            ("oro/ping", "oro/ping"),
        ]:
            self.assertEqual(parse([5, topic], prefixes), v1.V1Subscribe(expected))
            self.assertEqual(parse([6, topic], prefixes), v1.V1Unsubscribe(expected))
            self.assertEqual(parse([7, topic, 1], prefixes)[0], expected)
            self.assertEqual(parse([2, "1", topic], prefixes)[1], expected)

    def test_no_topic_of_oro_can_be_spelled_with_a_prefix(self) -> None:
        """Every resolved CURIE holds a "#", so none is a secured topic under another name."""
        prefixes = v1.Prefixes()
        parse([1, "oro/email_event/1", "oro/email_event/1/1"], prefixes)
        self.assertEqual(parse([5, "oro/email_event/1:"], prefixes), v1.V1Subscribe("oro/email_event/1/1#"))

    def test_prefixes_belong_to_one_session(self) -> None:
        """What one client declares does nothing for another."""
        parse([1, "ex", "http://example.com/"])
        self.assertEqual(parse([5, "ex:a"]), v1.V1Subscribe("ex:a"))

    def test_bound(self) -> None:
        """A session may redeclare as often as it likes, but not fill the memory."""
        prefixes = v1.Prefixes()
        for number in range(v1.MAX_PREFIXES):
            parse([1, f"p{number}", "u"], prefixes)
        parse([1, "p0", "again"], prefixes)
        self.assertEqual(prefixes.resolve("p0:x"), "again#x")
        self.assertRaises(ProtocolViolation, parse, [1, "one more", "u"], prefixes)


class Publishing(SynchronousTestCase):
    """PUBLISH."""

    def test_exclude_and_eligible(self) -> None:
        """The publisher gets its own event unless it excludes itself; an empty eligible means everybody."""
        for tail, exclude_me, exclude, eligible in [
            ([], False, (), ()),
            ([None], False, (), ()),
            ([False], False, (), ()),
            ([0], False, (), ()),
            ([0.0], False, (), ()),
            ([""], False, (), ()),
            (["0"], False, (), ()),
            ([True], True, (), ()),
            ([1], True, (), ()),
            (["yes"], True, (), ()),
            ([0.5], True, (), ()),
            ([[]], False, (), ()),
            ([[], []], False, (), ()),
            ([["1"], []], False, ("1",), ()),
            ([[], ["1", "2"]], False, (), ("1", "2")),
            ([["1"], ["1", "2"]], False, ("1",), ("1", "2")),
            ([True, ["7"]], True, (), ("7",)),
            ([None, [], "more"], False, (), ()),
        ]:
            message = parse([7, "t", {"a": 1}, *tail])
            assert isinstance(message, v1.V1Publish)
            self.assertEqual((message.topic, message[2:]), ("t", (exclude_me, exclude, eligible)), tail)
            self.assertEqual(message.payload.values(), ([{"a": 1}], {}))

    def test_wrong_lists(self) -> None:
        """What takes the stock server down costs its sender the connection."""
        for tail in [[[], "x"], [[], 1], [[], True], [[], None], [[], {}], [{}], [[1]], [[None]], [[["1"]]], [[], [1]]]:
            self.assertRaises(ProtocolViolation, parse, [7, "t", 1, *tail])

    def test_no_event(self) -> None:
        """A missing event is null."""
        message = parse([7, "t"])
        assert isinstance(message, v1.V1Publish)
        self.assertEqual(v1.encode_event("t", message.payload), b'[8,"t",null]')

    def test_what_php_sends(self) -> None:
        """Oro's back end always sends five elements, with PHP's escapes; the event's bytes are passed on."""
        message = parse(rb'[7,"oro\/data\/update",[{"username":"admin","tagname":"Caf\u00e9_1"}],[],[]]')
        assert isinstance(message, v1.V1Publish)
        self.assertEqual(message.topic, "oro/data/update")
        self.assertEqual(
            v1.encode_event(message.topic, message.payload),
            rb'[8,"oro/data/update",[{"username":"admin","tagname":"Caf\u00e9_1"}]]',
        )


class Beginnings(SynchronousTestCase):
    """What the first bytes of a PUBLISH tell."""

    def test_topic(self) -> None:
        """Its topic, however it is spelt, once it is whole; nothing of other messages, and of nonsense."""
        for beginning, topic in (
            (b'[7,"oro\\/data\\/update",[', "oro/data/update"),
            (b' [ 7 , "a\\"b\\\\" ,', 'a"b\\'),
            ('[7,"\u043e"'.encode(), "\u043e"),
            (b'[7,"oro/data', ""),
            (b'[7,"a\\"', ""),
            (b'[7,"\xff"', ""),
            (b'[7,"\\x"', ""),
            (b'[77,"a"', ""),
            (b'[5,"a"]', ""),
            (b"[7,5", ""),
            (b"", ""),
        ):
            self.assertEqual(v1.published_topic(beginning), topic, beginning)


class Calling(SynchronousTestCase):
    """CALL."""

    def test_arguments(self) -> None:
        """Arguments are positional; a single argument that is an array is the arguments."""
        for tail, args in [
            ([], []),
            ([1], [1]),
            ([1, "x"], [1, "x"]),
            ([[1, 2]], [1, 2]),
            ([[]], []),
            ([[1], [2]], [[1], [2]]),
            ([{"a": 1}], [{"a": 1}]),
        ]:
            message = parse([2, "id", "proc", *tail])
            assert isinstance(message, v1.V1Call)
            self.assertEqual((message.call_id, message.procedure), ("id", "proc"))
            self.assertEqual(message.payload.values(), (args, {}))


class Refusing(SynchronousTestCase):
    """What costs a v1 client its connection."""

    def test_wrong_messages(self) -> None:
        """Whatever is none of a client's five messages, or has the wrong type in a field."""
        for value in [
            None, 1, "x", {}, [], [5], [6], [99], [-1], [1], [1, "p"], [1, 1, "u"], [1, "p", None], [2], [2, "id"],
            [2, 1, "proc"], [2, "id", 1], [5, 1], [5, None], [5, ["t"]], [5, {}], [6, 1], [6, True], [7], [7, 1, "e"],
            [7, None, "e"], [8, "t", "e"], [0, "sid", 1, "server"], [3, "id", 1], [4, "id", "e", "d"], ["5", "t"],
            [5.0, "t"], [True, "p", "u"], [[5], "t"],
        ]:  # fmt: skip
            self.assertRaises(ProtocolViolation, parse, value)

    def test_no_json(self) -> None:
        """What is no JSON, wherever it stands."""
        for data in [
            b"", b"x", b"[5,", b"[5,'t']", b'[5,"t"] x', b'[5,"\xff"]', b'[7,"t",NaN]', b'[7,"t",[1e400,NaN]]',
            b'[7,"t",["\xff"]]', b'[7,"t",1,[NaN]]', b'[2,"id","p",1,"\xff"]', b"[" * 100000, b"[5,1e400]",
            b"[5," + b"[" * 900 + b"]" * 900 + b"]", b"[5," + b"[" * 9000 + b"]" * 9000 + b"]", b'[1,"a",1e400]',
        ]:  # fmt: skip
            self.assertRaises(ProtocolViolation, parse, data)

    def test_values_for_nobody(self) -> None:
        """Well-formed JSON with an unsupported value fails the request only."""
        for value in [
            b"1e400",
            rb'{"a":"\u0000x"}',
            b"[" * 300 + b"]" * 300,
            b"[" * 9000 + b"]" * 9000,
            b'{"a":' * 300 + b"1" + b"}" * 300,
        ]:
            for text, kind, name in [
                (b'[7,"t",%b]', v1.V1Publish, "t"), (b'[7,"t",%b,[],[]]', v1.V1Publish, "t"),
                (b'[7, "t" ,[%b]]', v1.V1Publish, "t"),
                (b'[2,"id","p",%b]', v1.V1Call, "p"), (b'[2,"id","p",1,{"a":%b}]', v1.V1Call, "p"),
            ]:  # fmt: skip
                error = self.assertRaises(Unfit, parse, text % value)
                self.assertIsInstance(error.message, kind)
                self.assertIn(name, error.message)

    def test_cut_at_every_byte(self) -> None:
        """A message that ends too early is refused wherever it ends."""
        data = b'[7,"oro/ping",{"a":[1,"x"]},["1"],["2"]]'
        parse(data)
        for end in range(len(data)):
            self.assertRaises(ProtocolViolation, parse, data[:end])

    def survive(self, data: bytes) -> None:
        try:
            message = parse(data)
        except (ProtocolViolation, Unfit):
            return
        if isinstance(message, v1.V1Publish | v1.V1Call):
            message.payload.values()
            json.loads(v1.encode_event("t", message.payload))

    @settings(max_examples=200, deadline=None, database=None)
    @given(st.binary(max_size=40), MUTATIONS)
    def test_fuzz(self, noise: bytes, changes: list[tuple[int, int, str]]) -> None:
        """Noise and damaged messages raise nothing but ProtocolViolation."""
        self.survive(noise)
        self.survive(b'[7,"t",' + noise + b"]")
        for seed in [b'[7,"t",{"a":[1,"x"]},["1"],["2"]]', b'[2,"id","p",[1,2]]', b'[1,"p","u"]', b'[5,"t"]']:
            self.survive(mutate(seed, changes))


class Writing(SynchronousTestCase):
    """What a v1 client gets."""

    def test_welcome(self) -> None:
        """Oro's PHP client must find its session id in it, whatever the id."""
        for session_id in [1, 2**53, 123456789]:
            welcome = v1.encode_welcome(session_id)
            self.assertEqual(json.loads(welcome), [0, str(session_id), 1, "orosync"])
            self.assertTrue(welcome.isascii())
            self.assertTrue(len(welcome) < 91)
            self.assertEqual((welcome.count(b"["), welcome.count(b"]")), (1, 1))

    def test_event(self) -> None:
        """An event of v2 arrives as one value."""
        for payload, expected in [
            (None, None),
            (Payload.of([1]), 1),
            (Payload.of(None, {"a": 1}), {"a": 1}),
            (Payload.of([1], {"a": 1}), {"args": [1], "kwargs": {"a": 1}}),
        ]:
            self.assertEqual(json.loads(v1.encode_event('oro/"é', payload)), [8, 'oro/"é', expected])
        self.assertRaises(NotCarriable, v1.encode_event, "t", Payload.of([float("nan")]))

    def test_result(self) -> None:
        """A result is one value, null if there is none."""
        for payload, expected in [(None, None), (Payload.of([1]), 1), (Payload.of(), None), (Payload.of([]), None)]:
            self.assertEqual(json.loads(v1.encode_result("id", payload)), [3, "id", expected])

    def test_error(self) -> None:
        """An error has a URI, a description and, if there are any, details."""
        self.assertEqual(json.loads(v1.encode_error("id", "e.x", 'no "é"')), [4, "id", "e.x", 'no "é"'])
        self.assertEqual(
            json.loads(v1.encode_error("id", "e.x", "no", {"code": 404})), [4, "id", "e.x", "no", {"code": 404}]
        )

    def test_not_allowed(self) -> None:
        """A refused topic is answered with the stock server's own words."""
        for topic in ["oro/ping", 'é"{topic}']:
            expected = f'You are not allowed to subscribe on topic "{topic}".'
            self.assertEqual(v1.not_allowed(topic).decode(), expected)
