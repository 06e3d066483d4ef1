"""What the demonstration answers: values, with the headers that go with every one of them.

It must not know twisted.web, users or records.
"""

from __future__ import annotations

import json
from collections.abc import Mapping

import attrs

from orosync.demo.loopback import is_loopback_host
from orosync.transport.static_pages import PROTECTION

JSON = "application/json; charset=utf-8"


@attrs.frozen
class Answer:
    """One HTTP response. ``headers`` come on top of ``protective_headers``; ``cookies`` are whole Set-Cookie values."""

    status: int
    body: bytes = attrs.field(repr=False)
    content_type: str = JSON
    headers: Mapping[str, str] = attrs.field(factory=dict)
    cookies: tuple[str, ...] = attrs.field(default=(), repr=False)


class Problem(Exception):
    """A request that cannot be answered as asked: ``status`` and ``sentence`` say so to whoever sent it."""

    def __init__(self, status: int, sentence: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(sentence)
        self.status = status
        self.sentence = sentence
        self.headers = dict(headers or {})

    def answer(self) -> Answer:
        """As a response: ``{"error": sentence}``."""
        return as_json({"error": self.sentence}, self.status, headers=self.headers)


def as_json(
    value: object, status: int = 200, *, headers: Mapping[str, str] | None = None, cookies: tuple[str, ...] = ()
) -> Answer:
    """``value`` as the body of a response."""
    return Answer(status, json.dumps(value).encode(), headers=dict(headers or {}), cookies=cookies)


def protective_headers(host: str | None) -> dict[str, str]:
    """What every response carries: nothing is kept, framed, guessed or fetched from elsewhere.

    ``host`` is the request's Host; if it is this machine's, its WebSocket is named too, since not every browser takes
    'self' for it.
    """
    sockets = f"'self' wss://{host}" if host is not None and is_loopback_host(host) else "'self'"
    policy = (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self'",
        f"connect-src {sockets}",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
    )
    return {
        **PROTECTION,
        "Cache-Control": "no-store",
        "Content-Security-Policy": "; ".join(policy),
    }
