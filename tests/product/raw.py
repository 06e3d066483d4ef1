"""A WebSocket client that does as it is told, right or wrong: for what no honest client would send."""

from __future__ import annotations

import base64
import json
import os
import socket
import ssl
import struct
from typing import Any
from urllib.parse import urlsplit

SECONDS = 10.0


class Closed(Exception):
    """The other side ended the connection; ``code`` of its CLOSE frame, None when TCP just ended."""

    def __init__(self, code: int | None) -> None:
        super().__init__(f"closed with {code}")
        self.code = code


class RawClient:
    """Connected and upgraded. ``status`` and ``head`` are the server's answer, whatever it is. ``session`` is one of
    ``tls`` to be resumed."""

    def __init__(
        self,
        url: str,
        subprotocol: str | None = "wamp.2.json",
        origin: str | None = "http://127.0.0.1",
        headers: tuple[str, ...] = (),
        host: str | None = None,
        tls: ssl.SSLContext | None = None,
        session: ssl.SSLSession | None = None,
    ) -> None:
        parts = urlsplit(url)
        assert parts.hostname is not None and parts.port is not None
        self.socket = socket.create_connection((parts.hostname, parts.port), timeout=SECONDS)
        if parts.scheme == "wss":
            context = tls or ssl.create_default_context()
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
            self.socket = context.wrap_socket(self.socket, server_hostname=parts.hostname, session=session)
        target = parts.path + (f"?{parts.query}" if parts.query else "")
        key = base64.b64encode(os.urandom(16)).decode()
        lines = [
            f"GET {target} HTTP/1.1",
            f"Host: {host or parts.netloc}",
            "Upgrade: websocket",
            "Connection: Upgrade",
            f"Sec-WebSocket-Key: {key}",
            "Sec-WebSocket-Version: 13",
            *headers,
        ]
        if subprotocol is not None:
            lines.append(f"Sec-WebSocket-Protocol: {subprotocol}")
        if origin is not None:
            lines.append(f"Origin: {origin}")
        self.socket.sendall("\r\n".join([*lines, "", ""]).encode())
        self._data = b""
        while b"\r\n\r\n" not in self._data:
            self._data += self._read()
        head, _, self._data = self._data.partition(b"\r\n\r\n")
        self.head = head.decode("latin-1")
        self.status = int(self.head.split()[1])

    def send_frame(
        self, payload: bytes, opcode: int = 1, *, fin: bool = True, rsv: int = 0, masked: bool = True
    ) -> None:
        """One frame with any bits."""
        first = (0x80 if fin else 0) | rsv << 4 | opcode
        length, bit = len(payload), 0x80 if masked else 0
        if length < 126:
            head = struct.pack("!BB", first, bit | length)
        elif length < 65536:
            head = struct.pack("!BBH", first, bit | 126, length)
        else:
            head = struct.pack("!BBQ", first, bit | 127, length)
        if masked:
            mask = os.urandom(4)
            whole = int.from_bytes(payload, "big") ^ int.from_bytes((mask * (length // 4 + 1))[:length], "big")
            head, payload = head + mask, whole.to_bytes(length, "big")
        self.socket.sendall(head + payload)

    def send(self, *messages: Any) -> None:
        """Each message as a text frame of JSON."""
        for message in messages:
            self.send_frame(json.dumps(message).encode())

    def read_frame(self) -> tuple[int, bytes]:
        """(opcode, payload) of the next frame; pings are skipped. Raises Closed."""
        while True:
            while (frame := _cut(self._data)) is None:
                self._data += self._read()
            opcode, payload, self._data = frame
            if opcode == 8:
                raise Closed(struct.unpack("!H", payload[:2])[0] if payload else 1005)
            if opcode != 9:
                return opcode, payload

    def read(self) -> Any:
        """The next message, decoded from JSON; text that is none as a string."""
        payload = self.read_frame()[1]
        try:
            return json.loads(payload)
        except ValueError:
            return payload.decode()

    def first_arguments(self, count: int) -> list[Any]:
        """Of so many events, or of those that come without a pause of 10 seconds."""
        self.socket.settimeout(SECONDS)
        found: list[Any] = []
        while len(found) < count:
            try:
                found.append(self.read()[4][0])
            except (TimeoutError, Closed):
                break
        return found

    def ended(self) -> int | None:
        """Read until the end; the CLOSE frame's code or None. Messages on the way are dropped."""
        try:
            while True:
                self.read_frame()
        except Closed as closed:
            return closed.code

    def silent(self, seconds: float = 0.3) -> bool:
        """Whether nothing comes within ``seconds``."""
        self.socket.settimeout(seconds)
        try:
            self.read_frame()
        except TimeoutError:
            return True
        finally:
            self.socket.settimeout(SECONDS)
        return False

    def join(self, realm: str = "open", **details: Any) -> RawClient:
        """HELLO as every kind of client, and read WELCOME."""
        roles = {"publisher": {}, "subscriber": {}, "caller": {}, "callee": {}}
        self.send([1, realm, {"roles": roles, **details}])
        answer = self.read()
        assert answer[0] == 2, answer
        return self

    def close(self) -> None:
        self.socket.close()

    def __enter__(self) -> RawClient:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def _read(self) -> bytes:
        try:
            data = self.socket.recv(65536)
        except (ConnectionError, ssl.SSLError):
            data = b""
        if not data:
            raise Closed(None)
        return data


def _cut(data: bytes) -> tuple[int, bytes, bytes] | None:
    if len(data) < 2:
        return None
    length, start = data[1] & 127, 2
    if length == 126:
        length, start = int.from_bytes(data[2:4], "big"), 4
    elif length == 127:
        length, start = int.from_bytes(data[2:10], "big"), 10
    if len(data) < start + length or len(data) < start:
        return None
    return data[0] & 15, data[start : start + length], data[start + length :]
