"""A directory of fixed users: for demonstrations, tests and small installations."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from twisted.internet import defer
from twisted.internet.defer import Deferred
from zope.interface import implementer

from orosync.errors import ConfigError
from orosync.interfaces import IDirectory, ISharedPasswords
from orosync.model import SharedPassword, User, shared_by


@implementer(IDirectory, ISharedPasswords)
class StaticDirectory:
    """Finds ``users`` as Oro's UserLoader does. ConfigError for two users with the same id, username or e-mail."""

    def __init__(self, users: Iterable[User]) -> None:
        users = tuple(users)
        self._users = users
        self._by_username = {user.username: user for user in users}
        self._by_email = {user.email.lower(): user for user in users if user.email}
        faults = [f"users: more than one with the {what} {value!r}" for what, value in _doubles(users)]
        if faults:
            raise ConfigError(faults)

    def find(self, login: str) -> Deferred[User | None]:
        """See IDirectory. The username must match exactly, an e-mail in any case."""
        user = self._by_username.get(login)
        if user is None and "@" in login:
            user = self._by_email.get(login.lower())
        return defer.succeed(user)

    def shared_passwords(self) -> Deferred[Sequence[SharedPassword]]:
        """See ISharedPasswords."""
        return defer.succeed(shared_by(self._users))


def _doubles(users: tuple[User, ...]) -> Iterable[tuple[str, object]]:
    seen: set[tuple[str, object]] = set()
    for user in users:
        values: list[tuple[str, object]] = [("id", user.id), ("username", user.username)]
        if user.email:
            values.append(("e-mail", user.email.lower()))
        for value in values:
            if value in seen:
                yield value
            seen.add(value)
