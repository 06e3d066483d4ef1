"""The link between one WebSocket connection and its session: what both sides see of each other.

It must not know what travels in a message, who the client is, or where a listener's settings come from.
"""

from __future__ import annotations

from collections.abc import Callable

from autobahn.util import encode_truncate
from twisted.python.failure import Failure
from twisted.web.server import Site

from orosync.headers.origin import OriginRule
from orosync.interfaces import RATE, WAITING
from orosync.transport.deflate import Agreement, Inflater
from orosync.transport.frames import PING, control_frame, server_frame
from orosync.transport.handshake import Handshake
from orosync.transport.line import Line
from orosync.transport.pages import Branch
from orosync.transport.quiet import CLOSING, OPEN
from orosync.transport.reading import FrameReader

_FAILURES = (1002, 1003, 1007, 1008, 1009, 1010, 1011)
"""Codes after which the connection has failed (RFC 6455 section 7.1.7): our side ends, and nothing more is parsed.
After any other the peer's CLOSE is waited for (section 7.1.2)."""


class Link(Line, FrameReader):
    """One WebSocket connection."""

    peer: str
    origin_rule: OriginRule
    site: Site | None
    longpoll: Branch | None = None

    framer: Callable[[bytes, bool], bytes] = staticmethod(server_frame)
    ping = control_frame(PING)

    def __init__(self, peer: str) -> None:
        self.peer = peer
        self._queue: list[bytes] = []
        self._handshake = Handshake(self)

    def compress(self, agreement: Agreement) -> None:
        """Compression has been agreed upon."""
        self.framer = agreement.framer
        self._perMessageCompress = Inflater()

    def _ending(self, reason: Failure) -> tuple[bool, int | None, str]:
        if self.wasClean:
            return True, self.remoteCloseCode, self.remoteCloseReason or ""
        self._why = self._why or self.wasNotCleanReason or ""
        return super()._ending(reason)

    def room(self) -> int:
        """See tls_records.Watcher; less what autobahn has of a message in fragments."""
        room = super().room()
        return room - sum(map(len, self.message_data)) if self.inside_message else room

    def _limit(self, size: int) -> None:
        self.message_limit = self.maxFramePayloadSize = self.maxMessagePayloadSize = size

    def close(self, code: int, reason: str) -> None:
        """See ILink."""
        if self.state == OPEN:
            self._why = f"closed by us with {code}: {reason}"
            self.sendCloseFrame(code=code, reasonUtf8=encode_truncate(reason, 123))
            if code in _FAILURES:
                self._end(linger=True)
            else:
                self.resume(WAITING | RATE)

    def sendData(self, data: bytes, sync: bool = False, chopsize: int | None = None) -> None:
        """The way out of autobahn's CLOSE frames: behind what is queued, and at once."""
        self._queue.append(data)
        self.flush()

    def sendCloseFrame(self, code: int | None = None, reasonUtf8: bytes | None = None, isReply: bool = False) -> None:
        super().sendCloseFrame(code, reasonUtf8, isReply)
        if self.state == CLOSING:
            # What still arrives is autobahn's: it waits for the peer's CLOSE.
            self._foreign = self._odd = True
            self.clear = False
            self.wheel.enter(self, self.close_ticks)

    def refused(self, code: int, reason: str) -> None:
        if self.state == OPEN:
            self.journal.note("frame.refused", str(code), address=self.facts.address, reason=reason)
            self.close(code, reason)
        else:
            self._end(linger=True)

    def _closeConnection(self, abort: bool = False) -> None:
        """autobahn has done with the connection; after a proper closing handshake it need not be torn down."""
        if abort and not self.wasClean:
            self.drop_now("dropped")
        else:
            self._end()
