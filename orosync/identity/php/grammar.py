"""How PHP's serialize() spells single values: their heads as patterns, and what is in names and keys.

Only spellings that PHP writes. Nothing here knows where a value stands or what came before it.
"""

from __future__ import annotations

import re

from orosync.identity.php.values import PhpEnum


class Fault(Exception):
    """Not PHP's format. Inside the payload of a class with its own format that only means that it is not PHP's."""


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
