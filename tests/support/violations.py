"""Every way to break RFC 6455 and RFC 7692 that a server can see, as bytes, and what may follow one."""

from __future__ import annotations

import json
import zlib

from orosync.transport.websocket import FRAGMENTS
from tests.support.wires import client_frame

LIMIT = 6000
"""The message limit that the streams are made for."""

HEAD = b"\0\0\0\0"
"""A mask that changes nothing."""


def squeezed(payload: bytes, mode: int = zlib.Z_SYNC_FLUSH) -> bytes:
    """A message's payload as RFC 7692 section 7.2.1 has it."""
    squeezer = zlib.compressobj(wbits=-15)
    return (squeezer.compress(payload) + squeezer.flush(mode)).removesuffix(b"\0\0\xff\xff")


T = b'[16,1,{},"\xc3\xa4\xe2\x82\xac"]'
_LONG = json.dumps([16, 1, {}, "com.x", ["x" * LIMIT]]).encode()
_BOMB = squeezed(bytes(5_000_000))

FRAMING = {
    "an unmasked text": (client_frame(T, masked=False), 1002),
    "an unmasked ping": (client_frame(b"", 9, masked=False), 1002),
    "an unmasked CLOSE": (client_frame(b"\x03\xe8", 8, masked=False), 1002),
    "reserved bit 2": (client_frame(T, rsv=2), 1002),
    "reserved bit 3": (client_frame(T, rsv=1), 1002),
    "reserved bits 1 and 2": (client_frame(T, rsv=6), 1002),
    "a reserved bit on a ping": (client_frame(b"", 9, rsv=1), 1002),
    "reserved bit 1 on a ping": (client_frame(b"", 9, rsv=4), 1002),
    "reserved bit 1 on a CLOSE": (client_frame(b"\x03\xe8", 8, rsv=4), 1002),
    "reserved bit 1 on a continuation": (client_frame(b"a", fin=False) + client_frame(b"b", 0, rsv=4), 1002),
    **{f"opcode {opcode}": (client_frame(b"x", opcode), 1002) for opcode in (3, 4, 5, 6, 7, 11, 12, 13, 14, 15)},
    "a fragmented ping": (client_frame(b"", 9, fin=False), 1002),
    "a fragmented CLOSE": (client_frame(b"\x03\xe8", 8, fin=False), 1002),
    "a ping too large": (client_frame(b"p" * 126, 9), 1002),
    "a CLOSE too large": (client_frame(b"\x03\xe8" + b"p" * 124, 8), 1002),
    "a pong of 64 bits of length": (b"\x8a\xff" + (70000).to_bytes(8, "big") + HEAD, 1002),
    "a continuation of nothing": (client_frame(T, 0), 1002),
    "the end of nothing": (client_frame(b"", 0, fin=False), 1002),
    "a text inside a message": (client_frame(b"a", fin=False) + client_frame(b"b"), 1002),
    "a message begun inside a message": (client_frame(b"a", 2, fin=False) + client_frame(b"b", 2, fin=False), 1002),
    "a length longer than needed": (b"\x81\xfe\x00\x05" + HEAD + b"hello", 1002),
    "a length of nothing in 64 bits": (b"\x82\xff" + bytes(8) + HEAD, 1002),
    "a length much longer than needed": (b"\x81\xff" + (200).to_bytes(8, "big") + HEAD + bytes(200), 1002),
    "a length of more than 63 bits": (b"\x82\xff\x80" + bytes(7) + HEAD, 1002),
    "an impossible length": (b"\x82\xff" + b"\xff" * 8 + HEAD, 1002),
    "a CLOSE of one byte": (client_frame(b"x", 8), 1002),
    **{
        f"a CLOSE with {code}": (client_frame(code.to_bytes(2, "big"), 8), 1002)
        for code in (0, 999, 1004, 1005, 1006, 1015, 1016, 2999, 5000, 65535)
    },
    "a CLOSE with a reason that is not UTF-8": (client_frame(b"\x03\xe8\xff", 8), 1007),
    "a CLOSE with a reason that ends inside a letter": (client_frame(b"\x03\xe8\xc3", 8), 1007),
    "text that is not UTF-8": (client_frame(b"\xff\xfe"), 1007),
    "text that ends inside a letter": (client_frame(T[:11]), 1007),
    "an overlong encoding": (client_frame(b"\xc0\xaf"), 1007),
    "half of a surrogate pair": (client_frame(b"\xed\xa0\x80"), 1007),
    "bad text in fragments": (client_frame(b"\xc3", fin=False) + client_frame(b"x", 0), 1007),
    "text in fragments that ends inside a letter": (client_frame(b"a", fin=False) + client_frame(b"\xc3", 0), 1007),
    "a message too large": (client_frame(b"x" * (LIMIT + 1), 2, mask=HEAD), 1009),
    "the head of a message much too large": (b"\x82\xff" + (1 << 40).to_bytes(8, "big") + HEAD, 1009),
    "fragments too large together": (
        client_frame(b"x" * LIMIT, 2, fin=False, mask=HEAD) + client_frame(b"x", 0),
        1009,
    ),
    "too many fragments": (client_frame(b"", 2, fin=False) + client_frame(b"", 0, fin=False) * FRAGMENTS, 1009),
    "garbage": (b"\xff" * 40, 1002),
    "HTTP": (b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", 1002),
}
"""By name: a stream that breaks RFC 6455, whatever has been agreed upon, and the code that answers it."""

UNAGREED = {"a compressed message": (client_frame(squeezed(T), rsv=4), 1002)}
"""What breaks it only where no compression has been agreed upon."""

_HALF = len(squeezed(_LONG)) // 2

DEFLATE = {
    "corrupt": (client_frame(b"\xff" * 40, rsv=4), 1007),
    "corrupt, binary": (client_frame(b"\xff" * 40, 2, rsv=4), 1007),
    "corrupt in its first fragment": (
        client_frame(b"\xff" * 40, fin=False, rsv=4) + client_frame(b"\xff" * 40, 0),
        1007,
    ),
    "corrupt in its last fragment": (
        client_frame(squeezed(T)[:5], fin=False, rsv=4) + client_frame(b"\xff" * 40, 0),
        1007,
    ),
    "corrupt by a wrong stored block": (client_frame(b"\x00\x05\x00\x00\x00hello", rsv=4), 1007),
    "cut within a block": (client_frame(squeezed(T * 9)[:-3], rsv=4), 1007),
    "of no byte at all": (client_frame(b"", rsv=4), 1007),
    "with bytes behind its last block": (client_frame(squeezed(T, zlib.Z_FINISH) + b"\0garbage", rsv=4), 1007),
    "inflating to bad text": (client_frame(squeezed(b'[16,1,{},"\xff\xfe"]'), rsv=4), 1007),
    "inflating to text that ends inside a letter": (client_frame(squeezed(T[:11]), rsv=4), 1007),
    "inflating beyond the limit": (client_frame(squeezed(_LONG), rsv=4), 1009),
    "inflating to one byte too many": (client_frame(squeezed(b" " * (LIMIT + 1)), rsv=4), 1009),
    "inflating beyond the limit in fragments": (
        client_frame(squeezed(_LONG)[:_HALF], fin=False, rsv=4) + client_frame(squeezed(_LONG)[_HALF:], 0),
        1009,
    ),
    "a bomb": (client_frame(_BOMB, 2, rsv=4, mask=HEAD), 1009),
    "a bomb in fragments": (
        client_frame(_BOMB[:4000], 2, fin=False, rsv=4, mask=HEAD) + client_frame(_BOMB[4000:5900], 0, mask=HEAD),
        1009,
    ),
}
"""What breaks RFC 7692 or the limit where compression has been agreed upon."""

FOLLOWING = {
    "nothing": b"",
    "a CLOSE": client_frame(b"\x03\xe8", 8),
    "a message": client_frame(T) * 3,
    "a ping": client_frame(b"ping", 9) * 3,
    "fragments": client_frame(b"a", fin=False) + client_frame(b"b", 0, fin=False) * 5,
    "garbage": b"\xff\x00\x81\xfe" * 50,
    "zeros": bytes(3000),
    "another violation": client_frame(b"x", 11) + client_frame(b"\xff" * 40, rsv=4) + client_frame(b"y", 0),
    "half a head": b"\x81",
}
