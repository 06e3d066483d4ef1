"""What orosync remembers of what clients do: tickets, failures, look-ups, decisions, the log."""

from __future__ import annotations

from hashlib import sha256
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock

from orosync.authz.factory import ORO_CHANNELS
from orosync.authz.remote import DecisionCache
from orosync.authz.topics import TopicRules
from orosync.errors import CallFailed, Refused, Unavailable
from orosync.identity.hasher import ROOM as DIGESTS
from orosync.identity.hasher import FairQueue
from orosync.identity.rate_limit import MOST_ADDRESSES as FAILING
from orosync.identity.rate_limit import FailureBuckets
from orosync.identity.single_flight import MOST_KEPT, ROOM, SingleFlight
from orosync.identity.ticket import REMEMBERED as USED
from orosync.identity.ticket import ReplayCache, Ticket
from orosync.model import Decision, Verdict
from orosync.ops.journal import Journal
from orosync.session.local import MOST as OWN_CALLS
from orosync.session.local import LocalMember
from orosync.testing import RecordingJournal
from orosync.wamp.forwarding import MOST_REMEMBERED, Memory
from tests.limits.table import Outcome, drives, number
from tests.session.fixture import RealmFixture


def ticket(n: int) -> Ticket:
    key = sha256(b"%d" % n).digest()
    return Ticket(digest="", username="anna", nonce=b"", created=b"", created_at=0, key=key, signed=key)


@drives("Used tickets (`single_use`)", number(USED))
def used() -> Outcome:
    tickets = ReplayCache()
    for n in range(USED + 1):
        tickets.use(ticket(n), "192.0.2.1")
    assert len(tickets._users) == USED
    try:
        tickets.use(ticket(1), "192.0.2.1")
    except Refused:
        return Outcome()
    raise AssertionError("a ticket was forgotten before its time")


@drives("Addresses whose invalid tickets are counted", number(FAILING))
def failing_addresses() -> Outcome:
    buckets = FailureBuckets()
    for n in range(FAILING + 1):
        buckets.record(str(n), 0.0)
    assert len(buckets) == FAILING
    return Outcome()


@drives("Invalid tickets of one address")
def failures() -> Outcome:
    buckets = FailureBuckets(burst=100)
    for _ in range(100):
        buckets.check("192.0.2.1", 0.0, "tickets")
        buckets.record("192.0.2.1", 0.0)
    try:
        buckets.check("192.0.2.1", 0.0, "tickets")
    except Unavailable as refusal:
        assert refusal.code == "too_many_failures"
        return Outcome("503", ("handshake.refused", refusal.code), False)
    raise AssertionError("it may go on")


@drives("Lookups that wait for a directory or a session store", number(ROOM))
def lookups() -> Outcome:
    never: list[Deferred[Any]] = []

    def ask(key: str) -> Deferred[Any]:
        never.append(Deferred())
        return never[-1]

    flights: SingleFlight[Any] = SingleFlight("directory", "people", ask, RecordingJournal(), Clock(), at_once=1)
    answers = [flights.look_up(str(n)) for n in range(ROOM + 2)]
    kinds: list[Any] = []
    answers[-1].addErrback(lambda failure: kinds.append(failure.value.code))
    assert len(never) == 1
    return Outcome("503", ("handshake.refused", kinds[0]), False)


@drives("Cached answers of a directory", number(MOST_KEPT))
def kept_answers() -> Outcome:
    def ask(key: str) -> Deferred[Any]:
        found: Deferred[Any] = Deferred()
        found.callback(None)
        return found

    flights: SingleFlight[Any] = SingleFlight("directory", "people", ask, RecordingJournal(), Clock(), at_once=1)
    for n in range(MOST_KEPT + 1):
        flights.look_up(str(n))
    assert len(flights._known) == MOST_KEPT
    return Outcome()


class Digest:
    """A ticket whose digest waits."""

    size = 1

    def __init__(self, lane: str) -> None:
        self.lane = lane


@drives("Tickets that wait for verification", number(DIGESTS))
def digests() -> Outcome:
    lanes: FairQueue[Digest] = FairQueue(DIGESTS)
    for n in range(DIGESTS):
        assert lanes.add(Digest("one" if n else "other")) == []
    (leaving,) = lanes.add(Digest("other"))
    assert leaving.lane == "one"
    return Outcome("503", ("handshake.refused", "hash_queue_full"), False)


@drives("Cached decisions of a remote authorizer")
def rulings() -> Outcome:
    cache = DecisionCache(60.0, 10_000, Clock())
    for n in range(10_001):
        cache.put(b"%d" % n, Decision(Verdict.ALLOW), cache.epoch)
    assert len(cache) == 10_000
    return Outcome()


@drives("Calls in progress to remote authorizers and authenticators of a realm", number(OWN_CALLS))
def own_calls() -> Outcome:
    fixture = RealmFixture()
    caller = LocalMember(fixture.realm_context)
    callee = fixture.v2()
    callee.ask([64, 1, {}, "com.decide"])
    for _ in range(OWN_CALLS):
        caller.call("com.decide")
    kinds: list[Any] = []
    caller.call("com.decide").addErrback(lambda failure: kinds.append((failure.type, failure.value.uri)))
    assert kinds == [(CallFailed, "wamp.error.unavailable")]
    return Outcome()


@drives("Topics cached by topic rules, declared and undeclared", "4,096 each")
def topics() -> Outcome:
    rules = TopicRules(ORO_CHANNELS)
    for n in range(5000):
        rules.retained(f"oro/email_event/{n}/1")
        rules.retained(f"other/{n}")
    assert 0 < len(rules._known) <= 4096
    assert 0 < len(rules._undeclared) <= 4096
    return Outcome()


@drives("Events of an uplink that are remembered to detect duplicates", number(MOST_REMEMBERED))
def forwarded() -> Outcome:
    memory = Memory()
    for n in range(MOST_REMEMBERED + 1):
        assert not memory.seen(n)
    assert len(memory._known) == MOST_REMEMBERED
    return Outcome()


@drives("Pairs of event and reason code with their own log rate limit", number(1024))
def journal() -> Outcome:
    kept = Journal(Clock())
    for n in range(3000):
        kept.note("event", f"kind-{n}")
    assert len(kept.counts) <= 1025
    assert len(kept._rations) <= 1025
    kept.close()
    return Outcome()
