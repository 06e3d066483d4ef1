"""Publishers, subscribers, callers and callees, which go on at another node when theirs has ended."""

from __future__ import annotations

import asyncio
import collections
import time
from collections.abc import Callable, Coroutine, Sequence
from typing import Any, Protocol

import attrs

from tests.faults.clients import Client, NotJoined
from tests.support.numbered import Receiver, Stream

TOPIC, PREFIX, PAGES_TOPIC = "com.example.numbers", "com.example.", "oro/data/update"
OWN, SHARED = "com.example.calls.{}", "com.example.calls.shared"

PUBLISHERS = 2
"""On each node, besides PHP."""

RATE = 50.0
"""Events of each publisher in a second, if the machine can do that."""

TURN = 0.02
WINDOW = 200
"""Events without an acknowledgement, after which a publisher waits."""

CALL_EVERY = 0.1
"""Seconds between two calls of a caller; there is one on each node."""

ATTEMPT = 5.0
"""Seconds for a connection to be made."""

AGAIN = 0.05
REGISTER_AGAIN = 0.5


class Routers(Protocol):
    """What the traffic goes through. Ports are those of a node for "programs" (WAMP v2, realm "open"), "pages" (realm
    "oro", with a ticket) and "backend" (PHP)."""

    @property
    def names(self) -> Sequence[str]: ...

    @property
    def secret(self) -> str: ...

    def port(self, node: str, listener: str) -> int: ...

    def ticket(self, user: str) -> str: ...

    def node_of(self, wanted: str, client_port: int) -> str:
        """The node that serves a connection, which was to be ``wanted``; "" if it has ended."""
        ...


@attrs.define(eq=False)
class Call:
    """One CALL of a caller on ``node``: how often it was answered, with what. ``cut``: the caller's connection ended
    first."""

    node: str
    procedure: str
    sent: float
    answers: list[str] = attrs.Factory(list)
    cut: bool = False


@attrs.define(eq=False)
class Move:
    """A client whose connection ended: at which node, and seconds until another one had admitted it."""

    node: str
    to: str
    seconds: float


