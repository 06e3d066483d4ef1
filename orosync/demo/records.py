"""The few accounts that the demonstration edits: kept in memory, a fixed number of them, every field bounded.

Saving here tells nobody; whoever saves publishes. It must not know users, HTTP or topics.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import attrs

ENTITY = "Oro\\Bundle\\AccountBundle\\Entity\\Account"
"""The PHP class that such a record would be in Oro."""

FIELDS: Mapping[str, int] = {"name": 120, "phone": 40, "email": 120, "website": 160, "status": 20, "description": 2000}
"""Each field with its greatest length in characters."""

STATUSES = ("Prospect", "Active", "On hold")


@attrs.frozen
class Record:
    """One account. ``saved_at`` in seconds since 1970 and ``saved_by`` are None until somebody saves it."""

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
        fields = {**before.fields, **{name: _judged(name, value) for name, value in changes.items()}}
        after = Record(number, fields, before.version + 1, by, at)
        self._records[number] = after
        return after


def _judged(name: str, value: object) -> str:
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
