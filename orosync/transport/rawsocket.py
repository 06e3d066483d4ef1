"""RawSocket (WAMP, section "RawSocket Transport"): one connection from its handshake of four octets to its end.

``RawSocketHandshake`` reads what the client asks for and waits for the host's decision. ``RawSocketConnection`` takes
whole messages out of the stream in place and answers pings. Frames are measured by ``wamp.rawsocket``.
"""

from __future__ import annotations

from collections.abc import Callable

from twisted.internet.error import ConnectionDone
from twisted.internet.protocol import Protocol
from twisted.python.failure import Failure

from orosync.errors import ProtocolViolation
from orosync.interfaces import Admission
from orosync.model import ConnectionFacts
from orosync.transport.autobahn_protocol import CONNECTING, OPEN
from orosync.transport.connection import BEGINNING, FEW, UNAUTHENTICATED_MESSAGE_LIMIT, Connection, enable_tcp_keepalive
from orosync.transport.handshake import Handshake
from orosync.transport.http_request import socket_facts
from orosync.transport.read_turns import LEAST
from orosync.transport.tls import connection_of
from orosync.wamp import rawsocket
from orosync.wamp.rawsocket import (
    FRAMERS,
    MESSAGE,
    MOST,
    PING,
    PONG,
    BadHandshake,
    HandshakeRequest,
    Refusal,
    announced,
    frame,
    measure,
)

SHORTEST = 1024
"""Bytes of a message: a client that accepts less cannot receive a WELCOME."""

_REFUSALS = {400: Refusal.SERIALIZER, 403: Refusal.CONNECTIONS, 503: Refusal.CONNECTIONS}
"""By HTTP status. RawSocket has no error code for a client that is refused; "connection limit" comes closest."""

_KINDS = {
    None: "not_rawsocket",
    Refusal.SERIALIZER: "serializer",
    Refusal.LENGTH: "length",
    Refusal.RESERVED: "reserved",
}


class RawSocketHandshake(Handshake):
    """The handshake of one connection ("RawSocket Transport", section "Handshake"), dropped when it is over."""

    _connection: RawSocketConnection

    def __init__(self, connection: RawSocketConnection) -> None:
        super().__init__(connection)

    def received(self, data: bytes) -> None:
        """Bytes from the client."""
        if self._over:
            return
        buffer = self._buffer = self._buffer + data
        if self._request_complete:
            # What the client sends before it has been answered is kept, within a bound.
            if len(buffer) > min(self._connection.settings.header_limit, UNAUTHENTICATED_MESSAGE_LIMIT):
                self._refuse(503, "sent data before it was admitted", "early", None)
            return
        if len(buffer) < 4 and buffer[0] == rawsocket.MAGIC:
            return
        try:
            # Bytes that do not even begin like a handshake are refused without waiting for four of them.
            request = rawsocket.read_request(buffer[:4].ljust(4, b"\0"))
            if request.limit < SHORTEST:
                raise BadHandshake(
                    Refusal.LENGTH, f"the client takes messages of {request.limit} bytes at most, {SHORTEST} are needed"
                )
        except BadHandshake as fault:
            self._refuse_with(fault.refusal, fault.reason, _KINDS[fault.refusal], None)
            return
        self._buffer = buffer[4:]
        connection = self._connection
        subprotocol = rawsocket.SUBPROTOCOLS[request.serializer]
        facts = socket_facts(
            connection.settings, connection.peer, subprotocol, connection_of(connection.transport), connection.place
        )
        self._request_admission(facts, request)

    def _admitted(self, admission: Admission, facts: ConnectionFacts, early: bytes, *more: HandshakeRequest) -> None:
        (request,) = more
        connection = self._connection
        connection.agree(request, binary=facts.subprotocols != (rawsocket.SUBPROTOCOLS[1],))
        limit = rawsocket.announced(admission.session.policy.message_limit)
        connection.begin(admission.session, facts, rawsocket.accepted(request.serializer, limit), early)

    def _refuse(self, status: int, reason: str, kind: str, facts: ConnectionFacts | None) -> None:
        self._refuse_with(_REFUSALS[status], reason, kind, facts)

    def _refuse_busy(self) -> None:
        self._buffer = b""
        self._connection.answer(rawsocket.refused(Refusal.CONNECTIONS))

    def _refuse_with(self, refusal: Refusal | None, reason: str, kind: str, facts: ConnectionFacts | None) -> None:
        self._over = True
        self._buffer = b""
        self._note(kind, reason, facts)
        # A client that does not speak RawSocket would not understand an answer.
        self._connection.answer(b"" if refusal is None else rawsocket.refused(refusal))


