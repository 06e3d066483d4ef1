"""What one session, and all of a realm, may have: driven through whole sessions in memory."""

from __future__ import annotations

from typing import Any
from unittest.mock import patch

from twisted.internet.defer import Deferred

from orosync.authz.chain import GRANTS_SIZE
from orosync.config.readers import BUILTIN
from orosync.config.realms import histories as history_lines
from orosync.model import Action, ConnectionPolicy, Match
from orosync.router.dealer import PENDING_LIMIT
from orosync.router.history import ANSWER_BYTES, HistoryLimits, Recorder
from orosync.router.pending import KEPT_BYTES, REMEMBERED, PendingCalls
from orosync.router.queries import Query
from orosync.router.realm import Realm
from orosync.router.retention import OF_A_TOPIC
from orosync.router.testaments import MOST, MOST_BYTES
from orosync.session.batched import BatchedSession
from orosync.session.replies import MOST as LATER
from orosync.testing import connection_facts, principal
from orosync.wamp import batching, uris, v1
from orosync.wamp.codec import CODECS
from orosync.wamp.payload import Payload
from tests.limits.table import Outcome, drives, listen, number, size
from tests.router.members import member
from tests.session.fixture import HELLO, JsonClient, RealmFixture


def last(fixture: RealmFixture, event: str) -> tuple[str, str] | None:
    """The line of ``event`` that was written last."""
    return next(((name, kind) for name, kind, _ in reversed(fixture.journal.notes) if name == event), None)


def of(fixture: RealmFixture, player: JsonClient, answer: list[Any], event: str = "") -> Outcome:
    """What an ERROR in ``answer`` says."""
    told = next((message[4] for message in answer if message[0] == 8), "")
    return Outcome(told, last(fixture, event), player.link.ended is None)


@drives("Subscriptions of a connection")
def subscriptions() -> Outcome:
    limit = listen("subscriptions_per_connection")
    fixture = RealmFixture(subscription_limit=limit)
    old, new = fixture.v1(), fixture.v2()
    for n in range(limit):
        assert new.ask([32, n + 1, {}, f"a.b{n}"])[0][0] == 33
        assert old.ask([5, f"a.b{n}"]) == []
    assert old.ask([5, "one.more"]) == ['You are not allowed to subscribe on topic "one.more".']
    assert new.ask([32, 999, {}, "a.b0"])[0][0] == 33
    outcome = of(fixture, new, new.ask([32, 1000, {}, "one.more"]), "subscribe.refused")
    assert fixture.journal.counts["subscribe.refused", "limit"] == 2
    assert old.link.ended is None
    return outcome


@drives("Registrations of a connection")
def registrations() -> Outcome:
    limit = listen("registrations_per_connection")
    fixture = RealmFixture(registration_limit=limit)
    client = fixture.v2()
    for n in range(limit):
        assert client.ask([64, n + 1, {}, f"a.b{n}"])[0][0] == 65
    assert client.ask([64, 999, {}, "a.b0"])[0][4] == "wamp.error.procedure_already_exists"
    return of(fixture, client, client.ask([64, 1000, {}, "one.more"]), "register.refused")


@drives("Calls of a connection that are in progress")
def calls() -> Outcome:
    limit = listen("calls_per_connection")
    fixture = RealmFixture(call_limit=limit)
    old, new = fixture.v1(), fixture.v2()
    fixture.v2().ask([64, 1, {}, "a.b"])
    for n in range(limit):
        assert new.ask([48, n + 1, {}, "a.b"]) == []
        assert old.ask([2, f"c{n}", "a.b"]) == []
    [error] = old.ask([2, "one more", "a.b"])
    assert error[:3] == [4, "one more", "wamp.error.unavailable"]
    assert fixture.journal.counts["call.refused", "unavailable"] == 1
    return of(fixture, new, new.ask([48, limit + 1, {}, "a.b"]), "call.refused")


