"""Reads the values of WAMP options and details, whose types no serializer has checked.

A missing and a null option are the same thing; an unknown option is nobody's business; an option of a wrong type
or an unknown word costs the request one ERROR ``wamp.error.invalid_argument``. This file must not know what
any option means.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from typing import Any, TypeVar

from orosync.errors import RequestError
from orosync.wamp import names

Word = TypeVar("Word", bound=Enum)

_LARGEST = 2**53


def flag(options: Mapping[str, Any], name: str, default: bool = False) -> bool:
    """A yes or no. RequestError INVALID_ARGUMENT for anything that is not a boolean."""
    value = options.get(name)
    if value is None:
        return default
    if value is True or value is False:
        return bool(value)
    raise RequestError(names.INVALID_ARGUMENT, f"{name} must be true or false")


def choice(options: Mapping[str, Any], name: str, default: Word) -> Word:
    """One word of the enumeration that ``default`` belongs to. RequestError INVALID_ARGUMENT for any other value."""
    value = options.get(name)
    if value is None:
        return default
    words = type(default)
    if isinstance(value, str):
        try:
            return words(value)
        except ValueError:
            pass
    raise RequestError(names.INVALID_ARGUMENT, f"{name} must be one of {', '.join(word.value for word in words)}")


def text_size(details: Mapping[str, Any]) -> int:
    """How many characters the texts among ``details`` have together: for those who keep them."""
    return sum(len(value) for value in details.values() if isinstance(value, str))


def whole(options: Mapping[str, Any], name: str, least: int = 0) -> int | None:
    """A whole number from ``least`` on (integral floats too), None where there is none. RequestError INVALID_ARGUMENT
    for anything else."""
    value = options.get(name)
    if value is None:
        return None
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if type(value) is not int or not least <= value <= _LARGEST:
        raise RequestError(names.INVALID_ARGUMENT, f"{name} must be a whole number from {least} on")
    return value
