"""A WAMP v2 client for asyncio that costs little: JSON over WebSocket, one of many in one thread."""

from __future__ import annotations

import asyncio
import base64
import json
import os
import struct
from collections.abc import Callable
from typing import Any
from urllib.parse import quote

FEATURES: dict[str, Any] = {
    "publisher": {},
    "subscriber": {},
    "caller": {},
    "callee": {"features": {"shared_registration": True, "registration_revocation": True}},
}


class NotJoined(Exception):
    """The connection has ended, or was answered otherwise, before WELCOME."""


class Client(asyncio.Protocol):
    """``port``: its own one. ``handle`` gets each message; ``ended`` is called once when the connection has ended."""

    def __init__(self, path: str, realm: str) -> None:
        self._path, self.realm = path, realm
        self._data = b""
        self._upgraded = False
        self.session = 0
        self.lost = False
        self.joined: asyncio.Future[Client] = asyncio.get_running_loop().create_future()
        self.handle: Callable[[Any], None] = lambda message: None
        self.ended: Callable[[], None] = lambda: None

    @classmethod
    async def join(cls, port: int, realm: str, ticket: str = "", seconds: float = 5.0) -> Client:
        """Connected to 127.0.0.1 and in the realm. NotJoined, OSError, TimeoutError."""
        path = "/ws" + (f"?ticket={quote(ticket, safe='')}" if ticket else "")
        client: Client | None = None
        try:
            async with asyncio.timeout(seconds):
                loop = asyncio.get_running_loop()
                _, client = await loop.create_connection(lambda: cls(path, realm), "127.0.0.1", port)
                return await client.joined
        except BaseException:
            if client is not None:
                client.close()
            raise

    def send(self, *messages: Any) -> None:
        """Each as a text frame."""
        self._transport.write(b"".join(_frame(json.dumps(one).encode(), 1) for one in messages))

    def close(self) -> None:
        """Without a word."""
        self._transport.abort()

    # -- asyncio.Protocol

    def connection_made(self, transport: Any) -> None:
        self._transport = transport
        self.port: int = transport.get_extra_info("sockname")[1]
        lines = (
            f"GET {self._path} HTTP/1.1", "Host: 127.0.0.1", "Upgrade: websocket", "Connection: Upgrade",
            f"Sec-WebSocket-Key: {base64.b64encode(os.urandom(16)).decode()}", "Sec-WebSocket-Version: 13",
            "Sec-WebSocket-Protocol: wamp.2.json", "Origin: http://127.0.0.1", "", "",
        )  # fmt: skip
        transport.write("\r\n".join(lines).encode())

    def connection_lost(self, reason: Exception | None) -> None:
        self.lost = True
        if not self.joined.done():
            self.joined.set_exception(NotJoined(f"the connection has ended: {reason}"))
        self.ended()

    def data_received(self, data: bytes) -> None:
        self._data += data
        if not self._upgraded:
            head, end, rest = self._data.partition(b"\r\n\r\n")
            if not end:
                return
            if not head.startswith(b"HTTP/1.1 101"):
                if not self.joined.done():
                    self.joined.set_exception(NotJoined(head.partition(b"\r\n")[0].decode()))
                self.close()
                return
            self._upgraded, self._data = True, rest
            self.send([1, self.realm, {"roles": FEATURES}])
        self._cut()

    def _cut(self) -> None:
        data, at, size = self._data, 0, len(self._data)
        while size - at >= 2:
            opcode, length, start = data[at] & 15, data[at + 1], at + 2
            if length == 126:
                if size - at < 4:
                    break
                length, start = int.from_bytes(data[at + 2 : at + 4], "big"), at + 4
            elif length == 127:
                if size - at < 10:
                    break
                length, start = int.from_bytes(data[at + 2 : at + 10], "big"), at + 10
            if size < start + length:
                break
            at = start + length
            if opcode == 9:
                self._transport.write(_frame(data[start:at], 10))
            elif opcode == 8:
                self.close()
                break
            else:
                self._message(json.loads(data[start:at]))
        self._data = data[at:]

    def _message(self, message: Any) -> None:
        if self.session:
            self.handle(message)
        elif message[0] == 2:
            self.session = message[1]
            if not self.joined.done():
                self.joined.set_result(self)
        else:
            if not self.joined.done():
                self.joined.set_exception(NotJoined(str(message)))
            self.close()


def _frame(payload: bytes, opcode: int) -> bytes:
    """Masked with zeros, which changes nothing."""
    size = len(payload)
    if size < 126:
        return struct.pack("!BBI", 0x80 | opcode, 0x80 | size, 0) + payload
    if size < 65536:
        return struct.pack("!BBHI", 0x80 | opcode, 0xFE, size, 0) + payload
    return struct.pack("!BBQI", 0x80 | opcode, 0xFF, size, 0) + payload
