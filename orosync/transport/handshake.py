"""A connection until its 101: the HTTP head, the origin rule, and every refusal on the way.

It must not know what identity is or what a session does: it asks the host and obeys.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from twisted.internet.protocol import Protocol
from twisted.python.failure import Failure

from orosync.headers.forwarding import client_address
from orosync.interfaces import Admission
from orosync.model import ConnectionFacts
from orosync.transport.admission import LARGE_HEAD
from orosync.transport.answers import ANSWERS
from orosync.transport.channel import connection_of
from orosync.transport.deflate import agreed
from orosync.transport.entrance import Entrance
from orosync.transport.facts import connection_facts
from orosync.transport.request import BadRequest, Request, parse
from orosync.transport.stream import UNAUTHENTICATED_MESSAGE_LIMIT
from orosync.transport.upgrade import accepted, judge, wants_websocket

if TYPE_CHECKING:
    from orosync.transport.link import Link

_END = b"\r\n\r\n"
_KINDS = {404: "path", 426: "plain_http", 431: "header_too_large"}


class Handshake(Entrance):
    """One connection's, thrown away when it is over. ``link`` is told: begin, answer, drop."""

    def __init__(self, link: Link) -> None:
        super().__init__(link)
        self._link = link
        self._web: Protocol | None = None

    def received(self, data: bytes) -> None:
        """Bytes from the client."""
        if self._web is not None:
            self._web.dataReceived(data)
            return
        if self._over:
            return
        buffer = self._buffer = self._buffer + data
        limit = self._link.settings.header_limit
        if self._asked:
            # A client that talks before it has been answered: kept for later, within a bound.
            if len(buffer) > min(limit, UNAUTHENTICATED_MESSAGE_LIMIT):
                self._refuse(431, "talked before it was admitted")
            return
        if not 0x41 <= buffer[0] <= 0x5A:
            self._refuse(400, "not HTTP")
            return
        end = buffer.find(_END) + len(_END)
        if len(buffer) > LARGE_HEAD and end <= limit:
            self._link.place.hold_head(len(buffer), self._link.withdraw)
        if end < len(_END) and len(buffer) <= limit:
            return
        if end < len(_END) or end > limit:
            self._refuse(431, f"head larger than {limit} bytes")
            return
        try:
            self._judge(buffer[:end], end)
        except BadRequest as fault:
            self._refuse(fault.status, fault.reason)

    def lost(self, reason: Failure) -> None:
        """The connection is gone."""
        if self._web is None:
            super().lost(reason)
        else:
            self._over = True
            self._web.connectionLost(reason)

    def _judge(self, head: bytes, end: int) -> None:
        link = self._link
        settings = link.settings
        request = parse(head)
        if not wants_websocket(request):
            self._serve(request)
            return
        if settings.path is not None and request.path != settings.path:
            self._refuse(404, f"[listen:{settings.name}] answers the path {settings.path} alone")
            return
        host = request.host
        key, subprotocols = judge(request)
        facts = connection_facts(
            settings, link.peer, request, host, subprotocols, connection_of(link.transport), link.place
        )
        if not link.origin_rule.allows(facts.origin):
            missing, listed = "no Origin header", f"not one of the origins of [listen:{settings.name}]"
            reason = missing if facts.origin is None else listed
            self._refuse(403, reason, "origin", facts)
            return
        self._buffer = self._buffer[end:]
        offered = request.headers.get("sec-websocket-extensions") if settings.deflate else None
        self._ask(facts, key, agreed(offered) if offered else None)

    def _serve(self, request: Request) -> None:
        """Plain HTTP: the listener's pages, from here on with this connection to themselves."""
        link = self._link
        polled = link.longpoll is not None and link.longpoll.serves(request.path)
        if link.site is None or not (polled or link.settings.web is not None):
            settled = link.settings.path is None or request.path == link.settings.path
            self._refuse(426 if settled else 404, "a plain HTTP request, this port speaks WebSocket")
            return
        chain = request.headers.get("x-forwarded-for")
        address = client_address(link.peer, chain, link.settings.trusted_proxies)
        self._place(address, None, self._hand_to_site)

    def _hand_to_site(self) -> None:
        link = self._link
        assert link.site is not None
        self._delayed = False
        link.wheel.leave(link)
        link.place.hold_head(0, lambda: None)
        buffer, self._buffer = self._buffer, b""
        web: Any = link.site.buildProtocol(link.transport.getPeer())
        self._web = web
        web.place = link.place
        web.makeConnection(link.transport)
        web.dataReceived(buffer)

    def _no_place(self) -> None:
        self._buffer = b""
        self._link.answer(ANSWERS[503])

    def _admitted(self, admission: Admission, facts: ConnectionFacts, early: bytes, *more: Any) -> None:
        key, agreement = more
        extensions = ""
        if agreement is not None:
            self._link.compress(agreement)
            extensions = agreement.answer
        self._link.begin(admission.session, facts, accepted(key, admission.subprotocol, extensions), early)

    def _refuse(self, status: int, reason: str, kind: str = "", facts: ConnectionFacts | None = None) -> None:
        self._over = True
        self._buffer = b""
        self._note(kind or _KINDS.get(status, "malformed"), reason, facts)
        self._link.answer(ANSWERS[status])
