"""What nodes keep for each other and send each other."""

from __future__ import annotations

from typing import Any

from twisted.internet.task import Clock

from orosync.backplane.mesh import LARGEST as LARGEST_LOCAL
from orosync.backplane.messages import Failures
from orosync.backplane.nodes import RESEND_BYTES, RINGS, Nodes
from orosync.backplane.redis_engine import LARGEST
from orosync.testing import MemoryEngine, RecordingJournal
from tests.limits.table import Outcome, drives, size

KEY = b"the key of all nodes"
IN_PARTS = RESEND_BYTES // RINGS
A_MESSAGE = Failures("x" * 500_000, {})


class Two:
    """Two nodes in memory; ``journal`` is that of the one that gets ``messages``."""

    def __init__(self, **options: Any) -> None:
        self.clock, self.journal = Clock(), RecordingJournal()
        self.engine = MemoryEngine(self.clock, largest=LARGEST)
        self.messages = 0
        self.one = Nodes(self.engine.adapter(), "one", KEY, self.clock, self.journal, **options)
        self.other = Nodes(self.engine.adapter(), "other", KEY, self.clock, self.journal)
        self.other.handle(Failures, self.count)
        for nodes in (self.one, self.other):
            nodes.start()
        self.pass_time(1)

    def count(self, peer: object, message: Failures) -> None:
        self.messages += 1

    def pass_time(self, seconds: float) -> None:
        self.clock.pump([0.0] * 20 + [0.1] * round(seconds * 10) + [0.0] * 20)


@drives("Bytes for another node that can be sent again")
def resend() -> Outcome:
    two = Two()
    two.engine.part("one", "other")
    sent = 0
    while two.one.counters.bytes_sent <= RESEND_BYTES:
        two.one.send_all(A_MESSAGE)
        two.clock.advance(0)
        sent += 1
    two.engine.mend("one", "other")
    two.pass_time(3)
    assert two.messages < sent
    (event, code, _) = next(note for note in two.journal.notes if note[0] == "backplane.gap")
    return Outcome(log=(event, code))


@drives(
    "Bytes of an event or call for another node",
    f"a quarter of `resend_bytes` ({size(IN_PARTS)}) with Redis, {size(LARGEST_LOCAL)} between workers",
)
def largest() -> Outcome:
    two = Two()
    two.one.send_all(Failures("x" * (IN_PARTS - 100), {}))
    two.pass_time(1)
    assert two.messages == 1
    two.one.send_all(Failures("x" * IN_PARTS, {}))
    two.pass_time(1)
    assert two.messages == 1
    event, code, _ = two.journal.notes[-1]
    return Outcome(log=(event, code))
