"""The plain HTTP responses that a listener sends itself: one for each status, whatever the cause, and the date.

They name no software, and hold no "[" and no "]" (see ``upgrade.accepted``).
"""

from __future__ import annotations

from email.utils import formatdate
from enum import Enum

from orosync.clocks import Now

RETRY_AFTER = 5
"""Seconds that a client is asked to wait after 503."""

PHRASES = {
    400: "Bad Request",
    403: "Forbidden",
    404: "Not Found",
    405: "Method Not Allowed",
    413: "Content Too Large",
    426: "Upgrade Required",
    431: "Request Header Fields Too Large",
    503: "Service Unavailable",
    505: "HTTP Version Not Supported",
}
"""Of refusals."""

_EXTRA = {
    # For a request of another version of WebSocket, which is refused with 400 (RFC 6455 sections 4.2.2 and 4.4).
    400: "Sec-WebSocket-Version: 13\r\n",
    405: "Allow: GET\r\n",
    426: "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n",
    503: f"Retry-After: {RETRY_AFTER}\r\n",
}


class Body(Enum):
    """What a response has besides its status."""

    PHRASE = "phrase"
    PAGE = "page"
    NONE = "none"


_PAGE = """<!DOCTYPE html>
<html lang="en">
<head><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>WebSocket</title></head>
<body>
<h1>This address is for WebSocket</h1>
<p>It works. Pages and programs connect here by WebSocket (WAMP) and receive notifications; they do so by themselves.
There is nothing to read in a browser.</p>
</body>
</html>
"""


def _whole(status: int, date: str, kind: Body) -> bytes:
    phrase = PHRASES.get(status, "OK")
    body = {Body.PHRASE: f"{phrase}\n", Body.PAGE: _PAGE, Body.NONE: ""}[kind]
    content_type = "text/html" if kind is Body.PAGE else "text/plain"
    described = f"Content-Type: {content_type}; charset=utf-8\r\n" if body else ""
    connection = "Upgrade, close" if status == 426 else "close"
    return (
        f"HTTP/1.1 {status} {phrase}\r\nDate: {date}\r\n{_EXTRA.get(status, '')}{described}"
        f"Content-Length: {len(body)}\r\nCache-Control: no-store\r\nConnection: {connection}\r\n\r\n{body}"
    ).encode()


class HttpResponses:
    """The whole responses of a listener. Those of one second are made once: refusals come in floods."""

    def __init__(self, now: Now) -> None:
        self._now = now
        self._second = -1
        self._made: dict[tuple[int, Body], bytes] = {}

    def answer(self, status: int, method: str = "GET", body: Body = Body.PHRASE) -> bytes:
        """The response to a request with ``method``: that to HEAD ends with its head (RFC 9110 section 9.3.2). It has
        the date, as every response of a server with a clock (section 6.6.1)."""
        second = int(self._now())
        if second != self._second:
            self._second = second
            self._made.clear()
        whole = self._made.get((status, body))
        if whole is None:
            whole = self._made[status, body] = _whole(status, formatdate(second, usegmt=True), body)
        return whole[: whole.index(b"\r\n\r\n") + 4] if method == "HEAD" else whole
