"""Several messages in one (WAMP, section "Message Batching"): split and framed, as bytes.

JSON messages are each followed by a separator, 0x1e by the specification and 0x18 with autobahn and Crossbar.io (which
read its ``\30`` as octal); binary ones have their length in front.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

from orosync.errors import ProtocolViolation

SUFFIX = ".batched"
"""What the name of a batched subprotocol ends with."""

MOST = 1000
"""Messages that one batch may hold."""

SEPARATOR, OTHER_SEPARATOR = b"\x1e", b"\x18"

Framer = Callable[[bytes, bool], bytes]


def split(batch: bytes, binary: bool) -> list[bytes]:
    """The messages in ``batch``, at least one. Raises ProtocolViolation, also for more than MOST."""
    if not batch:
        raise ProtocolViolation("a batch without a message")
    messages = _prefixed(batch) if binary else _separated(batch)
    if len(messages) > MOST:
        raise ProtocolViolation(f"a batch of more than {MOST} messages")
    return messages


def separator(batch: bytes) -> bytes:
    """The separator that a client uses, taken from a batch of JSON that ``split`` accepted."""
    return batch[-1:]


def _separated(batch: bytes) -> list[bytes]:
    mark = separator(batch)
    if mark not in (SEPARATOR, OTHER_SEPARATOR):
        raise ProtocolViolation("a batch does not end with a separator (0x1e)")
    # JSON escapes control characters, so a separator never occurs inside a message.
    return batch[:-1].split(mark, MOST)


def _prefixed(batch: bytes) -> list[bytes]:
    messages: list[bytes] = []
    position, size = 0, len(batch)
    while position < size and len(messages) <= MOST:
        start = position + 4
        position = start + int.from_bytes(batch[position:start], "big")
        if start > size or position > size:
            raise ProtocolViolation("a batch ends within a message")
        messages.append(batch[start:position])
    return messages


@cache
def framer(inner: Framer, mark: bytes) -> Framer:
    """``inner`` around batches of one message; ``mark`` is the separator, empty for lengths in front. Cached, so that
    clients with the same framing share frames."""

    def batch_of_one(payload: bytes, binary: bool) -> bytes:
        return inner(payload + mark if mark else len(payload).to_bytes(4, "big") + payload, binary)

    return batch_of_one
