"""The plain HTTP responses that a listener sends itself: fixed bytes, one for each status, whatever the cause.

They name no software, and hold no "[" and no "]" (see ``upgrade.accepted``).
"""

from __future__ import annotations

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
_EXTRA = {
    405: "Allow: GET\r\n",
    426: "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n",
    503: f"Retry-After: {RETRY_AFTER}\r\n",
}


def _whole(status: int, phrase: str) -> bytes:
    body = f"{phrase}\n"
    connection = "Upgrade, close" if status == 426 else "close"
    return (
        f"HTTP/1.1 {status} {phrase}\r\n{_EXTRA.get(status, '')}Content-Type: text/plain; charset=utf-8\r\n"
        f"Content-Length: {len(body)}\r\nCache-Control: no-store\r\nConnection: {connection}\r\n\r\n{body}"
    ).encode()


ANSWERS = {status: _whole(status, phrase) for status, phrase in PHRASES.items()}
"""The whole answer for each status."""
