"""What a WebSocket client may send, good and bad, as bytes, and what autobahn alone makes of it."""

from __future__ import annotations

from autobahn.twisted.websocket import WebSocketServerFactory, WebSocketServerProtocol

from tests.support.wires import MemoryWire, client_frame, upgrade

LIMIT = 65536

T, B = b'[1,"\xc3\xa4\xe2\x82\xac",{}]', bytes(range(256))

GOOD = {
    "a text": client_frame(T),
    "a binary": client_frame(B, 2),
    "an empty text": client_frame(b""),
    "an empty binary": client_frame(b"", 2),
    "two texts": client_frame(T) + client_frame(b"second"),
    "masks of every kind": b"".join(client_frame(T, mask=bytes((n, 255 - n, n, 0))) for n in range(8)),
    "text in two fragments": client_frame(T[:4], fin=False) + client_frame(T[4:], 0),
    "text cut inside a letter": client_frame(T[:5], fin=False) + client_frame(T[5:], 0),
    "fragments, some empty": client_frame(b"", 2, fin=False) + client_frame(b"ab", 0, fin=False) + client_frame(b"", 0),
    "a ping": client_frame(b"are you there", 9),
    "an empty ping": client_frame(b"", 9),
    "the largest ping": client_frame(b"p" * 125, 9),
    "a pong": client_frame(b"unasked", 10),
    "a ping between messages": client_frame(T) + client_frame(b"p", 9) + client_frame(b"x", 2),
    "pings inside a message": client_frame(b"a", fin=False)
    + client_frame(b"p1", 9)
    + client_frame(b"b", 0, fin=False)
    + client_frame(b"p2", 9)
    + client_frame(b"", 10)
    + client_frame(b"c", 0)
    + client_frame(T),
}

BAD = {
    "an unmasked text": (client_frame(T, masked=False), 1002),
    "an unmasked ping": (client_frame(b"", 9, masked=False), 1002),
    "reserved bit 1": (client_frame(T, rsv=4), 1002),
    "reserved bit 2": (client_frame(T, rsv=2), 1002),
    "reserved bit 3": (client_frame(T, rsv=1), 1002),
    "a reserved bit on a ping": (client_frame(b"", 9, rsv=1), 1002),
    "opcode 3": (client_frame(T, 3), 1002),
    "opcode 7": (client_frame(b"", 7), 1002),
    "opcode 11": (client_frame(b"", 11), 1002),
    "opcode 15": (client_frame(b"", 15), 1002),
    "a fragmented ping": (client_frame(b"", 9, fin=False), 1002),
    "a ping too large": (client_frame(b"p" * 126, 9), 1002),
    "a continuation of nothing": (client_frame(T, 0), 1002),
    "a text inside a message": (client_frame(b"a", fin=False) + client_frame(b"b"), 1002),
    "a length longer than needed": (b"\x81\xfe\x00\x05" + b"\0" * 4 + b"hello", 1002),
    "a length much longer than needed": (b"\x81\xff" + (200).to_bytes(8, "big") + b"\0" * 204, 1002),
    "an impossible length": (b"\x82\xff" + b"\xff" * 8 + b"\0" * 4, 1002),
    "text that is not UTF-8": (client_frame(b"\xff\xfe"), 1007),
    "text that ends inside a letter": (client_frame(T[:5]), 1007),
    "an overlong encoding": (client_frame(b"\xc0\xaf"), 1007),
    "half of a surrogate pair": (client_frame(b"\xed\xa0\x80"), 1007),
    "bad text in fragments": (client_frame(b"\xc3", fin=False) + client_frame(b"x", 0), 1007),
    "a message too large": (client_frame(b"x" * (LIMIT + 1), 2), 1009),
    "fragments too large together": (client_frame(b"x" * LIMIT, 2, fin=False) + client_frame(b"x", 0), 1009),
    "a CLOSE of one byte": (client_frame(b"x", 8), 1002),
    "a CLOSE with a forbidden code": (client_frame(b"\x03\xec", 8), 1002),
    "a CLOSE with a reason that is not UTF-8": (client_frame(b"\x03\xe8\xff", 8), 1007),
}

CLOSES = {
    "a CLOSE": (client_frame(b"", 8), 1000),
    "a CLOSE with a code": (client_frame(b"\x03\xe8", 8), 1000),
    "a CLOSE as Oro's publisher sends it": (client_frame(b"\x03\xe8ttfn", 8), 1000),
    "a private code": (client_frame(b"\x0f\xa0bye", 8), 1000),
}


class StockProtocol(WebSocketServerProtocol):
    """autobahn as it comes, remembering messages."""

    def onOpen(self) -> None:
        self.messages: list[tuple[bytes, bool]] = []

    def onMessage(self, payload: bytes, isBinary: bool) -> None:
        self.messages.append((payload, isBinary))


def stock(stream: bytes) -> tuple[list[tuple[bytes, bool]], bytes, bool]:
    """What autobahn alone makes of a stream, given whole: messages, bytes answered, connection ended."""
    factory = WebSocketServerFactory()
    factory.setProtocolOptions(
        failByDrop=False,
        maxFramePayloadSize=LIMIT,
        maxMessagePayloadSize=LIMIT,
        openHandshakeTimeout=0,
        closeHandshakeTimeout=0,
    )
    factory.protocol = StockProtocol
    protocol = factory.buildProtocol(None)
    transport = MemoryWire()
    protocol.makeConnection(transport)
    protocol.dataReceived(upgrade())
    transport.clear()
    protocol.dataReceived(stream)
    return protocol.messages, transport.value(), transport.disconnecting
