"""WebSocket (RFC 6455): one connection from its HTTP upgrade to its closing handshake.

``WebSocketHandshake`` reads the HTTP head, applies the origin rule and waits for the host's decision.
``WebSocketConnection`` takes whole messages out of the stream in place: complete, masked, unfragmented text and binary
frames without reserved bits, within the message limit, text that is UTF-8; and pings and pongs, since a flood of them
must not cost more than one of messages. All other frames (fragments, CLOSE, compressed messages, violations, bad text,
what is too large) are handed to autobahn one by one, so that a pause holds between any two messages.
"""

from __future__ import annotations

from collections.abc import Callable
from operator import attrgetter
from typing import Any

from autobahn.util import encode_truncate
from autobahn.websocket.utf8validator import Utf8Validator
from twisted.internet.protocol import Protocol
from twisted.python.failure import Failure
from twisted.web.server import Site

from orosync.headers import OriginRule, client_address
from orosync.interfaces import IDENTIFYING, RATE, WAITING, Admission
from orosync.model import ConnectionFacts
from orosync.transport.admission import LARGE_HEAD
from orosync.transport.autobahn_protocol import CLOSED, CLOSING, OPEN, AutobahnServerProtocol, ConnectionFailed
from orosync.transport.connection import BEGINNING, FEW, UNAUTHENTICATED_MESSAGE_LIMIT, Connection
from orosync.transport.deflate import Agreement, Inflater, agreed
from orosync.transport.frames import BINARY, PING, PONG, TEXT, control_frame, data_frame, extent, server_frame, unmask
from orosync.transport.handshake import Handshake
from orosync.transport.http_request import BadRequest, HttpRequest, connection_facts, parse
from orosync.transport.http_responses import Body, HttpResponses
from orosync.transport.http_site import Branch
from orosync.transport.read_turns import LEAST
from orosync.transport.tls import connection_of
from orosync.transport.upgrade import accepted, parse_upgrade, wants_websocket

_END = b"\r\n\r\n"
_KINDS = {404: "path", 426: "plain_http", 431: "header_too_large"}

FRAGMENTS = 4096
"""Fragments that one message may have, however small; empty ones that it may have, however large it may be."""

FRAGMENT = 64
"""Bytes of a fragment on average, of a message that is allowed more fragments than that because it may be larger."""

_GULP = 4096
"""A frame that autobahn assembles reaches it in pieces of at least this size, not in those of the network."""

_FAILURES = (1002, 1003, 1007, 1008, 1009, 1010, 1011)
"""Codes after which the connection has failed (RFC 6455 section 7.1.7): our side ends, and nothing more is parsed.
After any other the peer's CLOSE is waited for (section 7.1.2)."""


