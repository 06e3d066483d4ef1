"""What PUBLISH.Options ask for, read and checked once.

It must not know whether it may be had, nor who gets the event.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import attrs

from orosync.router.filters import Filters
from orosync.router.options import flag


@attrs.frozen
class Publication:
    """``disclose``: the publisher wants to be named to the receivers. ``retain``: the event is to be kept for those who
    subscribe later."""

    acknowledge: bool
    exclude_me: bool
    filters: Filters | None
    disclose: bool
    retain: bool

    @classmethod
    def of(cls, options: Mapping[str, Any]) -> Publication:
        """RequestError INVALID_ARGUMENT for an option of a wrong type."""
        return cls(
            flag(options, "acknowledge"),
            flag(options, "exclude_me", True),
            Filters.from_options(options),
            flag(options, "disclose_me"),
            flag(options, "retain"),
        )
