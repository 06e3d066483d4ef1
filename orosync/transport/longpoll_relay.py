"""Long-poll with several workers: a request that reaches another worker than its transport's is relayed.

A transport's name begins with the number of its worker. What the request's own worker knows by itself, its origin and
its connection, it decides; the rest is answered by the transport's worker.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from typing import Protocol

from twisted.internet.defer import CancelledError, Deferred
from twisted.python.failure import Failure

from orosync.transport.admission import Place
from orosync.transport.settings import OtherWorkers, PollAnswer

DIVIDER = "."
"""Behind the number in a transport's name."""

MOST_CONNECTIONS = 4
"""HTTP connections that count as authenticated with one client that has joined: it needs two."""

MOST_CLIENTS = 10_000
"""Clients of other workers that are remembered."""


class Poll(Protocol):
    """A request to be answered; ``gone`` is called when its client has gone."""

    gone: Callable[[], object]

    def answer(self, status: int, body: bytes = b"") -> None: ...


class JoinedConnections:
    """The HTTP connections that count as authenticated with one client."""

    def __init__(self) -> None:
        self._places: list[Place] = []

    def add(self, place: Place) -> None:
        """A request of the client has arrived on it."""
        if place not in self._places:
            if len(self._places) >= MOST_CONNECTIONS:
                self._places.pop(0).set_authenticated(False)
            self._places.append(place)
        place.set_authenticated(True)

    def clear(self) -> None:
        """They count as authenticated no more."""
        while self._places:
            self._places.pop().set_authenticated(False)


class RelayedPoll:
    """A request that another worker has received. ``answered`` fires with its answer; ``joined`` tells at that moment
    whether its client has joined."""

    def __init__(self, joined: Callable[[], bool]) -> None:
        self.gone: Callable[[], object] = lambda: None
        self.answered: Deferred[PollAnswer] = Deferred()
        self._joined = joined

    def answer(self, status: int, body: bytes = b"") -> None:
        """See Poll."""
        if not self.answered.called:
            self.answered.callback((status, body, self._joined()))


class PollRelay:
    """Requests for transports of other workers."""

    def __init__(self, workers: OtherWorkers, listener: str) -> None:
        self._workers = workers
        self._listener = listener
        self._last = 0
        self._clients: OrderedDict[str, JoinedConnections] = OrderedDict()

    def named(self, secret: str) -> str:
        """The name of a transport of this worker."""
        return f"{self._workers.number}{DIVIDER}{secret}"

    def serves(self, name: str) -> bool:
        """Whether a transport of that name is another worker's."""
        worker, divider, _ = name.partition(DIVIDER)
        return bool(divider) and worker.isascii() and worker.isdigit() and worker != self._workers.number

    def vouch(self, name: str, place: Place | None) -> None:
        """See LongPoll.vouch."""
        if place is not None and name in self._clients:
            self._clients[name].add(place)

    def relay(self, poll: Poll, name: str, verb: str, body: bytes) -> None:
        """Have the transport's worker answer."""
        worker = name.partition(DIVIDER)[0]
        self._last = key = self._last + 1
        asked = self._workers.poll(worker, key, self._listener, name, verb, body)

        def gone() -> None:
            self._workers.poll_gone(worker, key)
            asked.cancel()

        def answered(answer: PollAnswer) -> None:
            status, content, joined = answer
            self._remember(name, joined)
            poll.answer(status, content)

        def failed(failure: Failure) -> None:
            if not failure.check(CancelledError):
                self._remember(name, False)
                poll.answer(404)

        poll.gone = gone
        asked.addCallbacks(answered, failed)

    def _remember(self, name: str, joined: bool) -> None:
        if joined:
            self._clients.setdefault(name, JoinedConnections())
            if len(self._clients) > MOST_CLIENTS:
                self._clients.popitem(last=False)[1].clear()
        elif name in self._clients:
            self._clients.pop(name).clear()
