"""A Cookie header as Oro's PHP reads it. Pure; must not know what any cookie means."""

from __future__ import annotations

from collections.abc import Mapping

from orosync.model import NOTHING


def parse_cookies(header: str | None) -> Mapping[str, str]:
    """A Cookie header as PHP reads it: values verbatim, and of two cookies of one name the first counts.

    A browser sends the cookie of the longer path first (RFC 6265 section 5.4). Pieces without "=" are passed over.
    """
    if not header:
        return NOTHING
    cookies: dict[str, str] = {}
    for piece in header.split(";"):
        name, equals, value = piece.strip(" \t").partition("=")
        if equals and name:
            cookies.setdefault(name, value)
    return cookies
