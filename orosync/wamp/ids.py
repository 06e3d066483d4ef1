"""WAMP ids: random ones for sessions and publications, counted ones for requests (WAMP, section "IDs")."""

from __future__ import annotations

import struct
from collections.abc import Container
from os import urandom

from orosync.errors import ProtocolViolation

LARGEST = 2**53
"""The largest id: the largest integer range that a JavaScript number holds exactly."""

_BATCH = 64
_UNPACK = struct.Struct(f"{_BATCH}Q").unpack
_pool: list[int] = []


def random_id() -> int:
    """An id of the global scope: uniform over [1, 2**53], unpredictable (session ids go into filters)."""
    # One urandom() for a batch of ids, since every publication takes one.
    if not _pool:
        _pool.extend([number & (LARGEST - 1) or LARGEST for number in _UNPACK(urandom(8 * _BATCH))])
    return _pool.pop()


def free_id(number: int, taken: Container[int]) -> int:
    """``number``, or the next one after it that is not ``taken``: hashes may collide."""
    while number in taken:
        number = number % LARGEST + 1
    return number


def normalise(value: object) -> int:
    """``value`` as an id: an int, or the integral float that some JavaScript clients send, in [0, 2**53].

    Raises ProtocolViolation for anything else (booleans too).
    """
    if type(value) is float and value.is_integer():
        value = int(value)
    if type(value) is not int:
        raise ProtocolViolation("an id must be an integer")
    if not 0 <= value <= LARGEST:
        raise ProtocolViolation("an id is out of range")
    return value


class Sequence:
    """Ids of the session scope: 1, 2, 3 ... 2**53, then 1 again."""

    __slots__ = ("_last",)

    def __init__(self, last: int = 0) -> None:
        self._last = last

    def next(self) -> int:
        self._last = 1 if self._last >= LARGEST else self._last + 1
        return self._last
