"""T4 with two workers: requests that reach the one while their transport is the other's."""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import Deferred, fail
from twisted.internet.error import ConnectionDone
from twisted.python.failure import Failure

from orosync.errors import NotDone
from orosync.transport.connection import UNAUTHENTICATED_MESSAGE_LIMIT
from orosync.transport.longpoll_relay import MOST_CONNECTIONS, RelayedPoll
from tests.support.wires import MemoryListener
from tests.transport.test_longpoll import LongPollCase, post


class FakeWorkers:
    """Of worker ``number``; the others are those in ``listeners``, by number."""

    listeners: dict[str, MemoryListener] = {}  # noqa: RUF012 (made anew by each test)

    def __init__(self, number: str) -> None:
        self.number = number
        self.polls: dict[int, RelayedPoll] = {}

    def poll(self, worker: str, key: int, listener: str, name: str, verb: str, body: bytes) -> Deferred[Any]:
        if worker not in self.listeners:
            return fail(NotDone("there is no such worker"))
        relayed = self.listeners[worker].factory.relayed
        assert relayed is not None
        self.polls[key] = relayed(name, verb, body)
        return self.polls[key].answered

    def poll_gone(self, worker: str, key: int) -> None:
        self.polls[key].gone()


class Relayed(LongPollCase):
    def setUp(self) -> None:
        self.one, self.two = FakeWorkers("1"), FakeWorkers("2")
        self.listener, self.other = self.made(workers=self.one), self.made(workers=self.two)
        self.patch(FakeWorkers, "listeners", {"1": self.listener, "2": self.other})
        self.base, self.session = self.open()
        self.session.link.set_authenticated(False)

    def test_the_name_has_the_worker(self) -> None:
        self.assertRegex(self.base, r"^/lp/1\.[A-Za-z0-9_-]{32}$")

    def test_each_request(self) -> None:
        """Is answered as by the transport's own worker."""
        self.assertEqual(self.status(post(f"{self.base}/send", b"[1]"), self.other), 204)
        self.assertEqual([data for data, _ in self.session.messages], [b"[1]"])
        _, wire = self.ask(post(f"{self.base}/receive"), self.other)
        self.assertEqual(wire.value(), b"")
        self.push(b"[2]")
        self.assertTrue(wire.value().endswith(b"\r\n\r\n[2]"), wire.value())
        self.assertIn(b"Access-Control-Allow-Origin: http://localhost", wire.value())
        self.assertEqual(self.status(post(f"{self.base}/close"), self.other), 204)
        self.assertEqual(self.status(post(f"{self.base}/send", b"[1]"), self.other), 404)

    def push(self, frame: bytes) -> None:
        self.session.link.send(frame)
        self.listener.clock.advance(0)

    def test_origins_are_those_of_the_listener(self) -> None:
        """A page that may not connect reaches no other worker."""
        stream = post(f"{self.base}/send", b"[1]", origin="http://evil.example")
        self.assertEqual(self.status(stream, self.other), 403)
        self.assertEqual(self.two.polls, {})

    def test_transports_that_are_not_there(self) -> None:
        """Unknown ones of this worker or another one, of a worker that has ended, and what is no name."""
        for name in ("2.nothing", "1.nothing", "7.nothing", "x.nothing", "nothing", "..", "1."):
            self.assertEqual(self.status(post(f"/lp/{name}/send", b"[1]"), self.other), 404, name)
        self.assertEqual(self.status(post(f"{self.base}/dance", b"[1]"), self.other), 404)

    def test_a_client_that_goes(self) -> None:
        """The transport's worker knows: what it has for the client waits for the next request."""
        link, wire = self.ask(post(f"{self.base}/receive"), self.other)
        link.connectionLost(Failure(ConnectionDone()))
        self.push(b"[3]")
        _, wire = self.ask(post(f"{self.base}/receive"), self.other)
        self.assertTrue(wire.value().endswith(b"\r\n\r\n[3]"), wire.value())

    def test_long_bodies(self) -> None:
        """The limit is that of the client, which its worker knows."""
        long = b"x" * (UNAUTHENTICATED_MESSAGE_LIMIT + 1)
        self.assertEqual(self.status(post(f"{self.base}/send", long), self.other), 413)
        self.session.link.set_authenticated(True)
        self.assertEqual(self.status(post(f"{self.base}/send", long), self.other), 204)

    def test_the_connections_of_one_who_has_joined(self) -> None:
        """Once its worker has said that it has, some of them count as authenticated here, until it is over."""
        limit = self.other.factory.connection_limit
        self.session.link.set_authenticated(True)
        self.ask(post(f"{self.base}/send", b"[1]"), self.other)
        self.assertEqual((limit.inside, limit.unauthenticated), (1, 1))
        for count in range(1, MOST_CONNECTIONS + 3):
            self.ask(post(f"{self.base}/send", b"[1]"), self.other)
            self.assertEqual(limit.inside - limit.unauthenticated, min(count, MOST_CONNECTIONS))
        self.session.link.leave()
        self.ask(post(f"{self.base}/send", b"[1]"), self.other)
        self.assertEqual(limit.inside, limit.unauthenticated)
