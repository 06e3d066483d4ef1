"""Variables of channels by their names: whose they are, and what they hold where nothing is said of it.

The same for channels of the configuration and of Oro's files. This file must not know where a channel is written.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from orosync.authz import requirements
from orosync.authz.channels import Owner

OWNERS: Mapping[str, Owner] = {"user_id": Owner.USER, "organization_id": Owner.ORGANIZATION, "role": Owner.ROLE}
"""Variables that belong to somebody."""

ID = "[0-9]+"
WORD = "[A-Za-z0-9_-]+"

ALL = "*"
"""In the place of what belongs to somebody: for everybody."""


def default_requirement(name: str) -> str:
    """What a variable may hold where nothing is said of it: an id for users and organizations, else a word."""
    return WORD if OWNERS.get(name, Owner.ROLE) is Owner.ROLE else ID


def admits_all(requirement: str) -> bool:
    """Whether a variable may be ``*``. Raises ValueError for a requirement that cannot be read."""
    return re.fullmatch(requirements.read(requirement).regex, ALL, re.ASCII) is not None
