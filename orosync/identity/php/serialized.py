"""PHP's serialize() format, read into inert values (PHP's ext/standard/var_unserializer.re is the definition).

    N;  b:1;  i:-5;  d:0.1;  s:5:"bytes";  S:1:"\\41";   scalars; lengths count bytes
    a:1:{key value}  O:3:"Cls":1:{key value}            arrays and objects; keys are i, s or S
    E:8:"Cls:Case";                                     a case of an enumeration
    C:3:"Cls":4:{free}                                  an object of a class with a format of its own
    r:2;  R:2;                                          the object, or the variable, that was read as number 2

Numbers count every value in the order in which it began, from 1, keys and ``R`` left out, ``r`` included. What a class
with its own format writes with serialize() is numbered along with the rest.

Strings become bytes, and classes only names: no Python class is looked up by a name that was read, and nothing that was
read is called. Only spellings that PHP writes are read; those that PHP would also accept (leading zeros, a key twice, a
number out of range) are refused. Nothing is recursive; size, depth and number of values are bounded, and every byte is
looked at once. Containers may hold themselves, as PHP's references allow. A ``repr`` never shows the content of a
container: sessions are full of hashes and secrets.
"""

from __future__ import annotations

import re
from typing import Final, TypeAlias

import attrs

_LENGTH = rb"(?:0|[1-9][0-9]{0,8})"
_CLASS = rb"[0-9A-Za-z_\\\x7f-\xff]{1,1000}"
# Each alternative has one group: the number of the group (lastindex) tells what it is.
STRING, INTEGER = 1, 2
KEY = re.compile(rb's:(%(n)s):"|i:(0|-?[1-9][0-9]{0,18});|S:(%(n)s):"' % {b"n": _LENGTH})
NULL, BOOLEAN, ARRAY, OBJECT, SAME_OBJECT, SAME_VARIABLE, FLOAT, ENUMERATION, OWN_FORMAT, ESCAPED = range(3, 13)
VALUE = re.compile(
    rb's:(%(n)s):"|i:(0|-?[1-9][0-9]{0,18});|(N);|b:([01]);'
    rb'|a:(%(n)s):\{|O:(%(n)s:"%(c)s":%(n)s):\{|r:([1-9][0-9]{0,8});|R:([1-9][0-9]{0,8});'
    rb"|d:(-?[0-9]{1,400}(?:\.[0-9]{1,1100})?(?:[eE][+-]?[0-9]{1,4})?|-?INF|NAN);"
    rb'|E:(%(n)s:"%(c)s:[0-9A-Za-z_\x7f-\xff]{1,1000})";|C:(%(n)s:"%(c)s":%(n)s):\{|S:(%(n)s):"'
    % {b"n": _LENGTH, b"c": _CLASS}
)
_DECIMAL = re.compile(rb"0|-?[1-9][0-9]{0,18}")
_HEX = re.compile(rb"\\([0-9A-Fa-f]{2})")
SMALLEST, LARGEST = -(2**63), 2**63 - 1
BRACE = ord("}")
DIGITS = frozenset(b"%d" % digit for digit in range(10)) | {b"-"}


@attrs.frozen
class ParseLimits:
    """How much is read at most: ``size`` in bytes, ``depth`` in containers inside each other, ``values`` in all."""

    size: int = 256 * 1024
    depth: int = 512
    values: int = 16_000


DEFAULT_LIMITS: Final = ParseLimits()
OPAQUE: Final = 3
"""How many values an opaque payload counts for beside those found in it: finding out takes as long."""


class SessionUnreadable(ValueError):
    """The bytes are not what PHP would have written, or exceed a limit. Says where and why, never what was read.

    ``php.session`` turns it into ``Refused("malformed_session", ...)``.
    """


class PhpArray(dict["int | bytes", "PhpValue"]):
    """An array, in PHP's order. Decimal string keys have become numbers, as in PHP."""

    __slots__ = ()

    def __repr__(self) -> str:
        return f"<PhpArray of {len(self)}>"


