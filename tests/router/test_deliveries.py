"""Members and deliveries as values, and how options of requests are read."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from orosync.errors import RequestError
from orosync.model import Match, Principal
from orosync.router.deliveries import Delivery, Member, choice, flag, text_size
from orosync.wamp import uris
from orosync.wamp.messages import Event, Message
from orosync.wamp.payload import Payload
from tests.router.members import member

ANNA = Principal("anna", "user", "ticket", "tests")

NOT_BOOLEAN = [0, 1, 1.0, "true", "", [], {}, [True]]
NOT_A_WORD = [0, 1.5, True, "", "Exact", "EXACT", "glob", [], ["exact"], {"exact": 1}]


class Members(SynchronousTestCase):
    """A session as its realm sees it."""

    def test_reached_as_agreed(self) -> None:
        """What a member was joined with is how it is reached."""
        pushed: list[object] = []
        received: list[object] = []

        def tell(message: Message, payload: Payload | None) -> None:
            received.append((message, payload))

        anna = Member(7, ANNA, frozenset(["callee.call_canceling"]), "a wire", pushed.append, tell)
        anna.push("a frame")
        anna.tell(Event(1, 2, {}), None)
        self.assertEqual((anna.session, anna.principal, anna.wire), (7, ANNA, "a wire"))
        self.assertEqual((pushed, received), (["a frame"], [(Event(1, 2, {}), None)]))
        self.assertIn("callee.call_canceling", anna.features)

    def test_unreachable(self) -> None:
        """Sending to a member that was joined without push and tell raises."""
        bare = Member(7, ANNA)
        self.assertRaises(TypeError, bare.push, "a frame")
        self.assertRaises(TypeError, bare.tell, Event(1, 2, {}), None)

    def test_begins_with_nothing(self) -> None:
        """A new member has announced nothing, has no subscriptions and no registrations, and shares neither."""
        one, two = Member(7, ANNA), Member(8, ANNA)
        self.assertEqual((one.features, one.subscriptions, one.registrations), (frozenset(), {}, {}))
        self.assertIsNot(one.subscriptions, two.subscriptions)
        self.assertIsNot(one.registrations, two.registrations)

    def test_no_two_are_the_same(self) -> None:
        """Members are equal only to themselves."""
        self.assertNotEqual(member(1), member(1))


class Deliveries(SynchronousTestCase):
    """A message and its receivers."""

    def test_as_a_tuple(self) -> None:
        """A delivery is taken apart in one step; without payload and topic it is an answer without arguments."""
        anna = member(1)
        receivers, message, payload, topic = Delivery((anna,), Event(1, 2, {}))
        self.assertEqual((receivers, message, payload, topic), ((anna,), Event(1, 2, {}), None, ""))


class Flag(SynchronousTestCase):
    """A boolean option."""

    def test_values(self) -> None:
        """A boolean counts; a missing or null option is the default."""
        for default in (True, False):
            self.assertIs(flag({}, "acknowledge", default), default)
            self.assertIs(flag({"acknowledge": None}, "acknowledge", default), default)
            for value in (True, False):
                self.assertIs(flag({"acknowledge": value}, "acknowledge", default), value)

    def test_wrong_types(self) -> None:
        """Anything but a boolean costs the request an ERROR that names the option."""
        for value in NOT_BOOLEAN:
            error = self.assertRaises(RequestError, flag, {"acknowledge": value}, "acknowledge")
            self.assertEqual(error.uri, uris.INVALID_ARGUMENT, value)
            self.assertIn("acknowledge", error.message)


class Choice(SynchronousTestCase):
    """An option with one of several words."""

    def test_words(self) -> None:
        """Each word of the enumeration is understood; what is missing or null is the default."""
        for word in Match:
            self.assertIs(choice({"match": word.value}, "match", Match.EXACT), word)
            self.assertIs(choice({}, "match", word), word)
            self.assertIs(choice({"match": None}, "match", word), word)

    def test_wrong_words(self) -> None:
        """Any other value costs the request an ERROR that names the option and the words."""
        for value in NOT_A_WORD:
            error = self.assertRaises(RequestError, choice, {"match": value}, "match", Match.EXACT)
            self.assertEqual(error.uri, uris.INVALID_ARGUMENT, value)
            self.assertIn("match must be one of exact, prefix, wildcard", error.message)


class TextSize(SynchronousTestCase):
    """The size of details that are kept."""

    def test_texts(self) -> None:
        """Only texts count: they alone can be long."""
        self.assertEqual(
            text_size({"ppt_scheme": "x" * 60, "transaction_hash": "abc", "publisher": 7, "retained": True}), 63
        )
        self.assertEqual(text_size({}), 0)
