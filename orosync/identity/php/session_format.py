"""PHP's session formats: what ``session_encode()`` writes, for each value of ``session.serialize_handler``.

    php             key|value key|value ...       the default; no separator after a value, no "|" in a key
    php_binary      <length byte>key value ...    keys of up to 127 bytes
    php_serialize   value                         one array, as serialize() writes it

References count through a whole session: a value may be the same object as one under an earlier key. (PHP's
ext/session/session.c.) It must not know what the keys are for.
"""

from __future__ import annotations

from typing import Final

from orosync.identity.php.serialized import DEFAULT_LIMITS, Limits, ValueReader, unserialize
from orosync.identity.php.values import PhpArray, SessionUnreadable

HANDLERS: Final = ("php", "php_binary", "php_serialize")


def read_session(data: bytes, handler: str = "php", limits: Limits = DEFAULT_LIMITS) -> PhpArray:
    """The values of a session by their keys; empty for no bytes, as PHP has it.

    SessionUnreadable when the bytes are not what PHP writes; ValueError for a ``handler`` that is none of ``HANDLERS``.
    """
    if handler == "php_serialize":
        whole = unserialize(data, limits) if data else PhpArray()
        if not isinstance(whole, PhpArray):
            raise SessionUnreadable("the session is not an array")
        return whole
    if handler not in HANDLERS:
        raise ValueError(f"{handler!r} is none of {', '.join(HANDLERS)}")
    split = _up_to_bar if handler == "php" else _counted
    reader = ValueReader(data, limits)
    session = PhpArray()
    position = 0
    while position < len(data):
        key, position = split(data, position)
        if key in session:
            raise SessionUnreadable(f"byte {position}: a key occurs twice")
        session[key], position = reader.read(position)
    return session


def _up_to_bar(data: bytes, position: int) -> tuple[bytes, int]:
    bar = data.find(b"|", position)
    if bar < 0:
        raise SessionUnreadable(f"byte {position}: a key without a value")
    return data[position:bar], bar + 1


def _counted(data: bytes, position: int) -> tuple[bytes, int]:
    start = position + 1
    stop = start + data[position]
    if data[position] > 127 or stop >= len(data):
        raise SessionUnreadable(f"byte {position}: a key longer than PHP writes, or without a value")
    return data[start:stop], stop
