"""permessage-deflate (RFC 7692): what is agreed upon with a client, frames that many can share, and the way back.

Neither side keeps a context from one message to the next: a frame is compressed once for all who agreed upon the same
window, and an idle connection holds no buffers. autobahn reads offers and inflates; the limit on messages counts what
comes out. Nothing here knows connections or what a message means.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable
from functools import cache, lru_cache
from typing import Any

import attrs
from autobahn.exception import PayloadCorruptError
from autobahn.websocket.compress_deflate import PerMessageDeflate, PerMessageDeflateOffer

from orosync.transport.autobahn_protocol import AutobahnServerProtocol
from orosync.transport.frames import server_frame

EXTENSION = "permessage-deflate"

SHORTEST = 256
"""Bytes below which compressing gains less than it costs."""

_RSV1 = 0x40
_TAIL = b"\0\0\xff\xff"
"""The end of a flushed block, which is not sent (section 7.2.1)."""

_LAST = b"\x01\0\0\xff\xff"
"""An empty block that is the last: understood only where a block may begin."""

Framer = Callable[[bytes, bool], bytes]


@attrs.frozen
class Agreement:
    """``answer`` is the header's value in the 101; ``bits`` the window that what we send has at most."""

    answer: str
    bits: int

    @property
    def framer(self) -> Framer:
        """Frames for all who agreed upon the same: the same function, so that they are shared."""
        return deflated_framer(self.bits)


@lru_cache(maxsize=64)
def agreed(header: str | None) -> Agreement | None:
    """What is made of a client's Sec-WebSocket-Extensions: the first offer of permessage-deflate that can be taken as
    it is; None where there is none."""
    for name, parameters in AutobahnServerProtocol()._parseExtensionsHeader(header or ""):
        if name != EXTENSION:
            continue
        try:
            offer = PerMessageDeflateOffer.parse(parameters)
        except Exception:  # nothing narrower is raised for parameters that are wrong
            continue
        bits = offer.request_max_window_bits
        window = f"; server_max_window_bits={bits}" if bits else ""
        answer = f"{EXTENSION}; server_no_context_takeover; client_no_context_takeover{window}"
        return Agreement(answer, bits or zlib.MAX_WBITS)
    return None


@cache
def deflated_framer(bits: int) -> Framer:
    """``ILink.framer`` for a window of ``bits``: compressed where that makes a frame smaller."""

    def frame(payload: bytes, binary: bool) -> bytes:
        if len(payload) < SHORTEST:
            return server_frame(payload, binary)
        squeezer = zlib.compressobj(wbits=-bits)
        squeezed = (squeezer.compress(payload) + squeezer.flush(zlib.Z_SYNC_FLUSH))[: -len(_TAIL)]
        if len(squeezed) >= len(payload):
            return server_frame(payload, binary)
        whole = server_frame(squeezed, binary)
        return bytes((whole[0] | _RSV1,)) + whole[1:]

    return frame


class Inflater(PerMessageDeflate):
    """autobahn's way back, without anything kept between two messages."""

    def __init__(self) -> None:
        super().__init__(True, True, True, 0, 0, None)  # type: ignore[no-untyped-call]

    def decompress_message_data(self, data: bytes, max_output_len: int | None = None) -> bytes:
        """What comes out of ``data``. autobahn leaves off at the limit, and the one byte too many that zlib still holds
        then would be lost without a word: with room for that byte, it finds the message too large."""
        room = None if max_output_len is None else max_output_len + 1
        inflated: bytes = super().decompress_message_data(data, room)  # type: ignore[no-untyped-call]
        return inflated

    def end_decompress_message(self) -> None:
        """The message is complete, and so are its blocks (section 7.2.2). Raises PayloadCorruptError for one that was
        cut, of which zlib would give the beginning without a word, and for bytes behind the last block."""
        inflater: Any = self._decompressor
        super().end_decompress_message()  # type: ignore[no-untyped-call]
        self._decompressor = None
        if inflater.eof:
            # A block that says it is the last (section 7.2.3.5): the octet that ends it may follow, and our trailer.
            if inflater.unused_data.removeprefix(b"\0") != _TAIL and inflater.unused_data != _TAIL:
                raise PayloadCorruptError("bytes behind the last block of a permessage-deflate message")
        else:
            try:
                inflater.decompress(_LAST)
            except zlib.error as error:
                raise PayloadCorruptError(f"invalid permessage-deflate data: {error}") from error
            if not inflater.eof:
                raise PayloadCorruptError("a permessage-deflate message ends within a block")