class WebSocketHandshake(Handshake):
    """The opening handshake of one connection (RFC 6455 section 4.2), dropped when it is over."""

    _connection: WebSocketConnection
    _method = ""
    """Of the request, once it is known."""

    def __init__(self, connection: WebSocketConnection) -> None:
        super().__init__(connection)
        self._web: Protocol | None = None

    def received(self, data: bytes) -> None:
        """Bytes from the client."""
        if self._web is not None:
            self._web.dataReceived(data)
            return
        if self._over:
            return
        buffer = self._buffer = self._buffer + data
        limit = self._connection.settings.header_limit
        if self._request_complete:
            # What the client sends before it has been answered is kept, within a bound.
            if len(buffer) > min(limit, UNAUTHENTICATED_MESSAGE_LIMIT):
                self._refuse(431, "sent data before it was admitted")
            return
        if not 0x41 <= buffer[0] <= 0x5A:
            self._refuse(400, "not HTTP")
            return
        end = buffer.find(_END) + len(_END)
        if len(buffer) > LARGE_HEAD and end <= limit:
            self._connection.place.hold_head(len(buffer), self._connection.withdraw)
        if end < len(_END) and len(buffer) <= limit:
            return
        if end < len(_END) or end > limit:
            self._refuse(431, f"head larger than {limit} bytes")
            return
        try:
            self._read_request(buffer[:end], end)
        except BadRequest as fault:
            self._refuse(fault.status, fault.reason)

    def lost(self, reason: Failure) -> None:
        """The connection is gone."""
        if self._web is None:
            super().lost(reason)
        else:
            self._over = True
            self._web.connectionLost(reason)

    def _read_request(self, head: bytes, end: int) -> None:
        connection = self._connection
        settings = connection.settings
        request = parse(head)
        self._method = request.method
        if not wants_websocket(request):
            self._serve_http(request)
            return
        if settings.path is not None and request.path != settings.path:
            self._refuse(404, f"[listen:{settings.name}] answers the path {settings.path} alone")
            return
        host = request.host
        key, subprotocols = parse_upgrade(request)
        facts = connection_facts(
            settings,
            connection.peer,
            request,
            host,
            subprotocols,
            connection_of(connection.transport),
            connection.place,
        )
        if not connection.origin_rule.allows(facts.origin):
            missing, listed = "no Origin header", f"not one of the origins of [listen:{settings.name}]"
            reason = missing if facts.origin is None else listed
            self._refuse(403, reason, "origin", facts)
            return
        self._buffer = self._buffer[end:]
        offered = request.headers.get("sec-websocket-extensions") if settings.deflate else None
        self._request_admission(facts, key, agreed(offered) if offered else None)

    def _serve_http(self, request: HttpRequest) -> None:
        """Plain HTTP: a health check, or from here on the site serves the connection (pages, or long-poll)."""
        connection = self._connection
        settings, path = connection.settings, request.path
        if settings.health is not None and path == settings.health:
            self._answer_health(settings.healthy)
            return
        polled = connection.longpoll is not None and connection.longpoll.serves(path)
        if connection.site is None or not (polled or settings.web is not None):
            status = 426 if settings.path is None or path in ("/", settings.path) else 404
            person = status == 426 and "text/html" in request.headers.get("accept", "")
            self._refuse(
                status,
                "a plain HTTP request, this port speaks WebSocket (a load balancer checks the path of health)",
                body=Body.PAGE if person else Body.PHRASE,
            )
            return
        address = client_address(connection.peer, request.headers, connection.settings.trusted_proxies)
        self._get_place(address, None, self._hand_to_site)

    def _answer_health(self, healthy: Callable[[], bool]) -> None:
        """A load balancer asks, every second perhaps: nothing is logged or counted."""
        self._over = True
        self._buffer = b""
        if self._method in ("GET", "HEAD"):
            whole = self._connection.responses.answer(200 if healthy() else 503, self._method, Body.NONE)
        else:
            whole = self._connection.responses.answer(405)
        self._connection.answer(whole)

    def _hand_to_site(self) -> None:
        connection = self._connection
        assert connection.site is not None
        self._delayed = False
        connection.timers.cancel(connection)
        connection.place.hold_head(0, lambda: None)
        buffer, self._buffer = self._buffer, b""
        web: Any = connection.site.buildProtocol(connection.transport.getPeer())
        self._web = web
        web.place = connection.place
        web.makeConnection(connection.transport)
        web.dataReceived(buffer)

    def _refuse_busy(self) -> None:
        self._buffer = b""
        self._connection.answer(self._connection.responses.answer(503, self._method))

    def _admitted(self, admission: Admission, facts: ConnectionFacts, early: bytes, *more: Any) -> None:
        key, agreement = more
        extensions = ""
        if agreement is not None:
            self._connection.compress(agreement)
            extensions = agreement.answer
        self._connection.begin(admission.session, facts, accepted(key, admission.subprotocol, extensions), early)

    def _refuse(
        self,
        status: int,
        reason: str,
        kind: str = "",
        facts: ConnectionFacts | None = None,
        *,
        body: Body = Body.PHRASE,
    ) -> None:
        self._over = True
        self._buffer = b""
        self._note(kind or _KINDS.get(status, "malformed"), reason, facts)
        self._connection.answer(self._connection.responses.answer(status, self._method, body))


