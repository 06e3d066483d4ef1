"""Making any value fit into one line of a log, so that what a client says can neither forge a line nor hide one.

Pure functions. This file must not know who logs what, or where logs go.
"""

from __future__ import annotations

import re
import reprlib

LONGEST = 200
"""Characters of one value that are shown."""

_PLAIN = re.compile(r"[A-Za-z0-9_.:/@+*,-]+", re.ASCII)

_brief = reprlib.Repr()
_brief.maxstring = _brief.maxother = LONGEST
_brief.maxlevel = 2


def shown(value: object, longest: int = LONGEST) -> str:
    """``value`` as it stands in a log line.

    Numbers, booleans, None and plain words as they are; any other text in double quotes with quotes and backslashes
    escaped. What has no picture of its own (control characters and newlines, ESC and so every ANSI sequence, bidi and
    zero-width controls, line separators, spaces other than the plain one, lone surrogates) is written as \\xNN, \\uNNNN
    or \\UNNNNNNNN. Cut after ``longest`` characters, with the number of those left out.
    """
    if value is None or isinstance(value, bool | float):
        return str(value)
    text = _text(value)
    cut = f"... ({len(text) - longest} more)" if len(text) > longest else ""
    text = text[:longest]
    if not cut and _PLAIN.fullmatch(text):
        return text
    return f'"{_escaped(text)}"{cut}'


def _text(value: object) -> str:
    if isinstance(value, str):
        return value
    try:
        if isinstance(value, int):
            return str(value)
        if isinstance(value, BaseException):
            return f"{type(value).__name__}: {value}"
        return _brief.repr(value)
    except Exception:
        # Somebody's __repr__ or __str__ is broken, or an integer is too long to be written out.
        return f"<{type(value).__name__}>"


def _escaped(text: str) -> str:
    if text.isprintable() and '"' not in text and "\\" not in text:
        return text
    return "".join(map(_character, text))


def _character(character: str) -> str:
    if character in '"\\':
        return "\\" + character
    if character.isprintable():
        return character
    code = ord(character)
    if code < 0x100:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