@attrs.define(eq=False, repr=False)
class PhpObject:
    """An object: the name of its class and what was written for it.

    ``properties`` are what ``__serialize`` returned, or the properties under PHP's own names (``\\0*\\0name`` for a
    protected one, ``\\0Class\\0name`` for a private one).
    """

    class_name: bytes
    properties: PhpArray

    def __repr__(self) -> str:
        return f"<PhpObject {shown(self.class_name)}>"


@attrs.define(eq=False, repr=False)
class PhpCustom:
    """An object of a class with its own format (PHP's ``Serializable``; Oro's entities before 5.0).

    Where that format is PHP's own, ``value`` is what it held and ``payload`` is None; otherwise ``payload`` holds it.
    """

    class_name: bytes
    value: PhpValue = None
    payload: bytes | None = None

    def __repr__(self) -> str:
        return f"<PhpCustom {shown(self.class_name)}>"


@attrs.frozen(repr=False)
class PhpEnum:
    """A case of an enumeration."""

    class_name: bytes
    case: bytes

    def __repr__(self) -> str:
        return f"<PhpEnum {shown(self.class_name)}::{shown(self.case)}>"


@attrs.frozen
class PhpUnresolved:
    """A reference whose target cannot be known: it counts past an opaque PhpCustom, and that may hold many values."""

    number: int


PhpValue: TypeAlias = bytes | int | float | bool | PhpArray | PhpObject | PhpCustom | PhpEnum | PhpUnresolved | None


def shown(name: bytes) -> str:
    """A class name for a log line: escaped, and cut."""
    return name[:200].decode("ascii", "backslashreplace")


class Fault(Exception):
    """Not PHP's format. Inside the payload of a class with its own format that only means that it is not PHP's."""


def array_key(key: bytes) -> int | bytes:
    """A key as PHP's arrays have it: decimal numbers of 64 bits are numbers."""
    if _DECIMAL.fullmatch(key):
        number = int(key)
        if SMALLEST <= number <= LARGEST:
            return number
    return key


def name_and_number(text: bytes) -> tuple[bytes, int]:
    """The name and the number in ``length:"name":number``."""
    length, name, number = text.split(b'"')
    if int(length[:-1]) != len(name):
        raise Fault("the name of a class is not as long as it says")
    return name, int(number[1:])


def enumeration(text: bytes) -> PhpEnum:
    """The case in ``length:"class:case``."""
    length, name = text.split(b'"')
    if int(length[:-1]) != len(name):
        raise Fault("the name of a case is not as long as it says")
    class_name, _, case = name.partition(b":")
    return PhpEnum(class_name, case)


def escaped(data: bytes, position: int, end: int, length: int) -> tuple[bytes, int]:
    """The ``length`` bytes of an ``S:`` string, and where it ends; a backslash and two hexadecimal digits are one."""
    pieces: list[bytes] = []
    while length:
        slash = data.find(b"\\", position, min(position + length, end))
        stop = position + length if slash < 0 else slash
        pieces.append(data[position:stop])
        length -= stop - position
        position = stop
        if slash >= 0:
            escape = _HEX.match(data, slash, end)
            if escape is None:
                raise Fault("a backslash without two hexadecimal digits")
            pieces.append(bytes.fromhex(escape[1].decode("ascii")))
            position = escape.end()
            length -= 1
    if data[position : position + 2] != b'";' or position + 2 > end:
        raise Fault("a string does not end where it says")
    return b"".join(pieces), position + 2


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

    def __init__(self, data: bytes, limits: ParseLimits = DEFAULT_LIMITS) -> None:
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


def unserialize(data: bytes, limits: ParseLimits = DEFAULT_LIMITS) -> PhpValue:
    """The value that PHP's serialize() wrote as ``data``; SessionUnreadable, also when anything follows it."""
    value, end = ValueReader(data, limits).read(0)
    if end != len(data):
        raise SessionUnreadable(f"byte {end}: something follows the value")
    return value
