"""PHP's serialize() format, read into inert values (PHP's ext/standard/var_unserializer.re is the definition).

    N;  b:1;  i:-5;  d:0.1;  s:5:"bytes";  S:1:"\\41";   scalars; lengths count bytes
    a:1:{key value}  O:3:"Cls":1:{key value}            arrays and objects; keys are i, s or S
    E:8:"Cls:Case";                                     a case of an enumeration
    C:3:"Cls":4:{free}                                  an object of a class with a format of its own
    r:2;  R:2;                                          the object, or the variable, that was read as number 2

Numbers count every value in the order in which it began, from 1, keys and ``R`` left out, ``r`` included. What a class
with its own format writes with serialize() is numbered along with the rest.

It reads what PHP writes and no more: spellings that PHP would still accept (leading zeros, a key twice, a number out of
range) are refused, since they are not PHP's. Nothing is recursive; size, depth and number of values are bounded, and
every byte is looked at once. It must not know what a session is, nor any class by name.
"""

from __future__ import annotations

from typing import Final

import attrs

from orosync.identity.php.grammar import (
    ARRAY,
    BOOLEAN,
    BRACE,
    DIGITS,
    ENUMERATION,
    ESCAPED,
    FLOAT,
    INTEGER,
    KEY,
    LARGEST,
    NULL,
    OBJECT,
    OWN_FORMAT,
    SAME_OBJECT,
    SAME_VARIABLE,
    SMALLEST,
    STRING,
    VALUE,
    Fault,
    array_key,
    enumeration,
    escaped,
    name_and_number,
)
from orosync.identity.php.values import (
    PhpArray,
    PhpCustom,
    PhpEnum,
    PhpObject,
    PhpUnresolved,
    PhpValue,
    SessionUnreadable,
)


@attrs.frozen
class Limits:
    """How much is read at most: ``size`` in bytes, ``depth`` in containers inside each other, ``values`` in all."""

    size: int = 256 * 1024
    depth: int = 512
    values: int = 16_000


DEFAULT_LIMITS: Final = Limits()
OPAQUE: Final = 3
"""How many values an opaque payload counts for beside those found in it: finding out takes as long."""


class _Form:
    """What a container is while it is open: how its entries are spelled, and how it ends."""

    OBJECT = 0
    ARRAY = 1
    PAYLOAD = 2
    """That of a class with its own format: one value without a key, up to the last byte."""
    OUTERMOST = 3
    """Around everything: one value without a key."""


@attrs.frozen
class _Payload:
    """Where the payload of ``custom`` is; where the bytes around it end; how many values there were up to it."""

    custom: PhpCustom
    start: int
    stop: int
    outer_end: int
    slots: int


