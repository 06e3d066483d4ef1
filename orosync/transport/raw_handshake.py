"""A RawSocket connection until its four octets are answered: what the client asks for, the wait for identity, refusals.

It must not know what identity is or what a session does: it asks the host and obeys.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from orosync.interfaces import Admission
from orosync.model import ConnectionFacts
from orosync.transport.channel import connection_of
from orosync.transport.entrance import Entrance
from orosync.transport.facts import socket_facts
from orosync.transport.stream import UNAUTHENTICATED_MESSAGE_LIMIT
from orosync.wamp import rawsocket
from orosync.wamp.rawsocket import BadHandshake, Refusal, Request

if TYPE_CHECKING:
    from orosync.transport.raw_link import RawLink

SHORTEST = 1024
"""A client that takes less cannot be told WELCOME."""

_REFUSALS = {400: Refusal.SERIALIZER, 403: Refusal.CONNECTIONS, 503: Refusal.CONNECTIONS}
"""RawSocket knows no better word for one who is not let in than that there is no room for it."""

_KINDS = {
    None: "not_rawsocket",
    Refusal.SERIALIZER: "serializer",
    Refusal.LENGTH: "length",
    Refusal.RESERVED: "reserved",
}


class RawHandshake(Entrance):
    """One connection's, thrown away when it is over. ``link`` is told: begin, answer, drop."""

    def __init__(self, link: RawLink) -> None:
        super().__init__(link)
        self._link = link

    def received(self, data: bytes) -> None:
        """Bytes from the client."""
        if self._over:
            return
        buffer = self._buffer = self._buffer + data
        if self._asked:
            # A client that talks before it has been answered: kept for later, within a bound.
            if len(buffer) > min(self._link.settings.header_limit, UNAUTHENTICATED_MESSAGE_LIMIT):
                self._refuse(503, "talked before it was admitted", "early", None)
            return
        if len(buffer) < 4 and buffer[0] == rawsocket.MAGIC:
            return
        try:
            # What does not even begin like a handshake is not waited for.
            request = rawsocket.read_request(buffer[:4].ljust(4, b"\0"))
            if request.limit < SHORTEST:
                raise BadHandshake(
                    Refusal.LENGTH, f"the client takes messages of {request.limit} bytes at most, {SHORTEST} are needed"
                )
        except BadHandshake as fault:
            self._turn_away(fault.refusal, fault.reason, _KINDS[fault.refusal], None)
            return
        self._buffer = buffer[4:]
        link = self._link
        subprotocol = rawsocket.SUBPROTOCOLS[request.serializer]
        facts = socket_facts(link.settings, link.peer, subprotocol, connection_of(link.transport), link.place)
        self._ask(facts, request)

    def _admitted(self, admission: Admission, facts: ConnectionFacts, early: bytes, *more: Request) -> None:
        (request,) = more
        link = self._link
        link.agree(request, binary=facts.subprotocols != (rawsocket.SUBPROTOCOLS[1],))
        limit = rawsocket.announced(admission.session.traits.message_limit)
        link.begin(admission.session, facts, rawsocket.accepted(request.serializer, limit), early)

    def _refuse(self, status: int, reason: str, kind: str, facts: ConnectionFacts | None) -> None:
        self._turn_away(_REFUSALS[status], reason, kind, facts)

    def _no_place(self) -> None:
        self._buffer = b""
        self._link.answer(rawsocket.refused(Refusal.CONNECTIONS))

    def _turn_away(self, refusal: Refusal | None, reason: str, kind: str, facts: ConnectionFacts | None) -> None:
        self._over = True
        self._buffer = b""
        self._note(kind, reason, facts)
        # Whoever speaks something else would not understand an answer.
        self._link.answer(b"" if refusal is None else rawsocket.refused(refusal))