class WebSocketConnection(Connection, AutobahnServerProtocol):
    """One WebSocket connection."""

    peer: str
    responses: HttpResponses
    origin_rule: OriginRule
    site: Site | None
    longpoll: Branch | None = None

    framer: Callable[[bytes, bool], bytes] = staticmethod(server_frame)
    ping = control_frame(PING)

    # What autobahn reads of the message limit, at frames that are handed over to it.
    maxFramePayloadSize = maxMessagePayloadSize = property(attrgetter("message_limit"))
    utf8validator: Any = None
    _isMessageCompressed = False
    _fragments = _empty = 0
    message_data: Any

    def __init__(self, peer: str) -> None:
        self.peer = peer
        self._queue: list[bytes] = []
        self._handshake = WebSocketHandshake(self)

    def compress(self, agreement: Agreement) -> None:
        """permessage-deflate has been agreed upon (RFC 7692)."""
        self.framer = agreement.framer
        self._perMessageCompress = Inflater()

    def room(self) -> int:
        """See tls_records.Watcher; less what autobahn has of a message in fragments."""
        room = super().room()
        return room - sum(map(len, self.message_data)) if self.inside_message else room

    # -- reading

    def read_one(self, data: bytes) -> bool:
        """See Connection. It does what ``read`` would do, written out: each call would cost every message."""
        if len(data) > FEW and self.turns.full:
            return False
        found = data_frame(data, 0, self.message_limit, True)
        if found is None:
            return False
        payload, size = found
        left = self._quantum_left = self._quantum_left - (size if size > LEAST else LEAST)
        scheduler = self.scheduler
        self._reading = True
        scheduler.idle = not scheduler.pending
        try:
            self.session.received(payload, data[0] == BINARY)  # type: ignore[union-attr]
        except Exception:
            self._could_not_hand_over()
        scheduler.idle = self._reading = False
        if left <= 0 or self._paused or self.state != OPEN:
            self._to_autobahn = self.state != OPEN
            self._settle(b"", 0, 0, False)
        if size > FEW:
            self.turns.count(size)
        return True

    def _frames(self, data: bytes, position: int) -> tuple[int, int]:
        """See Connection. Each pass of the loop leaves it or moves ``position``."""
        size = len(data)
        session = self.session
        assert session is not None
        received = session.received
        frame = self.current_frame
        if frame is not None and size > position:
            worth = min(frame.length - self.current_frame_masker.pointer(), _GULP)
            if size - position < worth:
                return position, worth
            position = self._pass_on(data, position)
        while size - position >= 2 and not self._paused and self._quantum_left > 0:
            # RFC 6455 section 5.2: FIN, reserved bits and opcode in the first octet; mask bit and length in the second.
            first, length = data[position], data[position + 1] - 0x80
            # A message before this one may have changed the limit.
            usual = None if self._to_autobahn else data_frame(data, position, self.message_limit, False)
            if usual is not None:
                payload, end = usual
                cost = end - position
                self._quantum_left -= cost if cost > LEAST else LEAST
                position = end
                received(payload, first == BINARY)
            elif (first != TEXT and first != BINARY) or length < 0 or self._to_autobahn:
                if first in (PING, PONG) and 0 <= length <= 125 and self.state == OPEN:
                    # Sections 5.5.2 and 5.5.3: a PONG carries the payload of its PING.
                    end = position + 6 + length
                    if end > size:
                        return position, end - position
                    self._quantum_left -= LEAST
                    if first == PING:
                        self.push(
                            control_frame(PONG, unmask(data[position + 6 : end], data[position + 2 : position + 6]))
                        )
                        self.take_token()
                    else:
                        self.pong()
                    if self.state == CLOSED:
                        return size, 0
                    position = end
                    continue
                position = self._pass_on(data, position)
            else:
                head = position + 6
                if length > 125:
                    head += 2 if length == 126 else 8
                    if head > size:
                        return position, head - position
                    # The least number of octets has to be used (section 5.2); autobahn fails the connection.
                    least = 126 if length == 126 else 65536
                    length = int.from_bytes(data[position + 2 : head - 4], "big")
                    if length < least:
                        position = self._pass_on(data, position)
                        continue
                end = head + length
                if length > self.message_limit:
                    if self.skip_oversized and size - head < min(BEGINNING, length):
                        return position, head - position + min(BEGINNING, length)
                    position = self._too_large(data, position, head, length)
                elif end > size:
                    return position, end - position
                else:
                    position = self._pass_on(data, position)  # text that is not UTF-8 (section 8.1)
            if self.state != OPEN:
                if self.state == CLOSED:
                    return size, 0
                self._to_autobahn = True
        return position, 2

    def _too_large(self, data: bytes, position: int, head: int, length: int) -> int:
        """A message whose payload of ``length`` bytes begins at ``head``. Returns where to go on."""
        if not self.skip_oversized:
            return self._pass_on(data, position)
        end = head + length
        self.oversized(length, unmask(data[head : min(end, head + BEGINNING)], data[head - 4 : head]))
        self._quantum_left -= LEAST
        self._skip = max(0, end - len(data))
        return min(end, len(data))

    def _pass_on(self, data: bytes, position: int) -> int:
        """Give autobahn the rest of its frame, or the one that begins at ``position``. Returns where that ends, behind
        ``position``; the end of ``data`` when nothing more is to be read. Raises RuntimeError if autobahn holds a frame
        that is complete: the loop would not end."""
        if self.utf8validator is None:
            self.utf8validator = Utf8Validator()
        frame = self.current_frame
        end = extent(data, position) if frame is None else position + frame.length - self.current_frame_masker.pointer()
        end = len(data) if end is None else min(end, len(data))
        if end <= position:
            raise RuntimeError("autobahn holds a frame that is complete")
        self._quantum_left -= max(LEAST, end - position)
        self.data = data[position:end]
        try:
            self.consumeData()
        except ConnectionFailed:
            return len(data)
        self._to_autobahn = self.state != OPEN or self.inside_message or self.current_frame is not None
        return len(data) if self.state == CLOSED else end

    # -- called by autobahn, for the frames it is given

    def _fail_connection(self, code: int = 1002, reason: str = "") -> None:
        """autobahn found a violation of RFC 6455 or RFC 7692, or a message beyond the limit."""
        self._quantum_left = 0  # how much it has inflated is not known
        self.refused(code, reason)
        raise ConnectionFailed

    def onMessageFrameBegin(self, length: int) -> None:
        super().onMessageFrameBegin(length)
        self._fragments += 1
        if not (self.bucket.joined or self.current_frame.fin):
            self.take_token()  # for the last fragment, which completes a message, the session takes one
        self._empty += not length
        most = max(FRAGMENTS, self.message_limit // FRAGMENT)
        if self._fragments > most:
            self._max_message_size_exceeded(self._fragments, most, f"message in more than {most} fragments")
        elif self._empty > FRAGMENTS:
            what = f"message with more than {FRAGMENTS} empty fragments"
            self._max_message_size_exceeded(self._empty, FRAGMENTS, what)

    def onMessageFrameData(self, payload: bytes) -> None:
        if payload:
            if self._isMessageCompressed:
                self._quantum_left -= len(payload)  # what is inflated is work as well
            super().onMessageFrameData(payload)

    def onMessageBegin(self, is_binary: bool) -> None:
        super().onMessageBegin(is_binary)
        self.message_data = [bytearray()]  # many small pieces would take several times their bytes

    def onMessageFrame(self, pieces: Any) -> None:
        (whole,) = self.message_data
        if len(whole) < UNAUTHENTICATED_MESSAGE_LIMIT:
            # Thousands of clients may be here before they have joined: no spare room in the buffer of each.
            self.message_data = [bytearray().join((whole, *pieces))]
            return
        for piece in pieces:
            whole += piece

    def onMessageEnd(self) -> None:
        """A message that autobahn assembled. After our own CLOSE (state CLOSING) it is dropped."""
        self._fragments = self._empty = 0
        whole, self.message_data = self.message_data, []
        if self.state == OPEN and self.session is not None:
            self.session.received(b"".join(whole), self.message_is_binary)

    # -- closing (RFC 6455 section 7)

    def close(self, code: int, reason: str) -> None:
        """See ILink."""
        if self.state == OPEN:
            self._why = f"closed by us with {code}: {reason}"
            self.sendCloseFrame(code=code, reasonUtf8=encode_truncate(reason, 123))
            if code in _FAILURES:
                self._end(linger=True)
            else:
                self.resume(WAITING | RATE | IDENTIFYING)

    def sendData(self, data: bytes, sync: bool = False, chopsize: int | None = None) -> None:
        """autobahn sends its CLOSE frames through this: behind what is queued, and at once."""
        self._queue.append(data)
        self.flush()

    def sendCloseFrame(self, code: int | None = None, reasonUtf8: bytes | None = None, isReply: bool = False) -> None:
        super().sendCloseFrame(code, reasonUtf8, isReply)
        if self.state == CLOSING:
            # autobahn gets what still arrives: it waits for the peer's CLOSE (section 7.1.2).
            self._to_autobahn = self._unsettled = True
            self.way.clear = False
            self.timers.schedule(self, self.close_ticks)

    def refused(self, code: int, reason: str) -> None:
        """The peer violated RFC 6455: fail the connection with ``code`` (section 7.1.7), and log ``reason``."""
        if self.state == OPEN:
            self.journal.note("frame.refused", str(code), address=self.facts.address, reason=reason)
            self.close(code, reason)
        else:
            self._end(linger=True)

    def _closeConnection(self, abort: bool = False) -> None:
        """autobahn has finished with the connection. After a closing handshake there is no need to abort it."""
        if abort and not self.wasClean:
            self.drop_now("dropped")
        else:
            self._end()

    def _ending(self, reason: Failure) -> tuple[bool, int | None, str]:
        if self.wasClean:
            return True, self.remoteCloseCode, self.remoteCloseReason or ""
        self._why = self._why or self.wasNotCleanReason or ""
        return super()._ending(reason)

    def _forget(self) -> None:
        super()._forget()
        self.current_frame = self._perMessageCompress = None
        self.message_data, self.frame_data, self.control_frame_data = [], [], []