@drives("Calls in progress at one callee", number(PENDING_LIMIT))
def invocations() -> Outcome:
    fixture = RealmFixture(call_limit=PENDING_LIMIT + 1)
    callee, caller = fixture.v2(), fixture.v2()
    callee.ask([64, 1, {}, "a.b"])
    for n in range(PENDING_LIMIT):
        caller.say([48, n + 1, {}, "a.b"])
    assert caller.heard() == []
    return of(fixture, caller, caller.ask([48, PENDING_LIMIT + 1, {}, "a.b"]), "call.refused")


@drives("Arguments of calls that wait for a callee or can be rerouted", size(KEPT_BYTES))
def kept() -> Outcome:
    fixture = RealmFixture()
    callee, caller = fixture.v2(), fixture.v2()
    callee.ask([64, 1, {"concurrency": 1}, "a.b"])
    caller.say([48, 1, {}, "a.b"])
    for n in range(7):
        assert caller.ask([48, n + 2, {}, "a.b", ["x" * (1 << 20)]]) == []
    return of(fixture, caller, caller.ask([48, 99, {}, "a.b", ["x" * (1 << 20)]]), "call.refused")


@drives("Calls that wait for the callees of one procedure")
def queue() -> Outcome:
    fixture = RealmFixture()
    callee, caller = fixture.v2(), fixture.v2()
    callee.ask([64, 1, {"concurrency": 1}, "a.b"])
    for n in range(101):
        assert caller.ask([48, n + 1, {}, "a.b"]) == []
    return of(fixture, caller, caller.ask([48, 102, {}, "a.b"]), "call.refused")


@drives("Characters of a URI: topic, procedure, error, realm", number(uris.LONGEST))
def uri() -> Outcome:
    fixture = RealmFixture()
    long = "x" * (uris.LONGEST + 1)
    client = fixture.v2()
    outcomes = []
    for message in ([32, 1, {}, long], [64, 2, {}, long], [48, 3, {}, long], [16, 4, {"acknowledge": True}, long]):
        outcomes.append(of(fixture, client, client.ask(message)))
    assert client.ask([32, 5, {"match": "prefix"}, long[1:]])[0][0] == 33
    client.ask([64, 6, {}, "fails"])
    client.say([48, 7, {}, "fails"])
    client.say([8, 68, client.heard()[0][1], {}, long])
    outcomes.append(of(fixture, client, client.heard()))
    [abort] = fixture.v2(join=False).ask([1, long, HELLO[2]])
    outcomes.append(Outcome(abort[2]))
    old = fixture.v1()
    old.say([1, "p", long[1:]])
    outcomes.append(Outcome(old.ask([2, "c", "p:x"])[0][2], None, old.link.ended is None))
    assert len(set(outcomes)) == 1, outcomes
    return outcomes[0]


@drives("Components of a wildcard pattern", number(uris.COMPONENTS))
def components() -> Outcome:
    fixture = RealmFixture()
    client = fixture.v2()
    pattern = "." * (uris.COMPONENTS - 1)
    assert client.ask([32, 1, {"match": "wildcard"}, pattern])[0][0] == 33
    assert client.ask([64, 2, {"match": "wildcard"}, f"{pattern}."])[0][4] == "wamp.error.invalid_uri"
    return of(fixture, client, client.ask([32, 3, {"match": "wildcard"}, f"{pattern}."]))


@drives("Callees of one procedure", "one for each connection")
def callees() -> Outcome:
    fixture = RealmFixture()
    client = fixture.v2()
    assert client.ask([64, 1, {"invoke": "roundrobin"}, "a.b"])[0][0] == 65
    outcome = of(fixture, client, client.ask([64, 2, {"invoke": "roundrobin"}, "a.b"]))
    registration = fixture.realm.dealer.lookup("a.b")
    assert registration is not None
    assert len(registration.callees) == 1
    return outcome


