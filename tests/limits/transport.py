"""What connections may hold, before and after a client has joined: driven through links in memory."""

from __future__ import annotations

import json
from typing import Any

from twisted.internet.task import Clock
from twisted.web.resource import Resource
from twisted.web.server import Request

from orosync.interfaces import TURN, WAITING
from orosync.model import ConnectionPolicy
from orosync.transport.admission import (
    LARGE_HEAD,
    LARGE_HEADS,
    MOST_ADDRESSES,
    MOST_UNDECIDED,
    ConnectionLimit,
    ConnectionRates,
    PlaceAnswer,
)
from orosync.transport.connection import UNAUTHENTICATED_MESSAGE_LIMIT
from orosync.transport.longpoll_connection import BYTES_WAITING, MOST_WAITING
from orosync.transport.longpoll_relay import MOST_CONNECTIONS
from orosync.transport.websocket import FRAGMENT, FRAGMENTS, WebSocketConnection
from tests.limits.table import Outcome, drives, listen, number, size
from tests.session.test_message_rates import RatedFixture
from tests.support.settings import listener_settings
from tests.support.wires import (
    MemoryListener,
    MemoryWire,
    RecordingJournal,
    RecordingSession,
    client_frame,
    close_code,
    upgrade,
)
from tests.transport.places_machine import Sign
from tests.transport.test_longpoll import post, wanting

MASK = b"\0\0\0\0"


def last(listener: MemoryListener | RecordingJournal, event: str) -> tuple[str, str] | None:
    journal = listener.journal if isinstance(listener, MemoryListener) else listener
    return next(((name, kind) for name, kind, _ in reversed(journal.notes) if name == event), None)


def opened(
    limit: int, joined: bool = True, **policy: Any
) -> tuple[MemoryListener, WebSocketConnection, MemoryWire, RecordingSession]:
    listener = MemoryListener()
    link, wire, session = listener.open(ConnectionPolicy(message_limit=limit, **policy))
    link.set_authenticated(joined)
    return listener, link, wire, session


def turns(listener: MemoryListener) -> None:
    """Let everything happen that needs no time."""
    while any(call.getTime() <= listener.clock.seconds() for call in listener.clock.getDelayedCalls()):
        listener.clock.advance(0)


def too_large(limit: int, joined: bool) -> Outcome:
    listener, link, wire, session = opened(listen("message_limit"), joined)
    link.dataReceived(client_frame(b"x" * limit, 2, mask=MASK))
    turns(listener)
    assert len(session.messages) == 1
    link.dataReceived(client_frame(b"x" * (limit + 1), 2, mask=MASK))
    turns(listener)
    return Outcome(str(close_code(wire.value())), last(listener, "frame.refused"), len(session.messages) != 1)


@drives("Bytes of a message")
def message() -> Outcome:
    return too_large(listen("message_limit"), True)


@drives("Bytes of a message of a client that has not joined", size(UNAUTHENTICATED_MESSAGE_LIMIT))
def first_messages() -> Outcome:
    return too_large(UNAUTHENTICATED_MESSAGE_LIMIT, False)


@drives("Bytes of a message of the back end")
def back_end() -> Outcome:
    limit = listen("publisher_message_limit")
    listener, link, wire, session = opened(limit, skip_oversized=True)
    link.dataReceived(client_frame(b"x" * (limit + 1), 2, mask=MASK) + client_frame(b"next"))
    turns(listener)
    assert session.messages == [(b"next", False)]
    return Outcome("", last(listener, "frame.skipped"), not wire.disconnecting)


@drives("Fragments of a message", f"{number(FRAGMENTS)}, or one for each {FRAGMENT} bytes of the largest message")
def fragments() -> Outcome:
    listener, link, wire, session = opened(listen("message_limit"))
    link.dataReceived(client_frame(b"x", 2, fin=False))
    for _ in range(FRAGMENTS):
        link.dataReceived(client_frame(b"x", 0, fin=False))
        turns(listener)
    return Outcome(str(close_code(wire.value())), last(listener, "frame.refused"), bool(session.messages))


@drives("Bytes that wait for a slow client")
def output() -> Outcome:
    limit = listen("send_buffer_limit")
    listener, link, wire, _ = opened(65536)
    waiting = 0

    def deliver(data: bytes) -> int:
        nonlocal waiting
        waiting += len(data)
        return waiting

    link._deliver = deliver
    for part in (b"x" * limit, b"x"):
        assert not wire.aborted
        link.push(part)
        listener.clock.advance(0)
    return Outcome("", last(listener, "consumer.cut"), not wire.aborted)


class Polls:
    """A client that polls over a listener in memory."""

    def __init__(self, **settings: Any) -> None:
        self.listener = MemoryListener(longpoll="/lp", **settings)

    def ask(self, stream: bytes) -> MemoryWire:
        link, wire = self.listener.connect()
        link.dataReceived(stream)
        turns(self.listener)
        return wire

    def status(self, stream: bytes) -> str:
        return self.ask(stream).value().split()[1].decode()

    def open(self) -> tuple[str, RecordingSession]:
        body = self.ask(post("/lp/open", wanting("wamp.2.json"))).value().partition(b"\r\n\r\n")[2]
        return f"/lp/{json.loads(body)['transport']}", self.listener.host.sessions[-1]


@drives("Requests with messages of a long-poll that wait while an authorizer decides", number(MOST_WAITING))
def poll_requests() -> Outcome:
    polls = Polls()
    path, session = polls.open()
    session.link.set_authenticated(True)
    session.link.pause(WAITING)
    for _ in range(MOST_WAITING):
        assert polls.ask(post(f"{path}/send", b"[]")).value() == b""
    status = polls.status(post(f"{path}/send", b"[]"))
    return Outcome(status, None, not session.ends)


