"""permessage-deflate (RFC 7692): agreement with a client, compressed frames that many clients can share, and inflating.

Neither side keeps a context from one message to the next (section 7.1.1): a frame is compressed once for all clients
that agreed on the same window, and an idle connection holds no buffers. autobahn parses offers and inflates; the
message limit applies to the inflated message.
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
"""An empty last block: valid only where a block may begin."""

Framer = Callable[[bytes, bool], bytes]


@attrs.frozen
class Agreement:
    """``answer`` is the value of the header in the 101, ``bits`` the largest window of what we send."""

    answer: str
    bits: int

    @property
    def framer(self) -> Framer:
        """One function for all clients that agreed on the same window, so that they share frames."""
        return deflated_framer(self.bits)


@lru_cache(maxsize=64)
def agreed(header: str | None) -> Agreement | None:
    """The agreement on a client's Sec-WebSocket-Extensions: its first offer of permessage-deflate that can be accepted
    (section 5.1). None without one."""
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
    """``ILink.framer`` for a window of ``bits``: compressed where that makes the frame smaller (section 7.2.1)."""

    def frame(payload: bytes, binary: bool) -> bytes:
        if len(payload) < SHORTEST:
            return server_frame(payload, binary)
        compressor = zlib.compressobj(wbits=-bits)
        compressed = (compressor.compress(payload) + compressor.flush(zlib.Z_SYNC_FLUSH))[: -len(_TAIL)]
        if len(compressed) >= len(payload):
            return server_frame(payload, binary)
        whole = server_frame(compressed, binary)
        return bytes((whole[0] | _RSV1,)) + whole[1:]

    return frame


class Inflater(PerMessageDeflate):
    """autobahn's inflating, without a context between two messages."""

    def __init__(self) -> None:
        super().__init__(True, True, True, 0, 0, None)  # type: ignore[no-untyped-call]

    def decompress_message_data(self, data: bytes, max_output_len: int | None = None) -> bytes:
        """Inflate ``data``. autobahn stops at the limit, and would silently lose a byte beyond it that zlib still
        holds; with room for that byte it finds the message too large."""
        room = None if max_output_len is None else max_output_len + 1
        inflated: bytes = super().decompress_message_data(data, room)  # type: ignore[no-untyped-call]
        return inflated

    def end_decompress_message(self) -> None:
        """The message is complete, and so must its blocks be (section 7.2.2). Raises PayloadCorruptError for a
        truncated message, of which zlib silently gives the beginning, and for bytes behind the last block."""
        inflater: Any = self._decompressor
        super().end_decompress_message()  # type: ignore[no-untyped-call]
        self._decompressor = None
        if inflater.eof:
            # A block with BFINAL (section 7.2.3.5): the octet that ends it may follow, and the trailer of autobahn.
            if inflater.unused_data.removeprefix(b"\0") != _TAIL and inflater.unused_data != _TAIL:
                raise PayloadCorruptError("bytes behind the last block of a permessage-deflate message")
        else:
            try:
                inflater.decompress(_LAST)
            except zlib.error as error:
                raise PayloadCorruptError(f"invalid permessage-deflate data: {error}") from error
            if not inflater.eof:
                raise PayloadCorruptError("a permessage-deflate message ends within a block")
