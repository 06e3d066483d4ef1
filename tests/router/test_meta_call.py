"""Calls of WAMP's own procedures."""

from __future__ import annotations

from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from orosync.errors import RequestError
from orosync.model import Match
from orosync.router.meta_call import MetaCall, procedure, read_id
from orosync.wamp import uris
from orosync.wamp.messages import Result
from orosync.wamp.payload import Payload
from tests.router.members import member


def called(*args: Any, **kwargs: Any) -> MetaCall:
    return MetaCall(member(1), 7, Payload.of(args, kwargs))


class Reading(SynchronousTestCase):
    """What a call was called with."""

    def test_ids(self) -> None:
        """Ids may be integral floats, whatever client counts in them; anything else is a bad argument."""
        self.assertEqual([read_id(value, "x") for value in (5, 5.0, 2**53)], [5, 5, 2**53])
        for bad in (None, "5", 5.5, -1, True, [5], 2**53 + 1):
            self.assertEqual(self.assertRaises(RequestError, read_id, bad, "x").uri, uris.INVALID_ARGUMENT, bad)

    def test_by_name(self) -> None:
        """What is not there by position is looked for by its name."""
        self.assertEqual(called(3).id(0, "session"), 3)
        self.assertEqual(called(session=3).id(0, "session"), 3)
        self.assertEqual(called(3, session=4).id(0, "session"), 3)

    def test_missing(self) -> None:
        """What may be left out is nothing then; what may not is a bad argument, also without any payload."""
        nothing = MetaCall(member(1), 7, None)
        self.assertEqual((nothing.texts(0, "a"), nothing.options(0, "b"), nothing.match(0)), (None, {}, Match.EXACT))
        for read in (nothing.id, nothing.text):
            self.assertEqual(self.assertRaises(RequestError, read, 0, "a").uri, uris.INVALID_ARGUMENT)

    def test_wrong_types(self) -> None:
        """Each reader refuses what is not its own."""
        call = called(7)
        for read in (call.text, call.texts, call.options):
            self.assertEqual(self.assertRaises(RequestError, read, 0, "a").uri, uris.INVALID_ARGUMENT)
        self.assertEqual(self.assertRaises(RequestError, called(["a", 1]).texts, 0, "a").uri, uris.INVALID_ARGUMENT)
        wrong = called({"match": "fuzzy"})
        self.assertEqual(self.assertRaises(RequestError, wrong.match, 0).uri, uris.INVALID_ARGUMENT)


class Answering(SynchronousTestCase):
    """What becomes of a handler's answer."""

    def test_answers(self) -> None:
        """Arguments of a RESULT, a RESULT without any, or nothing yet."""
        caller = member(1)
        for answer, expected in (([[1, 2]], [[1, 2]]), ([None], [None]), ([], None)):
            ((receivers, message, payload, topic),) = procedure(lambda call: answer)(caller, 9, None)  # noqa: B023
            self.assertEqual((tuple(receivers), topic, message.head()), ((caller,), "", Result(9, {}).head()))
            self.assertEqual(None if payload is None else payload.values()[0], expected)
        self.assertEqual(procedure(lambda call: None)(caller, 9, None), [])
