"""Doubles for everything that touches the transport: a journal, a host, sessions, and a WebSocket client in bytes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twisted.internet.address import IPv4Address
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.internet.testing import StringTransport
from zope.interface import implementer

from orosync.clocks import epoch
from orosync.interfaces import Admission, IJournal, ILink, ISession, ISessionHost
from orosync.model import ConnectionFacts, ConnectionPolicy
from orosync.transport.factories import WebSocketFactory
from orosync.transport.http_responses import PHRASES, HttpResponses
from orosync.transport.listener import ListenerFactory
from orosync.transport.websocket import WebSocketConnection
from tests.support.settings import listener_settings


@implementer(IJournal)
class RecordingJournal:
    """Remembers every note as (event, kind, fields) and every count as (event, kind)."""

    def __init__(self) -> None:
        self.debug = False
        self.notes: list[tuple[str, str, dict[str, object]]] = []
        self.counts: list[tuple[str, str]] = []

    def note(self, event: str, kind: str, **fields: object) -> None:
        self.notes.append((event, kind, fields))

    def count(self, event: str, kind: str, **fields: object) -> None:
        self.counts.append((event, kind))

    def kinds(self, event: str) -> list[str]:
        return [kind for happened, kind, _ in self.notes if happened == event]


@implementer(ISession)
class RecordingSession:
    """Remembers what it is told; ``greeting`` is pushed when it is opened, ``on_message`` called for each message. With
    ``authenticates`` it counts as joined at once."""

    authenticates = True

    def __init__(self, policy: ConnectionPolicy | None = None, greeting: bytes = b"") -> None:
        self.policy = policy or ConnectionPolicy()
        self.greeting = greeting
        self.link: Any = None
        self.messages: list[tuple[bytes, bool]] = []
        self.ends: list[tuple[bool, int | None, str]] = []
        self.violations: list[str] = []
        self.on_opened: Callable[[ILink], object] = lambda link: None
        self.on_message: Callable[[bytes, bool], object] = lambda data, binary: None
        self.ended: Deferred[RecordingSession] = Deferred()

    def opened(self, link: ILink) -> None:
        self.link = link
        if self.greeting:
            link.push(link.framer(self.greeting, False))
        if self.authenticates:
            link.set_authenticated(True)
        self.on_opened(link)

    def received(self, data: bytes, binary: bool) -> None:
        self.messages.append((data, binary))
        self.on_message(data, binary)

    def violated(self, reason: str) -> None:
        self.violations.append(reason)

    def closed(self, clean: bool, code: int | None, reason: str) -> None:
        self.ends.append((clean, code, reason))
        self.ended.callback(self)


@implementer(ISessionHost)
class RecordingHost:
    """Admits all clients with a session of ``make()``; ``answer`` replaces that by a Deferred or an exception."""

    def __init__(self, make: Callable[[], RecordingSession] = RecordingSession) -> None:
        self.make = make
        self.facts: list[ConnectionFacts] = []
        self.sessions: list[RecordingSession] = []
        self.answer: Deferred[Admission] | Exception | None = None

    def admission(self, facts: ConnectionFacts) -> Admission:
        session = self.make()
        self.sessions.append(session)
        return Admission(facts.subprotocols[0] if facts.subprotocols else None, session)

    def admit(self, facts: ConnectionFacts) -> Admission | Deferred[Admission]:
        self.facts.append(facts)
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.admission(facts) if self.answer is None else self.answer


KEY = "dGhlIHNhbXBsZSBub25jZQ=="


def upgrade(
    path: str = "/ws", origin: str | None = "http://localhost", extra: str = "", subprotocol: str | None = "wamp"
) -> bytes:
    """A client's request; ``extra`` holds whole header lines with their line ends."""
    lines = [
        f"GET {path} HTTP/1.1",
        "Host: localhost:8080",
        "Upgrade: websocket",
        "Connection: keep-alive, Upgrade",
        f"Sec-WebSocket-Key: {KEY}",
        "Sec-WebSocket-Version: 13",
    ]
    if origin is not None:
        lines.append(f"Origin: {origin}")
    if subprotocol is not None:
        lines.append(f"Sec-WebSocket-Protocol: {subprotocol}")
    return ("\r\n".join(lines) + "\r\n" + extra + "\r\n").encode("latin-1")


