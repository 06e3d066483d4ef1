"""Questions to all nodes."""

from __future__ import annotations

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from orosync.backplane.nodes import RESEND_BYTES, RINGS, Nodes
from orosync.backplane.questions import Questions
from orosync.testing import MemoryEngine, RecordingJournal

KEY = b"the key of all nodes"


class QuestionsTests(SynchronousTestCase):
    """Node a asks b and c."""

    def setUp(self) -> None:
        self.clock, self.journal = Clock(), RecordingJournal()
        self.engine = MemoryEngine(self.clock, largest=64 * 1024)
        self.nodes = [Nodes(self.engine.adapter(), name, KEY, self.clock, self.journal) for name in "abc"]
        self.questions, self.b, self.c = [Questions(one, self.clock, self.journal) for one in self.nodes]
        for node in self.nodes:
            node.start()

    def settle(self) -> None:
        for _ in range(20):
            self.clock.advance(0)

    def left_out(self) -> list[object]:
        return [fields["node"] for event, _, fields in self.journal.notes if event == "backplane.unanswered"]

    def test_all_answer(self) -> None:
        """Each node's answer comes under its name, also one that is made later."""
        self.settle()
        later: Deferred[bytes] = Deferred()
        self.b.serve("a subject", lambda data: data + b" to b")
        self.c.serve("a subject", lambda data: later)
        answers = self.questions.ask("a subject", b"what")
        self.settle()
        self.assertNoResult(answers)
        later.callback(b"that")
        self.settle()
        self.assertEqual(self.successResultOf(answers), {"b": b"what to b", "c": b"that"})
        self.assertEqual(self.clock.getDelayedCalls(), [one for one in self.clock.getDelayedCalls() if one.time <= 1])

    def test_alone(self) -> None:
        """With nobody to be asked the answer is there at once."""
        self.assertTrue(self.questions.alone)
        self.assertEqual(self.successResultOf(self.questions.ask("a subject", b"")), {})
        self.settle()
        self.assertFalse(self.questions.alone)

    def test_left_out(self) -> None:
        """A node that cannot answer costs nothing but its answer: nobody serves it, it fails, it is too large."""
        self.settle()

        def failing(data: bytes) -> bytes:
            raise ValueError(data)

        self.b.serve("failing", failing)
        self.b.serve("large", lambda data: bytes(RESEND_BYTES // RINGS + 1))
        for subject in ("unknown", "failing", "large"):
            self.journal.notes.clear()
            answers = self.questions.ask(subject, b"")
            self.settle()
            self.assertEqual(self.successResultOf(answers), {}, subject)
            self.assertEqual(self.left_out(), ["b", "c"], subject)
        self.assertEqual(len(self.flushLoggedErrors(ValueError)), 1)

    def test_late(self) -> None:
        """After two seconds the answers are those that have come; what comes later is dropped."""
        self.settle()
        later: Deferred[bytes] = Deferred()
        self.b.serve("a subject", lambda data: b"in time")
        self.c.serve("a subject", lambda data: later)
        answers = self.questions.ask("a subject", b"")
        self.settle()
        self.clock.pump([0.5] * 4)
        self.assertEqual(self.successResultOf(answers), {"b": b"in time"})
        self.assertEqual(self.left_out(), ["c"])
        later.callback(b"late")
        self.settle()

    def test_gone(self) -> None:
        """A node that has gone is not waited for."""
        self.settle()
        self.b.serve("a subject", lambda data: b"in time")
        self.c.serve("a subject", lambda data: Deferred())
        answers = self.questions.ask("a subject", b"")
        self.settle()
        self.nodes[2].stop()
        self.settle()
        self.assertEqual(self.successResultOf(answers), {"b": b"in time"})

    def test_cancelled(self) -> None:
        """Who does not want to know any more is not told."""
        self.settle()
        answers = self.questions.ask("a subject", b"")
        answers.addErrback(lambda _: "cancelled")
        answers.cancel()
        self.settle()
        self.clock.pump([0.5] * 6)
        self.assertEqual((self.successResultOf(answers), self.left_out()), ("cancelled", []))

    def test_twice(self) -> None:
        """A subject is answered by one."""
        self.b.serve("a subject", bytes)
        self.assertRaises(ValueError, self.b.serve, "a subject", bytes)
