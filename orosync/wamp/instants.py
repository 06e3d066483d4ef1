"""Points in time as text (RFC 3339), for receivers whose serialization has no type for them. Years 1 to 9999."""

from __future__ import annotations

import re
from fractions import Fraction
from math import isfinite

_DAY = 86_400
_FIRST = -62_135_596_800
_LAST = 253_402_300_799
_TEXT = re.compile(
    r"([0-9]{4})-([0-9]{2})-([0-9]{2})T([0-9]{2}):([0-9]{2}):([0-9]{2})(?:\.[0-9]+)?(?:Z|[+-]([0-9]{2}):([0-9]{2}))"
)
_DAYS_BEFORE = (0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334)
_FROM_YEAR_1_TO_1970 = 719_162


def is_instant(text: str) -> bool:
    """Whether ``text`` is an existing date and time of RFC 3339; without leap seconds, which most libraries refuse."""
    found = _TEXT.fullmatch(text)
    if found is None:
        return False
    year, month, day, hour, minute, second, ahead, minutes_ahead = (int(part or 0) for part in found.groups())
    if not (year > 0 and 0 < month <= 12 and hour < 24 and minute < 60 and second < 60):
        return False
    return 0 < day <= _days_of(year, month) and ahead < 24 and minutes_ahead < 60


def in_range(seconds: float) -> bool:
    """Whether so many seconds since 1970 are within those years."""
    return isfinite(seconds) and _FIRST <= seconds <= _LAST


def text_of(seconds: float, nanoseconds: int = 0) -> str:
    """The text of seconds since 1970, in UTC. Floats to the microsecond, which is the precision of a double today."""
    whole = int(seconds // 1)
    if whole != seconds:
        micros = round((Fraction(seconds) - whole) * 1_000_000)
        whole, nanoseconds = whole + micros // 1_000_000, micros % 1_000_000 * 1000
    days, second = divmod(whole, _DAY)
    year, month, day = _date(days + _FROM_YEAR_1_TO_1970)
    fraction = f".{nanoseconds:09d}".rstrip("0") if nanoseconds else ""
    return f"{year:04d}-{month:02d}-{day:02d}T{second // 3600:02d}:{second // 60 % 60:02d}:{second % 60:02d}{fraction}Z"


def _is_leap(year: int) -> bool:
    return year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)


def _days_of(year: int, month: int) -> int:
    following = _DAYS_BEFORE[month] if month < 12 else 365
    return following - _DAYS_BEFORE[month - 1] + (month == 2 and _is_leap(year))


def _date(days: int) -> tuple[int, int, int]:
    """Year, month and day, so many days after the first of the year 1."""
    year = days * 400 // 146_097 + 2  # an upper bound
    while (first := 365 * (year - 1) + (year - 1) // 4 - (year - 1) // 100 + (year - 1) // 400) > days:
        year -= 1
    left = days - first
    month = 1
    while left >= (length := _days_of(year, month)):
        left -= length
        month += 1
    return year, month, left + 1
