"""The demonstration's users as a directory has them, with secrets of this process.

It must not know the page, or how somebody logs in.
"""

from __future__ import annotations

import secrets

from orosync.demo.people import KNOWN
from orosync.model import User


def demo_users() -> tuple[User, ...]:
    """The two users of the demonstration, with password hashes that nobody has seen before."""
    return tuple(
        User(id=number, username=name, password_hash=f"demo${secrets.token_hex(30)}", organizations=frozenset({1}))
        for number, name in enumerate(KNOWN, 1)
    )
