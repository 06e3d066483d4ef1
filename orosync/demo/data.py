"""The data of the demonstration: its users, the accounts that they edit, and who is logged in.

Everything is in memory and bounded. Saving here publishes nothing: ``endpoints`` does.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Iterable, Mapping
from typing import Any

import attrs
from twisted.internet.interfaces import IReactorTime

from orosync.model import User

KNOWN = {"anna": ("Anna Novak", "Account manager"), "ben": ("Ben Carter", "Sales representative")}
"""By user name; other users are shown by their user name."""


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


ENTITY = "Oro\\Bundle\\AccountBundle\\Entity\\Account"
"""The PHP class that such a record would be in Oro."""

FIELDS: Mapping[str, int] = {"name": 120, "phone": 40, "email": 120, "website": 160, "status": 20, "description": 2000}
"""Each field with its greatest length in characters."""

STATUSES = ("Prospect", "Active", "On hold")


@attrs.frozen
class Record:
    """One account. ``saved_at`` in seconds since 1970 and ``saved_by`` are None until it is saved."""

    id: int
    fields: Mapping[str, str]
    version: int = 1
    saved_by: str | None = None
    saved_at: float | None = None


class Records:
    """The accounts by their id."""

    def __init__(self, records: Iterable[Record] | None = None) -> None:
        self._records = {record.id: record for record in (ACCOUNTS if records is None else records)}

    def all(self) -> list[Record]:
        """Every account, in order of id."""
        return [self._records[number] for number in sorted(self._records)]

    def find(self, number: int) -> Record | None:
        """The account ``number``; None if there is none."""
        return self._records.get(number)

    def save(self, number: int, changes: Mapping[str, object], by: str, at: float) -> Record:
        """Put ``changes`` into account ``number`` (KeyError) and return it as it is now.

        ValueError with a sentence for a field that does not exist, is no text, is too long or says nothing sensible;
        nothing has changed then. Saving what was there already is a save as well.
        """
        before = self._records[number]
        fields = {**before.fields, **{name: _checked(name, value) for name, value in changes.items()}}
        after = Record(number, fields, before.version + 1, by, at)
        self._records[number] = after
        return after


def _checked(name: str, value: object) -> str:
    if name not in FIELDS:
        raise ValueError(f"An account has only these fields: {', '.join(FIELDS)}.")
    if not isinstance(value, str):
        raise ValueError(f"The field {name} is not a text.")
    text = value.strip()
    if len(text) > FIELDS[name]:
        raise ValueError(f"The field {name} is longer than {FIELDS[name]} characters.")
    if not text.isprintable() and name != "description":
        raise ValueError(f"The field {name} holds characters that cannot be shown.")
    if any("\ud800" <= character <= "\udfff" for character in text):
        raise ValueError(f"The field {name} holds half a character.")
    if name == "name" and not text:
        raise ValueError("An account needs a name.")
    if name == "status" and text not in STATUSES:
        raise ValueError(f"The status is one of: {', '.join(STATUSES)}.")
    return text


def _account(number: int, name: str, phone: str, domain: str, status: str, description: str) -> Record:
    return Record(
        number,
        {
            "name": name,
            "phone": phone,
            "email": f"office@{domain}",
            "website": f"https://www.{domain}",
            "status": status,
            "description": description,
        },
    )


ACCOUNTS = (
    _account(
        12,
        "Acme, Inc",
        "+1 555 0112",
        "acme.example",
        "Active",
        "Key account since 2019. Orders quarterly; prefers delivery on Tuesdays.",
    ),
    _account(13, "Globex Corporation", "+1 555 0113", "globex.example", "Prospect", "Met at the spring trade fair."),
    _account(14, "Initech", "+1 555 0114", "initech.example", "On hold", "Waiting for the new purchasing manager."),
)


MOST_SESSIONS = 64
LIFETIME = 12 * 3600.0


@attrs.frozen
class _Session:
    username: str
    until: float


class DemoSessions:
    """Sessions by token; only a hash of each token is kept.

    When there are ``most`` of them, the oldest makes room for a new one. ``lifetime`` in seconds.
    """

    def __init__(self, clock: IReactorTime, most: int = MOST_SESSIONS, lifetime: float = LIFETIME) -> None:
        self._clock = clock
        self._most = most
        self._lifetime = lifetime
        self._sessions: dict[bytes, _Session] = {}

    def __len__(self) -> int:
        return len(self._sessions)

    def open(self, username: str) -> str:
        """Log ``username`` in: a new token of 43 characters, all of them harmless in a cookie."""
        while len(self._sessions) >= self._most:
            self._sessions.pop(next(iter(self._sessions)))
        token = secrets.token_urlsafe(32)
        self._sessions[_key(token)] = _Session(username, self._clock.seconds() + self._lifetime)
        return token

    def who(self, token: str) -> str | None:
        """The user name of ``token``; None if there is no such session."""
        session = self._sessions.get(_key(token))
        if session is None:
            return None
        if self._clock.seconds() >= session.until:
            self.close(token)
            return None
        return session.username

    def close(self, token: str) -> None:
        """Log out; an unknown token is no error."""
        self._sessions.pop(_key(token), None)


def _key(token: str) -> bytes:
    return hashlib.sha256(token.encode("utf-8", "surrogateescape")).digest()


def demo_users() -> tuple[User, ...]:
    """The two users of the demonstration, with password hashes made at random."""
    return tuple(
        User(id=number, username=name, password_hash=f"demo${secrets.token_hex(30)}", organizations=frozenset({1}))
        for number, name in enumerate(KNOWN, 1)
    )