@drives("Bytes of requests of a long-poll that wait for their turn", size(BYTES_WAITING))
def poll_bytes() -> Outcome:
    polls = Polls()
    path, session = polls.open()
    session.link.set_authenticated(True)
    session.link.pause(TURN)
    full = post(f"{path}/send", b"x" * 32768)
    for _ in range(BYTES_WAITING // 32768):
        assert polls.ask(full).value() == b""
    return Outcome(polls.status(full), None, not session.ends)


@drives("HTTP connections that count as joined for one long-poll client", number(MOST_CONNECTIONS))
def poll_connections() -> Outcome:
    polls = Polls()
    path, session = polls.open()
    session.link.set_authenticated(True)
    for _ in range(MOST_CONNECTIONS + 1):
        polls.ask(post(f"{path}/receive"))
    assert len(session.link._joined._places) == MOST_CONNECTIONS
    return Outcome("", None, not session.ends)


@drives("Open long-poll transports, counted as connections")
def poll_transports() -> Outcome:
    polls = Polls(max_connections=6, unauthenticated_per_address=99, max_unauthenticated=6)
    statuses = [polls.status(post("/lp/open", wanting("wamp.2.json"))) for _ in range(4)]
    assert statuses[:3] == ["200"] * 3, statuses
    return Outcome(statuses[-1], last(polls.listener, "connection.refused"))


@drives("Bytes of an HTTP request's head")
def head() -> Outcome:
    listener = MemoryListener()
    link, wire = listener.connect()
    link.dataReceived(upgrade(extra="X-Long: " + "x" * listen("header_limit") + "\r\n"))
    return Outcome(wire.value().split()[1].decode(), last(listener, "handshake.refused"), not wire.disconnecting)


class Page(Resource):
    isLeaf = True

    def render(self, request: Request) -> bytes:
        return b"a page"


@drives("Answers to HTTP requests that wait for a client that does not read", "64 KiB and one answer")
def answers() -> Outcome:
    listener = MemoryListener(web=Page())
    link, wire = listener.connect()
    get = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"
    link.dataReceived(get)
    channel: Any = wire.producer
    channel.pauseProducing()  # as a transport does that holds 64 KiB
    link.dataReceived(get * 5)
    turns(listener)
    assert wire.value().count(b"200 OK") == 1
    channel.resumeProducing()
    turns(listener)
    assert wire.value().count(b"200 OK") == 6
    return Outcome()


def connection_limit(**settings: Any) -> tuple[ConnectionLimit, RecordingJournal]:
    journal = RecordingJournal()
    made = listener_settings(back_end=Sign(), **settings)
    return ConnectionLimit(made, Clock(), journal), journal


@drives("Connections of a listener")
def connections() -> Outcome:
    listener = MemoryListener(max_connections=3, max_unauthenticated=3, backend_places=0)
    for _ in range(3):
        listener.connect()
    status = listener.connect()[1].value().split()[1].decode()
    return Outcome(status, last(listener, "connection.refused"), listener.factory.connection_limit.inside > 3)


@drives("Connections of one address that have not joined, under load")
def of_one_address() -> Outcome:
    limit = listen("unauthenticated_per_address")
    places, journal = connection_limit(
        unauthenticated_per_address=limit, max_unauthenticated=limit + 100, connection_burst=999
    )
    answers = []
    for _ in range(limit + 1):
        place = places.acquire("192.0.2.1")
        assert place is not None
        answers.append(place.admit_address("192.0.2.1"))
    assert answers[:-1] == [PlaceAnswer.ADMITTED] * limit
    return Outcome("503" if answers[-1] is PlaceAnswer.REFUSED else "", last(journal, "connection.refused"), False)


@drives("Connections considered for the back end's reserved places", number(MOST_UNDECIDED))
def undecided() -> Outcome:
    places, journal = connection_limit(max_connections=1, max_unauthenticated=1, backend_places=2)
    places.acquire("10.0.0.1")
    gone: list[int] = []
    for n in range(MOST_UNDECIDED + 1):
        place = places.acquire("10.0.0.1")
        assert place is not None
        place.withdraw = lambda n=n: gone.append(n)
    assert gone == [0]
    return Outcome("503", last(journal, "connection.refused"), False)


@drives("Bytes of large request heads of all connections that have not joined", size(LARGE_HEADS))
def heads() -> Outcome:
    places, journal = connection_limit(
        max_unauthenticated=5000, unauthenticated_per_address=5000, connection_burst=5000
    )
    gone: list[int] = []
    for n in range(LARGE_HEADS // 16384 + 1):
        place = places.acquire("192.0.2.1")
        assert place is not None
        place.hold_head(16384 + LARGE_HEAD, lambda n=n: gone.append(n))
    assert gone == [0]
    return Outcome("503", last(journal, "connection.refused"), False)


@drives("Addresses whose connections are counted", number(MOST_ADDRESSES))
def rated_addresses() -> Outcome:
    rates = ConnectionRates(200, 2000)
    for n in range(MOST_ADDRESSES + 1):
        rates.take(str(n), 0.0)
    assert len(rates._buckets) == MOST_ADDRESSES
    return Outcome()


@drives("Unsolicited messages of a client per second")
def rate() -> Outcome:
    fixture = RatedFixture(listen("message_rate"), listen("message_burst"))
    client = fixture.v2()
    for n in range(listen("message_burst") + 64):
        client.say([34, n, 99])
    assert client.link.paused
    noted = next((name, kind) for name, kind, _ in fixture.journal.notes if name == "connection.slowed")
    return Outcome("", noted, client.link.ended is None)
