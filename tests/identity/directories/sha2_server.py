"""As much of MySQL 8 as it takes to log in by caching_sha2_password without TLS: no Debian package holds a real one.

MySQL, "Client/Server Protocol": Protocol::HandshakeV10, caching_sha2_password information ("full authentication" over
an insecure channel: the client asks for the RSA key of the server and sends its password under it). Every query is
answered OK.
"""

from __future__ import annotations

import hashlib
import socket
import threading
from contextlib import suppress

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

# LONG_PASSWORD, CONNECT_WITH_DB, PROTOCOL_41, TRANSACTIONS, SECURE_CONNECTION, PLUGIN_AUTH, no SSL
CAPABILITIES = 0x1 | 0x8 | 0x200 | 0x2000 | 0x8000 | 0x80000
NONCE = b"01234567890123456789"
FULL_AUTHENTICATION, FAST_SUCCESS = b"\x01\x04", b"\x01\x03"
OK = b"\x00\x00\x00\x02\x00\x00\x00"
DENIED = b"\xff\x15\x04#28000Access denied for user"
PLUGIN = b"caching_sha2_password\0"


class Sha2Server:
    """Serves one connection after the other on ``port`` until ``stop``. With ``cached`` it knows the password's hash
    from before, and asks for nothing else. ``heard`` is every byte that clients sent, ``queries`` their statements."""

    def __init__(self, password: bytes, cached: bool = False) -> None:
        self.heard = b""
        self.queries: list[str] = []
        self._password = password
        self._cached = cached
        self._key = rsa.generate_private_key(65537, 2048)
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listening.getsockname()[1]
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def stop(self) -> None:
        """No thread and no socket is left."""
        self._listening.shutdown(socket.SHUT_RDWR)
        self._thread.join()
        self._listening.close()

    def _run(self) -> None:
        while True:
            try:
                connection, _ = self._listening.accept()
            except OSError:
                return
            with connection, suppress(EOFError, ConnectionError):
                self._serve(connection)

    def _serve(self, it: socket.socket) -> None:
        greeting = b"\x0a8.0.36\0" + (7).to_bytes(4, "little") + NONCE[:8] + b"\0"
        greeting += (CAPABILITIES & 0xFFFF).to_bytes(2, "little") + b"\xff\x02\x00"
        greeting += (CAPABILITIES >> 16).to_bytes(2, "little") + b"\x15" + bytes(10) + NONCE[8:] + b"\0" + PLUGIN
        self._send(it, 0, greeting)
        number, answer = self._receive(it)
        if not self._is_scramble_in(answer):
            self._send(it, number + 1, DENIED)
            return
        if self._cached:
            self._send(it, number + 1, FAST_SUCCESS)
            number += 1
        else:
            number = self._full_authentication(it, number)
        self._send(it, number + 1, OK)
        while True:
            number, command = self._receive(it)
            if command[:1] == b"\x01":  # COM_QUIT
                return
            self.queries.append(command[1:].decode())
            self._send(it, number + 1, OK)

    def _is_scramble_in(self, answer: bytes) -> bool:
        first = hashlib.sha256(self._password).digest()
        second = hashlib.sha256(hashlib.sha256(first).digest() + NONCE).digest()
        return bytes(a ^ b for a, b in zip(first, second, strict=True)) in answer

    def _full_authentication(self, it: socket.socket, number: int) -> int:
        self._send(it, number + 1, FULL_AUTHENTICATION)
        number, request = self._receive(it)
        if request != b"\x02":
            raise ConnectionError(f"no request for the key: {request!r}")
        public = self._key.public_key().public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )
        self._send(it, number + 1, b"\x01" + public)
        number, sealed = self._receive(it)
        mixed = self._key.decrypt(sealed, padding.OAEP(padding.MGF1(hashes.SHA1()), hashes.SHA1(), None))
        plain = bytes(byte ^ NONCE[index % len(NONCE)] for index, byte in enumerate(mixed))
        if plain != self._password + b"\0":
            raise ConnectionError("another password")
        return number

    @staticmethod
    def _send(it: socket.socket, number: int, payload: bytes) -> None:
        it.sendall(len(payload).to_bytes(3, "little") + bytes([number]) + payload)

    def _receive(self, it: socket.socket) -> tuple[int, bytes]:
        head = self._exactly(it, 4)
        return head[3], self._exactly(it, int.from_bytes(head[:3], "little"))

    def _exactly(self, it: socket.socket, size: int) -> bytes:
        data = b""
        while len(data) < size:
            more = it.recv(size - len(data))
            if not more:
                raise EOFError
            data += more
        self.heard += data
        return data