def client_frame(
    payload: bytes,
    opcode: int = 1,
    *,
    fin: bool = True,
    rsv: int = 0,
    masked: bool = True,
    mask: bytes = b"\x37\xfa\x21\x3d",
) -> bytes:
    """A client's frame, made byte by byte as RFC 6455 section 5.2 draws it."""
    size = len(payload)
    first = (0x80 if fin else 0) | rsv << 4 | opcode
    flag = 0x80 if masked else 0
    if size < 126:
        head = bytes((first, flag | size))
    elif size < 65536:
        head = bytes((first, flag | 126)) + size.to_bytes(2, "big")
    else:
        head = bytes((first, flag | 127)) + size.to_bytes(8, "big")
    if not masked:
        return head + payload
    return head + mask + bytes(byte ^ mask[index & 3] for index, byte in enumerate(payload))


def server_frames(data: bytes) -> tuple[list[tuple[int, bytes]], bytes]:
    """What a server sent, as (first byte, payload) pairs, and the bytes of an incomplete frame behind them."""
    frames = []
    while len(data) >= 2:
        size, head = data[1], 2
        if size == 126:
            size, head = int.from_bytes(data[2:4], "big"), 4
        elif size == 127:
            size, head = int.from_bytes(data[2:10], "big"), 10
        if len(data) < head + size:
            break
        frames.append((data[0], data[head : head + size]))
        data = data[head + size :]
    return frames, data


def close_code(data: bytes) -> int | None:
    """The code of the last frame, if that is a CLOSE."""
    frames, rest = server_frames(data)
    if rest or not frames or frames[-1][0] != 0x88:
        return None
    return int.from_bytes(frames[-1][1][:2], "big")


def one_turn(clock: Clock) -> None:
    """Call what is due now, and leave what those calls plan for the next turn, as a reactor does."""
    now = clock.seconds()
    due = [call for call in clock.calls if call.getTime() <= now]
    for call in due:
        if call.active():
            clock.calls.remove(call)
            call.called = 1
            call.func(*call.args, **call.kw)


class MemoryWire(StringTransport):
    """A StringTransport that remembers being torn down, or that our half of it was ended."""

    aborted = ended = False

    def __init__(self, peer: str = "192.0.2.7") -> None:
        super().__init__(peerAddress=IPv4Address("TCP", peer, 40000))

    def unregisterProducer(self) -> None:
        """A socket takes it lightly when there is none."""

    def loseWriteConnection(self) -> None:
        self.ended = True

    def abortConnection(self) -> None:
        self.aborted = True
        self.loseConnection()


ANSWERS = {status: HttpResponses(epoch).answer(status) for status in PHRASES}
"""The HTTP responses of a listener whose time of day stands still."""


class MemoryListener:
    """A listener without sockets: its factory, host, journal and clock, and connections of StringTransports."""

    def __init__(
        self, host: RecordingHost | None = None, kind: type[ListenerFactory] = WebSocketFactory, **settings: Any
    ) -> None:
        settings.setdefault("name", "public")
        settings.setdefault("origins", ("localhost",))
        self.clock = Clock()
        self.host = host or RecordingHost()
        self.journal = RecordingJournal()
        self.settings = listener_settings(**settings)
        self.factory: Any = kind(self.settings, self.host, self.journal, self.clock)

    def connect(self, peer: str = "192.0.2.7") -> tuple[WebSocketConnection, MemoryWire]:
        """An accepted connection that has sent nothing yet."""
        wire = MemoryWire(peer)
        link: Any = self.factory.buildProtocol(IPv4Address("TCP", peer, 40000))
        link.makeConnection(wire)
        return link, wire

    def open(
        self, policy: ConnectionPolicy | None = None, **request: Any
    ) -> tuple[WebSocketConnection, MemoryWire, RecordingSession]:
        """A connection past its 101, which has been taken off the wire."""
        self.host.make = lambda: RecordingSession(policy)
        link, wire = self.connect()
        link.dataReceived(upgrade(**request))
        wire.clear()
        return link, wire, self.host.sessions[-1]

    def turn(self) -> None:
        """One turn of the reactor: what has been planned for now, and not what that plans in its turn."""
        one_turn(self.clock)

    def run(self, seconds: float, step: float = 1 / 16) -> None:
        """Let time pass."""
        self.clock.pump([step] * round(seconds / step))
