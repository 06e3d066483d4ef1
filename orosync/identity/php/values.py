"""What PHP's serialized data can hold, as inert values: bytes for strings, and names where PHP has classes.

No class of Python is ever looked up by a name that was read, and nothing read is ever called. Containers may hold
themselves, as PHP's references allow: whoever walks through them remembers where he has been. None of them shows its
content in a ``repr``: sessions are full of hashes and secrets. This file must not know how any of it is written.
"""

from __future__ import annotations

from typing import TypeAlias

import attrs


class SessionUnreadable(ValueError):
    """The bytes are not what PHP would have written, or exceed a limit. Says where and why, never what was read.

    Whoever asked for the session turns it into ``Refused("malformed_session", ...)``.
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