class ValueReader:
    """Reads values out of the same bytes, one after the other; later ones may refer to earlier ones."""

    def __init__(self, data: bytes, limits: Limits = DEFAULT_LIMITS) -> None:
        """SessionUnreadable when ``data`` is longer than ``limits.size``."""
        if len(data) > limits.size:
            raise SessionUnreadable(f"{len(data)} bytes are more than the {limits.size} that are read")
        self._data = data
        self._limits = limits
        self._left = limits.values
        self._slots: list[PhpValue] = []
        # Numbers above this one may mean anything: an opaque payload came before.
        self._known = LARGEST

    def read(self, start: int) -> tuple[PhpValue, int]:
        """The value that begins at ``start``, and where it ends. SessionUnreadable: do not read on then.

        A string may seem to end behind the payload it is in: nothing can follow it there, so that is found at once.

        One loop with an explicit stack, and written out: in pieces it takes twice as long, and a large session is read
        while every other client waits. A container is put into the one around it as soon as it is opened; ``entries``,
        ``missing`` (values), ``form`` and ``payload`` are those of the innermost one, the others wait on the stack.
        """
        data, slots, left, position, end = self._data, self._slots, self._left, start, len(self._data)
        match_key, match_value = KEY.match, VALUE.match
        stack: list[tuple[PhpArray, int, int, _Payload | None]] = []
        entries, missing, form = PhpArray(), 1, _Form.OUTERMOST
        payload: _Payload | None = None
        key: int | bytes
        value: PhpValue
        while True:
            try:
                while True:
                    while not missing:
                        if form <= _Form.ARRAY:
                            if position >= end or data[position] != BRACE:
                                raise Fault("a container does not end after its last value")
                        elif payload is None:
                            self._left = left
                            return entries[0], position
                        else:
                            if position != end:
                                raise Fault("more than one value in a class's own format")
                            payload.custom.value, end = entries[0], payload.outer_end
                        position += 1
                        entries, missing, form, payload = stack.pop()
                    missing -= 1

                    if form > _Form.ARRAY:
                        key = 0
                    else:
                        found = match_key(data, position, end)
                        if found is None:
                            raise Fault("no key of PHP's")
                        begin, kind = found.end(), found.lastindex
                        if kind == INTEGER:
                            key = int(found[2])
                            if not SMALLEST <= key <= LARGEST:
                                raise Fault("an integer of more than 64 bits")
                            position = begin
                        else:
                            if kind == STRING:
                                stop = begin + int(found[1])
                                if data[stop : stop + 2] != b'";':
                                    raise Fault("a key does not end where it says")
                                key = data[begin:stop]
                                position = stop + 2
                            else:
                                key, position = escaped(data, begin, end, int(found[3]))
                            # In an array "5" is 5; in an object it is a name.
                            if form == _Form.ARRAY and key[:1] in DIGITS:
                                key = array_key(key)
                        if key in entries:
                            raise Fault("a key occurs twice")

                    found = match_value(data, position, end)
                    if found is None:
                        raise Fault("no value of PHP's")
                    left -= 1
                    if left < 0:
                        raise self._too_many(position)
                    begin, kind = found.end(), found.lastindex
                    if kind == STRING:
                        stop = begin + int(found[1])
                        if data[stop : stop + 2] != b'";':
                            raise Fault("a string does not end where it says")
                        value = data[begin:stop]
                        begin = stop + 2
                    elif kind == INTEGER:
                        value = int(found[2])
                        if not SMALLEST <= value <= LARGEST:
                            raise Fault("an integer of more than 64 bits")
                    elif kind == NULL:
                        value = None
                    elif kind == BOOLEAN:
                        value = found[4] == b"1"
                    elif kind in (ARRAY, OBJECT, OWN_FORMAT):
                        name, count = (b"", int(found[ARRAY])) if kind == ARRAY else name_and_number(found[kind])
                        stop = begin + count
                        if stop > end:
                            raise Fault("a container of more than what follows")
                        if kind == OWN_FORMAT and (stop == end or data[stop] != BRACE):
                            raise Fault("a class's own format ends elsewhere than it says")
                        if kind != OWN_FORMAT and count > left:
                            raise self._too_many(position)
                        if len(stack) >= self._limits.depth:
                            raise SessionUnreadable(f"byte {position}: nested deeper than {self._limits.depth}")
                        outer = entries
                        stack.append((outer, missing, form, payload))
                        entries, missing, payload = PhpArray(), count, None
                        if kind == ARRAY:
                            value, form = entries, _Form.ARRAY
                        elif kind == OBJECT:
                            value, form = PhpObject(name, entries), _Form.OBJECT
                        else:
                            value, form, missing = PhpCustom(name), _Form.PAYLOAD, 1
                            payload = _Payload(value, begin, stop, end, len(slots) + 1)
                            end = stop
                        outer[key] = value
                        slots.append(value)
                        position = begin
                        continue
                    elif kind == SAME_VARIABLE:
                        entries[key] = self._target(int(found[SAME_VARIABLE]))
                        position = begin
                        continue
                    elif kind == SAME_OBJECT:
                        value = self._target(int(found[SAME_OBJECT]))
                        if not isinstance(value, PhpObject | PhpCustom | PhpEnum | PhpUnresolved):
                            raise Fault("a reference to an object means something else")
                    elif kind == FLOAT:
                        value = float(found[FLOAT])
                    elif kind == ENUMERATION:
                        value = enumeration(found[ENUMERATION])
                    else:
                        value, begin = escaped(data, begin, end, int(found[ESCAPED]))
                    slots.append(value)
                    entries[key] = value
                    position = begin
            except Fault as fault:
                # Within the payload of a class with its own format it only says that the format is not PHP's.
                while payload is None:
                    if not stack:
                        raise SessionUnreadable(f"byte {position}: {fault}") from None
                    entries, missing, form, payload = stack.pop()
                left -= OPAQUE
                position, end = self._make_opaque(payload), payload.outer_end
                entries, missing, form, payload = stack.pop()

    def _make_opaque(self, payload: _Payload) -> int:
        """Keeps ``payload`` as it stands instead of what was read in it; returns where its object ends."""
        custom = payload.custom
        custom.value, custom.payload = None, self._data[payload.start : payload.stop]
        if custom.payload:  # nothing is numbered in an empty one
            self._known = min(self._known, payload.slots)
        return payload.stop + 1

    def _target(self, number: int) -> PhpValue:
        if number > self._known:
            return PhpUnresolved(number)
        if number > len(self._slots):
            raise Fault("a reference to a value that has not come yet")
        return self._slots[number - 1]

    def _too_many(self, position: int) -> SessionUnreadable:
        return SessionUnreadable(f"byte {position}: more than {self._limits.values} values")


def unserialize(data: bytes, limits: Limits = DEFAULT_LIMITS) -> PhpValue:
    """The value that PHP's serialize() wrote as ``data``; SessionUnreadable, also when anything follows it."""
    value, end = ValueReader(data, limits).read(0)
    if end != len(data):
        raise SessionUnreadable(f"byte {end}: something follows the value")
    return value