class Roles:
    """Everything here runs in one thread, that of an event loop."""

    def __init__(self, routers: Routers) -> None:
        self.routers = routers
        self.running = True
        self.streams: list[Stream] = []
        self.receivers: list[Receiver] = []
        self.calls: list[Call] = []
        self.moves: list[Move] = []
        self.clients: list[Client] = []
        self.registered: list[tuple[float, str, str]] = []  # when, the procedure, the node
        self.revoked: list[tuple[str, str]] = []  # the procedure, the node
        self.unexpected: collections.Counter[str] = collections.Counter()
        self.events = 0
        self.php: dict[tuple[str, int], Stream] = {}
        self._tasks: list[asyncio.Task[None]] = []

    async def start(self) -> None:
        """All are there."""
        ready: list[asyncio.Event] = []

        def run(role: Callable[..., Coroutine[Any, Any, None]], *arguments: Any) -> None:
            ready.append(asyncio.Event())
            self._tasks.append(asyncio.create_task(role(*arguments, ready[-1])))

        for node in self.routers.names:
            run(self._subscriber, node, "programs")
            run(self._subscriber, node, "pages")
            run(self._callee, node)
        await asyncio.gather(*(one.wait() for one in ready))
        await asyncio.sleep(1)
        for node in self.routers.names:
            for _ in range(PUBLISHERS):
                run(self._publisher, node)
            run(self._caller, node)
        await asyncio.gather(*(one.wait() for one in ready))

    async def stop(self) -> None:
        """All are gone."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for client in self.clients:
            client.close()
        await asyncio.sleep(0.1)

    def faults(self) -> list[str]:
        """Roles that have failed."""
        done = [task for task in self._tasks if task.done() and not task.cancelled()]
        return [repr(task.exception()) for task in done if task.exception() is not None]

    def php_stream(self, publisher: str, connection: int) -> Stream:
        """That of a connection of PHP's."""
        stream = self.php.get((publisher, connection))
        if stream is None:
            stream = self.php[publisher, connection] = Stream(publisher, "pages")
            self.streams.append(stream)
        return stream

    # -- each of them

    async def _subscriber(self, home: str, listener: str, ready: asyncio.Event) -> None:
        seat = Seat(self, home, listener)
        topics = [(TOPIC, {}), (PREFIX, {"match": "prefix"})] if listener == "programs" else [(PAGES_TOPIC, {})]
        while True:
            client = await seat.taken()
            mine: dict[int, Receiver] = {}
            confirmed = asyncio.Event()

            def handle(message: Any, seat: Seat = seat, mine: Any = mine, confirmed: Any = confirmed) -> None:
                kind = message[0]
                if kind == 36:
                    self._received(mine[message[1]], message[4][0] if listener == "pages" else message[4])
                elif kind == 33:
                    mine[message[2]] = Receiver(seat.node, time.monotonic(), listener)
                    self.receivers.append(mine[message[2]])
                    if len(mine) == len(topics):
                        confirmed.set()
                else:
                    self.unexpected[f"subscriber: {message}"] += 1

            client.handle = handle
            client.send(*([32, number, options, topic] for number, (topic, options) in enumerate(topics, 1)))
            await self._either(confirmed, seat.ended)
            ready.set()
            await seat.ended.wait()
            for receiver in mine.values():
                receiver.cut = True

    def _received(self, receiver: Receiver, event: Any) -> None:
        self.events += 1
        if isinstance(event, list):
            stream, number = self.streams[event[0]], event[1]
        else:
            stream, number = self.php_stream(event["publisher"], event["connection"]), event["number"]
        receiver.receive(stream, number, time.monotonic())

    async def _publisher(self, home: str, ready: asyncio.Event) -> None:
        seat = Seat(self, home, "programs")
        while True:
            client = await seat.taken()
            stream = Stream(seat.node, "programs")
            index = len(self.streams)
            self.streams.append(stream)

            def handle(message: Any, stream: Stream = stream) -> None:
                if message[0] == 17:
                    stream.acknowledged += 1
                else:
                    stream.refused += 1
                    self.unexpected[f"publisher: {message[4] if message[0] == 8 else message}"] += 1

            client.handle = handle
            ready.set()
            due, last = 0.0, time.monotonic()
            while not seat.ended.is_set():
                await asyncio.sleep(TURN)
                now = time.monotonic()
                due, last = min(due + (now - last) * RATE, 10.0), now
                unacknowledged = len(stream.times) - stream.acknowledged - stream.refused
                if not self.running or seat.ended.is_set():
                    continue
                for _ in range(min(int(due), WINDOW - unacknowledged)):
                    stream.times.append(now)
                    number = len(stream.times)
                    client.send([16, number, {"acknowledge": True}, TOPIC, [index, number]])
                    due -= 1
            stream.cut = True

    async def _callee(self, home: str, ready: asyncio.Event) -> None:
        seat = Seat(self, home, "programs")
        own = OWN.format(home)
        procedures = {1: (own, {}), 2: (SHARED, {"invoke": "roundrobin"})}
        while True:
            client = await seat.taken()
            names: dict[int, str] = {}
            wanted = dict(procedures)

            def handle(message: Any, client: Client = client, names: Any = names, wanted: Any = wanted) -> None:
                kind = message[0]
                if kind == 68:
                    client.send([70, message[1], {}, message[4]])
                elif kind == 65:
                    procedure = wanted.pop(1 + (message[1] - 1) % 2)[0]
                    names[message[2]] = procedure
                    self.registered.append((time.monotonic(), procedure, seat.node))
                elif kind == 67:  # the router has ended a registration
                    procedure = names.pop(message[2]["registration"], "")
                    self.revoked.append((procedure, seat.node))
                    wanted.update({number: one for number, one in procedures.items() if one[0] == procedure})
                elif kind != 8 or message[1] != 64:
                    self.unexpected[f"callee: {message}"] += 1

            client.handle = handle
            turn = 0
            while not seat.ended.is_set():
                if wanted:
                    client.send(*([64, 2 * turn + at, options, name] for at, (name, options) in wanted.items()))
                    turn += 1
                elif not ready.is_set():
                    ready.set()
                await self._either(seat.ended, seconds=REGISTER_AGAIN)

    async def _caller(self, home: str, ready: asyncio.Event) -> None:
        seat = Seat(self, home, "programs")
        procedures = [*(OWN.format(node) for node in self.routers.names), SHARED]
        while True:
            client = await seat.taken()
            calls: list[Call] = []

            def handle(message: Any, calls: Any = calls) -> None:
                if message[0] == 50:
                    right = message[3] == [message[1]]
                    calls[message[1] - 1].answers.append("result" if right else f"wrong result {message[3]}")
                elif message[0] == 8:
                    calls[message[2] - 1].answers.append(message[4])
                else:
                    self.unexpected[f"caller: {message}"] += 1

            client.handle = handle
            ready.set()
            while not seat.ended.is_set():
                if self.running:
                    call = Call(seat.node, procedures[len(calls) % len(procedures)], time.monotonic())
                    calls.append(call)
                    self.calls.append(call)
                    client.send([48, len(calls), {}, call.procedure, [len(calls)]])
                await self._either(seat.ended, seconds=CALL_EVERY)
            for call in calls:
                call.cut = not call.answers

    async def _either(self, *events: asyncio.Event, seconds: float | None = None) -> None:
        """Until one of them is set, or for so long."""
        waits = [asyncio.ensure_future(one.wait()) for one in events]
        try:
            await asyncio.wait(waits, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for one in waits:
                one.cancel()


class Seat:
    """The place of a client: it takes another one when its node has gone, the next that admits it."""

    def __init__(self, roles: Roles, home: str, listener: str) -> None:
        self._roles = roles
        self.node = home
        self._listener = listener
        self._lost = 0.0
        self.ended = asyncio.Event()

    async def taken(self) -> Client:
        """A client that has joined; ``ended`` is set when its connection has ended."""
        roles, home = self._roles, self.node
        names = list(roles.routers.names)
        turn = names.index(home)
        began = time.monotonic()
        while True:
            node = names[turn % len(names)]
            client = await self._tried(node)
            if client is None:
                turn += 1
                await asyncio.sleep(AGAIN)
                continue
            found = roles.routers.node_of(node, client.port)
            if not found or (found != home and not self._lost and time.monotonic() - began < 30):
                client.close()  # at first each has its place
                continue
            break
        self.ended = asyncio.Event()
        if self._lost:
            roles.moves.append(Move(home, found, time.monotonic() - self._lost))
        self.node = found
        client.ended = self._has_ended
        if client.lost:
            self._has_ended()
        roles.clients.append(client)
        return client

    async def _tried(self, node: str) -> Client | None:
        routers, pages = self._roles.routers, self._listener == "pages"
        ticket = await asyncio.to_thread(routers.ticket, "anna") if pages else ""
        try:
            return await Client.join(routers.port(node, self._listener), "oro" if pages else "open", ticket, ATTEMPT)
        except TimeoutError:
            self._roles.unexpected["no answer to a client that connects"] += 1
        except (NotJoined, OSError):
            pass
        return None

    def _has_ended(self) -> None:
        self._lost = time.monotonic()
        self.ended.set()
