"""One HTTP request of a long-poll: who sends it, which page may, and its answer.

It must not know what a request is for.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twisted.web import server

from orosync.transport.admission import Place
from orosync.transport.answers import PHRASES, RETRY_AFTER
from orosync.transport.request import SINGLE, BadRequest, Request

_HEADERS = {
    "Cache-Control": "no-store",
    "Server": "orosync",
    "Vary": "Origin",
    "X-Content-Type-Options": "nosniff",
}


class PollRequest:
    """A request of twisted.web, answered at most once."""

    def __init__(self, request: server.Request) -> None:
        self.gone: Callable[[], object] = lambda: None
        self._request: server.Request | None = request
        request.notifyFinish().addErrback(lambda _: self._lost())

    def allow(self, origin: str) -> None:
        """Let the page that sent the request see the answer (Fetch, section "HTTP extensions")."""
        self._header("Access-Control-Allow-Origin", origin)
        self._header("Access-Control-Allow-Credentials", "true")

    def preflight(self) -> None:
        """Answer a browser that asks whether the page may send what it wants to send."""
        self._header("Access-Control-Allow-Methods", "POST")
        self._header("Access-Control-Allow-Headers", "Content-Type")
        self._header("Access-Control-Max-Age", "600")
        self.answer(204)

    def answer(self, status: int, body: bytes = b"", content_type: str = "application/json; charset=utf-8") -> None:
        """Whoever has gone gets nothing."""
        request = self._request
        if request is None:
            return
        self._request = None
        request.setResponseCode(status)
        for name, value in _HEADERS.items():
            request.setHeader(name.encode(), value.encode())
        if status in PHRASES:
            body, content_type = f"{PHRASES[status]}\n".encode(), "text/plain; charset=utf-8"
        if status == 405:
            request.setHeader(b"Allow", b"POST, OPTIONS")
        if status == 503:
            request.setHeader(b"Retry-After", b"%d" % RETRY_AFTER)
        if status != 204:
            request.setHeader(b"Content-Type", content_type.encode())
            request.setHeader(b"Content-Length", b"%d" % len(body))
            request.write(body)
        request.finish()

    def _header(self, name: str, value: str) -> None:
        if self._request is not None:
            self._request.setHeader(name.encode(), value.encode())

    def _lost(self) -> None:
        self._request = None
        self.gone()


def head_of(request: server.Request) -> Request:
    """The head as the handshake of a WebSocket has it. Raises BadRequest for headers that may stand once alone and do
    not."""
    headers: dict[str, str] = {}
    for raw, values in request.requestHeaders.getAllRawHeaders():
        name = raw.decode("latin-1").lower()
        if len(values) > 1 and name in SINGLE:
            raise BadRequest(400, f"{name} header repeated")
        headers[name] = ", ".join(value.decode("latin-1") for value in values)
    path, _, query = request.uri.decode("latin-1").partition("?")
    method, version = request.method.decode("latin-1"), request.clientproto.decode("latin-1")
    return Request(method, path, query, version, headers)


def body_of(request: server.Request) -> bytes:
    """All of the body: a request is rendered when it is complete."""
    content: Any = request.content
    body: bytes = content.read()
    return body


def transport_of(request: server.Request) -> Any:
    """The connection that a request came by."""
    return request.channel.transport


def place_of(request: server.Request) -> Place | None:
    """The place of the connection that a request came by; None where it did not come to a listener."""
    channel: Any = request.channel
    place: Place | None = channel.place
    return place
