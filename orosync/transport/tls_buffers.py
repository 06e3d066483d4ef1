"""The records and the plaintext of one TLS connection, which OpenSSL exchanges through two buffers in memory (BIOs).

pyOpenSSL's public methods allocate a buffer for each read, of the size that is asked for, and raise an exception where
there is nothing: with short messages that costs more than the encryption. ``BoundBuffers`` calls the same functions of
OpenSSL through pyOpenSSL's own binding, with one buffer for the process. The binding is private: where it is not what
is known here, ``PublicBuffers`` does the same with public methods.

All of it belongs to the reactor's thread.
"""

from __future__ import annotations

from contextlib import suppress
from typing import Any, Protocol

from OpenSSL import SSL

RECORD = 1 << 14
"""Bytes of plaintext that a record holds at most (RFC 8446 section 5.1)."""

SIZE = 1 << 15
"""Bytes that are read from a buffer at once: a whole record with its overhead, and more."""


class Buffers(Protocol):
    """What is done with them."""

    def encrypt(self, data: bytes) -> tuple[int, bytes]:
        """Make a record of ``data``, 1 to RECORD bytes. Returns how many of them are in it, and all that is to be sent
        now. They are fewer for a peer that asked for short records (RFC 6066 section 4), and none if OpenSSL takes
        none now; then only SSL.Connection.send tells why."""

    def decrypt(self) -> tuple[bytes, SSL.Error | None]:
        """The plaintext of all records that have arrived whole, and the error that follows, None for none."""

    def outgoing(self) -> bytes:
        """What is to be sent now; nothing if there is nothing."""


NOTHING = 0, b""


class NoBuffers:
    """Of a connection that is lost. OpenSSL's objects are not kept for the sake of something that still sends to it."""

    def encrypt(self, data: bytes) -> tuple[int, bytes]:
        """See Buffers."""
        return NOTHING

    def decrypt(self) -> tuple[bytes, SSL.Error | None]:
        """See Buffers."""
        return b"", None

    def outgoing(self) -> bytes:
        """See Buffers."""
        return b""


NO_BUFFERS = NoBuffers()


class PublicBuffers:
    """By pyOpenSSL's public methods."""

    __slots__ = ("_connection",)

    def __init__(self, connection: Any) -> None:
        self._connection = connection

    def encrypt(self, data: bytes) -> tuple[int, bytes]:
        """See Buffers."""
        try:
            taken = self._connection.send(data)
        except SSL.Error:
            return NOTHING
        return taken, self.outgoing()

    def decrypt(self) -> tuple[bytes, SSL.Error | None]:
        """See Buffers."""
        pieces = []
        try:
            while True:
                pieces.append(self._connection.recv(SIZE))
        except SSL.WantReadError:
            return b"".join(pieces), None
        except SSL.Error as error:
            return b"".join(pieces), error.with_traceback(None)

    def outgoing(self) -> bytes:
        """See Buffers."""
        data = b""
        with suppress(SSL.WantReadError):
            while len(data) % SIZE == 0:
                data += self._connection.bio_read(SIZE)
        return data


_FUNCTIONS = {
    "SSL_read": "int(*)(SSL *, void *, int)",
    "SSL_write": "int(*)(SSL *, void *, int)",
    "SSL_get_error": "int(*)(SSL *, int)",
    "BIO_read": "int(*)(BIO *, void *, int)",
    "ERR_clear_error": "void(*)()",
}
_ATTRIBUTES = {"_ssl": "SSL *", "_from_ssl": "BIO *"}


def is_known(binding: Any, connection: Any) -> bool:
    """Whether everything private is there that BoundBuffers uses, with the types that it has been written for.

    ``binding`` is the module OpenSSL.SSL, ``connection`` one without a socket.
    """
    try:
        type_of = binding._ffi.typeof
        functions = {name: str(type_of(getattr(binding._lib, name))) for name in _FUNCTIONS}
        attributes = {name: str(type_of(getattr(connection, name))) for name in _ATTRIBUTES}
        known: bool = (
            functions == {name: f"<ctype '{kind}'>" for name, kind in _FUNCTIONS.items()}
            and attributes == {name: f"<ctype '{kind}'>" for name, kind in _ATTRIBUTES.items()}
            and isinstance(binding._lib.SSL_ERROR_WANT_READ, int)
            and callable(connection._raise_ssl_error)
        )
    except (AttributeError, TypeError):
        return False
    return known


KNOWN = is_known(SSL, SSL.Connection(SSL.Context(SSL.TLS_METHOD)))

if KNOWN:
    _lib: Any = SSL._lib  # type: ignore[attr-defined]
    _ffi: Any = SSL._ffi  # type: ignore[attr-defined]
    _read, _write, _get_error = _lib.SSL_read, _lib.SSL_write, _lib.SSL_get_error
    _bio_read, _clear_error, _WANT_READ = _lib.BIO_read, _lib.ERR_clear_error, _lib.SSL_ERROR_WANT_READ
    _space = _ffi.new("char[]", SIZE)
    _bytes = _ffi.buffer(_space)


class BoundBuffers:
    """By OpenSSL's functions themselves."""

    __slots__ = ("_connection", "_from_ssl", "_ssl")

    def __init__(self, connection: Any) -> None:
        self._connection = connection
        # The second belongs to the first, which frees it.
        self._ssl, self._from_ssl = connection._ssl, connection._from_ssl

    def encrypt(self, data: bytes) -> tuple[int, bytes]:
        """See Buffers."""
        taken = _write(self._ssl, data, len(data))
        if taken <= 0:
            _clear_error()  # or the next connection would take it for its own
            return NOTHING
        size = _bio_read(self._from_ssl, _space, SIZE)
        return taken, _bytes[:size] if 0 < size < SIZE else self._more(size)

    def decrypt(self) -> tuple[bytes, SSL.Error | None]:
        """See Buffers."""
        pieces = []
        while (size := _read(self._ssl, _space, SIZE)) > 0:
            pieces.append(_bytes[:size])
        if _get_error(self._ssl, size) != _WANT_READ:
            try:
                self._connection._raise_ssl_error(self._ssl, size)
            except SSL.Error as error:
                return b"".join(pieces), error.with_traceback(None)
        return b"".join(pieces), None

    def outgoing(self) -> bytes:
        """See Buffers."""
        return self._more(_bio_read(self._from_ssl, _space, SIZE))

    def _more(self, size: int) -> bytes:
        data = b""
        while size > 0:
            data += _bytes[:size]
            size = _bio_read(self._from_ssl, _space, SIZE) if size == SIZE else 0
        return data


def buffers_of(connection: Any) -> Buffers:
    """Those of an OpenSSL.SSL.Connection that has no socket."""
    return BoundBuffers(connection) if KNOWN else PublicBuffers(connection)
