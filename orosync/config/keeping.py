"""What a realm keeps of publications: keys of [realm:NAME]. Like ``sections``, of which this is a part; it must not
know how the values are used.
"""

from __future__ import annotations

from typing import Any

from orosync.config import values
from orosync.config.keys import setting


def retained_events() -> Any:
    """``retained_events``."""
    return setting(
        values.count,
        "How many events are retained for those who subscribe later; over it the oldest goes ([meta.md](meta.md)).",
        default="1000",
    )


def retained_bytes() -> Any:
    """``retained_bytes``."""
    return setting(values.size, "How many bytes of arguments all of them may have.", default="1MiB")