@drives("CURIE prefixes of a WAMP v1 session", number(v1.MAX_PREFIXES))
def prefixes() -> Outcome:
    fixture = RealmFixture()
    old = fixture.v1()
    old.say(*([1, f"p{n}", "http://example.com"] for n in range(v1.MAX_PREFIXES)), [1, "p0", "http://example.org"])
    assert old.link.ended is None
    old.say([1, "more", "http://example.com"])
    assert old.link.ended is not None
    return Outcome(str(old.link.ended[1]), last(fixture, "session.violation"), False)


@drives("Testaments of a session", number(MOST))
def testaments() -> Outcome:
    fixture = RealmFixture()
    client = fixture.v2()
    for n in range(MOST):
        assert client.ask([48, n + 1, {}, "wamp.session.add_testament", ["a.b", [], {}]])[0][0] == 50
    return of(fixture, client, client.ask([48, 99, {}, "wamp.session.add_testament", ["a.b", [], {}]]), "call.refused")


@drives("Bytes of all testaments of a session", size(MOST_BYTES))
def testament_bytes() -> Outcome:
    fixture = RealmFixture()
    client = fixture.v2()
    large = ["a.b", ["x" * (MOST_BYTES // 2)], {}]
    assert client.ask([48, 1, {}, "wamp.session.add_testament", large])[0][0] == 50
    return of(fixture, client, client.ask([48, 2, {}, "wamp.session.add_testament", large]), "call.refused")


def retaining(count: int, text: str) -> RealmFixture:
    fixture = RealmFixture()
    client = fixture.v2()
    for n in range(count):
        client.say([16, n + 1, {"retain": True}, f"a.b{n}", [text]])
    assert client.heard() == []
    assert client.link.ended is None
    return fixture


@drives("Retained events of a realm")
def retained() -> Outcome:
    fixture = retaining(1001, "")
    assert len(fixture.realm.retention) == 1000
    assert fixture.v2().ask([32, 1, {"get_retained": True}, "a.b0"])[1:] == []
    return Outcome(
        "", ("retained.dropped", "full") if fixture.journal.counts["retained.dropped", "full"] == 1 else None
    )


@drives("Bytes of them: arguments, lists and details")
def retained_bytes() -> Outcome:
    fixture = retaining(9, "x" * 65000)
    assert len(fixture.realm.retention) == 8
    return Outcome(
        "", ("retained.dropped", "full") if fixture.journal.counts["retained.dropped", "full"] == 1 else None
    )


@drives("Retained events of one topic", number(OF_A_TOPIC))
def retained_of_a_topic() -> Outcome:
    fixture = RealmFixture()
    client = fixture.v2()
    for n in range(OF_A_TOPIC + 1):
        client.say([16, n + 1, {"retain": True, "eligible_authid": [f"user-{n}"]}, "a.b", [n]])
    assert len(fixture.realm.retention) == OF_A_TOPIC
    return Outcome(
        "", ("retained.dropped", "full") if fixture.journal.counts["retained.dropped", "full"] == 1 else None
    )


_LINE = history_lines("exact a.b", BUILTIN)[0]


def recorded(payload: str, count: int) -> tuple[Realm, Any]:
    realm = Realm("x", history=[HistoryLimits(Match.EXACT, "a.b", _LINE.events, _LINE.bytes)])
    realm.broker.recorder = Recorder(realm.retention, lambda topic: False, realm.history)
    for _ in range(count):
        realm.broker.publish("a.b", Payload.of([payload]))
    return realm, realm.broker.lookup("a.b")


@drives("Events of one line of `history`", f"{number(_LINE.events)}, {size(_LINE.bytes)}")
def history() -> Outcome:
    for payload, count, left in (("", _LINE.events + 1, _LINE.events), ("x" * 65500, 17, 16)):
        realm, subscription = recorded(payload, count)
        assert len(realm.history._histories[subscription]._events) == left
    return Outcome()


@drives("Events in one answer about history", size(ANSWER_BYTES))
def history_answer() -> Outcome:
    realm, subscription = recorded("x" * 65000, 12)
    events, more = realm.history.read(subscription, member(1), Query())
    assert more
    assert len(events) < 12
    return Outcome("is_limit_reached" if more else "")


@drives("Messages in a batch", number(batching.MOST))
def batch() -> Outcome:
    fixture = RealmFixture()
    session = BatchedSession(fixture.context, connection_facts(), CODECS["wamp.2.json"], None, ConnectionPolicy())
    player = JsonClient(session)
    session.received(b'[1,"oro",{"roles":{"caller":{}}}]\x1e', False)
    player.link.take()
    session.received(b'[48,1,{},"a.b"]\x1e' * (batching.MOST + 1), False)
    told = b"".join(player.link.take()).decode()
    assert "wamp.error.protocol_violation" in told
    return Outcome("wamp.error.protocol_violation", last(fixture, "session.violation"), player.link.ended is None)


@drives("Features that a client announces", "known features")
def features() -> Outcome:
    fixture = RealmFixture()
    client = fixture.v2(join=False)
    known = {"call_canceling": True}
    client.ask([1, "oro", {"roles": {"callee": {"features": {**known, **{f"x{n}": True for n in range(2000)}}}}}])
    (someone,) = fixture.realm.members.values()
    assert someone.features == {"callee.call_canceling"}
    assert client.session._hello is None
    return Outcome("", None, client.link.ended is None)


@drives(
    "Cached permissions to publish and to call, of all sessions of a realm",
    f"{size(GRANTS_SIZE)}: about 50,000 topics and procedures",
)
def grants() -> Outcome:
    fixture = RealmFixture()
    fixture.authorizer.constant = True  # type: ignore[attr-defined]
    chain = fixture.realm_context.chain
    chain.replace([fixture.authorizer])
    client = fixture.v2()
    requests = client.session._requests
    most = 0
    with patch("orosync.authz.chain.GRANTS_SIZE", GRANTS_SIZE // 64):
        for n in range(1000):
            client.say([16, n + 1, {}, f"a.topic.of.usual.length.{n:06}"], [48, n + 5000, {}, f"a.b{n}"])
            known = [0 if grants is None else len(grants.known) for grants in (requests._topics, requests._procedures)]
            most = max(most, sum(known))
        assert 0.9 < most * 64 / 50_000 < 1.1, most
        assert 0 < sum(known) < most
    return Outcome("", None, client.link.ended is None)


@drives("Ended progressive calls that may receive one more part", number(REMEMBERED))
def streams() -> Outcome:
    pending, caller = PendingCalls(10), member(1)
    for request in range(REMEMBERED + 1):
        pending.stream_is_over(caller, request)
    assert [pending.is_stream(caller, request) for request in (0, 1)] == [False, True]
    return Outcome()


@drives("Calls to orosync's own procedures that wait for authorization", number(LATER))
def later() -> Outcome:
    fixture = RealmFixture()
    fixture.authorizer.answers[Action.PUBLISH, "a.b"] = Deferred()
    client = fixture.v2()
    for n in range(LATER):
        call = [48, n + 1, {}, "wamp.session.add_testament", [f"a.b{n}", [], {}]]
        fixture.authorizer.answers[Action.PUBLISH, f"a.b{n}"] = Deferred()
        client.say(call, [48, n + 1000, {}, "wamp.session.flush_testaments"])
        assert [message[:2] for message in client.heard()] == [[50, n + 1000]]
    return of(fixture, client, client.ask([48, 999, {}, "wamp.session.add_testament", ["a.b", [], {}]]), "call.refused")


@drives("Connections of one user")
def sessions_of_a_user() -> Outcome:
    fixture = RealmFixture(user_limit=listen("connections_per_user"))
    anna = principal("anna", authprovider="guests")
    first = fixture.v2(anna)
    for _ in range(listen("connections_per_user") - 1):
        fixture.v2(anna)
    one_more = fixture.v2(anna, join=False)
    [abort] = one_more.ask(HELLO)
    assert first.link.ended is None
    return Outcome(abort[2], last(fixture, "hello.refused"), one_more.link.ended is None)
