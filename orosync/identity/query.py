"""One value out of a query string, exactly as PHP's parse_str finds it.

The browser and the publisher write their query for PHP, so PHP's reading is the standard here. It must not
know what the value means.
"""

from __future__ import annotations

from urllib.parse import unquote_to_bytes

MOST_VARIABLES = 1000
"""PHP reads no further (max_input_vars)."""


def last_value(query: str, name: str) -> bytes | None:
    """The decoded value of ``name``: the last of several wins, "+" and "%20" are blanks. None if it is absent.

    ValueError if PHP would make an array of it (``name[]=``, ``name[key]=``). ``name`` must be plain letters.
    """
    wanted = name.encode("ascii")
    found: bytes | None = None
    is_array = False
    pairs = [pair for pair in query.split("&") if pair]
    for pair in pairs[:MOST_VARIABLES]:
        key, _, value = pair.partition("=")
        # PHP ends a name at a NUL byte and drops blanks before it.
        base, bracket, rest = _decoded(key).partition(b"\0")[0].lstrip(b" ").partition(b"[")
        if base != wanted:
            continue
        if bracket and b"]" not in rest:
            continue  # a bracket that is never closed becomes part of another name
        found, is_array = _decoded(value), bool(bracket)
    if is_array:
        raise ValueError(f"{name} is a list")
    return found


def _decoded(text: str) -> bytes:
    return unquote_to_bytes(text.replace("+", " ").encode("utf-8", "replace"))
