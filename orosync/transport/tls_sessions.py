"""Resumption of TLS sessions by tickets (RFC 8446 section 2.2, RFC 5077): which keys encrypt them, and for how long.

A client that returns with a ticket skips the certificate and its signature, the most expensive part of a handshake. The
server keeps nothing for it: the ticket is the session, encrypted with a key that only the server has. pyOpenSSL cannot
set that key. OpenSSL makes one at random for each context and never changes it, so a new key is a new context, and
processes cannot share one. The former context is kept as long as its tickets are valid, for clients that return with
one of these: the name of its key stands in their ClientHello.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress

import attrs
from OpenSSL import SSL

LIFETIME = 8 * 3600
"""Seconds for which a ticket is valid, and after which a new key encrypts new ones."""

_TYPE, _NEW_SESSION_TICKET = 5, 4
_NAME = slice(15, 31)
"""Of a record with a ticket of TLS 1.2: the type of the message behind the record's head, and the name of the key,
behind the message's head (4 bytes), the ticket's lifetime (4) and its length (2)."""


@attrs.frozen
class _Key:
    context: SSL.Context
    name: bytes
    made: float


class TicketKeys:
    """The key that encrypts tickets now, and the former one, whose tickets are still accepted: each is a context.

    ``make`` makes a context with TLS 1.2 and tickets and raises SSL.Error if it cannot; ``seconds`` is that of a
    clock. A connection belongs to the context that it was made from, also when that is replaced.
    """

    def __init__(self, make: Callable[[], SSL.Context], seconds: Callable[[], float]) -> None:
        self._make = make
        self._seconds = seconds
        self._present = self._new(make)
        self._former: _Key | None = None
        self._former_until = 0.0

    def _new(self, make: Callable[[], SSL.Context]) -> _Key:
        context = make()
        context.set_timeout(LIFETIME)
        return _Key(context, _key_name(context), self._seconds())

    def replace(self, make: Callable[[], SSL.Context]) -> None:
        """From now on contexts are what ``make`` makes, with a new key at once. Raises SSL.Error, and then nothing has
        changed."""
        now, present = self._seconds(), self._new(make)
        self._make = make
        # The last ticket of the present key may be as old as the key itself if no client has connected since.
        self._former_until = min(now, self._present.made + LIFETIME) + LIFETIME
        self._former, self._present = self._present, present

    @property
    def context(self) -> SSL.Context:
        """For a new connection; with a new key if the present one is too old."""
        now = self._seconds()
        if now >= self._present.made + LIFETIME:
            self.replace(self._make)
        if self._former is not None and now >= self._former_until:
            self._former = None
        return self._present.context

    @property
    def has_former(self) -> bool:
        """Whether there is a former key, as of the last use of ``context``."""
        return self._former is not None

    def former_connection(self, hello: bytes) -> SSL.Connection | None:
        """The connection for a client that begins with ``hello`` (a TLS record), if this has a ticket of the former
        key. If the ticket cannot be used the handshake is a full one, with the present certificate."""
        former = self._former
        if former is None or not former.name or former.name not in hello:
            return None
        connection = SSL.Connection(former.context)
        connection.set_context(self._present.context)  # its certificate; the ticket's key stays the former one
        return connection


def _key_name(context: SSL.Context) -> bytes:
    """The name of the key of ``context``, which its tickets begin with (RFC 5077 section 4). pyOpenSSL does not tell
    it. In TLS 1.2 the server sends tickets unencrypted, in its last flight, so a handshake in memory shows one.

    b"" where no such handshake is possible, for instance because of the certificate's curve; then tickets of this key
    are accepted only as long as it is the present one.
    """
    client_context = SSL.Context(SSL.TLS_CLIENT_METHOD)
    client_context.set_max_proto_version(SSL.TLS1_2_VERSION)
    client, server = SSL.Connection(client_context), SSL.Connection(context)
    client.set_connect_state()
    server.set_accept_state()
    sent = b""
    try:
        for sender, receiver in ((client, server), (server, client)) * 2:
            with suppress(SSL.WantReadError):
                sender.do_handshake()
            sent = sender.bio_read(65536)
            receiver.bio_write(sent)
    except SSL.Error:
        return b""
    return sent[_NAME] if sent[_TYPE] == _NEW_SESSION_TICKET else b""
