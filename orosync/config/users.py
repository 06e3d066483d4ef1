"""The users of a static directory, one line each.

    user.admin = 1 file:/etc/orosync/admin.hash organizations=1,2 roles=ROLE_ADMINISTRATOR

The number is Oro's user id, the reference leads to ``oro_user.password`` verbatim: half of the key of every ticket of
that user, hence a secret. Nothing here may know what a ticket is.
"""

from __future__ import annotations

import re

from orosync.config.secrets import is_reference, secret
from orosync.config.values import Place, boolean, did_you_mean
from orosync.model import User

_WORDS = ("organizations", "roles", "email", "enabled")


def user(username: str, text: str, place: Place) -> User:
    """Read ``ID REFERENCE [organizations=1,2] [roles=A,B] [email=x@y] [enabled=no]``; no blanks within a part."""
    parts = text.split()
    if not username or ";" in username:
        raise ValueError("the name is missing or holds a ; with which nobody can log in, name it user.NAME")
    if len(parts) < 2 or not re.fullmatch(r"[1-9][0-9]{0,17}", parts[0]) or not is_reference(parts[1]):
        raise ValueError("it begins with the user's id and where the hash is, like: 1 file:/etc/orosync/admin.hash")
    options: dict[str, str] = {}
    for part in parts[2:]:
        word, separator, value = part.partition("=")
        if word not in _WORDS or not separator:
            raise ValueError(f"a part is none of {'=, '.join(_WORDS)}={did_you_mean(word, _WORDS)}")
        if word in options:
            raise ValueError(f"{word}= is said twice, join the two")
        options[word] = value
    return User(
        id=int(parts[0]),
        username=username,
        password_hash=secret(parts[1], place).value,
        enabled=boolean(options.get("enabled", "yes"), place),
        email=options.get("email", ""),
        organizations=frozenset(_numbers(options.get("organizations", ""))),
        roles=frozenset(filter(None, options.get("roles", "").split(","))),
    )


def _numbers(text: str) -> list[int]:
    parts = [part for part in text.split(",") if part]
    for part in parts:
        if not re.fullmatch(r"[1-9][0-9]{0,17}", part):
            raise ValueError(f"organizations={text} holds something else than ids, write it like organizations=1,2")
    return [int(part) for part in parts]
