"""A RawSocket client that does as it is told, right or wrong."""

from __future__ import annotations

import json
import socket
from typing import Any

SECONDS = 10.0
ROLES = {"publisher": {}, "subscriber": {}, "caller": {}, "callee": {}}


class Ended(Exception):
    """The other side ended the connection."""


class RawSocketClient:
    """Connected; ``greet`` shakes hands. JSON unless told otherwise."""

    def __init__(self, port: int) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=SECONDS)
        self._data = b""

    def greet(self, length: int = 15, serializer: int = 1) -> bytes:
        """The handshake; the four octets of the answer."""
        self.socket.sendall(bytes((0x7F, length << 4 | serializer, 0, 0)))
        return self.exactly(4)

    def join(self, realm: str = "open", *, length: int = 15, **details: Any) -> RawSocketClient:
        """The handshake, HELLO and WELCOME."""
        assert self.greet(length)[1] & 15, "refused"
        self.send([1, realm, {"roles": ROLES, **details}])
        answer = self.read()
        assert answer[0] == 2, answer
        return self

    def send_frame(self, payload: bytes, first: int = 0) -> None:
        self.socket.sendall(bytes((first,)) + len(payload).to_bytes(3, "big") + payload)

    def send(self, *messages: Any) -> None:
        """Each message as a frame of JSON."""
        for message in messages:
            self.send_frame(json.dumps(message).encode())

    def read_frame(self) -> tuple[int, bytes]:
        """(first octet, payload) of the next frame. Raises Ended."""
        head = self.exactly(4)
        return head[0], self.exactly(int.from_bytes(head[1:], "big"))

    def read(self) -> Any:
        """The next message."""
        return json.loads(self.read_frame()[1])

    def exactly(self, size: int) -> bytes:
        while len(self._data) < size:
            try:
                data = self.socket.recv(65536)
            except ConnectionError:
                data = b""
            if not data:
                raise Ended
            self._data += data
        taken, self._data = self._data[:size], self._data[size:]
        return taken

    def ended(self) -> list[Any]:
        """Read until the end; the messages on the way."""
        messages = []
        try:
            while True:
                messages.append(self.read())
        except Ended:
            return messages

    def silent(self, seconds: float = 0.3) -> bool:
        """Whether nothing comes within ``seconds``."""
        self.socket.settimeout(seconds)
        try:
            self.exactly(1)
        except TimeoutError:
            return True
        finally:
            self.socket.settimeout(SECONDS)
        return False

    def close(self) -> None:
        self.socket.close()

    def __enter__(self) -> RawSocketClient:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()
