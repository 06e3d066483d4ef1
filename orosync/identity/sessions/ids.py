"""What may be a session's id at all: checked before it becomes part of a path, a key, a query or a header.

PHP's own alphabet and lengths (session.sid_bits_per_character, session.sid_length). An id is a credential: it is never
repeated in a reason. This file must not know where sessions are kept.
"""

from __future__ import annotations

import re
from typing import Final

from orosync.errors import Refused

MALFORMED: Final = "malformed_session"

_ID = re.compile(r"[A-Za-z0-9,-]{22,256}")


def checked(session_id: str) -> str:
    """``session_id``, if PHP could have made it; else Refused("malformed_session")."""
    if _ID.fullmatch(session_id) is None:
        raise Refused(MALFORMED, "a session id is 22 to 256 letters, digits, commas and dashes, this one is not")
    return session_id
