"""Clients of the tests: messages written by libraries alone, and messages damaged on the way."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import cbor2
import msgspec
from hypothesis import strategies as st

from orosync.wamp.codec import CODECS, Codec

JSON, MSGPACK, CBOR = CODECS.values()

Write = Callable[[Any], bytes]
WRITE: list[tuple[Codec, Write]] = [
    (JSON, lambda value: json.dumps(value).encode()),
    (MSGPACK, msgspec.msgpack.encode),
    (CBOR, cbor2.dumps),
]
"""Each codec with a library that writes its format."""

MUTATIONS = st.lists(
    st.tuples(st.integers(0, 10**6), st.integers(0, 255), st.sampled_from("rid")), min_size=1, max_size=6
)


def mutate(data: bytes, changes: list[tuple[int, int, str]]) -> bytes:
    """``data`` with bytes replaced, inserted and deleted."""
    text = bytearray(data)
    for place, byte, what in changes:
        place %= len(text) + 1
        text[place : place + (what != "i")] = b"" if what == "d" else bytes([byte])
    return bytes(text)