class RawSocketConnection(Connection, Protocol):
    """One RawSocket connection."""

    state = CONNECTING
    ping = frame(PING, b"")
    framer: Callable[[bytes, bool], bytes] = staticmethod(FRAMERS[MOST])
    binary = False
    """Whether the serializer is binary; JSON is not."""
    peer_limit = MOST
    """The longest message that the peer takes."""
    _closed = False
    _knows_pings = False

    def __init__(self, peer: str) -> None:
        self.peer = peer
        self._queue: list[bytes] = []
        self._handshake = RawSocketHandshake(self)

    def connectionMade(self) -> None:
        super().connectionMade()
        enable_tcp_keepalive(self.transport, self._raw)

    def agree(self, request: HandshakeRequest, binary: bool) -> None:
        """What the client asked for: the longest message that it takes, and whether its serializer is binary."""
        self.peer_limit = request.limit
        self.framer = FRAMERS[request.limit]
        self.binary = binary

    # -- reading

    def read_one(self, data: bytes) -> bool:
        """See Connection. Written out, as in ``websocket``: each call would cost every message."""
        length = len(data) - 4
        if length < 0 or data[0] or int.from_bytes(data[:4], "big") != length or length > self.message_limit:
            return False
        if self.state != OPEN or (length > FEW and self.turns.full):
            return False
        left = self._quantum_left = self._quantum_left - (length if length > LEAST else LEAST)
        scheduler = self.scheduler
        self._reading = True
        scheduler.idle = not scheduler.pending
        try:
            self.session.received(data[4:], self.binary)  # type: ignore[union-attr]
        except Exception:
            self._could_not_hand_over()
        scheduler.idle = self._reading = False
        if left <= 0 or self._paused or self.state != OPEN:
            self._settle(b"", 0, 0, False)
        if length > FEW:
            self.turns.count(length)
        return True

    def _frames(self, data: bytes, position: int) -> tuple[int, int]:
        size, binary = len(data), self.binary
        session = self.session
        if self.state != OPEN or session is None:
            return size, 0  # it has been told goodbye
        received = session.received
        while size - position >= 4 and not self._paused and self._quantum_left > 0:
            # WAMP "RawSocket Transport", section "Framing": one octet for the type, three for the length.
            length, kind = int.from_bytes(data[position : position + 4], "big"), MESSAGE
            if length >= MOST:
                try:
                    kind, length = measure(length)
                except ProtocolViolation as violation:
                    self.violated(str(violation))
                    return size, 0
            end = position + 4 + length
            if length > (limit := self.message_limit):  # a message before this one may have changed it
                if kind != MESSAGE or not self.skip_oversized:
                    self.violated(f"a RawSocket frame of {length} bytes, {limit} are taken at most")
                    return size, 0
                beginning = min(BEGINNING, length)
                if size - position < 4 + beginning:
                    return position, 4 + beginning
                self.oversized(length, data[position + 4 : position + 4 + beginning])
                self._quantum_left -= LEAST
                self._skip = max(0, end - size)
                position = min(end, size)
            elif end > size:
                return position, end - position
            elif kind == MESSAGE:
                payload = data[position + 4 : end]
                position = end
                self._quantum_left -= length if length > LEAST else LEAST
                received(payload, binary)
            else:
                self._quantum_left -= max(LEAST, length)
                self._ping(kind, data[position + 4 : end])
                position = end
            if self.state != OPEN:
                return size, 0
        return position, 4

    def _ping(self, kind: int, payload: bytes) -> None:
        """PING and PONG: a PONG carries the payload of its PING."""
        self.learn_pings()
        if kind == PING:
            if len(payload) > self.peer_limit:
                self.violated("a PING is longer than the PONG that its sender takes")
            else:
                self.push(frame(PONG, payload))
                self.take_token()
        else:
            self.pong()

    def learn_pings(self) -> None:
        """The peer knows pings: it has sent one, or answered one."""
        if not self._knows_pings and self.session is not None:
            self._knows_pings = True
            if self.session.policy.pinged:
                self.timers.schedule(self, self.ping_ticks)

    # -- ending

    def close(self, code: int, reason: str) -> None:
        """See ILink. RawSocket has no closing handshake: what is queued is sent and our side of TCP ended; what still
        arrives is dropped."""
        if self.state == OPEN:
            self._why = f"closed by us with {code}: {reason}"
            self._closed = True
            self.flush()
            self._end(linger=True)

    def violated(self, reason: str) -> None:
        """The peer violated RawSocket: nothing more of it is read."""
        if self.session is not None:
            self.session.violated(reason)
        self.close(1002, reason)

    def due(self) -> None:
        """See timers.Timed. Only clients that have shown that they know pings are pinged: autobahn takes one for the
        head of a message of 16 MiB. For the others there is TCP's keep-alive."""
        if self.state != OPEN or self._knows_pings:
            super().due()

    def _limit(self, size: int) -> None:
        self.message_limit = announced(size)

    def _ending(self, reason: Failure) -> tuple[bool, int | None, str]:
        _, code, why = super()._ending(reason)
        return self._closed and isinstance(reason.value, ConnectionDone), code, why
