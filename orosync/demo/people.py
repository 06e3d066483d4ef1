"""The demonstration's users as people with a name and a task, for the page to show.

It must not know passwords, sessions or HTTP.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from orosync.model import User

KNOWN = {"anna": ("Anna Novak", "Account manager"), "ben": ("Ben Carter", "Sales representative")}
"""By user name; whoever else is configured is called by that."""


class People:
    """Users by user name, in the order they came in."""

    def __init__(self, users: Iterable[User] | Mapping[Any, User]) -> None:
        listed = users.values() if isinstance(users, Mapping) else users
        self._users = {user.username: user for user in listed if user.enabled}

    def find(self, username: str) -> User | None:
        """The user of that name; None if there is none."""
        return self._users.get(username)

    def shown(self) -> list[dict[str, object]]:
        """All of them for the page."""
        return [shown(user) for user in self._users.values()]


def shown(user: User) -> dict[str, object]:
    """``user`` for the page: id, username, name, title, initials; nothing secret."""
    name, title = KNOWN.get(user.username, (user.username.capitalize(), "Demo user"))
    initials = "".join(word[0] for word in name.split()[:2]).upper()
    return {"id": user.id, "username": user.username, "name": name, "title": title, "initials": initials}
