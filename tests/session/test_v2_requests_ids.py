"""Request ids that have to count up from 1."""

from __future__ import annotations

from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from tests.session.fixture import RealmFixture

KINDS: list[Any] = [
    lambda n: [16, n, {"acknowledge": True}, "a.topic"],
    lambda n: [32, n, {}, "a.topic"],
    lambda n: [34, n, 99],
    lambda n: [48, n, {}, "a.procedure"],
    lambda n: [64, n, {}, "a.procedure"],
    lambda n: [66, n, 99],
]
STREAM = {"features": {"progressive_call_invocations": True}}


class CountedTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.fixture = RealmFixture()

    def violates(self, *messages: Any) -> bool:
        answers = self.fixture.v2().ask(*messages)
        return bool(answers) and answers[-1][0] == 3 and answers[-1][2] == "wamp.error.protocol_violation"

    def test_any(self) -> None:
        """By default clients may draw their ids as they like, and use one again when its request is over."""
        for kind in KINDS:
            self.assertFalse(self.violates(kind(2**53), kind(7), kind(7), kind(0)))

    def test_sequential(self) -> None:
        """Where a realm insists: 1, 2, 3, over all kinds of requests; a gap, a repetition and 0 end the session."""
        self.fixture.realm_context.sequential = True
        self.assertFalse(self.violates(*(kind(n) for n, kind in enumerate(KINDS, 1))))
        for kind in KINDS:
            for ids in ([0], [2], [1, 1], [1, 3], [1, 2, 1]):
                self.assertTrue(self.violates(*(kind(n) for n in ids)), (kind(0), ids))

    def test_parts_of_a_stream(self) -> None:
        """R2: further parts of a call have its id, also when it is over."""
        self.fixture.realm_context.sequential = True
        roles = {"callee": STREAM, "caller": STREAM}
        callee = self.fixture.v2(join=False).say([1, "oro", {"roles": roles}])
        caller = self.fixture.v2(join=False).say([1, "oro", {"roles": roles}])
        callee.ask([64, 1, {}, "a.procedure"])
        caller.heard()
        self.assertEqual(
            caller.ask([48, 1, {"progress": True}, "a.procedure"], [48, 1, {"progress": True}, "a.procedure"]), []
        )
        self.assertEqual([message[:2] for message in callee.heard()], [[68, 1], [68, 1]])
        callee.say([70, 1, {}])
        self.assertEqual(caller.ask([48, 1, {}, "a.procedure"])[-1], [50, 1, {}])
        self.assertEqual(caller.ask([32, 2, {}, "a.topic"])[0][0], 33)
